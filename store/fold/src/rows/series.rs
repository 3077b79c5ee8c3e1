//! One series at one cut, answered from the rows.
//!
//! Up to the frontier everything but the members is a search in a track, and so it is until the first lease runs out after
//! it. From then on the members at the frontier are enumerated once, and their expiries swept in memory (`tail`). Where a quorum asks for more than the majority, the
//! tallies are read, but only while the version is the holder: any quorum implies that (E12).

use std::cell::OnceCell;
use std::fmt;
use std::ops::ControlFlow;

use verdict_schemas::{Quorum, Timestamp, Version};

use super::around::MemberRow;
use super::bound::latest;
use super::frontier::Place;
use super::given_up::has_steps;
use super::key::{Key, Tag, instant, micros};
use super::read::Cut;
use super::space::{Corrupt, OrderedRows, RowsError};
use super::tail::{TailStep, tail};
use super::tally::{Held, NOTHING, VersionId, held_by, holders, last_holders, tallies};
use crate::{Counted, Member, SeriesHistory, SeriesKey, VersionRun, need};

/// How the greatest f at or before a moment of a decision that cites a version is found (E17): in the index of decisions
/// by version that the caller keeps anyway.
type Exercised<'r, E> = dyn Fn(&Version, Timestamp) -> Result<Option<Timestamp>, E> + 'r;

/// One series at one cut.
pub struct RowSeries<'c, 'r, R: OrderedRows> {
    cut: &'c Cut<'r, R>,
    /// `None` if no record ever named it.
    series: Option<u32>,
    exercised: Box<Exercised<'c, R::Error>>,
    tail: OnceCell<Vec<TailStep>>,
}

impl<R: OrderedRows> fmt::Debug for RowSeries<'_, '_, R> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RowSeries")
            .field("series", &self.series)
            .field("size", &self.cut.size)
            .finish_non_exhaustive()
    }
}

impl<'r, R: OrderedRows> Cut<'r, R> {
    /// One series at this cut. `exercised` answers [`SeriesHistory::last_exercised`] for the series at the same cut.
    ///
    /// # Errors
    /// When the rows can not be read or are damaged.
    pub fn series<'c>(
        &'c self,
        series: &SeriesKey,
        exercised: impl Fn(&Version, Timestamp) -> Result<Option<Timestamp>, R::Error> + 'c,
    ) -> Result<RowSeries<'c, 'r, R>, RowsError<R::Error>> {
        let series = self.series_id(series)?;
        Ok(RowSeries {
            cut: self,
            series,
            exercised: Box::new(exercised),
            tail: OnceCell::new(),
        })
    }
}

impl<R: OrderedRows> RowSeries<'_, '_, R> {
    /// The series and the frontier, if the cut holds anything of them.
    fn place(&self) -> Option<(u32, Place)> {
        self.series.zip(self.cut.frontier)
    }

    fn tail(&self, series: u32, frontier: Place) -> Result<&[TailStep], RowsError<R::Error>> {
        if let Some(steps) = self.tail.get() {
            return Ok(steps);
        }
        let steps = tail(frontier.at, &self.cut.members(series, frontier.at)?, None)?;
        Ok(self.tail.get_or_init(|| steps))
    }

    /// The counts for `version` wherever they change in `[from, to]`, with those at `from` first: as
    /// [`crate::SweptSeries::curve`], over all members.
    ///
    /// # Errors
    /// When the rows can not be read or are damaged.
    pub fn curve(
        &self,
        version: &Version,
        from: Timestamp,
        to: Timestamp,
    ) -> Result<Vec<(Timestamp, Counted)>, RowsError<R::Error>> {
        let Some((series, frontier)) = self.place() else {
            return Ok(Vec::new());
        };
        let (rows, size, from, to) = (self.cut.rows, self.cut.size, micros(from), micros(to));
        // A version never named is run by nobody; no id is that great.
        let version = Some(self.cut.version_id(version)?.unwrap_or(VersionId::MAX));
        let mut steps = Vec::new();
        let Place { at: known, .. } = frontier;
        let steady = frontier.steady();
        if from <= steady {
            let first = tallies(series)
                .at(rows, from.min(known), size)?
                .map(|(_, tally)| tally)
                .unwrap_or_default();
            steps.push(TailStep::new(from, &first, version));
        }
        if from < known {
            let later = tallies(series).steps(rows, (from + 1, to.min(known) + 1), size)?;
            steps.extend(later.iter().map(|(x, tally)| TailStep::new(*x, tally, version)));
        }
        if to > steady {
            let tail = tail(known, &self.cut.members(series, known)?, version)?;
            steps.extend(
                last_step(&tail, from)
                    .filter(|_| from > steady)
                    .map(|step| TailStep { x: from, ..*step }),
            );
            steps.extend(tail.into_iter().filter(|step| step.x > from.max(known) && step.x <= to));
        }
        let mut curve: Vec<(Timestamp, Counted)> = Vec::new();
        for TailStep {
            x, have, live, silent, ..
        } in steps
        {
            let counted = Counted { have, live, silent };
            if let Some(at) = instant(x)
                && curve.last().is_none_or(|(_, last)| *last != counted)
            {
                curve.push((at, counted));
            }
        }
        Ok(curve)
    }

