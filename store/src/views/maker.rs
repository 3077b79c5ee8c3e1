//! The maker of one generation of one log's rows.
//!
//! It holds caches only (statistics of sources, versions seen, the fold's frontiers); all of them can be dropped at any
//! time and come back from the rows, so a restart in the middle changes nothing (A6). After an error they are dropped,
//! since they may be ahead of what was written.
//!
//! It puts rows into a batch that may hold those of other logs too, and knows nothing of threads: whoever has it writes
//! the batch, and says so ([`Maker::written`]).

use std::collections::{HashMap, HashSet};

use foldhash::fast::RandomState;
use verdict_merkle::{LeafIndex, TreeSize};
use verdict_schemas::{AsRecorded, Resolved, SchemaRef, Timestamp, WriterSchemas as _, own_schema};

use super::Committed;
use super::apply::Work;
use super::context::{Budget, Context};
use super::late::{self, Event, Turn};
use super::mark::{self, Generation, Mark, Place, ViewId};
use super::observed::Observer;
use super::rows::Batch;
use super::sources::Sources;
use super::versions::Versions;
use crate::cut::Late;
use crate::error::StoreError;
use crate::names::{LogId, LogName};
use crate::record::Record;
use crate::tables::Table;

/// Makes rows of the records of one log.
pub(crate) struct Maker {
    pub(crate) log: LogId,
    pub(crate) name: LogName,
    pub(super) view: ViewId,
    place: Place,
    /// How far the rows go, those in the batch at hand too.
    pub(super) mark: Mark,
    pub(super) sources: Sources,
    pub(super) versions: Versions,
    pub(super) observer: Observer,
    /// The records that are known to have waited, and for what: they are not understood when they come again.
    pub(super) waited: HashMap<LeafIndex, SchemaRef, RandomState>,
    /// The records that are known to have been the first read by their schema.
    pub(super) first: HashSet<LeafIndex, RandomState>,
    /// Schemas by which records were read as they came: those met lately.
    met: HashSet<SchemaRef, RandomState>,
    /// What came out of turn in the slice at hand.
    events: Vec<Event>,
    /// So many events are kept already: they are met again.
    pub(super) known: u64,
    /// Was everything met again that happened before? From then on what happens is new, and this maker says what it was.
    pub(crate) is_abreast: bool,
    /// When the last record that rows were made of was recorded, if any was since this maker is at it.
    last_recorded: Option<Timestamp>,
    /// The record that is passed over: to make rows of it breaks the code of a view.
    pub(super) passed_over: Option<LeafIndex>,
}

/// So many schemas are remembered as met.
const MET: usize = 10_000;

impl Maker {
    pub(crate) fn new(log: LogId, name: LogName, generation: Generation, place: Place) -> Self {
        Self {
            log,
            name,
            view: generation.view,
            place,
            mark: generation.mark,
            sources: Sources::default(),
            versions: Versions::default(),
            observer: Observer::default(),
            waited: HashMap::default(),
            first: HashSet::default(),
            met: HashSet::default(),
            events: Vec::new(),
            known: 0,
            is_abreast: false,
            last_recorded: None,
            passed_over: None,
        }
    }

    /// Whose rows it makes, and how far they go.
    pub(crate) fn generation(&self) -> Generation {
        Generation {
            view: self.view,
            mark: self.mark,
        }
    }

    /// How far the rows go.
    pub(crate) fn mark(&self) -> Mark {
        self.mark
    }

    /// When the last record that rows were made of was recorded, where that is known.
    pub(crate) fn last_recorded(&self) -> Option<Timestamp> {
        self.last_recorded
    }

    /// From now on its rows are those that questions read.
    pub(crate) fn is_current(&mut self) {
        self.place = Place::Current;
    }

    /// Passes over a record when it comes next: it is flagged, and nothing else is made of it.
    pub(crate) fn pass_over(&mut self, index: LeafIndex) {
        self.passed_over = Some(index);
    }

