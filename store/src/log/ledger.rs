//! The logs as the committer has them: where each ends, and the right edge of its tree.
//!
//! Changed as records are sequenced, before they are written: if the write fails, the store takes nothing more and what
//! is here is not used again. Names and ends of all logs are held; trees of those appended to lately, others are read
//! back from their tiles.

use std::collections::HashMap;

use foldhash::fast::RandomState;
use rocksdb::WriteBatch;
use verdict_merkle::{Hash, LeafIndex, Tree, TreeSize};
use verdict_schemas::Timestamp;

use crate::database::Database;
use crate::error::StoreError;
use crate::incoming::LogHead;
use crate::keys;
use crate::log::state::{self, LogState};
use crate::log::tiles::{Tiles, unreadable};
use crate::names::{LogId, LogName};
use crate::tables::Table;

/// Every log.
pub(crate) struct Ledger {
    places: HashMap<LogName, LogId, RandomState>,
    /// At the place of its number.
    entries: Vec<Entry>,
    /// The logs appended to since the last seal.
    touched: Vec<LogId>,
    hot: usize,
    most_hot: usize,
    seals: u64,
}

struct Entry {
    state: LogState,
    tree: Option<Tree>,
    /// The seal at which it was last appended to.
    used: u64,
    /// Is its name not stored yet?
    new: bool,
    /// Since the last seal: recorded times and the sizes after the last record of each.
    recorded: Vec<(Timestamp, TreeSize)>,
}

impl Ledger {
    /// Loads every log's state. At most `most_hot` trees will be held.
    pub(crate) fn load(database: &Database, most_hot: usize) -> Result<Self, StoreError> {
        let mut states = state::all(database)?;
        states.sort_by_key(|state| state.id);
        let mut ledger = Self {
            places: HashMap::default(),
            entries: Vec::with_capacity(states.len()),
            touched: Vec::new(),
            hot: 0,
            most_hot,
            seals: 0,
        };
        for state in states {
            if state.id.0 as usize != ledger.entries.len() {
                return Err(StoreError::corrupt(
                    Table::Logs,
                    format!("log `{}` has a number out of turn", state.name),
                ));
            }
            ledger.enter(state, false);
        }
        Ok(ledger)
    }

    fn enter(&mut self, state: LogState, new: bool) -> LogId {
        let id = state.id;
        self.places.insert(state.name.clone(), id);
        self.entries.push(Entry {
            state,
            tree: None,
            used: 0,
            new,
            recorded: Vec::new(),
        });
        id
    }

    /// The number of a log, which begins if there is none of that name.
    pub(crate) fn id(&mut self, name: &LogName) -> Result<LogId, StoreError> {
        if let Some(id) = self.places.get(name) {
            return Ok(*id);
        }
        let id = u32::try_from(self.entries.len()).map_err(|_| StoreError::corrupt(Table::Logs, "too many logs"))?;
        Ok(self.enter(LogState::new(name.clone(), LogId(id)), true))
    }

    /// Where a log ends.
    pub(crate) fn state(&self, id: LogId) -> Option<&LogState> {
        self.entries.get(id.0 as usize).map(|entry| &entry.state)
    }

    /// The states of all logs.
    pub(crate) fn states(&self) -> impl Iterator<Item = &LogState> {
        self.entries.iter().map(|entry| &entry.state)
    }

    fn entry(&mut self, id: LogId) -> Result<&mut Entry, StoreError> {
        let missing = || StoreError::corrupt(Table::Logs, format!("there is no log {}", id.0));
        self.entries.get_mut(id.0 as usize).ok_or_else(missing)
    }

    /// Appends a leaf: its hash is made from the index and the recorded time that it gets, which is the time given but
    /// never before the log's last.
    pub(crate) fn append<T>(
        &mut self,
        database: &Database,
        id: LogId,
        time: Timestamp,
        make: impl FnOnce(&LogName, LeafIndex, Timestamp) -> (Hash, T),
    ) -> Result<T, StoreError> {
        let seals = self.seals + 1;
        let entry = self.entry(id)?;
        let state = &mut entry.state;
        let mut loaded = 0;
        let tree = match &mut entry.tree {
            Some(tree) => tree,
            none => {
                loaded = 1;
                let tree = Tree::load(state.size, &Tiles::new(database, id));
                none.insert(tree.map_err(|error| unreadable(&state.name, error))?)
            }
        };
        let recorded = state.last_recorded.max(time);
        let (hash, made) = make(&state.name, state.size.next_index(), recorded);
        tree.push(hash);
        state.size = tree.size();
        state.last_recorded = recorded;
        match entry.recorded.last_mut() {
            Some((last, size)) if *last == recorded => *size = state.size,
            _ => entry.recorded.push((recorded, state.size)),
        }
        let first = entry.used != seals;
        entry.used = seals;
        if first {
            self.touched.push(id);
        }
        self.hot += loaded;
        Ok(made)
    }

