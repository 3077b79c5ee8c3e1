//! The writer's memory of who is observed at the frontier, the greatest f so far, and of who expires next.
//!
//! It is a cache of the rows, made again from them when it was dropped: nothing put depends on whether it was. It is
//! there because most facts come in the order of their instance: then what they change follows from what is remembered,
//! and a heartbeat that changes nothing reads nothing. Expiries up to a new frontier are taken from a heap in which each
//! instance stands at most once with the moment it is next looked at; a heartbeat does not move it there.

use std::cmp::Reverse;
use std::collections::{BTreeMap, BinaryHeap};

use foldhash::HashMap;
use verdict_schemas::Timestamp;

use super::bound::latest_of_each;
use super::holder::{Now, SeatChange, apply};
use super::instance::{cited_at, gave_at, retired_at};
use super::key::{ALL, Key, Tag};
use super::mark::{cited_around, seen_around};
use super::presence::{Ends, Standing, presence};
use super::space::{Corrupt, OrderedRows, OrderedRowsMut, RowsError};
use super::tally::{NOTHING, VersionId};
use super::write::micros;

/// What an instance runs in one series, by all its facts so far.
#[derive(Clone, Debug)]
pub(super) struct InSeries {
    pub(super) series: u32,
    pub(super) version: VersionId,
    /// f of its first observation there.
    pub(super) first: u64,
    /// f of its latest counted citation there.
    pub(super) cited: Option<u64>,
}

/// An instance by all its facts so far.
#[derive(Clone, Debug, Default)]
pub(super) struct Present {
    pub(super) standing: Standing,
    /// Its latest retirement.
    pub(super) retired: Option<u64>,
    /// f of its latest sighting by `agent_seen`, or of its retirement.
    pub(super) reported: Option<u64>,
    pub(super) series: Vec<InSeries>,
    /// (level, bucket) of its latest mark.
    pub(super) marked: Option<(u8, u64)>,
    /// Where it stands in the heap.
    pub(super) queued: Option<u64>,
}

impl Present {
    /// Reads it from the rows.
    pub(super) fn load<R: OrderedRows>(rows: &R, instance: u32) -> Result<Self, RowsError<R::Error>> {
        let last = presence(instance).at(rows, u64::MAX, ALL)?;
        let firsts = latest_of_each(rows, Key::new(Tag::FirstIn).u32(instance), ALL, "first observations")?;
        let mut series = Vec::with_capacity(firsts.len());
        for (id, first) in firsts {
            let version = gave_at(rows, (id, instance), u64::MAX, ALL)?.map_or(NOTHING, |(_, gave)| gave.version);
            let cited = cited_at(rows, (id, instance), u64::MAX, ALL)?;
            series.push(InSeries {
                series: id,
                version,
                first,
                cited,
            });
        }
        let (reported, presence) = last.unzip();
        let retired = retired_at(rows, instance, u64::MAX, ALL)?;
        let standing = presence.map(|presence| presence.standing).unwrap_or_default();
        Ok(Self {
            standing,
            retired,
            reported,
            series,
            marked: None,
            queued: None,
        })
    }

    /// f of its latest fact.
    pub(super) fn last(&self) -> Option<u64> {
        self.series
            .iter()
            .map(|there| there.cited)
            .max()
            .flatten()
            .max(self.reported)
    }

    /// Until when it is live and silent in a series.
    pub(super) fn ends(&self, there: &InSeries) -> Ends {
        self.standing.ends.with_citation(there.cited, self.retired)
    }

    /// What it runs in a series, if it was observed there.
    pub(super) fn there(&self, series: u32) -> Option<&InSeries> {
        self.series.iter().find(|there| there.series == series)
    }

    pub(super) fn there_mut(&mut self, series: u32) -> Option<&mut InSeries> {
        self.series.iter_mut().find(|there| there.series == series)
    }

    /// The next moment after `t` at which it expires somewhere; `None` if it is gone everywhere.
    fn next_turn(&self, t: u64) -> Option<u64> {
        let everywhere = self
            .series
            .iter()
            .map(|there| self.ends(there))
            .chain([self.standing.ends]);
        everywhere.filter_map(|ends| ends.next_turn(t)).min()
    }
}

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
}

const WHAT: &str = "frontier";

/// The greatest f of the cut.
pub(super) fn frontier_at<R: OrderedRows>(rows: &R, cut: u64) -> Result<Option<u64>, RowsError<R::Error>> {
    let at = super::bound::latest(rows, Key::new(Tag::Frontier), cut, WHAT)?;
    // Moments right behind it are counted on.
    if at.is_some_and(|at| at > micros(Timestamp::MAX)) {
        Err(Corrupt(WHAT).into())
    } else {
        Ok(at)
    }
}

/// Every series that was observed in the cut, with f of its first observation.
pub(super) fn first_observations<R: OrderedRows>(rows: &R, cut: u64) -> Result<Vec<(u32, u64)>, RowsError<R::Error>> {
    latest_of_each(rows, Key::new(Tag::First), cut, "first observations")
}

impl Frontier {
    /// Reads it from the rows.
    pub(super) fn load<R: OrderedRows>(rows: &R) -> Result<Self, RowsError<R::Error>> {
        let firsts: HashMap<u32, u64> = first_observations(rows, ALL)?.into_iter().collect();
        let at = frontier_at(rows, ALL)?;
        let mut frontier = Self {
            at,
            instances: HashMap::default(),
            turns: BinaryHeap::new(),
            firsts,
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
            frontier.keep(instance, present);
        }
        Ok(frontier)
    }

    /// Remembers an instance unless it is gone everywhere.
    pub(super) fn keep(&mut self, instance: u32, mut present: Present) {
        let Some(next) = present.next_turn(self.at.unwrap_or_default()) else {
            self.instances.remove(&instance);
            return;
        };
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
                    apply(rows, series, &changes, now)?;
                }
            }
        }
        self.at = Some(f);
        let key = Key::new(Tag::Frontier).u64(size);
        rows.put(key.as_slice(), &f.to_be_bytes()).map_err(RowsError::Storage)?;
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
        for there in &present.series {
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
        match present.queued {
            Some(next) => self.turns.push(Reverse((next, instance))),
            None => {
                self.instances.remove(&instance);
            }
        }
    }

    /// Bytes held, roughly.
    pub(super) fn bytes(&self) -> usize {
        let series: usize = self.instances.values().map(|present| present.series.capacity()).sum();
        self.instances.capacity() * (size_of::<Present>() + size_of::<u32>() + 1)
            + series * size_of::<InSeries>()
            + self.turns.capacity() * size_of::<Reverse<(u64, u32)>>()
            + self.firsts.capacity() * (size_of::<(u32, u64)>() + 1)
    }
}
