//! Making views again: what a crash lost, or everything; and making what could not be made before its schema was known.

use std::sync::Arc;
use std::time::{Duration, Instant};

use rocksdb::WriteBatch;
use verdict_merkle::{LeafIndex, TreeSize};
use verdict_schemas::{Resolved, SchemaRef, Timestamp, WriterSchemas};

use super::builder::Builder;
use super::late::{self, What};
use super::mark::{Mark, VERSION_KEY, mark};
use super::{Committed, VERSION, Visible};
use crate::clock::Clock;
use crate::database::{Database, Rows};
use crate::error::StoreError;
use crate::keys::{after_log, log_prefix};
use crate::log::read;
use crate::log::state::{self, LogState};
use crate::names::LogId;
use crate::options::Options;
use crate::record::Record;
use crate::tables::Table;

/// How often a long catching up says how far it is.
const SAY_EVERY: Duration = Duration::from_secs(5);

impl Builder {
    /// The builder of a store, with what is visible already published. [`Builder::catch_up`] comes next.
    ///
    /// # Errors
    /// When the watermarks can not be read.
    pub(crate) fn open(
        database: Arc<Database>,
        schemas: Arc<dyn WriterSchemas>,
        visible: Arc<Visible>,
        options: &Options,
    ) -> Result<Self, StoreError> {
        // A sixteenth of the memory is for the intent of the logs that are asked about.
        visible.intents.bound(options.memory_bytes / 16);
        let builder = Self::between(Arc::clone(&database), database, schemas, visible, options);
        builder.publish()?;
        Ok(builder)
    }

    fn publish(&self) -> Result<(), StoreError> {
        let mut sizes = Vec::new();
        for log in state::all(&*self.kept)? {
            let made = mark(&*self.views, log.id)?;
            sizes.push((log.name, made.size));
        }
        self.visible.publish(sizes.iter().map(|(name, size)| (name, *size)));
        Ok(())
    }

    /// Makes what is missing: the records past the watermarks, or everything when the rows are of another [`VERSION`].
    ///
    /// # Errors
    /// When records or rows can not be read or written.
    pub(crate) fn catch_up(&mut self) -> Result<(), StoreError> {
        let logs = state::all(&*self.kept)?;
        if !self.is_current()? {
            let ids: Vec<LogId> = logs.iter().map(|log| log.id).collect();
            if !ids.is_empty() {
                tracing::info!(
                    version = VERSION,
                    logs = ids.len(),
                    "the views are of another version: making them again"
                );
            }
            self.drop_rows(&ids)?;
            let mut write = WriteBatch::default();
            write.put_cf(self.views.cf(Table::Mark)?, VERSION_KEY, VERSION.to_be_bytes());
            self.views.write_views(write)?;
        }
        let mut missing = 0;
        for log in &logs {
            missing += log.size.0.saturating_sub(mark(&*self.views, log.id)?.size.0);
        }
        self.caught_up.found_missing(missing);
        for log in &logs {
            self.replay(log, log.size)?;
        }
        Ok(())
    }

    fn is_current(&self) -> Result<bool, StoreError> {
        Ok(self
            .views
            .row(Table::Mark, VERSION_KEY)?
            .is_some_and(|row| *row == VERSION.to_be_bytes()))
    }

    /// Drops the rows of these logs and makes them again. Until that is done, less of them is visible.
    ///
    /// # Errors
    /// When records or rows can not be read or written. What is missing then is made at the next opening.
    pub(crate) fn rebuild(&mut self, logs: &[LogId]) -> Result<(), StoreError> {
        self.drop_rows(logs)?;
        for log in logs {
            if let Some(state) = state::by_id(&*self.kept, *log)? {
                self.replay(&state, state.size)?;
            }
        }
        Ok(())
    }

    /// Drops every row of these logs, their watermarks in the same write: a crash leaves all of them or none.
    fn drop_rows(&mut self, logs: &[LogId]) -> Result<(), StoreError> {
        self.forget();
        let mut write = WriteBatch::default();
        for log in logs {
            let end = after_log(*log).map_or_else(|| vec![u8::MAX; 64], |end| end.to_vec());
            for table in Table::VIEWS {
                write.delete_range_cf(self.views.cf(*table)?, log_prefix(*log).to_vec(), end.clone());
            }
        }
        self.views.write_views(write)?;
        self.visible.intents.clear();
        self.publish()
    }

    /// Makes what is missing of a log up to `size` records, with everything that came out of turn meanwhile: what is kept
    /// of that is met again, in the same order.
    pub(crate) fn replay(&mut self, log: &LogState, size: TreeSize) -> Result<(), StoreError> {
        let made = mark(&*self.views, log.id)?;
        let events = late::events_after(&*self.kept, log.id, made.size, &made.turn)?;
        self.known = events.last().map_or(0, |event| event.turn.number);
        self.waited = events
            .iter()
            .filter(|event| event.what == What::Waited)
            .map(|event| ((log.id, event.index), event.reference))
            .collect();
        self.first = events
            .iter()
            .filter(|event| event.what == What::Met)
            .map(|event| (log.id, event.index))
            .collect();
        self.met.clear();
        let waited = std::mem::take(&mut self.waited);
        let mut next = made.size;
        let understood: Vec<_> = events
            .into_iter()
            .filter(|event| event.what == What::Understood)
            .collect();
        for steps in understood.chunk_by(|one, other| one.passed == other.passed) {
            let passed = TreeSize(steps.first().map_or(0, |step| step.passed));
            self.waited.clone_from(&waited);
            self.replay_records(log, next, passed)?;
            next = next.max(passed);
            let mut rest = steps;
            while !rest.is_empty() {
                let records = self.some_of(log, rest.iter().map(|step| step.index))?;
                let (steps, others) = rest.split_at(records.len());
                self.apply_late(log, &records, steps)?;
                rest = others;
            }
        }
        self.waited = waited;
        self.replay_records(log, next, size)?;
        self.waited.clear();
        self.first.clear();
        self.known = 0;
        Ok(())
    }

