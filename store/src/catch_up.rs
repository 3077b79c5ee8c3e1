//! How far a store has come in being opened: told while [`crate::Store::open`] is at it.

use std::fmt;
use std::sync::atomic::{AtomicU64, Ordering};

/// Records whose views were missing, and how many of them are made. Nothing is missing after an orderly end; after a
/// crash it is what the last moments brought, and after an upgrade that changes the views it may be everything.
#[derive(Debug, Default)]
pub struct CatchUp {
    missing: AtomicU64,
    made: AtomicU64,
}

impl CatchUp {
    pub(crate) fn found_missing(&self, records: u64) {
        self.missing.store(records, Ordering::Relaxed);
    }

    pub(crate) fn made(&self, records: usize) {
        self.made.fetch_add(records as u64, Ordering::Relaxed);
    }
}

impl fmt::Display for CatchUp {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match (self.made.load(Ordering::Relaxed), self.missing.load(Ordering::Relaxed)) {
            (_, 0) => f.write_str("the store is being opened"),
            (made, missing) => write!(
                f,
                "the store is being opened: views of {made} of {missing} records are made"
            ),
        }
    }
}
