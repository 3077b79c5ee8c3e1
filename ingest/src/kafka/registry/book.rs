//! Which schema is asked for next, and when.
//!
//! The book is bounded in what it holds and in how often it lets anything be asked for. A name that the registry does not
//! know is asked for ever less often. Of those that are due the one that most records named comes first, and every other
//! time the one that has been due longest: so neither do a million names, each of one record, hold up one of many records,
//! nor does one of many records hold up all others. What few records named and long ago goes first when room is needed.

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
    /// Is it the turn of the one that has been due longest?
    oldest: bool,
}

#[derive(Debug)]
struct Name {
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
            oldest: false,
        }
    }

    /// A record named it.
    pub(super) fn seen(&mut self, name: SchemaRef, now: Instant) {
        if let Some(known) = self.names.get_mut(&name) {
            known.records += 1;
            known.last = now;
            return;
        }
        if self.names.len() >= MOST {
            self.make_room();
        }
        let new = Name {
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
        let next = if self.oldest {
            due.min_by_key(|(_, name)| name.due)
        } else {
            due.max_by_key(|(_, name)| name.records)
        };
        let Some((next, _)) = next else {
            self.idle_until = waiting.map(|(_, name)| name.due).min().unwrap_or(now + LONGEST);
            return None;
        };
        let next = *next;
        self.oldest = !self.oldest;
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
        let mut all: Vec<_> = self.names.iter().filter(|(_, name)| !name.under_way).collect();
        all.sort_unstable_by_key(|(_, name)| (name.records, name.last));
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
        book.seen(id(1), begun);
        let mut times = Vec::new();
        for second in 0..4000 {
            let now = begun + Duration::from_secs(second);
            book.seen(id(1), now);
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
        book.seen(id(1), now);
        assert_eq!(asked(&mut book, now), [id(1)]);
        book.seen(id(1), now);
        assert_eq!(asked(&mut book, now), []);
        book.put_off(&id(1), now);
        assert_eq!(asked(&mut book, now), [id(1)]);
    }

    #[test]
    fn a_million_names_are_held_in_bounded_room_and_do_not_hold_up_one_of_many_records() {
        let begun = Instant::now();
        let mut book = Book::new(begun);
        for number in 0..1_000_000 {
            book.seen(id(number), begun);
            if number % 1000 == 0 {
                book.seen(id(u32::MAX), begun);
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
        assert!(asked(&mut book, due)[..2].contains(&id(u32::MAX)));
    }
}