    fn named(&self, version: VersionId) -> Result<Option<Version>, RowsError<R::Error>> {
        if version == NOTHING {
            Ok(None)
        } else {
            self.cut.version_named(version).map(Some)
        }
    }

    fn member(&self, row: &MemberRow, t: u64) -> Result<Member, RowsError<R::Error>> {
        Ok(Member {
            instance: self.cut.instance_named(row.instance)?,
            live: t < row.ends.live,
            version: self.named(row.version())?,
            gave: row.gave.map(|gave| gave.record),
            labels: if row.labels == 0 {
                None
            } else {
                Some(self.cut.labels_named(row.labels)?)
            },
        })
    }

    /// Where runs of the last holder begin in `[from, to]`, and before them the one that `from` lies in.
    fn begins(&self, from: u64, to: u64) -> Result<Vec<(u64, VersionId)>, RowsError<R::Error>> {
        let Some((series, frontier)) = self.place() else {
            return Ok(Vec::new());
        };
        let (rows, size) = (self.cut.rows, self.cut.size);
        let track = last_holders(series);
        let version = |(x, held): (u64, Held)| held.0.map(|version| (x, version));
        let first = from.min(frontier.at);
        let mut begins: Vec<_> = track.at(rows, first, size)?.and_then(version).into_iter().collect();
        begins.extend(
            track
                .steps_back(rows, (first + 1, to.min(frontier.at) + 1), size)?
                .into_iter()
                .filter_map(version),
        );
        if to > frontier.steady() {
            let mut last = begins.last().map(|(_, version)| *version);
            for step in self
                .tail(series, frontier)?
                .iter()
                .filter(|step| step.x > frontier.at && step.x <= to)
            {
                if let Some(version) = step.held.0
                    && last != Some(version)
                {
                    last = Some(version);
                    begins.push((step.x, version));
                }
            }
        }
        let passed = begins.partition_point(|(x, _)| *x <= from).saturating_sub(1);
        begins.drain(..passed);
        Ok(begins)
    }

    /// The first moment in `(t, to]` at which another run of the last holder begins.
    fn next_begin(&self, t: u64, to: u64) -> Result<Option<u64>, RowsError<R::Error>> {
        let Some((series, frontier)) = self.place() else {
            return Ok(None);
        };
        if t < frontier.at {
            let within = (t + 1, to.min(frontier.at) + 1);
            if let Some((x, _)) = last_holders(series).first(self.cut.rows, within, self.cut.size)? {
                return Ok(Some(x));
            }
        }
        if to <= frontier.steady() {
            return Ok(None);
        }
        let begins = self.begins(t.max(frontier.at), to)?;
        Ok(begins.iter().map(|(x, _)| *x).find(|x| *x > t))
    }

    fn quorum_in_rows(
        &self,
        (series, version): (u32, VersionId),
        quorum: Quorum,
        (from, to): (u64, u64),
    ) -> Result<Option<u64>, RowsError<R::Error>> {
        let (rows, size) = (self.cut.rows, self.cut.size);
        let majority = quorum.percent.is_none_or(|percent| percent <= 50) && quorum.min_agents.is_none_or(|n| n <= 1);
        let held = Held(Some(version));
        let now = holders(series).at(rows, from, size)?;
        let mut start = now.filter(|(_, there)| *there == held).map(|_| from);
        let mut searched = from;
        loop {
            let begun = match start.take() {
                Some(x) => Some(x),
                None => held_by(series, version)
                    .first(rows, (searched + 1, to + 1), size)?
                    .map(|(x, _)| x),
            };
            let Some(begun) = begun else { return Ok(None) };
            if majority {
                return Ok(Some(begun));
            }
            let first = tallies(series)
                .at(rows, begun, size)?
                .map(|(_, tally)| tally)
                .unwrap_or_default();
            if holds(quorum, &TailStep::new(begun, &first, None)) {
                return Ok(Some(begun));
            }
            let end = tallies(series).walk(rows, (begun + 1, to + 1), size, |x, tally| {
                let step = TailStep::new(x, &tally, None);
                if step.held != held {
                    ControlFlow::Break((x, false))
                } else if holds(quorum, &step) {
                    ControlFlow::Break((x, true))
                } else {
                    ControlFlow::Continue(())
                }
            })?;
            match end {
                Some((x, true)) => return Ok(Some(x)),
                Some((x, false)) => searched = x,
                None => return Ok(None),
            }
        }
    }
}

