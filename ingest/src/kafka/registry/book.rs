//! Which schema is asked for next, and when.
//!
//! The book is bounded in what it holds and in how often it lets anything be asked for. A name that the registry does not
//! know is asked for ever less often. The logs take turns: a million names in one hold up no name in another. Of what is due
//! in a log, by turns, the one that has been due longest, one that was never asked for, and the one that most records named: so
//! neither do many names, each of one record, hold up one of many records, nor the other way round. When room is needed the log that holds most of it loses first what few records named and long ago.

use std::cmp::Reverse;
use std::collections::HashMap;
use std::time::{Duration, Instant};

use verdict_schemas::SchemaRef;

/// The most names that are held.
const MOST: usize = 4096;
/// How often anything may be asked for, in the long run.
const EVERY: Duration = Duration::from_millis(100);
/// How many may be asked for at once after a time in which nothing was.
const BURST: u32 = 32;
/// How long a name is left alone after it was not found for the first time, and at the most.
const FIRST: Duration = Duration::from_secs(1);
const LONGEST: Duration = Duration::from_secs(600);

/// How long to wait after so many failures before this one.
pub(super) fn backoff(failures: u32) -> Duration {
    FIRST.saturating_mul(1 << failures.min(16)).min(LONGEST)
}

/// What is known of the names that are not archived.
#[derive(Debug)]
pub(super) struct Book {
    names: HashMap<SchemaRef, Name>,
    /// Nothing is due before this.
    idle_until: Instant,
    /// How many may be asked for now, and since when that is so.
    allowed: (u32, Instant),
    /// How often was anything asked for, and when that was of each log.
    turn: u64,
    turns: HashMap<Log, u64>,
}

/// A log, by a hash of its name.
type Log = u64;

#[derive(Debug)]
struct Name {
    /// The log of the record that named it first.
    log: Log,
    /// How many records named it since it was written down.
    records: u64,
    failures: u32,
    due: Instant,
    last: Instant,
    under_way: bool,
}

impl Book {
    pub(super) fn new(now: Instant) -> Self {
        Self {
            names: HashMap::new(),
            idle_until: now,
            allowed: (BURST, now),
            turn: 0,
            turns: HashMap::new(),
        }
    }

    /// A record of a log named it.
    pub(super) fn seen(&mut self, name: SchemaRef, log: Log, now: Instant) {
        if let Some(known) = self.names.get_mut(&name) {
            known.records += 1;
            known.last = now;
            return;
        }
        if self.names.len() >= MOST {
            self.make_room();
        }
        let new = Name {
            log,
            records: 1,
            failures: 0,
            due: now,
            last: now,
            under_way: false,
        };
        self.names.insert(name, new);
        self.idle_until = self.idle_until.min(now);
    }

    /// The next to ask for, once for each call; `None` while nothing is due, or too much was asked for.
    pub(super) fn next(&mut self, now: Instant) -> Option<SchemaRef> {
        if now < self.idle_until || !self.is_allowed(now) {
            return None;
        }
        let waiting = self.names.iter().filter(|(_, name)| !name.under_way);
        let due = waiting.clone().filter(|(_, name)| name.due <= now);
        let turn = |name: &Name| self.turns.get(&name.log).copied().unwrap_or_default();
        let next = match self.turn % 3 {
            0 => due.min_by_key(|(_, name)| (turn(name), Reverse(name.records), name.due)),
            1 => due.min_by_key(|(_, name)| (turn(name), name.due)),
            _ => due.min_by_key(|(_, name)| (turn(name), name.failures > 0, Reverse(name.records), name.due)),
        };
        let Some((next, of)) = next else {
            self.idle_until = waiting.map(|(_, name)| name.due).min().unwrap_or(now + LONGEST);
            return None;
        };
        let (next, log) = (*next, of.log);
        self.turn += 1;
        self.turns.insert(log, self.turn);
        self.allowed.0 -= 1;
        if let Some(name) = self.names.get_mut(&next) {
            name.under_way = true;
        }
        Some(next)
    }

    /// The registry does not have it.
    pub(super) fn failed(&mut self, name: &SchemaRef, now: Instant) {
        self.again(name, |name| {
            name.due = now + backoff(name.failures);
            name.failures = name.failures.saturating_add(1);
        });
    }

    /// The registry did not answer, which says nothing about the name.
    pub(super) fn put_off(&mut self, name: &SchemaRef, now: Instant) {
        self.again(name, |name| name.due = now);
    }

    fn again(&mut self, name: &SchemaRef, change: impl FnOnce(&mut Name)) {
        if let Some(known) = self.names.get_mut(name) {
            known.under_way = false;
            change(known);
            self.idle_until = self.idle_until.min(known.due);
        }
    }

    /// It is archived.
    pub(super) fn forget(&mut self, name: &SchemaRef) {
        self.names.remove(name);
    }

