//! One log of 66,100 leaves for all tests: its leaves, its tiles, and the same by the book.

use std::collections::BTreeMap;
use std::sync::{LazyLock, Mutex};

use verdict_merkle::{Hash, LeafIndex, Tile, TileId, Tree, TreeSize, leaf_hash};

use crate::reference::Reference;

/// Above 256^2, so that level 2 has a hash and level 1 a full tile.
pub(crate) const LEAVES: usize = 66_100;
/// Every size up to here is tested.
pub(crate) const EVERY: usize = 1_200;

pub(crate) type Stored = BTreeMap<TileId, Tile>;

pub(crate) fn leaf(number: usize) -> Hash {
    leaf_hash(&(number as u64).to_be_bytes())
}

pub(crate) static REFERENCE: LazyLock<Mutex<Reference>> =
    LazyLock::new(|| Mutex::new(Reference::new((0..LEAVES).map(leaf).collect())));

/// The tiles of all leaves: wider than what any smaller tree needs.
pub(crate) static WIDE: LazyLock<Stored> = LazyLock::new(|| tiles_of(LEAVES));

pub(crate) fn tree_of(size: usize) -> Tree {
    let mut tree = Tree::new();
    for number in 0..size {
        assert_eq!(tree.push(leaf(number)), LeafIndex(number as u64));
    }
    tree
}

pub(crate) fn tiles_of(size: usize) -> Stored {
    tree_of(size).take_dirty().into_iter().collect()
}

/// The tiles of exactly `size` leaves, cut from wider ones.
pub(crate) fn cut(size: usize) -> Stored {
    let narrow = |(id, tile): (&TileId, &Tile)| Some((*id, tile.truncated(id.width_at(TreeSize(size as u64)))?));
    WIDE.iter().filter_map(narrow).collect()
}

pub(crate) fn size(leaves: usize) -> TreeSize {
    TreeSize(leaves as u64)
}

/// Sizes around which tiles fill, and the first few.
pub(crate) fn near_boundaries() -> impl Iterator<Item = usize> {
    (1..=17)
        .chain(254..=259)
        .chain(510..=514)
        .chain(766..=770)
        .chain(1022..=1026)
        .chain(EVERY - 1..=EVERY)
}
