//! Where in a log: a position and a count are different types, since one is off by one from the other.
//!
//! ```text
//! leaf index   0   1   2   3   4
//!            +---+---+---+---+---+
//! tree size  0   1   2   3   4   5      a size stands after the leaf before it
//! ```

use core::fmt;

/// How many leaves a tree has: the tree over leaves `0..size`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct TreeSize(pub u64);

/// The position of a leaf in its log, from 0.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct LeafIndex(pub u64);

impl TreeSize {
    /// Whether a tree of this size has the leaf at `index`.
    #[must_use]
    pub const fn contains(self, index: LeafIndex) -> bool {
        index.0 < self.0
    }

    /// Where the next leaf goes: the first position not yet written.
    #[must_use]
    pub const fn next_index(self) -> LeafIndex {
        LeafIndex(self.0)
    }

    /// How many complete subtrees of `256^level` leaves the tree has: its hashes at a tile level, in all tiles.
    pub(crate) const fn hashes_at(self, level: u8) -> u64 {
        match self.0.checked_shr(8 * level as u32) {
            Some(hashes) => hashes,
            None => 0,
        }
    }

    /// How many hashes the last tile of a level holds while it is not full, 0 to 255; 0 when there is no such tile.
    pub(crate) const fn partial_width(self, level: u8) -> usize {
        (self.hashes_at(level) & 0xff) as usize
    }
}

impl fmt::Display for TreeSize {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl fmt::Display for LeafIndex {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}
