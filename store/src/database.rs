//! RocksDB, opened one way, for the rest of the store to read and write: twice, once for the log and once for the views.
//!
//! ```text
//! DIR/db       the log ([`Part::Log`])     records and all that can not be made again; each write waits for the disk
//! DIR/views    the views ([`Part::Views`]) what is made of it; no write waits
//! ```
//!
//! # Why two
//!
//! In one database a commit shares the write-ahead log with the rows of views: its fsync takes theirs along, its write stands
//! in one queue behind theirs, and it is slowed down when their memtables or their compaction are behind. So what is made of
//! one tenant's records held up the next commit of all others. Now a commit waits for the disk with what it wrote itself.
//! Both share one block cache, to which the memtables of each are charged within a bound of its own ([`Memory`]): a burst of
//! rows flushes no memtable of the log.
//!
//! # What the two say of each other
//!
//! Rows are made of records that are durable, so **views are never ahead of the log**:
//!
//! - A record is handed to the makers of views after the commit's write returned. What came out of turn (table `late`, in the
//!   log, since no record says it) is written, durably, before the rows that follow from it.
//! - A crash or a power loss takes a suffix of the views' writes, whatever it takes of them: they are behind then, and go on
//!   where they are. Steps of `late` that the rows do not hold yet are met again ([`crate::views::slice`]), the log's horizon
//!   stays before them meanwhile, and no question sees them ([`crate::read::snapshot`]).
//! - A reader who takes both takes **the views first, then the log** (a snapshot, an audit beside an open node): then all that
//!   the rows name is there.
//! - What could make views be ahead all the same: an older copy of `DIR/db` put in place of a newer one, another store's views
//!   beside it, a disk that loses what it had synced, or `fsync` switched off. So at each opening every mark is held against
//!   its log, and the views against the store's id; what does not fit is dropped and made anew ([`crate::views::opening`]), as
//!   are views that are missing or damaged: none of that is a loss, and all of it is told of.

use std::path::Path;

use rocksdb::{
    ColumnFamily, ColumnFamilyDescriptor, DB, DBPinnableSlice, DBRawIterator, ErrorKind, Options as RocksOptions,
    ReadOptions, WriteBatch, WriteOptions,
};

use crate::error::{OpenError, StoreError};
use crate::memory::Memory;
use crate::options::Options;
use crate::tables::{Part, Table};

mod settings;

/// One of the two databases, with every table of its own open.
pub(crate) struct Database {
    db: DB,
    part: Part,
    fsync: bool,
    /// Tables that a former release had here and that are elsewhere now.
    former: Vec<String>,
}

/// Something rows are read from: a database as it is now, or a snapshot of both.
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

/// Something that is read in order too: a database as it is now, or a snapshot of both.
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

impl Database {
    /// Opens a database of the store in `dir`, made when there is none. Tables that a former release had in it are opened
    /// too, and stay until [`Database::drop_former`].
    pub(crate) fn open(dir: &Path, part: Part, memory: &Memory, options: &Options) -> Result<Self, OpenError> {
        let rocks = settings::rocks_options(part, memory);
        let path = dir.join(part.folder());
        let mut former = Vec::new();
        if path.join("CURRENT").exists() {
            former = tables_of(dir, part, &rocks)?;
            former.retain(|name| !is_of(part, name));
        }
        let tables = part.tables().iter().map(|table| table.descriptor(memory.cache()));
        let formers = former
            .iter()
            .map(|name| ColumnFamilyDescriptor::new(name, RocksOptions::default()));
        let descriptors = tables.chain(formers);
        let db = DB::open_cf_descriptors(&rocks, path, descriptors).map_err(|error| opening(dir, error))?;
        Ok(Self {
            db,
            part,
            fsync: options.fsync,
            former,
        })
    }

    /// Opens it to read only. No other process may have it open: what that one removes, this one would miss.
    pub(crate) fn open_read_only(
        dir: &Path,
        part: Part,
        memory: &Memory,
        options: &Options,
    ) -> Result<Self, OpenError> {
        let mut rocks = settings::rocks_options(part, memory);
        rocks.create_if_missing(false);
        rocks.create_missing_column_families(false);
        // One that an earlier release wrote may lack a table; nothing can be made here.
        let there = tables_of(dir, part, &rocks)?;
        let tables = part.tables().iter();
        let descriptors = tables
            .filter(|table| there.iter().any(|name| name == table.name()))
            .map(|table| table.descriptor(memory.cache()));
        let path = dir.join(part.folder());
        let db =
            DB::open_cf_descriptors_read_only(&rocks, path, descriptors, false).map_err(|error| opening(dir, error))?;
        Ok(Self {
            db,
            part,
            fsync: options.fsync,
            former: Vec::new(),
        })
    }

    /// A database of its own in `dir`, to throw away.
    pub(crate) fn open_scratch(dir: &Path, part: Part, options: &Options) -> Result<Self, OpenError> {
        let mut scratch = options.clone();
        scratch.fsync = false;
        Self::open(dir, part, &Memory::new(options), &scratch)
    }

