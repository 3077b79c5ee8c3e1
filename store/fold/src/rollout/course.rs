//! The course of a rollout: when it was the top of the stack, or open beside it, and what its quorum counted then.

use verdict_schemas::Timestamp;

use super::{Lag, RolloutState};
use crate::effective::{counted, is_in};
use crate::{Desired, Instance, Member, OpenPartial, SeriesHistory, StandingRollout, SweptSeries};

/// `[since, until)`.
type Span = (Timestamp, Option<Timestamp>);

/// Where a rollout stood over time: as the top of the stack, or open beside it.
pub(super) struct Course<'d, 'a> {
    rollout: &'d StandingRollout<'a>,
    /// When it was top, or open: [since, until).
    spans: Vec<Span>,
    /// Its place among the partials that opened; `None` if it is of the stack.
    partial: Option<(usize, &'d OpenPartial<'a>)>,
}

impl<'d, 'a> Course<'d, 'a> {
    pub(super) fn of(rollout: &'d StandingRollout<'a>, desired: &Desired<'a>, opened: &'d [OpenPartial<'a>]) -> Self {
        let index = rollout.started.record.index;
        let is_it = |other: &StandingRollout<'a>| other.started.record.index == index;
        if rollout.plan().target.is_some() {
            let partial = opened.iter().enumerate().find(|(_, partial)| is_it(&partial.rollout));
            let spans = partial.iter().map(|(_, partial)| (rollout.a, partial.until)).collect();
            return Self {
                rollout,
                spans,
                partial,
            };
        }
        let runs = desired
            .top_runs()
            .iter()
            .filter(|run| run.top.as_ref().is_some_and(is_it));
        Self {
            rollout,
            spans: runs.filter_map(|run| Some((run.since?, run.until))).collect(),
            partial: None,
        }
    }

    pub(super) fn place(&self) -> Option<usize> {
        self.partial.map(|(place, _)| place)
    }

    /// The last moment at or before `t` that its counts are of interest: for a partial, while it is open.
    pub(super) fn end(&self, t: Timestamp) -> Timestamp {
        let closed = self.partial.and_then(|(_, partial)| partial.until);
        closed.map_or(t, |closed| closed.minus_micros(1).min(t))
    }

    /// The members that its quorum counts.
    pub(super) fn members<'m>(
        &self,
        members: &'m [Member],
        opened: &[OpenPartial<'_>],
        t: Timestamp,
    ) -> Vec<&'m Member> {
        match self.partial {
            Some((_, partial)) => members.iter().filter(|member| is_in(member, partial)).collect(),
            None => counted(members, opened, t),
        }
    }

    /// When its quorum first held while it was top, or open.
    pub(super) fn reached(&self, swept: &SweptSeries, t: Timestamp) -> Option<Timestamp> {
        self.spans.iter().find_map(|span| self.reached_in(swept, *span, t))
    }

    /// When its quorum first held in one of its spans, up to `t`.
    fn reached_in(&self, swept: &SweptSeries, (since, until): Span, t: Timestamp) -> Option<Timestamp> {
        let (version, quorum) = (&self.rollout.plan().to_version, self.rollout.plan().quorum);
        let to = until.map_or(t, |until| until.minus_micros(1).min(t));
        if to < since {
            return None;
        }
        if let Some(place) = self.place() {
            return swept.partial_quorum_since(place, version, quorum, since, to);
        }
        let Ok(reached) = swept.quorum_since(version, quorum, since, to);
        reached
    }

    /// As the state of the series has it (E15, E19): of a rollout that is top again, only what it reached since counts.
    pub(super) fn state(&self, swept: &SweptSeries, t: Timestamp) -> RolloutState {
        let now = self
            .spans
            .iter()
            .find(|(since, until)| *since <= t && until.is_none_or(|until| t < until));
        if self.rollout.taken.is_some_and(|taken| taken.f <= t) {
            RolloutState::RolledBack
        } else if t < self.rollout.a {
            RolloutState::Planned
        } else if let Some(span) = now {
            let overdue = self.rollout.overdue_from(span.0).is_some_and(|overdue| overdue <= t);
            match self.reached_in(swept, *span, t) {
                Some(_) => RolloutState::Reached,
                None if overdue => RolloutState::Overdue,
                None => RolloutState::Converging,
            }
        } else {
            RolloutState::Superseded
        }
    }

    pub(super) fn lag(&self, swept: &SweptSeries, members: &[&Member], t: Timestamp) -> Option<Lag> {
        let ran = swept.first_ran(&self.rollout.plan().to_version, self.rollout.a, self.end(t));
        // Whom a partial selects is known of its members only; of the stack all that ever ran it count.
        // Members are sorted by instance.
        let is_member = |who: &Instance| members.binary_search_by(|member| member.instance.cmp(who)).is_ok();
        let counts = |who: &Instance| self.partial.is_none() || is_member(who);
        let lags = ran
            .into_iter()
            .filter(|(who, _)| counts(who))
            .map(|(_, at)| millis(self.rollout.a, at));
        let mut lags: Vec<u64> = lags.collect();
        lags.sort_unstable();
        let rank = |percent: usize| lags.get((lags.len() * percent).div_ceil(100).checked_sub(1)?).copied();
        let count = u64::try_from(lags.len()).unwrap_or(u64::MAX);
        Some(Lag {
            count,
            p50_ms: rank(50)?,
            p95_ms: rank(95)?,
            p99_ms: rank(99)?,
        })
    }
}

/// Whole milliseconds between two moments.
pub(super) fn millis(from: Timestamp, to: Timestamp) -> u64 {
    u64::try_from((to.as_micros() - from.as_micros()) / 1000).unwrap_or(0)
}
