//! The memory that both databases share.

use rocksdb::{Cache, LruCacheOptions, WriteBufferManager};

use crate::options::Options;
use crate::tables::Part;

/// One block cache, to which the memtables of both databases are charged: one bound for RocksDB as a whole.
pub(crate) struct Memory {
    cache: Cache,
    log: WriteBufferManager,
    views: WriteBufferManager,
}

impl Memory {
    /// As large as the options say.
    pub(crate) fn new(options: &Options) -> Self {
        let mut lru = LruCacheOptions::default();
        lru.set_capacity(options.cache_bytes());
        let cache = Cache::new_lru_cache_opts(&lru);
        // No stall: flushes begin before the bound is reached, and a stall would block the committer behind a compaction.
        // A bound for each: who writes is who flushes, so that with one for both a commit would write out small memtables of
        // its own while it is rows that fill the room.
        let memtables = |bytes| WriteBufferManager::new_write_buffer_manager_with_cache(bytes, false, cache.clone());
        Self {
            log: memtables(options.memtable_bytes() / 3),
            views: memtables(options.memtable_bytes() / 3 * 2),
            cache,
        }
    }

    /// The cache.
    pub(crate) fn cache(&self) -> &Cache {
        &self.cache
    }

    /// What bounds the memtables of a database.
    pub(crate) fn memtables(&self, part: Part) -> &WriteBufferManager {
        match part {
            Part::Log => &self.log,
            Part::Views => &self.views,
        }
    }

    /// Bytes that RocksDB holds within its bound: blocks, indexes, filters and memtables.
    pub(crate) fn bytes(&self) -> u64 {
        self.cache.get_usage() as u64
    }
}
