//! RocksDB, opened one way, for the rest of the store to read and write.

use std::path::Path;

use rocksdb::{
    Cache, ColumnFamily, DB, DBPinnableSlice, DBRawIterator, DBRecoveryMode, ErrorKind, LogLevel, LruCacheOptions,
    Options as RocksOptions, ReadOptions, WriteBatch, WriteBufferManager, WriteOptions,
};

use crate::error::{OpenError, StoreError};
use crate::options::Options;
use crate::tables::Table;

/// The database with every table open.
pub(crate) struct Database {
    db: DB,
    cache: Cache,
    fsync: bool,
}

/// Something rows are read from: the database as it is now, or a snapshot of it.
pub(crate) trait Rows {
    /// A row; `None` when there is none.
    ///
    /// # Errors
    /// [`StoreError::Database`] when it can not be read.
    fn row(&self, table: Table, key: &[u8]) -> Result<Option<DBPinnableSlice<'_>>, StoreError>;
}

impl Rows for Database {
    fn row(&self, table: Table, key: &[u8]) -> Result<Option<DBPinnableSlice<'_>>, StoreError> {
        self.get(table, key)
    }
}

/// Something that is read in order too: the database as it is now, or a snapshot of it.
pub(crate) trait Ordered: Rows {
    /// An iterator over a table; it can not outlive what it reads.
    fn raw_iterator(&self, table: Table, options: ReadOptions) -> Result<DBRawIterator<'_>, StoreError>;

    /// Is there such a table? A store of an earlier release that is read only may lack one.
    fn holds(&self, table: Table) -> bool;

    /// Told of each key read.
    fn has_read(&self, keys: u64);
}

impl Ordered for Database {
    fn raw_iterator(&self, table: Table, options: ReadOptions) -> Result<DBRawIterator<'_>, StoreError> {
        Ok(self.raw().raw_iterator_cf_opt(self.cf(table)?, options))
    }

    fn holds(&self, table: Table) -> bool {
        self.cf(table).is_ok()
    }

    fn has_read(&self, _: u64) {}
}

/// The directory of the database within the data directory.
pub(crate) const DIRECTORY: &str = "db";

impl Database {
    /// Opens the database in `dir`, made when there is none.
    pub(crate) fn open(dir: &Path, options: &Options) -> Result<Self, OpenError> {
        let (rocks, cache) = rocks_options(options);
        let path = dir.join(DIRECTORY);
        if path.join("CURRENT").exists() {
            tables_of(dir, &rocks)?;
        }
        let descriptors = Table::ALL.map(|table| table.descriptor(&cache));
        let db = DB::open_cf_descriptors(&rocks, path, descriptors).map_err(|error| opening(dir, error))?;
        Ok(Self {
            db,
            cache,
            fsync: options.fsync,
        })
    }

    /// Opens it to read only. No other process may have it open: what that one removes, this one would miss.
    pub(crate) fn open_read_only(dir: &Path, options: &Options) -> Result<Self, OpenError> {
        let (mut rocks, cache) = rocks_options(options);
        rocks.create_if_missing(false);
        rocks.create_missing_column_families(false);
        let path = dir.join(DIRECTORY);
        // One that an earlier release wrote may lack a table; nothing can be made here.
        let there = tables_of(dir, &rocks)?;
        let descriptors = Table::ALL
            .iter()
            .filter(|table| there.iter().any(|name| name == table.name()))
            .map(|table| table.descriptor(&cache));
        let db =
            DB::open_cf_descriptors_read_only(&rocks, path, descriptors, false).map_err(|error| opening(dir, error))?;
        Ok(Self {
            db,
            cache,
            fsync: options.fsync,
        })
    }

    /// A database of its own in `dir`, to build views in and to throw away.
    pub(crate) fn open_scratch(dir: &Path, options: &Options) -> Result<Self, OpenError> {
        let mut scratch = options.clone();
        scratch.fsync = false;
        Self::open(dir, &scratch)
    }

    /// RocksDB itself, for snapshots and iterators.
    pub(crate) fn raw(&self) -> &DB {
        &self.db
    }

    /// A table's handle. It is looked up by name: take it once per batch, not once per row.
    pub(crate) fn cf(&self, table: Table) -> Result<&ColumnFamily, StoreError> {
        self.db
            .cf_handle(table.name())
            .ok_or_else(|| StoreError::corrupt(table, "the table is not open"))
    }

