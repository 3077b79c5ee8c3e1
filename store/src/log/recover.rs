//! What is checked before a store is ready: that it is not older than what was published about it, and that the end of
//! each log is what its state says. Nothing is repaired here: RocksDB has replayed whole batches, and what does not
//! agree after that is damage, which `verdict audit` looks at.

use std::path::Path;

use uuid::Uuid;
use verdict_merkle::{LeafIndex, TileId, Tree, TreeSize, root_at};
use verdict_schemas::Timestamp;

use crate::database::Database;
use crate::error::{OpenError, StoreError};
use crate::keys;
use crate::leaf::Leaf;
use crate::log::heads::Published;
use crate::log::read;
use crate::log::state::{self, LogState};
use crate::log::tiles::{Tiles, unreadable};
use crate::salt::SaltKey;
use crate::tables::Table;

/// So many records are hashed again over all logs, so that a store of many logs opens in seconds.
const MOST_RECORDS: u64 = 200_000;

/// Compares the database with what the file `heads` said before it was opened. Gives the time promised there.
pub(crate) fn check_heads(
    database: &Database,
    dir: &Path,
    store: Uuid,
    published: Option<&Published>,
) -> Result<Timestamp, OpenError> {
    let Some(published) = published else {
        return Ok(Timestamp::MIN);
    };
    if published.store != store {
        let reason = format!("it is of store {}, and the database is store {store}", published.store);
        return Err(OpenError::Heads {
            path: dir.join(super::heads::FILE),
            reason,
        });
    }
    for head in published.heads(dir)? {
        let kept = state::by_name(database, &head.name)?;
        let size = kept.as_ref().map_or(TreeSize(0), |state| state.size);
        if size < head.size {
            return Err(OpenError::BehindHeads {
                log: head.name.to_string(),
                found: size.0,
                published: head.size.0,
                dir: dir.to_path_buf(),
            });
        }
        let Some(kept) = kept else { continue };
        let root = root_at(head.size, &Tiles::new(database, kept.id)).map_err(|error| unreadable(&head.name, error))?;
        if root != head.root {
            return Err(OpenError::OtherRoot {
                log: head.name.to_string(),
                size: head.size.0,
                published: head.root.to_hex(),
                found: root.to_hex(),
                dir: dir.to_path_buf(),
            });
        }
    }
    Ok(published.promised)
}

/// Recomputes the end of each log: its last records' leaves, and the root from the tiles (A3).
pub(crate) fn check_tails(database: &Database, salt: &SaltKey, most: u64) -> Result<(), OpenError> {
    let logs = state::all(database)?;
    let share = MOST_RECORDS / (logs.len() as u64).max(1) + 1;
    for log in &logs {
        check_tail(database, salt, log, most.min(share))?;
    }
    Ok(())
}

fn check_tail(database: &Database, salt: &SaltKey, log: &LogState, most: u64) -> Result<(), OpenError> {
    let damaged = |index: u64, reason: &str| OpenError::DamagedTail {
        log: log.name.to_string(),
        index: LeafIndex(index),
        reason: reason.to_owned(),
    };
    let tiles = Tiles::new(database, log.id);
    let end = log.size.0;
    let first = end.saturating_sub(most);
    let mut records = read::records(database, log.id, LeafIndex(first))?;
    for index in first..end {
        let record = match records.next() {
            Some(Ok(record)) => record,
            Some(Err(StoreError::Corrupt { reason, .. })) => return Err(damaged(index, &reason)),
            Some(Err(error)) => return Err(error.into()),
            None => return Err(damaged(index, "the record is missing")),
        };
        let hash = Leaf::of(&log.name, &record, salt).hash();
        if stored_leaf(&tiles, index)? != Some(hash) {
            return Err(damaged(index, "the record does not yield the leaf that the tree has"));
        }
    }
    // A2: nothing behind the end either.
    if database
        .get(Table::Records, keys::record(log.id, log.size.next_index()))?
        .is_some()
    {
        return Err(damaged(end, "there is a record behind the end of the log"));
    }
    let tree = Tree::load(log.size, &tiles).map_err(|error| unreadable(&log.name, error))?;
    if tree.root() != log.root {
        return Err(damaged(end.saturating_sub(1), "the tree does not yield the root"));
    }
    Ok(())
}

/// The leaf hash that the tree has at an index.
pub(crate) fn stored_leaf<R: crate::database::Rows>(
    tiles: &Tiles<'_, R>,
    index: u64,
) -> Result<Option<verdict_merkle::Hash>, StoreError> {
    use verdict_merkle::TileReader;
    let tile = tiles.tile(TileId {
        level: 0,
        n: index >> 8,
    })?;
    Ok(tile.and_then(|tile| tile.get((index & 0xff) as usize)))
}
