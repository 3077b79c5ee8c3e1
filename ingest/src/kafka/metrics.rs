//! What the consumer counts.

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

use parking_lot::Mutex;

/// Counters of the consumer, shared with whoever prints them.
#[derive(Debug, Default)]
pub struct KafkaMetrics {
    records: AtomicU64,
    bytes: AtomicU64,
    errors: AtomicU64,
    gaps: AtomicU64,
    unrouted: AtomicU64,
    caught_up: AtomicBool,
    lag: Mutex<Vec<(String, u32, u64)>>,
}

impl KafkaMetrics {
    pub(super) fn taken(&self, records: usize, bytes: usize, unrouted: usize) {
        self.records.fetch_add(records as u64, Ordering::Relaxed);
        self.bytes.fetch_add(bytes as u64, Ordering::Relaxed);
        self.unrouted.fetch_add(unrouted as u64, Ordering::Relaxed);
    }

    pub(super) fn failed(&self) {
        self.errors.fetch_add(1, Ordering::Relaxed);
    }

    pub(super) fn lost(&self) {
        self.gaps.fetch_add(1, Ordering::Relaxed);
    }

    pub(super) fn set_lag(&self, lag: Vec<(String, u32, u64)>) {
        *self.lag.lock() = lag;
    }

    pub(super) fn set_caught_up(&self) {
        self.caught_up.store(true, Ordering::Relaxed);
    }

    /// Records handed to the store since the start.
    pub fn records(&self) -> u64 {
        self.records.load(Ordering::Relaxed)
    }

    /// Bytes of their values.
    pub fn bytes(&self) -> u64 {
        self.bytes.load(Ordering::Relaxed)
    }

    /// Errors that Kafka reported; it is tried again after each.
    pub fn errors(&self) -> u64 {
        self.errors.load(Ordering::Relaxed)
    }

    /// Gaps recorded since the start (A4).
    pub fn gaps(&self) -> u64 {
        self.gaps.load(Ordering::Relaxed)
    }

    /// Records that went to an `_unrouted` log since the start.
    pub fn unrouted(&self) -> u64 {
        self.unrouted.load(Ordering::Relaxed)
    }

    /// Was the end of every partition seen once since the start?
    pub fn is_caught_up(&self) -> bool {
        self.caught_up.load(Ordering::Relaxed)
    }

    /// Per (topic, partition): offsets between the end and what was read.
    pub fn lag(&self) -> Vec<(String, u32, u64)> {
        self.lag.lock().clone()
    }
}
