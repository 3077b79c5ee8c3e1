//! Time as this node records it, and the horizon: the time up to which everything is held (E3).
//!
//! A question that is answered with `known_at = k` says that nothing more will be recorded at or before k. So recorded
//! time and horizon are taken from one place:
//!
//! ```text
//!     promised            in flight                 the clock
//!  ------|--------------------|----------------------|------------> time
//!     nothing is recorded     | the time of the oldest batch that is not visible yet:
//!     at or before it         | the horizon ends just before it
//! ```
//!
//! [`Clock::horizon`] promises what it returns, so no batch can begin at or before it between the question's look at
//! the clock and its look at the records. The clock of the machine may go backwards: the horizon and what is recorded
//! do not.
//!
//! With Kafka the broker gives the times; the horizon is then the earliest of what the consumer says of its partitions.

use std::collections::{BTreeMap, VecDeque};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use parking_lot::Mutex;
use verdict_schemas::Timestamp;

use crate::names::KafkaPartition;

/// SKEW (SEMANTICS, constants): how far two well-kept clocks may be apart. 2 s.
const SKEW_US: u64 = 2_000_000;

/// The one place that recorded time and the horizon come from.
#[derive(Debug)]
pub(crate) struct Clock {
    moments: Mutex<Moments>,
    machine: fn() -> Timestamp,
}

#[derive(Debug)]
struct Moments {
    promised: Timestamp,
    /// Number and time of each batch that is not visible yet, oldest first.
    in_flight: VecDeque<(u64, Timestamp)>,
    /// The time of a step out of turn that is not visible yet.
    late: Option<Timestamp>,
    /// The greatest time recorded.
    latest: Timestamp,
    /// Nothing more is recorded at or before it.
    divided: Timestamp,
    kafka: BTreeMap<KafkaPartition, Timestamp>,
}

impl Moments {
    fn horizon(&self, machine: Timestamp) -> Timestamp {
        let late = self.late.map_or(Timestamp::MAX, |late| late.minus_micros(1));
        if let Some(earliest) = self.kafka.values().min() {
            return late.min(*earliest);
        }
        let whole = match self.in_flight.front() {
            Some((_, begun)) => begun.minus_micros(1),
            None => machine,
        };
        whole.min(late).max(self.promised)
    }
}

impl Clock {
    /// A clock that has promised `promised` before.
    pub(crate) fn new(promised: Timestamp) -> Self {
        Self::with_machine(promised, machine)
    }

    fn with_machine(promised: Timestamp, machine: fn() -> Timestamp) -> Self {
        let moments = Moments {
            promised,
            in_flight: VecDeque::new(),
            late: None,
            latest: Timestamp::MIN,
            divided: Timestamp::MIN,
            kafka: BTreeMap::new(),
        };
        Self {
            moments: Mutex::new(moments),
            machine,
        }
    }

    /// Begins a batch: what is recorded in it is recorded at the time given, or later. Until [`Clock::end`] of its
    /// number the horizon stays before it.
    pub(crate) fn begin(&self, number: u64) -> Timestamp {
        let mut moments = self.moments.lock();
        let after = moments.promised.max(moments.divided).plus_micros(1);
        let now = (self.machine)().max(after.unwrap_or(Timestamp::MAX));
        moments.in_flight.push_back((number, now));
        moments.latest = moments.latest.max(now);
        now
    }

    /// Begins a step out of turn: it is taken after everything that was promised, and not before `last`. Until
    /// [`Clock::end_late`] the horizon stays before it.
    pub(crate) fn begin_late(&self, last: Timestamp) -> Timestamp {
        let mut moments = self.moments.lock();
        let after = moments.promised.plus_micros(1).unwrap_or(Timestamp::MAX);
        let mut now = (self.machine)();
        if !moments.kafka.is_empty() {
            // What the horizon will be when the ends of the partitions are seen next.
            now = now.minus_micros(SKEW_US);
        }
        let now = now.max(after).max(last);
        moments.late = Some(now);
        now
    }

    /// The step out of turn is visible.
    pub(crate) fn end_late(&self) {
        self.moments.lock().late = None;
    }

    /// Takes note of a time that was recorded: with Kafka it is the broker's.
    pub(crate) fn recorded(&self, time: Timestamp) {
        let mut moments = self.moments.lock();
        moments.latest = moments.latest.max(time);
    }

    /// A time at or before which everything so far was recorded, and nothing will be any more by this node's own clock.
    pub(crate) fn divide(&self) -> Timestamp {
        let mut moments = self.moments.lock();
        let now = (self.machine)().max(moments.latest).max(moments.promised);
        moments.divided = moments.divided.max(now);
        now
    }

