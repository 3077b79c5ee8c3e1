//! Appending over HTTP: order, duplicates, conflicts, time, proofs.

use uuid::Uuid;
use verdict_merkle::{verify_consistency, verify_inclusion};
use verdict_store::{Appended, LeafIndex, Store, TreeSize};

use crate::events::{append, assert_clean, block, heads, incoming, log, options};
use crate::images::record;

#[test]
fn what_is_acknowledged_is_visible_provable_and_there_after_a_restart() {
    let dir = tempfile::tempdir().unwrap();
    let store = Store::open(dir.path(), options()).unwrap();
    let ids: Vec<Uuid> = (0..300).map(|_| Uuid::now_v7()).collect();
    let mut sizes = Vec::new();
    for (number, id) in (0..).zip(&ids) {
        let receipt = append(
            &store,
            vec![incoming("acme", *id, number), incoming("globex", *id, number)],
        )
        .unwrap();
        assert_eq!(
            receipt.results,
            [Appended::Accepted {
                index: LeafIndex(number)
            }; 2]
        );
        assert_eq!(
            receipt
                .logs
                .iter()
                .map(|head| head.name.to_string())
                .collect::<Vec<_>>(),
            ["acme", "globex"]
        );
        let info = store.snapshot().log(&log("acme")).unwrap().unwrap();
        assert_eq!(
            (info.visible.size, info.size),
            (TreeSize(number + 1), TreeSize(number + 1)),
            "visible when acknowledged"
        );
        sizes.push(receipt.logs[0].clone());
    }
    let before = heads(&store);
    store.close().unwrap();

    let store = Store::open(dir.path(), options()).unwrap();
    assert_eq!(heads(&store), before);
    let snapshot = store.snapshot();
    let acme = snapshot.log(&log("acme")).unwrap().unwrap();
    let last = sizes.last().unwrap();
    for head in sizes.iter().step_by(37) {
        let index = LeafIndex(head.size.0 - 1);
        let leaf = store
            .leaf(&acme.name, &snapshot.record(acme.id, index).unwrap().unwrap())
            .hash();
        let proof = snapshot.inclusion_proof(acme.id, index, last.size).unwrap();
        verify_inclusion(leaf, index, last.size, &proof, last.root).unwrap();
        let proof = snapshot.consistency_proof(acme.id, head.size, last.size).unwrap();
        verify_consistency(head.size, head.root, last.size, last.root, &proof).unwrap();
    }
    drop(snapshot);
    drop(store);
    assert_clean(dir.path());
}

#[test]
fn a_duplicate_is_not_stored_and_a_conflict_is() {
    let dir = tempfile::tempdir().unwrap();
    let store = Store::open(dir.path(), options()).unwrap();
    let (one, two) = (Uuid::now_v7(), Uuid::now_v7());
    let index = LeafIndex;
    // Within one batch, then over batches, then over a restart.
    let batch = vec![
        incoming("acme", one, 1),
        incoming("acme", two, 2),
        incoming("acme", one, 1),
        incoming("acme", one, 9),
    ];
    let receipt = append(&store, batch).unwrap();
    let expected = [
        Appended::Accepted { index: index(0) },
        Appended::Accepted { index: index(1) },
        Appended::Duplicate { index: index(0) },
        Appended::Conflict { index: index(2) },
    ];
    assert_eq!(receipt.results, expected);
    assert_eq!(receipt.logs[0].size, TreeSize(3));
    let again = append(&store, vec![incoming("acme", two, 2)]).unwrap();
    assert_eq!(again.results, [Appended::Duplicate { index: index(1) }]);
    assert_eq!(again.logs, receipt.logs, "nothing was added");
    store.close().unwrap();

    let store = Store::open(dir.path(), options()).unwrap();
    let third = append(
        &store,
        vec![
            incoming("acme", one, 1),
            incoming("globex", one, 1),
            incoming("acme", two, 3),
        ],
    )
    .unwrap();
    let expected = [
        Appended::Duplicate { index: index(0) },
        Appended::Accepted { index: index(0) },
        Appended::Conflict { index: index(3) },
    ];
    assert_eq!(third.results, expected, "the same event in another log is another");
    let statistics = store.statistics();
    assert_eq!(
        (statistics.duplicates, statistics.conflicts, statistics.events),
        (1, 1, 2)
    );
    drop(store);
    assert_clean(dir.path());
}

/// Many at once, each event sent by two: each is stored once, and whoever is told of a duplicate is told of the first.
#[test]
fn of_two_who_send_the_same_at_once_one_is_kept() {
    let dir = tempfile::tempdir().unwrap();
    let store = Store::open(dir.path(), options()).unwrap();
    let ids: Vec<Uuid> = (0..200).map(|_| Uuid::now_v7()).collect();
    let results = block(async {
        let sent = ids.iter().chain(&ids).zip((0..200).chain(0..200)).map(|(id, number)| {
            let store = store.clone();
            let record = incoming("acme", *id, number);
            async move { store.append(vec![record]).await.unwrap().results[0] }
        });
        let tasks = tokio::task::LocalSet::new();
        tasks
            .run_until(async {
                let handles: Vec<_> = sent.map(tokio::task::spawn_local).collect();
                let mut results = Vec::new();
                for handle in handles {
                    results.push(handle.await.unwrap());
                }
                results
            })
            .await
    });
    let mut accepted: Vec<u64> = Vec::new();
    for (one, other) in results.iter().zip(&results[200..]) {
        assert_eq!(one.index(), other.index());
        let kept = [one, other]
            .iter()
            .filter(|result| matches!(result, Appended::Accepted { .. }))
            .count();
        assert_eq!(kept, 1, "{one:?} {other:?}");
        accepted.push(one.index().0);
    }
    accepted.sort_unstable();
    assert_eq!(accepted, (0..200).collect::<Vec<_>>());
    let statistics = store.statistics();
    assert_eq!((statistics.events, statistics.duplicates), (200, 200));
    assert!(
        statistics.commits < 400,
        "commits are shared under load: {statistics:?}"
    );
    assert!(statistics.fsyncs <= statistics.commits);
    drop(store);
    assert_clean(dir.path());
}

/// E3: nothing is recorded at or before a horizon that was told.
#[test]
fn recorded_time_is_after_every_horizon_told() {
    let dir = tempfile::tempdir().unwrap();
    let store = Store::open(dir.path(), options()).unwrap();
    let mut last = store.horizon(&[&log("acme")]);
    for number in 0..50 {
        let told = store.horizon(&[&log("acme")]);
        assert!(told >= last);
        append(&store, vec![incoming("acme", Uuid::now_v7(), number)]).unwrap();
        let recorded = record(&store, "acme", number).recorded_time;
        assert!(recorded > told, "{recorded} {told}");
        last = store.horizon(&[&log("acme")]);
        assert!(last >= recorded, "what is acknowledged is within the horizon");
        let snapshot = store.snapshot();
        let acme = snapshot.log(&log("acme")).unwrap().unwrap().id;
        assert_eq!(snapshot.size_at(acme, told).unwrap(), TreeSize(number));
        assert_eq!(snapshot.size_at(acme, last).unwrap(), TreeSize(number + 1));
    }
}
