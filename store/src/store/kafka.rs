//! What the Kafka consumer asks of a store: positions that move with the records, in one write.

use std::time::Duration;

use tokio::sync::oneshot;
use verdict_schemas::Timestamp;

use super::Store;
use crate::error::{AppendError, StoreError};
use crate::incoming::{AppendReceipt, Gap, Incoming, Position};
use crate::log::meta::{self, BindError};
use crate::log::positions;
use crate::log::queue::{Group, Origin};
use crate::names::KafkaPartition;

impl Store {
    /// Keeps records of Kafka, and moves positions, in one write. `next` says the next offset to read of each partition
    /// where that is not just behind its last record: behind transaction markers and aborted records. Blocks while the
    /// queue is full.
    ///
    /// A4: an offset before the partition's position is refused, with the whole batch.
    ///
    /// # Errors
    /// [`AppendError`] when nothing is taken any more.
    pub fn append_kafka(
        &self,
        batch: Vec<Incoming>,
        next: Vec<(KafkaPartition, u64)>,
        gaps: Vec<Gap>,
    ) -> Result<PendingCommit, AppendError> {
        self.writable()?;
        let (answer, answered) = oneshot::channel();
        let origin = Origin::Kafka { next, gaps };
        self.open.shared.queue.push_blocking(Group {
            records: batch,
            origin,
            answer,
        })?;
        Ok(PendingCommit {
            answered,
            store: self.clone(),
        })
    }

    /// What is known about a Kafka partition; `None` when nothing of it was read.
    pub fn position(&self, partition: &KafkaPartition) -> Option<Position> {
        self.open.shared.positions.read().get(partition).cloned()
    }

    /// Every Kafka partition read, in order.
    pub fn positions(&self) -> Vec<(KafkaPartition, Position)> {
        let held = self.open.shared.positions.read();
        let mut all: Vec<_> = held
            .iter()
            .map(|(partition, position)| (partition.clone(), position.clone()))
            .collect();
        all.sort_by(|(a, _), (b, _)| a.cmp(b));
        all
    }

    /// What brokers lost before it could be read.
    ///
    /// # Errors
    /// When it can not be read.
    pub fn gaps(&self) -> Result<Vec<Gap>, StoreError> {
        positions::gaps(&self.open.shared.database)
    }

    /// Binds the store to a topic of a Kafka cluster with so many partitions, for good.
    ///
    /// # Errors
    /// [`BindError`] when it is bound to another cluster, or the topic had another number of partitions.
    pub fn bind_topic(&self, cluster: &str, topic: &str, partitions: u32) -> Result<(), BindError> {
        meta::bind_topic(&self.open.shared.database, cluster, topic, partitions)
    }

    /// With Kafka: everything of this partition up to `time` is held. The first call makes horizons those of Kafka: of the
    /// partition that feeds a log ([`Store::set_feeds`]), or the earliest of those named so far. So name all of them at start, with
    /// [`Timestamp::MIN`].
    pub fn set_horizon(&self, partition: &KafkaPartition, time: Timestamp) {
        self.open.shared.clock.set_kafka(partition, time);
    }

    /// Waits until the record at `offset` of a Kafka partition is durable, and its log's views know that they are behind;
    /// `false` if it is not within `timeout`.
    pub async fn wait_position(&self, partition: &KafkaPartition, offset: u64, timeout: Duration) -> bool {
        let mut reached = self.open.shared.reached.subscribe();
        let seen = reached.wait_for(|reached| reached.get(partition).is_some_and(|next| *next > offset));
        tokio::time::timeout(timeout, seen).await.is_ok_and(|seen| seen.is_ok())
    }
}

/// A commit of Kafka records that is under way.
#[derive(Debug)]
pub struct PendingCommit {
    answered: oneshot::Receiver<Result<AppendReceipt, AppendError>>,
    store: Store,
}

impl PendingCommit {
    /// Waits until the records are durable, with their positions; views follow. For a thread: not within a task.
    ///
    /// # Errors
    /// [`AppendError`]: nothing of the batch is acknowledged.
    pub fn wait(self) -> Result<AppendReceipt, AppendError> {
        self.answered.blocking_recv().unwrap_or_else(|_| Err(self.store.gone()))
    }

    /// What [`PendingCommit::wait`] would return, if it would not wait; `None` while it would. Not to be asked again
    /// after it answered.
    pub fn try_wait(&mut self) -> Option<Result<AppendReceipt, AppendError>> {
        match self.answered.try_recv() {
            Ok(answer) => Some(answer),
            Err(oneshot::error::TryRecvError::Empty) => None,
            Err(oneshot::error::TryRecvError::Closed) => Some(Err(self.store.gone())),
        }
    }
}
