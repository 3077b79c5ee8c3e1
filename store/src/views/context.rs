//! What all makers of rows work with, and how much of it at a time.

use std::sync::Arc;
use std::time::{Duration, Instant};

use uuid::Uuid;
use verdict_schemas::WriterSchemas;

use super::waiting::Waiting;
use crate::database::Database;
use crate::options::Options;

/// Where records come from and rows go to.
#[derive(Clone)]
pub(crate) struct Context {
    /// The store's, for the places in which tests have it fail.
    pub(crate) store: Uuid,
    /// Where the records are.
    pub(crate) kept: Arc<Database>,
    /// Where the rows go: the same database, but for an audit.
    pub(crate) views: Arc<Database>,
    pub(crate) schemas: Arc<dyn WriterSchemas>,
    /// The schemas that records wait for.
    pub(crate) waiting: Arc<Waiting>,
    /// The most records and the most bytes of them in one slice.
    pub(crate) most_records: usize,
    pub(crate) most_bytes: usize,
}

impl Context {
    /// A context that reads records in one database and writes rows into another.
    pub(crate) fn between(
        (store, kept, views): (Uuid, Arc<Database>, Arc<Database>),
        schemas: Arc<dyn WriterSchemas>,
        options: &Options,
    ) -> Self {
        Self {
            store,
            kept,
            views,
            schemas,
            waiting: Arc::default(),
            most_records: options.max_batch_events,
            most_bytes: options.max_batch_bytes,
        }
    }
}

/// How much one slice may do: so many records, and no new one once so much time is spent. How records fall into slices
/// changes no row (A6).
#[derive(Clone, Copy, Debug)]
pub(crate) struct Budget {
    pub(crate) records: usize,
    until: Option<Instant>,
}

impl Budget {
    /// As many records as a batch may have.
    pub(crate) fn unhurried(context: &Context) -> Self {
        Self {
            records: context.most_records,
            until: None,
        }
    }

    /// One record, however long it takes.
    pub(crate) fn of_one() -> Self {
        Self {
            records: 1,
            until: None,
        }
    }

    /// So many records, within this time from now on.
    pub(crate) fn within(records: usize, time: Duration) -> Self {
        Self {
            records: records.max(1),
            until: Instant::now().checked_add(time),
        }
    }

    /// Is the time over?
    pub(crate) fn is_spent(&self) -> bool {
        self.until.is_some_and(|until| Instant::now() >= until)
    }
}
