//! Up to which time the node holds everything (E3): when it last saw the end of a partition, less SKEW.
//!
//! The end is seen when everything before the broker's last stable offset was read **and is durable**, asked after the
//! moment that the horizon moves to. What of a log is not visible yet holds back that log's horizon alone, in the store. An open transaction hides records that the broker has stamped already: while the last
//! stable offset is behind the high watermark the horizon stands still, because those records will arrive with earlier
//! times.
//!
//! Asking a broker blocks, for seconds where it does not answer. So it is done by a thread of its own, which shares with
//! the reader no more than how far that has come ([`Progress`]).

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use parking_lot::Mutex;
use rdkafka::client::ClientContext;
use rdkafka::consumer::{BaseConsumer, Consumer as _, ConsumerContext};
use rdkafka::error::KafkaError;
use rdkafka::statistics::Statistics;
use tokio::runtime::Handle;
use verdict_schemas::Timestamp;
use verdict_store::{KafkaPartition, Store};

use super::clock::now;
use super::failing::fail_point;
use super::metrics::KafkaMetrics;

/// SKEW (SEMANTICS, constants): how far two well-kept clocks may be apart.
const SKEW_US: u64 = 2_000_000;
/// How long a broker gets to answer.
const TIMEOUT: Duration = Duration::from_secs(2);
/// How often the ends of the partitions are looked at.
const LOOK: Duration = Duration::from_millis(500);
/// How long the committer gets before a look is put off.
const DURABLE: Duration = Duration::from_millis(500);
/// The most looks that leave out a partition whose broker does not answer.
const MOST_LEFT_OUT: u32 = 16;

/// The consumer's callbacks: librdkafka's log goes to ours, and its statistics say at which offsets it saw the ends.
#[derive(Clone, Default)]
pub(super) struct Watching {
    news: Arc<Mutex<Option<SeenEnds>>>,
}

/// By partition, the end that librdkafka saw.
pub(super) type SeenEnds = Vec<(u32, u64)>;

impl Watching {
    /// What the statistics said since the last call.
    pub(super) fn news(&self) -> Option<SeenEnds> {
        self.news.lock().take()
    }
}

impl ClientContext for Watching {
    fn stats(&self, statistics: Statistics) {
        // One consumer reads one topic. Where records wait to be polled, those before the end may be among them.
        let partitions = statistics.topics.values().flat_map(|topic| topic.partitions.values());
        let ends = partitions.filter(|p| p.fetchq_cnt == 0).filter_map(|p| {
            let end = u64::try_from(p.eof_offset).ok()?;
            Some((u32::try_from(p.partition).ok()?, end))
        });
        *self.news.lock() = Some(ends.collect());
    }

    /// Whatever is heard of here is returned by the poll as well, which says what is to be said of it. (The end of a
    /// partition comes this way, too, and is no error.)
    fn error(&self, error: KafkaError, reason: &str) {
        tracing::debug!(%error, reason, "librdkafka");
    }
}

impl ConsumerContext for Watching {}

/// How far the reader has come.
#[derive(Debug)]
pub(super) struct Progress(Mutex<Vec<End>>);

/// The reader's view of one partition's end.
#[derive(Clone, Debug)]
struct End {
    partition: KafkaPartition,
    /// The next offset to be read.
    next: u64,
    /// The last end that was seen, every record before which was read.
    eof: Option<u64>,
}

impl Progress {
    /// Of these partitions, each read from its offset on.
    pub(super) fn new(partitions: impl IntoIterator<Item = (KafkaPartition, u64)>) -> Self {
        let ends = partitions.into_iter().map(|(partition, next)| End {
            partition,
            next,
            eof: None,
        });
        Self(Mutex::new(ends.collect()))
    }

    /// This offset is read next.
    pub(super) fn next(&self, partition: u32, offset: u64) {
        let mut ends = self.0.lock();
        if let Some(end) = ends.iter_mut().find(|end| end.partition.partition == partition) {
            end.next = offset;
        }
    }

    /// Every record before these offsets was read.
    pub(super) fn saw(&self, seen: &[(u32, u64)]) {
        let mut ends = self.0.lock();
        for end in &mut *ends {
            let seen = seen.iter().find(|(partition, _)| *partition == end.partition.partition);
            end.eof = seen.map(|(_, offset)| *offset).or(end.eof);
        }
    }
}

/// Looks at the ends of the partitions of one topic.
pub(super) struct Lookout {
    pub(super) consumer: Arc<BaseConsumer<Watching>>,
    /// Sees records of open transactions, too.
    pub(super) uncommitted: BaseConsumer,
    pub(super) progress: Arc<Progress>,
    pub(super) store: Store,
    pub(super) metrics: Arc<KafkaMetrics>,
    pub(super) runtime: Handle,
}

/// A partition at a look.
struct Look {
    end: End,
    /// The moment before the broker was asked.
    before: Timestamp,
    stable: u64,
    whole: u64,
}

