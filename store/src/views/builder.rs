//! The writer of the views: one per store, used by one thread.
//!
//! It holds caches only (statistics of sources, versions seen, the fold's frontiers); all of them can be dropped at any
//! time and come back from the rows, so a restart in the middle changes nothing (A6). After an error they are dropped,
//! since they may be ahead of what was written.

use std::collections::HashMap;
use std::collections::hash_map::Entry;
use std::sync::Arc;

use foldhash::fast::RandomState;
use rocksdb::WriteBatch;
use verdict_merkle::TreeSize;
use verdict_schemas::WriterSchemas;

use super::apply::Work;
use super::observed::Observer;
use super::rows::Batch;
use super::sources::Sources;
use super::versions::Versions;
use super::{Committed, Visible};
use crate::database::{Database, Rows};
use crate::error::StoreError;
use crate::keys::log_prefix;
use crate::names::{LogId, LogName};
use crate::options::Options;
use crate::tables::Table;

/// Key of the version number in `v_mark`; a log's key has four bytes.
pub(crate) const VERSION_KEY: &[u8] = b"version";

/// Makes rows of records.
pub(crate) struct Builder {
    /// Where the records are.
    pub(crate) kept: Arc<Database>,
    /// Where the rows go: the same database, but for an audit.
    pub(crate) views: Arc<Database>,
    pub(crate) schemas: Arc<dyn WriterSchemas>,
    pub(crate) visible: Arc<Visible>,
    pub(crate) batch: Batch,
    pub(crate) sources: Sources,
    pub(crate) versions: Versions,
    pub(crate) observer: Observer,
    /// Bounds of a batch where records are read back.
    pub(crate) max_events: usize,
    pub(crate) max_bytes: usize,
}

impl Builder {
    /// A builder that reads records in one database and writes rows into another.
    pub(crate) fn between(
        kept: Arc<Database>,
        views: Arc<Database>,
        schemas: Arc<dyn WriterSchemas>,
        visible: Arc<Visible>,
        options: &Options,
    ) -> Self {
        // A sixteenth of the memory is what the fold may remember between batches.
        let remembered = usize::try_from(options.memory_bytes / 16).unwrap_or(usize::MAX);
        Self {
            max_events: options.max_batch_events,
            max_bytes: options.max_batch_bytes,
            kept,
            views,
            schemas,
            visible,
            batch: Batch::new(),
            sources: Sources::default(),
            versions: Versions::default(),
            observer: Observer::new(remembered),
        }
    }

    /// Makes the views of records just committed, and publishes them. They must follow on what was applied before:
    /// within each log without a gap and in order. Records that a rebuild has met already are passed over. Nothing is
    /// written when this fails.
    ///
    /// # Errors
    /// When rows can not be read or written; [`StoreError::Views`] when a record is missing in between.
    pub(crate) fn apply(&mut self, records: &[Committed<'_>]) -> Result<(), StoreError> {
        let done = self.try_apply(records);
        if done.is_err() {
            self.forget();
        }
        done
    }

    fn try_apply(&mut self, records: &[Committed<'_>]) -> Result<(), StoreError> {
        let (marks, known) = self.marks(records)?;
        let rest: Vec<Committed<'_>>;
        let records = if known == 0 {
            records
        } else {
            let begun = |record: &&Committed<'_>| {
                marks
                    .get(&record.log)
                    .is_some_and(|mark| record.index >= mark.from.next_index())
            };
            rest = records.iter().filter(begun).copied().collect();
            &rest
        };
        if records.is_empty() {
            return Ok(());
        }
        Work { builder: self, records }.run()?;
        self.sources.write(&mut self.batch);
        self.observer.write(&mut self.batch);
        for (log, mark) in &marks {
            self.batch
                .of(Table::Mark)
                .put(&log_prefix(*log), &mark.size.0.to_be_bytes());
        }
        self.write()?;
        self.visible.publish(marks.values().map(|mark| (mark.name, mark.size)));
        Ok(())
    }

    /// The watermark of each log before and after these records, and how many of them lie before it.
    fn marks<'r>(
        &self,
        records: &'r [Committed<'r>],
    ) -> Result<(HashMap<LogId, Mark<'r>, RandomState>, usize), StoreError> {
        let mut marks: HashMap<LogId, Mark<'_>, RandomState> = HashMap::default();
        let mut known = 0;
        for record in records {
            let mark = match marks.entry(record.log) {
                Entry::Occupied(there) => there.into_mut(),
                Entry::Vacant(place) => {
                    let from = mark(&*self.views, record.log)?;
                    place.insert(Mark {
                        name: record.name,
                        from,
                        size: from,
                    })
                }
            };
            if record.index < mark.from.next_index() {
                known += 1;
            } else if record.index == mark.size.next_index() {
                mark.size = TreeSize(record.index.0 + 1);
            } else {
                let due = mark.size.next_index();
                let what = format!(
                    "record {} of log `{}` comes where {due} is due",
                    record.index, record.name
                );
                return Err(StoreError::Views(what));
            }
        }
        Ok((marks, known))
    }

    /// Writes the rows collected: one batch, sorted, not synced.
    fn write(&mut self) -> Result<(), StoreError> {
        let mut write = WriteBatch::with_capacity_bytes(self.batch.bytes());
        self.batch.hand_over(&self.views, &mut write)?;
        self.views.write_views(write)
    }

    /// Drops every cache.
    pub(crate) fn forget(&mut self) {
        self.batch.clear();
        self.sources.clear();
        self.versions.clear();
        self.observer.clear();
    }
}

/// The watermark of a log, before and after a batch.
struct Mark<'r> {
    name: &'r LogName,
    from: TreeSize,
    size: TreeSize,
}

/// The size up to which a log's views are made.
pub(crate) fn mark(rows: &impl Rows, log: LogId) -> Result<TreeSize, StoreError> {
    let row = rows.row(Table::Mark, &log_prefix(log))?;
    row.map_or(Ok(TreeSize(0)), |row| decode_mark(&row))
}

fn decode_mark(row: &[u8]) -> Result<TreeSize, StoreError> {
    match row.try_into() {
        Ok(size) => Ok(TreeSize(u64::from_be_bytes(size))),
        Err(_) => Err(StoreError::corrupt(Table::Mark, "a watermark has eight bytes")),
    }
}
