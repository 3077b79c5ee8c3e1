//! What is known of one log's followers while nobody works at them: where they are, what waits, how fast they go.

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::oneshot;
use verdict_merkle::{LeafIndex, TreeSize};
use verdict_schemas::{SchemaRef, TenantId, Timestamp};

use super::standing::{Standing, State};
use super::waiter::Waiter;
use crate::error::StoreError;
use crate::names::LogName;
use crate::record::Record;
use crate::views::maker::Maker;
use crate::views::mark::{Generation, ViewId};

/// What to do next for a log, the first that applies.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Task {
    /// Make rows of records that came.
    Follow,
    /// Understand what waited for a schema.
    Understand(SchemaRef),
    /// Make a second generation.
    Rebuild,
}

/// How large slices are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Pace {
    /// Records in the next one.
    pub(crate) records: usize,
    /// Do its records cost much?
    pub(crate) heavy: bool,
}

/// A record that costs more than that in a slice that takes long makes a log heavy; it is light again below the other.
const HEAVY: Duration = Duration::from_micros(1000);
const LIGHT: Duration = Duration::from_micros(200);
const LONG: Duration = Duration::from_millis(8);

impl Pace {
    pub(crate) fn new(most: usize) -> Self {
        Self {
            records: most.max(1),
            heavy: false,
        }
    }

    /// After a slice that took so many of the records offered.
    pub(crate) fn after(&mut self, taken: usize, offered: usize, took: Duration, most: usize) {
        let each = took / u32::try_from(taken.max(1)).unwrap_or(u32::MAX);
        self.heavy = if self.heavy {
            each > LIGHT
        } else {
            took > LONG && each > HEAVY
        };
        if taken < offered {
            self.records = taken.max(1);
        } else if taken >= self.records {
            self.records = self.records.saturating_mul(2).min(most.max(1));
        }
    }
}

/// What makes the rows of a log: one worker has it at a time.
pub(crate) struct Makers {
    pub(crate) current: Maker,
    /// The second generation, while it is made.
    pub(crate) next: Option<Maker>,
}

/// The followers of one log.
pub(crate) struct Entry {
    pub(crate) name: LogName,
    /// How many records the log has.
    pub(crate) size: TreeSize,
    /// How many it had when the store was opened.
    pub(crate) opened: TreeSize,
    /// The rows of its first so many records were dropped once, and are made anew.
    pub(crate) dropped: TreeSize,
    /// How far the rows are that questions read, and the second generation's.
    pub(crate) made: Generation,
    pub(crate) next: Option<Generation>,
    /// Was everything met again that happened before, up to the end that the log had when the store was opened?
    pub(crate) is_whole: bool,
    /// `None` while a worker has them.
    pub(crate) makers: Option<Makers>,
    pub(crate) broken: Option<(LeafIndex, String)>,
    /// Was it tried to make a broken generation anew?
    pub(crate) mended: bool,
    /// Records that were committed lately, without a gap up to the end of the log, or none.
    pub(crate) lately: VecDeque<Record>,
    pub(crate) lately_bytes: usize,
    /// Senders who wait for so many records to be visible.
    pub(crate) waiting: VecDeque<(TreeSize, Arc<Waiter>)>,
    /// Schemas that became known, and that records here may wait for.
    pub(crate) understand: VecDeque<SchemaRef>,
    /// Who asked for the rows to be made anew.
    pub(crate) rebuild: Vec<oneshot::Sender<Result<(), StoreError>>>,
    pub(crate) wants_rebuild: bool,
    /// Is that next, though there is something to follow? They take turns.
    pub(crate) is_rebuilt_next: bool,
    pub(crate) pace: Pace,
    pub(crate) next_pace: Pace,
    /// In which lane it waits for a worker.
    pub(crate) queued: Option<Lane>,
    /// When it was last worked at, in slices of all logs; and what is remembered of it.
    pub(crate) used: u64,
    pub(crate) cached: usize,
}

/// Who works at it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Lane {
    /// Any worker, first of all.
    Light,
    /// Any worker, when there is nothing else: rows of what was there when the store was opened.
    Behind,
    /// All workers but the first.
    Heavy,
}

impl Entry {
    /// What is to be done; `None`: nothing. `may_rebuild`: it is its turn to be made anew.
    pub(crate) fn task(&self, may_rebuild: bool) -> Option<Task> {
        let rebuild = (may_rebuild && self.wants_rebuild).then_some(Task::Rebuild);
        if rebuild.is_some() && self.is_rebuilt_next {
            return rebuild;
        }
        if self.broken.is_none() {
            if self.made.mark.size < self.size || !self.is_whole {
                return Some(Task::Follow);
            }
            if let Some(reference) = self.understand.front() {
                return Some(Task::Understand(*reference));
            }
        }
        rebuild
    }

    /// The lane for a task.
    pub(crate) fn lane(&self, task: Task) -> Lane {
        match task {
            Task::Follow if self.pace.heavy => Lane::Heavy,
            // Every question of every tenant reads the platform's.
            Task::Follow if self.is_whole || self.name.tenant().is_some_and(TenantId::is_platform) => Lane::Light,
            Task::Follow => Lane::Behind,
            Task::Understand(_) | Task::Rebuild => Lane::Heavy,
        }
    }

