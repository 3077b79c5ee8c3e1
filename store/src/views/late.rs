//! What came out of turn: records that could not be read when they came, and the steps by which they were understood.
//!
//! ```text
//! late   log u32 | `s` | passed u64 | number u64     what u8 | index u64 | late u64 | time u64 | chain 32 bytes | reference
//!        log u32 | `r` | reference | index u64       (empty)     it waits still
//!        log u32 | `m` | reference                   (empty)     a record of this schema was read as it came
//! ```
//!
//! `what` is 1 where a record came and waited (`passed` counts it), 2 where it was understood, out of turn, after `passed`
//! records had come, 3 where one was the first of its log to be read by a schema that is not ours, as it came (`passed` counts
//! it); `late` counts those of 2 so far, `number` all. `time` is when it was understood: after every
//! `known_at` that was answered before, so that none of those answers changes (E3).
//!
//! Unlike every view, these rows are not made anew from the records: which schema was known when is no property of a
//! record. They are in the log's database, written durably before the rows that follow from them; a rebuild replays them, and
//! so does whoever goes on after a crash that came in between, so that a token of yesterday is answered with yesterday's bytes
//! (A6). The *chain* is a hash over all of it and the schemas
//! themselves: two nodes that archived the same in the same order have the same, and a token is not taken where it is another.

use rocksdb::ReadOptions;
use sha2::{Digest, Sha256};
use verdict_merkle::{LeafIndex, TreeSize};
use verdict_schemas::{SchemaRef, Timestamp};

use super::flag::{encode_reference, read_reference};
use super::rows::Batch;
use crate::database::Ordered;
use crate::database::Rows;
use crate::error::StoreError;
use crate::keys::log_prefix;
use crate::layout::{Damaged, Reader};
use crate::names::LogId;
use crate::tables::Table;

const STEP: u8 = b's';
const WAITS: u8 = b'r';
const MET: u8 = b'm';

/// What happened out of turn.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum What {
    /// A record came and could not be read.
    Waited,
    /// It was understood.
    Understood,
    /// It is the first of its log to be read by a schema, as it came.
    Met,
}

/// Something that happened out of turn.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Event {
    pub(crate) what: What,
    /// How many records had come.
    pub(crate) passed: u64,
    /// The record.
    pub(crate) index: LeafIndex,
    /// The schema that it waited for.
    pub(crate) reference: SchemaRef,
    /// How things stood after it.
    pub(crate) turn: Turn,
}

/// How far a log has come out of turn.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Turn {
    /// Events so far.
    pub(crate) number: u64,
    /// Steps out of turn so far.
    pub(crate) late: u64,
    /// When the last of them was taken.
    pub(crate) time: Timestamp,
    /// Over all events.
    pub(crate) chain: [u8; 32],
}

impl Default for Turn {
    fn default() -> Self {
        Self {
            number: 0,
            late: 0,
            time: Timestamp::MIN,
            chain: [0; 32],
        }
    }
}

impl Turn {
    pub(crate) fn encode(&self, out: &mut Vec<u8>) {
        out.extend_from_slice(&self.number.to_be_bytes());
        out.extend_from_slice(&self.late.to_be_bytes());
        out.extend_from_slice(&self.time.as_micros().to_be_bytes());
        out.extend_from_slice(&self.chain);
    }

    pub(crate) fn decode(reader: &mut Reader<'_>) -> Result<Self, Damaged> {
        Ok(Self {
            number: u64::from_be_bytes(reader.array()?),
            late: u64::from_be_bytes(reader.array()?),
            time: Timestamp::from_micros(i64::from_be_bytes(reader.array()?))
                .ok_or(Damaged("a time is out of range"))?,
            chain: reader.array()?,
        })
    }

    fn next(
        &self,
        (what, passed, index): (What, u64, LeafIndex),
        reference: &[u8],
        schema: &[u8],
        time: Timestamp,
    ) -> Self {
        let mut chain = Sha256::new();
        chain.update(self.chain);
        chain.update([what as u8]);
        chain.update(passed.to_be_bytes());
        chain.update(index.0.to_be_bytes());
        chain.update(reference);
        chain.update(schema);
        Self {
            number: self.number + 1,
            late: self.late + u64::from(what == What::Understood),
            time: if what == What::Understood { time } else { self.time },
            chain: chain.finalize().into(),
        }
    }

