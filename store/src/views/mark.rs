//! How far the rows of a log are made, and under which number they stand.
//!
//! ```text
//! v_mark   log u32          view u32 | size u64 [ | events u64 | late u64 | time u64 | chain 32 bytes ]     what questions read
//!          log u32 | `n`    the same, of a second generation that is being made beside it
//!          log u32 | `d`    size u64: so many records the log had when rows of another version were dropped
//!          `version`        the views' own version, u32 | the store that they are of, 16 bytes
//! ```
//!
//! What stands in brackets is there where anything came out of turn. All rows of a generation begin with its number
//! ([`ViewId`]), so a second one is made without a trace in the first, and takes its place in one write of this table.

use std::fmt;

use rocksdb::{ColumnFamily, ReadOptions, WriteBatch};
use uuid::Uuid;
use verdict_merkle::TreeSize;

use super::late::Turn;
use crate::cut::LogCut;
use crate::database::Ordered;
use crate::database::Rows;
use crate::error::StoreError;
use crate::keys::log_prefix;
use crate::layout::{Damaged, Reader};
use crate::names::LogId;
use crate::tables::Table;

/// Key of the version and the store; a log's key has four bytes, or five.
const VERSION_KEY: &[u8] = b"version";

/// Behind a log's number: the row of a second generation, and the one that says what was dropped.
const NEXT: u8 = b'n';
const DROPPED: u8 = b'd';

/// The number of one generation of the rows of one log: what their keys begin with. It is this store's own, and given
/// again only after no row of it is left.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) struct ViewId(pub(crate) u32);

impl ViewId {
    /// No generation has it: of a log of which nothing is made yet.
    pub(crate) const NONE: Self = Self(0);

    /// What every key begins with.
    pub(crate) const fn prefix(self) -> [u8; 4] {
        self.0.to_be_bytes()
    }

    /// The first key that is not one of its own; `None` for the last number there can be.
    pub(crate) fn end(self) -> Option<[u8; 4]> {
        self.0.checked_add(1).map(u32::to_be_bytes)
    }
}

impl fmt::Display for ViewId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// How far rows of a log are made: a view position.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Mark {
    /// The records that came.
    pub(crate) size: TreeSize,
    /// What came out of turn.
    pub(crate) turn: Turn,
}

impl Mark {
    /// The greatest cut that can be answered.
    pub(crate) fn cut(&self) -> LogCut {
        LogCut {
            size: self.size,
            late: self.turn.late,
        }
    }
}

/// Which of the generations of a log's rows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Place {
    /// The one that questions read.
    Current,
    /// One that is made beside it, to take its place.
    Next,
}

/// A generation of a log's rows, as far as it is made.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Generation {
    pub(crate) view: ViewId,
    pub(crate) mark: Mark,
}

impl Generation {
    pub(crate) fn encode(&self) -> Vec<u8> {
        let mut row = self.view.prefix().to_vec();
        row.extend_from_slice(&self.mark.size.0.to_be_bytes());
        if self.mark.turn.number > 0 {
            self.mark.turn.encode(&mut row);
        }
        row
    }

    fn decode(row: &[u8]) -> Result<Self, Damaged> {
        let mut reader = Reader::new(row);
        let view = ViewId(u32::from_be_bytes(reader.array()?));
        let size = TreeSize(u64::from_be_bytes(reader.array()?));
        let turn = if reader.left() == 0 {
            Turn::default()
        } else {
            Turn::decode(&mut reader)?
        };
        reader.end()?;
        let mark = Mark { size, turn };
        Ok(Self { view, mark })
    }
}

/// The key of a generation.
pub(crate) fn key(log: LogId, place: Place) -> Vec<u8> {
    let mut key = log_prefix(log).to_vec();
    if place == Place::Next {
        key.push(NEXT);
    }
    key
}

/// A generation of a log; `None` where nothing of it is made.
pub(crate) fn generation(rows: &impl Rows, log: LogId, place: Place) -> Result<Option<Generation>, StoreError> {
    rows.row(Table::Mark, &key(log, place))?
        .map(|row| Generation::decode(&row).map_err(damaged))
        .transpose()
}

fn dropped_key(log: LogId) -> Vec<u8> {
    let mut key = log_prefix(log).to_vec();
    key.push(DROPPED);
    key
}

/// Notes that the rows of a log were dropped when it had so many records.
pub(crate) fn put_dropped(write: &mut WriteBatch, marks: &ColumnFamily, log: LogId, size: TreeSize) {
    write.put_cf(marks, dropped_key(log), size.0.to_be_bytes());
}

/// How many records a log had when its rows were dropped last; 0 where they never were.
pub(crate) fn dropped(rows: &impl Rows, log: LogId) -> Result<TreeSize, StoreError> {
    let row = rows.row(Table::Mark, &dropped_key(log))?;
    row.map_or(Ok(TreeSize(0)), |row| {
        let size = row[..].try_into().map(u64::from_be_bytes);
        size.map(TreeSize)
            .map_err(|_| damaged(Damaged("a size has eight bytes")))
    })
}

/// Notes of which version the views are, and of which store.
pub(crate) fn put_version(write: &mut WriteBatch, marks: &ColumnFamily, version: u32, store: Uuid) {
    write.put_cf(
        marks,
        VERSION_KEY,
        [&version.to_be_bytes()[..], store.as_bytes()].concat(),
    );
}

/// Of which version and which store the views are; `None` of views that nothing was made of yet, and of those of another
/// form.
pub(crate) fn version(rows: &impl Rows) -> Result<Option<(u32, Uuid)>, StoreError> {
    let row = rows.row(Table::Mark, VERSION_KEY)?;
    Ok(row.and_then(|row| {
        let (version, store) = row.split_first_chunk()?;
        Some((u32::from_be_bytes(*version), Uuid::from_slice(store).ok()?))
    }))
}

/// A generation of each log, as far as it is made, in no order.
pub(crate) fn all(rows: &impl Ordered) -> Result<Vec<(LogId, Generation)>, StoreError> {
    let mut all = Vec::new();
    let mut found = rows.raw_iterator(Table::Mark, ReadOptions::default())?;
    found.seek_to_first();
    while let Some((key, row)) = found.item() {
        if let Some((log, rest)) = key.split_first_chunk()
            && (rest.is_empty() || rest == [NEXT])
        {
            let log = LogId(u32::from_be_bytes(*log));
            all.push((log, Generation::decode(row).map_err(damaged)?));
        }
        found.next();
    }
    found.status()?;
    Ok(all)
}

/// The greatest number given to any generation.
pub(crate) fn last_view(rows: &impl Ordered) -> Result<ViewId, StoreError> {
    let all = all(rows)?;
    let last = all.iter().map(|(_, generation)| generation.view).max();
    Ok(last.unwrap_or(ViewId::NONE))
}

fn damaged(damage: Damaged) -> StoreError {
    StoreError::corrupt(Table::Mark, damage.to_string())
}
