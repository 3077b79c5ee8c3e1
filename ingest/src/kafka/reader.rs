//! One topic's loop: read a batch, hand it to the store, look at the end.

use std::collections::{HashMap, VecDeque};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use rdkafka::consumer::{BaseConsumer, CommitMode, Consumer as _};
use rdkafka::error::KafkaError;
use rdkafka::message::{BorrowedMessage, Message as _};
use rdkafka::topic_partition_list::{Offset, TopicPartitionList};
use rdkafka::types::RDKafkaErrorCode;
use tokio::runtime::Handle;
use verdict_store::{Gap, Incoming, KafkaPartition, LastStored, LogHead, PendingCommit, Store, payload_digest};

use super::consumer::{ReadError, StartError, now};
use super::horizon::{Ends, Watching};
use super::metrics::KafkaMetrics;
use super::registry::Registry;
use super::resume::{self, Resume};
use super::route::Origin;

/// The most records in a batch.
const BATCH_RECORDS: usize = 10_000;
/// The most bytes of values in a batch.
const BATCH_BYTES: usize = 8 << 20;
/// How long the first record of a batch is waited for.
const WAIT: Duration = Duration::from_millis(100);
/// How many batches may be on their way to the disk at once.
const IN_FLIGHT: usize = 3;
/// How often the ends of the partitions are looked at, and schemas asked for again.
const LOOK: Duration = Duration::from_millis(500);
/// How long the views get before a look is put off.
const VISIBLE: Duration = Duration::from_millis(500);

/// Reads one topic into the store.
pub(super) struct Reader {
    consumer: BaseConsumer<Watching>,
    store: Store,
    origin: Origin,
    plans: Vec<Resume>,
    ends: Ends,
    metrics: Arc<KafkaMetrics>,
    registry: Registry,
    runtime: Handle,
    /// Per partition, the record that must come first.
    verify: HashMap<u32, (KafkaPartition, LastStored)>,
    batch: Batch,
    pending: VecDeque<(PendingCommit, HashMap<u32, u64>)>,
    /// Where the logs of the last commit ended.
    heads: Vec<LogHead>,
}

/// What a reader works with, whichever topic it reads.
pub(super) struct With {
    pub(super) store: Store,
    pub(super) origin: Origin,
    pub(super) metrics: Arc<KafkaMetrics>,
    pub(super) registry: Registry,
    pub(super) runtime: Handle,
}

#[derive(Default)]
struct Batch {
    records: Vec<Incoming>,
    bytes: usize,
    unrouted: usize,
    next: HashMap<u32, u64>,
    gaps: Vec<Gap>,
}

impl Reader {
    pub(super) fn new(consumer: BaseConsumer<Watching>, plans: Vec<Resume>, ends: Ends, with: With) -> Self {
        let With {
            store,
            origin,
            metrics,
            registry,
            runtime,
        } = with;
        let (verify, batch, pending, heads) = (HashMap::new(), Batch::default(), VecDeque::new(), Vec::new());
        Self {
            consumer,
            store,
            origin,
            plans,
            ends,
            metrics,
            registry,
            runtime,
            verify,
            batch,
            pending,
            heads,
        }
    }

    /// Until told to stop, or until reading on would damage evidence.
    pub(super) fn run(mut self, stop: &AtomicBool) -> Result<(), ReadError> {
        self.begin()?;
        let mut looked = Instant::now();
        while !stop.load(Ordering::Relaxed) {
            self.fill()?;
            self.hand_over()?;
            if looked.elapsed() >= LOOK {
                self.settle()?;
                if self.is_visible() {
                    self.ends.look(&self.consumer, now);
                }
                self.registry.retry_waiting();
                looked = Instant::now();
            }
        }
        self.settle()
    }

