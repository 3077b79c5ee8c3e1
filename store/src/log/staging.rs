//! What one batch writes, as it is gathered: [`crate::log::sequence`] fills it, [`crate::log::commit`] writes it.

use std::collections::BTreeMap;
use std::sync::{Arc, OnceLock};

use verdict_merkle::LeafIndex;
use verdict_schemas::Timestamp;

use crate::incoming::{AppendReceipt, Appended, Gap, RawTimeKind};
use crate::log::queue::Answer;
use crate::names::{KafkaPartition, LogId, LogName, SourcePosition};
use crate::record::{Record, Sequenced};

/// A group after its records were sequenced.
pub(super) struct Staged {
    pub(super) answer: Answer,
    pub(super) results: Vec<Appended>,
    pub(super) logs: Vec<LogId>,
    /// Where to say that they are durable; `None` for Kafka's, who wait for no more.
    pub(super) durable: Option<Arc<OnceLock<AppendReceipt>>>,
}

/// What a batch writes and hands on.
#[derive(Default)]
pub(super) struct Staging {
    pub(super) records: Vec<Sequenced>,
    pub(super) gaps: Vec<Gap>,
    /// The last record of each partition in the group at hand.
    pub(super) lasts: Vec<Last>,
    /// The next offset of each partition that moved.
    pub(super) partitions: BTreeMap<KafkaPartition, u64>,
    pub(super) duplicates: u64,
    pub(super) conflicts: u64,
    pub(super) bytes: usize,
}

/// The last record of a partition in a group.
pub(super) struct Last {
    pub(super) partition: KafkaPartition,
    pub(super) first: u64,
    pub(super) offset: u64,
    pub(super) log: LogId,
    pub(super) name: LogName,
    pub(super) index: LeafIndex,
    /// What the broker said last: of this record or one before it.
    pub(super) broker_time: Option<Timestamp>,
}

impl Staging {
    /// Takes note of a record of Kafka as the last of its partition so far. `before` is what the broker said last where
    /// this is the first of its group.
    pub(super) fn last(
        &mut self,
        log: LogId,
        name: &LogName,
        record: &Record,
        before: impl FnOnce() -> Option<Timestamp>,
    ) {
        let SourcePosition::Kafka { offset, .. } = &record.source else {
            return;
        };
        let stamped = (record.raw_time_kind == RawTimeKind::Broker).then_some(record.raw_time);
        if let Some(last) = self.lasts.iter_mut().find(|last| last.partition.is_of(&record.source)) {
            (last.offset, last.log, last.index) = (*offset, log, record.index);
            last.name.clone_from(name);
            last.broker_time = stamped.or(last.broker_time);
        } else if let Some((partition, first)) = record.source.kafka() {
            self.lasts.push(Last {
                partition,
                first,
                offset: first,
                log,
                name: name.clone(),
                index: record.index,
                broker_time: stamped.or_else(before),
            });
        }
    }
}
