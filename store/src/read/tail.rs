//! The last steps of a cut, read as what they do to the statistics of sources: what rows of whole windows do not say.

use std::collections::HashSet;

use verdict_merkle::{LeafIndex, TreeSize};
use verdict_schemas::{AsRecorded, Timestamp, project};

use super::snapshot::Snapshot;
use crate::cut::LogCut;
use crate::error::StoreError;
use crate::names::LogId;
use crate::views::Flag;
use crate::views::apply::What;
use crate::views::dedup::Standing;
use crate::views::late::{self, Turn};
use crate::views::source_stats::Spoke;

/// What a record does to the statistics of its source.
pub(super) struct Heard {
    pub(super) source: String,
    pub(super) spoke: Spoke<'static>,
    pub(super) recorded: Timestamp,
}

/// Records read at a time.
const AT_A_TIME: usize = 64;

impl Snapshot<'_> {
    /// What the steps of a cut from `first` on say of sources, in the order of understanding.
    pub(super) fn heard_since(&self, log: LogId, cut: LogCut, first: u64) -> Result<Vec<Heard>, StoreError> {
        let name = self.name(log)?;
        let Some(tenant) = name.as_ref().and_then(|name| name.tenant()) else {
            return Ok(Vec::new());
        };
        let mut heard = Vec::new();
        for indexes in self.steps_since(log, cut, first)?.chunks(AT_A_TIME) {
            for record in self.records(log, indexes)? {
                let standing = match self.flag(log, record.index, cut)? {
                    Some(Flag::Duplicate { of }) => Standing::Duplicate(of),
                    Some(Flag::Conflict { of }) => Standing::Conflict(of),
                    Some(Flag::PassedOver) => continue,
                    _ => Standing::Counts,
                };
                let schemas = AsRecorded(self.schemas, record.recorded_time);
                let what = What::read(project(&record.value, record.framing(), &schemas), Some(tenant));
                if let Some(source) = what.source() {
                    heard.push(Heard {
                        source: source.to_owned(),
                        spoke: what.spoke(standing).into_owned(),
                        recorded: record.recorded_time,
                    });
                }
            }
        }
        Ok(heard)
    }

    /// The records that the steps of a cut from `first` on understand, in their order: as they come, but for those that wait
    /// for a schema, and those that waited, once it is there.
    fn steps_since(&self, log: LogId, cut: LogCut, first: u64) -> Result<Vec<LeafIndex>, StoreError> {
        let (size, before) = self.standing_at(log, cut, first)?;
        // Of the steps out of turn that are taken before the next record comes, so many lie before `first`.
        let passed = first.saturating_sub(size.0.saturating_add(before.late));
        let from = Turn {
            number: before.number.saturating_add(passed),
            ..before
        };
        // A step is a record that comes, which may be told of once, or one that is understood.
        let most = usize::try_from(cut.steps().saturating_sub(first)).unwrap_or(usize::MAX);
        let most = most.saturating_mul(2).saturating_add(2);
        let mut events = late::events_after(self, log, size, &from, most)?;
        events.retain(|event| event.turn.late <= cut.late && event.passed <= cut.size.0);
        let waited: HashSet<LeafIndex> = events
            .iter()
            .filter(|event| event.what == late::What::Waited)
            .map(|event| event.index)
            .collect();
        let understood = events.iter().filter(|event| {
            let step = event.passed.saturating_add(event.turn.late.saturating_sub(1));
            event.what == late::What::Understood && first <= step
        });
        let mut understood = understood.peekable();
        let mut order = Vec::new();
        for next in size.0..=cut.size.0 {
            while let Some(event) = understood.next_if(|event| event.passed <= next) {
                order.push(event.index);
            }
            let next = LeafIndex(next);
            if cut.size.contains(next) && !waited.contains(&next) {
                order.push(next);
            }
        }
        Ok(order)
    }

    /// The record that comes next at a step or after the steps out of turn that this one is among; and how far the log had
    /// come out of turn when the record before it had come.
    fn standing_at(&self, log: LogId, cut: LogCut, step: u64) -> Result<(TreeSize, Turn), StoreError> {
        // All that happened out of turn before the last record of so many came.
        let before = |size: u64| match size.checked_sub(1) {
            None => Ok(Turn::default()),
            Some(before) => late::turn_at(self, log, TreeSize(before), |_| true),
        };
        let (mut least, mut most) = (0, cut.size.0.min(step));
        if before(most)?.late == 0 {
            return Ok((TreeSize(most), before(most)?));
        }
        while least < most {
            let middle = least + (most - least).div_ceil(2);
            if middle.saturating_add(before(middle)?.late) <= step {
                least = middle;
            } else {
                most = middle - 1;
            }
        }
        Ok((TreeSize(least), before(least)?))
    }
}
