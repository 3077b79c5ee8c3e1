//! Power loss: of the write-ahead log, what was written after the last fsync is missing, cut or garbled. The copy of a
//! running store's directory is what a crash leaves; its log is then damaged at and behind the last acknowledged write.

use std::path::Path;

use uuid::Uuid;
use verdict_store::{Appended, LeafIndex, OpenError, Store};

use crate::events::{append, assert_clean, heads, incoming, options};
use crate::images::copy;
use crate::wal;

const EVENTS: u64 = 60;

/// A store with [`EVENTS`] acknowledged, the last one named, as a crash leaves it.
fn crashed(dir: &Path) -> (Vec<Uuid>, tempfile::TempDir) {
    let image = tempfile::tempdir().unwrap();
    let store = Store::open(dir, options()).unwrap();
    let ids: Vec<Uuid> = (0..EVENTS).map(|_| Uuid::now_v7()).collect();
    for (number, id) in (0..).zip(&ids) {
        append(&store, vec![incoming("acme", *id, number)]).unwrap();
    }
    copy(dir, image.path());
    (ids, image)
}

/// Everything acknowledged is there, and the store goes on.
fn assert_whole(dir: &Path, ids: &[Uuid], what: &str) {
    assert_clean(dir);
    let store = Store::open(dir, options()).unwrap();
    assert_eq!(heads(&store)[0].1, EVENTS, "{what}");
    for (number, id) in (0..).zip(ids) {
        let again = append(&store, vec![incoming("acme", *id, number)]).unwrap();
        assert_eq!(
            again.results,
            [Appended::Duplicate {
                index: LeafIndex(number)
            }],
            "{what}"
        );
    }
    append(&store, vec![incoming("acme", Uuid::now_v7(), EVENTS)]).unwrap();
    store.close().unwrap();
    assert_clean(dir);
}

#[test]
fn what_was_never_synced_may_be_lost_and_nothing_else_is() {
    let dir = tempfile::tempdir().unwrap();
    let (ids, image) = crashed(dir.path());
    let log = std::fs::read(wal::newest(image.path())).unwrap();
    // The last write with the last event's value in it is its commit; what follows is views, written without fsync.
    let last = ids[ids.len() - 1].to_string();
    let writes = wal::writes(&log);
    let holds = |write: &&wal::Write| write.bytes.windows(last.len()).any(|part| part == last.as_bytes());
    let commit = writes.iter().rfind(holds).unwrap();
    assert!(commit.end < log.len(), "the views of the last commit are behind it");

    let cut = |at: usize| log[..at].to_vec();
    let garbled = |from: usize| {
        let mut log = log.clone();
        log[from..].iter_mut().for_each(|byte| *byte ^= 0x5a);
        log
    };
    let zeroed = |from: usize| {
        let mut log = log.clone();
        log[from..].fill(0);
        log
    };
    let end = commit.end;
    let middle = (end + log.len()) / 2;
    let tails = [
        cut(end),
        cut(end + 1),
        cut(end + 9),
        cut(middle),
        cut(log.len() - 1),
        garbled(end),
        garbled(middle),
        zeroed(end),
        zeroed(middle),
    ];
    for (number, tail) in tails.into_iter().enumerate() {
        let copied = tempfile::tempdir().unwrap();
        copy(image.path(), copied.path());
        std::fs::write(wal::newest(copied.path()), tail).unwrap();
        assert_whole(copied.path(), &ids, &format!("tail {number}"));
    }
}

#[test]
fn a_disk_that_loses_what_it_had_synced_is_noticed() {
    let dir = tempfile::tempdir().unwrap();
    let (_, image) = crashed(dir.path());
    // What was published before the crash, as a clean close of the same store writes it.
    std::fs::copy(dir.path().join("heads"), image.path().join("heads")).unwrap();
    let path = wal::newest(image.path());
    let log = std::fs::read(&path).unwrap();
    let writes = wal::writes(&log);
    std::fs::write(&path, &log[..writes[writes.len() / 2].start]).unwrap();
    let refused = Store::open(image.path(), options()).unwrap_err();
    assert!(
        matches!(refused, OpenError::BehindHeads { published: EVENTS, .. }),
        "{refused}"
    );
    assert!(refused.to_string().contains("older than its file `heads`"), "{refused}");
}
