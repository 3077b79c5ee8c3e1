//! One fact, interned, and all that follows from it.
//!
//! 1. The frontier moves to f if that is later; whoever expires up to there does.
//! 2. The fact's own rows are put: of the instance, and the marks.
//! 3. What it changes about its instance's seats, in each series it touches, goes to the tallies and holders.
//!
//! For 3 there are two ways with one result. *In order*: no fact of this instance lies after it (though the frontier may,
//! as it does for all but one of a fleet); then the seats before and after follow from what is remembered. *Out of
//! order*: they are read from the rows before and after 2, over the interval in which the fact can matter.

use verdict_schemas::Kind;

use super::fact_row::{Fact, What, range};
use super::frontier::{Expiring, Frontier};
use super::holder::{Now, apply, seat_changes};
use super::instance::{Gave, first_in, next_giving, put_cited, put_gave, put_retired, retired_at, seats};
use super::key::{ALL, Key, Tag, find};
use super::mark;
use super::presence::{Ends, Own, Presence, ends, presence, put_presence};
use super::present::{InSeries, Present};
use super::space::{Corrupt, Direction, OrderedRows, OrderedRowsMut, RowsError};
use super::tally::{NOTHING, Seats, VersionId};
use crate::{DECISION_LEASE_MS, RecordRef};

/// What a fact says of one series.
#[derive(Clone, Copy, Debug)]
struct Said {
    series: u32,
    /// The version it gives, if it gives one.
    gives: Option<VersionId>,
    position: u32,
}

impl Fact {
    fn said(&self) -> Vec<Said> {
        match &self.what {
            What::Seen { entries, .. } => entries
                .iter()
                .map(|entry| Said {
                    series: entry.series,
                    gives: entry.gives(),
                    position: entry.position,
                })
                .collect(),
            What::Cited { series, version } => {
                vec![Said {
                    series: *series,
                    gives: Some(*version),
                    position: self.position,
                }]
            }
            What::Retired => Vec::new(),
        }
    }

    /// What it brings to presence by `agent_seen`.
    fn own(&self) -> Option<Own> {
        match self.what {
            What::Seen { lease_ms, labels, .. } => Some(Own {
                retired: false,
                ends: ends(self.f, lease_ms),
                labels,
            }),
            What::Retired => Some(Own {
                retired: true,
                ..Own::default()
            }),
            What::Cited { .. } => None,
        }
    }

    /// The one series it bears on; a report bears on all series of its instance.
    fn only(&self) -> Option<u32> {
        match self.what {
            What::Cited { series, .. } => Some(series),
            What::Seen { .. } | What::Retired => None,
        }
    }

    /// Does every fact that bears on the same series of the instance act before this one?
    fn in_order(&self, present: &Present) -> bool {
        // Of one instant the greater index acts last (E5), and what is understood late has a smaller one.
        let before = |last: u64| last < self.f || (last == self.f && !self.late);
        match self.only() {
            Some(series) => {
                let cited = present.there(series).and_then(|there| there.cited);
                cited.max(present.reported).is_none_or(before)
            }
            // Reports of one instant share a row, so they are no simple case.
            None => present.last().is_none_or(before) && present.reported.is_none_or(|f| f < self.f),
        }
    }

    /// What it brings to presence where it is understood late: of one instant the labels are those of the greatest index
    /// (E5, E19).
    fn own_late<R: OrderedRows>(&self, rows: &R, own: Own) -> Result<Own, RowsError<R::Error>> {
        if !self.late || own.labels == 0 {
            return Ok(own);
        }
        let (from, to) = range(self.f, self.f);
        let labels = find(rows, from, to, Direction::Backward, |key, value| {
            let fact = Self::decode(key, value)?;
            Ok(match fact.what {
                What::Seen { labels, .. } if fact.instance == self.instance => Some(labels),
                _ => None,
            })
        })?;
        Ok(Own {
            labels: labels.unwrap_or(own.labels),
            ..own
        })
    }
}