    /// Records the gaps, and assigns every partition at its offset.
    fn begin(&mut self) -> Result<(), ReadError> {
        let plans = std::mem::take(&mut self.plans);
        for plan in &plans {
            if let Some(gap) = &plan.gap {
                self.lost(gap.clone());
                self.batch.next.insert(plan.partition.partition, plan.offset);
            }
            if let Some(last) = &plan.verify {
                self.verify
                    .insert(plan.partition.partition, (plan.partition.clone(), last.clone()));
            }
        }
        self.assign(plans.iter().map(|p| (&p.partition, p.offset)))?;
        self.hand_over()
    }

    fn assign<'a>(&self, at: impl Iterator<Item = (&'a KafkaPartition, u64)>) -> Result<(), KafkaError> {
        let mut list = TopicPartitionList::new();
        for (partition, offset) in at {
            let offset = Offset::Offset(offset.cast_signed());
            list.add_partition_offset(&partition.topic, partition.partition.cast_signed(), offset)?;
        }
        self.consumer.assign(&list)
    }

    fn lost(&mut self, gap: Gap) {
        tracing::error!(partition = %gap.partition, from = gap.from, to = gap.to, "{}; recorded as a gap", gap.reason);
        self.metrics.lost();
        self.batch.gaps.push(gap);
    }

    /// Reads until the batch is full or nothing more is there.
    fn fill(&mut self) -> Result<(), ReadError> {
        let mut wait = WAIT;
        while self.batch.records.len() < BATCH_RECORDS && self.batch.bytes < BATCH_BYTES {
            let Some(polled) = self.consumer.poll(wait) else {
                return Ok(());
            };
            wait = Duration::ZERO;
            // The message borrows the consumer, so what it says is taken out before anything of ours is changed.
            let read = match polled {
                Ok(message) => Read::of(&message, &self.origin)?,
                Err(KafkaError::PartitionEOF(partition)) => {
                    self.ends.end_of(partition.cast_unsigned());
                    continue;
                }
                Err(error) => {
                    self.failed(&error)?;
                    return Ok(());
                }
            };
            self.take(read)?;
        }
        Ok(())
    }

    fn take(&mut self, read: Read) -> Result<(), ReadError> {
        if let Some((partition, expected)) = self.verify.remove(&read.partition) {
            check(&partition, &expected, &read)?;
            if read.offset <= expected.offset {
                // It is in the store already.
                self.ends.read(read.partition, read.offset);
                return Ok(());
            }
        }
        if let Some(id) = Registry::id_of(&read.incoming.value) {
            self.registry.prepare(id);
        }
        self.ends.read(read.partition, read.offset);
        self.batch.next.insert(read.partition, read.offset + 1);
        self.batch.bytes += read.incoming.value.len();
        self.batch.unrouted += usize::from(read.incoming.route.is_some());
        self.batch.records.push(read.incoming);
        Ok(())
    }

    /// An error that librdkafka reports. It tries again by itself, except where the offset is gone.
    fn failed(&mut self, error: &KafkaError) -> Result<(), ReadError> {
        self.metrics.failed();
        match error.rdkafka_error_code() {
            Some(RDKafkaErrorCode::AutoOffsetReset | RDKafkaErrorCode::OffsetOutOfRange) => self.resume(),
            Some(RDKafkaErrorCode::UnknownTopicOrPartition | RDKafkaErrorCode::UnknownTopic) => {
                Err(ReadError::Start(StartError::Recreated {
                    partition: format!("{} or {}", self.origin.events_topic, self.origin.platform_topic),
                    reason: "the topic is gone".to_owned(),
                }))
            }
            Some(RDKafkaErrorCode::Fatal) => Err(ReadError::Kafka(error.clone())),
            _ => {
                tracing::warn!(%error, "kafka; trying again");
                Ok(())
            }
        }
    }

    /// Plans every partition of the assignment anew: retention was quicker than we were.
    fn resume(&mut self) -> Result<(), ReadError> {
        self.hand_over()?;
        self.settle()?;
        let assigned = self.consumer.assignment()?;
        let mut plans = Vec::new();
        for element in assigned.elements() {
            let partition = KafkaPartition {
                cluster: Arc::clone(&self.origin.cluster),
                topic: element.topic().into(),
                partition: element.partition().cast_unsigned(),
            };
            let held = self.store.position(&partition);
            let plan = resume::plan(&self.consumer, partition, held, now())?;
            plans.push(plan);
        }
        self.plans = plans;
        self.verify.clear();
        self.begin()
    }

    /// Hands the batch to the store, which waits while its queue is full: that is the back-pressure.
    fn hand_over(&mut self) -> Result<(), ReadError> {
        if self.batch.next.is_empty() && self.batch.gaps.is_empty() {
            return Ok(());
        }
        let batch = std::mem::take(&mut self.batch);
        self.metrics.taken(batch.records.len(), batch.bytes, batch.unrouted);
        let topic = self.topic();
        let next = batch
            .next
            .iter()
            .map(|(partition, next)| (self.partition(&topic, *partition), *next))
            .collect();
        let commit = self.store.append_kafka(batch.records, next, batch.gaps)?;
        self.pending.push_back((commit, batch.next));
        while self.pending.len() > IN_FLIGHT {
            self.settle_oldest()?;
        }
        Ok(())
    }

    /// Is everything that is durable visible, too? Views are made in the order of commits, so the last one tells.
    fn is_visible(&self) -> bool {
        let heads = self.heads.iter();
        let visible = heads.map(|head| self.store.wait_visible(&head.name, head.size, VISIBLE));
        self.runtime
            .block_on(futures::future::join_all(visible))
            .into_iter()
            .all(|visible| visible)
    }

    /// Waits until everything handed over is durable.
    fn settle(&mut self) -> Result<(), ReadError> {
        while !self.pending.is_empty() {
            self.settle_oldest()?;
        }
        Ok(())
    }

    fn settle_oldest(&mut self) -> Result<(), ReadError> {
        if let Some((commit, next)) = self.pending.pop_front() {
            let receipt = commit.wait()?;
            if !receipt.logs.is_empty() {
                self.heads = receipt.logs;
            }
            self.tell_lag_tools(&next);
        }
        Ok(())
    }

    /// Commits to Kafka what the store holds. Nothing depends on it.
    fn tell_lag_tools(&self, next: &HashMap<u32, u64>) {
        let mut list = TopicPartitionList::new();
        let topic = self.topic();
        for (partition, next) in next {
            let offset = Offset::Offset(next.cast_signed());
            if list
                .add_partition_offset(&topic, partition.cast_signed(), offset)
                .is_err()
            {
                return;
            }
        }
        if let Err(error) = self.consumer.commit(&list, CommitMode::Async) {
            tracing::debug!(%error, "kafka did not take the committed offsets");
        }
    }

    fn topic(&self) -> Arc<str> {
        self.ends.topic()
    }

    fn partition(&self, topic: &Arc<str>, partition: u32) -> KafkaPartition {
        KafkaPartition {
            cluster: Arc::clone(&self.origin.cluster),
            topic: Arc::clone(topic),
            partition,
        }
    }
}

/// A record, taken out of librdkafka's buffer.
struct Read {
    partition: u32,
    offset: u64,
    incoming: Incoming,
}

impl Read {
    fn of(message: &BorrowedMessage<'_>, origin: &Origin) -> Result<Self, ReadError> {
        let incoming = origin.incoming(message)?;
        let (partition, offset) = (message.partition().cast_unsigned(), message.offset().cast_unsigned());
        Ok(Self {
            partition,
            offset,
            incoming,
        })
    }
}

/// Compares the first record read with the last one stored.
fn check(partition: &KafkaPartition, expected: &LastStored, read: &Read) -> Result<(), StartError> {
    let recreated = |reason: String| StartError::Recreated {
        partition: partition.to_string(),
        reason,
    };
    if read.offset != expected.offset {
        return Err(recreated(format!(
            "offset {} was read from it, and is no longer there",
            expected.offset
        )));
    }
    let incoming = &read.incoming;
    if payload_digest(incoming.key.as_deref(), &incoming.headers, &incoming.value) != expected.digest {
        return Err(recreated(format!(
            "another record stands at offset {}",
            expected.offset
        )));
    }
    Ok(())
}
