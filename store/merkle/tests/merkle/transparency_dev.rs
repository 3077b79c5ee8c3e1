//! The proofs, good and bad, that transparency-dev/merkle publishes for all implementations: 518 cases, of which 471 are
//! within RFC 6962.

use serde::Deserialize;
use verdict_merkle::{Hash, LeafIndex, TreeSize, leaf_hash, verify_consistency, verify_inclusion};

use crate::known_answers::{bytes, vectors};

/// Some cases have text such as "don't care 2" for a root, or nothing. Our type has no place for that: a hash of it
/// stands in, alike where the text is alike, so that the refusal must come from the verifier.
fn stand_in(base64: &str) -> Hash {
    Hash::from_slice(&bytes(base64)).unwrap_or_else(|_| leaf_hash(base64.as_bytes()))
}

fn proof(base64: &Option<Vec<String>>) -> Vec<Hash> {
    base64.iter().flatten().map(|hash| stand_in(hash)).collect()
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Inclusion {
    name: String,
    leaf_idx: u64,
    tree_size: u64,
    root: String,
    leaf_hash: String,
    proof: Option<Vec<String>>,
    want_err: bool,
}

impl Inclusion {
    fn check(&self) {
        // A leaf that is no hash can not even be asked about.
        let verified = Hash::from_slice(&bytes(&self.leaf_hash)).is_ok_and(|leaf| {
            let (index, size) = (LeafIndex(self.leaf_idx), TreeSize(self.tree_size));
            verify_inclusion(leaf, index, size, &proof(&self.proof), stand_in(&self.root)).is_ok()
        });
        assert_eq!(verified, !self.want_err, "{}", self.name);
    }
}

#[derive(Deserialize)]
struct Consistency {
    name: String,
    size1: u64,
    size2: u64,
    root1: String,
    root2: String,
    proof: Option<Vec<String>>,
    #[serde(rename = "wantErr")]
    want_err: bool,
}

impl Consistency {
    fn check(&self) {
        let ((old, new), (old_root, new_root)) = (
            (TreeSize(self.size1), TreeSize(self.size2)),
            (stand_in(&self.root1), stand_in(&self.root2)),
        );
        let verified = verify_consistency(old, old_root, new, new_root, &proof(&self.proof)).is_ok();
        assert_eq!(verified, !self.want_err, "{}", self.name);
    }
}

#[test]
fn transparency_dev_inclusion() {
    let cases: Vec<Inclusion> = vectors("inclusion");
    cases.iter().for_each(Inclusion::check);
    assert_eq!(cases.len(), 98);
}

#[test]
fn transparency_dev_consistency() {
    let cases: Vec<Consistency> = vectors("consistency");
    cases.iter().for_each(Consistency::check);
    assert_eq!(cases.len(), 98);
}

/// A subtree of leaves `start..end` is a tree of its own, if it begins at a multiple of the next power of two. Ranges
/// that are no such subtree are the matter of another specification, which this package does not implement.
#[test]
fn transparency_dev_subtree_inclusion() {
    #[derive(Deserialize)]
    #[serde(rename_all = "camelCase")]
    struct Case {
        name: String,
        leaf_idx: u64,
        start: u64,
        end: u64,
        root: String,
        leaf_hash: String,
        proof: Option<Vec<String>>,
        want_err: bool,
    }
    let cases: Vec<Case> = vectors("subtree-inclusion");
    assert_eq!(cases.len(), 204);
    let mut checked = 0;
    for case in cases {
        let is_subtree = case.start < case.end
            && (case.end - case.start)
                .checked_next_power_of_two()
                .is_some_and(|span| case.start % span == 0);
        if !is_subtree || case.leaf_idx < case.start {
            assert!(case.want_err, "{}", case.name);
            continue;
        }
        let Case {
            name,
            leaf_hash,
            root,
            proof,
            want_err,
            ..
        } = case;
        let (leaf_idx, tree_size) = (case.leaf_idx - case.start, case.end - case.start);
        Inclusion {
            name,
            leaf_idx,
            tree_size,
            root,
            leaf_hash,
            proof,
            want_err,
        }
        .check();
        checked += 1;
    }
    assert_eq!(checked, 184);
}

/// A subtree that begins at leaf 0 and is not empty is an earlier tree: an ordinary consistency proof.
#[test]
fn transparency_dev_subtree_consistency() {
    #[derive(Deserialize)]
    struct Case {
        name: String,
        start: u64,
        end: u64,
        size: u64,
        root1: String,
        root2: String,
        proof: Option<Vec<String>>,
        #[serde(rename = "wantErr")]
        want_err: bool,
    }
    let cases: Vec<Case> = vectors("subtree-consistency");
    assert_eq!(cases.len(), 118);
    let mut checked = 0;
    for case in cases.into_iter().filter(|case| case.start == 0 && case.end > 0) {
        let Case {
            name,
            end: size1,
            size: size2,
            root1,
            root2,
            proof,
            want_err,
            ..
        } = case;
        Consistency {
            name,
            size1,
            size2,
            root1,
            root2,
            proof,
            want_err,
        }
        .check();
        checked += 1;
    }
    assert_eq!(checked, 91);
}
