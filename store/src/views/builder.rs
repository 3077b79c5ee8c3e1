//! The writer of the views: one per store, used by one thread.
//!
//! It holds caches only (statistics of sources, versions seen, the fold's frontiers); all of them can be dropped at any
//! time and come back from the rows, so a restart in the middle changes nothing (A6). After an error they are dropped,
//! since they may be ahead of what was written.

use std::collections::hash_map::Entry;
use std::collections::{HashMap, HashSet};
use std::sync::Arc;

use foldhash::fast::RandomState;
use rocksdb::WriteBatch;
use verdict_merkle::{LeafIndex, TreeSize};
use verdict_schemas::{AsRecorded, Resolved, SchemaRef, WriterSchemas, own_schema};

use super::apply::Work;
use super::late::{self, Event, Turn};
use super::mark::{Mark, mark};
use super::observed::Observer;
use super::rows::Batch;
use super::sources::Sources;
use super::versions::Versions;
use super::{Committed, Visible};
use crate::catch_up::CatchUp;
use crate::cut::Late;
use crate::database::Database;
use crate::error::StoreError;
use crate::keys::log_prefix;
use crate::log::state::LogState;
use crate::names::{LogId, LogName};
use crate::options::Options;
use crate::record::Record;
use crate::tables::Table;

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
    /// The records that a replay knows to have waited, and for what: they are not understood when they come again.
    pub(super) waited: HashMap<(LogId, LeafIndex), SchemaRef, RandomState>,
    /// The records that a replay knows to have been the first read by their schema.
    pub(super) first: HashSet<(LogId, LeafIndex), RandomState>,
    /// Schemas by which records of a log were read as they came: those met lately.
    pub(super) met: HashSet<(LogId, SchemaRef), RandomState>,
    /// What came out of turn in the batch at hand.
    pub(super) events: Vec<(LogId, Event)>,
    /// So many of them are kept already: a replay meets them again.
    pub(super) known: u64,
    /// Bounds of a batch where records are read back.
    pub(crate) max_events: usize,
    pub(crate) max_bytes: usize,
    pub(crate) caught_up: Arc<CatchUp>,
}

