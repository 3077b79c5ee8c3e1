//! How far the views of a log are made.
//!
//! ```text
//! v_mark   log u32      size u64 [ | events u64 | late u64 | time u64 | chain 32 bytes ]     the rest where anything came out of turn
//!          `version`    the views' own version, u32
//! ```

use verdict_merkle::TreeSize;

use super::late::Turn;
use crate::cut::LogCut;
use crate::database::Rows;
use crate::error::StoreError;
use crate::keys::log_prefix;
use crate::layout::{Damaged, Reader};
use crate::names::LogId;
use crate::tables::Table;

/// Key of the version number; a log's key has four bytes.
pub(crate) const VERSION_KEY: &[u8] = b"version";

/// How far the views of a log are made: its view position.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Mark {
    /// The records that came.
    pub(crate) size: TreeSize,
    /// What came out of turn.
    pub(crate) turn: Turn,
}

impl Mark {
    /// The greatest cut that can be answered.
    pub(crate) fn cut(&self) -> LogCut {
        LogCut {
            size: self.size,
            late: self.turn.late,
        }
    }

    pub(crate) fn encode(&self) -> Vec<u8> {
        let mut row = self.size.0.to_be_bytes().to_vec();
        if self.turn.number > 0 {
            self.turn.encode(&mut row);
        }
        row
    }

    fn decode(row: &[u8]) -> Result<Self, Damaged> {
        let mut reader = Reader::new(row);
        let size = TreeSize(u64::from_be_bytes(reader.array()?));
        let turn = if reader.left() == 0 {
            Turn::default()
        } else {
            Turn::decode(&mut reader)?
        };
        reader.end()?;
        Ok(Self { size, turn })
    }
}

/// How far the views of a log are made.
pub(crate) fn mark(rows: &impl Rows, log: LogId) -> Result<Mark, StoreError> {
    let row = rows.row(Table::Mark, &log_prefix(log))?;
    row.map_or(Ok(Mark::default()), |row| {
        Mark::decode(&row).map_err(|damage| StoreError::corrupt(Table::Mark, damage.to_string()))
    })
}
