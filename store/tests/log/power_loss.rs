//! Power loss: of a write-ahead log, what was written after the last fsync is missing, cut or garbled. The copy of a
//! running store's directory is what a crash leaves; its logs are then damaged: that of the log's database at and behind the
//! last acknowledged write, that of the views, which never waits for the disk, anywhere.

use std::path::Path;

use uuid::Uuid;
use verdict_store::{Appended, LeafIndex, OpenError, Store, audit};

use crate::events::{append, assert_clean, heads, incoming, log, options};
use crate::images::copy;
use crate::wal;

const EVENTS: u64 = 60;

/// A store with [`EVENTS`] acknowledged, the last one named, as a crash leaves it; and one more, of which nobody was told.
fn crashed(dir: &Path) -> (Vec<Uuid>, tempfile::TempDir) {
    let image = tempfile::tempdir().unwrap();
    let store = Store::open(dir, options()).unwrap();
    let mut ids: Vec<Uuid> = (0..=EVENTS).map(|_| Uuid::now_v7()).collect();
    for (number, id) in (0..).zip(&ids) {
        append(&store, vec![incoming("acme", *id, number)]).unwrap();
    }
    copy(dir, image.path());
    ids.pop();
    (ids, image)
}

/// What of a file is left from a place on: nothing, less than there was, or something else.
fn tails(file: &[u8], from: usize) -> Vec<Vec<u8>> {
    let cut = |at: usize| file[..at].to_vec();
    let garbled = |from: usize| {
        let mut file = file.to_vec();
        file[from..].iter_mut().for_each(|byte| *byte ^= 0x5a);
        file
    };
    let zeroed = |from: usize| {
        let mut file = file.to_vec();
        file[from..].fill(0);
        file
    };
    let middle = usize::midpoint(from, file.len());
    vec![
        cut(from),
        cut(from + 1),
        cut(from + 9),
        cut(middle),
        cut(file.len() - 1),
        garbled(from),
        garbled(middle),
        zeroed(from),
        zeroed(middle),
    ]
}

/// Everything acknowledged is there, and the store goes on. `more`: the record that nobody was told of may be there too.
fn assert_whole(dir: &Path, ids: &[Uuid], more: bool, what: &str) {
    let store = Store::open(dir, options()).unwrap();
    let held = heads(&store)[0].1;
    assert!(held == EVENTS || (more && held == EVENTS + 1), "{what}: {held}");
    for (number, id) in (0..).zip(ids) {
        let again = append(&store, vec![incoming("acme", *id, number)]).unwrap();
        // Before the views know it again it is kept once more, and flagged.
        let known = match again.results[0] {
            Appended::Duplicate { index } => index == LeafIndex(number),
            Appended::Accepted { index } => index.0 >= held,
            Appended::Conflict { .. } => false,
        };
        assert!(known, "{what}: {again:?}");
    }
    append(&store, vec![incoming("acme", Uuid::now_v7(), EVENTS)]).unwrap();
    caught_up(&store);
    let snapshot = store.snapshot();
    let acme = snapshot.log(&log("acme")).unwrap().unwrap();
    for (number, id) in (0..).zip(ids) {
        let found = snapshot.by_event_id(acme.id, verdict_schemas::EventId(*id), acme.visible);
        let found: Vec<_> = found
            .unwrap()
            .iter()
            .map(|found| (found.index.0, found.counts))
            .collect();
        assert_eq!(found, [(number, true)], "{what}");
    }
    drop(snapshot);
    store.close().unwrap();
    assert_clean(dir);
}

fn caught_up(store: &Store) {
    while store.followers().behind > 0 || store.followers().unanswered > 0 {
        std::thread::yield_now();
    }
}

#[test]
fn what_was_never_synced_may_be_lost_and_nothing_else_is() {
    let dir = tempfile::tempdir().unwrap();
    let (ids, image) = crashed(dir.path());
    let log = std::fs::read(wal::newest(image.path(), "db")).unwrap();
    // The last write with the last event's value in it is its commit; what follows was not acknowledged.
    let last = ids[ids.len() - 1].to_string();
    let writes = wal::writes(&log);
    let holds = |write: &&wal::Write| write.bytes.windows(last.len()).any(|part| part == last.as_bytes());
    let commit = writes.iter().rfind(holds).unwrap();
    assert!(commit.end < log.len(), "there is one more write behind it");
    for (number, tail) in tails(&log, commit.end).into_iter().enumerate() {
        let what = format!("tail {number}");
        let copied = tempfile::tempdir().unwrap();
        copy(image.path(), copied.path());
        std::fs::write(wal::newest(copied.path(), "db"), &tail).unwrap();
        // The disk wrote the rows of the last record, and not the record: what no fsync allows is found and mended.
        assert!(!audit(copied.path(), &options()).unwrap().is_clean(), "{what}");
        assert_whole(copied.path(), &ids, false, &what);
        // And with the views as they were long before.
        let behind = tempfile::tempdir().unwrap();
        copy(image.path(), behind.path());
        std::fs::write(wal::newest(behind.path(), "db"), &tail).unwrap();
        let views = wal::newest(behind.path(), "views");
        let all = std::fs::read(&views).unwrap();
        std::fs::write(&views, &all[..all.len() / 3]).unwrap();
        assert_whole(behind.path(), &ids, false, &format!("{what}, and views of before"));
    }
}

#[test]
fn of_the_views_anything_may_be_lost() {
    let dir = tempfile::tempdir().unwrap();
    let (ids, image) = crashed(dir.path());
    let rows = std::fs::read(wal::newest(image.path(), "views")).unwrap();
    let writes = wal::writes(&rows);
    let places = [1, 2, writes.len() / 2, writes.len() - 1];
    for (place, number) in places
        .into_iter()
        .flat_map(|place| (0..9).map(move |number| (place, number)))
    {
        let tail = tails(&rows, writes[place].start).swap_remove(number);
        let copied = tempfile::tempdir().unwrap();
        copy(image.path(), copied.path());
        std::fs::write(wal::newest(copied.path(), "views"), tail).unwrap();
        assert_clean(copied.path());
        assert_whole(copied.path(), &ids, true, &format!("write {place}, tail {number}"));
    }
}

#[test]
fn a_disk_that_loses_what_it_had_synced_is_noticed() {
    let dir = tempfile::tempdir().unwrap();
    let (_, image) = crashed(dir.path());
    // What was published before the crash, as a clean close of the same store writes it.
    std::fs::copy(dir.path().join("heads"), image.path().join("heads")).unwrap();
    let path = wal::newest(image.path(), "db");
    let log = std::fs::read(&path).unwrap();
    let writes = wal::writes(&log);
    std::fs::write(&path, &log[..writes[writes.len() / 2].start]).unwrap();
    let refused = Store::open(image.path(), options()).unwrap_err();
    assert!(matches!(refused, OpenError::BehindHeads { .. }), "{refused}");
    assert!(refused.to_string().contains("older than its file `heads`"), "{refused}");
}
