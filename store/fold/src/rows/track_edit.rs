//! Changing a track: over a window, for the cuts from some size on, so that it stays canonical.

use std::ops::ControlFlow;

use super::key::{ALL, find};
use super::space::{Corrupt, Direction, OrderedRows, OrderedRowsMut, RowsError};
use super::track::{Row, StepValue, Track};

/// A change that [`Track::replace`] made to the step at `x`.
#[derive(Debug)]
pub(super) struct StepChange<V> {
    pub(super) x: u64,
    pub(super) old: Option<V>,
    pub(super) new: Option<V>,
}

/// A track over `[a, e)` as every record so far has it.
#[derive(Debug)]
pub(super) struct Window<V> {
    a: u64,
    e: u64,
    /// The step before `a`.
    left: Option<(u64, V)>,
    /// The steps in `[a, e)`.
    steps: Vec<(u64, V)>,
    /// The step at `e`.
    at_end: Option<V>,
}

impl<V: StepValue> Window<V> {
    /// The value before the window.
    pub(super) fn left(&self) -> V {
        self.left.as_ref().map(|(_, value)| value.clone()).unwrap_or_default()
    }

    /// The steps of `[a, e)`, with one at `a` in any case.
    pub(super) fn filled(&self) -> Vec<(u64, V)> {
        let first = (self.steps.first().map(|(x, _)| *x) != Some(self.a)).then(|| (self.a, self.left()));
        first.into_iter().chain(self.steps.iter().cloned()).collect()
    }

    /// The value at `e`.
    pub(super) fn at_end(&self) -> V {
        let last = self
            .at_end
            .clone()
            .or_else(|| self.steps.last().map(|(_, value)| value.clone()));
        last.unwrap_or_else(|| self.left())
    }
}

impl<V: StepValue> Track<V> {
    /// The track over `[a, e)`, and at `e`, as every record so far has it.
    pub(super) fn window<R: OrderedRows>(
        &self,
        rows: &R,
        within: (u64, u64),
    ) -> Result<Window<V>, RowsError<R::Error>> {
        let window = self.window_within(rows, within, usize::MAX, |_| 0)?;
        Ok(window.ok_or(Corrupt(V::WHAT))?)
    }

    /// The same, unless more than `most` has to be read for it: each row counts one, and its value its `weight`.
    pub(super) fn window_within<R: OrderedRows>(
        &self,
        rows: &R,
        (a, e): (u64, u64),
        most: usize,
        weight: impl Fn(&V) -> usize,
    ) -> Result<Option<Window<V>>, RowsError<R::Error>> {
        let left = match a.checked_sub(1) {
            Some(before) => self.at(rows, before, ALL)?,
            None => None,
        };
        let mut read = left.as_ref().map_or(0, |(_, value)| weight(value));
        let mut last: Vec<(u64, Row<V>)> = Vec::new();
        let to = self.key(e.saturating_add(1), 0);
        let too_much = find(rows, self.key(a, 0), to, Direction::Forward, |key, value| {
            let (x, _, row) = Self::decode(key, value)?;
            let weight = match &row {
                Row::Step(value) => weight(value),
                Row::Void(_) => 0,
            };
            read = read.saturating_add(1 + weight);
            // Sizes of one x ascend: the last counts.
            last.pop_if(|(before, _)| *before == x);
            last.push((x, row));
            Ok((read > most).then_some(()))
        })?;
        if too_much.is_some() || read > most {
            return Ok(None);
        }
        let steps = last.into_iter().filter_map(|(x, row)| match row {
            Row::Step(value) => Some((x, value)),
            Row::Void(_) => None,
        });
        let mut steps: Vec<_> = steps.collect();
        let at_end = steps.pop_if(|(x, _)| *x == e).map(|(_, value)| value);
        Ok(Some(Window {
            a,
            e,
            left,
            steps,
            at_end,
        }))
    }

    fn put_row<R: OrderedRowsMut>(
        &self,
        rows: &mut R,
        (x, size): (u64, u64),
        row: &Row<V>,
    ) -> Result<(), RowsError<R::Error>> {
        let mut encoded = Vec::with_capacity(24);
        match row {
            Row::Step(value) => {
                encoded.push(1);
                value.encode(&mut encoded);
            }
            Row::Void(before) => {
                encoded.push(0);
                encoded.extend(before.iter().flat_map(|before| before.to_be_bytes()));
            }
        }
        rows.put(self.key(x, size).as_slice(), &encoded)
            .map_err(RowsError::Storage)
    }

    /// Puts a step as it is: for a track of which none is ever taken back.
    pub(super) fn put<R: OrderedRowsMut>(
        &self,
        rows: &mut R,
        x: u64,
        size: u64,
        value: &V,
    ) -> Result<(), RowsError<R::Error>> {
        self.put_row(rows, (x, size), &Row::Step(value.clone()))
    }

    /// Puts a step at `x`, or takes back the one there; `before` is the step before. What was taken back after it learns
    /// of it, up to the next step or the frontier.
    pub(super) fn set<R: OrderedRowsMut>(
        &self,
        rows: &mut R,
        (x, value): (u64, Option<V>),
        before: Option<u64>,
        (frontier, size): (u64, u64),
    ) -> Result<(), RowsError<R::Error>> {
        let (row, before) = match value {
            Some(value) => (Row::Step(value), Some(x)),
            None => (Row::Void(before), before),
        };
        self.put_row(rows, (x, size), &row)?;
        let mut stale = Vec::new();
        self.walk_rows::<R, ()>(rows, (x + 1, frontier + 1), ALL, |x, row| match row {
            Row::Step(_) => ControlFlow::Break(()),
            Row::Void(there) => {
                if there != before {
                    stale.push(x);
                }
                ControlFlow::Continue(())
            }
        })?;
        for x in stale {
            self.put_row(rows, (x, size), &Row::Void(before))?;
        }
        Ok(())
    }

