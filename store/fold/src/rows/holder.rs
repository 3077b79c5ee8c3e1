//! From seats to holders: a change of one instance's seat over an interval is added to the tallies of its series there,
//! and what the holder and the last holder were is corrected where, and only where, that moves them.

use super::given_up::GivenUp;
use super::key::ALL;
use super::space::{OrderedRowsMut, RowsError};
use super::tally::{Begins, Held, Seat, Seats, Tally, held_by, holders, last_holders, tallies};
use super::track_edit::StepChange;

/// A seat that was one thing and is another in `[from, to)`.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) struct SeatChange {
    pub(super) from: u64,
    pub(super) to: u64,
    pub(super) old: Option<Seat>,
    pub(super) new: Option<Seat>,
}

/// Where the seats differ; both begin at the same moment, and end at `e`.
pub(super) fn seat_changes(old: &Seats, new: &Seats, e: u64) -> Vec<SeatChange> {
    let mut turns: Vec<u64> = old.iter().chain(new).map(|(x, _)| *x).collect();
    turns.sort_unstable();
    turns.dedup();
    let at = |seats: &Seats, x: u64| {
        let begun = seats.partition_point(|(since, _)| *since <= x);
        begun
            .checked_sub(1)
            .and_then(|place| seats.get(place))
            .and_then(|(_, seat)| *seat)
    };
    let ends = turns.iter().skip(1).copied().chain([e]);
    turns
        .iter()
        .zip(ends)
        .map(|(from, to)| SeatChange {
            from: *from,
            to,
            old: at(old, *from),
            new: at(new, *from),
        })
        .filter(|change| change.old != change.new && change.from < change.to)
        .collect()
}

/// The moment a series is kept up to, and the size of the log with the record that is being applied.
#[derive(Clone, Copy, Debug)]
pub(super) struct Now {
    pub(super) frontier: u64,
    pub(super) size: u64,
}

impl Now {
    pub(super) fn place(self) -> (u64, u64) {
        (self.frontier, self.size)
    }
}

/// Applies changes of seats, none past the frontier: of several instances if they are of one moment, of one instance
/// if they follow each other.
pub(super) fn apply<R: OrderedRowsMut>(
    rows: &mut R,
    series: u32,
    changes: &[SeatChange],
    now: Now,
    given_up: &mut GivenUp,
) -> Result<(), RowsError<R::Error>> {
    if given_up.contains(series) {
        return Ok(());
    }
    let Some(a) = changes.iter().map(|change| change.from).min() else {
        return Ok(());
    };
    let e = changes.iter().map(|change| change.to).max().unwrap_or(a);
    let Some(window) = tallies(series).window_within(rows, (a, e), given_up.cells, Tally::cells)? else {
        return given_up.put(rows, series, now.size);
    };
    let old = window.filled();
    let mut turns: Vec<u64> = old.iter().map(|(x, _)| *x).collect();
    turns.extend(
        changes
            .iter()
            .flat_map(|change| [change.from, change.to])
            .filter(|x| *x < e),
    );
    turns.sort_unstable();
    turns.dedup();
    let mut new: Vec<(u64, Tally)> = Vec::with_capacity(turns.len());
    let mut before = old.iter().peekable();
    let left = window.left();
    let mut tally = &left;
    for x in turns {
        while let Some((_, next)) = before.next_if(|(at, _)| *at <= x) {
            tally = next;
        }
        let mut tally = tally.clone();
        for change in changes.iter().filter(|change| (change.from..change.to).contains(&x)) {
            tally.replace(change.old, change.new)?;
        }
        new.push((x, tally));
    }
    let held = |tallies: &[(u64, Tally)]| -> Vec<(u64, Held)> {
        let mut held: Vec<_> = tallies.iter().map(|(x, tally)| (*x, tally.holder())).collect();
        held.dedup_by(|later, earlier| later.1 == earlier.1);
        held
    };
    let (held_before, held_now) = (held(&old), held(&new));
    tallies(series).replace(rows, window, new, now.place())?;
    if held_before == held_now {
        Ok(())
    } else {
        apply_holders(rows, series, (a, e), held_now, now)
    }
}

fn apply_holders<R: OrderedRowsMut>(
    rows: &mut R,
    series: u32,
    (a, e): (u64, u64),
    held: Vec<(u64, Held)>,
    now: Now,
) -> Result<(), RowsError<R::Error>> {
    let track = holders(series);
    let window = track.window(rows, (a, e))?;
    let at_end = window.at_end();
    let changes = track.replace(rows, window, held, now.place())?;
    for StepChange { x, old, new } in &changes {
        for (step, begins) in [(old, None), (new, Some(Begins))] {
            if let Some(Held(Some(version))) = step {
                let runs = held_by(series, *version);
                let before = match x.checked_sub(1) {
                    Some(before) => runs.at(&*rows, before, ALL)?.map(|(x, _)| x),
                    None => None,
                };
                runs.set(rows, (*x, begins), before, now.place())?;
            }
        }
    }
    let Some(first) = changes.first() else { return Ok(()) };
    // From the first moment at or after `e` that has a holder on, the last holder is what it was. Without a holder at
    // `e`, that is where the next step is: neighbours differ.
    let until = if e > now.frontier || at_end.0.is_some() {
        e
    } else {
        track
            .first(rows, (e + 1, now.frontier + 1), ALL)?
            .map_or(now.frontier + 1, |(x, _)| x)
    };
    let last = last_holders(series);
    let window = last.window(rows, (first.x, until))?;
    let mut steps = vec![(first.x, window.left())];
    for (x, held) in track.steps(rows, (first.x, until), ALL)? {
        if held.0.is_some() {
            steps.pop_if(|(at, _)| *at == x);
            steps.push((x, held));
        }
    }
    last.replace(rows, window, steps, now.place())?;
    Ok(())
}
