//! One series over time: what is desired of it and what was observed of it, joined. Every question asks here.
//!
//! `version` (E14) is made of pieces: before the first observation what is desired, then nothing until there is a first
//! holder, then the runs of the last holder. Neighbouring pieces may show the same version; runs of it are merged.
//! `state` (E15) changes where the top does, at the first observation, where the top's quorum first held, and where its
//! window runs out. Across each of these the state or the top differs, so the latest of them begins the run.

use verdict_schemas::{Timestamp, Version};

use crate::answer::{Run, State};
use crate::{Desired, SeriesHistory, SeriesKey, StandingRollout, TopRun, VersionRun};

/// A series at a cut: `history` and `desired` joined.
pub(crate) struct Timeline<'a, H> {
    pub(crate) desired: &'a Desired<'a>,
    pub(crate) history: &'a H,
    /// `until` is searched up to here (E16).
    known_at: Timestamp,
    first_observation: Option<Timestamp>,
}

/// A stretch of one version; its neighbours may show the same.
struct Piece {
    version: Option<Version>,
    since: Option<Timestamp>,
    until: Option<Timestamp>,
}

/// What runs are runs of (E16, E24).
#[derive(Clone, Debug)]
pub(crate) struct Point<'a> {
    pub(crate) state: State,
    pub(crate) version: Option<Version>,
    pub(crate) top: TopRun<'a>,
}

/// A moment of the timeline.
pub(crate) struct Moment<'a> {
    pub(crate) point: Point<'a>,
    /// When the version last became this one.
    pub(crate) since: Option<Timestamp>,
    /// The beginning of the run of equal points.
    pub(crate) state_since: Option<Timestamp>,
}

impl Point<'_> {
    /// Equal (state, version, desired, top rollout)? What is desired follows from the top.
    fn same(&self, other: &Self) -> bool {
        let started = |point: &Self| point.top.top.map(|top| top.started.record.index);
        (self.state, &self.version, started(self)) == (other.state, &other.version, started(other))
    }
}

impl<'a, H: SeriesHistory> Timeline<'a, H> {
    pub(crate) fn new(desired: &'a Desired<'a>, history: &'a H, known_at: Timestamp) -> Result<Self, H::Error> {
        let first_observation = history.first_observation()?;
        Ok(Self {
            desired,
            history,
            known_at,
            first_observation,
        })
    }

    /// Has there been an observation at or before `t`?
    pub(crate) fn observed(&self, t: Timestamp) -> bool {
        self.first_observation.is_some_and(|first| first <= t)
    }

    fn piece(&self, t: Timestamp) -> Result<Piece, H::Error> {
        let known = |until: &Timestamp| *until <= self.known_at;
        let Some(first) = self.first_observation.filter(|first| *first <= t) else {
            let (version, since, until) = self.desired.version_run(t);
            let until = until.into_iter().chain(self.first_observation).min().filter(known);
            return Ok(Piece {
                version: version.cloned(),
                since,
                until,
            });
        };
        if let Some(VersionRun { version, since, until }) = self.history.version_run(t, self.known_at)? {
            return Ok(Piece {
                version,
                since: Some(since),
                until,
            });
        }
        // Observed, but nobody has held yet.
        let holders = self.history.version_runs(first, self.known_at)?;
        let until = holders.first().map(|run| run.since).filter(known);
        Ok(Piece {
            version: None,
            since: Some(first),
            until,
        })
    }

    /// The version at `t` (E14), and when it last became it (E16).
    fn version(&self, t: Timestamp) -> Result<(Option<Version>, Option<Timestamp>), H::Error> {
        let Piece { version, mut since, .. } = self.piece(t)?;
        while let Some(begun) = since.filter(|begun| *begun > Timestamp::MIN) {
            let before = self.piece(begun.minus_micros(1))?;
            if before.version != version {
                break;
            }
            since = before.since;
        }
        // Before the first instant of all there was nothing, neither desired nor observed.
        Ok((
            version.clone(),
            since.filter(|begun| *begun > Timestamp::MIN || version.is_some()),
        ))
    }

    /// The first instant in `(t, known_at]` at which the version is another (E16).
    pub(crate) fn version_until(&self, t: Timestamp) -> Result<Option<Timestamp>, H::Error> {
        let Piece { version, mut until, .. } = self.piece(t)?;
        while let Some(ends) = until {
            let after = self.piece(ends)?;
            if after.version != version {
                break;
            }
            until = after.until;
        }
        Ok(until)
    }

    /// Where the top of `run` first had its quorum, from when it became the top up to `to` (E15).
    fn reached(&self, run: &TopRun<'a>, to: Timestamp) -> Result<Option<Timestamp>, H::Error> {
        let (Some(top), Some(since)) = (run.top, run.since) else {
            return Ok(None);
        };
        self.history
            .quorum_since(&top.plan().to_version, top.plan().quorum, since, to)
    }

