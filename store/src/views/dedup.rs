//! E4: which record of an event counts.
//!
//! Within a log the first well-formed record of (`source`, `event_id`) counts; a later one with the same value is a
//! duplicate, with another a conflict. An observation looks back seven days of recorded time to the record that
//! counted, so that emitters that number from one do not collide for ever; intent looks back for ever. Intent and
//! observation are told apart: no observer can take an id away from intent.
//!
//! "First" is in the order of understanding: a record understood late displaces nothing that counted before.
//!
//! ```text
//! v_event   view | event id | H8(source)            for each record that counts: index u64, recorded u64 [, step, passed]
//!           view | event id | H8(source) | index    (empty), or step, passed     a conflict
//! ```
//!
//! Step and passed are there where the record was understood late; the highest bit of the recorded time says so.
//!
//! The row of what counts is found by its whole key, so one filter settles the usual case: never seen. It grows by one
//! entry a week at most. A decided record is in the batch or in the log, so values are compared, not digests of them.

use verdict_merkle::LeafIndex;
use verdict_schemas::{EventId, Timestamp};

use super::keys::{self, H8};
use super::mark::ViewId;
use crate::cut::Late;
use crate::database::Database;
use crate::error::StoreError;
use crate::layout::{Damaged, Reader};
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
    /// The step by which it was understood, if it was not when it came.
    pub(crate) late: Option<Late>,
}

const UNDERSTOOD_LATE: u64 = 1 << 63;

impl Counts {
    /// Does a record of the same event that is understood after it look back to this one? One that is understood late
    /// may have been recorded before it.
    pub(crate) fn stands_for(&self, recorded: Timestamp, intent: bool) -> bool {
        intent || (recorded.as_micros() - self.recorded.as_micros()).abs() < LOOK_BACK_US
    }

    pub(crate) fn encode(&self, out: &mut Vec<u8>) {
        let late = if self.late.is_some() { UNDERSTOOD_LATE } else { 0 };
        out.extend_from_slice(&self.index.0.to_be_bytes());
        out.extend_from_slice(&(self.recorded.as_micros().cast_unsigned() | late).to_be_bytes());
        out.extend(self.late.iter().flat_map(|late| late.encode()));
    }

    /// Every record that counts of a row, in the order in which they were understood.
    pub(crate) fn decode_all(row: &[u8]) -> Result<Vec<Self>, Damaged> {
        let mut reader = Reader::new(row);
        let mut all = Vec::new();
        while reader.left() > 0 {
            let index = LeafIndex(u64::from_be_bytes(reader.array()?));
            let time = u64::from_be_bytes(reader.array()?);
            let recorded = Timestamp::from_micros((time & !UNDERSTOOD_LATE).cast_signed())
                .ok_or(Damaged("a time is out of range"))?;
            let late = (time & UNDERSTOOD_LATE != 0)
                .then(|| reader.array().map(|late| Late::decode(&late)))
                .transpose()?;
            all.push(Self { index, recorded, late });
        }
        Ok(all)
    }

    /// The first of those that a record looks back to.
    pub(crate) fn standing(all: &[Self], recorded: Timestamp, intent: bool) -> Option<Self> {
        all.iter().find(|counts| counts.stands_for(recorded, intent)).copied()
    }
}

/// The record that an event recorded at `recorded` is a duplicate of or in conflict with, by which bytes its value has;
/// `None`: it would count. For the intake, which does not store duplicates.
///
/// # Errors
/// When the row can not be read.
pub(crate) fn find(
    database: &Database,
    view: ViewId,
    source: &str,
    event_id: EventId,
    recorded: Timestamp,
    intent: bool,
) -> Result<Option<Counts>, StoreError> {
    let key = keys::event(view, event_id, &keys::h8_emitter(&keys::h16(source), intent));
    let Some(row) = database.get(Table::Event, key.as_slice())? else {
        return Ok(None);
    };
    let all = Counts::decode_all(&row).map_err(|damage| StoreError::corrupt(Table::Event, damage.to_string()))?;
    Ok(Counts::standing(&all, recorded, intent))
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
    pub(crate) event_id: EventId,
    pub(crate) source: H8,
    /// Its place in the batch, which is in index order within each log.
    pub(crate) place: usize,
}

impl Candidate {
    pub(crate) fn same_event(&self, other: &Self) -> bool {
        (self.event_id, self.source) == (other.event_id, other.source)
    }

    /// The order of the keys in `v_event`, then of the batch.
    pub(crate) fn order(&self) -> (EventId, H8, usize) {
        (self.event_id, self.source, self.place)
    }

    pub(crate) fn key(&self, view: ViewId) -> keys::Key {
        keys::event(view, self.event_id, &self.source)
    }
}
