//! The right edge of a growing log: all that is needed to append, in memory.
//!
//! For each level the tree keeps the last tile, while it is not full, and over that tile the *edge*: the hashes of the
//! complete subtrees that the tile's hashes form, one for each bit of its width.
//!
//! ```text
//! a tile of width 7 = 0b111     h0 h1 h2 h3   h4 h5   h6
//! its edge                      edge[2]       edge[1] edge[0]
//! ```
//!
//! A push is an increment of that binary counter: each carry is one node hash, one a push on average, and the carry out
//! of bit 7 is the hash of the tile just filled, pushed to the level above. So no hash is computed twice, and the root
//! folds the edges from the smallest up: at most eight node hashes a level.
//!
//! The tree does not write. It remembers which tiles changed, so that a caller stores them in the same batch as the
//! leaves (A2). Where that batch can fail, push to a [`Clone`] and keep the old tree until it has not: a clone copies
//! only the right edge, 8 KiB a level at most.

use crate::hash::node_hash;
use crate::read::{TileReader, TreeError, read_tile};
use crate::tile::LEVELS;
use crate::{Hash, LeafIndex, Tile, TileId, TreeSize};

/// The right edge of an append-only tree (RFC 6962 section 2.1, in tiles of C2SP tlog-tiles).
///
/// ```
/// use std::collections::BTreeMap;
/// use verdict_merkle::{LeafIndex, Tree, inclusion_proof, leaf_hash, verify_inclusion};
///
/// let mut tree = Tree::new();
/// let mut stored = BTreeMap::new();
/// for number in 0..1000_u32 {
///     tree.push(leaf_hash(&number.to_be_bytes()));
/// }
/// stored.extend(tree.take_dirty());
///
/// let proof = inclusion_proof(LeafIndex(137), tree.size(), &stored)?;
/// let leaf = leaf_hash(&137_u32.to_be_bytes());
/// verify_inclusion(leaf, LeafIndex(137), tree.size(), &proof, tree.root())?;
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug, Clone, Default)]
pub struct Tree {
    size: TreeSize,
    levels: [Level; LEVELS as usize],
    /// Tiles filled since the dirty ones were last taken, in the order they were.
    filled: Vec<(TileId, Tile)>,
}

/// The last tile of a level while it is not full, and its edge.
#[derive(Debug, Clone)]
struct Level {
    /// The tile's bytes: 0 to 255 hashes.
    bytes: Vec<u8>,
    /// `edge[b]` is meaningful where bit `b` of the width is set: the hash of `2^b` neighbouring hashes of the tile.
    edge: [Hash; 8],
    /// Whether the tile is not empty and has changed since the dirty ones were last taken.
    dirty: bool,
}

impl Default for Level {
    fn default() -> Level {
        Level {
            bytes: Vec::new(),
            edge: [Hash([0; Hash::LEN]); 8],
            dirty: false,
        }
    }
}

impl Level {
    /// How many hashes the tile holds, 0 to 255.
    fn width(&self) -> usize {
        self.bytes.len() / Hash::LEN
    }

    /// Adds a hash; when that fills the tile, gives the tile and the hash over it, and begins the next.
    fn push(&mut self, hash: Hash) -> Option<(Tile, Hash)> {
        let carries = self.width().trailing_ones() as usize;
        self.bytes.extend_from_slice(&hash.0);
        let sum = self
            .edge
            .iter()
            .take(carries)
            .fold(hash, |sum, left| node_hash(*left, sum));
        match self.edge.get_mut(carries) {
            Some(place) => {
                *place = sum;
                self.dirty = true;
                None
            }
            None => {
                self.dirty = false;
                let next = Vec::with_capacity(self.bytes.len());
                Some((Tile::from_hashes(std::mem::replace(&mut self.bytes, next)), sum))
            }
        }
    }

