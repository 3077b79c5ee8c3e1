//! One moment of both databases: of the views first, and then of the log, so that it holds all that the views name.
//!
//! The log may hold more: records that no row is made of yet, as ever, and steps out of turn that were written and whose rows
//! were not. Nothing of these is told: whatever is asked about what came out of turn is asked up to the mark of the views.

use std::collections::HashMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use foldhash::fast::RandomState;
use parking_lot::Mutex;
use rocksdb::{DBPinnableSlice, DBRawIterator, ReadOptions};
use verdict_merkle::{Hash, LeafIndex, TreeSize};
use verdict_schemas::{Timestamp, WriterSchemas};

use super::intent_cache::IntentCache;
use crate::cut::LogCut;
use crate::database::Ordered;
use crate::database::{Database, Rows};
use crate::error::StoreError;
use crate::keys;
use crate::log::{read, state};
use crate::names::{LogId, LogName};
use crate::record::Record;
use crate::tables::{Part, Table};
use crate::views::late::{self, Turn};
use crate::views::mark::{self, Generation, Mark, Place, ViewId};

/// A log at the moment of a snapshot.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LogInfo {
    /// Its name.
    pub name: LogName,
    /// Its number within this store, which every other question takes.
    pub id: LogId,
    /// How many records it holds.
    pub size: TreeSize,
    /// The root over them.
    pub root: Hash,
    /// The largest cut that can be answered: what the views know.
    pub visible: LogCut,
    /// What came out of turn up to there, as eight bytes of a hash: nodes that differ in it differ in what they
    /// understood when. Zero where nothing did.
    pub chain: [u8; 8],
    /// Is there anything of it that the views do not hold yet?
    pub lags: bool,
    /// The recorded time of the last record; [`Timestamp::MIN`] of a log without any.
    pub last_recorded: Timestamp,
}

/// One moment of the store. Cheap to make; one that is held keeps RocksDB from dropping what it sees, so hold it for
/// a question, not for a session. Iterators borrow it: none can outlive it.
pub struct Snapshot<'s> {
    log: (&'s Database, rocksdb::Snapshot<'s>),
    views: (&'s Database, rocksdb::Snapshot<'s>),
    pub(super) schemas: &'s dyn WriterSchemas,
    pub(super) intents: &'s IntentCache,
    names: Mutex<HashMap<LogId, Arc<LogName>, RandomState>>,
    generations: Mutex<HashMap<LogId, Generation, RandomState>>,
    /// The cut asked about last, and when its last record was recorded.
    latest: Mutex<Option<(LogId, TreeSize, Option<Timestamp>)>>,
    reads: AtomicU64,
}

impl Rows for Snapshot<'_> {
    fn row(&self, table: Table, key: &[u8]) -> Result<Option<DBPinnableSlice<'_>>, StoreError> {
        self.has_read(1);
        let (database, rocks) = self.of(table);
        Ok(rocks.get_pinned_cf(database.cf(table)?, key)?)
    }
}

impl Ordered for Snapshot<'_> {
    fn raw_iterator(&self, table: Table, options: ReadOptions) -> Result<DBRawIterator<'_>, StoreError> {
        let (database, rocks) = self.of(table);
        Ok(rocks.raw_iterator_cf_opt(database.cf(table)?, options))
    }

    fn holds(&self, table: Table) -> bool {
        self.of(table).0.holds(table)
    }

    fn has_read(&self, keys: u64) {
        self.reads.fetch_add(keys, Ordering::Relaxed);
    }
}

impl<'s> Snapshot<'s> {
    pub(crate) fn new(
        (log, views): (&'s Database, &'s Database),
        schemas: &'s dyn WriterSchemas,
        intents: &'s IntentCache,
    ) -> Self {
        let views = (views, views.raw().snapshot());
        let log = (log, log.raw().snapshot());
        Self {
            log,
            views,
            schemas,
            intents,
            generations: Mutex::default(),
            names: Mutex::default(),
            latest: Mutex::default(),
            reads: AtomicU64::new(0),
        }
    }

    /// Where a table is.
    fn of(&self, table: Table) -> &(&'s Database, rocksdb::Snapshot<'s>) {
        match table.part() {
            Part::Log => &self.log,
            Part::Views => &self.views,
        }
    }

    /// Keys read through this snapshot so far.
    pub fn reads(&self) -> u64 {
        self.reads.load(Ordering::Relaxed)
    }

