//! E4 at the intake: a record that the log has already, with the same bytes, is not stored again.
//!
//! What counts is looked up in the views, which lag behind the commits; what is committed or staged and not visible yet
//! is remembered here. Between the two nothing is missed: an entry leaves only once the views have it.

use std::collections::{HashMap, VecDeque};

use bytes::Bytes;
use foldhash::fast::RandomState;
use verdict_merkle::LeafIndex;
use verdict_schemas::Timestamp;

use crate::database::Database;
use crate::error::StoreError;
use crate::incoming::DedupKey;
use crate::log::read;
use crate::names::LogId;
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

/// The events that were sequenced and are not visible yet.
#[derive(Default)]
pub(crate) struct InFlight {
    events: HashMap<(LogId, DedupKey), Entry, RandomState>,
    batches: VecDeque<(u64, Vec<(LogId, DedupKey)>)>,
}

struct Entry {
    counts: Counts,
    value: Bytes,
    batch: u64,
}

impl InFlight {
    /// Has the log this event already, for a record that would be recorded at `recorded`?
    pub(crate) fn before(
        &self,
        database: &Database,
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
        let found = dedup::find(database, log, &key.source, key.event_id, recorded, key.intent)?;
        let Some(first) = found else { return Ok(Before::Never) };
        let record = read::record(database, log, first.index)?.ok_or_else(|| {
            StoreError::corrupt(
                Table::Event,
                format!("log {}: index {} counts and is missing", log.0, first.index),
            )
        })?;
        Ok(verdict(record.value == value, first.index))
    }

    /// Remembers a record that counts.
    pub(crate) fn remember(&mut self, batch: u64, log: LogId, key: DedupKey, counts: Counts, value: Bytes) {
        let key = (log, key);
        match self.batches.back_mut() {
            Some((number, keys)) if *number == batch => keys.push(key.clone()),
            _ => self.batches.push_back((batch, vec![key.clone()])),
        }
        self.events.insert(key, Entry { counts, value, batch });
    }

    /// Forgets what became visible with the batches up to this one.
    pub(crate) fn forget(&mut self, visible: u64) {
        while self.batches.front().is_some_and(|(number, _)| *number <= visible) {
            let Some((number, keys)) = self.batches.pop_front() else {
                break;
            };
            for key in keys {
                // One that counts again, after its seven days, belongs to a later batch.
                if self.events.get(&key).is_some_and(|entry| entry.batch == number) {
                    self.events.remove(&key);
                }
            }
        }
    }
}

fn verdict(same: bool, index: LeafIndex) -> Before {
    if same { Before::Same(index) } else { Before::Other }
}
