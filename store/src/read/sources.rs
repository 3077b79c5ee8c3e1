//! Statistics per emitter, at a cut, a page at a time.
//!
//! Rows say how things stood at the end of each window of steps ([`crate::views::source_rows`]). What lies between the last of
//! them within a cut and the cut is counted again from its records, which are fewer than a window has steps ([`super::tail`]), by
//! the code that keeps the rows: so an answer with `as_of` stays what it was (A6), and costs what its page costs.

use std::collections::{BTreeMap, HashMap};

use rocksdb::{DBRawIterator, ReadOptions};
use verdict_schemas::Timestamp;

use super::snapshot::Snapshot;
use super::tail::Heard;
use crate::cut::LogCut;
use crate::database::Ordered;
use crate::error::StoreError;
use crate::layout::Damaged;
use crate::names::LogId;
use crate::tables::Table;
use crate::views::source_rows::{SourceRows, WINDOW};
use crate::views::source_stats::Spoke;
use crate::views::{Coverage, SourceStats, ViewId};

/// A source, and its sequence per incarnation.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct SourceReport {
    /// Statistics.
    pub stats: SourceStats,
    /// Coverage of the sequence numbers of each incarnation that numbers its events, by incarnation.
    pub coverage: Vec<Coverage>,
}

/// Some of the sources in a cut.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct SourcePage {
    /// By name; names of more than 128 bytes that begin alike in an order of their own.
    pub sources: Vec<SourceReport>,
    /// Where the next page begins; `None`: there is none.
    pub rest: Option<Vec<u8>>,
    /// It ends before it is full: too many were passed over that speak only after the cut.
    pub bounded: bool,
}

impl Snapshot<'_> {
    /// At most `most` of the sources in a cut (one at least), from the first on or from where a page before ends. At most
    /// `examined` are looked at, those that speak only after the cut too.
    ///
    /// # Errors
    /// When rows or records can not be read.
    pub fn sources(
        &self,
        log: LogId,
        cut: LogCut,
        from: Option<&[u8]>,
        (most, examined): (usize, usize),
    ) -> Result<SourcePage, StoreError> {
        let windows = if cut == self.mark(log)?.cut() {
            // The last rows that there are hold.
            None
        } else {
            Some(cut.steps() / WINDOW)
        };
        self.sources_by(log, cut, windows, from, (most, examined))
    }

    /// The same, by the rows of so many windows, or all of them, and the records behind these.
    pub(crate) fn sources_by(
        &self,
        log: LogId,
        cut: LogCut,
        windows: Option<u64>,
        from: Option<&[u8]>,
        (most, examined): (usize, usize),
    ) -> Result<SourcePage, StoreError> {
        let (mut behind, most) = (from.map(SourceRows::given), most.max(1));
        let heard = match windows {
            None => Vec::new(),
            Some(windows) => self.heard_since(log, cut, windows * WINDOW)?,
        };
        let mut heard = by_source(heard, behind.as_ref());
        let mut rows = Walk {
            rows: self.raw_iterator(Table::Source, ReadOptions::default())?,
            snapshot: self,
            view: self.view(log)?,
            windows,
        };
        let (mut page, mut looked_at) = (SourcePage::default(), 0);
        let mut kept = rows.next(behind.as_ref())?;
        loop {
            let new = heard.first_key_value().map(|(place, _)| place.clone());
            let Some(place) = kept.iter().chain(&new).min().cloned() else {
                return Ok(page);
            };
            let said = heard.remove(&place);
            let report = rows.report(&place)?;
            let is_in = report.is_some() || said.is_some();
            page.bounded = looked_at >= examined.max(1);
            if page.bounded || (is_in && page.sources.len() == most) {
                page.rest = behind.map(|behind| behind.as_bytes().to_vec());
                return Ok(page);
            }
            if is_in {
                page.sources.push(counted(report.unwrap_or_default(), said));
            }
            looked_at += 1;
            if kept.as_ref() == Some(&place) {
                kept = rows.next(Some(&place))?;
            }
            behind = Some(place);
        }
    }
}

