//! How a store is opened, and how its memory is shared out.

use std::time::Duration;

/// How a store is opened.
#[derive(Clone, Debug)]
pub struct Options {
    /// Bytes of memory for everything the store keeps in it: block cache, memtables, queues, trees and caches.
    pub memory_bytes: u64,
    /// The key that salts of records are derived from, where they bring none. `None`: of the file `salt.key` in the
    /// data directory, made at random when there is none.
    pub salt_key: Option<[u8; 32]>,
    /// What to put into `salt.key` when it has to be made, where no `salt_key` is configured: nodes that read one Kafka
    /// give [`crate::cluster_salt_key`], so that their roots agree. `None`: random.
    pub new_salt_key: Option<[u8; 32]>,
    /// Wait for the disk (fsync) before anything is acknowledged (A5). Off only where losing data is part of the test.
    pub fsync: bool,
    /// The most records in one commit.
    pub max_batch_events: usize,
    /// The most bytes of payload in one commit (a single larger group is taken whole).
    pub max_batch_bytes: usize,
    /// How many records may wait for the committer.
    pub queue_events: usize,
    /// How many bytes of payload may wait for the committer.
    pub queue_bytes: usize,
    /// How many records of each log's tail are hashed again at open.
    pub tail_check: u64,
    /// How long an append waits for its records to be visible; then they are durable all the same, and it says so.
    pub visible_within: Duration,
    /// How many threads make views; two at least, since the first leaves alone what costs much.
    pub view_workers: usize,
    /// The most bytes remembered of records that are not visible yet, to know them again (E4).
    pub in_flight_bytes: usize,
    /// Bytes of the disk that stay free where views are made anew beside those that there are: else these stay.
    pub disk_reserve: u64,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            memory_bytes: 1 << 30,
            salt_key: None,
            new_salt_key: None,
            fsync: true,
            max_batch_events: 20_000,
            max_batch_bytes: 16 << 20,
            queue_events: 100_000,
            queue_bytes: 64 << 20,
            tail_check: 256,
            visible_within: Duration::from_secs(5),
            view_workers: 2,
            in_flight_bytes: 32 << 20,
            disk_reserve: 256 << 20,
        }
    }
}

/// The smallest memory a store works in.
pub(crate) const LEAST_MEMORY: u64 = 64 << 20;

impl Options {
    /// Bytes of RocksDB's block cache. Index and filter blocks and the memtables are charged to it, so it bounds
    /// RocksDB as a whole. The rest is for queues, trees, the batch at hand and the caches of the views.
    pub(crate) fn cache_bytes(&self) -> usize {
        usize::try_from(self.memory_bytes / 2).unwrap_or(usize::MAX)
    }

    /// Bytes of all memtables together, within [`Options::cache_bytes`].
    pub(crate) fn memtable_bytes(&self) -> usize {
        usize::try_from(self.memory_bytes / 5).unwrap_or(usize::MAX)
    }

    /// How many logs' trees are kept in memory, at up to 24 KiB each.
    pub(crate) fn hot_trees(&self) -> usize {
        usize::try_from(self.memory_bytes / 16 / (24 << 10))
            .unwrap_or(usize::MAX)
            .max(16)
    }
}
