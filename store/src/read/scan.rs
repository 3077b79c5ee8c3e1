//! Index ranges in the order of (f, index): lazily, within a bound, resumable.
//!
//! A scan joins one or more ranges of an index (a policy's version has one per environment and scope) and gives each
//! record once. It examines rows one by one and stops at its bound, saying where: so a question that finds little
//! costs little, and goes on from there.

use rocksdb::{DBRawIterator, ReadOptions};
use verdict_merkle::LeafIndex;
use verdict_schemas::Timestamp;

use super::index::{Entry, Index, Order, TimeRange, read_note};
use super::snapshot::Snapshot;
use crate::cut::LogCut;
use crate::database::Ordered;
use crate::error::StoreError;
use crate::names::LogId;
use crate::tables::Table;
use crate::views::keys::{self, Key};

/// One range of an index, walked through.
struct Range<'a> {
    rows: DBRawIterator<'a>,
    table: Table,
    /// Bounds of the keys, the second excluded.
    bounds: (Vec<u8>, Vec<u8>),
    order: Order,
    next: Option<Entry>,
}

impl Range<'_> {
    /// Reads the entry that the iterator stands at.
    fn read(&mut self) -> Result<(), StoreError> {
        self.next = match self.rows.item() {
            Some((key, note)) if *key >= *self.bounds.0 && *key < *self.bounds.1 => {
                let entry = keys::tail(key).zip(read_note(note, 0));
                let ((f, index), (kind, outcome, late)) =
                    entry.ok_or_else(|| StoreError::corrupt(self.table, format!("key {}", hex::encode(key))))?;
                Some(Entry {
                    f,
                    index: LeafIndex(index),
                    kind,
                    outcome,
                    late,
                })
            }
            _ => None,
        };
        Ok(self.rows.status()?)
    }

    fn advance(&mut self) -> Result<(), StoreError> {
        match self.order {
            Order::OldestFirst => self.rows.next(),
            Order::NewestFirst => self.rows.prev(),
        }
        self.read()
    }
}

/// A walk through an index; an iterator over [`Entry`]s.
///
/// It ends at the end of the range, or when it has examined as many rows as it may ([`Scan::bounded`]); then
/// [`Scan::is_complete`] is false and [`Scan::position`] says from where another scan goes on.
pub struct Scan<'a> {
    snapshot: &'a Snapshot<'a>,
    ranges: Vec<Range<'a>>,
    order: Order,
    cut: LogCut,
    left: u64,
    examined: u64,
    position: Option<(Timestamp, LeafIndex)>,
    stopped: bool,
}

impl Scan<'_> {
    /// The scan, examining at most `rows` rows.
    #[must_use]
    pub fn bounded(mut self, rows: u64) -> Self {
        self.left = rows;
        self
    }

    /// Rows examined so far, those past the cut too.
    pub fn examined(&self) -> u64 {
        self.examined
    }

    /// The last row examined: `from` of a scan that goes on behind it. `None` before the first.
    pub fn position(&self) -> Option<(Timestamp, LeafIndex)> {
        self.position
    }

    /// Did it end because the range did? False before it ended, and when it ended at its bound.
    pub fn is_complete(&self) -> bool {
        !self.stopped && self.ranges.iter().all(|range| range.next.is_none())
    }

    fn step(&mut self) -> Result<Option<Entry>, StoreError> {
        loop {
            let entries = self.ranges.iter().filter_map(|range| range.next);
            let next = match self.order {
                Order::OldestFirst => entries.min_by_key(Entry::position),
                Order::NewestFirst => entries.max_by_key(Entry::position),
            };
            let Some(entry) = next else { return Ok(None) };
            if self.left == 0 {
                self.stopped = true;
                return Ok(None);
            }
            // A record that cites two of the versions is in two ranges, and given once.
            for range in &mut self.ranges {
                if range.next.is_some_and(|other| other.position() == entry.position()) {
                    range.advance()?;
                    self.examined += 1;
                    self.snapshot.has_read(1);
                }
            }
            self.left -= 1;
            self.position = Some(entry.position());
            if self.cut.sees(entry.index, entry.late) {
                return Ok(Some(entry));
            }
        }
    }
}

impl Iterator for Scan<'_> {
    type Item = Result<Entry, StoreError>;

    fn next(&mut self) -> Option<Self::Item> {
        let step = self.step();
        if step.is_err() {
            // What was not read can not be walked on from.
            self.ranges.clear();
            self.stopped = true;
        }
        step.transpose()
    }
}

impl Snapshot<'_> {
    /// Walks through an index of a log in `order`, over the events that act within `range`, of a cut.
    /// `from` goes on strictly behind a place, as [`Scan::position`] and [`Entry::position`] give it.
    ///
    /// Names are found by their hashes; no two are known to collide, but only the record is evidence.
    ///
    /// # Errors
    /// When the rows can not be read.
    pub fn scan(
        &self,
        log: LogId,
        index: &Index,
        range: TimeRange,
        order: Order,
        from: Option<(Timestamp, LeafIndex)>,
        cut: LogCut,
    ) -> Result<Scan<'_>, StoreError> {
        let range = self.within_cut(log, range, cut)?;
        let prefixes = index.prefixes(self.view(log)?);
        let mut ranges = Vec::with_capacity(prefixes.len());
        for (table, prefix) in prefixes {
            ranges.push(self.range(table, prefix, range, order, from)?);
        }
        let (left, examined) = (u64::MAX, 0);
        Ok(Scan {
            snapshot: self,
            ranges,
            order,
            cut,
            left,
            examined,
            position: from,
            stopped: false,
        })
    }

    /// Nothing acts after it was recorded, so nothing of a cut acts after its last record was: a scan of an old cut need
    /// not wade through all that came since.
    fn within_cut(&self, log: LogId, range: TimeRange, cut: LogCut) -> Result<TimeRange, StoreError> {
        let after = self.latest(log, cut.size)?.and_then(|last| last.plus_micros(1));
        let Some(after) = after else { return Ok(range) };
        Ok(TimeRange {
            until: Some(range.until.map_or(after, |until| until.min(after))),
            ..range
        })
    }

    fn range(
        &self,
        table: Table,
        prefix: Key,
        range: TimeRange,
        order: Order,
        from: Option<(Timestamp, LeafIndex)>,
    ) -> Result<Range<'_>, StoreError> {
        let mut first = match range.from {
            Some(from) => prefix.at(from, 0).as_slice().to_vec(),
            None => prefix.as_slice().to_vec(),
        };
        let mut end = match range.until {
            Some(until) => prefix.at(until, 0).as_slice().to_vec(),
            None => keys::after_prefix(prefix.as_slice()).unwrap_or_else(|| vec![u8::MAX; 64]),
        };
        if let Some((f, index)) = from {
            let place = prefix.at(f, index.0).as_slice().to_vec();
            match order {
                // Strictly behind it: the least key above it.
                Order::OldestFirst => first = first.max([place, vec![0]].concat()),
                Order::NewestFirst => end = end.min(place),
            }
        }
        let mut options = ReadOptions::default();
        options.set_total_order_seek(true);
        // Else a search that finds nothing in the range walks past all that was written behind it since the snapshot.
        options.set_iterate_lower_bound(first.clone());
        options.set_iterate_upper_bound(end.clone());
        let mut rows = self.raw_iterator(table, options)?;
        match order {
            Order::OldestFirst => rows.seek(&first),
            Order::NewestFirst => {
                rows.seek_to_last();
            }
        }
        let mut range = Range {
            rows,
            table,
            bounds: (first, end),
            order,
            next: None,
        };
        range.read()?;
        Ok(range)
    }
}
