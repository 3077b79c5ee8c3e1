//! What the intake of this process has counted since it started: the numbers behind `/metrics`.

use std::sync::atomic::{AtomicU64, Ordering};

/// Counters that only grow.
#[derive(Debug, Default)]
struct IntakeStats {
    requests: AtomicU64,
    refused: AtomicU64,
    bytes: AtomicU64,
    accepted: AtomicU64,
    duplicates: AtomicU64,
    conflicts: AtomicU64,
    rejected: AtomicU64,
    quarantined: AtomicU64,
}

/// The counters at one moment.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub struct IntakeCounts {
    /// Requests, OPA's included.
    pub requests: u64,
    /// Requests answered with a problem.
    pub refused: u64,
    /// Bytes of bodies, as sent.
    pub bytes: u64,
    /// Events kept, or acknowledged by Kafka.
    pub accepted: u64,
    /// Events that the log already had.
    pub duplicates: u64,
    /// Events kept although the log has others of the same id.
    pub conflicts: u64,
    /// Events refused, line by line.
    pub rejected: u64,
    /// What OPA sent and is kept as malformed.
    pub quarantined: u64,
}

static STATS: IntakeStats = IntakeStats {
    requests: AtomicU64::new(0),
    refused: AtomicU64::new(0),
    bytes: AtomicU64::new(0),
    accepted: AtomicU64::new(0),
    duplicates: AtomicU64::new(0),
    conflicts: AtomicU64::new(0),
    rejected: AtomicU64::new(0),
    quarantined: AtomicU64::new(0),
};

/// The counters of this process.
pub fn stats() -> IntakeCounts {
    let read = |counter: &AtomicU64| counter.load(Ordering::Relaxed);
    IntakeCounts {
        requests: read(&STATS.requests),
        refused: read(&STATS.refused),
        bytes: read(&STATS.bytes),
        accepted: read(&STATS.accepted),
        duplicates: read(&STATS.duplicates),
        conflicts: read(&STATS.conflicts),
        rejected: read(&STATS.rejected),
        quarantined: read(&STATS.quarantined),
    }
}

/// Adds what one request did.
pub(crate) fn count(more: IntakeCounts) {
    let add = |counter: &AtomicU64, n: u64| {
        if n > 0 {
            counter.fetch_add(n, Ordering::Relaxed);
        }
    };
    add(&STATS.requests, more.requests);
    add(&STATS.refused, more.refused);
    add(&STATS.bytes, more.bytes);
    add(&STATS.accepted, more.accepted);
    add(&STATS.duplicates, more.duplicates);
    add(&STATS.conflicts, more.conflicts);
    add(&STATS.rejected, more.rejected);
    add(&STATS.quarantined, more.quarantined);
}