    /// Records that are durable and not visible.
    pub(crate) fn behind(&self) -> u64 {
        self.size.0.saturating_sub(self.made.mark.size.0)
    }

    /// A time at or before which no record is missing: that of the first that is, or of the last that is not.
    pub(crate) fn behind_since(&self) -> Option<Timestamp> {
        let due = self.made.mark.size.next_index();
        let next = self.lately.front().filter(|record| record.index == due);
        let last = self.makers.as_ref().and_then(|makers| makers.current.last_recorded());
        next.map(|next| next.recorded_time).or(last)
    }

    /// Takes in a record that was committed: the log's last. Gives the bytes that it takes.
    pub(crate) fn take_in(&mut self, record: Record) -> usize {
        self.size = TreeSize(record.index.0 + 1);
        let bytes = bytes_of(&record);
        self.lately_bytes += bytes;
        self.lately.push_back(record);
        bytes
    }

    /// Hands out the records that are due, so many at most, with the bytes that they take.
    pub(crate) fn hand_out(&mut self, most: usize) -> (Vec<Record>, usize) {
        let due = self.made.mark.size.next_index();
        if self.lately.front().is_none_or(|record| record.index != due) {
            return (Vec::new(), 0);
        }
        let count = most.min(self.lately.len());
        let records: Vec<Record> = self.lately.drain(..count).collect();
        let bytes = records.iter().map(bytes_of).sum();
        self.lately_bytes = self.lately_bytes.saturating_sub(bytes);
        (records, bytes)
    }

    /// Takes back what was handed out and not made rows of. Gives the bytes that it takes.
    pub(crate) fn take_back(&mut self, mut records: Vec<Record>) -> usize {
        let due = self.made.mark.size.next_index();
        records.retain(|record| record.index >= due);
        let next = self.lately.front().map_or(self.size.0, |record| record.index.0);
        if records.last().is_none_or(|last| last.index.0 + 1 != next) {
            // What came between was dropped meanwhile.
            return 0;
        }
        let bytes = records.iter().map(bytes_of).sum();
        self.lately_bytes += bytes;
        records
            .into_iter()
            .rev()
            .for_each(|record| self.lately.push_front(record));
        bytes
    }

    /// Lets go of records that rows are made of. Gives the bytes that they took.
    pub(crate) fn let_go(&mut self) -> usize {
        let (due, mut bytes) = (self.made.mark.size.next_index(), 0);
        while self.lately.front().is_some_and(|record| record.index < due) {
            bytes += self.lately.pop_front().as_ref().map_or(0, bytes_of);
        }
        self.lately_bytes = self.lately_bytes.saturating_sub(bytes);
        bytes
    }

    /// Takes in a sender who waits for so many records to be visible. Those who gave up are let go of, so that views that lag
    /// for long hold no more than who waits.
    pub(crate) fn wait(&mut self, size: TreeSize, waiter: Arc<Waiter>) {
        while self.waiting.front().is_some_and(|(_, first)| !first.is_awaited()) {
            self.waiting.pop_front();
        }
        self.waiting.push_back((size, waiter));
        self.tell();
    }

    /// Answers those whose records are visible; and all others, where they will not be for now.
    pub(crate) fn tell(&mut self) {
        let made = self.made.mark.size;
        while let Some((size, waiter)) = self.waiting.pop_front() {
            if size > made && self.broken.is_none() {
                self.waiting.push_front((size, waiter));
                break;
            }
            waiter.told(size <= made);
        }
    }

    /// What is said of it.
    pub(crate) fn standing(&self) -> Standing {
        let rebuilding = |generation: &Generation| State::Rebuilding {
            generation: generation.view.0,
            from: generation.mark.size.0,
        };
        let state = match (&self.broken, &self.next) {
            (Some((index, reason)), _) => State::Broken {
                index: index.0,
                reason: reason.clone(),
            },
            (None, Some(next)) => rebuilding(next),
            (None, None) if !self.is_whole && self.made.mark.size < self.opened => rebuilding(&self.made),
            (None, None) => State::Following,
        };
        Standing {
            state,
            size: self.size,
            made: self.made.mark.size,
            is_caught_up: self.is_whole || self.broken.is_some(),
            is_whole: self.is_whole
                || self.broken.is_some()
                || self.made.mark.size > self.dropped
                || self.dropped.0 == 0,
        }
    }

    /// The generation that questions read.
    pub(crate) fn view(&self) -> ViewId {
        self.made.view
    }

    /// Drops the records held: they are read from the log instead. Gives how many bytes that were.
    pub(crate) fn drop_lately(&mut self) -> usize {
        self.lately = VecDeque::new();
        std::mem::take(&mut self.lately_bytes)
    }
}

/// Bytes that a record takes in memory, roughly.
fn bytes_of(record: &Record) -> usize {
    let headers = record
        .headers
        .iter()
        .map(|(name, value)| name.len() + value.as_ref().map_or(0, bytes::Bytes::len));
    size_of::<Record>() + record.value.len() + record.key.as_ref().map_or(0, bytes::Bytes::len) + headers.sum::<usize>()
}