    /// A record came and is the first of its log to be read by this schema, of that hash.
    pub(crate) fn met(&self, index: LeafIndex, reference: SchemaRef, schema: &[u8; 32]) -> Event {
        let passed = index.0 + 1;
        let turn = self.next(
            (What::Met, passed, index),
            &encode_reference(&reference),
            schema,
            self.time,
        );
        Event {
            what: What::Met,
            passed,
            index,
            reference,
            turn,
        }
    }

    /// A record came that can not be read yet.
    pub(crate) fn waited(&self, index: LeafIndex, reference: SchemaRef) -> Event {
        let passed = index.0 + 1;
        let turn = self.next(
            (What::Waited, passed, index),
            &encode_reference(&reference),
            &[],
            self.time,
        );
        Event {
            what: What::Waited,
            passed,
            index,
            reference,
            turn,
        }
    }

    /// A record is understood by a schema of that hash, after so many had come.
    pub(crate) fn understood(
        &self,
        (passed, index): (TreeSize, LeafIndex),
        reference: SchemaRef,
        schema: &[u8; 32],
        time: Timestamp,
    ) -> Event {
        let turn = self.next(
            (What::Understood, passed.0, index),
            &encode_reference(&reference),
            schema,
            time,
        );
        Event {
            what: What::Understood,
            passed: passed.0,
            index,
            reference,
            turn,
        }
    }
}

fn steps(log: LogId) -> Vec<u8> {
    [&log_prefix(log)[..], &[STEP]].concat()
}

fn waits(log: LogId) -> Vec<u8> {
    [&log_prefix(log)[..], &[WAITS]].concat()
}

fn waits_for(log: LogId, reference: &SchemaRef) -> Vec<u8> {
    [&waits(log)[..], &encode_reference(reference)[..]].concat()
}

fn met_key(log: LogId, reference: &SchemaRef) -> Vec<u8> {
    [&log_prefix(log)[..], &[MET], &encode_reference(reference)[..]].concat()
}

/// Was a record of the log read by this schema as it came?
pub(crate) fn is_met(rows: &impl Rows, log: LogId, reference: &SchemaRef) -> Result<bool, StoreError> {
    Ok(rows.row(Table::Late, &met_key(log, reference))?.is_some())
}

fn step_key(log: LogId, passed: u64, number: u64) -> Vec<u8> {
    [&steps(log)[..], &passed.to_be_bytes(), &number.to_be_bytes()].concat()
}

impl Event {
    fn waiting_key(&self, log: LogId) -> Vec<u8> {
        [&waits_for(log, &self.reference)[..], &self.index.0.to_be_bytes()].concat()
    }

    /// Puts its rows.
    pub(crate) fn put(&self, log: LogId, batch: &mut Batch) {
        let mut row = vec![self.what as u8 + 1];
        row.extend_from_slice(&self.index.0.to_be_bytes());
        row.extend_from_slice(&self.turn.late.to_be_bytes());
        row.extend_from_slice(&self.turn.time.as_micros().to_be_bytes());
        row.extend_from_slice(&self.turn.chain);
        row.extend_from_slice(&encode_reference(&self.reference));
        // Numbers count from 0, and `number` is how many there are after it.
        let key = step_key(log, self.passed, self.turn.number.saturating_sub(1));
        batch.of(Table::Late).put(&key, &row);
        match self.what {
            What::Waited => batch.of(Table::Late).put(&self.waiting_key(log), &[]),
            What::Understood => batch.delete(Table::Late, self.waiting_key(log)),
            What::Met => batch.of(Table::Late).put(&met_key(log, &self.reference), &[]),
        }
    }

    fn decode(key: &[u8], row: &[u8]) -> Result<Self, Damaged> {
        let mut place = Reader::new(key.get(5..).unwrap_or_default());
        let passed = u64::from_be_bytes(place.array()?);
        let number = u64::from_be_bytes(place.array()?).saturating_add(1);
        place.end()?;
        let mut row = Reader::new(row);
        let what = match row.u8()? {
            1 => What::Waited,
            2 => What::Understood,
            3 => What::Met,
            _ => return Err(Damaged("a step is not as written")),
        };
        let index = LeafIndex(u64::from_be_bytes(row.array()?));
        let late = u64::from_be_bytes(row.array()?);
        let time = Timestamp::from_micros(i64::from_be_bytes(row.array()?)).ok_or(Damaged("a time is out of range"))?;
        let chain = row.array()?;
        let reference = read_reference(row.take(row.left() as u64)?)?;
        Ok(Self {
            what,
            passed,
            index,
            reference,
            turn: Turn {
                number,
                late,
                time,
                chain,
            },
        })
    }
}

