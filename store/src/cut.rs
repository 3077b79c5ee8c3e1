//! Cuts of one log: so many records, as understood by so many steps (E3).
//!
//! A log is understood step by step: each record is a step when it comes, in index order. One whose schema is not known
//! then is understood later, by a step of its own that comes out of turn. So a cut is two numbers: how many records it
//! holds, and how many of these later steps. What a late step says displaces nothing that was there before, and a cut
//! from before it does not see it: the same cut is the same answer for ever (A6).

use verdict_merkle::{LeafIndex, TreeSize};

/// How much of a log an answer is made from.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct LogCut {
    /// The first so many records.
    pub size: TreeSize,
    /// So many of the steps by which records of it were understood late.
    pub late: u64,
}

impl LogCut {
    /// The view position: how many steps there were.
    pub fn steps(self) -> u64 {
        self.size.0.saturating_add(self.late)
    }

    /// Does it hold what the record at `index` says, which was understood late by that step, or when it came?
    pub(crate) fn sees(self, index: LeafIndex, late: Option<Late>) -> bool {
        match late {
            None => self.size.contains(index),
            Some(late) => late.step < self.steps(),
        }
    }
}

/// A step out of turn.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Late {
    /// Its number among all steps of the log, from 0.
    pub(crate) step: u64,
    /// How many records had come before it.
    pub(crate) passed: u64,
}

impl Late {
    pub(crate) const BYTES: usize = 16;

    pub(crate) fn encode(self) -> [u8; Self::BYTES] {
        let mut bytes = [0; Self::BYTES];
        let (step, passed) = bytes.split_at_mut(8);
        step.copy_from_slice(&self.step.to_be_bytes());
        passed.copy_from_slice(&self.passed.to_be_bytes());
        bytes
    }

    pub(crate) fn decode(bytes: &[u8; Self::BYTES]) -> Self {
        let (step, passed) = bytes.split_at(8);
        let number = |half: &[u8]| half.iter().fold(0, |number, byte| number << 8 | u64::from(*byte));
        Self {
            step: number(step),
            passed: number(passed),
        }
    }
}

/// The order in which records were understood: by (records that came before, out of turn first, step).
pub(crate) fn turn(index: LeafIndex, late: Option<Late>) -> (u64, bool, u64) {
    match late {
        None => (index.0, true, 0),
        Some(late) => (late.passed, false, late.step),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_late_step_stands_between_the_records_that_came_before_it_and_those_after() {
        let late = Late { step: 7, passed: 5 };
        assert_eq!(Late::decode(&late.encode()), late);
        let order = [
            turn(LeafIndex(4), None),
            turn(LeafIndex(1), Some(late)),
            turn(LeafIndex(0), Some(Late { step: 8, passed: 5 })),
            turn(LeafIndex(5), None),
        ];
        assert!(order.is_sorted());
        let cut = |size, late| LogCut {
            size: TreeSize(size),
            late,
        };
        assert!(!cut(5, 2).sees(LeafIndex(1), Some(late)) && cut(5, 3).sees(LeafIndex(1), Some(late)));
        assert!(cut(5, 0).sees(LeafIndex(4), None) && !cut(5, 9).sees(LeafIndex(5), None));
    }
}
