//! The next slice of a log: records that came, or records that are understood out of turn, as it was the first time or
//! as it is new.
//!
//! Whatever happened out of turn is kept ([`late`]) and met again in the same order, so that rows made anew are the rows
//! that were (A6). A maker that has met it all is *abreast*: what happens then is new.

use verdict_merkle::{LeafIndex, TreeSize};
use verdict_schemas::{Resolved, SchemaRef, Timestamp};

use super::Committed;
use super::context::{Budget, Context};
use super::late::{self, Event, What};
use super::maker::Maker;
use super::mark::Mark;
use super::rows::Batch;
use crate::clock::Clock;
use crate::error::StoreError;
use crate::log::read;
use crate::names::LogId;
use crate::record::Record;
use crate::tables::Table;

/// So many events that happened before are read at a time.
const EVENTS: usize = 4096;

/// How far to go.
#[derive(Clone, Copy, Debug)]
pub(crate) enum End {
    /// To the end of the log, which has so many records; what happens out of turn on the way is new.
    Log(TreeSize),
    /// To where another maker is, which has met everything on the way.
    Mark(Mark),
}

impl End {
    fn size(self) -> TreeSize {
        match self {
            Self::Log(size) => size,
            Self::Mark(mark) => mark.size,
        }
    }

    /// Is a maker there?
    pub(crate) fn is_reached(self, mark: &Mark) -> bool {
        match self {
            Self::Log(size) => mark.size >= size,
            Self::Mark(end) => mark.size >= end.size && mark.turn.number >= end.turn.number,
        }
    }
}

/// What is met again in a slice.
struct Again {
    /// How far the slice may go at most.
    size: TreeSize,
    /// The events to take next, out of turn.
    understood: Vec<Event>,
}

impl Maker {
    /// Makes the rows of the next slice towards `end`. `lately` are the records that come next, where the caller has them;
    /// others are read. Gives how many records it took.
    ///
    /// # Errors
    /// As [`Maker::make`].
    pub(crate) fn step(
        &mut self,
        context: &Context,
        batch: &mut Batch,
        lately: &[Record],
        end: End,
        budget: &Budget,
    ) -> Result<usize, StoreError> {
        let again = self.again(context, end)?;
        if !again.understood.is_empty() {
            let records = self.some_of(context, again.understood.iter().map(|event| event.index), budget)?;
            return self.make_late(context, batch, (&records, &again.understood), budget);
        }
        let left = again.size.0.saturating_sub(self.mark.size.0);
        let count = usize::try_from(left).unwrap_or(usize::MAX).min(budget.records);
        if count == 0 {
            return Ok(0);
        }
        let read;
        let records = if lately
            .first()
            .is_some_and(|next| next.index == self.mark.size.next_index())
        {
            lately.get(..count.min(lately.len())).unwrap_or_default()
        } else {
            read = self.next_of(context, count)?;
            &read
        };
        let name = self.name.clone();
        let log = self.log;
        let committed: Vec<Committed<'_>> = records.iter().map(|record| Committed::of(log, &name, record)).collect();
        self.make(context, batch, &committed, budget)
    }

    /// The record that the next slice begins with.
    ///
    /// # Errors
    /// When it can not be read.
    pub(crate) fn next(&mut self, context: &Context, end: End) -> Result<LeafIndex, StoreError> {
        let again = self.again(context, end)?;
        let understood = again.understood.first().map(|event| event.index);
        Ok(understood.unwrap_or(self.mark.size.next_index()))
    }

    /// What happened before in the next slice.
    fn again(&mut self, context: &Context, end: End) -> Result<Again, StoreError> {
        self.known = 0;
        self.waited.clear();
        self.first.clear();
        let mut again = Again {
            size: end.size(),
            understood: Vec::new(),
        };
        if self.is_abreast {
            return Ok(again);
        }
        let size = self.mark.size;
        let mut events = late::events_after(&*context.kept, self.log, size, &self.mark.turn, EVENTS)?;
        let more = events.len() == EVENTS;
        if let End::Mark(end) = end {
            // What was written for rows that the other does not have yet.
            events.retain(|event| event.turn.number <= end.turn.number);
        }
        let Some(last) = events.last() else {
            self.is_abreast = matches!(end, End::Log(_));
            return Ok(again);
        };
        self.known = last.turn.number;
        if more {
            // Of the records up to there everything is known; and of the next one in any case, since its own come first.
            let known = TreeSize(last.passed.saturating_sub(1).max(size.0 + 1));
            again.size = again.size.min(known);
        }
        for event in &events {
            match event.what {
                What::Waited => {
                    self.waited.insert(event.index, event.reference);
                }
                What::Met => {
                    self.first.insert(event.index);
                }
                What::Understood if event.passed > size.0 => {
                    again.size = again.size.min(TreeSize(event.passed));
                    break;
                }
                What::Understood => again.understood.push(*event),
            }
            if !again.understood.is_empty() && event.passed > size.0 {
                break;
            }
        }
        Ok(again)
    }

