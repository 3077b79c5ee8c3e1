//! The tiles of a log, as `verdict_merkle` reads them.

use verdict_merkle::{Tile, TileId, TileReader, TreeError};

use crate::database::Rows;
use crate::error::StoreError;
use crate::keys;
use crate::names::{LogId, LogName};
use crate::tables::Table;

/// The tiles of one log in the database or in a snapshot of it.
pub(crate) struct Tiles<'a, R> {
    rows: &'a R,
    log: LogId,
}

impl<'a, R: Rows> Tiles<'a, R> {
    pub(crate) fn new(rows: &'a R, log: LogId) -> Self {
        Self { rows, log }
    }
}

impl<R: Rows> TileReader for Tiles<'_, R> {
    type Error = StoreError;

    fn tile(&self, id: TileId) -> Result<Option<Tile>, StoreError> {
        let Some(row) = self.rows.row(Table::Tiles, &keys::tile(self.log, id))? else {
            return Ok(None);
        };
        let tile = Tile::from_bytes(&row);
        tile.map(Some)
            .map_err(|error| StoreError::corrupt(Table::Tiles, format!("level {}, tile {}: {error}", id.level, id.n)))
    }
}

/// A failure to read a tree, as an error of the store.
pub(crate) fn unreadable(log: &LogName, error: TreeError<StoreError>) -> StoreError {
    match error {
        TreeError::Read { source, .. } => source,
        other => StoreError::Tree {
            log: log.to_string(),
            reason: other.to_string(),
        },
    }
}