    /// The hashes of the complete subtrees in the tile, from the smallest, which is the rightmost.
    fn edge(&self) -> impl Iterator<Item = Hash> + '_ {
        let width = self.width();
        (0..)
            .zip(&self.edge)
            .filter(move |(bit, _)| width >> bit & 1 == 1)
            .map(|(_, hash)| *hash)
    }
}

impl Tree {
    /// The tree without leaves.
    #[must_use]
    pub fn new() -> Tree {
        Tree::default()
    }

    /// The tree of the first `size` leaves of a log whose tiles are stored, ready to go on. Nothing of it is dirty.
    ///
    /// Reads one tile a level, those that are partial at that size. What they hold is believed: a caller that must know
    /// compares [`Tree::root`] with the root it published (A3).
    ///
    /// # Errors
    /// [`TreeError::Read`], [`TreeError::Missing`] or [`TreeError::Narrow`] when the tiles do not hold that tree.
    pub fn load<R: TileReader + ?Sized>(size: TreeSize, reader: &R) -> Result<Tree, TreeError<R::Error>> {
        let mut tree = Tree {
            size,
            ..Tree::default()
        };
        for (level, state) in (0..).zip(&mut tree.levels) {
            let width = size.partial_width(level);
            if width == 0 {
                continue;
            }
            let tile = read_tile(
                reader,
                TileId {
                    level,
                    n: size.hashes_at(level) >> 8,
                },
                width,
            )?;
            for hash in tile.hashes().take(width) {
                // Below 256 hashes: nothing is filled.
                state.push(hash);
            }
            state.dirty = false;
        }
        Ok(tree)
    }

    /// Appends a leaf by its hash ([`leaf_hash`](crate::leaf_hash)) and says where it stands.
    pub fn push(&mut self, leaf: Hash) -> LeafIndex {
        let index = self.size.next_index();
        let mut hash = leaf;
        // The last level never fills below 2^64 leaves, so the loop always ends inside.
        for (level, state) in (0..).zip(&mut self.levels) {
            let Some((tile, sum)) = state.push(hash) else { break };
            self.filled.push((
                TileId {
                    level,
                    n: self.size.hashes_at(level) >> 8,
                },
                tile,
            ));
            hash = sum;
        }
        self.size.0 += 1;
        index
    }

    /// How many leaves were pushed.
    #[must_use]
    pub fn size(&self) -> TreeSize {
        self.size
    }

    /// The root over all leaves pushed: `MTH(D[size])` (RFC 6962 section 2.1). At most eight node hashes a level.
    #[must_use]
    pub fn root(&self) -> Hash {
        let smallest_first = self.levels.iter().flat_map(Level::edge);
        smallest_first
            .reduce(|right, left| node_hash(left, right))
            .unwrap_or(Hash::EMPTY_ROOT)
    }

    /// Every tile that changed since [`Tree::take_dirty`] was last called: each filled one, then the partial ones at
    /// their present width, level by level. Storing them over what is stored makes the store hold this tree.
    #[must_use]
    pub fn dirty_tiles(&self) -> Vec<(TileId, Tile)> {
        self.filled.iter().cloned().chain(self.dirty_partials()).collect()
    }

    /// As [`Tree::dirty_tiles`], and from now on they are clean: the caller has stored them, or drops this tree.
    pub fn take_dirty(&mut self) -> Vec<(TileId, Tile)> {
        let mut tiles = std::mem::take(&mut self.filled);
        tiles.extend(self.dirty_partials());
        self.levels.iter_mut().for_each(|level| level.dirty = false);
        tiles
    }

    fn dirty_partials(&self) -> impl Iterator<Item = (TileId, Tile)> + '_ {
        (0..)
            .zip(&self.levels)
            .filter(|(_, state)| state.dirty)
            .map(|(level, state)| {
                (
                    TileId {
                        level,
                        n: self.size.hashes_at(level) >> 8,
                    },
                    Tile::from_hashes(state.bytes.clone()),
                )
            })
    }
}