    /// Every log, by name.
    ///
    /// # Errors
    /// When the rows can not be read.
    pub fn logs(&self) -> Result<Vec<LogInfo>, StoreError> {
        let mut names: Vec<LogName> = Vec::new();
        let mut rows = self.raw_iterator(Table::Logs, ReadOptions::default())?;
        rows.seek([state::BY_NAME]);
        while let Some(name) = rows.key().and_then(|key| key.strip_prefix(&[state::BY_NAME])) {
            names.push(state::parse_name(name)?);
            rows.next();
        }
        rows.status()?;
        names.iter().filter_map(|name| self.log(name).transpose()).collect()
    }

    /// A log by its name; `None` when it has no records yet.
    ///
    /// # Errors
    /// When the rows can not be read.
    pub fn log(&self, name: &LogName) -> Result<Option<LogInfo>, StoreError> {
        state::by_name(self, name)?.map(|state| self.info(state)).transpose()
    }

    fn info(&self, state: state::LogState) -> Result<LogInfo, StoreError> {
        let state::LogState {
            name,
            id,
            size,
            root,
            last_recorded,
        } = state;
        let made = self.mark(id)?;
        let missing = self.missing(id, size, &made)?;
        let (visible, chain) = match missing {
            None => (made.cut(), head(&made.turn.chain)),
            Some(time) => self.before(id, time.minus_micros(1), &made)?,
        };
        Ok(LogInfo {
            name,
            id,
            size,
            root,
            visible,
            chain,
            lags: missing.is_some(),
            last_recorded,
        })
    }

    /// The rows of a log that questions read.
    fn generation(&self, log: LogId) -> Result<Generation, StoreError> {
        if let Some(generation) = self.generations.lock().get(&log) {
            return Ok(*generation);
        }
        let nothing = Generation {
            view: ViewId::NONE,
            mark: Mark::default(),
        };
        let generation = mark::generation(self, log, Place::Current)?.unwrap_or(nothing);
        self.generations.lock().insert(log, generation);
        Ok(generation)
    }

    /// The number that these rows begin with.
    pub(super) fn view(&self, log: LogId) -> Result<ViewId, StoreError> {
        Ok(self.generation(log)?.view)
    }

    /// How far the views of a log are made.
    pub(super) fn mark(&self, log: LogId) -> Result<Mark, StoreError> {
        Ok(self.generation(log)?.mark)
    }

    /// The time of the first step of a log that its views do not hold; `None`: they hold all.
    fn missing(&self, log: LogId, size: TreeSize, made: &Mark) -> Result<Option<Timestamp>, StoreError> {
        let taken = late::next_step(self, log, made.size, &made.turn)?;
        if made.size >= size {
            return Ok(taken);
        }
        let next = self.record(log, LeafIndex(made.size.0))?;
        let next = next.map_or(Timestamp::MIN, |next| next.recorded_time);
        Ok(Some(taken.map_or(next, |taken| taken.min(next))))
    }

    /// What is answered of a log whose views are behind: what was known of it at a time before the first step that is missing,
    /// since whoever asks about the time of that is told of all of it or nothing.
    fn before(&self, log: LogId, time: Timestamp, made: &Mark) -> Result<(LogCut, [u8; 8]), StoreError> {
        let size = self.size_at(log, time)?.min(made.size);
        let turn = self.turn(log, size, |turn| turn.time <= time)?;
        Ok((LogCut { size, late: turn.late }, head(&turn.chain)))
    }

    /// How far out of turn a log had come when it held so many records, as far as its views hold it.
    fn turn(&self, log: LogId, size: TreeSize, keep: impl Fn(&Turn) -> bool) -> Result<Turn, StoreError> {
        let met = self.mark(log)?.turn.number;
        late::turn_at(self, log, size, |turn| turn.number <= met && keep(turn))
    }

    /// The cut of a log at a time: the records recorded at or before it, as they were understood then (E3). With it what
    /// came out of turn ([`LogInfo::chain`]).
    ///
    /// # Errors
    /// When the rows can not be read.
    pub fn cut_at(&self, log: LogId, known_at: Timestamp) -> Result<(LogCut, [u8; 8]), StoreError> {
        let made = self.mark(log)?;
        self.before(log, known_at, &made)
    }

