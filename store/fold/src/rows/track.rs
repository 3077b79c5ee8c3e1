//! Tracks: step functions of time that also depend on the cut, kept by putting rows and never changing one.
//!
//! ```text
//! key    the track's prefix, x u64, size u64        "from x on, for cuts of at least `size` records"
//! value  1, the value                               a step: the function has this value from x on
//!        0, x u64 of the step before, if any        no step (any more): the function goes on
//! ```
//!
//! A cut of c records sees, of the rows of each x, that of the greatest size <= c. What a later record changes about the
//! past it overrides by a row of its own size, so the past as it was known stays where it is. In every cut a track is
//! canonical (`track_edit`): each step differs from the one before. That makes the x of a step the moment at which the function last
//! changed.
//!
//! A step that is taken back can not be deleted, for earlier cuts have it. There may be as many of those in a row as
//! there are heartbeats that come a moment too late, so they must not be passed one by one: each names the step before
//! it, and [`Track::at`] follows that at once. [`Track::first`] then searches by halves: there is a step in `[a, x]` iff
//! the step at x is not older than a.

use std::marker::PhantomData;
use std::ops::ControlFlow;

use super::key::{Fields, Key, find};
use super::space::{Corrupt, Direction, OrderedRows, RowsError};

/// A value of a step function. Before the first step it has the default.
pub(super) trait StepValue: Clone + Default + PartialEq {
    /// Of what, for errors.
    const WHAT: &'static str;

    fn encode(&self, out: &mut Vec<u8>);

    fn decode(fields: &mut Fields<'_>) -> Result<Self, Corrupt>;
}

/// One step function.
#[derive(Clone, Copy, Debug)]
pub(super) struct Track<V> {
    prefix: Key,
    value: PhantomData<V>,
}

/// What a search finds.
type Found<T, R> = Result<Option<T>, RowsError<<R as OrderedRows>::Error>>;

/// What a row says of its x.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(super) enum Row<V> {
    Step(V),
    /// None; the step before is here.
    Void(Option<u64>),
}

/// Rows that [`Track::first`] passes one by one before it searches by halves.
const PASSED: u32 = 8;

impl<V: StepValue> Track<V> {
    /// The track whose keys begin with `prefix`.
    pub(super) fn new(prefix: Key) -> Self {
        Self {
            prefix,
            value: PhantomData,
        }
    }

    pub(super) fn key(&self, x: u64, size: u64) -> Key {
        self.prefix.u64(x).u64(size)
    }

    /// (x, size, what it says) of a row.
    pub(super) fn decode(key: &[u8], value: &[u8]) -> Result<(u64, u64, Row<V>), Corrupt> {
        let place = key
            .len()
            .checked_sub(16)
            .and_then(|start| key.get(start..))
            .ok_or(Corrupt(V::WHAT))?;
        let mut place = Fields::new(place, V::WHAT);
        let mut fields = Fields::new(value, V::WHAT);
        let row = match fields.u8()? {
            0 if fields.is_empty() => Row::Void(None),
            0 => Row::Void(Some(fields.u64()?)),
            1 => Row::Step(V::decode(&mut fields)?),
            _ => return Err(fields.corrupt()),
        };
        fields.end()?;
        Ok((place.u64()?, place.u64()?, row))
    }

    /// The last row at or before `x` that the cut sees.
    fn row_at<R: OrderedRows>(&self, rows: &R, x: u64, cut: u64) -> Found<(u64, Row<V>), R> {
        find(
            rows,
            self.key(0, 0),
            self.key(x, u64::MAX).after(),
            Direction::Backward,
            |key, value| {
                let (x, size, row) = Self::decode(key, value)?;
                Ok((size <= cut).then_some((x, row)))
            },
        )
    }

    /// The step that holds `x` in the cut: the last one at or before it.
    pub(super) fn at<R: OrderedRows>(&self, rows: &R, x: u64, cut: u64) -> Found<(u64, V), R> {
        let before = match self.row_at(rows, x, cut)? {
            None | Some((_, Row::Void(None))) => return Ok(None),
            Some((x, Row::Step(value))) => return Ok(Some((x, value))),
            Some((_, Row::Void(Some(before)))) => before,
        };
        match self.row_at(rows, before, cut)? {
            Some((x, Row::Step(value))) if x == before => Ok(Some((x, value))),
            _ => Err(Corrupt(V::WHAT).into()),
        }
    }

