//! Checking proofs, with no tiles and no trust: the algorithms of RFC 9162 sections 2.1.3.2 and 2.1.4.2, which check
//! the proofs of RFC 6962 sections 2.1.1 and 2.1.2 (the trees are the same; the older text gives no algorithm).
//!
//! What a proof binds: a leaf hash and a position, or two roots and the old size, to a root. It binds the size of the
//! tree only as far as the shape of the path depends on it (leaf 0 has the same path shape in trees of 5 to 8 leaves).
//! Root and size must come together from one signed checkpoint.

use crate::{Hash, LeafIndex, TreeSize, node_hash};

/// Why a proof proves nothing.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum VerifyError {
    /// No tree of that size has that leaf.
    #[error("index {index} is not in a tree of size {size}")]
    IndexOutOfRange {
        /// The leaf claimed to be included.
        index: LeafIndex,
        /// The size of the tree claimed to include it.
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
    /// The earlier tree has no leaf, so that there is nothing to be consistent with.
    #[error("consistency with an empty tree proves nothing")]
    EmptyTree,
    /// The proof ends before it reaches the root.
    #[error("the proof is too short with {0} hashes")]
    TooShort(usize),
    /// The proof goes on past the root.
    #[error("the proof is too long with {0} hashes")]
    TooLong(usize),
    /// The proof leads to another root than that of the tree (of the later tree, for consistency).
    #[error("the proof leads to root `{computed}`, not to `{expected}`")]
    RootMismatch {
        /// What the proof yields.
        computed: Hash,
        /// What it should yield.
        expected: Hash,
    },
    /// The proof leads to another root than that of the earlier tree.
    #[error("the proof leads to the earlier root `{computed}`, not to `{expected}`")]
    OldRootMismatch {
        /// What the proof yields.
        computed: Hash,
        /// What it should yield.
        expected: Hash,
    },
}

/// Checks that the leaf with hash `leaf` stands at `index` in the tree of `size` leaves with root `root`
/// (RFC 9162 section 2.1.3.2, for a proof of RFC 6962 section 2.1.1).
///
/// # Errors
/// [`VerifyError`], when that is not proved.
pub fn verify_inclusion(
    leaf: Hash,
    index: LeafIndex,
    size: TreeSize,
    proof: &[Hash],
    root: Hash,
) -> Result<(), VerifyError> {
    if !size.contains(index) {
        return Err(VerifyError::IndexOutOfRange { index, size });
    }
    let mut climb = Climb {
        node: index.0,
        last: size.0 - 1,
    };
    let mut computed = leaf;
    for sibling in proof {
        computed = match climb.step().ok_or(VerifyError::TooLong(proof.len()))? {
            Sibling::Left => node_hash(*sibling, computed),
            Sibling::Right => node_hash(computed, *sibling),
        };
    }
    climb.finish(proof)?;
    expect_root(computed, root)
}

/// Checks that the tree of `new_size` leaves with root `new_root` begins with the tree of `old_size` leaves with root
/// `old_root`: nothing of it was changed, removed or inserted (RFC 9162 section 2.1.4.2, for a proof of RFC 6962
/// section 2.1.2).
///
/// Equal sizes need equal roots and an empty proof. An `old_size` of 0 is refused.
///
/// # Errors
/// [`VerifyError`], when that is not proved.
pub fn verify_consistency(
    old_size: TreeSize,
    old_root: Hash,
    new_size: TreeSize,
    new_root: Hash,
    proof: &[Hash],
) -> Result<(), VerifyError> {
    if old_size > new_size {
        return Err(VerifyError::SizesOutOfOrder {
            old: old_size,
            new: new_size,
        });
    }
    if old_size.0 == 0 {
        return Err(VerifyError::EmptyTree);
    }
    if old_size == new_size {
        return match proof.len() {
            0 => expect_root(old_root, new_root),
            length => Err(VerifyError::TooLong(length)),
        };
    }
    // The climb begins at the largest complete subtree that ends where the old tree ends. Its hash is the first of the
    // proof, unless it is the whole old tree, whose hash the verifier has.
    let height = old_size.0.trailing_zeros();
    let mut climb = Climb {
        node: (old_size.0 - 1) >> height,
        last: (new_size.0 - 1) >> height,
    };
    let (seed, siblings) = if old_size.0.is_power_of_two() {
        (old_root, proof)
    } else {
        let (first, rest) = proof.split_first().ok_or(VerifyError::TooShort(0))?;
        (*first, rest)
    };
    let (mut old, mut new) = (seed, seed);
    for sibling in siblings {
        match climb.step().ok_or(VerifyError::TooLong(proof.len()))? {
            Sibling::Left => {
                old = node_hash(*sibling, old);
                new = node_hash(*sibling, new);
            }
            // What stands to the right came after the old tree.
            Sibling::Right => new = node_hash(new, *sibling),
        }
    }
    climb.finish(proof)?;
    if old != old_root {
        return Err(VerifyError::OldRootMismatch {
            computed: old,
            expected: old_root,
        });
    }
    expect_root(new, new_root)
}

/// On which side the next hash of a proof stands.
enum Sibling {
    Left,
    Right,
}

/// The way from a node up to the root: `fn` and `sn` of RFC 9162, both counted at the height reached.
struct Climb {
    /// The position of the node reached, among those of its height.
    node: u64,
    /// The position of the last node of that height, complete or not; 0 at the root.
    last: u64,
}

impl Climb {
    /// One sibling further up; none when the root is reached already.
    fn step(&mut self) -> Option<Sibling> {
        if self.last == 0 {
            return None;
        }
        let side = if self.node & 1 == 1 {
            Sibling::Left
        } else if self.node == self.last {
            // The last node without a sibling rises as it is, up to where it is a right child.
            let rise = self.node.trailing_zeros();
            self.node >>= rise;
            self.last >>= rise;
            Sibling::Left
        } else {
            Sibling::Right
        };
        self.node >>= 1;
        self.last >>= 1;
        Some(side)
    }

    fn finish(&self, proof: &[Hash]) -> Result<(), VerifyError> {
        match self.last {
            0 => Ok(()),
            _ => Err(VerifyError::TooShort(proof.len())),
        }
    }
}

fn expect_root(computed: Hash, expected: Hash) -> Result<(), VerifyError> {
    if computed == expected {
        Ok(())
    } else {
        Err(VerifyError::RootMismatch { computed, expected })
    }
}
