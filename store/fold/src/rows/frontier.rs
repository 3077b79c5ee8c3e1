//! The writer's memory of who is observed at the frontier, the greatest f so far, and of who expires next.
//!
//! It is a cache of the rows, made again from them when it was dropped: nothing put depends on whether it was. It is
//! there because most facts come in the order of their instance: then what they change follows from what is remembered,
//! and a heartbeat that changes nothing reads nothing. Expiries up to a new frontier are taken from a heap in which each
//! instance stands at most once with the moment it is next looked at; a heartbeat does not move it there.
//!
//! How long nothing expires after the frontier is put beside it, once per record ([`Frontier::seal`]): until then a
//! question needs nobody enumerated.

use std::cmp::Reverse;
use std::collections::{BTreeMap, BinaryHeap};

use foldhash::HashMap;
use verdict_schemas::Timestamp;

use super::bound::latest_of_each;
use super::given_up::GivenUp;
use super::holder::{Now, SeatChange, apply};
use super::key::{ALL, Fields, Key, Tag, find, micros};
use super::mark::{cited_around, seen_around};
use super::present::{InSeries, Present};
use super::space::{Corrupt, Direction, OrderedRows, OrderedRowsMut, RowsError};

/// Changes of one moment, by series.
pub(super) type Expiring = BTreeMap<u32, Vec<SeatChange>>;

/// Who is observed at the frontier.
#[derive(Debug)]
pub(super) struct Frontier {
    /// The greatest f; `None` before the first fact.
    pub(super) at: Option<u64>,
    pub(super) instances: HashMap<u32, Present>,
    turns: BinaryHeap<Reverse<(u64, u32)>>,
    /// f of the first observation of each series.
    pub(super) firsts: HashMap<u32, u64>,
    /// Series without steps.
    pub(super) given_up: GivenUp,
    /// What the rows say last.
    sealed: Option<Place>,
    /// The size of the log with the record that came since.
    unsealed: Option<u64>,
}

/// The greatest f of a cut, and the moment after it at which the first lease runs out: in between nothing changes.
///
/// ```text
/// value  at u64, next u64 if there is one
/// ```
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) struct Place {
    pub(super) at: u64,
    next: Option<u64>,
}

impl Place {
    /// The last moment at which everything is as it is at the frontier.
    pub(super) fn steady(self) -> u64 {
        self.next.map_or(u64::MAX, |next| next.saturating_sub(1)).max(self.at)
    }

    fn encode(self) -> Vec<u8> {
        let fields = [Some(self.at), self.next].into_iter().flatten();
        fields.flat_map(u64::to_be_bytes).collect()
    }

    fn decode(value: &[u8]) -> Result<Self, Corrupt> {
        let mut fields = Fields::new(value, WHAT);
        let at = fields.u64()?;
        let next = if fields.is_empty() { None } else { Some(fields.u64()?) };
        fields.end()?;
        // Moments right behind it are counted on.
        let sound = at <= micros(Timestamp::MAX) && next.is_none_or(|next| next > at);
        if sound {
            Ok(Self { at, next })
        } else {
            Err(Corrupt(WHAT))
        }
    }
}

const WHAT: &str = "frontier";

/// The frontier of the cut.
pub(super) fn frontier_at<R: OrderedRows>(rows: &R, cut: u64) -> Result<Option<Place>, RowsError<R::Error>> {
    let sizes = Key::new(Tag::Frontier);
    find(rows, sizes, sizes.u64(cut).after(), Direction::Backward, |_, value| {
        Place::decode(value).map(Some)
    })
}

/// Every series that was observed in the cut, with f of its first observation.
pub(super) fn first_observations<R: OrderedRows>(rows: &R, cut: u64) -> Result<Vec<(u32, u64)>, RowsError<R::Error>> {
    latest_of_each(rows, Key::new(Tag::First), cut, "first observations")
}

impl Frontier {
    /// Reads it from the rows; a fact may touch so many cells of a series.
    pub(super) fn load<R: OrderedRows>(rows: &R, cells: usize) -> Result<Self, RowsError<R::Error>> {
        let firsts: HashMap<u32, u64> = first_observations(rows, ALL)?.into_iter().collect();
        let sealed = frontier_at(rows, ALL)?;
        let at = sealed.map(|place| place.at);
        let mut frontier = Self {
            at,
            sealed,
            unsealed: None,
            instances: HashMap::default(),
            turns: BinaryHeap::new(),
            firsts,
            given_up: GivenUp::load(rows, cells)?,
        };
        let Some(at) = at else { return Ok(frontier) };
        let mut around = seen_around(rows, at, ALL)?;
        for series in frontier.firsts.keys() {
            around.extend(cited_around(rows, *series, at, ALL)?);
        }
        around.sort_unstable();
        around.dedup();
        for instance in around {
            let present = Present::load(rows, instance)?;
            frontier.keep(instance, present, None);
        }
        Ok(frontier)
    }

