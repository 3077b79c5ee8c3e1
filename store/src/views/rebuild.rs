//! Making views again: what a crash lost, what a schema that arrived makes readable, or everything.

use std::sync::Arc;
use std::time::{Duration, Instant};

use rocksdb::WriteBatch;
use verdict_merkle::{LeafIndex, TreeSize};
use verdict_schemas::{SchemaRef, WriterSchemas};

use super::builder::{Builder, VERSION_KEY, mark};
use super::flag::decode_reference;
use super::keys::Key;
use super::{Committed, VERSION, Visible};
use crate::database::{Database, Rows};
use crate::error::StoreError;
use crate::keys::{after_log, log_prefix};
use crate::log::read;
use crate::log::state::{self, LogState};
use crate::names::LogId;
use crate::options::Options;
use crate::record::Record;
use crate::tables::Table;

/// How often a long catching up says how far it is.
const SAY_EVERY: Duration = Duration::from_secs(5);

impl Builder {
    /// The builder of a store, with what is visible already published. [`Builder::catch_up`] comes next.
    ///
    /// # Errors
    /// When the watermarks can not be read.
    pub(crate) fn open(
        database: Arc<Database>,
        schemas: Arc<dyn WriterSchemas>,
        visible: Arc<Visible>,
        options: &Options,
    ) -> Result<Self, StoreError> {
        // A sixteenth of the memory is for the intent of the logs that are asked about.
        visible.intents.bound(options.memory_bytes / 16);
        let builder = Self::between(Arc::clone(&database), database, schemas, visible, options);
        builder.publish()?;
        Ok(builder)
    }

    fn publish(&self) -> Result<(), StoreError> {
        let mut sizes = Vec::new();
        for log in state::all(&*self.kept)? {
            let size = mark(&*self.views, log.id)?;
            sizes.push((log.name, size));
        }
        self.visible.publish(sizes.iter().map(|(name, size)| (name, *size)));
        Ok(())
    }

    /// Makes what is missing: the records past the watermarks, or everything when the rows are of another [`VERSION`].
    ///
    /// # Errors
    /// When records or rows can not be read or written.
    pub(crate) fn catch_up(&mut self) -> Result<(), StoreError> {
        let logs = state::all(&*self.kept)?;
        if !self.is_current()? {
            let ids: Vec<LogId> = logs.iter().map(|log| log.id).collect();
            if !ids.is_empty() {
                tracing::info!(
                    version = VERSION,
                    logs = ids.len(),
                    "the views are of another version: making them again"
                );
            }
            self.drop_rows(&ids)?;
            let mut write = WriteBatch::default();
            write.put_cf(self.views.cf(Table::Mark)?, VERSION_KEY, VERSION.to_be_bytes());
            self.views.write_views(write)?;
        }
        for log in &logs {
            self.replay(log, log.size)?;
        }
        Ok(())
    }

    fn is_current(&self) -> Result<bool, StoreError> {
        Ok(self
            .views
            .row(Table::Mark, VERSION_KEY)?
            .is_some_and(|row| *row == VERSION.to_be_bytes()))
    }

    /// Drops the rows of these logs and makes them again. Until that is done, less of them is visible.
    ///
    /// # Errors
    /// When records or rows can not be read or written. What is missing then is made at the next opening.
    pub(crate) fn rebuild(&mut self, logs: &[LogId]) -> Result<(), StoreError> {
        self.drop_rows(logs)?;
        for log in logs {
            if let Some(state) = state::by_id(&*self.kept, *log)? {
                self.replay(&state, state.size)?;
            }
        }
        Ok(())
    }

    /// Drops every row of these logs, their watermarks in the same write: a crash leaves all of them or none.
    fn drop_rows(&mut self, logs: &[LogId]) -> Result<(), StoreError> {
        self.forget();
        let mut write = WriteBatch::default();
        for log in logs {
            let end = after_log(*log).map_or_else(|| vec![u8::MAX; 64], |end| end.to_vec());
            for table in Table::VIEWS {
                write.delete_range_cf(self.views.cf(*table)?, log_prefix(*log).to_vec(), end.clone());
            }
        }
        self.views.write_views(write)?;
        self.visible.intents.clear();
        self.publish()
    }

    /// Applies the records of a log from its watermark up to `size`.
    pub(crate) fn replay(&mut self, log: &LogState, size: TreeSize) -> Result<(), StoreError> {
        let from = mark(&*self.views, log.id)?;
        if from >= size {
            return Ok(());
        }
        let kept = Arc::clone(&self.kept);
        let mut records = read::records(&kept, log.id, LeafIndex(from.0))?;
        let mut chunk: Vec<Record> = Vec::new();
        let mut bytes = 0;
        let mut next = from.0;
        let mut said = Instant::now();
        while next < size.0 {
            let Some(record) = records.next() else {
                let reason = format!("log `{}`: index {next} is missing", log.name);
                return Err(StoreError::corrupt(Table::Records, reason));
            };
            let record = record?;
            bytes += record.value.len();
            chunk.push(record);
            next += 1;
            if next == size.0 || chunk.len() >= self.max_events || bytes >= self.max_bytes {
                let committed: Vec<Committed<'_>> = chunk
                    .iter()
                    .map(|record| Committed::of(log.id, &log.name, record))
                    .collect();
                self.apply(&committed)?;
                chunk.clear();
                bytes = 0;
                if said.elapsed() >= SAY_EVERY {
                    said = Instant::now();
                    tracing::info!(log = %log.name, made = next, of = size.0, "making views of records");
                }
            }
        }
        Ok(())
    }
}

/// The schemas that records wait for, and the logs they are in.
///
/// # Errors
/// When the rows can not be read.
pub(crate) fn awaiting(database: &Database) -> Result<Vec<(SchemaRef, LogId)>, StoreError> {
    let mut waiting = Vec::new();
    for log in state::all(database)? {
        let from = Key::log(log.id).index(u64::MAX);
        let mut rows = database.raw().raw_iterator_cf(database.cf(Table::Flag)?);
        rows.seek(from.as_slice());
        while let Some(reference) = rows.key().and_then(|key| key.strip_prefix(from.as_slice())) {
            // The row of the index itself, which no record has, would be empty here.
            if !reference.is_empty() {
                let reference = decode_reference(reference)
                    .map_err(|damage| StoreError::corrupt(Table::Flag, damage.to_string()))?;
                waiting.push((reference, log.id));
            }
            rows.next();
        }
        rows.status()?;
    }
    Ok(waiting)
}
