//! Statistics per emitter, at a cut.
//!
//! The rows kept say how things stand at the watermark. For an earlier cut they are counted again from its records by
//! the code that keeps them, so an answer with `as_of` stays what it was (A6); that reads every record of the cut.

use std::collections::{BTreeMap, HashSet};

use verdict_merkle::{LeafIndex, TreeSize};
use verdict_schemas::{AsRecorded, project};

use super::snapshot::Snapshot;
use crate::cut::LogCut;
use crate::error::StoreError;
use crate::names::LogId;
use crate::record::Record;
use crate::tables::Table;
use crate::views::apply::What;
use crate::views::dedup::Standing;
use crate::views::late::{self, Turn};
use crate::views::{Coverage, Flag, SourceStats};

/// A source, and its sequence per incarnation.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct SourceReport {
    /// Statistics.
    pub stats: SourceStats,
    /// Coverage of the sequence numbers of each incarnation that numbers its events, by incarnation.
    pub coverage: Vec<Coverage>,
}

/// Records read at a time.
const AT_A_TIME: u64 = 1024;

impl Snapshot<'_> {
    /// The sources in a cut, by name. Quick when the cut is all that is visible.
    ///
    /// # Errors
    /// When rows or records can not be read.
    pub fn sources(&self, log: LogId, cut: LogCut) -> Result<Vec<SourceReport>, StoreError> {
        if cut == self.mark(log)?.cut() {
            self.sources_kept(log)
        } else {
            self.sources_counted(log, cut)
        }
    }

    fn sources_kept(&self, log: LogId) -> Result<Vec<SourceReport>, StoreError> {
        let mut reports: Vec<SourceReport> = Vec::new();
        self.each(Table::Source, &self.view(log)?.prefix(), |key, row| {
            // Behind the row of a source come those of its incarnations.
            let damaged = |damage: crate::layout::Damaged| StoreError::corrupt(Table::Source, damage.to_string());
            if key.len() == 4 + 16 {
                let stats = SourceStats::decode(row).map_err(damaged)?;
                reports.push(SourceReport {
                    stats,
                    coverage: Vec::new(),
                });
            } else if let Some(report) = reports.last_mut() {
                report.coverage.push(Coverage::decode(row).map_err(damaged)?);
            }
            Ok(true)
        })?;
        Ok(sorted(reports))
    }

    fn sources_counted(&self, log: LogId, cut: LogCut) -> Result<Vec<SourceReport>, StoreError> {
        let name = self.name(log)?;
        let Some(tenant) = name.as_ref().and_then(|name| name.tenant()) else {
            return Ok(Vec::new());
        };
        let mut reports: BTreeMap<String, (SourceStats, BTreeMap<String, Coverage>)> = BTreeMap::new();
        let mut take = |record: &Record, standing, what: &What<'_>| {
            let Some(source) = what.source() else { return };
            let (stats, coverage) = reports.entry(source.to_owned()).or_default();
            source.clone_into(&mut stats.name);
            if let Some(sequence) = stats.take(what.spoke(standing), record.recorded_time) {
                let coverage = coverage.entry(stats.incarnation.clone()).or_default();
                stats.incarnation.clone_into(&mut coverage.incarnation);
                coverage.take(sequence);
            }
        };
        // In the order of understanding: what came out of turn after so many records stands behind them.
        let mut events = late::events_after(self, log, TreeSize(0), &Turn::default(), usize::MAX)?;
        events.retain(|event| event.turn.late <= cut.late && event.passed <= cut.size.0);
        let waited: HashSet<LeafIndex> = events
            .iter()
            .filter(|event| event.what == late::What::Waited)
            .map(|event| event.index)
            .collect();
        let understood = events.iter().filter(|event| event.what == late::What::Understood);
        let mut understood = understood.peekable();
        for from in (0..=cut.size.0).step_by(usize::try_from(AT_A_TIME).unwrap_or(1)) {
            let indexes: Vec<LeafIndex> = (from..cut.size.0.min(from + AT_A_TIME)).map(LeafIndex).collect();
            let end = from + indexes.len() as u64;
            let records = self.records(log, &indexes)?;
            let mut records = records.iter().peekable();
            loop {
                let next = records.peek().map_or(end, |record| record.index.0);
                let out_of_turn = understood.next_if(|event| event.passed <= next);
                let late = match out_of_turn {
                    Some(event) => self.record(log, event.index)?,
                    None => None,
                };
                let record = match &late {
                    Some(record) => record,
                    None => match records.next() {
                        Some(record) if waited.contains(&record.index) => continue,
                        Some(record) => record,
                        None => break,
                    },
                };
                let schemas = AsRecorded(self.schemas, record.recorded_time);
                let what = What::read(project(&record.value, record.framing(), &schemas), Some(tenant));
                let standing = match self.flag(log, record.index, cut)? {
                    Some(Flag::Duplicate { of }) => Standing::Duplicate(of),
                    Some(Flag::Conflict { of }) => Standing::Conflict(of),
                    _ => Standing::Counts,
                };
                take(record, standing, &what);
            }
        }
        let reports = reports.into_values();
        Ok(sorted(
            reports
                .map(|(stats, coverage)| SourceReport {
                    stats,
                    coverage: coverage.into_values().collect(),
                })
                .collect(),
        ))
    }
}

fn sorted(mut reports: Vec<SourceReport>) -> Vec<SourceReport> {
    reports.sort_by(|one, other| one.stats.name.cmp(&other.stats.name));
    for report in &mut reports {
        report
            .coverage
            .sort_by(|one, other| one.incarnation.cmp(&other.incarnation));
    }
    reports
}