    /// What came out of turn up to a cut; `None` where no such cut was ever answered here.
    ///
    /// # Errors
    /// When the rows can not be read.
    pub fn chain_at(&self, log: LogId, cut: LogCut) -> Result<Option<[u8; 8]>, StoreError> {
        let turn = self.turn(log, cut.size, |turn| turn.late <= cut.late)?;
        Ok((turn.late == cut.late).then(|| head(&turn.chain)))
    }

    /// The greatest cut of so many records.
    ///
    /// # Errors
    /// When the rows can not be read.
    pub fn whole(&self, log: LogId, size: TreeSize) -> Result<(LogCut, [u8; 8]), StoreError> {
        let turn = self.turn(log, size, |_| true)?;
        Ok((LogCut { size, late: turn.late }, head(&turn.chain)))
    }

    /// When the last step out of turn of a cut was taken; [`Timestamp::MIN`] where there is none.
    ///
    /// # Errors
    /// When the rows can not be read.
    pub fn late_at(&self, log: LogId, cut: LogCut) -> Result<Timestamp, StoreError> {
        Ok(self.turn(log, cut.size, |turn| turn.late <= cut.late)?.time)
    }

    /// The name behind a number.
    pub(super) fn name(&self, log: LogId) -> Result<Option<Arc<LogName>>, StoreError> {
        if let Some(name) = self.names.lock().get(&log) {
            return Ok(Some(Arc::clone(name)));
        }
        let Some(state) = state::by_id(self, log)? else {
            return Ok(None);
        };
        let name = Arc::new(state.name);
        self.names.lock().insert(log, Arc::clone(&name));
        Ok(Some(name))
    }

    /// How many records of a log were recorded at or before `known_at` (E3).
    ///
    /// # Errors
    /// When the rows can not be read.
    pub fn size_at(&self, log: LogId, known_at: Timestamp) -> Result<TreeSize, StoreError> {
        let mut options = ReadOptions::default();
        options.set_iterate_lower_bound(keys::log_prefix(log));
        let mut rows = self.raw_iterator(Table::Recorded, options)?;
        rows.seek_for_prev(keys::recorded(log, known_at));
        self.has_read(1);
        let size = match rows
            .item()
            .and_then(|(key, size)| Some((keys::parse_recorded(key)?, size)))
        {
            Some(((found, _), size)) if found == log => {
                let size = size.try_into().map(u64::from_be_bytes);
                size.map_err(|_| StoreError::corrupt(Table::Recorded, "a size has eight bytes"))?
            }
            _ => 0,
        };
        rows.status()?;
        Ok(TreeSize(size))
    }

    /// The recorded time of the last of the first `size` records; `None` of none, or past the log's end.
    ///
    /// # Errors
    /// When the rows can not be read.
    pub fn recorded_time(&self, log: LogId, size: TreeSize) -> Result<Option<Timestamp>, StoreError> {
        let Some(last) = size.0.checked_sub(1) else {
            return Ok(None);
        };
        Ok(self.record(log, LeafIndex(last))?.map(|record| record.recorded_time))
    }

    /// The recorded time of the last record of a cut, where more than the cut is visible.
    pub(super) fn latest(&self, log: LogId, cut: TreeSize) -> Result<Option<Timestamp>, StoreError> {
        if let Some((of, size, latest)) = *self.latest.lock()
            && (of, size) == (log, cut)
        {
            return Ok(latest);
        }
        let latest = if cut < self.mark(log)?.size {
            self.recorded_time(log, cut)?
        } else {
            None
        };
        *self.latest.lock() = Some((log, cut, latest));
        Ok(latest)
    }

    /// A record; `None` past the log's end.
    ///
    /// # Errors
    /// When it can not be read.
    pub fn record(&self, log: LogId, index: LeafIndex) -> Result<Option<Record>, StoreError> {
        read::record(self, log, index)
    }

    /// The log's database, and what to read it with as it was at this moment.
    pub(super) fn log_as_it_was(&self) -> (&'s Database, ReadOptions) {
        let (database, rocks) = &self.log;
        let mut options = ReadOptions::default();
        options.set_snapshot(rocks);
        (database, options)
    }
}

fn head(chain: &[u8; 32]) -> [u8; 8] {
    let mut head = [0; 8];
    head.iter_mut().zip(chain).for_each(|(to, from)| *to = *from);
    head
}