    /// Visits the rows of `[a, e)` seen by the cut, oldest first.
    pub(super) fn walk_rows<R: OrderedRows, T>(
        &self,
        rows: &R,
        (a, e): (u64, u64),
        cut: u64,
        mut visit: impl FnMut(u64, Row<V>) -> ControlFlow<T>,
    ) -> Result<Option<T>, RowsError<R::Error>> {
        let mut last: Option<(u64, Row<V>)> = None;
        let found = find(
            rows,
            self.key(a, 0),
            self.key(e, 0),
            Direction::Forward,
            |key, value| {
                let (x, size, row) = Self::decode(key, value)?;
                if size > cut {
                    return Ok(None);
                }
                // Sizes of one x ascend: only when another x comes is it known which of them counts.
                match last.replace((x, row)) {
                    Some((before, row)) if before != x => Ok(visit(before, row).break_value()),
                    _ => Ok(None),
                }
            },
        )?;
        match (found, last) {
            (None, Some((x, row))) => Ok(visit(x, row).break_value()),
            (found, _) => Ok(found),
        }
    }

    /// Visits the steps of `[a, e)` seen by the cut, oldest first.
    pub(super) fn walk<R: OrderedRows, T>(
        &self,
        rows: &R,
        within: (u64, u64),
        cut: u64,
        mut visit: impl FnMut(u64, V) -> ControlFlow<T>,
    ) -> Result<Option<T>, RowsError<R::Error>> {
        self.walk_rows(rows, within, cut, |x, row| match row {
            Row::Step(value) => visit(x, value),
            Row::Void(_) => ControlFlow::Continue(()),
        })
    }

    /// The steps of `[a, e)`, by a walk: for intervals near the frontier.
    pub(super) fn steps<R: OrderedRows>(
        &self,
        rows: &R,
        within: (u64, u64),
        cut: u64,
    ) -> Result<Vec<(u64, V)>, RowsError<R::Error>> {
        let mut steps = Vec::new();
        self.walk::<R, ()>(rows, within, cut, |x, value| {
            steps.push((x, value));
            ControlFlow::Continue(())
        })?;
        Ok(steps)
    }

    /// The steps of `[a, e)`, from the last one back: one search for each.
    pub(super) fn steps_back<R: OrderedRows>(
        &self,
        rows: &R,
        (a, e): (u64, u64),
        cut: u64,
    ) -> Result<Vec<(u64, V)>, RowsError<R::Error>> {
        let mut steps = Vec::new();
        let mut before = e;
        while before > a {
            let Some((x, value)) = self.at(rows, before - 1, cut)?.filter(|(x, _)| *x >= a) else {
                break;
            };
            steps.push((x, value));
            before = x;
        }
        steps.reverse();
        Ok(steps)
    }

    /// The first step of `[a, e)`.
    pub(super) fn first<R: OrderedRows>(&self, rows: &R, (a, e): (u64, u64), cut: u64) -> Found<(u64, V), R> {
        let (mut left, mut passed) = (PASSED, a);
        let near = self.walk_rows(rows, (a, e), cut, |x, row| match row {
            Row::Step(value) => ControlFlow::Break(Some((x, value))),
            Row::Void(_) if left == 0 => ControlFlow::Break(None),
            Row::Void(_) => {
                (left, passed) = (left - 1, x + 1);
                ControlFlow::Continue(())
            }
        })?;
        match near {
            None => return Ok(None),
            Some(Some(step)) => return Ok(Some(step)),
            Some(None) => {}
        }
        let Some(mut found) = self.at(rows, e - 1, cut)?.filter(|(x, _)| *x >= a) else {
            return Ok(None);
        };
        // No step in [a, passed), one at `found`.
        while passed < found.0 {
            let middle = passed + (found.0 - passed) / 2;
            match self.at(rows, middle, cut)?.filter(|(x, _)| *x >= a) {
                Some(earlier) => found = earlier,
                None => passed = middle + 1,
            }
        }
        Ok(Some(found))
    }
}
