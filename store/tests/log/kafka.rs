//! Appending from Kafka: positions move with the records, each offset is a leaf once, and replicas agree.

use verdict_schemas::Timestamp;
use verdict_store::{AppendError, Gap, KafkaPartition, LeafIndex, Options, Store, TreeSize, payload_digest};

use crate::events::{assert_clean, block, from_kafka, heads, log, options};
use crate::images::record;

fn partition(partition: u32) -> KafkaPartition {
    KafkaPartition {
        cluster: "c1".into(),
        topic: "verdict.events.v1".into(),
        partition,
    }
}

#[test]
fn positions_holes_and_gaps_are_there_after_a_restart() {
    let dir = tempfile::tempdir().unwrap();
    let store = Store::open(dir.path(), options()).unwrap();
    assert_eq!(store.position(&partition(0)), None);
    let commit = |batch, next: Vec<(KafkaPartition, u64)>, gaps| store.append_kafka(batch, next, gaps).unwrap().wait();
    commit(
        vec![from_kafka("acme", 0, 5, 100), from_kafka("globex", 0, 7, 90)],
        vec![],
        vec![],
    )
    .unwrap();
    // Aborted records and a transaction marker: no record, but the position moves.
    commit(vec![], vec![(partition(0), 20)], vec![]).unwrap();
    let gap = Gap {
        partition: partition(1),
        from: 3,
        to: 9,
        reason: "retention".to_owned(),
        noticed_at: Timestamp::from_micros(77).unwrap(),
    };
    commit(
        vec![from_kafka("acme", 1, 9, 80)],
        vec![(partition(1), 11)],
        vec![gap.clone()],
    )
    .unwrap();
    assert!(block(store.wait_position(
        &partition(0),
        19,
        std::time::Duration::from_secs(60)
    )));
    assert!(block(store.wait_position(
        &partition(1),
        10,
        std::time::Duration::from_secs(60)
    )));
    assert!(!block(store.wait_position(
        &partition(1),
        11,
        std::time::Duration::ZERO
    )));
    let positions = store.positions();
    store.close().unwrap();

    let store = Store::open(dir.path(), options()).unwrap();
    assert_eq!(store.positions(), positions);
    assert_eq!(store.gaps().unwrap(), [gap]);
    let position = store.position(&partition(0)).unwrap();
    assert_eq!((position.first, position.next), (5, 20));
    let last = position.last.unwrap();
    assert_eq!((last.offset, last.log, last.index), (7, log("globex"), LeafIndex(0)));
    let kept = record(&store, "globex", 0);
    assert_eq!(
        last.digest,
        payload_digest(kept.key.as_deref(), &kept.headers, &kept.value)
    );
    assert!(block(store.wait_position(&partition(0), 19, std::time::Duration::ZERO)));
    drop(store);
    assert_clean(dir.path());
}

#[test]
fn an_offset_is_a_leaf_once() {
    let dir = tempfile::tempdir().unwrap();
    let store = Store::open(dir.path(), options()).unwrap();
    let commit = |batch, next: Vec<(KafkaPartition, u64)>| store.append_kafka(batch, next, vec![]).unwrap().wait();
    commit(
        vec![from_kafka("acme", 0, 0, 100), from_kafka("acme", 0, 1, 100)],
        vec![],
    )
    .unwrap();
    let before = heads(&store);
    for (batch, next) in [
        (vec![from_kafka("acme", 0, 1, 100)], vec![]),
        (
            vec![from_kafka("acme", 0, 2, 100), from_kafka("acme", 0, 2, 100)],
            vec![],
        ),
        (
            vec![from_kafka("acme", 0, 3, 100), from_kafka("acme", 0, 2, 100)],
            vec![],
        ),
        (vec![from_kafka("acme", 0, 4, 100)], vec![(partition(0), 4)]),
        (vec![], vec![(partition(0), 1)]),
    ] {
        let refused = commit(batch, next).unwrap_err();
        assert!(matches!(refused, AppendError::Refused(_)), "{refused}");
    }
    assert_eq!(heads(&store), before, "a batch refused leaves nothing");
    commit(vec![from_kafka("acme", 0, 2, 100)], vec![]).unwrap();
    assert_eq!(store.position(&partition(0)).unwrap().next, 3);
    drop(store);
    assert_clean(dir.path());
}

/// The same records give the same roots, however they were batched, interrupted, or numbered in another store.
#[test]
fn replicas_agree() {
    let options = || Options {
        salt_key: Some([9; 32]),
        ..options()
    };
    let records = |tenants: &[&str; 3], offsets: std::ops::Range<u64>| -> Vec<_> {
        let times = [100, 90, 400, 300, 300].into_iter().cycle();
        let round = tenants.iter().cycle().zip(times).zip(0_u64..);
        let wanted = round
            .skip_while(|(_, offset)| *offset < offsets.start)
            .take_while(|(_, offset)| *offset < offsets.end);
        wanted
            .map(|((tenant, time), offset)| from_kafka(tenant, 0, offset, time))
            .collect()
    };
    let tenants = ["acme", "globex", "initech"];
    let all = tempfile::tempdir().unwrap();
    let store = Store::open(all.path(), options()).unwrap();
    store
        .append_kafka(records(&tenants, 0..1000), vec![], vec![])
        .unwrap()
        .wait()
        .unwrap();
    let expected = heads(&store);

    let pieces = tempfile::tempdir().unwrap();
    let mut next = 0;
    for size in [1, 255, 1, 300, 7, 400, 36] {
        let replica = Store::open(pieces.path(), options()).unwrap();
        // Its logs get other numbers: this one has another before them.
        replica
            .append_kafka(vec![from_kafka("zeta", 9, next, 1)], vec![], vec![])
            .unwrap()
            .wait()
            .unwrap();
        replica
            .append_kafka(records(&tenants, next..next + size), vec![], vec![])
            .unwrap()
            .wait()
            .unwrap();
        next += size;
        replica.close().unwrap();
    }
    assert_eq!(next, 1000);
    let replica = Store::open(pieces.path(), options()).unwrap();
    let mut found = heads(&replica);
    found.retain(|(name, ..)| name != "zeta");
    assert_eq!(found, expected);
    // Recorded time never goes backwards, whatever the broker said.
    let snapshot = replica.snapshot();
    let acme = snapshot.log(&log("acme")).unwrap().unwrap();
    assert_eq!(acme.last_recorded, Timestamp::from_micros(400).unwrap());
    assert_eq!(
        snapshot.size_at(acme.id, Timestamp::from_micros(399).unwrap()).unwrap(),
        TreeSize(4)
    );
    drop(snapshot);
    drop((store, replica));
    for dir in [all.path(), pieces.path()] {
        let report = verdict_store::audit(dir, &options()).unwrap();
        assert!(report.is_clean(), "{:?}", report.defects);
    }
}
