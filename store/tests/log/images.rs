//! Looking at a store, and at the directory that it leaves.

use std::path::Path;

use verdict_store::{LeafIndex, Record, Store};

use crate::events::log;

/// The record at an index of a log.
pub(crate) fn record(store: &Store, name: &str, index: u64) -> Record {
    let snapshot = store.snapshot();
    let id = snapshot.log(&log(name)).unwrap().unwrap().id;
    snapshot.record(id, LeafIndex(index)).unwrap().unwrap()
}

/// Copies a directory with all it holds, as a crash would leave it.
pub(crate) fn copy(from: &Path, to: &Path) {
    std::fs::create_dir_all(to).unwrap();
    for entry in std::fs::read_dir(from).unwrap() {
        let entry = entry.unwrap();
        let target = to.join(entry.file_name());
        if entry.file_type().unwrap().is_dir() {
            copy(&entry.path(), &target);
        } else {
            std::fs::copy(entry.path(), target).unwrap();
        }
    }
}