    /// Adds to the batch what the appends since the last seal changed: tiles, recorded times, states. Gives the heads
    /// of the logs touched.
    pub(crate) fn seal(&mut self, database: &Database, batch: &mut WriteBatch) -> Result<Vec<LogHead>, StoreError> {
        let (tiles, recorded) = (database.cf(Table::Tiles)?, database.cf(Table::Recorded)?);
        let mut touched = std::mem::take(&mut self.touched);
        touched.sort_unstable();
        let mut heads = Vec::with_capacity(touched.len());
        for id in touched {
            let entry = self.entry(id)?;
            if let Some(tree) = &mut entry.tree {
                entry.state.root = tree.root();
                for (tile_id, tile) in tree.take_dirty() {
                    batch.put_cf(tiles, keys::tile(id, tile_id), tile.as_bytes());
                }
            }
            for (time, size) in entry.recorded.drain(..) {
                batch.put_cf(recorded, keys::recorded(id, time), size.0.to_be_bytes());
            }
            if std::mem::take(&mut entry.new) {
                entry.state.put_name(database, batch)?;
            }
            entry.state.put(database, batch)?;
            heads.push(entry.state.head());
        }
        self.seals += 1;
        self.cool();
        Ok(heads)
    }

    /// Lets go of the trees used longest ago, a quarter of them at once, so that this is rare.
    fn cool(&mut self) {
        if self.hot <= self.most_hot {
            return;
        }
        let mut hot: Vec<(u64, usize)> = self
            .entries
            .iter()
            .enumerate()
            .filter(|(_, entry)| entry.tree.is_some())
            .map(|(place, entry)| (entry.used, place))
            .collect();
        hot.sort_unstable();
        let keep = self.most_hot - self.most_hot / 4;
        let drop = hot.len().saturating_sub(keep);
        for (_, place) in hot.into_iter().take(drop) {
            if let Some(entry) = self.entries.get_mut(place) {
                entry.tree = None;
            }
        }
        self.hot = keep;
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::options::Options;
    use crate::tables::Part;
    use verdict_merkle::leaf_hash;

    /// More logs than trees are held: each is read back from its tiles when its turn comes, and all roots are those of
    /// trees never let go.
    #[test]
    fn a_tree_let_go_goes_on_where_it_was() {
        let dir = tempfile::tempdir().unwrap();
        let database = Database::open_scratch(dir.path(), Part::Log, &Options::default()).unwrap();
        let mut ledger = Ledger::load(&database, 4).unwrap();
        let mut slow: Vec<Tree> = vec![Tree::new(); 9];
        for round in 0..40_u64 {
            let mut batch = WriteBatch::default();
            for number in 0..9_u64 {
                if (round + number) % 3 == 0 {
                    continue;
                }
                let id = ledger.id(&format!("t{number}").parse().unwrap()).unwrap();
                for leaf in 0..=number {
                    let hash = leaf_hash(&(round * 100 + leaf).to_be_bytes());
                    let time = Timestamp::from_micros(1000 - i64::try_from(round).unwrap()).unwrap();
                    let at = ledger
                        .append(&database, id, time, |_, index, recorded| (hash, (index, recorded)))
                        .unwrap();
                    assert_eq!(at.0, slow[id.0 as usize].push(hash));
                    assert!(at.1 >= time, "recorded time never goes backwards");
                }
            }
            ledger.seal(&database, &mut batch).unwrap();
            database.write_durably(batch).unwrap();
            assert!(ledger.entries.iter().filter(|entry| entry.tree.is_some()).count() <= 9);
        }
        let again = Ledger::load(&database, 4).unwrap();
        for (state, tree) in again.states().zip(&slow) {
            assert_eq!((state.size, state.root), (tree.size(), tree.root()));
        }
        assert_eq!(again.states().count(), 9);
    }
}