/// Does the quorum of what is held hold (E12)?
fn holds(quorum: Quorum, step: &TailStep) -> bool {
    step.have >= need(Some(quorum), step.live, step.silent)
}

impl<R: OrderedRows> SeriesHistory for RowSeries<'_, '_, R> {
    type Error = RowsError<R::Error>;

    fn has_steps(&self) -> Result<bool, Self::Error> {
        self.series
            .map_or(Ok(true), |series| has_steps(self.cut.rows, series, self.cut.size))
    }

    fn first_observation(&self) -> Result<Option<Timestamp>, Self::Error> {
        let Some(series) = self.series else { return Ok(None) };
        let first = Key::new(Tag::First).u32(series);
        Ok(latest(self.cut.rows, first, self.cut.size, "first observations")?.and_then(instant))
    }

    fn members(&self, t: Timestamp) -> Result<Vec<Member>, Self::Error> {
        let Some(series) = self.series else {
            return Ok(Vec::new());
        };
        let t = micros(t);
        let rows = self.cut.members(series, t)?;
        let mut members = rows
            .iter()
            .map(|row| self.member(row, t))
            .collect::<Result<Vec<_>, _>>()?;
        members.sort_unstable_by(|one, other| one.instance.cmp(&other.instance));
        Ok(members)
    }

    fn holder(&self, t: Timestamp) -> Result<Option<Option<Version>>, Self::Error> {
        let Some((series, frontier)) = self.place() else {
            return Ok(None);
        };
        let t = micros(t);
        let held = if t <= frontier.steady() {
            holders(series)
                .at(self.cut.rows, t.min(frontier.at), self.cut.size)?
                .map(|(_, held)| held)
        } else {
            let steps = self.tail(series, frontier)?;
            last_step(steps, t).map(|step| step.held)
        };
        held.and_then(|held| held.0)
            .map(|version| self.named(version))
            .transpose()
    }

    fn version_run(&self, t: Timestamp, known_at: Timestamp) -> Result<Option<VersionRun>, Self::Error> {
        let (t, known_at) = (micros(t), micros(known_at));
        let begins = self.begins(t, t)?;
        let Some((since, version)) = begins.first().copied().filter(|(since, _)| *since <= t) else {
            return Ok(None);
        };
        let until = if known_at > t {
            self.next_begin(t, known_at)?
        } else {
            None
        };
        run(self.named(version)?, since, until).map(Some)
    }

    fn version_runs(&self, from: Timestamp, known_at: Timestamp) -> Result<Vec<VersionRun>, Self::Error> {
        let (from, known_at) = (micros(from), micros(known_at));
        let begins = self.begins(from.min(known_at), known_at)?;
        let ends = begins.iter().skip(1).map(|(x, _)| Some(*x)).chain([None]);
        begins
            .iter()
            .zip(ends)
            .map(|((since, version), until)| run(self.named(*version)?, *since, until))
            .collect()
    }

    fn quorum_since(
        &self,
        version: &Version,
        quorum: Quorum,
        from: Timestamp,
        to: Timestamp,
    ) -> Result<Option<Timestamp>, Self::Error> {
        let (from, to) = (micros(from), micros(to));
        let (Some((series, frontier)), Some(version)) = (self.place(), self.cut.version_id(version)?) else {
            return Ok(None);
        };
        if from > to {
            return Ok(None);
        }
        if from <= frontier.steady() {
            // Whatever holds at the frontier holds from there on, so where it was searched from is when it did.
            let within = (from.min(frontier.at), to.min(frontier.at));
            let found = self.quorum_in_rows((series, version), quorum, within)?;
            if found.is_some() || to <= frontier.steady() {
                return Ok(found.map(|found| found.max(from)).and_then(instant));
            }
        }
        let steps = self.tail(series, frontier)?;
        let now = last_step(steps, from).map(|step| TailStep { x: from, ..*step });
        let later = steps.iter().copied().filter(|step| step.x > from && step.x <= to);
        let mut all = now.into_iter().chain(later);
        let found = all.find(|step| step.held == Held(Some(version)) && holds(quorum, step));
        Ok(found.and_then(|step| instant(step.x)))
    }

    fn last_exercised(&self, version: &Version, t: Timestamp) -> Result<Option<Timestamp>, Self::Error> {
        (self.exercised)(version, t).map_err(RowsError::Storage)
    }
}

/// The step that holds `t`.
fn last_step(steps: &[TailStep], t: u64) -> Option<&TailStep> {
    steps
        .partition_point(|step| step.x <= t)
        .checked_sub(1)
        .and_then(|place| steps.get(place))
}

fn run<E: std::error::Error>(
    version: Option<Version>,
    since: u64,
    until: Option<u64>,
) -> Result<VersionRun, RowsError<E>> {
    let since = instant(since).ok_or(Corrupt("last holder"))?;
    Ok(VersionRun {
        version,
        since,
        until: until.and_then(instant),
    })
}
