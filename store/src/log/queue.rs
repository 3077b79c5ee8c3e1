//! What waits for the committer: bounded by records and by bytes, so that no load fills the memory. Whoever comes when
//! it is full waits.
//!
//! What the intake brings waits in a lane of its log, and lanes take turns: a tenant who sends much waits behind himself.
//! While several wait, batches are small, so that nobody waits for the disk to take much of somebody else's.

use std::collections::{HashMap, VecDeque};
use std::sync::{Arc, OnceLock};

use foldhash::fast::RandomState;
use parking_lot::{Condvar, Mutex};
use tokio::sync::{Notify, oneshot};

use crate::error::AppendError;
use crate::incoming::{AppendReceipt, Gap, Incoming};
use crate::names::{KafkaPartition, LogName};
use crate::options::Options;

/// Where a caller waits for what became of its records.
pub(crate) type Answer = oneshot::Sender<Result<AppendReceipt, AppendError>>;

/// Records that are kept together or not at all.
#[derive(Debug)]
pub(crate) struct Group {
    /// The records, in order.
    pub(crate) records: Vec<Incoming>,
    /// Who sent them.
    pub(crate) origin: Origin,
    /// Where to say what became of them.
    pub(crate) answer: Answer,
}

/// Who sent a group, which decides what is answered when.
#[derive(Debug)]
pub(crate) enum Origin {
    /// The HTTP intake: answered when visible.
    Intake {
        /// Where to say that they are durable.
        durable: Arc<OnceLock<AppendReceipt>>,
    },
    /// The Kafka consumer: answered when durable.
    Kafka {
        /// The next offset to read of each partition.
        next: Vec<(KafkaPartition, u64)>,
        /// What the broker lost.
        gaps: Vec<Gap>,
    },
}

impl Group {
    fn lane(&self) -> Lane {
        match &self.origin {
            Origin::Intake { .. } => self.records.first().map(|record| record.log.clone()),
            Origin::Kafka { .. } => None,
        }
    }

    fn bytes(&self) -> usize {
        let payload = |record: &Incoming| {
            let headers: usize = record
                .headers
                .iter()
                .map(|(name, value)| name.len() + length(value.as_ref()))
                .sum();
            record.value.len() + length(record.key.as_ref()) + headers
        };
        self.records.iter().map(payload).sum()
    }
}

fn length(bytes: Option<&bytes::Bytes>) -> usize {
    bytes.map_or(0, bytes::Bytes::len)
}

/// The queue.
#[derive(Debug)]
pub(crate) struct Queue {
    waiting: Mutex<Waiting>,
    /// Something waits, or the queue is closed.
    work: Condvar,
    /// There is room again, for threads and for tasks.
    room: Condvar,
    room_for_tasks: Notify,
    most_events: usize,
    most_bytes: usize,
}

/// Bytes of a batch while several lanes wait.
const SHARED_BYTES: usize = 1 << 20;

/// What waits in turn: a log that the intake brings records for, or (`None`) Kafka.
type Lane = Option<LogName>;

#[derive(Debug, Default)]
struct Waiting {
    lanes: HashMap<Lane, VecDeque<(Group, usize)>, RandomState>,
    /// The lanes in which something waits, the next one first.
    turns: VecDeque<Lane>,
    events: usize,
    bytes: usize,
    closed: bool,
}

/// Why a group was not taken, with the group.
enum Refused {
    Full(Box<Group>),
    Closed,
}

impl Queue {
    pub(crate) fn new(options: &Options) -> Self {
        Self {
            waiting: Mutex::default(),
            work: Condvar::new(),
            room: Condvar::new(),
            room_for_tasks: Notify::new(),
            most_events: options.queue_events,
            most_bytes: options.queue_bytes,
        }
    }

    /// Queues a group, waiting for room.
    pub(crate) async fn push(&self, group: Group) -> Result<(), AppendError> {
        let bytes = group.bytes();
        let mut group = Box::new(group);
        loop {
            // Asked for before the look, so that room made in between is not missed.
            let room = self.room_for_tasks.notified();
            match self.offer(&mut self.waiting.lock(), group, bytes) {
                Ok(()) => return Ok(()),
                Err(Refused::Closed) => return Err(AppendError::Closing),
                Err(Refused::Full(back)) => group = back,
            }
            room.await;
        }
    }

    /// Queues a group, blocking the thread until there is room.
    pub(crate) fn push_blocking(&self, group: Group) -> Result<(), AppendError> {
        let bytes = group.bytes();
        let mut group = Box::new(group);
        let mut waiting = self.waiting.lock();
        loop {
            match self.offer(&mut waiting, group, bytes) {
                Ok(()) => return Ok(()),
                Err(Refused::Closed) => return Err(AppendError::Closing),
                Err(Refused::Full(back)) => group = back,
            }
            self.room.wait(&mut waiting);
        }
    }

    fn offer(&self, waiting: &mut Waiting, group: Box<Group>, bytes: usize) -> Result<(), Refused> {
        if waiting.closed {
            return Err(Refused::Closed);
        }
        let events = group.records.len();
        let fits = waiting.events + events <= self.most_events && waiting.bytes + bytes <= self.most_bytes;
        // A group larger than the whole queue is taken alone: else it would wait for ever.
        if !fits && !waiting.turns.is_empty() {
            return Err(Refused::Full(group));
        }
        waiting.events += events;
        waiting.bytes += bytes;
        let lane = group.lane();
        let waits = waiting.lanes.entry(lane.clone()).or_default();
        waits.push_back((*group, bytes));
        if waits.len() == 1 {
            waiting.turns.push_back(lane);
        }
        self.work.notify_one();
        Ok(())
    }

