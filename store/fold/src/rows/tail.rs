//! After the frontier: nothing happens there but that leases run out.

use std::collections::BTreeMap;

use super::around::MemberRow;
use super::space::Corrupt;
use super::tally::{Held, Seat, Tally, VersionId};

/// The counts of a series from a moment on.
#[derive(Clone, Copy, Debug)]
pub(super) struct TailStep {
    pub(super) x: u64,
    pub(super) held: Held,
    /// How many live ones run what is held, or what was asked for.
    pub(super) have: u64,
    pub(super) live: u64,
    pub(super) silent: u64,
}

impl TailStep {
    /// Counts `version`, or what is held.
    pub(super) fn new(x: u64, tally: &Tally, version: Option<VersionId>) -> Self {
        let held = tally.holder();
        let live = tally.live();
        let have = version.or(held.0).map_or(0, |version| tally.running(version));
        Self {
            x,
            held,
            have,
            live,
            silent: tally.counted.saturating_sub(live),
        }
    }
}

/// One member's seat before and after a moment.
type Turn = (Option<Seat>, Option<Seat>);

/// The steps from the frontier on; the first is at it. They count `version`, or what is held.
pub(super) fn tail(frontier: u64, members: &[MemberRow], version: Option<VersionId>) -> Result<Vec<TailStep>, Corrupt> {
    let mut tally = Tally::default();
    let mut turns: BTreeMap<u64, Vec<Turn>> = BTreeMap::new();
    for member in members {
        let mut before = None;
        for (x, seat) in member.ends.seats((frontier, u64::MAX), member.version()) {
            turns.entry(x).or_default().push((before, seat));
            before = seat;
        }
    }
    let mut steps = vec![TailStep::new(frontier, &tally, version)];
    for (x, changes) in turns {
        for (old, new) in changes {
            tally.replace(old, new)?;
        }
        steps.pop_if(|step| step.x == x);
        steps.push(TailStep::new(x, &tally, version));
    }
    Ok(steps)
}
