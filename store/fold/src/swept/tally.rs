//! Counting members: a [`Tally`] is a set of them at one moment, a [`Track`] its counts over time.

use std::collections::BTreeSet;

use verdict_schemas::{Quorum, Timestamp};

use super::{Counted, Map, Micros, VersionId, instant};
use crate::need;

/// The members of one set, by what they run.
#[derive(Debug, Default)]
pub(super) struct Tally {
    by_version: Map<Option<VersionId>, u64>,
    /// The same by count, so that the only version that can be the holder is the last one.
    ranked: BTreeSet<(u64, Option<VersionId>)>,
    live: u64,
    silent: u64,
}

impl Tally {
    pub(super) fn add(&mut self, live: bool, version: Option<VersionId>) {
        if !live {
            self.silent += 1;
            return;
        }
        self.live += 1;
        let count = self.by_version.entry(version).or_default();
        self.ranked.remove(&(*count, version));
        *count += 1;
        self.ranked.insert((*count, version));
    }

    pub(super) fn remove(&mut self, live: bool, version: Option<VersionId>) {
        if !live {
            self.silent = self.silent.saturating_sub(1);
            return;
        }
        self.live = self.live.saturating_sub(1);
        let Some(count) = self.by_version.get_mut(&version) else {
            return;
        };
        self.ranked.remove(&(*count, version));
        *count = count.saturating_sub(1);
        match *count {
            0 => drop(self.by_version.remove(&version)),
            count => drop(self.ranked.insert((count, version))),
        }
    }

    pub(super) fn is_empty(&self) -> bool {
        self.live == 0 && self.silent == 0
    }

    pub(super) fn running(&self, version: Option<VersionId>) -> u64 {
        self.by_version.get(&version).copied().unwrap_or(0)
    }

    pub(super) fn versions(&self) -> impl Iterator<Item = Option<VersionId>> {
        self.by_version.keys().copied()
    }

    /// The version, or `None` for nothing, with 2 x live(v) > counted (E13).
    fn holder(&self) -> Option<Option<VersionId>> {
        let (most, version) = self.ranked.last()?;
        (2 * most > self.live + self.silent).then_some(*version)
    }
}

/// The totals from one moment to the next.
#[derive(Debug)]
struct Step {
    at: Micros,
    live: u64,
    silent: u64,
    holder: Option<Option<VersionId>>,
}

/// The counts of a set over time.
#[derive(Debug, Default)]
pub(super) struct Track {
    steps: Vec<Step>,
    /// Per version: (from when, live with it).
    running: Vec<Vec<(Micros, u64)>>,
    /// Runs of the last holder: (since, version); neighbours differ (E14).
    pub(super) runs: Vec<(Micros, Option<VersionId>)>,
}

impl Track {
    pub(super) fn new(versions: usize) -> Self {
        Self {
            running: vec![Vec::new(); versions],
            ..Self::default()
        }
    }

    /// Records the counts of `tally` from `at` on; `touched` are the versions whose number may have changed.
    pub(super) fn record(&mut self, at: Micros, tally: &Tally, touched: impl IntoIterator<Item = Option<VersionId>>) {
        let holder = tally.holder();
        self.steps.push(Step {
            at,
            live: tally.live,
            silent: tally.silent,
            holder,
        });
        if let Some(version) = holder
            && self.runs.last().is_none_or(|(_, last)| *last != version)
        {
            self.runs.push((at, version));
        }
        for version in touched.into_iter().flatten() {
            let count = tally.running(Some(version));
            let Some(running) = usize::try_from(version)
                .ok()
                .and_then(|place| self.running.get_mut(place))
            else {
                continue;
            };
            if running.last().map_or(0, |(_, last)| *last) != count {
                running.push((at, count));
            }
        }
    }

    /// The holder at exactly `at` (E13).
    pub(super) fn holder(&self, at: Micros) -> Option<Option<VersionId>> {
        let passed = self.steps.partition_point(|step| step.at <= at);
        self.steps.get(passed.checked_sub(1)?)?.holder
    }

    /// The counts for `version` from the step that holds `from` up to `to`.
    fn counts(&self, version: Option<VersionId>, from: Micros, to: Micros) -> impl Iterator<Item = (Micros, Counted)> {
        let place = version.and_then(|version| usize::try_from(version).ok());
        let running = place
            .and_then(|place| self.running.get(place))
            .map_or(&[][..], Vec::as_slice);
        let first = self.steps.partition_point(|step| step.at <= from).saturating_sub(1);
        let mut passed = 0;
        let steps = self.steps.iter().skip(first).take_while(move |step| step.at <= to);
        steps.map(move |step| {
            passed += running.get(passed..).map_or(0, |rest| leading(rest, step.at));
            let have = passed
                .checked_sub(1)
                .and_then(|place| running.get(place))
                .map_or(0, |(_, count)| *count);
            (
                step.at,
                Counted {
                    have,
                    live: step.live,
                    silent: step.silent,
                },
            )
        })
    }

    /// The first instant in `[from, to]` at which the quorum of `version` holds (E12).
    pub(super) fn quorum_since(&self, version: VersionId, quorum: Quorum, from: Micros, to: Micros) -> Option<Micros> {
        if to < from {
            return None;
        }
        let held = |counted: &Counted| counted.have >= need(Some(quorum), counted.live, counted.silent);
        let mut counts = self.counts(Some(version), from, to);
        counts.find(|(_, counted)| held(counted)).map(|(at, _)| at.max(from))
    }

    /// The counts of `version` at `from`, and wherever they change up to `to`.
    pub(super) fn curve(&self, version: Option<VersionId>, from: Micros, to: Micros) -> Vec<(Timestamp, Counted)> {
        let mut curve: Vec<(Timestamp, Counted)> = Vec::new();
        for (at, counted) in self.counts(version, from, to) {
            let Some(at) = instant(at.max(from)) else { continue };
            if curve.last().is_none_or(|(_, last)| *last != counted) {
                curve.push((at, counted));
            }
        }
        curve
    }
}

/// How many of `running` begin at or before `at`: a few steps at a time, or a jump far ahead at the first.
fn leading(running: &[(Micros, u64)], at: Micros) -> usize {
    match running.get(8) {
        Some((later, _)) if *later <= at => running.partition_point(|(since, _)| *since <= at),
        _ => running.iter().take_while(|(since, _)| *since <= at).count(),
    }
}
