//! What is made of the log: rows that answer questions, rebuildable from the records at any time (A6).
//!
//! # How a slice becomes visible
//!
//! ```text
//!   committed records, in index order
//!     | project / interpret, check_log            malformed, awaiting a schema -> v_flag
//!     | E4 against v_event and the batch itself   duplicate, conflict          -> v_flag
//!     v
//!   those that count -> index rows, intent, statistics, the fold's rows
//!     | sorted per column family
//!     v
//!   one WriteBatch with the mark of each log, not synced -> answers, horizon, those who wait
//! ```
//!
//! Rows are in a database of their own ([`crate::database`]), written after the commit of the records and without waiting for
//! the disk: RocksDB's write-ahead log keeps the order of writes, so a crash loses a suffix of them and the marks with it, and
//! they are made again ([`crate::follow`]). Only what no record says, when which schema was known ([`late`]), is waited for: it
//! is in the log's database, written before the rows that follow from it.
//!
//! # What keeps them honest
//!
//! - A view is a function of the records of its log, of the writer schemas archived, of when a record was understood
//!   that had to wait for one ([`late`]), and of [`VERSION`]. Nothing depends on batches, restarts or a clock; `audit`
//!   rebuilds everything and compares bytes (A6).
//! - Rows of one log never depend on another log (A7), but for intent of `_platform`, which questions join, not views.
//! - Only the first well-formed record of an event counts; only what counts is indexed and folded (E4).
//! - `_unrouted` logs are for display: their records are flagged, findable by time and event id, and mean nothing.

pub(crate) mod apply;
pub(crate) mod audit;
pub(crate) mod context;
mod coverage;
pub(crate) mod dedup;
pub(crate) mod flag;
pub(crate) mod fold_rows;
mod index;
pub(crate) mod intents;
pub(crate) mod keys;
pub(crate) mod late;
pub(crate) mod maker;
pub(crate) mod mark;
pub(crate) mod observed;
pub(crate) mod opening;
pub(crate) mod rows;
mod settle;
pub(crate) mod slice;
pub(crate) mod source_rows;
pub(crate) mod source_stats;
mod sources;
pub(crate) mod versions;
pub(crate) mod waiting;

use verdict_fold::Understood;
use verdict_merkle::LeafIndex;
use verdict_schemas::{Framing, Timestamp};

pub use coverage::Coverage;
pub use flag::Flag;
pub(crate) use mark::ViewId;
pub use source_stats::SourceStats;
pub use versions::CitedVersion;

use crate::cut::Late;
use crate::incoming::RouteFlag;
use crate::names::{LogId, LogName};
use crate::record::Record;

/// The version of the views: what rows hold and how they are made. A store whose views have another is rebuilt at open.
pub(crate) const VERSION: u32 = 7;

/// A record that is durable, borrowed from wherever it is. Of each log they come without a gap and in order, but for those
/// that are understood late.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Committed<'a> {
    /// Its log, as keys name it.
    pub(crate) log: LogId,
    /// Its log, as people do.
    pub(crate) name: &'a LogName,
    /// Its place in its log.
    pub(crate) index: LeafIndex,
    /// When the log took it: never before the record before it.
    pub(crate) recorded: Timestamp,
    /// The value as received.
    pub(crate) value: &'a [u8],
    /// What its headers say of how the value is framed.
    pub(crate) framing: Framing<'a>,
    /// Did neither the broker nor the intake stamp it?
    pub(crate) foreign_time: bool,
    /// Why it is in an `_unrouted` log.
    pub(crate) route: Option<RouteFlag>,
    /// Where it stands among the steps by which its log is understood.
    pub(crate) place: Understood,
    /// The step by which it is understood now, if it could not be when it came.
    pub(crate) late: Option<Late>,
}

impl<'a> Committed<'a> {
    /// A record as it was stored.
    pub(crate) fn of(log: LogId, name: &'a LogName, record: &'a Record) -> Self {
        Self {
            log,
            name,
            index: record.index,
            recorded: record.recorded_time,
            value: &record.value,
            framing: record.framing(),
            foreign_time: record.raw_time_kind.is_foreign(),
            route: record.route,
            place: Understood::at_once(record.index.0),
            late: None,
        }
    }

    /// The same in a log in which so many steps were taken out of turn before.
    pub(crate) fn behind(self, late: u64) -> Self {
        Self {
            place: Understood {
                step: self.index.0.saturating_add(late),
                ..self.place
            },
            ..self
        }
    }

    /// The same, understood by a step out of turn.
    pub(crate) fn understood(self, late: Late) -> Self {
        Self {
            place: Understood {
                index: self.index.0,
                step: late.step,
                late: true,
            },
            late: Some(late),
            ..self
        }
    }
}

#[cfg(test)]
mod tests;