    /// Makes the function what `steps` say over the window, from cuts of `size` records on; `steps` begin where the
    /// window does. From its end on the function stays what it was; `frontier` is the last moment it is kept up to, so a
    /// window that reaches past it has nothing behind it. Returns the steps that changed.
    pub(super) fn replace<R: OrderedRowsMut>(
        &self,
        rows: &mut R,
        window: Window<V>,
        steps: Vec<(u64, V)>,
        (frontier, size): (u64, u64),
    ) -> Result<Vec<StepChange<V>>, RowsError<R::Error>> {
        let behind = (window.e <= frontier).then(|| (window.e, window.at_end()));
        let left = window.left();
        let old: Vec<_> = window
            .steps
            .into_iter()
            .chain(window.at_end.map(|value| (window.e, value)))
            .collect();
        let mut new: Vec<(u64, V)> = Vec::with_capacity(steps.len() + 1);
        for (x, value) in steps.into_iter().chain(behind) {
            if new.last().map_or(&left, |(_, before)| before) != &value {
                new.push((x, value));
            }
        }
        let at: Vec<u64> = new.iter().map(|(x, _)| *x).collect();
        let changes = changed(old, new);
        for change in &changes {
            let earlier = at
                .partition_point(|x| *x < change.x)
                .checked_sub(1)
                .and_then(|place| at.get(place));
            let before = earlier.copied().or(window.left.as_ref().map(|(x, _)| *x));
            self.set(rows, (change.x, change.new.clone()), before, (frontier, size))?;
        }
        Ok(changes)
    }
}

/// Where two lists of steps differ.
fn changed<V: PartialEq>(old: Vec<(u64, V)>, new: Vec<(u64, V)>) -> Vec<StepChange<V>> {
    let mut changes = Vec::new();
    let (mut old, mut new) = (old.into_iter().peekable(), new.into_iter().peekable());
    while let Some(x) = old.peek().into_iter().chain(new.peek()).map(|(x, _)| *x).min() {
        let old = old.next_if(|(at, _)| *at == x).map(|(_, value)| value);
        let new = new.next_if(|(at, _)| *at == x).map(|(_, value)| value);
        if old != new {
            changes.push(StepChange { x, old, new });
        }
    }
    changes
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::super::key::{Fields, Key, Tag, put_varint};
    use super::super::space::{Corrupt, MemoryRows};
    use super::*;

    #[derive(Clone, Copy, Default, PartialEq, Eq, Debug)]
    struct Small(u64);

    impl StepValue for Small {
        const WHAT: &'static str = "small";

        fn encode(&self, out: &mut Vec<u8>) {
            put_varint(out, self.0);
        }

        fn decode(fields: &mut Fields<'_>) -> Result<Self, Corrupt> {
            fields.varint().map(Self)
        }
    }

    const LAST: usize = 80;

    /// The steps of a function given by its values.
    fn steps_of(function: &[u64]) -> Vec<(u64, Small)> {
        let before = std::iter::once(0).chain(function.iter().copied());
        let values = (0u64..).zip(function).zip(before);
        values
            .filter(|((_, value), before)| **value != *before)
            .map(|((x, value), _)| (x, Small(*value)))
            .collect()
    }

    proptest! {
        #[test]
        fn every_cut_has_its_own_function(
            edits in prop::collection::vec((0..LAST, 1..30usize, 0..3u64, prop::bool::weighted(0.6)), 1..80),
        ) {
            let track: Track<Small> = Track::new(Key::new(Tag::Holder).u32(7));
            let mut rows = MemoryRows::default();
            let mut functions = vec![vec![0u64; LAST]];
            let frontier = u64::try_from(LAST - 1).unwrap();
            for (size, (a, len, value, taken_back)) in (1u64..).zip(edits) {
                let e = (a + len).min(LAST);
                let mut function = functions[functions.len() - 1].clone();
                // Mostly what was before, so that steps are taken back.
                let value = if taken_back { function[a.saturating_sub(1)] } else { value };
                function[a..e].fill(value);
                let (a, e) = (u64::try_from(a).unwrap(), u64::try_from(e).unwrap());
                let window = track.window(&rows, (a, e)).unwrap();
                track.replace(&mut rows, window, vec![(a, Small(value))], (frontier, size)).unwrap();
                functions.push(function);
            }
            for (cut, function) in (0u64..).zip(&functions) {
                let steps = steps_of(function);
                prop_assert_eq!(&track.steps(&rows, (0, frontier + 1), cut).unwrap(), &steps);
                for x in 0..=frontier {
                    let at = steps.iter().rfind(|(since, _)| *since <= x).copied();
                    prop_assert_eq!(track.at(&rows, x, cut).unwrap(), at);
                    for e in [x + 1, x + 9, frontier + 1] {
                        let within: Vec<_> = steps.iter().filter(|(since, _)| (x..e).contains(since)).copied().collect();
                        prop_assert_eq!(track.first(&rows, (x, e), cut).unwrap(), within.first().copied());
                        prop_assert_eq!(track.steps_back(&rows, (x, e), cut).unwrap(), within);
                    }
                }
            }
        }
    }
}