/// So many pairs of a log and a schema are remembered as met.
const MET: usize = 100_000;

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
            caught_up: Arc::clone(&options.catch_up),
            kept,
            views,
            schemas,
            visible,
            batch: Batch::new(),
            sources: Sources::default(),
            versions: Versions::default(),
            observer: Observer::new(remembered),
            waited: HashMap::default(),
            first: HashSet::default(),
            met: HashSet::default(),
            events: Vec::new(),
            known: 0,
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
        let (mut marks, known) = self.marks(records)?;
        let rest: Vec<Committed<'_>>;
        let records = if known == 0 && marks.values().all(|mark| mark.to.turn.late == 0) {
            records
        } else {
            let begun = records.iter().filter_map(|record| {
                let mark = marks.get(&record.log)?;
                (record.index >= mark.from.next_index()).then(|| record.behind(mark.to.turn.late))
            });
            rest = begun.collect();
            &rest
        };
        if records.is_empty() {
            return Ok(());
        }
        Work { builder: self, records }.run()?;
        for (log, event) in &self.events {
            if let Some(mark) = marks.get_mut(log) {
                mark.to.turn = event.turn;
            }
        }
        self.finish(marks.iter().map(|(log, mark)| (*log, mark.name, mark.to)))
    }

    /// Makes the views of records of a log that waited and are understood now, out of turn: by the events given, which
    /// say when. Nothing is written when this fails.
    ///
    /// # Errors
    /// When rows can not be read or written.
    pub(crate) fn apply_late(
        &mut self,
        log: &LogState,
        records: &[Record],
        events: &[Event],
    ) -> Result<(), StoreError> {
        let done = self.try_apply_late(log, records, events);
        if done.is_err() {
            self.forget();
        }
        done
    }

    fn try_apply_late(&mut self, log: &LogState, records: &[Record], events: &[Event]) -> Result<(), StoreError> {
        let mut mark = mark(&*self.views, log.id)?;
        let committed: Vec<Committed<'_>> = records
            .iter()
            .zip(events)
            .map(|(record, event)| {
                let (passed, late) = (event.passed, event.turn.late.saturating_sub(1));
                let step = passed.saturating_add(late);
                Committed::of(log.id, &log.name, record).understood(Late { step, passed })
            })
            .collect();
        self.waited = events
            .iter()
            .map(|event| ((log.id, event.index), event.reference))
            .collect();
        let records = &committed;
        Work { builder: self, records }.run()?;
        self.events.extend(events.iter().map(|event| (log.id, *event)));
        if let Some(event) = events.last() {
            mark.turn = event.turn;
        }
        self.waited.clear();
        self.finish([(log.id, &log.name, mark)].into_iter())
    }

    /// Writes what was collected, with how far it goes, and publishes that.
    fn finish<'m>(
        &mut self,
        marks: impl Iterator<Item = (LogId, &'m LogName, Mark)> + Clone,
    ) -> Result<(), StoreError> {
        self.sources.write(&mut self.batch);
        self.observer.write(&mut self.batch);
        for (log, _, mark) in marks.clone() {
            self.batch.of(Table::Mark).put(&log_prefix(log), &mark.encode());
        }
        let known = self.known;
        let happened: Vec<_> = self
            .events
            .drain(..)
            .filter(|(_, event)| event.turn.number > known)
            .collect();
        for (log, event) in &happened {
            event.put(*log, &mut self.batch);
        }
        self.write(!happened.is_empty())?;
        for (log, event) in &happened {
            self.visible.waiting.note(*log, event);
        }
        self.visible.publish(marks.map(|(_, name, mark)| (name, mark.size)));
        Ok(())
    }

    /// The schema that a record waited for when it came, as a replay knows.
    pub(super) fn waited_before(&self, record: &Committed<'_>) -> Option<SchemaRef> {
        if self.waited.is_empty() || record.late.is_some() {
            return None;
        }
        self.waited_for(record)
    }

    /// The schema that a record has waited for.
    pub(super) fn waited_for(&self, record: &Committed<'_>) -> Option<SchemaRef> {
        self.waited.get(&(record.log, record.index)).copied()
    }

    /// A record came that can not be read yet.
    pub(super) fn wait(&mut self, record: &Committed<'_>, reference: SchemaRef) -> Result<(), StoreError> {
        if record.late.is_some() {
            let what = format!(
                "record {} of log `{}` is to be understood, and {reference} is not known",
                record.index, record.name
            );
            return Err(StoreError::Views(what));
        }
        let turn = self.turn(record.log)?;
        self.events.push((record.log, turn.waited(record.index, reference)));
        Ok(())
    }

    /// A record came and was read by a schema. The first of its log by one that is not ours is told of: another node may have
    /// another under the same name.
    pub(super) fn meet(&mut self, record: &Committed<'_>, reference: SchemaRef) -> Result<(), StoreError> {
        let ours = matches!(reference, SchemaRef::Fingerprint(fingerprint) if own_schema(fingerprint).is_some());
        if record.late.is_some() || ours || self.met.contains(&(record.log, reference)) {
            return Ok(());
        }
        let again = self.first.contains(&(record.log, record.index));
        if again || !late::is_met(&*self.kept, record.log, &reference)? {
            let schemas = AsRecorded(&*self.schemas, record.recorded);
            let Resolved::Known(schema) = schemas.resolve(&reference) else {
                return Ok(());
            };
            let turn = self.turn(record.log)?;
            self.events
                .push((record.log, turn.met(record.index, reference, &schema.hash())));
        }
        if self.met.len() >= MET {
            self.met.clear();
        }
        self.met.insert((record.log, reference));
        Ok(())
    }

    /// How far out of turn a log has come.
    fn turn(&self, log: LogId) -> Result<Turn, StoreError> {
        match self.events.iter().rfind(|(of, _)| *of == log) {
            Some((_, event)) => Ok(event.turn),
            None => Ok(mark(&*self.views, log)?.turn),
        }
    }

    /// The watermark of each log before and after these records, and how many of them lie before it.
    fn marks<'r>(
        &self,
        records: &'r [Committed<'r>],
    ) -> Result<(HashMap<LogId, Progress<'r>, RandomState>, usize), StoreError> {
        let mut marks: HashMap<LogId, Progress<'_>, RandomState> = HashMap::default();
        let mut known = 0;
        for record in records {
            let mark = match marks.entry(record.log) {
                Entry::Occupied(there) => there.into_mut(),
                Entry::Vacant(place) => {
                    let to = mark(&*self.views, record.log)?;
                    place.insert(Progress {
                        name: record.name,
                        from: to.size,
                        to,
                    })
                }
            };
            if record.index < mark.from.next_index() {
                known += 1;
            } else if record.index == mark.to.size.next_index() {
                mark.to.size = TreeSize(record.index.0 + 1);
            } else {
                let due = mark.to.size.next_index();
                let what = format!(
                    "record {} of log `{}` comes where {due} is due",
                    record.index, record.name
                );
                return Err(StoreError::Views(what));
            }
        }
        Ok((marks, known))
    }

    /// Writes the rows collected: one batch, sorted; synced where it holds what can not be made again.
    fn write(&mut self, durable: bool) -> Result<(), StoreError> {
        let mut write = WriteBatch::with_capacity_bytes(self.batch.bytes());
        self.batch.hand_over(&self.views, &mut write)?;
        if durable {
            self.views.write_log(write)
        } else {
            self.views.write_views(write)
        }
    }

    /// Drops every cache.
    pub(crate) fn forget(&mut self) {
        self.batch.clear();
        self.sources.clear();
        self.versions.clear();
        self.observer.clear();
        self.events.clear();
        self.waited.clear();
        self.first.clear();
        self.met.clear();
    }
}

/// How far a log is, before and after a batch.
struct Progress<'r> {
    name: &'r LogName,
    from: TreeSize,
    to: Mark,
}
