//! Where each partition is read from, decided by comparing what the store holds with what the broker has.
//!
//! | store holds up to | broker has | then |
//! |---|---|---|
//! | nothing | `[low, high)` | read from `low`; a gap `[0, low)` if `low` > 0 |
//! | `next` | `low <= next <= high` | read the last record stored again, compare, go on after it |
//! | `next` | `low > next` | retention took `[next, low)`: a recorded gap, read from `low` |
//! | `next` | `high < next` | refused: the topic was made anew, or an unclean leader lost its end |

use std::time::Duration;

use rdkafka::consumer::{BaseConsumer, Consumer as _, ConsumerContext};
use verdict_schemas::Timestamp;
use verdict_store::{Gap, KafkaPartition, LastStored, Position};

use super::error::StartError;

pub(super) const TIMEOUT: Duration = Duration::from_secs(15);

/// Where to begin with a partition.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Resume {
    pub(super) partition: KafkaPartition,
    /// The offset to fetch first.
    pub(super) offset: u64,
    /// The record that must be there, if one was stored and is still held.
    pub(super) verify: Option<LastStored>,
    /// What the broker lost meanwhile.
    pub(super) gap: Option<Gap>,
}

/// The plan for one partition.
pub(super) fn plan<C: ConsumerContext>(
    consumer: &BaseConsumer<C>,
    partition: KafkaPartition,
    held: Option<Position>,
    now: Timestamp,
) -> Result<Resume, StartError> {
    let number = partition.partition.cast_signed();
    let (low, high) = consumer.fetch_watermarks(&partition.topic, number, TIMEOUT)?;
    decide(
        partition,
        held,
        low.max(0).cast_unsigned(),
        high.max(0).cast_unsigned(),
        now,
    )
}

fn decide(
    partition: KafkaPartition,
    held: Option<Position>,
    low: u64,
    high: u64,
    now: Timestamp,
) -> Result<Resume, StartError> {
    let gap = |from, reason: &str| {
        let (partition, reason) = (partition.clone(), reason.to_owned());
        (from < low).then_some(Gap {
            partition,
            from,
            to: low,
            reason,
            noticed_at: now,
        })
    };
    let Some(held) = held else {
        let gap = gap(0, "retention took them before this node first read the partition");
        return Ok(Resume {
            partition,
            offset: low,
            verify: None,
            gap,
        });
    };
    if high < held.next {
        return Err(StartError::Recreated {
            partition: partition.to_string(),
            reason: format!("it ends at offset {high}, and {} were read from it", held.next),
        });
    }
    if held.next < low {
        let gap = gap(held.next, "retention took them before they were read");
        return Ok(Resume {
            partition,
            offset: low,
            verify: None,
            gap,
        });
    }
    let verify = held.last.filter(|last| last.offset >= low);
    let offset = verify.as_ref().map_or(held.next, |last| last.offset);
    Ok(Resume {
        partition,
        offset,
        verify,
        gap: None,
    })
}

#[cfg(test)]
mod tests {
    use verdict_store::{LeafIndex, LogName};

    use super::*;

    fn partition() -> KafkaPartition {
        KafkaPartition {
            cluster: "c".into(),
            topic: "t".into(),
            partition: 3,
        }
    }

    fn held(next: u64, last: u64) -> Option<Position> {
        let log = LogName::Unrouted(3);
        let last = LastStored {
            offset: last,
            log,
            index: LeafIndex(7),
            digest: [1; 32],
        };
        Some(Position {
            first: 0,
            next,
            broker_time: None,
            last: Some(last),
        })
    }

    fn at(held: Option<Position>, low: u64, high: u64) -> Result<Resume, StartError> {
        decide(partition(), held, low, high, Timestamp::MIN)
    }

    #[test]
    fn the_truth_table() {
        let begun = at(None, 0, 10).unwrap();
        assert_eq!((begun.offset, begun.verify, begun.gap), (0, None, None));

        let late = at(None, 4, 10).unwrap();
        assert_eq!((late.offset, late.gap.map(|g| (g.from, g.to))), (4, Some((0, 4))));

        // The last record is read again, although markers lie between it and the next offset.
        let resumed = at(held(8, 5), 0, 10).unwrap();
        assert_eq!(
            (resumed.offset, resumed.verify.map(|v| v.offset), resumed.gap),
            (5, Some(5), None)
        );

        // It was taken by retention, but nothing after it: nothing is lost.
        let trimmed = at(held(8, 5), 6, 10).unwrap();
        assert_eq!((trimmed.offset, trimmed.verify, trimmed.gap), (8, None, None));

        let lost = at(held(8, 5), 9, 10).unwrap();
        assert_eq!(
            (lost.offset, lost.verify, lost.gap.map(|g| (g.from, g.to))),
            (9, None, Some((8, 9)))
        );

        assert!(matches!(at(held(8, 5), 0, 7), Err(StartError::Recreated { .. })));
        assert_eq!(at(held(8, 5), 0, 8).unwrap().offset, 5);
    }
}