    /// Remembers an instance unless it is gone everywhere. `only` is the one series in which anything changed, if it is
    /// one: of an instance that stands in the heap the others need no look then, however many they are.
    pub(super) fn keep(&mut self, instance: u32, mut present: Present, only: Option<u32>) {
        let at = self.at.unwrap_or_default();
        let (next, all) = match (present.queued, only) {
            (Some(queued), Some(series)) => (present.next_turn_in(series, at).or(Some(queued)), false),
            _ => (present.next_turn(at), true),
        };
        let Some(next) = next else {
            self.instances.remove(&instance);
            return;
        };
        // The first turn of one series is that of the instance if it comes before what all others have.
        present.exact = present
            .queued
            .is_none_or(|queued| queued > next || (all && queued == next));
        // Where it stands earlier than it has to, it is looked at in vain and put back: rarer than to move it each time.
        if present.queued.is_none_or(|queued| queued > next) {
            present.queued = Some(next);
            self.turns.push(Reverse((next, instance)));
        }
        self.instances.insert(instance, present);
    }

    /// Moves the frontier to `f`, if it is later: whoever expires up to there does. What expires at `f` itself is
    /// returned, to be applied together with the fact (E5): mostly it is what the fact prevents.
    pub(super) fn advance<R: OrderedRowsMut>(
        &mut self,
        rows: &mut R,
        f: u64,
        size: u64,
    ) -> Result<Expiring, RowsError<R::Error>> {
        self.unsealed = Some(size);
        let mut changes = Expiring::new();
        if self.at.is_some_and(|at| at >= f) {
            return Ok(changes);
        }
        let now = Now { frontier: f, size };
        while let Some(x) = self.turns.peek().map(|Reverse((x, _))| *x).filter(|x| *x <= f) {
            while let Some(Reverse((_, instance))) = self.turns.peek().filter(|Reverse((at, _))| *at == x).copied() {
                self.turns.pop();
                self.turn(instance, x, f + 1, &mut changes);
            }
            if x < f {
                for (series, changes) in std::mem::take(&mut changes) {
                    apply(rows, series, &changes, now, &mut self.given_up)?;
                }
            }
        }
        self.at = Some(f);
        Ok(changes)
    }

    /// Looks at an instance at `x`, and puts it back for its next turn.
    fn turn(&mut self, instance: u32, x: u64, to: u64, changes: &mut Expiring) {
        let Some(present) = self
            .instances
            .get_mut(&instance)
            .filter(|present| present.queued == Some(x))
        else {
            return;
        };
        for there in present.known() {
            let ends = present.ends(there);
            let (old, new) = (ends.seat(x - 1, there.version), ends.seat(x, there.version));
            if old != new {
                changes
                    .entry(there.series)
                    .or_default()
                    .push(SeatChange { from: x, to, old, new });
            }
        }
        present.queued = present.next_turn(x);
        present.exact = true;
        match present.queued {
            Some(next) => self.turns.push(Reverse((next, instance))),
            None => {
                self.instances.remove(&instance);
            }
        }
    }

    /// Puts the frontier and when something expires next, if that has changed: after each record.
    pub(super) fn seal<R: OrderedRowsMut>(&mut self, rows: &mut R) -> Result<(), RowsError<R::Error>> {
        let (Some(at), Some(size)) = (self.at, self.unsealed.take()) else {
            return Ok(());
        };
        let place = Place {
            at,
            next: self.next_turn(at),
        };
        if self.sealed != Some(place) {
            self.sealed = Some(place);
            let key = Key::new(Tag::Frontier).u64(size);
            rows.put(key.as_slice(), &place.encode()).map_err(RowsError::Storage)?;
        }
        Ok(())
    }

    /// When somebody expires next. Who stands first in the heap too early is put where it belongs.
    fn next_turn(&mut self, at: u64) -> Option<u64> {
        while let Some(Reverse((x, instance))) = self.turns.peek().copied() {
            let Some(present) = self
                .instances
                .get_mut(&instance)
                .filter(|present| present.queued == Some(x))
            else {
                self.turns.pop();
                continue;
            };
            if present.exact {
                return Some(x);
            }
            self.turns.pop();
            present.queued = present.next_turn(at);
            present.exact = true;
            match present.queued {
                Some(next) => self.turns.push(Reverse((next, instance))),
                None => drop(self.instances.remove(&instance)),
            }
        }
        None
    }

    /// Bytes held, roughly.
    pub(super) fn bytes(&self) -> usize {
        let series: usize = self.instances.values().map(Present::capacity).sum();
        self.instances.capacity() * (size_of::<Present>() + size_of::<u32>() + 1)
            + series * size_of::<InSeries>()
            + self.turns.capacity() * size_of::<Reverse<(u64, u32)>>()
            + self.firsts.capacity() * (size_of::<(u32, u64)>() + 1)
    }
}
