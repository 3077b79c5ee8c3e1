//! Up to which time the node holds everything (E3): when it last saw the end of a partition, less SKEW.
//!
//! The end is seen when librdkafka reports it, nothing came since, and the broker's watermarks have not moved since. An
//! open transaction hides records that the broker has stamped already: while the last stable offset is behind the high
//! watermark the horizon stands still, because those records will arrive with earlier times.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use parking_lot::Mutex;
use rdkafka::client::ClientContext;
use rdkafka::consumer::{BaseConsumer, Consumer as _, ConsumerContext};
use rdkafka::statistics::Statistics;
use verdict_schemas::Timestamp;
use verdict_store::{KafkaPartition, Store};

use super::metrics::KafkaMetrics;

/// SKEW (SEMANTICS, constants): how far two well-kept clocks may be apart.
const SKEW_US: u64 = 2_000_000;
const TIMEOUT: Duration = Duration::from_secs(2);

/// The consumer's callbacks: librdkafka's log goes to ours, and its statistics say at which offset it saw the end.
#[derive(Clone, Default)]
pub(super) struct Watching {
    eof: Arc<Mutex<HashMap<i32, i64>>>,
}

impl ClientContext for Watching {
    fn stats(&self, statistics: Statistics) {
        let mut eof = self.eof.lock();
        // One consumer reads one topic.
        for topic in statistics.topics.values() {
            eof.extend(topic.partitions.values().map(|p| (p.partition, p.eof_offset)));
        }
    }
}

impl ConsumerContext for Watching {}

/// The consumer's view of one partition's end.
#[derive(Debug)]
struct End {
    partition: KafkaPartition,
    /// The next offset to be read.
    next: u64,
    /// Was the end reported, and has nothing come since?
    reached: bool,
}

/// Watches the ends of the partitions of one topic.
pub(super) struct Ends {
    topic: Arc<str>,
    ends: Vec<End>,
    watcher: BaseConsumer,
    watching: Watching,
    store: Store,
    metrics: Arc<KafkaMetrics>,
}

impl Ends {
    pub(super) fn new(
        topic: Arc<str>,
        partitions: Vec<(KafkaPartition, u64)>,
        watcher: BaseConsumer,
        watching: Watching,
        store: Store,
        metrics: Arc<KafkaMetrics>,
    ) -> Self {
        for (partition, _) in &partitions {
            // From here on the horizon is Kafka's, and nothing is known of its end yet.
            store.set_horizon(partition, Timestamp::MIN);
        }
        let ends = partitions
            .into_iter()
            .map(|(partition, next)| End {
                partition,
                next,
                reached: false,
            })
            .collect();
        Self {
            topic,
            ends,
            watcher,
            watching,
            store,
            metrics,
        }
    }

    /// The topic.
    pub(super) fn topic(&self) -> Arc<str> {
        Arc::clone(&self.topic)
    }

    /// A record came.
    pub(super) fn read(&mut self, partition: u32, offset: u64) {
        for end in self.ends.iter_mut().filter(|end| end.partition.partition == partition) {
            end.next = offset + 1;
            end.reached = false;
        }
    }

    /// librdkafka reported the end of a partition: everything before it was handed out.
    pub(super) fn end_of(&mut self, partition: u32) {
        for end in self.ends.iter_mut().filter(|end| end.partition.partition == partition) {
            end.reached = true;
        }
    }

    /// Looks at the broker's watermarks, and moves the horizon of each partition whose end is seen. To be called when
    /// everything read is visible.
    pub(super) fn look<C: ConsumerContext>(&mut self, consumer: &BaseConsumer<C>, now: impl Fn() -> Timestamp) {
        let mut lag = Vec::with_capacity(self.ends.len());
        let mut caught_up = true;
        for end in &self.ends {
            let before = now();
            let number = end.partition.partition.cast_signed();
            let stable = consumer.fetch_watermarks(&end.partition.topic, number, TIMEOUT);
            let whole = self.watcher.fetch_watermarks(&end.partition.topic, number, TIMEOUT);
            let (Ok((_, stable)), Ok((_, whole))) = (stable, whole) else {
                caught_up = false;
                continue;
            };
            let (stable, whole) = (stable.max(0).cast_unsigned(), whole.max(0).cast_unsigned());
            let eof = self
                .watching
                .eof
                .lock()
                .get(&number)
                .and_then(|eof| u64::try_from(*eof).ok());
            let seen = end.is_seen(stable, whole, eof);
            let behind = if seen { 0 } else { stable.saturating_sub(end.next) };
            lag.push((end.partition.topic.to_string(), end.partition.partition, behind));
            if seen {
                self.store.set_horizon(&end.partition, before.minus_micros(SKEW_US));
            } else {
                caught_up = false;
            }
        }
        self.metrics.set_lag(lag, caught_up);
    }
}

impl End {
    /// Is everything that the broker held read? `stable`: its last stable offset; `whole`: its high watermark; `eof`:
    /// where the end was when it was last reported.
    fn is_seen(&self, stable: u64, whole: u64, eof: Option<u64>) -> bool {
        // A transaction is open: what it holds back is older than now.
        let open_transaction = stable < whole;
        // Between the next offset and the end there may be markers and aborted records, which are never handed out.
        let only_markers_left = self.reached && eof == Some(stable);
        !open_transaction && (self.next >= stable || only_markers_left)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_end_is_seen_only_when_nothing_can_still_come_from_before_it() {
        let partition = KafkaPartition {
            cluster: "c".into(),
            topic: "t".into(),
            partition: 0,
        };
        let end = |next, reached| End {
            partition: partition.clone(),
            next,
            reached,
        };
        assert!(end(8, false).is_seen(8, 8, None), "read to the end");
        assert!(
            !end(6, false).is_seen(8, 8, Some(8)),
            "the end was reported before the last record came"
        );
        assert!(
            end(6, true).is_seen(8, 8, Some(8)),
            "only markers after the last record"
        );
        assert!(!end(6, true).is_seen(9, 9, Some(8)), "something was appended since");
        assert!(!end(8, true).is_seen(8, 10, Some(8)), "a transaction is open");
    }
}
