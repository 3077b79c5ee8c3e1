//! Time as this node records it, and the horizon: the time up to which everything of a log is held and visible (E3).
//!
//! A question that is answered with `known_at = k` says that nothing more will be recorded at or before k. So recorded
//! time and horizon are taken from one place:
//!
//! ```text
//!     promised            behind                    committing         the clock
//!  ------|--------------------|----------------------|--------------------|----------> time
//!     nothing is recorded     | of this log: the     | the time of the batch that is being
//!     at or before it         | first record that    | committed: the horizon of every log
//!                             | is not visible yet   | ends just before it
//! ```
//!
//! [`Clock::horizon`] promises what it returns, so no batch can begin at or before it between the question's look at
//! the clock and its look at the records. The clock of the machine may go backwards: the horizon and what is recorded
//! do not. What is held up of one log holds up no other: only a commit under way is everybody's.
//!
//! With Kafka the broker gives the times; the horizon is then what the consumer says of the partition that feeds the log.

use std::collections::{BTreeMap, HashMap};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use foldhash::fast::RandomState;
use parking_lot::Mutex;
use verdict_schemas::Timestamp;

use crate::names::{KafkaPartition, LogId};

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
    /// The time of the batch that is being committed.
    committing: Option<Timestamp>,
    /// The time of the first record of a log that is durable and not visible yet.
    behind: HashMap<LogId, Timestamp, RandomState>,
    /// The time of a step out of turn of a log that is not visible yet.
    late: HashMap<LogId, Timestamp, RandomState>,
    /// The greatest time recorded.
    latest: Timestamp,
    /// Nothing more is recorded at or before it.
    divided: Timestamp,
    kafka: BTreeMap<KafkaPartition, Timestamp>,
}

/// What a horizon is asked of.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Whose {
    /// The logs, those that there are.
    pub(crate) logs: Vec<LogId>,
    /// The partitions that feed them; `None`: any may.
    pub(crate) partitions: Option<Vec<KafkaPartition>>,
}

