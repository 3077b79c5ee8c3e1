//! Sizes that no test can build leaf by leaf, up to 2^64 - 1.

use std::convert::Infallible;

use proptest::prelude::*;
use verdict_merkle::{
    LeafIndex, Tile, TileId, TileReader, Tree, TreeSize, consistency_proof, inclusion_proof, leaf_hash, node_hash,
    root_at, verify_consistency, verify_inclusion,
};

/// The tree whose leaves are all the same, of any size up to 2^64 - 1: each tile holds 256 times the one hash that all
/// complete subtrees of its level have.
struct Uniform;

impl TileReader for Uniform {
    type Error = Infallible;

    fn tile(&self, id: TileId) -> Result<Option<Tile>, Self::Error> {
        let mut hash = leaf_hash(b"all the same");
        (0..8 * u32::from(id.level)).for_each(|_| hash = node_hash(hash, hash));
        Ok(Tile::from_vec(hash.0.repeat(256)).ok())
    }
}

proptest! {
    #[test]
    fn sizes_up_to_the_last_work((new, old, index) in any::<(u64, u64, u64)>(), shift in 0..64_u32) {
        let new: u64 = (new >> shift).max(1);
        let (old, index) = (1 + old % new, index % new);
        let (tree, root) = (Tree::load(TreeSize(new), &Uniform).unwrap(), root_at(TreeSize(new), &Uniform).unwrap());
        prop_assert_eq!(tree.root(), root);
        let proof = inclusion_proof(LeafIndex(index), TreeSize(new), &Uniform).unwrap();
        let leaf = leaf_hash(b"all the same");
        prop_assert_eq!(verify_inclusion(leaf, LeafIndex(index), TreeSize(new), &proof, root), Ok(()));
        let proof = consistency_proof(TreeSize(old), TreeSize(new), &Uniform).unwrap();
        let mut older = Tree::load(TreeSize(old), &Uniform).unwrap();
        prop_assert_eq!(verify_consistency(TreeSize(old), older.root(), TreeSize(new), root, &proof), Ok(()));
        if old < u64::MAX {
            older.push(leaf);
            prop_assert_eq!(older.root(), root_at(TreeSize(old + 1), &Uniform).unwrap());
        }
    }
}

#[test]
fn the_largest_tree_works() {
    let mut tree = Tree::load(TreeSize(u64::MAX - 1), &Uniform).unwrap();
    assert_eq!(tree.push(leaf_hash(b"all the same")), LeafIndex(u64::MAX - 1));
    assert_eq!(Ok(tree.root()), root_at(TreeSize(u64::MAX), &Uniform));
    assert_eq!(
        inclusion_proof(LeafIndex(0), TreeSize(u64::MAX), &Uniform).map(|proof| proof.len()),
        Ok(64)
    );
}
