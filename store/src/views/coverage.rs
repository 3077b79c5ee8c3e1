//! Which sequence numbers of a source were seen, and which are missing, in a row that stays small.

use super::source_stats::{option, put_option};
use crate::layout::{Damaged, Reader, put_bytes, put_varint};

/// Which sequence numbers of one incarnation of a source were seen.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Coverage {
    /// The incarnation; empty where events name none.
    pub incarnation: String,
    /// Runs seen, `[from, to)`, ascending and apart. What lies between two is a gap.
    pub runs: Vec<(u64, u64)>,
    /// Numbers seen more than once.
    pub repeated: u64,
    /// Numbers missing in gaps that are no longer listed one by one: there were too many.
    pub missing_before: u64,
    /// The last number that the emitter says it used (`agent_retired`).
    pub final_sequence: Option<u64>,
}

impl Coverage {
    /// So many runs are listed; a source with more gaps has its oldest ones only counted, so that a row stays small.
    pub const MAX_RUNS: usize = 64;

    /// Numbers that were never seen, among those that should have been.
    pub fn missing(&self) -> u64 {
        let gaps = self.runs.windows(2).map(|pair| match pair {
            [(_, end), (start, _)] => start - end,
            _ => 0,
        });
        let after = match (self.final_sequence, self.runs.last()) {
            (Some(last), Some((_, to))) => last.saturating_add(1).saturating_sub(*to),
            _ => 0,
        };
        gaps.fold(self.missing_before.saturating_add(after), u64::saturating_add)
    }

    /// The gaps listed, `[from, to)`.
    pub fn gaps(&self) -> impl Iterator<Item = (u64, u64)> + '_ {
        self.runs.windows(2).filter_map(|pair| match pair {
            [(_, end), (start, _)] => Some((*end, *start)),
            _ => None,
        })
    }

    /// Takes in what [`SourceStats::take`] gave.
    pub(crate) fn take(&mut self, (sequence, last): (Option<u64>, Option<u64>)) {
        if let Some(number) = sequence {
            self.insert(number);
        }
        self.final_sequence = self.final_sequence.max(last);
    }

    fn insert(&mut self, number: u64) {
        // u64::MAX has no successor; no schema allows it (a count is at most i64::MAX).
        let next = number.saturating_add(1);
        let place = self.runs.partition_point(|(_, to)| *to < number);
        match self.runs.get_mut(place) {
            // The run ends just before it: the usual case, at the end.
            Some(run) if run.1 == number => {
                run.1 = next;
                self.join(place);
            }
            Some(run) if run.0 <= number => self.repeated += 1,
            Some(run) if run.0 == next => run.0 = number,
            _ if place == 0 && self.missing_before > 0 => {
                // Before everything listed, where gaps are only counted: it fills one of them.
                self.missing_before -= 1;
            }
            _ => {
                self.runs.insert(place, (number, next));
                if self.runs.len() > Self::MAX_RUNS {
                    self.forget_oldest_gap();
                }
            }
        }
    }

    fn join(&mut self, place: usize) {
        if let (Some(run), Some(following)) = (self.runs.get(place).copied(), self.runs.get(place + 1).copied())
            && run.1 == following.0
        {
            self.runs.remove(place + 1);
            if let Some(run) = self.runs.get_mut(place) {
                run.1 = following.1;
            }
        }
    }

    fn forget_oldest_gap(&mut self) {
        if let (Some(first), Some(second)) = (self.runs.first().copied(), self.runs.get(1).copied()) {
            self.missing_before += second.0 - first.1;
            // What lies below is no longer told apart: the listing begins with the second run.
            self.runs.remove(0);
        }
    }

    pub(crate) fn encode(&self) -> Vec<u8> {
        let mut out = Vec::with_capacity(40 + self.incarnation.len() + 16 * self.runs.len());
        put_bytes(&mut out, self.incarnation.as_bytes());
        put_varint(&mut out, self.repeated);
        put_varint(&mut out, self.missing_before);
        put_option(&mut out, self.final_sequence);
        for (from, to) in &self.runs {
            put_varint(&mut out, *from);
            put_varint(&mut out, *to);
        }
        out
    }

    pub(crate) fn decode(bytes: &[u8]) -> Result<Self, Damaged> {
        let mut reader = Reader::new(bytes);
        let mut coverage = Self {
            incarnation: reader.text()?.to_owned(),
            repeated: reader.varint()?,
            missing_before: reader.varint()?,
            final_sequence: option(&mut reader)?,
            runs: Vec::new(),
        };
        while reader.left() > 0 {
            coverage.runs.push((reader.varint()?, reader.varint()?));
        }
        Ok(coverage)
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use proptest::prelude::*;

    use super::*;

    #[test]
    fn a_source_with_endless_gaps_keeps_a_small_row_that_still_counts_them() {
        let mut coverage = Coverage::default();
        for number in 0..1000 {
            coverage.insert(number * 3);
        }
        assert_eq!(coverage.runs.len(), Coverage::MAX_RUNS);
        assert_eq!(coverage.missing(), 2 * 999);
        coverage.final_sequence = Some(3000);
        assert_eq!(coverage.missing(), 2 * 999 + 3);
        assert_eq!(Coverage::decode(&coverage.encode()).unwrap(), coverage);
    }

    proptest! {
        #[test]
        fn coverage_is_the_set_of_numbers_seen(numbers in proptest::collection::vec(0u64..60, 0..80)) {
            let mut coverage = Coverage::default();
            let mut set = BTreeSet::new();
            let mut repeated = 0;
            for number in numbers {
                coverage.insert(number);
                repeated += u64::from(!set.insert(number));
            }
            let seen: Vec<u64> = coverage.runs.iter().flat_map(|(from, to)| *from..*to).collect();
            prop_assert_eq!(&seen, &set.iter().copied().collect::<Vec<_>>());
            prop_assert_eq!(coverage.repeated, repeated);
            let span = set.last().map_or(0, |last| last - set.first().unwrap() + 1);
            prop_assert_eq!(coverage.missing(), span - set.len() as u64);
            prop_assert!(coverage.runs.windows(2).all(|pair| pair[0].1 < pair[1].0));
            prop_assert_eq!(Coverage::decode(&coverage.encode()).unwrap(), coverage);
        }
    }
}
