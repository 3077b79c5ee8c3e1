//! The intent of the logs asked about lately, held in memory: [`super::intents`] has why.

use std::collections::HashMap;
use std::sync::Arc;

use foldhash::fast::RandomState;
use parking_lot::Mutex;
use verdict_fold::IntentLog;

use crate::views::ViewId;

/// The intent of one log, up to a step.
#[derive(Clone, Debug)]
pub(super) struct Held {
    pub(super) log: Arc<IntentLog>,
    pub(super) steps: u64,
    pub(super) facts: usize,
    /// When it was last asked for.
    pub(super) used: u64,
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

    /// What is held of a generation of rows.
    pub(super) fn get(&self, log: ViewId) -> Option<Held> {
        let mut held = self.held.lock();
        held.asked += 1;
        let now = held.asked;
        let found = held.logs.get_mut(&log)?;
        found.used = now;
        Some(found.clone())
    }

    /// Holds it, for whoever asks next.
    pub(super) fn keep(&self, log: ViewId, made: Held) {
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