    /// By how much recorded time is ahead of the machine's clock: a clock, here or at the broker, was ahead and is not any
    /// more.
    pub(crate) fn ahead_by(&self) -> Duration {
        let moments = self.moments.lock();
        let ahead = moments.latest.max(moments.promised).as_micros() - (self.machine)().as_micros();
        Duration::from_micros(u64::try_from(ahead).unwrap_or(0))
    }

    /// All batches up to this number are visible.
    pub(crate) fn end(&self, number: u64) {
        let mut moments = self.moments.lock();
        while moments.in_flight.front().is_some_and(|(begun, _)| *begun <= number) {
            moments.in_flight.pop_front();
        }
    }

    /// The time up to which everything is held and visible; promised from now on.
    pub(crate) fn horizon(&self) -> Timestamp {
        let mut moments = self.moments.lock();
        let horizon = moments.horizon((self.machine)());
        moments.promised = moments.promised.max(horizon);
        horizon
    }

    /// Promises that nothing will be recorded at or before `known_at` any more, as far as that is past.
    pub(crate) fn promise(&self, known_at: Timestamp) {
        let mut moments = self.moments.lock();
        let known_at = known_at.min(moments.horizon((self.machine)()));
        moments.promised = moments.promised.max(known_at);
    }

    /// What was promised, to be remembered over a restart.
    pub(crate) fn promised(&self) -> Timestamp {
        self.moments.lock().promised
    }

    /// With Kafka: everything of this partition up to `time` is held and visible.
    pub(crate) fn set_kafka(&self, partition: &KafkaPartition, time: Timestamp) {
        let mut moments = self.moments.lock();
        match moments.kafka.get_mut(partition) {
            // Never backwards: what was held is held.
            Some(held) => *held = time.max(*held),
            None => {
                moments.kafka.insert(partition.clone(), time);
            }
        }
    }
}

/// The machine's clock. A clock before 1970 or past 9999 is taken as the nearest time there is.
pub(crate) fn machine() -> Timestamp {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    i64::try_from(since.as_micros())
        .ok()
        .and_then(Timestamp::from_micros)
        .unwrap_or(Timestamp::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::atomic::{AtomicI64, Ordering};

    fn at(micros: i64) -> Timestamp {
        Timestamp::from_micros(micros).unwrap()
    }

    #[test]
    fn nothing_is_recorded_at_or_before_a_horizon_that_was_told() {
        static NOW: AtomicI64 = AtomicI64::new(100);
        let clock = Clock::with_machine(at(0), || at(NOW.load(Ordering::Relaxed)));
        assert_eq!(clock.begin(1), at(100));
        assert_eq!(clock.horizon(), at(99), "a batch is in flight");
        NOW.store(200, Ordering::Relaxed);
        assert_eq!(clock.begin(2), at(200));
        assert_eq!(clock.horizon(), at(99), "the oldest batch counts");
        clock.end(1);
        assert_eq!(clock.horizon(), at(199));
        clock.end(2);
        assert_eq!(clock.horizon(), at(200));
        assert_eq!(clock.begin(3), at(201), "200 was told");
        clock.end(3);
        // The machine's clock goes back an hour.
        NOW.store(50, Ordering::Relaxed);
        assert_eq!(clock.horizon(), at(200));
        assert_eq!(clock.begin(4), at(201));
    }

    #[test]
    fn a_promise_reaches_no_further_than_the_horizon() {
        static NOW: AtomicI64 = AtomicI64::new(100);
        let clock = Clock::with_machine(at(40), || at(NOW.load(Ordering::Relaxed)));
        clock.promise(at(1_000_000));
        assert_eq!(clock.promised(), at(100));
        assert_eq!(clock.begin(1), at(101));
    }

    #[test]
    fn with_kafka_the_earliest_partition_counts() {
        let clock = Clock::with_machine(at(0), || at(1000));
        let partition = |partition| KafkaPartition {
            cluster: "c".into(),
            topic: "t".into(),
            partition,
        };
        clock.set_kafka(&partition(0), at(500));
        clock.set_kafka(&partition(1), at(300));
        assert_eq!(clock.horizon(), at(300));
        clock.set_kafka(&partition(1), at(200));
        assert_eq!(clock.horizon(), at(300));
        clock.set_kafka(&partition(1), at(600));
        assert_eq!(clock.horizon(), at(500));
    }
}
