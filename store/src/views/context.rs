//! What all makers of rows work with, and how much of it at a time.

use std::sync::Arc;
use std::time::{Duration, Instant};

use uuid::Uuid;
use verdict_schemas::WriterSchemas;

use super::rows::Batch;
use super::waiting::Waiting;
use crate::database::Database;
use crate::error::StoreError;
use crate::guard::fail_at;
use crate::options::Options;

/// Where records come from and rows go to.
#[derive(Clone)]
pub(crate) struct Context {
    /// The store's, for the places in which tests have it fail.
    pub(crate) store: Uuid,
    /// Where the records are.
    pub(crate) kept: Arc<Database>,
    /// Where the rows go.
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

    /// Writes the rows of a batch: first, durably, what came out of turn, which can not be made again; then what follows from
    /// it. A crash in between leaves views that are behind, and meet it again.
    ///
    /// # Errors
    /// When one of them can not be written. What was written of the first may be there then, and is met again.
    pub(crate) fn write(&self, batch: &mut Batch) -> Result<(), StoreError> {
        let (out_of_turn, rows) = batch.hand_over(&self.kept, &self.views)?;
        if !out_of_turn.is_empty() {
            self.kept.write_durably(out_of_turn)?;
        }
        fail_at(self.store, || "between writes".to_owned())?;
        if rows.is_empty() {
            Ok(())
        } else {
            self.views.write(rows)
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
