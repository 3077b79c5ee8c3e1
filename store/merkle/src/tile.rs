//! Tiles: 256 neighbouring hashes, the unit in which a tree is stored and served (C2SP tlog-tiles).
//!
//! ```text
//! a tile's bytes   | hash 0 | hash 1 | ... | hash len-1 |      32 bytes each, 1 <= len <= 256, nothing else
//! ```

use crate::{Hash, TreeSize};

/// Tile levels that a tree of at most `2^64 - 1` leaves has.
pub(crate) const LEVELS: u8 = 8;

/// Which tile: its level and its number within the level.
///
/// Hash `i` of tile `n` at level `l` is that of leaves `(256n + i) * 256^l` up to `(256n + i + 1) * 256^l`.
/// Ordered by level, then number.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct TileId {
    /// 0 for leaf hashes; each level above has one hash for each full tile below.
    pub level: u8,
    /// The tile's position within its level, from 0.
    pub n: u64,
}

impl TileId {
    /// How many hashes this tile has in a tree of `size` leaves, 0 to 256; 0 when it does not exist yet.
    #[must_use]
    pub fn width_at(self, size: TreeSize) -> usize {
        let before = self.n.checked_mul(Tile::MAX_LEN as u64);
        let hashes = before.and_then(|before| size.hashes_at(self.level).checked_sub(before));
        hashes.map_or(0, |hashes| {
            usize::try_from(hashes).map_or(Tile::MAX_LEN, |hashes| hashes.min(Tile::MAX_LEN))
        })
    }
}

/// A tile as it is stored and served: 1 to 256 hashes, one after the other.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Tile {
    /// Never empty, never above [`Tile::MAX_LEN`] hashes, always whole ones.
    bytes: Vec<u8>,
}

/// Bytes that are no tile.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("a tile is 1 to 256 hashes of 32 bytes, not {length} bytes")]
pub struct TileError {
    /// How many bytes there were.
    pub length: usize,
}

impl Tile {
    /// The hashes of a full tile.
    pub const MAX_LEN: usize = 256;

    /// The tile that stored `bytes` are; they are copied.
    ///
    /// # Errors
    /// [`TileError`] unless they are 1 to 256 whole hashes.
    pub fn from_bytes(bytes: &[u8]) -> Result<Tile, TileError> {
        Tile::from_vec(bytes.to_vec())
    }

    /// As [`Tile::from_bytes`], without the copy.
    ///
    /// # Errors
    /// [`TileError`] unless they are 1 to 256 whole hashes.
    pub fn from_vec(bytes: Vec<u8>) -> Result<Tile, TileError> {
        let whole = bytes.len().is_multiple_of(Hash::LEN);
        if bytes.is_empty() || !whole || bytes.len() > Self::MAX_LEN * Hash::LEN {
            return Err(TileError { length: bytes.len() });
        }
        Ok(Tile { bytes })
    }

    /// How many hashes it holds, 1 to 256.
    #[must_use]
    #[expect(clippy::len_without_is_empty, reason = "a tile is never empty")]
    pub fn len(&self) -> usize {
        self.bytes.len() / Hash::LEN
    }

    /// Whether it holds 256 hashes and so will never change.
    #[must_use]
    pub fn is_full(&self) -> bool {
        self.len() == Self::MAX_LEN
    }

    /// The hash at a place, from 0; none at or past [`Tile::len`].
    #[must_use]
    pub fn get(&self, place: usize) -> Option<Hash> {
        self.hashes().nth(place)
    }

    /// Its hashes in order.
    pub fn hashes(&self) -> impl ExactSizeIterator<Item = Hash> + '_ {
        self.bytes.as_chunks().0.iter().copied().map(Hash)
    }

    /// This tile as it was when it held `width` hashes; none if it never did (`width` is 0 or above its length).
    #[must_use]
    pub fn truncated(&self, width: usize) -> Option<Tile> {
        let bytes = self.bytes.get(..width.checked_mul(Hash::LEN)?)?;
        Tile::from_bytes(bytes).ok()
    }

    /// The bytes to store and to serve.
    #[must_use]
    pub fn as_bytes(&self) -> &[u8] {
        &self.bytes
    }

    /// As [`Tile::as_bytes`], copied.
    #[must_use]
    pub fn to_bytes(&self) -> Vec<u8> {
        self.bytes.clone()
    }

    /// As [`Tile::as_bytes`], moved.
    #[must_use]
    pub fn into_bytes(self) -> Vec<u8> {
        self.bytes
    }

    /// Whole hashes collected by this package itself, 1 to 256 of them.
    pub(crate) fn from_hashes(bytes: Vec<u8>) -> Tile {
        debug_assert!(Tile::from_bytes(&bytes).is_ok(), "not 1 to 256 whole hashes");
        Tile { bytes }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn id(level: u8, n: u64) -> TileId {
        TileId { level, n }
    }

    #[test]
    fn only_one_to_256_whole_hashes_are_a_tile() {
        for length in [0, 1, 31, 33, 63, 8191, 8193, 8224] {
            assert_eq!(Tile::from_bytes(&vec![0; length]), Err(TileError { length }));
        }
        let hashes: Vec<u8> = (0u8..4).flat_map(|byte| [byte; 32]).collect();
        let Ok(tile) = Tile::from_bytes(&hashes) else {
            unreachable!("four whole hashes")
        };
        assert_eq!((tile.len(), tile.is_full()), (4, false));
        assert_eq!(tile.get(3), Some(Hash([3; 32])));
        assert_eq!(tile.get(4), None);
        assert_eq!(tile.truncated(2).map(Tile::into_bytes), Some(hashes[..64].to_vec()));
        assert_eq!((tile.as_bytes(), tile.to_bytes()), (&hashes[..], hashes.clone()));
        assert_eq!(
            (tile.truncated(0), tile.truncated(5), tile.truncated(usize::MAX)),
            (None, None, None)
        );
        assert!(Tile::from_vec(vec![0; 8192]).is_ok_and(|tile| tile.is_full()));
    }

    #[test]
    fn width_follows_the_tree() {
        for (tile, size, width) in [
            (id(0, 0), 0, 0),
            (id(0, 0), 1, 1),
            (id(0, 0), 255, 255),
            (id(0, 0), 256, 256),
            (id(0, 0), u64::MAX, 256),
            (id(0, 1), 256, 0),
            (id(0, 1), 257, 1),
            (id(0, 3), 838, 70),
            (id(1, 0), 255, 0),
            (id(1, 0), 838, 3),
            (id(7, 0), u64::MAX, 255),
            (id(7, 1), u64::MAX, 0),
            (id(8, 0), u64::MAX, 0),
            (id(255, 0), u64::MAX, 0),
            (id(0, u64::MAX), u64::MAX, 0),
        ] {
            assert_eq!(tile.width_at(TreeSize(size)), width, "{tile:?} at {size}");
        }
    }
}
