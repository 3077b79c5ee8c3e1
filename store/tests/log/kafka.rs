//! Appending from Kafka: positions move with the records, each offset is a leaf once, and replicas agree.

use verdict_schemas::Timestamp;
use verdict_store::{
    AppendError, Flag, Gap, Incoming, KafkaPartition, LeafIndex, Options, RawTime, RawTimeKind, Store, TreeSize, audit,
    payload_digest,
};

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

/// What the broker did not stamp is recorded by what it said last in that partition, whatever the emitter's clock says, in
/// which pieces it comes, and whichever of the partition's logs it goes to.
#[test]
fn an_emitters_clock_never_becomes_the_logs() {
    let options = || Options {
        salt_key: Some([9; 32]),
        ..options()
    };
    let emitter = |tenant: &str, offset: u64, micros: i64| Incoming {
        raw_time: RawTime::Emitter(Timestamp::from_micros(micros).unwrap()),
        ..from_kafka(tenant, 0, offset, 0)
    };
    let absent = |tenant: &str, offset: u64| Incoming {
        raw_time: RawTime::Absent,
        ..from_kafka(tenant, 0, offset, 0)
    };
    let far = Timestamp::MAX.as_micros();
    let records = || {
        vec![
            emitter("acme", 0, 500),
            from_kafka("globex", 0, 1, 100),
            emitter("acme", 2, far),
            emitter("globex", 3, 7),
            absent("acme", 4),
            from_kafka("acme", 0, 5, 90),
            emitter("globex", 6, 3),
            from_kafka("globex", 0, 7, 130),
            emitter("acme", 8, 3),
        ]
    };
    let dir = tempfile::tempdir().unwrap();
    let store = Store::open(dir.path(), options()).unwrap();
    store.append_kafka(records(), vec![], vec![]).unwrap().wait().unwrap();
    let times = |store: &Store, tenant: &str| -> Vec<_> {
        let size = store.snapshot().logs().unwrap().into_iter();
        let size = size.filter(|of| of.name == log(tenant)).map(|of| of.size.0).sum();
        let kept = (0..size).map(|index| record(store, tenant, index));
        kept.map(|r| (r.recorded_time.as_micros(), r.raw_time.as_micros(), r.raw_time_kind))
            .collect()
    };
    assert_eq!(
        times(&store, "acme"),
        [
            (0, 500, RawTimeKind::Emitter),
            (100, far, RawTimeKind::Emitter),
            (100, 100, RawTimeKind::Absent),
            (100, 90, RawTimeKind::Broker),
            (130, 3, RawTimeKind::Emitter)
        ]
    );
    // By the last time of the broker, 90, which the log's own fold lifts to 100.
    assert_eq!(
        times(&store, "globex"),
        [
            (100, 100, RawTimeKind::Broker),
            (100, 7, RawTimeKind::Emitter),
            (100, 3, RawTimeKind::Emitter),
            (130, 130, RawTimeKind::Broker)
        ]
    );
    let expected = heads(&store);
    drop(store);
    assert!(audit(dir.path(), &options()).unwrap().is_clean());

    // One by one, with a restart behind each: the broker's last time is kept with the position.
    let pieces = tempfile::tempdir().unwrap();
    for one in records() {
        let replica = Store::open(pieces.path(), options()).unwrap();
        replica.append_kafka(vec![one], vec![], vec![]).unwrap().wait().unwrap();
        replica.close().unwrap();
    }
    let replica = Store::open(pieces.path(), options()).unwrap();
    assert_eq!(heads(&replica), expected);
    wait_whole(&replica);
    // They are flagged, and count.
    let snapshot = replica.snapshot();
    let acme = snapshot
        .logs()
        .unwrap()
        .into_iter()
        .find(|of| of.name == log("acme"))
        .unwrap();
    let flags: Vec<_> = (0..5)
        .map(|index| snapshot.flag(acme.id, LeafIndex(index), acme.visible).unwrap())
        .collect();
    let (flagged, plain) = (Some(Flag::NoAppendTime), None);
    assert_eq!(
        flags,
        [flagged.clone(), flagged.clone(), flagged.clone(), plain, flagged]
    );
    drop(snapshot);
    drop(replica);
    assert!(audit(pieces.path(), &options()).unwrap().is_clean());
}

/// Until rows are made of everything that the store held when it was opened.
fn wait_whole(store: &Store) {
    while store.followers().behind > 0 {
        std::thread::sleep(std::time::Duration::from_millis(1));
    }
}
