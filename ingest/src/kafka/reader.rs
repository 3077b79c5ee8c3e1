//! One topic's reader: takes what the poller heard, hands it to the store, and says how far it has come.
//!
//! It waits for the store, whose queue is bounded, and for nothing else: schemas are asked for beside it
//! ([`super::registry`]), the ends of partitions looked at beside it ([`super::horizon`]).

use std::collections::{HashMap, HashSet, VecDeque};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{Receiver, RecvTimeoutError, Sender};
use std::time::{Duration, Instant};

use rdkafka::consumer::{BaseConsumer, CommitMode, Consumer as _};
use rdkafka::error::KafkaError;
use rdkafka::topic_partition_list::{Offset, TopicPartitionList};
use verdict_store::{
    AppendError, AppendReceipt, Gap, Incoming, KafkaPartition, LastStored, PendingCommit, Store, payload_digest,
};

use super::clock::now;
use super::error::{ReadError, StartError};
use super::failing::fail_point;
use super::horizon::{Progress, Watching};
use super::metrics::KafkaMetrics;
use super::poll::{Heard, Read};
use super::registry::Registry;
use super::resume::{self, Resume};
use crate::seldom::Seldom;

/// The most records in a batch, and the most bytes, give or take a chunk.
const BATCH_RECORDS: usize = 10_000;
const BATCH_BYTES: usize = 8 << 20;
/// How long a chunk is waited for before what was committed meanwhile is looked at.
const WAIT: Duration = Duration::from_millis(100);
/// How many batches may be on their way to the disk at once.
const IN_FLIGHT: usize = 3;
/// How long is waited when Kafka does not say where to go on.
const AGAIN: Duration = Duration::from_secs(1);

/// Reads one topic into the store.
pub(super) struct Reader {
    with: With,
    plans: Vec<Resume>,
    /// Per partition, the offset that comes next; later ones may come where markers and aborted records are between.
    next: HashMap<u32, u64>,
    /// Per partition, the record that must come first.
    verify: HashMap<u32, (KafkaPartition, LastStored)>,
    /// Partitions in which a batch of the broker's may have been passed over since their last record.
    suspect: HashSet<u32>,
    batch: Batch,
    pending: VecDeque<(PendingCommit, HashMap<u32, u64>)>,
    trouble: Seldom,
}

/// What a reader works with.
pub(super) struct With {
    pub(super) consumer: Arc<BaseConsumer<Watching>>,
    pub(super) cluster: Arc<str>,
    pub(super) topic: Arc<str>,
    pub(super) store: Store,
    pub(super) heard: Receiver<Vec<Heard>>,
    /// Tells the poller that the partitions are assigned.
    pub(super) assigned: Sender<()>,
    pub(super) progress: Arc<Progress>,
    pub(super) metrics: Arc<KafkaMetrics>,
    pub(super) registry: Registry,
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
    pub(super) fn new(plans: Vec<Resume>, with: With) -> Self {
        Self {
            with,
            plans,
            next: HashMap::new(),
            verify: HashMap::new(),
            suspect: HashSet::new(),
            batch: Batch::default(),
            pending: VecDeque::new(),
            trouble: Seldom::new(),
        }
    }

    /// Until told to stop, or until reading on would damage evidence.
    pub(super) fn run(mut self, stop: &AtomicBool) -> Result<(), ReadError> {
        self.begin()?;
        while !stop.load(Ordering::Relaxed) {
            match self.with.heard.recv_timeout(WAIT) {
                Ok(chunk) => self.take(chunk, stop)?,
                Err(RecvTimeoutError::Timeout) => {}
                // The poller has said why.
                Err(RecvTimeoutError::Disconnected) => break,
            }
            while self.batch.records.len() < BATCH_RECORDS && self.batch.bytes < BATCH_BYTES {
                let Ok(chunk) = self.with.heard.try_recv() else { break };
                self.take(chunk, stop)?;
            }
            self.hand_over()?;
            while let Some((commit, _)) = self.pending.front_mut() {
                let Some(answer) = commit.try_wait() else { break };
                self.settled(answer)?;
            }
        }
        self.settle()
    }

    /// Records the gaps, and assigns every partition at its offset.
    fn begin(&mut self) -> Result<(), ReadError> {
        let plans = std::mem::take(&mut self.plans);
        self.verify.clear();
        for plan in &plans {
            let partition = plan.partition.partition;
            if let Some(gap) = &plan.gap {
                self.lost(gap.clone());
                self.batch.next.insert(partition, plan.offset);
            }
            if let Some(last) = &plan.verify {
                self.verify.insert(partition, (plan.partition.clone(), last.clone()));
            }
            self.next.insert(partition, plan.offset);
            self.with.progress.next(partition, plan.offset);
        }
        let mut list = TopicPartitionList::new();
        for plan in &plans {
            let offset = Offset::Offset(plan.offset.cast_signed());
            list.add_partition_offset(&self.with.topic, plan.partition.partition.cast_signed(), offset)?;
        }
        self.with.consumer.assign(&list)?;
        // A poller that is gone has said why.
        let _ = self.with.assigned.send(());
        self.hand_over()
    }

    fn lost(&mut self, gap: Gap) {
        tracing::error!(partition = %gap.partition, from = gap.from, to = gap.to, "{}; recorded as a gap", gap.reason);
        self.with.metrics.lost();
        self.batch.gaps.push(gap);
    }

