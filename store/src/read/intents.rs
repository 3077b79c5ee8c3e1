//! The intent of each log, held in memory: every question about what was in effect needs the whole of it, and it is
//! small beside what was observed.
//!
//! An [`IntentLog`] holds the intent of every cut at once, so one per log serves all questions; it is extended by what
//! came since, and shared by whoever is reading it meanwhile.

use std::collections::HashMap;
use std::sync::Arc;

use foldhash::fast::RandomState;
use parking_lot::Mutex;
use verdict_fold::IntentLog;

use super::snapshot::Snapshot;
use crate::cut::LogCut;
use crate::error::StoreError;
use crate::names::LogId;
use crate::tables::Table;
use crate::views::keys::{self, Key};
use crate::views::{ViewId, intents};

/// The intent of one log, up to a step.
#[derive(Clone, Debug)]
struct Held {
    log: Arc<IntentLog>,
    steps: u64,
    facts: usize,
    /// When it was last asked for.
    used: u64,
}

/// The intent of the logs asked about lately, bounded by the number of facts held.
#[derive(Debug, Default)]
pub(crate) struct IntentCache {
    held: Mutex<Logs>,
}

#[derive(Debug, Default)]
struct Logs {
    /// The most facts held, of all logs together; one log is held whatever its size.
    most: usize,
    /// By the generation of rows that it was read from, whose numbers are given once.
    logs: HashMap<ViewId, Held, RandomState>,
    asked: u64,
}

/// Bytes that a fact of intent takes in memory, with its share of the indexes; measured roughly, on the safe side.
const FACT_BYTES: u64 = 2048;

impl IntentCache {
    /// Sets the bound on the memory taken.
    pub(crate) fn bound(&self, bytes: u64) {
        self.held.lock().most = usize::try_from(bytes / FACT_BYTES).unwrap_or(usize::MAX);
    }

    /// Forgets a generation of rows: another took its place.
    pub(crate) fn forget(&self, view: ViewId) {
        self.held.lock().logs.remove(&view);
    }

    fn get(&self, log: ViewId) -> Option<Held> {
        let mut held = self.held.lock();
        held.asked += 1;
        let now = held.asked;
        let found = held.logs.get_mut(&log)?;
        found.used = now;
        Some(found.clone())
    }

    fn keep(&self, log: ViewId, made: Held) {
        let mut held = self.held.lock();
        held.asked += 1;
        let used = held.asked;
        // Two questions may have extended it at once: the longer stays.
        if held.logs.get(&log).is_none_or(|there| there.steps < made.steps) {
            held.logs.insert(log, Held { used, ..made });
        }
        while held.logs.len() > 1 && held.logs.values().map(|log| log.facts).sum::<usize>() > held.most {
            let oldest = held.logs.iter().min_by_key(|(_, log)| log.used).map(|(log, _)| *log);
            oldest.and_then(|log| held.logs.remove(&log));
        }
    }
}

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
        use crate::views::fold_rows::Ordered;
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
