//! What is known of the instances around a moment, whatever the series: read once, however many series ask (E8, E9).
//!
//! A moment after the frontier asks at the frontier, for nothing happens after it but that leases run out: whoever is a
//! member later is one there. So one enumeration serves every later moment.

use std::cell::{Cell, RefCell};
use std::rc::Rc;

use foldhash::HashMap;

use super::instance::{Gave, gave_and_cited, no_retirement_before, retired_at};
use super::key::{Fields, Key, Tag, find};
use super::mark::{cited_around, seen_around};
use super::presence::{Ends, Standing, ends, presence};
use super::space::{Direction, OrderedRows, RowsError};
use super::tally::{NOTHING, VersionId};
use crate::DECISION_LEASE_MS;

const WHAT: &str = "first observations";
/// A member at a moment, by ids.
#[derive(Clone, Copy, Debug)]
pub(super) struct MemberRow {
    pub(super) instance: u32,
    /// By all facts up to the moment.
    pub(super) ends: Ends,
    pub(super) gave: Option<Gave>,
    pub(super) labels: u32,
}

impl MemberRow {
    pub(super) fn version(&self) -> VersionId {
        self.gave.map_or(NOTHING, |gave| gave.version)
    }
}

/// Instances whose ids differ by no more are read in one scan, over those between them.
const NEAR: u32 = 4;

/// Who was around at a moment of a cut, at or before its frontier.
#[derive(Debug)]
pub(super) struct Around {
    x: u64,
    size: u64,
    /// What stands by `agent_seen`, of each instance met.
    standings: RefCell<HashMap<u32, Standing>>,
    /// Who is live or silent by `agent_seen`, by series with an observation of it; by id.
    by_series: HashMap<u32, Vec<u32>>,
    /// The latest retirement of each instance asked for.
    retired: RefCell<HashMap<u32, Option<u64>>>,
    /// No instance of `[from, to)` was ever retired.
    never_retired: Cell<(u32, u32)>,
    members: RefCell<HashMap<u32, Rc<[MemberRow]>>>,
}

impl Around {
    /// Reads who is around by `agent_seen` at `x`, not after the frontier, in the cut of `size`.
    pub(super) fn read<R: OrderedRows>(rows: &R, x: u64, size: u64) -> Result<Self, RowsError<R::Error>> {
        let mut around = Self {
            x,
            size,
            standings: RefCell::default(),
            by_series: HashMap::default(),
            retired: RefCell::default(),
            never_retired: Cell::new((0, 0)),
            members: RefCell::default(),
        };
        let mut there = Vec::new();
        for instance in seen_around(rows, x, size)? {
            if x < around.standing(rows, instance)?.ends.silent {
                there.push(instance);
            }
        }
        for near in there.chunk_by(|one, next| next - one <= NEAR) {
            around.read_series(rows, near)?;
        }
        Ok(around)
    }

    /// Adds instances, sorted, to the series they were observed in.
    fn read_series<R: OrderedRows>(&mut self, rows: &R, instances: &[u32]) -> Result<(), RowsError<R::Error>> {
        let (Some(first), Some(last)) = (instances.first(), instances.last()) else {
            return Ok(());
        };
        let prefix = Key::new(Tag::FirstIn);
        let to = prefix.u32(*last).u32(u32::MAX).u64(u64::MAX).after();
        // Of each series of an instance the bounds only improve, so the one of the greatest size comes last.
        let mut met: Vec<(u32, u32, u64)> = Vec::new();
        find::<R, ()>(rows, prefix.u32(*first), to, Direction::Forward, |key, value| {
            let mut fields = Fields::of_key(key, WHAT);
            let (instance, series, size) = (fields.u32()?, fields.u32()?, fields.u64()?);
            if size <= self.size && instances.binary_search(&instance).is_ok() {
                let f = Fields::new(value, WHAT).u64()?;
                met.pop_if(|(i, s, _)| (*i, *s) == (instance, series));
                met.push((instance, series, f));
            }
            Ok(None)
        })?;
        for (instance, series, _) in met.into_iter().filter(|(.., f)| *f <= self.x) {
            self.by_series.entry(series).or_default().push(instance);
        }
        Ok(())
    }

    /// What stands by `agent_seen`.
    fn standing<R: OrderedRows>(&self, rows: &R, instance: u32) -> Result<Standing, RowsError<R::Error>> {
        if let Some(standing) = self.standings.borrow().get(&instance) {
            return Ok(*standing);
        }
        let read = presence(instance).at(rows, self.x, self.size)?;
        let standing = read.map(|(_, there)| there.standing).unwrap_or_default();
        self.standings.borrow_mut().insert(instance, standing);
        Ok(standing)
    }

    fn retired<R: OrderedRows>(&self, rows: &R, instance: u32) -> Result<Option<u64>, RowsError<R::Error>> {
        let (from, to) = self.never_retired.get();
        if (from..to).contains(&instance) {
            return Ok(None);
        }
        if let Some(retired) = self.retired.borrow().get(&instance) {
            return Ok(*retired);
        }
        let next = no_retirement_before(rows, instance)?;
        if instance < next {
            self.never_retired.set((instance, next));
            return Ok(None);
        }
        let retired = retired_at(rows, instance, self.x, self.size)?;
        self.retired.borrow_mut().insert(instance, retired);
        Ok(retired)
    }

    /// The members of a series, by id.
    pub(super) fn members<R: OrderedRows>(
        &self,
        rows: &R,
        series: u32,
    ) -> Result<Rc<[MemberRow]>, RowsError<R::Error>> {
        if let Some(members) = self.members.borrow().get(&series) {
            return Ok(Rc::clone(members));
        }
        let seen = self.by_series.get(&series).map(Vec::as_slice).unwrap_or_default();
        let cited = cited_around(rows, series, self.x, self.size)?;
        let mut all = [seen, cited.as_slice()].concat();
        all.sort_unstable();
        all.dedup();
        let mut members = Vec::with_capacity(all.len());
        for instance in all {
            let among = |those: &[u32]| those.binary_search(&instance).is_ok();
            members.extend(self.member(rows, (series, instance), (among(seen), among(&cited)))?);
        }
        let members: Rc<[MemberRow]> = members.into();
        self.members.borrow_mut().insert(series, Rc::clone(&members));
        Ok(members)
    }

    /// An instance of a series, if it is a member: `seen` there by `agent_seen`, or it `may_cite`.
    fn member<R: OrderedRows>(
        &self,
        rows: &R,
        (series, instance): (u32, u32),
        (seen, may_cite): (bool, bool),
    ) -> Result<Option<MemberRow>, RowsError<R::Error>> {
        // Read already of those seen; of others what they cite decides first.
        let before = if seen {
            self.standing(rows, instance)?.ends
        } else {
            Ends::default()
        };
        let matters = |f: u64| may_cite && self.x < lease(f).silent && before.max(lease(f)) != before;
        let (given, cited) = gave_and_cited(rows, (series, instance), self.x, self.size, matters)?;
        if !seen && cited.is_none() {
            return Ok(None);
        }
        let Standing { mut ends, labels } = self.standing(rows, instance)?;
        if cited.is_some() {
            ends = ends.with_citation(cited, self.retired(rows, instance)?);
        }
        Ok((self.x < ends.silent).then_some(MemberRow {
            instance,
            ends,
            gave: given.map(|(_, gave)| gave),
            labels,
        }))
    }
}

/// Until when a citation at `f` keeps its instance.
fn lease(f: u64) -> Ends {
    ends(f, DECISION_LEASE_MS)
}
