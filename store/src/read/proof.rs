//! Roots and proofs of a log at any size that it once had (A1, A3).

use verdict_merkle::{Hash, LeafIndex, TileId, TreeSize};

use super::snapshot::Snapshot;
use crate::database::Rows;
use crate::error::StoreError;
use crate::keys;
use crate::log::state;
use crate::log::tiles::{Tiles, unreadable};
use crate::names::{LogId, LogName};
use crate::tables::Table;

impl Snapshot<'_> {
    /// The root of the first `size` records.
    ///
    /// # Errors
    /// [`StoreError::OutOfRange`] past the log's end; else when the tree can not be read.
    pub fn root_at(&self, log: LogId, size: TreeSize) -> Result<Hash, StoreError> {
        let name = self.within(log, size)?;
        verdict_merkle::root_at(size, &Tiles::new(self, log)).map_err(|error| unreadable(&name, error))
    }

    /// The proof that the record at `index` is among the first `size`: siblings from the leaf up.
    ///
    /// # Errors
    /// [`StoreError::OutOfRange`] when it is not, or past the log's end; else when the tree can not be read.
    pub fn inclusion_proof(&self, log: LogId, index: LeafIndex, size: TreeSize) -> Result<Vec<Hash>, StoreError> {
        let name = self.within(log, size)?;
        if !size.contains(index) {
            return Err(StoreError::OutOfRange {
                log: name,
                size,
                asked: format!("record {index}"),
            });
        }
        verdict_merkle::inclusion_proof(index, size, &Tiles::new(self, log)).map_err(|error| unreadable(&name, error))
    }

    /// The proof that the log at size `new` begins with the log at size `old`.
    ///
    /// # Errors
    /// [`StoreError::OutOfRange`] when `old` is above `new`, or `new` past the log's end; else when the tree can not be
    /// read.
    pub fn consistency_proof(&self, log: LogId, old: TreeSize, new: TreeSize) -> Result<Vec<Hash>, StoreError> {
        let name = self.within(log, new)?;
        if old > new {
            return Err(StoreError::OutOfRange {
                log: name,
                size: new,
                asked: format!("earlier size {old}"),
            });
        }
        verdict_merkle::consistency_proof(old, new, &Tiles::new(self, log)).map_err(|error| unreadable(&name, error))
    }

    /// A tile as it is stored: perhaps wider than in the tree that is asked about.
    ///
    /// # Errors
    /// When it can not be read.
    pub fn tile(&self, log: LogId, id: TileId) -> Result<Option<Vec<u8>>, StoreError> {
        Ok(self.row(Table::Tiles, &keys::tile(log, id))?.map(|tile| tile.to_vec()))
    }

    /// The log's name, if it has that many records.
    fn within(&self, log: LogId, size: TreeSize) -> Result<LogName, StoreError> {
        let Some(state) = state::by_id(self, log)? else {
            return Err(StoreError::corrupt(Table::Logs, format!("there is no log {}", log.0)));
        };
        if size > state.size {
            return Err(StoreError::OutOfRange {
                log: state.name,
                size: state.size,
                asked: format!("size {size}"),
            });
        }
        Ok(state.name)
    }
}
