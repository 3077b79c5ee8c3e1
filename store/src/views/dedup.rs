//! E4: which record of an event counts.
//!
//! Within a log the first well-formed record of (`source`, `event_id`) counts; a later one with the same value is a
//! duplicate, with another a conflict. An observation looks back seven days of recorded time to the record that
//! counted, so that emitters that number from one do not collide for ever; intent looks back for ever.
//!
//! ```text
//! v_event   log | event id | H8(source)            for each record that counts: index u64, recorded u64
//!           log | event id | H8(source) | index    (empty)     a conflict
//! ```
//!
//! The row of what counts is found by its whole key, so one filter settles the usual case: never seen. It grows by one
//! entry a week at most. A decided record is in the batch or in the log, so values are compared, not digests of them.

use verdict_merkle::LeafIndex;
use verdict_schemas::{EventId, Timestamp};

use super::keys::{self, H8};
use crate::database::Database;
use crate::error::StoreError;
use crate::layout::{Damaged, Reader};
use crate::names::LogId;
use crate::tables::Table;

/// How far an observation looks back: seven days of recorded time, in microseconds. Half-open like every interval of
/// the rules: a record exactly seven days later counts by itself.
const LOOK_BACK_US: i64 = 7 * 24 * 3600 * 1_000_000;

/// A record that counts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Counts {
    /// Its place in the log.
    pub(crate) index: LeafIndex,
    /// When it was recorded.
    pub(crate) recorded: Timestamp,
}

impl Counts {
    const BYTES: usize = 16;

    /// Does a later record of the same event look back to this one?
    pub(crate) fn stands_for(&self, recorded: Timestamp, intent: bool) -> bool {
        intent || recorded.as_micros() - self.recorded.as_micros() < LOOK_BACK_US
    }

    pub(crate) fn encode(&self, out: &mut Vec<u8>) {
        out.extend_from_slice(&self.index.0.to_be_bytes());
        out.extend_from_slice(&keys::time_bytes(self.recorded));
    }

    /// Every record that counts of a row, oldest first.
    pub(crate) fn decode_all(row: &[u8]) -> Result<Vec<Self>, Damaged> {
        let (entries, rest) = row.as_chunks::<{ Self::BYTES }>();
        if !rest.is_empty() {
            return Err(Damaged("an entry is cut short"));
        }
        entries.iter().map(Self::decode).collect()
    }

    /// The last of a row.
    pub(crate) fn last(row: &[u8]) -> Result<Option<Self>, Damaged> {
        if row.is_empty() {
            return Ok(None);
        }
        row.last_chunk()
            .ok_or(Damaged("an entry is cut short"))
            .and_then(Self::decode)
            .map(Some)
    }

    fn decode(entry: &[u8; Self::BYTES]) -> Result<Self, Damaged> {
        let mut reader = Reader::new(entry);
        let index = LeafIndex(u64::from_be_bytes(reader.array()?));
        let recorded = i64::from_be_bytes(reader.array()?);
        let recorded = Timestamp::from_micros(recorded).ok_or(Damaged("a time is out of range"))?;
        Ok(Self { index, recorded })
    }
}

/// The record that an event recorded at `recorded` is a duplicate of or in conflict with, by which bytes its value has;
/// `None`: it would count. For the intake, which does not store duplicates.
///
/// # Errors
/// When the row can not be read.
pub(crate) fn find(
    database: &Database,
    log: LogId,
    source: &str,
    event_id: EventId,
    recorded: Timestamp,
    intent: bool,
) -> Result<Option<Counts>, StoreError> {
    let key = keys::event(log, event_id, &keys::h8(source));
    let Some(row) = database.get(Table::Event, key.as_slice())? else {
        return Ok(None);
    };
    let last = Counts::last(&row).map_err(|damage| StoreError::corrupt(Table::Event, damage.to_string()))?;
    Ok(last.filter(|counts| counts.stands_for(recorded, intent)))
}

/// What E4 makes of a record.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Standing {
    /// It counts.
    Counts,
    /// The same bytes came before.
    Duplicate(LeafIndex),
    /// Other bytes came before.
    Conflict(LeafIndex),
}

/// A well-formed record that asks what it is.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Candidate {
    pub(crate) log: LogId,
    pub(crate) event_id: EventId,
    pub(crate) source: H8,
    /// Its place in the batch, which is in index order within each log.
    pub(crate) place: usize,
}

impl Candidate {
    pub(crate) fn same_event(&self, other: &Self) -> bool {
        (self.log, self.event_id, self.source) == (other.log, other.event_id, other.source)
    }

    /// The order of the keys in `v_event`, then of the batch.
    pub(crate) fn order(&self) -> (LogId, EventId, H8, usize) {
        (self.log, self.event_id, self.source, self.place)
    }

    pub(crate) fn key(&self) -> keys::Key {
        keys::event(self.log, self.event_id, &self.source)
    }
}