    /// What waits, up to a batch; blocks while nothing does. `None`: closed, and everything was taken.
    pub(crate) fn take(&self, most_events: usize, most_bytes: usize) -> Option<Vec<Group>> {
        let mut waiting = self.waiting.lock();
        while waiting.turns.is_empty() {
            if waiting.closed {
                return None;
            }
            self.work.wait(&mut waiting);
        }
        let most_bytes = match waiting.turns.len() {
            1 => most_bytes,
            _ => most_bytes.min(SHARED_BYTES),
        };
        let (mut taken, mut events, mut bytes) = (Vec::new(), 0, 0);
        while let Some(lane) = waiting.turns.pop_front() {
            let Some(waits) = waiting.lanes.get_mut(&lane) else {
                continue;
            };
            let fits = |(group, size): &(Group, usize)| {
                taken.is_empty() || (events + group.records.len() <= most_events && bytes + size <= most_bytes)
            };
            let next = if waits.front().is_some_and(fits) {
                waits.pop_front()
            } else {
                None
            };
            let Some((group, size)) = next else {
                // It is first in the next batch.
                waiting.turns.push_front(lane);
                break;
            };
            if waits.is_empty() {
                waiting.lanes.remove(&lane);
            } else {
                waiting.turns.push_back(lane);
            }
            events += group.records.len();
            bytes += size;
            taken.push(group);
        }
        waiting.events -= events;
        waiting.bytes -= bytes;
        drop(waiting);
        self.room.notify_all();
        self.room_for_tasks.notify_waiters();
        Some(taken)
    }

    pub(crate) fn is_closed(&self) -> bool {
        self.waiting.lock().closed
    }

    /// Takes nothing more. What waits is still committed.
    pub(crate) fn close(&self) {
        self.waiting.lock().closed = true;
        self.work.notify_all();
        self.room.notify_all();
        self.room_for_tasks.notify_waiters();
    }

    /// Records and bytes waiting now.
    pub(crate) fn depth(&self) -> (usize, usize) {
        let waiting = self.waiting.lock();
        (waiting.events, waiting.bytes)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::incoming::{Provenance, RawTime};
    use crate::names::SourcePosition;

    fn group(count: usize) -> Group {
        let record = Incoming {
            log: "acme".parse().unwrap(),
            source: SourcePosition::Intake,
            key: None,
            headers: Vec::new(),
            value: bytes::Bytes::from_static(b"0123456789"),
            raw_time: RawTime::Now,
            provenance: Provenance::Claimed,
            dedup: None,
            route: None,
        };
        Group {
            records: vec![record; count],
            origin: Origin::Intake {
                durable: Arc::default(),
            },
            answer: oneshot::channel().0,
        }
    }

    fn queue(queue_events: usize) -> Arc<Queue> {
        Arc::new(Queue::new(&Options {
            queue_events,
            ..Options::default()
        }))
    }

    #[test]
    fn a_batch_is_what_waits_up_to_its_bounds_and_groups_stay_whole() {
        let queue = queue(100);
        for count in [3, 4, 5, 50] {
            queue.push_blocking(group(count)).unwrap();
        }
        let taken = |events, bytes| -> Vec<usize> {
            queue
                .take(events, bytes)
                .unwrap()
                .iter()
                .map(|group| group.records.len())
                .collect()
        };
        assert_eq!(taken(10, 1000), [3, 4]);
        assert_eq!(
            taken(10, 49),
            [5],
            "fifty bytes are above the bound, but a group is never split"
        );
        assert_eq!(queue.depth(), (50, 500));
        queue.close();
        assert_eq!(taken(10, 10), [50]);
        assert!(queue.take(10, 10).is_none());
        assert!(matches!(queue.push_blocking(group(1)), Err(AppendError::Closing)));
    }

    #[test]
    fn whoever_sends_much_waits_behind_himself() {
        let queue = queue(1000);
        let of = |log: &str, count| {
            let mut group = group(count);
            group
                .records
                .iter_mut()
                .for_each(|record| record.log = log.parse().unwrap());
            group
        };
        for _ in 0..3 {
            queue.push_blocking(of("much", 100)).unwrap();
        }
        queue.push_blocking(of("little", 1)).unwrap();
        queue.push_blocking(of("other", 2)).unwrap();
        let taken = |events| -> Vec<usize> {
            let groups = queue.take(events, 1 << 20).unwrap();
            groups.iter().map(|group| group.records.len()).collect()
        };
        assert_eq!(taken(102), [100, 1], "each in turn");
        assert_eq!(taken(110), [2, 100]);
        assert_eq!(taken(1000), [100]);
        assert_eq!(queue.depth(), (0, 0));
    }

    #[test]
    fn whoever_comes_when_it_is_full_waits_for_room() {
        let queue = queue(5);
        queue.push_blocking(group(9)).unwrap();
        let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
        runtime.block_on(async {
            let later = tokio::spawn({
                let queue = Arc::clone(&queue);
                async move { queue.push(group(2)).await }
            });
            tokio::task::yield_now().await;
            assert!(!later.is_finished());
            assert_eq!(queue.take(100, 1000).unwrap().len(), 1);
            later.await.unwrap().unwrap();
            assert_eq!(queue.depth(), (2, 20));
        });
    }
}
