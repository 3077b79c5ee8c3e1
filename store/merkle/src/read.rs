//! Reading a tree out of its tiles: any hash of the tree, of any size it once had, at the cost of few tiles.
//!
//! A hash of height `h` covers `2^h` leaves. The tile level below it is `h / 8`; the `2^(h % 8)` hashes there that it
//! covers lie in one tile, side by side, since it begins at a multiple of its length. A proof's siblings of heights
//! `8l` to `8l + 7` even share one tile, so a proof reads that tile and the one at the right edge: two a level.

use std::collections::BTreeMap;
use std::convert::Infallible;

use crate::hash::node_hash;
use crate::{Hash, LeafIndex, Tile, TileId, TreeSize};

/// Where the tiles of one log are kept.
///
/// The contract: [`tile`](TileReader::tile) gives the tile as stored. It may be wider than in the tree that is asked
/// about (the hashes past that are ignored, which is sound as tiles only widen), never narrower than in the largest tree
/// that is asked about. A tile, once given, may be asked for again.
pub trait TileReader {
    /// Why a tile could not be read.
    type Error;

    /// The tile as stored now; `None` when there is none.
    ///
    /// # Errors
    /// The reader's own, when it can not tell.
    fn tile(&self, id: TileId) -> Result<Option<Tile>, Self::Error>;
}

impl<R: TileReader + ?Sized> TileReader for &R {
    type Error = R::Error;

    fn tile(&self, id: TileId) -> Result<Option<Tile>, R::Error> {
        (**self).tile(id)
    }
}

/// Tiles held in memory, as a client fetched them.
impl TileReader for BTreeMap<TileId, Tile> {
    type Error = Infallible;

    fn tile(&self, id: TileId) -> Result<Option<Tile>, Infallible> {
        Ok(self.get(&id).cloned())
    }
}

/// Why a tree could not be read from its tiles, or a question about it makes no sense.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum TreeError<E> {
    /// The reader failed.
    #[error("could not read `{}`", id.path(Tile::MAX_LEN))]
    Read {
        /// The tile asked for.
        id: TileId,
        /// What the reader said.
        source: E,
    },
    /// The tree of that size needs a tile that is not there.
    #[error("`{}` is missing", id.path(Tile::MAX_LEN))]
    Missing {
        /// The tile asked for.
        id: TileId,
    },
    /// The tree of that size needs more hashes than the stored tile has.
    #[error("`{}` holds {len} hashes where the tree needs {needed}", id.path(Tile::MAX_LEN))]
    Narrow {
        /// The tile asked for.
        id: TileId,
        /// How many hashes it holds.
        len: usize,
        /// How many it must hold at least.
        needed: usize,
    },
    /// The leaf is not in the tree.
    #[error("index {index} is not in a tree of size {size}")]
    IndexOutOfRange {
        /// The leaf asked for.
        index: LeafIndex,
        /// The size of the tree.
        size: TreeSize,
    },
    /// The tree that should come first is the larger one.
    #[error("a tree of size {old} can not grow into one of size {new}")]
    SizesOutOfOrder {
        /// The size of the earlier tree.
        old: TreeSize,
        /// The size of the later tree.
        new: TreeSize,
    },
}

/// Reads one tile that must have at least `needed` hashes.
pub(crate) fn read_tile<R: TileReader + ?Sized>(
    reader: &R,
    id: TileId,
    needed: usize,
) -> Result<Tile, TreeError<R::Error>> {
    let tile = reader
        .tile(id)
        .map_err(|source| TreeError::Read { id, source })?
        .ok_or(TreeError::Missing { id })?;
    check_width(&tile, id, needed)?;
    Ok(tile)
}

fn check_width<E>(tile: &Tile, id: TileId, needed: usize) -> Result<(), TreeError<E>> {
    match tile.len() {
        len if len < needed => Err(TreeError::Narrow { id, len, needed }),
        _ => Ok(()),
    }
}

/// The tiles that one question has read, so that none is read twice.
pub(crate) struct Tiles<'r, R: ?Sized> {
    reader: &'r R,
    /// At most a few a level: searched from the last, which is almost always the one.
    read: Vec<(TileId, Tile)>,
}

impl<'r, R: TileReader + ?Sized> Tiles<'r, R> {
    pub(crate) fn new(reader: &'r R) -> Self {
        Tiles {
            reader,
            read: Vec::new(),
        }
    }

    /// `MTH(D[start:end])` of RFC 6962 section 2.1, for a range that is not empty and that the recursions of that
    /// section reach: one that begins at a multiple of the smallest power of two not below its length.
    pub(crate) fn range_hash(&mut self, start: u64, end: u64) -> Result<Hash, TreeError<R::Error>> {
        let leaves = end - start;
        if leaves.is_power_of_two() {
            return self.complete_hash(start, leaves.trailing_zeros());
        }
        let middle = start + split(leaves);
        let left = self.range_hash(start, middle)?;
        Ok(node_hash(left, self.range_hash(middle, end)?))
    }

    /// The hash of the complete subtree over the `2^height` leaves from `start`, a multiple of that.
    fn complete_hash(&mut self, start: u64, height: u32) -> Result<Hash, TreeError<R::Error>> {
        let below = height % 8;
        let first = start >> (height - below);
        let place = (first & 0xff) as usize;
        let count = 1_usize << below;
        let level = ((height / 8) & 0xff) as u8;
        let tile = self.tile(TileId { level, n: first >> 8 }, place + count)?;
        let mut row: Vec<Hash> = tile.hashes().skip(place).take(count).collect();
        Ok(fold_pairs(&mut row))
    }

    fn tile(&mut self, id: TileId, needed: usize) -> Result<&Tile, TreeError<R::Error>> {
        let place = match self.read.iter().rposition(|(read, _)| *read == id) {
            Some(place) => place,
            None => {
                self.read.push((id, read_tile(self.reader, id, needed)?));
                self.read.len() - 1
            }
        };
        let tile = &self.read[place].1;
        check_width(tile, id, needed)?;
        Ok(tile)
    }
}

/// The root over a row of hashes whose number is a power of two; the row is used up.
fn fold_pairs(row: &mut Vec<Hash>) -> Hash {
    while row.len() > 1 {
        let half = row.len() / 2;
        for place in 0..half {
            row[place] = node_hash(row[2 * place], row[2 * place + 1]);
        }
        row.truncate(half);
    }
    row[0]
}

/// The largest power of two smaller than `leaves`, which is at least 2: `k` of RFC 6962 section 2.1.
pub(crate) fn split(leaves: u64) -> u64 {
    1 << (u64::BITS - 1 - (leaves - 1).leading_zeros())
}

#[cfg(test)]
mod tests {
    use super::split;

    #[test]
    fn split_is_the_largest_smaller_power_of_two() {
        for (leaves, k) in [
            (2, 1),
            (3, 2),
            (4, 2),
            (5, 4),
            (8, 4),
            (9, 8),
            (1 << 63, 1 << 62),
            (u64::MAX, 1 << 63),
        ] {
            assert_eq!(split(leaves), k, "{leaves}");
        }
    }
}
