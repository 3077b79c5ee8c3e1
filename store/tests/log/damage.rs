//! Bytes that changed on the disk: the audit names the log and the first bad index, and a bad end keeps the store from
//! opening. RocksDB's own checksums would notice a flipped bit in a file, so these are written through RocksDB, as a
//! change by someone with access to the files would be.

use std::path::Path;

use rocksdb::{DB, Options as RocksOptions};
use uuid::Uuid;
use verdict_store::{LeafIndex, OpenError, Store, audit};

use crate::events::{append, assert_clean, incoming, options};

const EVENTS: u64 = 600;

fn kept() -> tempfile::TempDir {
    let dir = tempfile::tempdir().unwrap();
    let store = Store::open(dir.path(), options()).unwrap();
    let batch = |tenant: &'static str| (0..EVENTS).map(move |number| incoming(tenant, Uuid::now_v7(), number));
    append(&store, batch("acme").chain(batch("globex")).collect()).unwrap();
    store.close().unwrap();
    assert_clean(dir.path());
    dir
}

/// Changes rows of a table behind the store's back.
fn tamper(dir: &Path, table: &str, change: impl Fn(&DB, &rocksdb::ColumnFamily)) {
    let is_view = table.starts_with("v_") || table == "observed";
    let path = dir.join(if is_view { "views" } else { "db" });
    let options = RocksOptions::default();
    let tables = DB::list_cf(&options, &path).unwrap();
    let database = DB::open_cf(&options, &path, tables).unwrap();
    change(&database, database.cf_handle(table).unwrap());
    database.flush_wal(true).unwrap();
}

/// The key of a record of the second log, `globex`.
fn record_key(index: u64) -> Vec<u8> {
    [&1_u32.to_be_bytes()[..], &index.to_be_bytes()].concat()
}

/// Flips the last bit of the last byte of a row.
fn flip(database: &DB, table: &rocksdb::ColumnFamily, key: &[u8]) {
    let mut row = database.get_cf(table, key).unwrap().unwrap();
    *row.last_mut().unwrap() ^= 1;
    database.put_cf(table, key, row).unwrap();
}

/// The audit's findings about `globex`, and nothing about other logs.
fn found(dir: &Path) -> Vec<(Option<LeafIndex>, String)> {
    let report = audit(dir, &options()).unwrap();
    let of = |defect: verdict_store::Defect| {
        assert_eq!(
            defect.log.map(|log| log.to_string()).as_deref(),
            Some("globex"),
            "{}",
            defect.reason
        );
        (defect.index, defect.reason)
    };
    report.defects.into_iter().map(of).collect()
}

#[test]
fn a_changed_record_is_named() {
    let dir = kept();
    tamper(dir.path(), "records", |database, records| {
        flip(database, records, &record_key(123));
        flip(database, records, &record_key(124));
    });
    let defects = found(dir.path());
    assert_eq!(defects[0].0, Some(LeafIndex(123)), "{defects:?}");
    assert!(defects[0].1.contains("does not yield the leaf"), "{defects:?}");
    // Far from the end: the store opens, and stays readable.
    drop(Store::open(dir.path(), options()).unwrap());
}

#[test]
fn a_changed_record_at_the_end_keeps_the_store_from_opening() {
    let dir = kept();
    tamper(dir.path(), "records", |database, records| {
        flip(database, records, &record_key(EVENTS - 3))
    });
    let refused = Store::open(dir.path(), options()).unwrap_err();
    let named = matches!(&refused, OpenError::DamagedTail { log, index: LeafIndex(597), .. } if log == "globex");
    assert!(named, "{refused}");
    assert_eq!(found(dir.path())[0].0, Some(LeafIndex(597)));
}

#[test]
fn a_missing_record_and_one_behind_the_end_are_named() {
    let dir = kept();
    tamper(dir.path(), "records", |database, records| {
        database.delete_cf(records, record_key(5)).unwrap()
    });
    let defects = found(dir.path());
    assert_eq!(defects[0].0, Some(LeafIndex(5)), "{defects:?}");
    assert!(defects[0].1.contains("missing"), "{defects:?}");

    let dir = kept();
    tamper(dir.path(), "records", |database, records| {
        let row = database.get_cf(records, record_key(0)).unwrap().unwrap();
        database.put_cf(records, record_key(EVENTS), row).unwrap();
    });
    assert_eq!(
        found(dir.path())[0],
        (
            Some(LeafIndex(EVENTS)),
            "there is a record behind the end of the log".to_owned()
        )
    );
    assert!(matches!(
        Store::open(dir.path(), options()),
        Err(OpenError::DamagedTail { .. })
    ));
}

#[test]
fn changed_tiles_roots_and_times_are_named() {
    // The first tile of level 0; the only one of level 1.
    for (level, index) in [(0_u8, Some(LeafIndex(255))), (1, None)] {
        let dir = kept();
        let key = [&1_u32.to_be_bytes()[..], &[level], &0_u64.to_be_bytes()].concat();
        tamper(dir.path(), "tiles", |database, tiles| flip(database, tiles, &key));
        let report = audit(dir.path(), &options()).unwrap();
        let first = report.defects.iter().find(|defect| defect.log.is_some()).unwrap();
        assert_eq!(first.index, index, "{:?}", report.defects);
    }
    let dir = kept();
    // The state ends in root and last recorded time; the root's last byte is the ninth from the end.
    tamper(dir.path(), "logs", |database, logs| {
        let mut row = database.get_cf(logs, b"nglobex").unwrap().unwrap();
        let place = row.len() - 9;
        row[place] ^= 1;
        database.put_cf(logs, b"nglobex", row).unwrap();
    });
    assert!(
        found(dir.path())[0].1.contains("the root is"),
        "{:?}",
        found(dir.path())
    );
    assert!(matches!(
        Store::open(dir.path(), options()),
        Err(OpenError::DamagedTail { .. })
    ));

    let dir = kept();
    tamper(dir.path(), "recorded", |database, recorded| {
        let rows: Vec<_> = database
            .iterator_cf(recorded, rocksdb::IteratorMode::End)
            .take(1)
            .map(Result::unwrap)
            .collect();
        flip(database, recorded, &rows[0].0);
    });
    assert!(
        found(dir.path())[0].1.contains("is not indexed"),
        "{:?}",
        found(dir.path())
    );
}

#[test]
fn a_changed_view_is_named_with_its_record() {
    let dir = kept();
    tamper(dir.path(), "v_time", |database, rows| {
        let second = 2_u32.to_be_bytes();
        let mode = rocksdb::IteratorMode::From(&second, rocksdb::Direction::Forward);
        let (key, _) = database.iterator_cf(rows, mode).next().unwrap().unwrap();
        database.delete_cf(rows, key).unwrap();
    });
    let defects = found(dir.path());
    assert_eq!(defects.len(), 1);
    assert_eq!(defects[0].0, Some(LeafIndex(0)), "{defects:?}");
    assert!(defects[0].1.starts_with("view `v_time`"), "{defects:?}");
}
