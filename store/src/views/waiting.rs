//! Which logs wait for which schemas, in memory, so that nobody has to walk over all logs to know.
//!
//! Any five bytes that begin with a zero are a reference to a schema, so there may be as many of them as somebody cares to
//! send: only the latest are remembered. Whatever is forgotten waits in its rows as before. It is understood when its
//! schema is archived, which looks into every log then.

use std::collections::{BTreeSet, HashMap, VecDeque};

use foldhash::fast::RandomState;
use parking_lot::Mutex;
use verdict_schemas::SchemaRef;

use super::late::{Event, What};
use crate::names::LogId;

/// So many pairs of a schema and a log are remembered.
const REMEMBERED: usize = 100_000;

/// The schemas waited for lately.
#[derive(Debug, Default)]
pub(crate) struct Waiting {
    known: Mutex<Known>,
}

#[derive(Debug, Default)]
struct Known {
    logs: HashMap<SchemaRef, BTreeSet<LogId>, RandomState>,
    /// The pairs in the order in which they came.
    order: VecDeque<(SchemaRef, LogId)>,
    /// Pairs were forgotten that may wait still.
    forgot: bool,
}

impl Known {
    fn add(&mut self, reference: SchemaRef, log: LogId) {
        if !self.logs.entry(reference).or_default().insert(log) {
            return;
        }
        self.order.push_back((reference, log));
        if self.order.len() > REMEMBERED
            && let Some((reference, log)) = self.order.pop_front()
            && let Some(logs) = self.logs.get_mut(&reference)
        {
            self.forgot |= logs.remove(&log);
            if logs.is_empty() {
                self.logs.remove(&reference);
            }
        }
    }
}

impl Waiting {
    /// A record of a log waits for a schema.
    pub(crate) fn add(&self, reference: SchemaRef, log: LogId) {
        self.known.lock().add(reference, log);
    }

    /// Takes note of what happened out of turn.
    pub(crate) fn note(&self, log: LogId, event: &Event) {
        if event.what == What::Waited {
            self.add(event.reference, log);
        }
    }

    /// No record of a log waits for a schema any more.
    pub(crate) fn done(&self, reference: &SchemaRef, log: LogId) {
        let mut known = self.known.lock();
        if let Some(logs) = known.logs.get_mut(reference) {
            logs.remove(&log);
            if logs.is_empty() {
                known.logs.remove(reference);
            }
        }
        known.order.retain(|pair| *pair != (*reference, log));
    }

    /// The logs that wait for a schema; `None`: all have to be looked into.
    pub(crate) fn logs(&self, reference: &SchemaRef) -> Option<BTreeSet<LogId>> {
        let known = self.known.lock();
        (!known.forgot).then(|| known.logs.get(reference).cloned().unwrap_or_default())
    }

    /// The schemas waited for, those remembered.
    pub(crate) fn references(&self) -> Vec<SchemaRef> {
        let mut references: Vec<_> = self.known.lock().logs.keys().copied().collect();
        references.sort_unstable();
        references
    }
}