    /// Drops the tables that a former release had here. Gives how many there were.
    ///
    /// # Errors
    /// When that can not be written.
    pub(crate) fn drop_former(&mut self) -> Result<usize, StoreError> {
        let former = std::mem::take(&mut self.former);
        for name in &former {
            self.db.drop_cf(name)?;
        }
        Ok(former.len())
    }

    /// RocksDB itself, for snapshots and iterators.
    pub(crate) fn raw(&self) -> &DB {
        &self.db
    }

    /// A table's handle: of this database's own. It is looked up by name: take it once per batch, not once per row.
    pub(crate) fn cf(&self, table: Table) -> Result<&ColumnFamily, StoreError> {
        let handle = (table.part() == self.part).then(|| self.db.cf_handle(table.name()));
        handle
            .flatten()
            .ok_or_else(|| StoreError::corrupt(table, "the table is not open"))
    }

    /// A row.
    pub(crate) fn get(&self, table: Table, key: impl AsRef<[u8]>) -> Result<Option<DBPinnableSlice<'_>>, StoreError> {
        Ok(self.db.get_pinned_cf(self.cf(table)?, key)?)
    }

    /// Writes, and returns once the disk has it (A5), with all that was written to this database before.
    pub(crate) fn write_durably(&self, batch: WriteBatch) -> Result<(), StoreError> {
        let mut options = WriteOptions::default();
        options.set_sync(self.fsync);
        options.set_memtable_insert_hint_per_batch(true);
        Ok(self.db.write_opt(batch, &options)?)
    }

    /// Writes without waiting for the disk. A crash loses a suffix of what was written this way, never what is in the middle,
    /// and each batch as a whole.
    pub(crate) fn write(&self, batch: WriteBatch) -> Result<(), StoreError> {
        let mut options = WriteOptions::default();
        options.set_memtable_insert_hint_per_batch(true);
        Ok(self.db.write_opt(batch, &options)?)
    }

    /// Bytes on disk, as RocksDB counts its files; the write-ahead log is not among them.
    pub(crate) fn disk_bytes(&self) -> u64 {
        let size = |table: &Table| {
            let cf = self.cf(*table).ok()?;
            self.db
                .property_int_value_cf(cf, rocksdb::properties::TOTAL_SST_FILES_SIZE)
                .ok()?
        };
        self.part.tables().iter().filter_map(size).sum()
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
        let tables: Result<Vec<_>, _> = self.part.tables().iter().map(|table| self.cf(*table)).collect();
        Ok(self.db.flush_cfs_opt(&tables?, &options)?)
    }
}

fn is_of(part: Part, name: &str) -> bool {
    // RocksDB has `default` in every database; nothing is kept in it.
    name == "default" || part.tables().iter().any(|table| table.name() == name)
}

/// The names of the tables that are there, each known here: a later release may have made others. In the log's database a
/// former release had the views' too.
fn tables_of(dir: &Path, part: Part, rocks: &RocksOptions) -> Result<Vec<String>, OpenError> {
    let there = DB::list_cf(rocks, dir.join(part.folder())).map_err(|error| opening(dir, error))?;
    let known = |name: &String| is_of(part, name) || (part == Part::Log && is_of(Part::Views, name));
    match there.iter().find(|name| !known(name)) {
        Some(unknown) => Err(OpenError::Table(unknown.clone())),
        None => Ok(there),
    }
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
        let options = Options::default();
        let memory = Memory::new(&options);
        let open = || Database::open(dir.path(), Part::Log, &memory, &options);
        let mut database = open().unwrap();
        database.db.create_cf("of_tomorrow", &RocksOptions::default()).unwrap();
        drop(database);
        let writing = open().err();
        let reading = Database::open_read_only(dir.path(), Part::Log, &memory, &options).err();
        for error in [writing, reading] {
            assert!(
                matches!(&error, Some(OpenError::Table(name)) if name == "of_tomorrow"),
                "{error:?}"
            );
        }
    }

    #[test]
    fn a_table_is_in_its_own_database_only() {
        let dir = tempfile::tempdir().unwrap();
        for part in [Part::Log, Part::Views] {
            let database = Database::open_scratch(dir.path(), part, &Options::default()).unwrap();
            for table in Table::ALL {
                // Its number in another database is that of another table.
                assert_eq!(database.cf(table).is_ok(), table.part() == part, "{}", table.name());
            }
        }
    }

    #[test]
    fn tables_that_a_former_release_had_here_are_dropped() {
        let dir = tempfile::tempdir().unwrap();
        let options = Options::default();
        let memory = Memory::new(&options);
        let mut database = Database::open(dir.path(), Part::Log, &memory, &options).unwrap();
        for name in ["v_time", "observed"] {
            database.db.create_cf(name, &RocksOptions::default()).unwrap();
            let cf = database.db.cf_handle(name).unwrap();
            database.db.put_cf(cf, b"key", b"row").unwrap();
        }
        drop(database);
        drop(Database::open_read_only(dir.path(), Part::Log, &memory, &options).unwrap());
        for former in [2, 0] {
            let mut database = Database::open(dir.path(), Part::Log, &memory, &options).unwrap();
            assert_eq!(database.drop_former().unwrap(), former);
        }
    }
}