impl Moments {
    fn horizon(&self, machine: Timestamp, whose: &Whose) -> Timestamp {
        let held = if self.kafka.is_empty() {
            let whole = match self.committing {
                Some(begun) => begun.minus_micros(1),
                None => machine,
            };
            whole.max(self.promised)
        } else {
            let of =
                |partition: &KafkaPartition| whose.partitions.as_ref().is_none_or(|those| those.contains(partition));
            let times = self.kafka.iter().filter(|(partition, _)| of(partition));
            // A log that no partition here feeds gets nothing.
            times.map(|(_, time)| *time).min().unwrap_or(self.promised)
        };
        let first = |times: &HashMap<LogId, Timestamp, RandomState>, log| times.get(log).copied();
        let due = whose
            .logs
            .iter()
            .flat_map(|log| [first(&self.behind, log), first(&self.late, log)])
            .flatten();
        due.map(|due| due.minus_micros(1)).fold(held, Timestamp::min)
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
            committing: None,
            behind: HashMap::default(),
            late: HashMap::default(),
            latest: Timestamp::MIN,
            divided: Timestamp::MIN,
            kafka: BTreeMap::new(),
        };
        Self {
            moments: Mutex::new(moments),
            machine,
        }
    }

    /// Begins a batch: what is recorded in it is recorded at the time given, or later. Until [`Clock::committed`] every
    /// horizon stays before it.
    pub(crate) fn begin(&self) -> Timestamp {
        let mut moments = self.moments.lock();
        let after = moments.promised.max(moments.divided).plus_micros(1);
        let now = (self.machine)().max(after.unwrap_or(Timestamp::MAX));
        moments.committing = Some(now);
        moments.latest = moments.latest.max(now);
        now
    }

    /// Begins a step out of turn of a log: it is taken after everything that was promised, and not before `last`. Until
    /// [`Clock::end_late`] the log's horizon stays before it.
    pub(crate) fn begin_late(&self, log: LogId, last: Timestamp) -> Timestamp {
        let mut moments = self.moments.lock();
        let after = moments.promised.plus_micros(1).unwrap_or(Timestamp::MAX);
        let mut now = (self.machine)();
        if !moments.kafka.is_empty() {
            // What the horizon will be when the ends of the partitions are seen next.
            now = now.minus_micros(SKEW_US);
        }
        let now = now.max(after).max(last);
        moments.late.insert(log, now);
        now
    }

    /// A step out of turn of a log was taken at that time, and is not visible yet: until [`Clock::end_late`] the log's horizon
    /// stays before it.
    pub(crate) fn is_late(&self, log: LogId, taken: Timestamp) {
        self.moments.lock().late.insert(log, taken);
    }

    /// The step out of turn is visible.
    pub(crate) fn end_late(&self, log: LogId) {
        self.moments.lock().late.remove(&log);
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

    /// The batch is committed, and what of each log is behind was said.
    pub(crate) fn committed(&self) {
        self.moments.lock().committing = None;
    }

    /// The first record of a log that is not visible was recorded at that time; `None`: all are visible.
    pub(crate) fn set_behind(&self, log: LogId, first: Option<Timestamp>) {
        let mut moments = self.moments.lock();
        match first {
            Some(first) => moments.behind.insert(log, first),
            None => moments.behind.remove(&log),
        };
    }

    /// The time up to which everything of these logs is held and visible; promised from now on.
    pub(crate) fn horizon(&self, whose: &Whose) -> Timestamp {
        let mut moments = self.moments.lock();
        let horizon = moments.horizon((self.machine)(), whose);
        moments.promised = moments.promised.max(horizon);
        horizon
    }

    /// Promises that nothing will be recorded at or before `known_at` any more, as far as that is past.
    pub(crate) fn promise(&self, known_at: Timestamp, whose: &Whose) {
        let mut moments = self.moments.lock();
        let known_at = known_at.min(moments.horizon((self.machine)(), whose));
        moments.promised = moments.promised.max(known_at);
    }

    /// What was promised, to be remembered over a restart.
    pub(crate) fn promised(&self) -> Timestamp {
        self.moments.lock().promised
    }

    /// With Kafka: everything of this partition up to `time` is held.
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

    const ACME: LogId = LogId(1);
    const OTHER: LogId = LogId(2);

    fn of(log: LogId) -> Whose {
        Whose {
            logs: vec![log],
            partitions: None,
        }
    }

    #[test]
    fn nothing_is_recorded_at_or_before_a_horizon_that_was_told() {
        static NOW: AtomicI64 = AtomicI64::new(100);
        let clock = Clock::with_machine(at(0), || at(NOW.load(Ordering::Relaxed)));
        assert_eq!(clock.begin(), at(100));
        assert_eq!(clock.horizon(&of(ACME)), at(99), "a batch is being committed");
        clock.set_behind(ACME, Some(at(100)));
        clock.committed();
        NOW.store(200, Ordering::Relaxed);
        assert_eq!(
            clock.horizon(&of(OTHER)),
            at(200),
            "what is behind of one log is behind of it alone"
        );
        assert_eq!(clock.begin(), at(201), "200 was told");
        clock.set_behind(OTHER, Some(at(201)));
        clock.committed();
        assert_eq!(clock.horizon(&of(ACME)), at(99));
        clock.set_behind(ACME, Some(at(150)));
        assert_eq!(clock.horizon(&of(ACME)), at(149), "made up to there");
        clock.set_behind(ACME, None);
        assert_eq!(clock.horizon(&of(ACME)), at(200));
        let both = Whose {
            logs: vec![ACME, OTHER],
            partitions: None,
        };
        NOW.store(300, Ordering::Relaxed);
        assert_eq!(clock.horizon(&both), at(200), "the one that is behind counts");
        clock.set_behind(OTHER, None);
        assert_eq!(clock.horizon(&both), at(300));
        // The machine's clock goes back an hour.
        NOW.store(50, Ordering::Relaxed);
        assert_eq!(clock.horizon(&both), at(300));
        assert_eq!(clock.begin(), at(301));
    }

    #[test]
    fn a_step_out_of_turn_is_taken_after_what_was_told_and_holds_up_its_log_alone() {
        let clock = Clock::with_machine(at(0), || at(1000));
        assert_eq!(clock.horizon(&of(ACME)), at(1000));
        assert_eq!(clock.begin_late(ACME, at(7)), at(1001));
        assert_eq!(clock.horizon(&of(ACME)), at(1000));
        assert_eq!(clock.begin_late(OTHER, at(5000)), at(5000), "not before its last");
        clock.end_late(ACME);
        clock.end_late(OTHER);
        assert_eq!(clock.horizon(&of(OTHER)), at(1000));
    }

    #[test]
    fn a_promise_reaches_no_further_than_the_horizon() {
        static NOW: AtomicI64 = AtomicI64::new(100);
        let clock = Clock::with_machine(at(40), || at(NOW.load(Ordering::Relaxed)));
        clock.promise(at(1_000_000), &of(ACME));
        assert_eq!(clock.promised(), at(100));
        assert_eq!(clock.begin(), at(101));
    }

    #[test]
    fn with_kafka_the_partitions_that_feed_the_logs_count() {
        let clock = Clock::with_machine(at(0), || at(1000));
        let partition = |partition| KafkaPartition {
            cluster: "c".into(),
            topic: "t".into(),
            partition,
        };
        let fed_by = |partitions: &[u32]| Whose {
            logs: vec![ACME],
            partitions: Some(partitions.iter().map(|number| partition(*number)).collect()),
        };
        clock.set_kafka(&partition(0), at(500));
        clock.set_kafka(&partition(1), at(300));
        assert_eq!(clock.horizon(&of(ACME)), at(300), "any may feed it");
        assert_eq!(clock.horizon(&fed_by(&[0])), at(500));
        assert_eq!(clock.horizon(&fed_by(&[0, 1])), at(300));
        clock.set_kafka(&partition(1), at(200));
        assert_eq!(clock.horizon(&fed_by(&[1])), at(300), "never backwards");
        clock.set_behind(ACME, Some(at(400)));
        assert_eq!(clock.horizon(&fed_by(&[0])), at(399));
    }
}
