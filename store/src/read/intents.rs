//! The intent of each log, held in memory: every question about what was in effect needs the whole of it, and it is
//! small beside what was observed.
//!
//! An [`IntentLog`] holds the intent of every cut at once, so one per log serves all questions; it is extended by what
//! came since, and shared by whoever is reading it meanwhile.

use std::sync::Arc;

use verdict_fold::IntentLog;

use super::intent_cache::Held;
use super::snapshot::Snapshot;
use crate::cut::LogCut;
use crate::error::StoreError;
use crate::names::LogId;
use crate::tables::Table;
use crate::views::keys::{self, Key};
use crate::views::{ViewId, intents};

impl Snapshot<'_> {
    /// The intent of a log: of at least a cut of it, as far as that is visible in this snapshot. Take [`IntentLog::cut`] of
    /// it, by [`LogCut::steps`]. `None` for an `_unrouted` log, which has none.
    ///
    /// # Errors
    /// When the rows can not be read.
    pub fn intents(&self, log: LogId, cut: LogCut) -> Result<Option<Arc<IntentLog>>, StoreError> {
        let steps = cut.steps();
        let name = self.name(log)?;
        let Some(tenant) = name.as_ref().and_then(|name| name.tenant()) else {
            return Ok(None);
        };
        let view = self.view(log)?;
        let held = self.intents.get(view);
        if let Some(held) = &held
            && held.steps >= steps
        {
            return Ok(Some(Arc::clone(&held.log)));
        }
        let steps = steps.min(self.mark(log)?.cut().steps());
        let mut held = held.unwrap_or_else(|| Held {
            log: Arc::new(IntentLog::new(tenant.clone())),
            steps: 0,
            facts: 0,
            used: 0,
        });
        let mut new = Vec::new();
        self.each_from(Table::Intent, view, held.steps, |key, row| {
            let step = keys::tail_index(key).unwrap_or_default();
            if step < steps {
                new.push(intents::decode(step, row)?);
            }
            Ok(step < steps)
        })?;
        if !new.is_empty() {
            held.facts += new.len();
            let log = Arc::make_mut(&mut held.log);
            new.into_iter().for_each(|intent| log.push(intent));
        }
        held.steps = held.steps.max(steps);
        self.intents.keep(view, held.clone());
        Ok(Some(held.log))
    }

    /// Visits the rows of a log by step from `from` on, until `visit` says false.
    fn each_from(
        &self,
        table: Table,
        view: ViewId,
        from: u64,
        mut visit: impl FnMut(&[u8], &[u8]) -> Result<bool, StoreError>,
    ) -> Result<(), StoreError> {
        use crate::database::Ordered;
        let mut options = rocksdb::ReadOptions::default();
        if let Some(end) = view.end() {
            options.set_iterate_upper_bound(end);
        }
        let mut rows = self.raw_iterator(table, options)?;
        rows.seek(Key::view(view).index(from).as_slice());
        let mut visited = 0;
        while let Some((key, value)) = rows.item() {
            visited += 1;
            if !visit(key, value)? {
                break;
            }
            rows.next();
        }
        self.has_read(visited.max(1));
        Ok(rows.status()?)
    }
}