impl Frontier {
    /// Applies a fact. `new` says that no record named the instance before.
    pub(super) fn observe<R: OrderedRowsMut>(
        &mut self,
        rows: &mut R,
        fact: &Fact,
        new: bool,
    ) -> Result<(), RowsError<R::Error>> {
        let size = fact.step.checked_add(1).ok_or(Corrupt("facts"))?;
        let mut expiring = self.advance(rows, fact.f, size)?;
        let now = Now {
            frontier: self.at.unwrap_or(fact.f),
            size,
        };
        rows.put(fact.key().as_slice(), &fact.encode())
            .map_err(RowsError::Storage)?;
        let mut present = match self.instances.remove(&fact.instance) {
            Some(present) => present,
            None if new => Present::default(),
            None => Present::load_partial(&*rows, fact.instance)?,
        };
        match fact.only() {
            Some(series) => present.complete_in(&*rows, (series, fact.instance))?,
            None => present.complete(&*rows, fact.instance)?,
        }
        put_marks(rows, fact, &mut present)?;
        if fact.in_order(&present) {
            self.in_order(rows, fact, &mut present, &mut expiring, now)?;
        } else {
            present = self.out_of_order(rows, fact, present, now)?;
        }
        self.keep(fact.instance, present, fact.only());
        for (series, changes) in expiring {
            apply(rows, series, &changes, now, &mut self.given_up)?;
        }
        Ok(())
    }

    /// `expiring` are changes of the same moment that are still to be applied; those of the series touched are.
    fn in_order<R: OrderedRowsMut>(
        &mut self,
        rows: &mut R,
        fact: &Fact,
        present: &mut Present,
        expiring: &mut Expiring,
        now: Now,
    ) -> Result<(), RowsError<R::Error>> {
        let interval = (fact.f, now.frontier + 1);
        let seat_of = |present: &Present, there: &InSeries| (there.series, present.ends(there), there.version);
        let before: Vec<(u32, Ends, VersionId)> = match fact.only() {
            Some(series) => present
                .there(series)
                .map(|there| seat_of(present, there))
                .into_iter()
                .collect(),
            None => present.known().iter().map(|there| seat_of(present, there)).collect(),
        };
        if let Some(own) = fact.own() {
            present.standing = own.after(present.standing);
            present.reported = Some(fact.f);
            let row = Presence {
                own,
                standing: present.standing,
            };
            presence(fact.instance).put(rows, fact.f, now.size, &row)?;
        }
        if let What::Retired = fact.what {
            present.retired = Some(fact.f);
            put_retired(rows, fact.instance, fact.f, fact.step)?;
        }
        self.put_said(rows, fact, present, now)?;
        let mut before = before.into_iter().peekable();
        let now_there = match fact.only() {
            Some(series) => present.there(series).map_or(&[][..], std::slice::from_ref),
            None => present.known(),
        };
        // Both go by series, and no series is left.
        for there in now_there {
            let old = before.next_if(|(series, ..)| *series == there.series);
            let (old_ends, old_version) = old.map_or((Ends::default(), NOTHING), |(_, ends, version)| (ends, version));
            let new_ends = present.ends(there);
            let steady = old_version == there.version && old_ends.live.min(new_ends.live) > now.frontier;
            if !steady {
                let (old, new) = (
                    old_ends.seats(interval, old_version),
                    new_ends.seats(interval, there.version),
                );
                let mut changes = expiring.remove(&there.series).unwrap_or_default();
                changes.extend(seat_changes(&old, &new, interval.1));
                apply(rows, there.series, &changes, now, &mut self.given_up)?;
            }
        }
        Ok(())
    }

    fn out_of_order<R: OrderedRowsMut>(
        &mut self,
        rows: &mut R,
        fact: &Fact,
        mut present: Present,
        now: Now,
    ) -> Result<Present, RowsError<R::Error>> {
        let mut before: Vec<(u32, u64, Seats)> = Vec::new();
        for series in touched(fact, &present) {
            let e = effect_end(&*rows, fact, &present, series, now.frontier)?;
            before.push((series, e, seats(&*rows, (series, fact.instance), (fact.f, e))?));
        }
        if let Some(own) = fact.own() {
            let own = fact.own_late(&*rows, own)?;
            put_presence(rows, fact.instance, (fact.f, own), (now.frontier, now.size))?;
        }
        if let What::Retired = fact.what {
            put_retired(rows, fact.instance, fact.f, fact.step)?;
        }
        self.put_said(rows, fact, &mut present, now)?;
        for (series, e, old) in before {
            let new = seats(&*rows, (series, fact.instance), (fact.f, e))?;
            apply(rows, series, &seat_changes(&old, &new, e), now, &mut self.given_up)?;
        }
        // What is remembered is what all facts say, so it is read again; the marks and the heap have not moved.
        if let Some(series) = fact.only() {
            present.load_in(&*rows, (series, fact.instance))?;
            return Ok(present);
        }
        present.load_again(&*rows, fact.instance)
    }

