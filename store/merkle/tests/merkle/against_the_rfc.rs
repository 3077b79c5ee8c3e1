//! Roots and proofs equal RFC 6962 section 2.1 written literally (A3), whether the tiles at hand are those of the very
//! size asked about or of a larger tree.

use proptest::prelude::*;
use verdict_merkle::{
    Hash, LeafIndex, Tree, consistency_proof, inclusion_proof, root_at, verify_consistency, verify_inclusion,
};

use crate::fixture::{EVERY, LEAVES, REFERENCE, Stored, WIDE, cut, leaf, near_boundaries, size, tree_of};
use crate::reference::Step;

fn hashes(steps: &[Step]) -> Vec<Hash> {
    steps.iter().map(|step| step.hash()).collect()
}

/// Checks all that can be asked about one leaf of one tree.
fn check_inclusion(index: usize, leaves: usize, reader: &Stored) {
    let (root, expected) = {
        let mut reference = REFERENCE.lock().unwrap();
        (reference.mth(0, leaves), hashes(&reference.path(index, 0, leaves)))
    };
    let index = LeafIndex(index as u64);
    let proof = inclusion_proof(index, size(leaves), reader).unwrap();
    assert_eq!(proof, expected, "PATH({index}, D[{leaves}])");
    assert_eq!(
        verify_inclusion(leaf(index.0 as usize), index, size(leaves), &proof, root),
        Ok(())
    );
}

fn check_consistency(old: usize, new: usize, reader: &Stored) {
    let (old_root, new_root, expected) = {
        let mut reference = REFERENCE.lock().unwrap();
        (
            reference.mth(0, old),
            reference.mth(0, new),
            hashes(&reference.proof(old, new)),
        )
    };
    let proof = consistency_proof(size(old), size(new), reader).unwrap();
    assert_eq!(proof, expected, "PROOF({old}, D[{new}])");
    assert_eq!(
        verify_consistency(size(old), old_root, size(new), new_root, &proof),
        Ok(())
    );
}

#[test]
fn every_root_is_mth() {
    let mut tree = Tree::new();
    for leaves in 0..=EVERY {
        let root = REFERENCE.lock().unwrap().mth(0, leaves);
        assert_eq!(tree.root(), root, "size {leaves}");
        assert_eq!(root_at(size(leaves), &*WIDE), Ok(root), "size {leaves}");
        assert_eq!(tree.size(), size(leaves));
        tree.push(leaf(leaves));
    }
    for leaves in [65_535, 65_536, 65_537, LEAVES] {
        let root = REFERENCE.lock().unwrap().mth(0, leaves);
        assert_eq!(
            (tree_of(leaves).root(), root_at(size(leaves), &*WIDE)),
            (root, Ok(root)),
            "size {leaves}"
        );
    }
}

#[test]
fn every_leaf_near_boundaries_has_its_path() {
    for leaves in near_boundaries() {
        let exact = cut(leaves);
        (0..leaves).for_each(|index| check_inclusion(index, leaves, &exact));
    }
}

#[test]
fn every_pair_near_boundaries_has_its_proof() {
    for new in near_boundaries() {
        let exact = cut(new);
        near_boundaries()
            .take_while(|old| *old <= new)
            .for_each(|old| check_consistency(old, new, &exact));
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(400))]

    #[test]
    fn any_leaf_of_any_tree_has_its_path((leaves, index) in (1..=LEAVES).prop_flat_map(|n| (Just(n), 0..n))) {
        check_inclusion(index, leaves, &WIDE);
    }

    #[test]
    fn any_leaf_of_a_small_tree_has_its_path((leaves, index) in (1..=EVERY).prop_flat_map(|n| (Just(n), 0..n))) {
        check_inclusion(index, leaves, &WIDE);
    }

    #[test]
    fn any_two_trees_have_their_proof((new, old) in (1..=LEAVES).prop_flat_map(|n| (Just(n), 1..=n))) {
        check_consistency(old, new, &WIDE);
    }

    #[test]
    fn any_two_small_trees_have_their_proof((new, old) in (1..=EVERY).prop_flat_map(|n| (Just(n), 1..=n))) {
        check_consistency(old, new, &WIDE);
    }
}
