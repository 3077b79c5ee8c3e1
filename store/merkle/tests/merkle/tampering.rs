//! Nothing but the proof itself verifies: every bit of a proof, a root or a leaf, every other index, every other size
//! that could matter, every hash left out, put in or moved.

use std::collections::BTreeMap;

use proptest::prelude::*;
use verdict_merkle::{
    Hash, LeafIndex, Tile, TileId, Tree, TreeSize, VerifyError, consistency_proof, inclusion_proof, leaf_hash, root_at,
    verify_consistency, verify_inclusion,
};

use crate::reference::{Reference, Step};

const LEAVES: u64 = 300;

fn leaf(number: u64) -> Hash {
    leaf_hash(&number.to_be_bytes())
}

fn stored() -> BTreeMap<TileId, Tile> {
    let mut tree = Tree::new();
    (0..LEAVES).for_each(|number| _ = tree.push(leaf(number)));
    tree.take_dirty().into_iter().collect()
}

fn reference() -> Reference {
    Reference::new((0..LEAVES + 100).map(leaf).collect())
}

fn flips(hash: Hash) -> impl Iterator<Item = Hash> {
    (0..256).map(move |bit| {
        let mut flipped = hash;
        flipped.0[bit / 8] ^= 1 << (bit % 8);
        flipped
    })
}

/// The proof with one bit flipped, one hash left out, one put in, or two neighbours exchanged: every such proof.
fn tampered(proof: &[Hash], with: Hash) -> Vec<Vec<Hash>> {
    let mut all = Vec::new();
    for place in 0..proof.len() {
        for flipped in flips(proof[place]) {
            let mut proof = proof.to_vec();
            proof[place] = flipped;
            all.push(proof);
        }
        let mut shorter = proof.to_vec();
        shorter.remove(place);
        all.push(shorter);
        if place > 0 {
            let mut moved = proof.to_vec();
            moved.swap(place - 1, place);
            all.push(moved);
        }
    }
    for place in 0..=proof.len() {
        let mut longer = proof.to_vec();
        longer.insert(place, with);
        all.push(longer);
    }
    all
}

fn shape(steps: &[Step]) -> String {
    steps.iter().map(|step| step.shape()).collect()
}

const SIZES: [u64; 16] = [1, 2, 3, 4, 5, 7, 8, 9, 33, 100, 255, 256, 257, 259, 299, 300];

#[test]
fn a_tampered_inclusion_proof_fails() {
    let (stored, mut reference) = (stored(), reference());
    for size in SIZES {
        let root = root_at(TreeSize(size), &stored).unwrap();
        for index in [0, 1, 2, 6, 31, 32, 128, 254, 255, 256, 298, size - 1]
            .into_iter()
            .filter(|index| *index < size)
        {
            let proof = inclusion_proof(LeafIndex(index), TreeSize(size), &stored).unwrap();
            let verify = |leaf, index, size, proof: &[Hash], root| {
                verify_inclusion(leaf, LeafIndex(index), TreeSize(size), proof, root)
            };
            assert_eq!(verify(leaf(index), index, size, &proof, root), Ok(()));

            for bad in tampered(&proof, root) {
                assert!(
                    verify(leaf(index), index, size, &bad, root).is_err(),
                    "{index} of {size}"
                );
            }
            for bad in flips(root).chain([Hash::EMPTY_ROOT]) {
                assert!(matches!(
                    verify(leaf(index), index, size, &proof, bad),
                    Err(VerifyError::RootMismatch { .. })
                ));
            }
            for bad in flips(leaf(index)) {
                assert!(verify(bad, index, size, &proof, root).is_err());
            }
            for other in (0..size + 40).chain([u64::MAX]).filter(|other| *other != index) {
                assert!(
                    verify(leaf(index), other, size, &proof, root).is_err(),
                    "{index} as {other} of {size}"
                );
            }
            // A size changes the computation only where it changes the shape of the path; the checkpoint binds it.
            let own = shape(&reference.path(index as usize, 0, size as usize));
            for other in (0..size + 90).filter(|other| *other != size) {
                let same = other > index && shape(&reference.path(index as usize, 0, other as usize)) == own;
                let verified = verify(leaf(index), index, other, &proof, root).is_ok();
                assert_eq!(verified, same, "{index} of {size} as of {other}");
            }
        }
    }
}

