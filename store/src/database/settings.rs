//! How RocksDB is set up as a whole; [`crate::tables`] has how each table is.

use rocksdb::{DBRecoveryMode, LogLevel, Options as RocksOptions};

use crate::memory::Memory;
use crate::tables::Part;

/// Threads that write memtables out, and threads that compact, of both databases together.
const FLUSHES: i32 = 2;
const COMPACTIONS: i32 = 2;

/// Bytes of the write-ahead logs past which memtables are written out, so that the replay at open is bounded.
const LOG_WAL: u64 = 256 << 20;
const VIEWS_WAL: u64 = 512 << 20;

pub(super) fn rocks_options(part: Part, memory: &Memory) -> RocksOptions {
    let mut rocks = RocksOptions::default();
    rocks.create_if_missing(true);
    rocks.create_missing_column_families(true);
    rocks.set_write_buffer_manager(memory.memtables(part));
    if let Ok(mut threads) = rocksdb::Env::new() {
        // One pool for both: with a single thread a flush of the log would wait for one of the views.
        threads.set_high_priority_background_threads(FLUSHES);
        threads.set_low_priority_background_threads(COMPACTIONS);
        rocks.set_env(&threads);
    }
    rocks.set_max_background_jobs(2);
    rocks.set_max_open_files(512);
    // After a crash, everything up to the first record that is not whole. What was acknowledged lies before it, and
    // `heads` notices if a disk breaks that promise.
    rocks.set_wal_recovery_mode(DBRecoveryMode::PointInTime);
    rocks.set_track_and_verify_wals_in_manifest(true);
    match part {
        Part::Log => rocks.set_max_total_wal_size(LOG_WAL),
        Part::Views => {
            rocks.set_max_total_wal_size(VIEWS_WAL);
            // Several workers write: one's rows go into the memtables while the next one's go into the write-ahead log.
            rocks.set_enable_pipelined_write(true);
        }
    }
    rocks.set_bytes_per_sync(1 << 20);
    rocks.set_keep_log_file_num(4);
    rocks.set_max_log_file_size(8 << 20);
    rocks.set_log_level(LogLevel::Warn);
    rocks.set_stats_dump_period_sec(0);
    rocks
}
