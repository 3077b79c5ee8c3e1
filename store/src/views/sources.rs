//! Keeping the statistics per source: loaded when a source first speaks in a while, written with each batch in which it
//! spoke, once per window of steps ([`super::source_rows`]). The rows are those of [`SourceStats`] and [`Coverage`].

use std::collections::HashMap;

use foldhash::fast::RandomState;
use rocksdb::ReadOptions;
use verdict_schemas::Timestamp;

use super::coverage::Coverage;
use super::keys::{H16, h8, h16};
use super::mark::ViewId;
use super::rows::Batch;
use super::source_rows::{SourceRows, WINDOW};
use super::source_stats::{SourceStats, Spoke};
use crate::database::Database;
use crate::database::Ordered;
use crate::error::StoreError;
use crate::layout::Damaged;
use crate::tables::Table;

type Map<K, V> = HashMap<K, V, RandomState>;

/// So many sources are held between batches.
const HELD: usize = 20_000;

/// A source within the batch at hand.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Slot(usize);

struct Held {
    hash: H16,
    rows: SourceRows,
    stats: Kept<SourceStats>,
    coverage: Map<Box<str>, Kept<Coverage>>,
}

/// What rows say, as of the window in which it last changed.
struct Kept<T> {
    is: T,
    window: u64,
    changed: bool,
}

impl<T> Kept<T> {
    fn new(is: T) -> Self {
        Self {
            is,
            window: 0,
            changed: false,
        }
    }
}

/// The sources of a log that spoke lately.
#[derive(Default)]
pub(crate) struct Sources {
    places: Map<Box<str>, usize>,
    held: Vec<Held>,
    /// Who spoke in this batch.
    spoke: Vec<usize>,
    /// Sources and incarnations held.
    count: usize,
}

impl Sources {
    /// The slot of a source, its statistics loaded.
    pub(crate) fn slot(&mut self, database: &Database, view: ViewId, name: &str) -> Result<Slot, StoreError> {
        if let Some(place) = self.places.get(name) {
            return Ok(Slot(*place));
        }
        let hash = h16(name);
        let rows = SourceRows::hashed(name, &hash);
        let stats = match last(database, &rows.all_stats(view), rows.stats(view, u64::MAX))? {
            None => SourceStats {
                name: name.to_owned(),
                ..SourceStats::default()
            },
            Some(row) => SourceStats::decode(&row).map_err(damaged)?,
        };
        self.places.insert(name.into(), self.held.len());
        self.held.push(Held {
            hash,
            rows,
            stats: Kept::new(stats),
            coverage: Map::default(),
        });
        self.count += 1;
        Ok(Slot(self.held.len() - 1))
    }

    /// H16 of the slot's name.
    pub(crate) fn hash(&self, slot: Slot) -> H16 {
        self.held.get(slot.0).map(|held| held.hash).unwrap_or_default()
    }

    /// Takes in what a record says of its source, recorded at a time and understood by a step.
    pub(crate) fn take(
        &mut self,
        (database, view): (&Database, ViewId),
        batch: &mut Batch,
        slot: Slot,
        spoke: Spoke<'_>,
        (recorded, step): (Timestamp, u64),
    ) -> Result<(), StoreError> {
        let Some(held) = self.held.get_mut(slot.0) else {
            return Ok(());
        };
        let window = step / WINDOW;
        if !held.stats.changed {
            self.spoke.push(slot.0);
        } else if held.stats.window != window {
            held.put_stats(batch, view);
        }
        (held.stats.changed, held.stats.window) = (true, window);
        let Some(sequence) = held.stats.is.take(spoke, recorded) else {
            return Ok(());
        };
        let incarnation = held.stats.is.incarnation.as_str();
        if !held.coverage.contains_key(incarnation) {
            let key = held.rows.coverage(view, &h8(incarnation), u64::MAX);
            let prefix = key.get(..key.len() - 8).unwrap_or_default();
            let coverage = match last(database, prefix, key.clone())? {
                None => Coverage {
                    incarnation: incarnation.to_owned(),
                    ..Coverage::default()
                },
                Some(row) => Coverage::decode(&row).map_err(damaged)?,
            };
            held.coverage.insert(incarnation.into(), Kept::new(coverage));
            self.count += 1;
        }
        if let Some(coverage) = held.coverage.get_mut(incarnation) {
            if coverage.changed && coverage.window != window {
                put_coverage(batch, &held.rows, view, coverage);
            }
            (coverage.changed, coverage.window) = (true, window);
            coverage.is.take(sequence);
        }
        Ok(())
    }

    /// Puts the rows of what changed, and forgets everyone when too many are held.
    pub(crate) fn write(&mut self, batch: &mut Batch, view: ViewId) {
        for place in self.spoke.drain(..) {
            let Some(held) = self.held.get_mut(place) else { continue };
            held.put_stats(batch, view);
            held.stats.changed = false;
            for coverage in held.coverage.values_mut() {
                if std::mem::take(&mut coverage.changed) {
                    put_coverage(batch, &held.rows, view, coverage);
                }
            }
        }
        if self.count > HELD {
            self.clear();
        }
    }

    /// Sources and incarnations held.
    pub(crate) fn held(&self) -> usize {
        self.count
    }

    /// Forgets everything held, changes too.
    pub(crate) fn clear(&mut self) {
        *self = Self::default();
    }
}

impl Held {
    fn put_stats(&self, batch: &mut Batch, view: ViewId) {
        let key = self.rows.stats(view, self.stats.window);
        batch.of(Table::Source).put(&key, &self.stats.is.encode());
    }
}

fn put_coverage(batch: &mut Batch, rows: &SourceRows, view: ViewId, coverage: &Kept<Coverage>) {
    let key = rows.coverage(view, &h8(&coverage.is.incarnation), coverage.window);
    batch.of(Table::Source).put(&key, &coverage.is.encode());
}

/// The last row at or before a key, of those that begin so.
fn last(database: &Database, prefix: &[u8], at: Vec<u8>) -> Result<Option<Vec<u8>>, StoreError> {
    let mut options = ReadOptions::default();
    options.set_iterate_lower_bound(prefix);
    let mut rows = database.raw_iterator(Table::Source, options)?;
    rows.seek_for_prev(at);
    let found = rows.item().filter(|(key, _)| key.starts_with(prefix));
    let row = found.map(|(_, row)| row.to_vec());
    rows.status()?;
    Ok(row)
}

fn damaged(damage: Damaged) -> StoreError {
    StoreError::corrupt(Table::Source, damage.to_string())
}