    /// Applies the records of a log from one size up to another.
    fn replay_records(&mut self, log: &LogState, from: TreeSize, size: TreeSize) -> Result<(), StoreError> {
        if from >= size {
            return Ok(());
        }
        let kept = Arc::clone(&self.kept);
        let mut records = read::records(&kept, log.id, LeafIndex(from.0))?;
        let mut chunk: Vec<Record> = Vec::new();
        let mut bytes = 0;
        let mut next = from.0;
        let mut said = Instant::now();
        while next < size.0 {
            let record = records.next().ok_or_else(|| missing(log, next))??;
            bytes += record.value.len();
            chunk.push(record);
            next += 1;
            if next == size.0 || chunk.len() >= self.max_events || bytes >= self.max_bytes {
                let committed: Vec<Committed<'_>> = chunk
                    .iter()
                    .map(|record| Committed::of(log.id, &log.name, record))
                    .collect();
                self.apply(&committed)?;
                self.caught_up.made(committed.len());
                chunk.clear();
                bytes = 0;
                if said.elapsed() >= SAY_EVERY {
                    said = Instant::now();
                    tracing::info!(log = %log.name, made = next, of = size.0, "making views of records");
                }
            }
        }
        Ok(())
    }

    /// The first of these records: as many as a batch may have, and at least one.
    fn some_of(&self, log: &LogState, indexes: impl Iterator<Item = LeafIndex>) -> Result<Vec<Record>, StoreError> {
        let (mut records, mut bytes) = (Vec::new(), 0);
        for index in indexes.take(self.max_events.max(1)) {
            let record = read::record(&*self.kept, log.id, index)?.ok_or_else(|| missing(log, index.0))?;
            bytes += record.value.len();
            records.push(record);
            if bytes >= self.max_bytes {
                break;
            }
        }
        Ok(records)
    }

    /// Understands records that wait for a schema and need not any more, out of turn: of the logs that may have such, a
    /// batch at a time, so that what comes meanwhile need not wait for all of them. Are there more?
    /// What is understood by it holds from now on, after everything that was answered before (E3).
    ///
    /// # Errors
    /// When records or rows can not be read or written.
    pub(crate) fn understand(&mut self, clock: &Clock, reference: &SchemaRef) -> Result<bool, StoreError> {
        let Resolved::Known(schema) = self.schemas.resolve_at(reference, Timestamp::MIN) else {
            return Ok(false);
        };
        let logs = match self.visible.waiting.logs(reference) {
            Some(logs) => logs.into_iter().collect(),
            None => state::all(&*self.kept)?
                .into_iter()
                .map(|log| log.id)
                .collect::<Vec<_>>(),
        };
        for log in logs {
            let Some(log) = state::by_id(&*self.kept, log)? else {
                continue;
            };
            let waiting = late::waiting(&*self.kept, log.id, reference, self.max_events)?;
            if !waiting.is_empty() {
                let time = clock.begin_late(self.last_step(log.id)?);
                let done = self.understand_now(&log, &waiting, (*reference, &schema.hash()), time);
                clock.end_late();
                done?;
                return Ok(true);
            }
            self.visible.waiting.done(reference, log.id);
        }
        Ok(false)
    }

    /// When the last step of a log was taken.
    fn last_step(&self, log: LogId) -> Result<Timestamp, StoreError> {
        let mark = mark(&*self.views, log)?;
        let last = match mark.size.0.checked_sub(1) {
            Some(last) => read::record(&*self.kept, log, LeafIndex(last))?,
            None => None,
        };
        Ok(last.map_or(mark.turn.time, |last| last.recorded_time.max(mark.turn.time)))
    }

    fn understand_now(
        &mut self,
        log: &LogState,
        waiting: &[LeafIndex],
        (reference, schema): (SchemaRef, &[u8; 32]),
        time: Timestamp,
    ) -> Result<(), StoreError> {
        let Mark { size, mut turn } = mark(&*self.views, log.id)?;
        let records = self.some_of(log, waiting.iter().copied())?;
        let mut events = Vec::with_capacity(records.len());
        for (index, _) in waiting.iter().zip(&records) {
            let event = turn.understood((size, *index), reference, schema, time);
            turn = event.turn;
            events.push(event);
        }
        self.apply_late(log, &records, &events)
    }

    /// Finds which logs wait for which schemas, and understands what need not wait any more: a crash may have come between
    /// the archiving and that.
    ///
    /// # Errors
    /// When records or rows can not be read or written.
    pub(crate) fn look_for_waiting(&mut self, clock: &Clock) -> Result<(), StoreError> {
        for log in state::all(&*self.kept)? {
            for reference in late::waited_for(&*self.kept, log.id)? {
                self.visible.waiting.add(reference, log.id);
            }
        }
        for reference in self.visible.waiting.references() {
            while self.understand(clock, &reference)? {}
        }
        Ok(())
    }
}

fn missing(log: &LogState, index: u64) -> StoreError {
    StoreError::corrupt(Table::Records, format!("log `{}`: index {index} is missing", log.name))
}
