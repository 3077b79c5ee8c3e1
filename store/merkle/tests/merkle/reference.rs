//! RFC 6962 section 2.1 written literally, over the list of leaf hashes: slow, and with nothing of the package in it
//! but its hash type.
//!
//! One liberty: `MTH` of a range is remembered, or comparing thousands of proofs would take hours.

use std::collections::HashMap;

use sha2::{Digest, Sha256};
use verdict_merkle::Hash;

/// One step of a proof, as the RFC's recursion makes it: which side the hash was pushed for, and the hash.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Step {
    /// `MTH(D[0:k])`, a left sibling.
    Left(Hash),
    /// `MTH(D[k:n])`, a right sibling.
    Right(Hash),
    /// `MTH(D[m])`, the subtree where a consistency proof begins.
    Seed(Hash),
}

impl Step {
    pub(crate) fn hash(self) -> Hash {
        let (Step::Left(hash) | Step::Right(hash) | Step::Seed(hash)) = self;
        hash
    }

    /// The same step of another tree: two proofs with equal shapes are checked by equal computations.
    pub(crate) fn shape(self) -> char {
        match self {
            Step::Left(_) => 'l',
            Step::Right(_) => 'r',
            Step::Seed(_) => 's',
        }
    }
}

/// A list of leaves, `D` of the RFC, by their hashes.
pub(crate) struct Reference {
    leaves: Vec<Hash>,
    known: HashMap<(usize, usize), Hash>,
}

impl Reference {
    pub(crate) fn new(leaves: Vec<Hash>) -> Reference {
        Reference {
            leaves,
            known: HashMap::new(),
        }
    }

    /// Section 2.1: `MTH(D[start:end])`.
    pub(crate) fn mth(&mut self, start: usize, end: usize) -> Hash {
        if start == end {
            return Hash(Sha256::digest([]).into());
        }
        let n = end - start;
        if n == 1 {
            return self.leaves[start];
        }
        if let Some(hash) = self.known.get(&(start, end)) {
            return *hash;
        }
        let k = k(n);
        let (left, right) = (self.mth(start, start + k), self.mth(start + k, end));
        let hash = Hash(
            Sha256::new()
                .chain_update([1])
                .chain_update(left.0)
                .chain_update(right.0)
                .finalize()
                .into(),
        );
        self.known.insert((start, end), hash);
        hash
    }

    /// Section 2.1.1: `PATH(m, D[start:end])`, `m` counted from `start`.
    pub(crate) fn path(&mut self, m: usize, start: usize, end: usize) -> Vec<Step> {
        let n = end - start;
        if n == 1 {
            return vec![];
        }
        let k = k(n);
        if m < k {
            let mut path = self.path(m, start, start + k);
            path.push(Step::Right(self.mth(start + k, end)));
            path
        } else {
            let mut path = self.path(m - k, start + k, end);
            path.push(Step::Left(self.mth(start, start + k)));
            path
        }
    }

    /// Section 2.1.2: `PROOF(m, D[n])`, for `0 < m <= n`.
    pub(crate) fn proof(&mut self, m: usize, n: usize) -> Vec<Step> {
        self.subproof(m, 0, n, true)
    }

    fn subproof(&mut self, m: usize, start: usize, end: usize, b: bool) -> Vec<Step> {
        let n = end - start;
        if m == n {
            return if b {
                vec![]
            } else {
                vec![Step::Seed(self.mth(start, end))]
            };
        }
        let k = k(n);
        if m <= k {
            let mut proof = self.subproof(m, start, start + k, b);
            proof.push(Step::Right(self.mth(start + k, end)));
            proof
        } else {
            let mut proof = self.subproof(m - k, start + k, end, false);
            proof.push(Step::Left(self.mth(start, start + k)));
            proof
        }
    }
}

/// "the largest power of two smaller than n (i.e., k < n <= 2k)"
fn k(n: usize) -> usize {
    let mut k = 1;
    while 2 * k < n {
        k *= 2;
    }
    k
}