impl Lookout {
    /// Until told to stop.
    pub(super) fn run(self, stop: &AtomicBool) {
        // Of each partition: how often in a row its broker did not answer, and how many looks it is left out for that.
        let mut silent = vec![(0_u32, 0_u32); self.progress.0.lock().len()];
        while !stop.load(Ordering::Relaxed) {
            if let Some(partition) = self.progress.0.lock().first() {
                fail_point(&partition.partition.topic, "ends");
            }
            self.look(&mut silent, stop);
            std::thread::sleep(LOOK);
        }
    }

    fn look(&self, silent: &mut [(u32, u32)], stop: &AtomicBool) {
        let mut looks = Vec::with_capacity(silent.len());
        for (place, (times, left_out)) in silent.iter_mut().enumerate() {
            if stop.load(Ordering::Relaxed) {
                return;
            }
            if *left_out > 0 {
                *left_out -= 1;
                continue;
            }
            match self.ask(place) {
                Some(look) => {
                    *times = 0;
                    looks.push(look);
                }
                None => {
                    *left_out = (1 << (*times).min(MOST_LEFT_OUT.ilog2())) - 1;
                    *times = times.saturating_add(1);
                }
            }
        }
        let lag = looks.iter().map(|look| {
            let partition = &look.end.partition;
            (partition.topic.to_string(), partition.partition, look.behind())
        });
        self.metrics.set_lag(lag.collect());
        let durable = looks.iter().map(|look| self.is_durable(look));
        let durable = self.runtime.block_on(futures::future::join_all(durable));
        let mut caught_up = looks.len() == silent.len();
        for (look, durable) in looks.iter().zip(durable) {
            if durable && look.is_seen() {
                self.store
                    .set_horizon(&look.end.partition, look.before.minus_micros(SKEW_US));
            }
            // What an open transaction holds back is not there to be read yet.
            caught_up &= durable && look.behind() == 0;
        }
        if caught_up {
            self.metrics.set_caught_up();
        }
    }

    /// Asks the broker; `None` when it does not answer in time.
    fn ask(&self, place: usize) -> Option<Look> {
        let partition = self.progress.0.lock().get(place)?.partition.clone();
        let (topic, number) = (&*partition.topic, partition.partition.cast_signed());
        let before = now();
        let (_, stable) = self.consumer.fetch_watermarks(topic, number, TIMEOUT).ok()?;
        let (_, whole) = self.uncommitted.fetch_watermarks(topic, number, TIMEOUT).ok()?;
        // How far the reader has come is looked at after the broker answered: then nothing before `stable` is missed.
        let end = self.progress.0.lock().get(place)?.clone();
        Some(Look {
            end,
            before,
            stable: stable.max(0).cast_unsigned(),
            whole: whole.max(0).cast_unsigned(),
        })
    }

    /// Is every record before the last stable offset that was read durable, too?
    async fn is_durable(&self, look: &Look) -> bool {
        match look.stable.min(look.end.next).checked_sub(1) {
            None => true,
            Some(last) => self.store.wait_position(&look.end.partition, last, DURABLE).await,
        }
    }
}

impl Look {
    /// Offsets between the last stable one and what was read.
    fn behind(&self) -> u64 {
        // Between the next offset and the end there may be markers and aborted records, which are never handed out.
        let only_markers_left = self.end.eof.is_some_and(|eof| eof >= self.stable);
        if only_markers_left {
            0
        } else {
            self.stable.saturating_sub(self.end.next)
        }
    }

    /// Is everything that the broker held read?
    fn is_seen(&self) -> bool {
        // A transaction is open: what it holds back is older than now.
        let open_transaction = self.stable < self.whole;
        !open_transaction && self.behind() == 0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_end_is_seen_only_when_nothing_can_still_come_from_before_it() {
        let look = |next, eof, stable, whole| Look {
            end: End {
                partition: KafkaPartition {
                    cluster: "c".into(),
                    topic: "t".into(),
                    partition: 0,
                },
                next,
                eof,
            },
            before: Timestamp::MIN,
            stable,
            whole,
        };
        assert!(look(8, None, 8, 8).is_seen(), "read to the end");
        assert!(!look(6, Some(6), 8, 8).is_seen(), "an end was seen, and it moved since");
        assert!(look(6, Some(8), 8, 8).is_seen(), "only markers after the last record");
        assert!(!look(6, Some(8), 9, 9).is_seen(), "something was appended since");
        let open = look(8, Some(8), 8, 10);
        assert!(!open.is_seen(), "a transaction is open");
        assert_eq!(open.behind(), 0, "and there is nothing to read before it ends");
    }

    #[test]
    fn progress_is_what_was_read_and_what_was_seen() {
        let of = |partition| KafkaPartition {
            cluster: "c".into(),
            topic: "t".into(),
            partition,
        };
        let progress = Progress::new([(of(3), 5), (of(7), 0)]);
        progress.next(3, 6);
        progress.saw(&[(7, 2), (9, 1)]);
        progress.saw(&[(3, 8)]);
        let ends = progress.0.lock();
        let told: Vec<_> = ends
            .iter()
            .map(|end| (end.partition.partition, end.next, end.eof))
            .collect();
        assert_eq!(told, [(3, 6, Some(8)), (7, 0, Some(2))]);
    }
}
