//! A4: source offsets and leaves are in bijection. One bit for each offset seen, so that ten million take a megabyte.

use std::collections::{BTreeMap, HashMap};

use super::Defect;
use crate::database::Database;
use crate::error::StoreError;
use crate::log::positions;
use crate::names::KafkaPartition;

/// Offsets seen in leaves, by partition.
#[derive(Default)]
pub(super) struct Offsets {
    seen: HashMap<KafkaPartition, Seen>,
}

#[derive(Default)]
struct Seen {
    /// 64 offsets a word, 4096 a page.
    pages: BTreeMap<u64, Box<[u64; 64]>>,
    first: u64,
    last: u64,
}

impl Offsets {
    /// Takes note of a leaf's offset; says what is wrong when it was seen before.
    pub(super) fn insert(&mut self, partition: KafkaPartition, offset: u64) -> Option<String> {
        let seen = self.seen.entry(partition).or_insert_with(|| Seen {
            first: offset,
            last: offset,
            ..Seen::default()
        });
        seen.first = seen.first.min(offset);
        seen.last = seen.last.max(offset);
        let page = seen.pages.entry(offset >> 12).or_insert_with(|| Box::new([0; 64]));
        let word = page.get_mut((offset >> 6 & 63) as usize)?;
        let bit = 1 << (offset & 63);
        let twice = *word & bit != 0;
        *word |= bit;
        twice.then(|| format!("offset {offset} of its partition is a leaf twice"))
    }

    /// Compares what was seen with positions and gaps.
    pub(super) fn compare(&self, database: &Database, defects: &mut Vec<Defect>) -> Result<(), StoreError> {
        let mut found = |reason| {
            defects.push(Defect {
                log: None,
                index: None,
                reason,
            })
        };
        let positions = positions::all(database)?;
        for (partition, position, _) in &positions {
            let Some(seen) = self.seen.get(partition) else {
                if position.last.is_some() {
                    found(format!(
                        "{partition} has a last record, and none of its records are here"
                    ));
                }
                continue;
            };
            if seen.first < position.first || seen.last >= position.next {
                let (from, to) = (position.first, position.next);
                found(format!(
                    "{partition} was read from {from} to {to}, and its leaves are of {} to {}",
                    seen.first, seen.last
                ));
            }
            if position.last.as_ref().is_none_or(|last| last.offset != seen.last) {
                found(format!(
                    "the last record of {partition} is that of offset {}, and its position says another",
                    seen.last
                ));
            }
        }
        for partition in self
            .seen
            .keys()
            .filter(|partition| !positions.iter().any(|(known, ..)| known == *partition))
        {
            found(format!("{partition} has records here, and no position"));
        }
        for gap in positions::gaps(database)? {
            let Some(seen) = self.seen.get(&gap.partition) else {
                continue;
            };
            if let Some(offset) = seen.first_within(gap.from, gap.to) {
                found(format!(
                    "offset {offset} of {} is a leaf, and lies in a gap from {} to {}",
                    gap.partition, gap.from, gap.to
                ));
            }
        }
        Ok(())
    }
}

impl Seen {
    /// The first offset seen in `[from, to)`.
    fn first_within(&self, from: u64, to: u64) -> Option<u64> {
        let pages = self.pages.range(from >> 12..);
        let words = pages.flat_map(|(page, words)| {
            (0_u64..)
                .zip(words.iter())
                .map(move |(word, bits)| (page << 12 | word << 6, bits))
        });
        let offsets = words.flat_map(|(base, bits)| {
            (0..64)
                .filter(move |bit| bits >> bit & 1 == 1)
                .map(move |bit| base + bit)
        });
        offsets
            .into_iter()
            .find(|offset| *offset >= from)
            .filter(|offset| *offset < to)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_offset_seen_twice_is_told_and_gaps_are_looked_through() {
        let partition = KafkaPartition {
            cluster: "c".into(),
            topic: "t".into(),
            partition: 0,
        };
        let mut offsets = Offsets::default();
        for offset in [0, 63, 64, 4095, 4096, 1 << 40] {
            assert_eq!(offsets.insert(partition.clone(), offset), None);
            assert!(offsets.insert(partition.clone(), offset).is_some(), "{offset}");
        }
        let seen = &offsets.seen[&partition];
        assert_eq!((seen.first, seen.last), (0, 1 << 40));
        assert_eq!(seen.first_within(1, 63), None);
        assert_eq!(seen.first_within(1, 64), Some(63));
        assert_eq!(seen.first_within(65, 1 << 40), Some(4095));
        assert_eq!(seen.first_within(4097, 1 << 40), None);
    }
}