#[test]
fn a_tampered_consistency_proof_fails() {
    let (stored, mut reference) = (stored(), reference());
    for (old, new) in SIZES
        .iter()
        .flat_map(|new| SIZES.iter().map(move |old| (*old, *new)))
        .filter(|(old, new)| old <= new)
    {
        let root = |size| root_at(TreeSize(size), &stored).unwrap();
        let (old_root, new_root) = (root(old), root(new));
        let proof = consistency_proof(TreeSize(old), TreeSize(new), &stored).unwrap();
        let verify = |old, old_root, new, new_root, proof: &[Hash]| {
            verify_consistency(TreeSize(old), old_root, TreeSize(new), new_root, proof)
        };
        assert_eq!(verify(old, old_root, new, new_root, &proof), Ok(()));

        for bad in tampered(&proof, new_root) {
            assert!(verify(old, old_root, new, new_root, &bad).is_err(), "{old} to {new}");
        }
        for bad in flips(old_root).chain([Hash::EMPTY_ROOT]) {
            assert!(verify(old, bad, new, new_root, &proof).is_err());
        }
        for bad in flips(new_root).chain([Hash::EMPTY_ROOT]) {
            assert!(matches!(
                verify(old, old_root, new, bad, &proof),
                Err(VerifyError::RootMismatch { .. })
            ));
        }
        if old < new {
            assert!(verify(old, new_root, new, old_root, &proof).is_err(), "roots exchanged");
        }
        assert!(
            new == old || verify(new, new_root, old, old_root, &proof).is_err(),
            "order exchanged"
        );
        // As above: a size is bound as far as the shape of the proof depends on it.
        let own = shape(&reference.proof(old as usize, new as usize));
        let mut same =
            |old: u64, new: u64| 0 < old && old <= new && shape(&reference.proof(old as usize, new as usize)) == own;
        for other in (0..new + 40).filter(|other| *other != old) {
            let verified = verify(other, old_root, new, new_root, &proof).is_ok();
            assert_eq!(
                verified,
                other != new && old != new && same(other, new),
                "{old} as {other} to {new}"
            );
        }
        for other in (0..new + 90).filter(|other| *other != new) {
            let verified = verify(old, old_root, other, new_root, &proof).is_ok();
            assert_eq!(verified, old != other && same(old, other), "{old} to {new} as {other}");
        }
    }
}

#[test]
fn refusals_say_why() {
    let (index, size, root) = (LeafIndex(2), TreeSize(2), leaf(0));
    assert_eq!(
        verify_inclusion(root, index, size, &[], root),
        Err(VerifyError::IndexOutOfRange { index, size })
    );
    assert_eq!(
        verify_inclusion(root, LeafIndex(0), size, &[], root),
        Err(VerifyError::TooShort(0))
    );
    assert_eq!(
        verify_inclusion(root, LeafIndex(0), size, &[root; 2], root),
        Err(VerifyError::TooLong(2))
    );
    let (old, new) = (TreeSize(3), TreeSize(2));
    assert_eq!(
        verify_consistency(old, root, new, root, &[]),
        Err(VerifyError::SizesOutOfOrder { old, new })
    );
    assert_eq!(
        verify_consistency(TreeSize(0), Hash::EMPTY_ROOT, new, root, &[]),
        Err(VerifyError::EmptyTree)
    );
    assert_eq!(
        verify_consistency(new, root, old, root, &[]),
        Err(VerifyError::TooShort(0))
    );
    assert_eq!(
        verify_consistency(old, root, old, root, &[root]),
        Err(VerifyError::TooLong(1))
    );
}

proptest! {
    /// Hostile input of any shape is refused, not crashed upon.
    #[test]
    fn nonsense_is_refused(
        (a, b) in any::<(u64, u64)>(),
        shifts in (0..64, 0..64),
        proof in prop::collection::vec(any::<[u8; 32]>().prop_map(Hash), 0..70),
        root in any::<[u8; 32]>().prop_map(Hash),
    ) {
        let (a, b) = (a >> shifts.0, b >> shifts.1);
        prop_assert!(verify_inclusion(leaf(0), LeafIndex(a), TreeSize(b), &proof, root).is_err());
        prop_assert!(verify_consistency(TreeSize(a), leaf(0), TreeSize(b), root, &proof).is_err());
    }
}
