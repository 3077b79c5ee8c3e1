//! kill -9 in a loop, at moments that nobody chose.

use std::collections::BTreeMap;
use std::io::{BufRead, BufReader};
use std::path::Path;

use uuid::Uuid;
use verdict_schemas::EventId;
use verdict_store::{KafkaPartition, LeafIndex, Store};

use crate::child;
use crate::events::{assert_clean, from_kafka, heads, log, options};

/// Runs a child until it has said so many lines, kills it, and gives every whole line it had said.
fn kill_after(mode: &str, dir: &Path, lines: usize) -> Vec<String> {
    let mut child = child::start(mode, dir, None);
    let mut out = BufReader::new(child.stdout.take().unwrap());
    let mut said = Vec::new();
    let mut line = String::new();
    while said.len() < lines && out.read_line(&mut line).unwrap() > 0 {
        said.push(std::mem::take(&mut line));
    }
    child.kill().unwrap();
    child.wait().unwrap();
    // What it had said before it died was acknowledged too.
    while out.read_line(&mut line).unwrap() > 0 {
        said.push(std::mem::take(&mut line));
    }
    said.retain(|line| line.ends_with('\n'));
    assert!(said.len() >= lines, "the child died by itself");
    said
}

/// A moment that differs from run to run: random bits of a UUID.
fn random_moment() -> usize {
    (Uuid::new_v4().as_u128() % 600) as usize + 1
}

pub(crate) fn over_http_at_random_moments() {
    let dir = tempfile::tempdir().unwrap();
    let mut acknowledged: BTreeMap<(String, u64), Uuid> = BTreeMap::new();
    for _ in 0..8 {
        for line in kill_after("http", dir.path(), random_moment()) {
            let [index, log, id] = line.split_whitespace().collect::<Vec<_>>()[..] else {
                panic!("{line}")
            };
            let before = acknowledged.insert((log.to_owned(), index.parse().unwrap()), id.parse().unwrap());
            assert_eq!(before, None, "an index was given twice");
        }
        assert_clean(dir.path());
        let store = Store::open(dir.path(), options()).unwrap();
        let snapshot = store.snapshot();
        for ((name, index), id) in &acknowledged {
            let info = snapshot.log(&log(name)).unwrap().unwrap();
            let record = snapshot.record(info.id, LeafIndex(*index)).unwrap().unwrap();
            assert!(
                std::str::from_utf8(&record.value).unwrap().contains(&id.to_string()),
                "{name} {index}"
            );
            let found = snapshot.by_event_id(info.id, EventId(*id), info.visible).unwrap();
            assert_eq!(found.len(), 1, "findable, and once");
            assert_eq!((found[0].index, found[0].counts), (LeafIndex(*index), true));
        }
        // Without a clean close: the next child finds what a crash left.
        drop(snapshot);
        drop(store);
    }
}

pub(crate) fn from_kafka_at_random_moments() {
    let dir = tempfile::tempdir().unwrap();
    let mut reached = [0_u64; 2];
    for _ in 0..8 {
        for line in kill_after("kafka", dir.path(), random_moment()) {
            let ["next", partition, next] = line.split_whitespace().collect::<Vec<_>>()[..] else {
                panic!("{line}")
            };
            let place = &mut reached[partition.parse::<usize>().unwrap()];
            *place = next.parse::<u64>().unwrap().max(*place);
        }
        // The audit holds offsets and leaves against each other (A4).
        assert_clean(dir.path());
        let store = Store::open(dir.path(), options()).unwrap();
        for (number, acknowledged) in (0..).zip(reached) {
            let partition = KafkaPartition {
                cluster: "c1".into(),
                topic: "verdict.events.v1".into(),
                partition: number,
            };
            let position = store.position(&partition).unwrap();
            assert!(position.next >= acknowledged, "{position:?} {acknowledged}");
        }
    }
    // The same roots as a store that read the same offsets without a kill.
    let store = Store::open(dir.path(), options()).unwrap();
    let positions = store.positions();
    let (found, key) = (
        heads(&store),
        std::fs::read_to_string(dir.path().join("salt.key")).unwrap(),
    );
    let undisturbed = tempfile::tempdir().unwrap();
    std::fs::write(undisturbed.path().join("salt.key"), key).unwrap();
    let replica = Store::open(undisturbed.path(), options()).unwrap();
    for (partition, position) in positions {
        let tenant = if partition.partition == 0 { "acme" } else { "globex" };
        let offsets = (0..position.next).filter(|offset| offset % 17 != 5);
        let batch =
            offsets.map(|offset| from_kafka(tenant, partition.partition, offset, i64::try_from(offset / 3).unwrap()));
        replica
            .append_kafka(batch.collect(), vec![(partition, position.next)], vec![])
            .unwrap()
            .wait()
            .unwrap();
    }
    assert_eq!(heads(&replica), found);
}