fn damaged(damage: Damaged) -> StoreError {
    StoreError::corrupt(Table::Late, damage.to_string())
}

/// How far out of turn a log had come when it held `size` records, and of the steps taken since those that `keep` takes:
/// they are looked at from the last one back.
pub(crate) fn turn_at(
    rows: &impl Ordered,
    log: LogId,
    size: TreeSize,
    keep: impl Fn(&Turn) -> bool,
) -> Result<Turn, StoreError> {
    if !rows.holds(Table::Late) {
        return Ok(Turn::default());
    }
    let prefix = steps(log);
    let mut options = ReadOptions::default();
    options.set_iterate_lower_bound(prefix.clone());
    let mut found = rows.raw_iterator(Table::Late, options)?;
    found.seek_for_prev(step_key(log, size.0, u64::MAX));
    rows.has_read(1);
    while let Some((key, row)) = found.item().filter(|(key, _)| key.starts_with(&prefix)) {
        let event = Event::decode(key, row).map_err(damaged)?;
        let since = event.what == What::Understood && event.passed == size.0;
        if !since || keep(&event.turn) {
            return Ok(event.turn);
        }
        found.prev();
        rows.has_read(1);
    }
    found.status()?;
    Ok(Turn::default())
}

/// When the first of the steps out of turn was taken that come behind `turn`, in a log that holds `size` records; `None`: there
/// are none. Rows that hold so many records and no more of what came out of turn than `turn` lack it.
pub(crate) fn next_step(
    rows: &impl Ordered,
    log: LogId,
    size: TreeSize,
    turn: &Turn,
) -> Result<Option<Timestamp>, StoreError> {
    let next = events_after(rows, log, size, turn, 1)?.into_iter().next();
    let next = next.filter(|next| next.what == What::Understood && next.passed == size.0);
    Ok(next.map(|next| next.turn.time))
}

/// What happened out of turn after `turn`, in a log that then held `size` records: the first `most` of it, in order.
pub(crate) fn events_after(
    rows: &impl Ordered,
    log: LogId,
    size: TreeSize,
    turn: &Turn,
    most: usize,
) -> Result<Vec<Event>, StoreError> {
    let prefix = steps(log);
    let mut events = Vec::new();
    if !rows.holds(Table::Late) {
        return Ok(events);
    }
    let mut found = rows.raw_iterator(Table::Late, ReadOptions::default())?;
    // Numbers count on, so those of this size that came before are passed over.
    found.seek(step_key(log, size.0, turn.number));
    while let Some((key, row)) = found
        .item()
        .filter(|(key, _)| events.len() < most && key.starts_with(&prefix))
    {
        let event = Event::decode(key, row).map_err(damaged)?;
        if event.turn.number > turn.number {
            events.push(event);
        }
        found.next();
    }
    rows.has_read(events.len() as u64 + 1);
    found.status()?;
    Ok(events)
}

/// The first `most` records of a log that wait for a schema, in index order.
pub(crate) fn waiting(
    rows: &impl Ordered,
    log: LogId,
    reference: &SchemaRef,
    most: usize,
) -> Result<Vec<LeafIndex>, StoreError> {
    let prefix = waits_for(log, reference);
    let mut indexes = Vec::new();
    let mut found = rows.raw_iterator(Table::Late, ReadOptions::default())?;
    found.seek(&prefix);
    while let Some(key) = found.key().filter(|_| indexes.len() < most) {
        let Some(index) = key.strip_prefix(&prefix[..]).and_then(|index| index.try_into().ok()) else {
            break;
        };
        indexes.push(LeafIndex(u64::from_be_bytes(index)));
        found.next();
    }
    found.status()?;
    Ok(indexes)
}

/// The schemas that records of a log wait for.
pub(crate) fn waited_for(rows: &impl Ordered, log: LogId) -> Result<Vec<SchemaRef>, StoreError> {
    let prefix = waits(log);
    let mut references = Vec::new();
    let mut found = rows.raw_iterator(Table::Late, ReadOptions::default())?;
    found.seek(&prefix);
    while let Some(rest) = found.key().and_then(|key| key.strip_prefix(&prefix[..])) {
        let reference = rest.get(..rest.len().saturating_sub(8)).unwrap_or_default();
        let reference = read_reference(reference).map_err(damaged)?;
        references.push(reference);
        // Past all records that wait for it.
        found.seek([&waits_for(log, &reference)[..], &[u8::MAX; 9]].concat());
    }
    found.status()?;
    Ok(references)
}
