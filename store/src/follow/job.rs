//! One slice of one log, on its way from the schedule to a worker and back.

use std::time::Duration;

use verdict_merkle::TreeSize;
use verdict_schemas::SchemaRef;

use super::entry::{Lane, Makers, Task};
use crate::error::StoreError;
use crate::names::LogId;
use crate::record::Record;

/// One slice of one log, while a worker is at it.
pub(crate) struct Job {
    pub(crate) log: LogId,
    pub(crate) makers: Makers,
    pub(crate) task: Task,
    pub(crate) lane: Lane,
    /// The records that come next, where they are at hand.
    pub(crate) lately: Vec<Record>,
    /// How many the log has, and had when the store was opened.
    pub(crate) size: TreeSize,
    pub(crate) opened: TreeSize,
    /// Were rows made of everything up to there?
    pub(crate) is_whole: bool,
    /// Is the generation that questions read broken, so that a second one goes on where it can not?
    pub(crate) is_broken: bool,
    /// The most records of this slice.
    pub(crate) records: usize,
    /// Is the log one of those that share a worker's slice with others?
    pub(crate) crowded: bool,
    pub(crate) done: Done,
}

/// What came of it.
#[derive(Default)]
pub(crate) struct Done {
    /// Records taken, of so many offered, and how long that took.
    pub(crate) taken: usize,
    pub(crate) offered: usize,
    pub(crate) took: Duration,
    /// A record was passed over.
    pub(crate) passed_over: bool,
    /// Everything that happened before was met again: what waits for schemas that are known.
    pub(crate) found: Option<Vec<SchemaRef>>,
    /// Nothing waits for the schema any more.
    pub(crate) understood: bool,
    /// The rows can not be made.
    pub(crate) broken: Option<String>,
    /// The second generation is there, or can not be made.
    pub(crate) rebuilt: Option<Result<(), StoreError>>,
}
