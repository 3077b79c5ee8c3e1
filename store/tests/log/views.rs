//! The views' folder is no evidence: whatever becomes of it, the views are made anew from the records, and every answer is
//! what it was. Nothing of the log is touched by that.

use std::fs;
use std::path::Path;

use uuid::Uuid;
use verdict_schemas::EventId;
use verdict_store::{Index, Order, Store, TimeRange, audit};

use crate::events::{append, assert_clean, heads, incoming, log, options};
use crate::images::copy;

const EVENTS: u64 = 200;

fn fill(dir: &Path, tenant: &str, numbers: std::ops::Range<u64>) -> Vec<Uuid> {
    let store = Store::open(dir, options()).unwrap();
    let ids: Vec<Uuid> = numbers.clone().map(|_| Uuid::now_v7()).collect();
    let batch = numbers.zip(&ids).map(|(number, id)| incoming(tenant, *id, number));
    append(&store, batch.collect()).unwrap();
    store.close().unwrap();
    ids
}

/// Opens it, waits for the views, and asks them for every event.
fn assert_found(dir: &Path, tenant: &str, ids: &[Uuid], what: &str) {
    let store = Store::open(dir, options()).unwrap();
    let name = log(tenant);
    while store.followers().behind > 0 || store.followers().unanswered > 0 {
        std::thread::yield_now();
    }
    let snapshot = store.snapshot();
    let info = snapshot.log(&name).unwrap().unwrap();
    assert_eq!(info.visible.size, info.size, "{what}");
    for id in ids {
        assert_eq!(
            snapshot.by_event_id(info.id, EventId(*id), info.visible).unwrap().len(),
            1,
            "{what}"
        );
    }
    let all = snapshot
        .scan(
            info.id,
            &Index::Time,
            TimeRange::default(),
            Order::OldestFirst,
            None,
            info.visible,
        )
        .unwrap();
    assert_eq!(all.count(), ids.len(), "{what}");
    drop(snapshot);
    store.close().unwrap();
    assert_clean(dir);
    assert!(audit(dir, &options()).unwrap().view_rows.unwrap() > 0, "{what}");
    assert!(!dir.join("views.dropped").exists(), "{what}");
}

/// The files of the views with this ending.
fn files(dir: &Path, ending: &str) -> Vec<std::path::PathBuf> {
    let all = fs::read_dir(dir.join("views"))
        .unwrap()
        .map(|entry| entry.unwrap().path());
    all.filter(|path| path.to_string_lossy().contains(ending)).collect()
}

#[test]
fn views_that_are_missing_or_damaged_are_made_anew() {
    let dir = tempfile::tempdir().unwrap();
    let ids = fill(dir.path(), "acme", 0..EVENTS);
    let garble = |path: &Path| {
        let mut bytes = fs::read(path).unwrap();
        let half = bytes.len() / 2;
        bytes[half..].fill(0x5a);
        fs::write(path, bytes).unwrap();
    };
    type Damage<'d> = (&'static str, Box<dyn Fn(&Path) + 'd>);
    let damages: [Damage<'_>; 7] = [
        (
            "no folder",
            Box::new(|dir| fs::remove_dir_all(dir.join("views")).unwrap()),
        ),
        (
            "no CURRENT",
            Box::new(|dir| fs::remove_file(dir.join("views/CURRENT")).unwrap()),
        ),
        (
            "a CURRENT that names nothing",
            Box::new(|dir| fs::write(dir.join("views/CURRENT"), "MANIFEST-999999\n").unwrap()),
        ),
        (
            "no file of rows",
            Box::new(|dir| {
                files(dir, ".sst")
                    .iter()
                    .for_each(|file| fs::remove_file(file).unwrap())
            }),
        ),
        (
            "files of rows cut",
            Box::new(|dir| files(dir, ".sst").iter().for_each(|file| fs::write(file, "").unwrap())),
        ),
        (
            "a garbled manifest",
            Box::new(|dir| files(dir, "MANIFEST").iter().for_each(|file| garble(file))),
        ),
        (
            "dropped by half",
            Box::new(|dir| fs::rename(dir.join("views"), dir.join("views.dropped")).unwrap()),
        ),
    ];
    for (what, damage) in damages {
        let copied = tempfile::tempdir().unwrap();
        copy(dir.path(), copied.path());
        damage(copied.path());
        // It is no defect of the evidence that there are none, and one that they can not be read.
        let report = audit(copied.path(), &options()).unwrap();
        assert_eq!(report.view_rows, None, "{what}: {:?}", report.defects);
        assert!(
            report.defects.iter().all(|defect| defect.log.is_none()),
            "{what}: {:?}",
            report.defects
        );
        assert_found(copied.path(), "acme", &ids, what);
    }
}

#[test]
fn views_of_another_store_are_not_taken() {
    let (one, other) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let ids = fill(one.path(), "acme", 0..EVENTS);
    fill(other.path(), "acme", 0..EVENTS);
    fs::remove_dir_all(one.path().join("views")).unwrap();
    copy(&other.path().join("views"), &one.path().join("views"));
    assert!(!audit(one.path(), &options()).unwrap().is_clean());
    assert_found(one.path(), "acme", &ids, "another store's");
}

#[test]
fn views_ahead_of_an_older_log_are_made_anew() {
    let (dir, old) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let mut ids = fill(dir.path(), "acme", 0..EVENTS);
    copy(&dir.path().join("db"), old.path());
    // More records of a log, and a log that the older one has not.
    fill(dir.path(), "acme", EVENTS..EVENTS + 9);
    fill(dir.path(), "globex", 0..9);
    fs::remove_dir_all(dir.path().join("db")).unwrap();
    copy(old.path(), &dir.path().join("db"));
    fs::remove_file(dir.path().join("heads")).unwrap();
    assert!(!audit(dir.path(), &options()).unwrap().is_clean());
    // Other records take the places of those that are lost.
    let store = Store::open(dir.path(), options()).unwrap();
    assert_eq!(heads(&store)[0].1, EVENTS);
    store.close().unwrap();
    ids.extend(fill(dir.path(), "acme", EVENTS..EVENTS + 20));
    assert_found(dir.path(), "acme", &ids, "an older log");
}

#[test]
fn views_of_before_go_on_where_they_are() {
    let (dir, old) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let mut ids = fill(dir.path(), "acme", 0..EVENTS);
    copy(&dir.path().join("views"), old.path());
    ids.extend(fill(dir.path(), "acme", EVENTS..EVENTS + 100));
    let others = fill(dir.path(), "globex", 0..9);
    fs::remove_dir_all(dir.path().join("views")).unwrap();
    copy(old.path(), &dir.path().join("views"));
    assert_clean(dir.path());
    assert_found(dir.path(), "acme", &ids, "views of before");
    assert_found(dir.path(), "globex", &others, "views of before");
}