    /// Puts the rows of records that follow on what was made, in index order and without a gap. Gives how many of them it
    /// took before the budget was spent: at least one.
    ///
    /// # Errors
    /// When rows can not be read, or a record is missing in between; then [`Maker::forget`] is due, and the batch is to
    /// be rewound.
    pub(crate) fn make(
        &mut self,
        context: &Context,
        batch: &mut Batch,
        records: &[Committed<'_>],
        budget: &Budget,
    ) -> Result<usize, StoreError> {
        for (record, due) in records.iter().zip(self.mark.size.0..) {
            if record.index.0 != due {
                let what = format!(
                    "record {} of log `{}` comes where {due} is due",
                    record.index, self.name
                );
                return Err(StoreError::Views(what));
            }
        }
        let out_of_turn = self.mark.turn.late;
        let behind: Vec<Committed<'_>>;
        let records = if out_of_turn == 0 {
            records
        } else {
            behind = records.iter().map(|record| record.behind(out_of_turn)).collect();
            &behind
        };
        let taken = Work::new(self, context, batch, records).run(budget)?;
        self.mark.size = TreeSize(self.mark.size.0 + taken as u64);
        let last = taken.checked_sub(1).and_then(|last| records.get(last));
        self.last_recorded = last.map_or(self.last_recorded, |last| Some(last.recorded));
        self.put(batch);
        Ok(taken)
    }

    /// Puts the rows of records that waited and are understood now, out of turn: by the events given, which say when.
    /// Gives how many of them it took.
    ///
    /// # Errors
    /// As [`Maker::make`].
    pub(super) fn make_late(
        &mut self,
        context: &Context,
        batch: &mut Batch,
        (records, events): (&[Record], &[Event]),
        budget: &Budget,
    ) -> Result<usize, StoreError> {
        let name = self.name.clone();
        let committed: Vec<Committed<'_>> = records
            .iter()
            .zip(events)
            .map(|(record, event)| {
                let (passed, late) = (event.passed, event.turn.late.saturating_sub(1));
                let step = passed.saturating_add(late);
                Committed::of(self.log, &name, record).understood(Late { step, passed })
            })
            .collect();
        self.waited = events.iter().map(|event| (event.index, event.reference)).collect();
        let taken = Work::new(self, context, batch, &committed).run(budget)?;
        self.events.extend(events.iter().take(taken));
        self.waited.clear();
        self.put(batch);
        Ok(taken)
    }

    /// Puts what was collected, and how far it goes.
    fn put(&mut self, batch: &mut Batch) {
        if let Some(event) = self.events.last() {
            self.mark.turn = event.turn;
        }
        self.sources.write(batch, self.view);
        self.observer.write(batch, self.view);
        let row = self.generation().encode();
        batch.of(Table::Mark).put(&mark::key(self.log, self.place), &row);
        let known = self.known;
        self.events.retain(|event| event.turn.number > known);
        for event in &self.events {
            event.put(self.log, batch);
        }
    }

    /// The batch was written.
    pub(crate) fn written(&mut self, context: &Context) {
        for event in self.events.drain(..) {
            context.waiting.note(self.log, &event);
        }
        self.passed_over = None;
    }

    /// Drops every cache, and goes on from what is written.
    ///
    /// # Errors
    /// When that can not be read.
    pub(crate) fn forget(&mut self, context: &Context) -> Result<(), StoreError> {
        self.drop_caches();
        self.events.clear();
        self.waited.clear();
        self.first.clear();
        self.is_abreast = false;
        self.last_recorded = None;
        let written = mark::generation(&*context.views, self.log, self.place)?;
        self.mark = written.map(|written| written.mark).unwrap_or_default();
        Ok(())
    }

    /// Forgets what is only remembered to be quick.
    pub(crate) fn drop_caches(&mut self) {
        self.sources.clear();
        self.versions.clear();
        self.observer.clear();
        self.met = HashSet::default();
    }

    /// Bytes remembered, roughly.
    pub(crate) fn cache_bytes(&self) -> usize {
        const SOURCE: usize = 512;
        const VERSION: usize = 40;
        self.sources.held() * SOURCE
            + (self.versions.remembered() + self.met.len()) * VERSION
            + self.observer.cache_bytes()
    }

    /// The schema that a record waited for when it came, as is known.
    pub(super) fn waited_before(&self, record: &Committed<'_>) -> Option<SchemaRef> {
        if self.waited.is_empty() || record.late.is_some() {
            return None;
        }
        self.waited_for(record)
    }

    /// The schema that a record has waited for.
    pub(super) fn waited_for(&self, record: &Committed<'_>) -> Option<SchemaRef> {
        self.waited.get(&record.index).copied()
    }

    /// A record came that can not be read yet.
    pub(super) fn wait(&mut self, record: &Committed<'_>, reference: SchemaRef) -> Result<(), StoreError> {
        if record.late.is_some() {
            let what = format!(
                "record {} of log `{}` is to be understood, and {reference} is not known",
                record.index, self.name
            );
            return Err(StoreError::Views(what));
        }
        self.events.push(self.turn().waited(record.index, reference));
        Ok(())
    }

    /// A record came and was read by a schema. The first of its log by one that is not ours is told of: another node may
    /// have another under the same name.
    pub(super) fn meet(
        &mut self,
        context: &Context,
        record: &Committed<'_>,
        reference: SchemaRef,
    ) -> Result<(), StoreError> {
        let ours = matches!(reference, SchemaRef::Fingerprint(fingerprint) if own_schema(fingerprint).is_some());
        if record.late.is_some() || ours || self.met.contains(&reference) {
            return Ok(());
        }
        if self.first.contains(&record.index) || !late::is_met(&*context.kept, self.log, &reference)? {
            let schemas = AsRecorded(&*context.schemas, record.recorded);
            let Resolved::Known(schema) = schemas.resolve(&reference) else {
                return Ok(());
            };
            let met = self.turn().met(record.index, reference, &schema.hash());
            self.events.push(met);
        }
        if self.met.len() >= MET {
            self.met.clear();
        }
        self.met.insert(reference);
        Ok(())
    }

    /// How far out of turn the log has come.
    fn turn(&self) -> Turn {
        self.events.last().map_or(self.mark.turn, |event| event.turn)
    }

    /// Takes back what was noted of the records from this index on: they are not taken in this slice.
    pub(super) fn not_taken(&mut self, from: LeafIndex) {
        for event in self.events.iter().filter(|event| event.index >= from) {
            self.met.remove(&event.reference);
        }
        self.events.retain(|event| event.index < from);
    }
}