/// What is behind the rows, by source: its name, and what it does to its statistics, in order.
type Said = (String, Vec<(Spoke<'static>, Timestamp)>);

/// Of the sources behind a place.
fn by_source(heard: Vec<Heard>, behind: Option<&SourceRows>) -> BTreeMap<SourceRows, Said> {
    let mut by_name: HashMap<String, Vec<(Spoke<'static>, Timestamp)>> = HashMap::new();
    for Heard {
        source,
        spoke,
        recorded,
    } in heard
    {
        by_name.entry(source).or_default().push((spoke, recorded));
    }
    by_name
        .into_iter()
        .map(|(name, said)| (SourceRows::of(&name), (name, said)))
        .filter(|(place, _)| behind.is_none_or(|behind| behind < place))
        .collect()
}

/// How things stand by the rows, with what was said since.
fn counted(report: SourceReport, said: Option<Said>) -> SourceReport {
    let SourceReport { mut stats, coverage } = report;
    let mut coverage: BTreeMap<String, Coverage> = coverage
        .into_iter()
        .map(|coverage| (coverage.incarnation.clone(), coverage))
        .collect();
    if let Some((name, said)) = said {
        stats.name = name;
        for (spoke, recorded) in said {
            if let Some(sequence) = stats.take(spoke, recorded) {
                let coverage = coverage.entry(stats.incarnation.clone()).or_default();
                stats.incarnation.clone_into(&mut coverage.incarnation);
                coverage.take(sequence);
            }
        }
    }
    let coverage = coverage.into_values().collect();
    SourceReport { stats, coverage }
}

/// The rows of a log's sources, as of the end of a window.
struct Walk<'a> {
    rows: DBRawIterator<'a>,
    snapshot: &'a Snapshot<'a>,
    view: ViewId,
    /// So many windows; `None`: all.
    windows: Option<u64>,
}

impl Walk<'_> {
    /// The source behind another, or the first; whether or not it speaks in one of the windows.
    fn next(&mut self, behind: Option<&SourceRows>) -> Result<Option<SourceRows>, StoreError> {
        if self.windows == Some(0) {
            return Ok(None);
        }
        let from = behind.map_or(self.view.prefix().to_vec(), |behind| behind.end(self.view));
        self.rows.seek(from);
        self.snapshot.has_read(1);
        let found = match self
            .rows
            .key()
            .and_then(|key| key.strip_prefix(&self.view.prefix()[..]))
        {
            None => None,
            Some(key) => Some(SourceRows::read(key).ok_or_else(|| damaged(Damaged("a key is not as written")))?),
        };
        self.rows.status()?;
        Ok(found)
    }

    /// What the rows say of a source; `None` where it had not spoken.
    fn report(&mut self, source: &SourceRows) -> Result<Option<SourceReport>, StoreError> {
        let Some(window) = self.windows.map_or(Some(u64::MAX), |windows| windows.checked_sub(1)) else {
            return Ok(None);
        };
        let stats = self.last(&source.all_stats(self.view), source.stats(self.view, window))?;
        let Some(stats) = stats.map(|row| SourceStats::decode(row).map_err(damaged)).transpose()? else {
            return Ok(None);
        };
        let mut coverage = Vec::new();
        let all = source.all_coverage(self.view);
        let mut from = all.clone();
        loop {
            self.rows.seek(&from);
            self.snapshot.has_read(1);
            let key = self.rows.key().and_then(|key| key.strip_prefix(&all[..]));
            let Some(incarnation) = key.and_then(|key| key.first_chunk::<8>()).copied() else {
                self.rows.status()?;
                return Ok(Some(SourceReport { stats, coverage }));
            };
            let at = source.coverage(self.view, &incarnation, window);
            let prefix = [&all[..], &incarnation[..]].concat();
            if let Some(row) = self.last(&prefix, at)? {
                coverage.push(Coverage::decode(row).map_err(damaged)?);
            }
            // Past all rows of the incarnation: nothing is of the last window that there can be.
            from = source.coverage(self.view, &incarnation, u64::MAX);
        }
    }

    /// The last row at or before a key, of those that begin so.
    fn last(&mut self, prefix: &[u8], at: Vec<u8>) -> Result<Option<&[u8]>, StoreError> {
        self.rows.seek_for_prev(at);
        self.snapshot.has_read(1);
        self.rows.status()?;
        let found = self.rows.item().filter(|(key, _)| key.starts_with(prefix));
        Ok(found.map(|(_, row)| row))
    }
}

fn damaged(damage: Damaged) -> StoreError {
    StoreError::corrupt(Table::Source, damage.to_string())
}
