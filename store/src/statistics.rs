//! What the store counts of itself, since it was opened.

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

/// Numbers for metrics and benchmarks. All count from the opening of the store but the last group.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Statistics {
    /// Batches committed.
    pub commits: u64,
    /// Writes that waited for the disk: one for each commit that had something to write.
    pub fsyncs: u64,
    /// Records committed.
    pub events: u64,
    /// Bytes of their values.
    pub bytes: u64,
    /// Microseconds from taking a batch to its being durable, summed over commits.
    pub commit_micros: u64,
    /// Microseconds of these within RocksDB's write.
    pub write_micros: u64,
    /// Records of the intake that were not stored: the log had them.
    pub duplicates: u64,
    /// Records of the intake that were stored though the log had the event with other bytes.
    pub conflicts: u64,
    /// Records that are durable and not visible yet.
    pub not_visible: u64,
    /// Records that wait for the committer now.
    pub queued_events: u64,
    /// Bytes of their payloads.
    pub queued_bytes: u64,
    /// Bytes of memory that RocksDB holds within its bound, now.
    pub database_memory: u64,
    /// Bytes of RocksDB's files, now; without its write-ahead log.
    pub database_disk: u64,
}

/// The counters behind [`Statistics`].
#[derive(Debug, Default)]
pub(crate) struct Counters {
    commits: AtomicU64,
    fsyncs: AtomicU64,
    events: AtomicU64,
    bytes: AtomicU64,
    commit_micros: AtomicU64,
    write_micros: AtomicU64,
    duplicates: AtomicU64,
    conflicts: AtomicU64,
}

fn add(counter: &AtomicU64, amount: u64) {
    counter.fetch_add(amount, Ordering::Relaxed);
}

fn micros(time: Duration) -> u64 {
    u64::try_from(time.as_micros()).unwrap_or(u64::MAX)
}

impl Counters {
    pub(crate) fn written(&self, took: Duration, synced: bool) {
        add(&self.fsyncs, u64::from(synced));
        add(&self.write_micros, micros(took));
    }

    pub(crate) fn committed(&self, events: u64, bytes: u64, took: Duration) {
        add(&self.commits, 1);
        add(&self.events, events);
        add(&self.bytes, bytes);
        add(&self.commit_micros, micros(took));
    }

    pub(crate) fn deduplicated(&self, duplicates: u64, conflicts: u64) {
        add(&self.duplicates, duplicates);
        add(&self.conflicts, conflicts);
    }

    pub(crate) fn read(&self) -> Statistics {
        let of = |counter: &AtomicU64| counter.load(Ordering::Relaxed);
        Statistics {
            commits: of(&self.commits),
            fsyncs: of(&self.fsyncs),
            events: of(&self.events),
            bytes: of(&self.bytes),
            commit_micros: of(&self.commit_micros),
            write_micros: of(&self.write_micros),
            duplicates: of(&self.duplicates),
            conflicts: of(&self.conflicts),
            ..Statistics::default()
        }
    }
}