    fn is_allowed(&mut self, now: Instant) -> bool {
        let (left, since) = &mut self.allowed;
        let more = now.duration_since(*since).as_nanos() / EVERY.as_nanos();
        if more > 0 {
            *left = u32::try_from(more).unwrap_or(BURST).saturating_add(*left).min(BURST);
            *since = now;
        }
        *left > 0
    }

    /// Lets go of a quarter, the least useful first.
    fn make_room(&mut self) {
        let mut held: HashMap<Log, usize> = HashMap::new();
        for name in self.names.values() {
            *held.entry(name.log).or_default() += 1;
        }
        self.turns.retain(|log, _| held.contains_key(log));
        let held = |name: &Name| held.get(&name.log).copied().unwrap_or_default();
        let mut all: Vec<_> = self.names.iter().filter(|(_, name)| !name.under_way).collect();
        all.sort_unstable_by_key(|(_, name)| (Reverse(held(name)), name.records, name.last));
        let least: Vec<_> = all.into_iter().take(MOST / 4).map(|(name, _)| *name).collect();
        for name in least {
            self.names.remove(&name);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn id(id: u32) -> SchemaRef {
        SchemaRef::Confluent(id)
    }

    /// So many times at this moment: what is asked for.
    fn asked(book: &mut Book, now: Instant) -> Vec<SchemaRef> {
        std::iter::from_fn(|| book.next(now)).collect()
    }

    #[test]
    fn a_name_not_found_is_asked_for_ever_less_often() {
        let begun = Instant::now();
        let mut book = Book::new(begun);
        book.seen(id(1), 1, begun);
        let mut times = Vec::new();
        for second in 0..4000 {
            let now = begun + Duration::from_secs(second);
            book.seen(id(1), 1, now);
            for name in asked(&mut book, now) {
                book.failed(&name, now);
                times.push(second);
            }
        }
        assert_eq!(
            times,
            [0, 1, 3, 7, 15, 31, 63, 127, 255, 511, 1023, 1623, 2223, 2823, 3423]
        );
        book.forget(&id(1));
        assert_eq!(asked(&mut book, begun + Duration::from_secs(9000)), []);
    }

    #[test]
    fn what_is_under_way_is_not_asked_for_twice_and_a_silent_registry_costs_a_name_nothing() {
        let now = Instant::now();
        let mut book = Book::new(now);
        book.seen(id(1), 1, now);
        assert_eq!(asked(&mut book, now), [id(1)]);
        book.seen(id(1), 1, now);
        assert_eq!(asked(&mut book, now), []);
        book.put_off(&id(1), now);
        assert_eq!(asked(&mut book, now), [id(1)]);
    }

    #[test]
    fn a_million_names_are_held_in_bounded_room_and_do_not_hold_up_one_of_many_records() {
        let begun = Instant::now();
        let mut book = Book::new(begun);
        for number in 0..1_000_000 {
            book.seen(id(number), 1, begun);
            if number % 1000 == 0 {
                book.seen(id(u32::MAX), 1, begun);
            }
        }
        assert!(book.names.len() <= MOST, "{}", book.names.len());
        let first = asked(&mut book, begun);
        assert_eq!(first.len(), BURST as usize, "bounded in number");
        assert_eq!(first[0], id(u32::MAX), "that of many records");
        let later = begun + Duration::from_secs(2);
        assert_eq!(asked(&mut book, later).len(), 20, "and in time");
        // Not found, it has its turn again as soon as it is due, however many others are.
        book.failed(&id(u32::MAX), later);
        let due = later + Duration::from_secs(1);
        assert!(asked(&mut book, due)[..3].contains(&id(u32::MAX)));
    }

    #[test]
    fn thousands_of_unknown_names_in_one_log_hold_up_no_other_log() {
        let begun = Instant::now();
        let mut book = Book::new(begun);
        (0..20_000).for_each(|number| book.seen(id(number), 1, begun));
        book.seen(id(u32::MAX), 2, begun);
        (20_000..40_000).for_each(|number| book.seen(id(number), 1, begun));
        assert!(book.names.len() <= MOST, "{}", book.names.len());
        assert!(asked(&mut book, begun)[..2].contains(&id(u32::MAX)));
        // Nor does what is new in a log wait for what was asked for often and is due again.
        let later = begun + Duration::from_secs(5);
        let again: Vec<_> = book.names.keys().copied().collect();
        again.iter().for_each(|name| book.failed(name, begun));
        book.seen(id(u32::MAX - 1), 1, later);
        assert!(asked(&mut book, later)[..6].contains(&id(u32::MAX - 1)));
    }

    #[test]
    fn the_turns_of_logs_that_are_gone_are_forgotten() {
        let begun = Instant::now();
        let mut book = Book::new(begun);
        for number in 0..20_000 {
            let now = begun + EVERY * number;
            book.seen(id(number), u64::from(number), now);
            let _asked = book.next(now);
            book.failed(&id(number), now);
        }
        assert!(book.turns.len() <= MOST + MOST / 4, "{}", book.turns.len());
    }
}