    /// The next records: as many as a slice may have, and at least one.
    fn next_of(&self, context: &Context, count: usize) -> Result<Vec<Record>, StoreError> {
        let mut found = read::records(&context.kept, self.log, self.mark.size.next_index())?;
        let (mut records, mut bytes) = (Vec::new(), 0);
        while records.len() < count && bytes < context.most_bytes {
            let due = self.mark.size.0 + records.len() as u64;
            let record = found.next().ok_or_else(|| self.missing(due))??;
            bytes += record.value.len();
            records.push(record);
        }
        Ok(records)
    }

    /// The first of these records: as many as a slice may have, and at least one.
    fn some_of(
        &self,
        context: &Context,
        indexes: impl Iterator<Item = LeafIndex>,
        budget: &Budget,
    ) -> Result<Vec<Record>, StoreError> {
        let (mut records, mut bytes) = (Vec::new(), 0);
        for index in indexes.take(budget.records) {
            let record = read::record(&*context.kept, self.log, index)?.ok_or_else(|| self.missing(index.0))?;
            bytes += record.value.len();
            records.push(record);
            if bytes >= context.most_bytes {
                break;
            }
        }
        Ok(records)
    }

    /// Understands records that wait for a schema and need not any more, out of turn, a slice of them: what is understood by
    /// it holds from now on, after everything that was answered before (E3). Gives how many: none where none waits any more.
    ///
    /// The clock holds the log's horizon back from then on: the caller ends that when the rows are written.
    ///
    /// # Errors
    /// As [`Maker::make`].
    pub(crate) fn understand(
        &mut self,
        context: &Context,
        batch: &mut Batch,
        clock: &Clock,
        reference: &SchemaRef,
        budget: &Budget,
    ) -> Result<usize, StoreError> {
        let Resolved::Known(schema) = context.schemas.resolve_at(reference, Timestamp::MIN) else {
            return Ok(0);
        };
        let waiting = late::waiting(&*context.kept, self.log, reference, budget.records)?;
        if waiting.is_empty() {
            context.waiting.done(reference, self.log);
            return Ok(0);
        }
        self.known = 0;
        let time = clock.begin_late(self.log, self.last_step(context)?);
        let records = self.some_of(context, waiting.iter().copied(), budget)?;
        let (passed, mut turn) = (self.mark.size, self.mark.turn);
        let mut events = Vec::with_capacity(records.len());
        for record in &records {
            let event = turn.understood((passed, record.index), *reference, &schema.hash(), time);
            turn = event.turn;
            events.push(event);
        }
        self.make_late(context, batch, (&records, &events), budget)
    }

    /// When the last step of the log was taken.
    fn last_step(&self, context: &Context) -> Result<Timestamp, StoreError> {
        let Mark { size, turn } = self.mark;
        let last = match size.0.checked_sub(1) {
            Some(last) => read::record(&*context.kept, self.log, LeafIndex(last))?,
            None => None,
        };
        Ok(last.map_or(turn.time, |last| last.recorded_time.max(turn.time)))
    }

    fn missing(&self, index: u64) -> StoreError {
        StoreError::corrupt(Table::Records, format!("log `{}`: index {index} is missing", self.name))
    }
}

/// The schemas that records of a log wait for and that are known: a crash may have come between the archiving and that.
///
/// # Errors
/// When rows can not be read.
pub(crate) fn look_for_waiting(context: &Context, log: LogId) -> Result<Vec<SchemaRef>, StoreError> {
    let mut known = Vec::new();
    for reference in late::waited_for(&*context.kept, log)? {
        context.waiting.add(reference, log);
        if matches!(
            context.schemas.resolve_at(&reference, Timestamp::MIN),
            Resolved::Known(_)
        ) {
            known.push(reference);
        }
    }
    Ok(known)
}
