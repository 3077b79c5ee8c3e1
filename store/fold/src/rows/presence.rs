//! When an instance was seen by `agent_seen`, and when it was retired, as one track (E8).
//!
//! Each row holds what its own instant brought and what stands from there on: the latest end of live and of silent among
//! all sightings not yet voided. So one search finds whether the instance was live at any t, whatever its leases were. A
//! late sighting that outlasts later ones overrides their rows up to the first that it does not change.

use std::ops::ControlFlow;

use super::key::{ALL, Fields, Key, Tag, put_varint};
use super::space::{Corrupt, OrderedRowsMut, RowsError};
use super::tally::{Seat, Seats, VersionId};
use super::track::{StepValue, Track};
use crate::DECISION_LEASE_MS;

/// Until when a sighting at `f` keeps an instance live, and until when silent (E8).
pub(super) fn ends(f: u64, lease_ms: u64) -> Ends {
    let lease = lease_ms.saturating_mul(1000);
    let live = f.saturating_add(lease);
    Ends {
        live,
        silent: live.saturating_add(lease / 2),
    }
}

/// Ends of live and of silent, in microseconds since 1970. Both are the latest of several sightings: an instance is live
/// before the one, else silent before the other.
#[derive(Clone, Copy, Default, PartialEq, Eq, Debug)]
pub(super) struct Ends {
    pub(super) live: u64,
    pub(super) silent: u64,
}

impl Ends {
    pub(super) fn max(self, other: Self) -> Self {
        Self {
            live: self.live.max(other.live),
            silent: self.silent.max(other.silent),
        }
    }

    /// With the latest citation, unless a retirement voids it.
    pub(super) fn with_citation(self, cited: Option<u64>, retired: Option<u64>) -> Self {
        match cited {
            Some(f) if retired.is_none_or(|r| f > r) => self.max(ends(f, DECISION_LEASE_MS)),
            _ => self,
        }
    }

    /// The seat at `t` of an instance that runs `version`, if no later fact acts before.
    pub(super) fn seat(self, t: u64, version: VersionId) -> Option<Seat> {
        if t < self.live {
            Some(Seat::Live(version))
        } else {
            (t < self.silent).then_some(Seat::Silent)
        }
    }

    /// The same over `[a, e)`.
    pub(super) fn seats(self, (a, e): (u64, u64), version: VersionId) -> Seats {
        let turns = [a, self.live.max(a), self.silent.max(a)].into_iter().filter(|x| *x < e);
        let mut seats = Seats::new();
        for (x, seat) in turns.map(|x| (x, self.seat(x, version))) {
            push(&mut seats, x, seat);
        }
        seats
    }

    /// The next moment after `t` at which the seat changes by itself.
    pub(super) fn next_turn(self, t: u64) -> Option<u64> {
        [self.live, self.silent].into_iter().filter(|x| *x > t).min()
    }
}

/// Adds a step unless it says what the last one does; one at the same moment replaces it.
pub(super) fn push(seats: &mut Seats, x: u64, seat: Option<Seat>) {
    if seats.last().is_some_and(|(last, _)| *last == x) {
        seats.pop();
    }
    if seats.last().is_none_or(|(_, before)| *before != seat) {
        seats.push((x, seat));
    }
}

/// What stands from a moment on by `agent_seen` alone: nothing after a retirement, and the latest labels (E19).
#[derive(Clone, Copy, Default, PartialEq, Eq, Debug)]
pub(super) struct Standing {
    pub(super) ends: Ends,
    /// 0 if it was never seen.
    pub(super) labels: u32,
}

/// What one instant brought.
#[derive(Clone, Copy, Default, PartialEq, Eq, Debug)]
pub(super) struct Own {
    /// A retirement voids the sightings of its own instant too, whichever came first.
    pub(super) retired: bool,
    pub(super) ends: Ends,
    /// Labels of the last recorded; 0 without a sighting.
    pub(super) labels: u32,
}

impl Own {
    /// With what another record brought at the same instant.
    fn and(self, later: Self) -> Self {
        Self {
            retired: self.retired || later.retired,
            ends: self.ends.max(later.ends),
            labels: if later.labels == 0 { self.labels } else { later.labels },
        }
    }

    pub(super) fn after(self, before: Standing) -> Standing {
        Standing {
            ends: if self.retired {
                Ends::default()
            } else {
                before.ends.max(self.ends)
            },
            labels: if self.labels == 0 { before.labels } else { self.labels },
        }
    }
}

/// ```text
/// value  retired u8, then as varints: own live, own silent - own live, own labels, live, silent - live, labels
/// ```
#[derive(Clone, Copy, Default, PartialEq, Eq, Debug)]
pub(super) struct Presence {
    pub(super) own: Own,
    pub(super) standing: Standing,
}

impl StepValue for Presence {
    const WHAT: &'static str = "presence";

    fn encode(&self, out: &mut Vec<u8>) {
        out.push(u8::from(self.own.retired));
        for (ends, labels) in [
            (self.own.ends, self.own.labels),
            (self.standing.ends, self.standing.labels),
        ] {
            put_varint(out, ends.live);
            put_varint(out, ends.silent.saturating_sub(ends.live));
            put_varint(out, u64::from(labels));
        }
    }

    fn decode(fields: &mut Fields<'_>) -> Result<Self, Corrupt> {
        let retired = fields.u8()? != 0;
        let mut both = || -> Result<(Ends, u32), Corrupt> {
            let live = fields.varint()?;
            let silent = live.saturating_add(fields.varint()?);
            Ok((Ends { live, silent }, fields.varint_u32()?))
        };
        let (own, standing) = (both()?, both()?);
        Ok(Self {
            own: Own {
                retired,
                ends: own.0,
                labels: own.1,
            },
            standing: Standing {
                ends: standing.0,
                labels: standing.1,
            },
        })
    }
}

/// Presence by `agent_seen` and `agent_retired`.
pub(super) fn presence(instance: u32) -> Track<Presence> {
    Track::new(Key::new(Tag::Presence).u32(instance))
}

/// Puts what a record brought at `f`, and overrides what changes after it.
pub(super) fn put_presence<R: OrderedRowsMut>(
    rows: &mut R,
    instance: u32,
    (f, own): (u64, Own),
    (frontier, size): (u64, u64),
) -> Result<(), RowsError<R::Error>> {
    let track = presence(instance);
    let (own, before) = match track.at(rows, f, ALL)? {
        Some((x, there)) if x == f => {
            let before = match f.checked_sub(1) {
                Some(before) => track.at(rows, before, ALL)?,
                None => None,
            };
            (there.own.and(own), before)
        }
        before => (own, before),
    };
    let mut standing = own.after(before.map(|(_, presence)| presence.standing).unwrap_or_default());
    track.put(rows, f, size, &Presence { own, standing })?;
    let mut overridden = Vec::new();
    track.walk::<R, ()>(rows, (f + 1, frontier + 1), ALL, |x, there| {
        standing = there.own.after(standing);
        if standing == there.standing {
            return ControlFlow::Break(());
        }
        overridden.push((
            x,
            Presence {
                own: there.own,
                standing,
            },
        ));
        ControlFlow::Continue(())
    })?;
    for (x, presence) in overridden {
        track.put(rows, x, size, &presence)?;
    }
    Ok(())
}
