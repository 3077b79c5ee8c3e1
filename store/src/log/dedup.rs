//! E4 at the intake: a record that the log has already, with the same bytes, is not stored again.
//!
//! What counts is looked up in the views, which lag behind the commits; what is committed or staged and not visible yet
//! is remembered here. Between the two nothing is missed: an entry leaves only once the views have it.

use std::collections::{HashMap, VecDeque};

use bytes::Bytes;
use foldhash::fast::RandomState;
use verdict_merkle::LeafIndex;
use verdict_schemas::Timestamp;

use crate::error::StoreError;
use crate::follow::schedule::Schedule;
use crate::incoming::DedupKey;
use crate::log::read;
use crate::names::LogId;
use crate::shared::Shared;
use crate::tables::Table;
use crate::views::dedup::{self, Counts};

/// What became of the event before.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Before {
    /// It was not seen: this record will count.
    Never,
    /// It was, with these bytes.
    Same(LeafIndex),
    /// It was, with others.
    Other,
}

/// The events that were sequenced and are not visible yet: as many as there is room for. Past that a record is stored
/// without a look, and the view says what it is.
pub(crate) struct InFlight {
    events: HashMap<(LogId, DedupKey), Entry, RandomState>,
    /// Of each log, in order.
    logs: HashMap<LogId, VecDeque<(LeafIndex, DedupKey)>, RandomState>,
    bytes: usize,
    most: usize,
}

struct Entry {
    counts: Counts,
    value: Bytes,
}

impl InFlight {
    /// Remembers so many bytes at most.
    pub(crate) fn new(most: usize) -> Self {
        Self {
            events: HashMap::default(),
            logs: HashMap::default(),
            bytes: 0,
            most,
        }
    }

    /// Has the log this event already, for a record that would be recorded at `recorded`?
    pub(crate) fn before(
        &self,
        shared: &Shared,
        log: LogId,
        key: &DedupKey,
        value: &[u8],
        recorded: Timestamp,
    ) -> Result<Before, StoreError> {
        if let Some(entry) = self.events.get(&(log, key.clone()))
            && entry.counts.stands_for(recorded, key.intent)
        {
            return Ok(verdict(entry.value == value, entry.counts.index));
        }
        let found = loop {
            let (view, _) = shared.schedule.made(log);
            let found = dedup::find(
                &shared.context.views,
                view,
                &key.source,
                key.event_id,
                recorded,
                key.intent,
            )?;
            // Rows that were made anew meanwhile are elsewhere.
            if found.is_some() || shared.schedule.made(log).0 == view {
                break found;
            }
        };
        let Some(first) = found else { return Ok(Before::Never) };
        let record = read::record(&*shared.database, log, first.index)?.ok_or_else(|| {
            StoreError::corrupt(
                Table::Event,
                format!("log {}: index {} counts and is missing", log.0, first.index),
            )
        })?;
        Ok(verdict(record.value == value, first.index))
    }

    /// Remembers a record that counts, if there is room.
    pub(crate) fn remember(&mut self, log: LogId, key: DedupKey, counts: Counts, value: Bytes) {
        let bytes = bytes_of(&key, &value);
        if self.bytes + bytes > self.most {
            return;
        }
        self.bytes += bytes;
        self.logs.entry(log).or_default().push_back((counts.index, key.clone()));
        let entry = Entry { counts, value };
        if let Some(before) = self.events.insert((log, key.clone()), entry) {
            // One that counts again, after its seven days.
            self.bytes = self.bytes.saturating_sub(bytes_of(&key, &before.value));
        }
    }

    /// Forgets what became visible.
    pub(crate) fn forget(&mut self, schedule: &Schedule) {
        let Self {
            events, logs, bytes, ..
        } = self;
        logs.retain(|log, keys| {
            let (_, made) = schedule.made(*log);
            while keys.front().is_some_and(|(index, _)| made.contains(*index))
                && let Some((_, key)) = keys.pop_front()
            {
                let key = (*log, key);
                if events.get(&key).is_some_and(|entry| made.contains(entry.counts.index))
                    && let Some(entry) = events.remove(&key)
                {
                    *bytes = bytes.saturating_sub(bytes_of(&key.1, &entry.value));
                }
            }
            !keys.is_empty()
        });
    }
}

/// Bytes that an entry takes, roughly.
fn bytes_of(key: &DedupKey, value: &Bytes) -> usize {
    2 * (size_of::<DedupKey>() + key.source.len()) + size_of::<Entry>() + value.len()
}

fn verdict(same: bool, index: LeafIndex) -> Before {
    if same { Before::Same(index) } else { Before::Other }
}