    fn take(&mut self, chunk: Vec<Heard>, stop: &AtomicBool) -> Result<(), ReadError> {
        for heard in chunk {
            match heard {
                Heard::Record(read) => self.record(*read)?,
                Heard::End => {}
                Heard::Ends(ends) => self.with.progress.saw(&ends),
                Heard::Unreadable(error) => {
                    self.troubled(&error);
                    self.suspect.extend(self.next.keys());
                }
                Heard::OffsetGone => {
                    self.with.metrics.failed();
                    self.resume(stop)?;
                }
                Heard::TopicGone => {
                    return Err(ReadError::Start(StartError::Recreated {
                        partition: self.with.topic.to_string(),
                        reason: "the topic is gone".to_owned(),
                    }));
                }
                Heard::Fatal(error) => return Err(ReadError::Kafka(error)),
                Heard::Trouble(error) => self.troubled(&error),
            }
        }
        Ok(())
    }

    /// Kafka has trouble that it may get over by itself.
    fn troubled(&self, error: &KafkaError) {
        self.with.metrics.failed();
        if let Some(times) = self.trouble.again(Instant::now()) {
            tracing::warn!(topic = %self.with.topic, %error, times, "kafka; trying again");
        }
    }

    fn record(&mut self, read: Read) -> Result<(), ReadError> {
        fail_point(&self.with.topic, "read");
        let partition = read.partition;
        if let Some((of, expected)) = self.verify.remove(&partition) {
            check(&of, &expected, &read)?;
            if read.offset <= expected.offset {
                // It is in the store already.
                self.moved(partition, read.offset + 1);
                return Ok(());
            }
        }
        let next = self.next.get(&partition).copied().unwrap_or_default();
        if self.suspect.remove(&partition) && read.offset > next {
            let gap = Gap {
                partition: self.partition(partition),
                from: next,
                to: read.offset,
                reason:
                    "a batch of the broker's could not be read (markers of transactions may be among these offsets)"
                        .to_owned(),
                noticed_at: now(),
            };
            self.lost(gap);
        }
        self.with.registry.want(&read.incoming);
        self.moved(partition, read.offset + 1);
        self.batch.next.insert(partition, read.offset + 1);
        self.batch.bytes += read.bytes();
        self.batch.unrouted += usize::from(read.incoming.route.is_some());
        self.batch.records.push(read.incoming);
        Ok(())
    }

    fn moved(&mut self, partition: u32, next: u64) {
        self.next.insert(partition, next);
        self.with.progress.next(partition, next);
    }

    /// Plans every partition of the assignment anew: retention was quicker than we were. The poller waits meanwhile.
    fn resume(&mut self, stop: &AtomicBool) -> Result<(), ReadError> {
        self.hand_over()?;
        self.settle()?;
        while !stop.load(Ordering::Relaxed) {
            let partitions: Vec<_> = self.next.keys().map(|number| self.partition(*number)).collect();
            let plans = partitions.into_iter().map(|partition| {
                let held = self.with.store.position(&partition);
                resume::plan(&self.with.consumer, partition, held, now())
            });
            match plans.collect() {
                Ok(plans) => {
                    self.plans = plans;
                    return self.begin();
                }
                Err(StartError::Kafka(error)) => self.troubled(&error),
                Err(other) => return Err(other.into()),
            }
            std::thread::sleep(AGAIN);
        }
        Ok(())
    }

    /// Hands the batch to the store, which waits while its queue is full: that is the back-pressure.
    fn hand_over(&mut self) -> Result<(), ReadError> {
        if self.batch.next.is_empty() && self.batch.gaps.is_empty() {
            return Ok(());
        }
        let batch = std::mem::take(&mut self.batch);
        self.with
            .metrics
            .taken(batch.records.len(), batch.bytes, batch.unrouted);
        let next = batch.next.iter();
        let next = next.map(|(partition, next)| (self.partition(*partition), *next));
        let commit = self
            .with
            .store
            .append_kafka(batch.records, next.collect(), batch.gaps)?;
        self.pending.push_back((commit, batch.next));
        while self.pending.len() > IN_FLIGHT {
            self.settle_oldest()?;
        }
        Ok(())
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
            commit.wait()?;
            self.tell_lag_tools(&next);
        }
        Ok(())
    }

    /// The oldest commit was answered.
    fn settled(&mut self, answer: Result<AppendReceipt, AppendError>) -> Result<(), ReadError> {
        answer?;
        if let Some((_, next)) = self.pending.pop_front() {
            self.tell_lag_tools(&next);
        }
        Ok(())
    }

    /// Commits to Kafka what the store holds. Nothing depends on it.
    fn tell_lag_tools(&self, next: &HashMap<u32, u64>) {
        let mut list = TopicPartitionList::new();
        for (partition, next) in next {
            let offset = Offset::Offset(next.cast_signed());
            if list
                .add_partition_offset(&self.with.topic, partition.cast_signed(), offset)
                .is_err()
            {
                return;
            }
        }
        if let Err(error) = self.with.consumer.commit(&list, CommitMode::Async) {
            tracing::debug!(%error, "kafka did not take the committed offsets");
        }
    }

    fn partition(&self, partition: u32) -> KafkaPartition {
        KafkaPartition {
            cluster: Arc::clone(&self.with.cluster),
            topic: Arc::clone(&self.with.topic),
            partition,
        }
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