    /// The state at `t` (E15), if the quorum of its top was first `reached` then.
    fn point(&self, t: Timestamp, reached: Option<Timestamp>) -> Result<Point<'a>, H::Error> {
        let top = self.desired.top_run(t);
        let version = self.piece(t)?.version;
        let (state, _) = self.state(t, &top, version.as_ref(), reached.filter(|reached| *reached <= t));
        Ok(Point { state, version, top })
    }

    /// The state at `t` (E15), and the beginning of its run under this top, whatever the version.
    fn state(
        &self,
        t: Timestamp,
        run: &TopRun<'a>,
        version: Option<&Version>,
        reached: Option<Timestamp>,
    ) -> (State, Option<Timestamp>) {
        if !self.observed(t) {
            return (State::Unobserved, run.since);
        }
        let observed_since = run.since.max(self.first_observation);
        let Some(top) = run.top else {
            return (State::Effective, observed_since);
        };
        if reached.is_some() {
            let state = if version == run.version() {
                State::Effective
            } else {
                State::Drifted
            };
            return (state, observed_since.max(reached));
        }
        match overdue_from(&top, run).filter(|overdue| *overdue <= t) {
            Some(overdue) => (State::Overdue, observed_since.max(Some(overdue))),
            None => (State::Converging, observed_since),
        }
    }

    /// What is so at `t`, and since when (E15, E16).
    pub(crate) fn at(&self, t: Timestamp) -> Result<Moment<'a>, H::Error> {
        let top = self.desired.top_run(t);
        let (version, since) = self.version(t)?;
        let (state, began) = self.state(t, &top, version.as_ref(), self.reached(&top, t)?);
        // `None` is before every instant, so the latest of the beginnings is their maximum.
        Ok(Moment {
            point: Point { state, version, top },
            since,
            state_since: began.max(since),
        })
    }

    /// The runs that have an instant in `[from, to)` up to `known_at`, oldest first, not clipped (E24).
    pub(crate) fn runs(
        &self,
        series: &SeriesKey,
        from: Option<Timestamp>,
        to: Option<Timestamp>,
    ) -> Result<Vec<Run>, H::Error> {
        let mut at = from.unwrap_or(Timestamp::MIN);
        let mut runs = Vec::new();
        if at > self.known_at || to.is_some_and(|to| to <= at) {
            return Ok(runs);
        }
        let Moment {
            mut point,
            state_since: mut since,
            ..
        } = self.at(at)?;
        let mut reached = self.reached_within(&point.top)?;
        while let Some(next) = self.next_change(at, &point.top, reached)? {
            at = next;
            if point.top.until == Some(next) {
                reached = self.reached_within(&self.desired.top_run(next))?;
            }
            let after = self.point(next, reached)?;
            let differs = !after.same(&point);
            let before = std::mem::replace(&mut point, after);
            if differs {
                runs.push(run(series, before, since, Some(next)));
                since = Some(next);
                if to.is_some_and(|to| to <= next) {
                    return Ok(runs);
                }
            }
        }
        runs.push(run(series, point, since, None));
        Ok(runs)
    }

    /// As [`Self::reached`], up to the end of the run of the top or the last instant known.
    fn reached_within(&self, run: &TopRun<'a>) -> Result<Option<Timestamp>, H::Error> {
        let end = run
            .until
            .map_or(self.known_at, |until| until.minus_micros(1).min(self.known_at));
        self.reached(run, end)
    }

    /// The first instant in `(t, known_at]` at which anything may change.
    fn next_change(
        &self,
        t: Timestamp,
        run: &TopRun<'a>,
        reached: Option<Timestamp>,
    ) -> Result<Option<Timestamp>, H::Error> {
        let overdue = run.top.and_then(|top| overdue_from(&top, run));
        let changes = [
            run.until,
            self.first_observation,
            reached,
            overdue,
            self.piece(t)?.until,
        ];
        Ok(changes
            .into_iter()
            .flatten()
            .filter(|at| *at > t && *at <= self.known_at)
            .min())
    }
}

/// When the top's window runs out, counted from when it became the top; `None` past the year 9999.
fn overdue_from(top: &StandingRollout<'_>, run: &TopRun<'_>) -> Option<Timestamp> {
    top.overdue_from(run.since?)
}

fn run(series: &SeriesKey, point: Point<'_>, since: Option<Timestamp>, until: Option<Timestamp>) -> Run {
    Run {
        scope: series.scope.clone(),
        policy: series.policy.clone(),
        state: point.state,
        version: point.version,
        desired: point.top.version().cloned(),
        rollout_id: point.top.top.map(|top| top.plan().rollout_id.clone()),
        since,
        until,
    }
}
