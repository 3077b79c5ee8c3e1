//! Keeping the statistics per source: loaded when a source first speaks in a while, written with each batch in which it
//! spoke. The rows are those of [`SourceStats`] and [`Coverage`].

use std::collections::HashMap;

use foldhash::fast::RandomState;
use verdict_schemas::Timestamp;

use super::coverage::Coverage;
use super::keys::{H16, Key, h8, h16};
use super::mark::ViewId;
use super::rows::Batch;
use super::source_stats::{SourceStats, Spoke};
use crate::database::Database;
use crate::error::StoreError;
use crate::tables::Table;

type Map<K, V> = HashMap<K, V, RandomState>;

/// So many sources are held between batches.
const HELD: usize = 20_000;

/// A source within the batch at hand.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Slot(usize);

struct Held {
    hash: H16,
    stats: SourceStats,
    coverage: Map<Box<str>, (Coverage, bool)>,
    changed: bool,
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
        let key = Key::view(view).with(&hash);
        let stats = match database.get(Table::Source, key.as_slice())? {
            None => SourceStats {
                name: name.to_owned(),
                ..SourceStats::default()
            },
            Some(row) => {
                SourceStats::decode(&row).map_err(|damage| StoreError::corrupt(Table::Source, damage.to_string()))?
            }
        };
        self.places.insert(name.into(), self.held.len());
        self.held.push(Held {
            hash,
            stats,
            coverage: Map::default(),
            changed: false,
        });
        self.count += 1;
        Ok(Slot(self.held.len() - 1))
    }

    /// H16 of the slot's name.
    pub(crate) fn hash(&self, slot: Slot) -> H16 {
        self.held.get(slot.0).map(|held| held.hash).unwrap_or_default()
    }

    /// Takes in what a record recorded at `recorded` says of its source.
    pub(crate) fn take(
        &mut self,
        (database, view): (&Database, ViewId),
        slot: Slot,
        spoke: Spoke<'_>,
        recorded: Timestamp,
    ) -> Result<(), StoreError> {
        let Some(held) = self.held.get_mut(slot.0) else {
            return Ok(());
        };
        if !std::mem::replace(&mut held.changed, true) {
            self.spoke.push(slot.0);
        }
        let Some(sequence) = held.stats.take(spoke, recorded) else {
            return Ok(());
        };
        let incarnation = held.stats.incarnation.as_str();
        if !held.coverage.contains_key(incarnation) {
            let key = Key::view(view).with(&held.hash).with(&h8(incarnation));
            let coverage = match database.get(Table::Source, key.as_slice())? {
                None => Coverage {
                    incarnation: incarnation.to_owned(),
                    ..Coverage::default()
                },
                Some(row) => {
                    Coverage::decode(&row).map_err(|damage| StoreError::corrupt(Table::Source, damage.to_string()))?
                }
            };
            held.coverage.insert(incarnation.into(), (coverage, false));
            self.count += 1;
        }
        if let Some((coverage, changed)) = held.coverage.get_mut(incarnation) {
            *changed = true;
            coverage.take(sequence);
        }
        Ok(())
    }

    /// Puts the rows of what changed, and forgets everyone when too many are held.
    pub(crate) fn write(&mut self, batch: &mut Batch, view: ViewId) {
        let rows = batch.of(Table::Source);
        for place in self.spoke.drain(..) {
            let Some(held) = self.held.get_mut(place) else { continue };
            let key = Key::view(view).with(&held.hash);
            rows.put(key.as_slice(), &held.stats.encode());
            held.changed = false;
            for (incarnation, (coverage, changed)) in &mut held.coverage {
                if std::mem::take(changed) {
                    rows.put(key.with(&h8(incarnation)).as_slice(), &coverage.encode());
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