    /// A row.
    pub(crate) fn get(&self, table: Table, key: impl AsRef<[u8]>) -> Result<Option<DBPinnableSlice<'_>>, StoreError> {
        Ok(self.db.get_pinned_cf(self.cf(table)?, key)?)
    }

    /// Writes to the log: returns once the disk has it (A5), with all of what was written before it, views too, since
    /// RocksDB's write-ahead log is one file.
    pub(crate) fn write_log(&self, batch: WriteBatch) -> Result<(), StoreError> {
        let mut options = WriteOptions::default();
        options.set_sync(self.fsync);
        options.set_memtable_insert_hint_per_batch(true);
        Ok(self.db.write_opt(batch, &options)?)
    }

    /// Writes views: without waiting for the disk. A crash loses a suffix of what was written this way, never what is
    /// in the middle, and each batch as a whole.
    pub(crate) fn write_views(&self, batch: WriteBatch) -> Result<(), StoreError> {
        let mut options = WriteOptions::default();
        options.set_memtable_insert_hint_per_batch(true);
        Ok(self.db.write_opt(batch, &options)?)
    }

    /// Bytes of memory that RocksDB holds within its bound: blocks, indexes, filters and memtables.
    pub(crate) fn memory_bytes(&self) -> u64 {
        self.cache.get_usage() as u64
    }

    /// Bytes on disk, as RocksDB counts its files; the write-ahead log is not among them.
    pub(crate) fn disk_bytes(&self) -> u64 {
        self.disk_bytes_of(&Table::ALL)
    }

    /// Bytes of the files of these tables.
    pub(crate) fn disk_bytes_of(&self, tables: &[Table]) -> u64 {
        let size = |table: &Table| {
            let cf = self.cf(*table).ok()?;
            self.db
                .property_int_value_cf(cf, rocksdb::properties::TOTAL_SST_FILES_SIZE)
                .ok()?
        };
        tables.iter().filter_map(size).sum()
    }

    /// Bytes that are free on the disk, for this user.
    ///
    /// # Errors
    /// When the system does not say.
    pub(crate) fn free_bytes(&self) -> Result<u64, StoreError> {
        let path = self.db.path();
        let disk = rustix::fs::statvfs(path).map_err(|error| StoreError::file(path, &error.into()))?;
        Ok(disk.f_bavail.saturating_mul(disk.f_frsize))
    }

    /// Writes all memtables out, so that the next opening has nothing to replay.
    pub(crate) fn flush(&self) -> Result<(), StoreError> {
        let mut options = rocksdb::FlushOptions::default();
        options.set_wait(true);
        let tables: Result<Vec<_>, _> = Table::ALL.iter().map(|table| self.cf(*table)).collect();
        Ok(self.db.flush_cfs_opt(&tables?, &options)?)
    }
}

/// The names of the tables that are there, each known here: a later release may have made others.
fn tables_of(dir: &Path, rocks: &RocksOptions) -> Result<Vec<String>, OpenError> {
    let there = DB::list_cf(rocks, dir.join(DIRECTORY)).map_err(|error| opening(dir, error))?;
    // RocksDB has `default` in every database; nothing is kept in it.
    let known = |name: &String| name == "default" || Table::ALL.iter().any(|table| table.name() == name);
    match there.iter().find(|name| !known(name)) {
        Some(unknown) => Err(OpenError::Table(unknown.clone())),
        None => Ok(there),
    }
}

fn rocks_options(options: &Options) -> (RocksOptions, Cache) {
    let mut lru = LruCacheOptions::default();
    lru.set_capacity(options.cache_bytes());
    let cache = Cache::new_lru_cache_opts(&lru);
    // Memtables of all tables together, charged to the cache: one bound for RocksDB as a whole. No stall: flushes begin
    // before the bound is reached, and a stall would block the committer behind a compaction.
    let memtables =
        WriteBufferManager::new_write_buffer_manager_with_cache(options.memtable_bytes(), false, cache.clone());
    let mut rocks = RocksOptions::default();
    rocks.create_if_missing(true);
    rocks.create_missing_column_families(true);
    rocks.set_write_buffer_manager(&memtables);
    rocks.set_max_background_jobs(2);
    rocks.set_max_open_files(512);
    // Bounds the replay at open.
    rocks.set_max_total_wal_size(512 << 20);
    // After a crash, everything up to the first record that is not whole. What was acknowledged lies before it, and
    // `heads` notices if a disk breaks that promise.
    rocks.set_wal_recovery_mode(DBRecoveryMode::PointInTime);
    rocks.set_track_and_verify_wals_in_manifest(true);
    // The log's write with its fsync and the views' write without overlap.
    rocks.set_enable_pipelined_write(true);
    rocks.set_bytes_per_sync(1 << 20);
    rocks.set_keep_log_file_num(4);
    rocks.set_max_log_file_size(8 << 20);
    rocks.set_log_level(LogLevel::Warn);
    rocks.set_stats_dump_period_sec(0);
    (rocks, cache)
}

fn opening(dir: &Path, error: rocksdb::Error) -> OpenError {
    let text = error.to_string();
    if error.kind() == ErrorKind::IOError && text.contains("lock") {
        OpenError::Locked(dir.to_path_buf())
    } else {
        OpenError::Store(StoreError::Database(error))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_table_of_a_later_release_is_named_and_nothing_is_opened() {
        let dir = tempfile::tempdir().unwrap();
        let mut database = Database::open(dir.path(), &Options::default()).unwrap();
        database.db.create_cf("of_tomorrow", &RocksOptions::default()).unwrap();
        drop(database);
        let writing = Database::open(dir.path(), &Options::default()).err();
        let reading = Database::open_read_only(dir.path(), &Options::default()).err();
        for error in [writing, reading] {
            assert!(
                matches!(&error, Some(OpenError::Table(name)) if name == "of_tomorrow"),
                "{error:?}"
            );
        }
    }
}