    /// Puts what the fact says of each series: the version it gives, the citation, the first observation.
    fn put_said<R: OrderedRowsMut>(
        &mut self,
        rows: &mut R,
        fact: &Fact,
        present: &mut Present,
        now: Now,
    ) -> Result<(), RowsError<R::Error>> {
        let cited = matches!(fact.what, What::Cited { .. });
        let kind = if cited { Kind::Decision } else { Kind::AgentSeen };
        for Said {
            series,
            gives,
            position,
        } in fact.said()
        {
            let key = (series, fact.instance);
            if let Some(version) = gives {
                let record = RecordRef {
                    index: fact.index,
                    event_id: fact.event_id,
                    kind,
                };
                put_gave(rows, key, (fact.f, position, fact.step), &Gave { version, record })?;
                if cited {
                    put_cited(rows, key, (fact.f, fact.step, position), version)?;
                }
            }
            let first = first_in(fact.instance, series).u64(now.size);
            let known = present.there(series).copied();
            let mut there = known.unwrap_or(InSeries {
                series,
                version: NOTHING,
                first: fact.f,
                cited: None,
            });
            there.version = gives.unwrap_or(there.version);
            there.cited = if cited { Some(fact.f) } else { there.cited };
            if known.is_none() || fact.f < there.first {
                there.first = fact.f;
                rows.put(first.as_slice(), &fact.f.to_be_bytes())
                    .map_err(RowsError::Storage)?;
            }
            present.put(there);
            if self.firsts.get(&series).is_none_or(|first| fact.f < *first) {
                self.firsts.insert(series, fact.f);
                let key = Key::new(Tag::First).u32(series).u64(now.size);
                rows.put(key.as_slice(), &fact.f.to_be_bytes())
                    .map_err(RowsError::Storage)?;
            }
        }
        Ok(())
    }
}

fn put_marks<R: OrderedRowsMut>(rows: &mut R, fact: &Fact, present: &mut Present) -> Result<(), RowsError<R::Error>> {
    match fact.what {
        What::Seen { lease_ms, .. } => {
            let level = mark::level(lease_ms);
            let mark = (level, mark::bucket(level, fact.f));
            if present.marked != Some(mark) {
                mark::put_seen(rows, mark, fact.instance, fact.step)?;
                present.marked = Some(mark);
            }
            Ok(())
        }
        What::Cited { series, .. } => {
            let bucket = mark::bucket(mark::citation_level(), fact.f);
            mark::put_cited(rows, (series, bucket), fact.instance, fact.step)
        }
        What::Retired => Ok(()),
    }
}

/// The series in which a fact may change its instance's seats.
fn touched(fact: &Fact, present: &Present) -> Vec<u32> {
    let mut touched: Vec<u32> = fact.said().iter().map(|said| said.series).collect();
    if !matches!(fact.what, What::Cited { .. }) {
        touched.extend(present.known().iter().map(|there| there.series));
    }
    touched.sort_unstable();
    touched.dedup();
    touched
}

/// From when on a fact surely changes no seat of its instance in `series`: what it brings has expired, a later fact has
/// given another version, and the instance was observed there without it. Right behind the frontier at the latest.
fn effect_end<R: OrderedRows>(
    rows: &R,
    fact: &Fact,
    present: &Present,
    series: u32,
    frontier: u64,
) -> Result<u64, RowsError<R::Error>> {
    let key = (series, fact.instance);
    let sighting = match fact.what {
        What::Seen { lease_ms, .. } => ends(fact.f, lease_ms).silent,
        What::Cited { .. } => ends(fact.f, DECISION_LEASE_MS).silent,
        // What it voids has expired.
        What::Retired => {
            let standing = presence(fact.instance)
                .at(rows, fact.f, ALL)?
                .map(|(_, presence)| presence.standing.ends);
            let cited = super::instance::cited_at(rows, key, fact.f, ALL)?;
            let retired = retired_at(rows, fact.instance, fact.f, ALL)?;
            standing.unwrap_or_default().with_citation(cited, retired).silent
        }
    };
    let mut said = fact.said();
    said.retain(|said| said.series == series);
    let version = if said.iter().any(|said| said.gives.is_some()) {
        next_giving(rows, key, (fact.f, frontier))?.unwrap_or(u64::MAX)
    } else {
        0
    };
    let observed = match present.there(series) {
        _ if said.is_empty() => 0,
        Some(there) => there.first,
        None => u64::MAX,
    };
    Ok(sighting.max(version).max(observed).clamp(fact.f + 1, frontier + 1))
}
