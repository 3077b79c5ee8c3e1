//! What is desired of a series, over time: the stack of rollouts and its top (E11), the partials beside it (E19) and
//! what a decision was allowed to rely on (E20). All of it follows from intent alone.

use std::collections::BTreeSet;

use verdict_schemas::{Labels, Timestamp, Version};

use crate::{Held, RecordRef, Started};

/// A rollout whose `started` stands (E4), with what takes it away.
#[derive(Clone, Copy, Debug)]
pub struct StandingRollout<'a> {
    /// Its `started`.
    pub started: &'a Held<Started>,
    /// a = max(`activate_at`, f).
    pub a: Timestamp,
    /// The first `rolled_back` by (f, index), whether before `a` or after it.
    pub taken: Option<&'a Held<()>>,
}

impl<'a> StandingRollout<'a> {
    pub(crate) fn new(started: &'a Held<Started>, taken: Option<&'a Held<()>>) -> Self {
        let a = started
            .what
            .activate_at
            .map_or(started.f, |activate_at| activate_at.max(started.f));
        Self { started, a, taken }
    }

    /// What it asks for.
    pub fn plan(&self) -> &'a Started {
        &self.started.what
    }

    /// Taken away at or before its `a`: never pushed, or, if partial, never opened.
    pub fn never_acts(&self) -> bool {
        self.taken.is_some_and(|taken| taken.f <= self.a)
    }

    /// When it is overdue: `a` + window; `None` past the year 9999.
    pub fn overdue_from(&self, since: Timestamp) -> Option<Timestamp> {
        since.plus_millis(self.plan().max_inconsistency_ms)
    }

    /// Its place in the stack: (a, index of `started`).
    fn order(&self) -> (Timestamp, u64) {
        (self.a, self.started.record.index)
    }
}

/// A partial rollout that opened: open in `[a, until)`.
#[derive(Clone, Copy, Debug)]
pub struct OpenPartial<'a> {
    /// The rollout.
    pub rollout: StandingRollout<'a>,
    /// When it was taken away or a push went past it; `None` while neither is known.
    pub until: Option<Timestamp>,
}

impl<'a> OpenPartial<'a> {
    /// Open at `t`?
    pub fn is_open(&self, t: Timestamp) -> bool {
        self.rollout.a <= t && self.until.is_none_or(|until| t < until)
    }

    /// The labels that select its agents.
    pub fn target(&self) -> Option<&'a Labels> {
        self.rollout.plan().target.as_ref()
    }
}

/// A run of one top, or of none.
#[derive(Clone, Copy, Debug)]
pub struct TopRun<'a> {
    /// When it became the top: `desired_since`. `None` for the run before every push.
    pub since: Option<Timestamp>,
    /// When another did.
    pub until: Option<Timestamp>,
    /// The top.
    pub top: Option<StandingRollout<'a>>,
}

impl<'a> TopRun<'a> {
    /// What is desired in this run.
    pub fn version(&self) -> Option<&'a Version> {
        self.top.map(|top| &top.plan().to_version)
    }
}

/// What is desired of one series, over time.
#[derive(Clone, Debug)]
pub struct Desired<'a> {
    /// Pushed rollouts in the order of the stack, those taken away later too.
    pushed: Vec<StandingRollout<'a>>,
    /// Partials that were ever open, by (a, index).
    partials: Vec<OpenPartial<'a>>,
    /// The tops, oldest first; never empty, neighbours differ.
    tops: Vec<TopRun<'a>>,
}

impl<'a> Desired<'a> {
    pub(crate) fn new(rollouts: impl Iterator<Item = StandingRollout<'a>>) -> Self {
        let acting = rollouts.filter(|rollout| !rollout.never_acts());
        let (mut partial, mut pushed): (Vec<_>, Vec<_>) = acting.partition(|rollout| rollout.plan().target.is_some());
        pushed.sort_by_key(StandingRollout::order);
        partial.sort_by_key(StandingRollout::order);
        let tops = tops(&pushed);
        let partials = partial
            .into_iter()
            .filter_map(|rollout| opened(rollout, &pushed))
            .collect();
        Self { pushed, partials, tops }
    }

    fn place(&self, t: Timestamp) -> usize {
        // The first run has no beginning, so that one always holds `t`.
        self.tops
            .partition_point(|run| run.since.is_none_or(|since| since <= t))
            .saturating_sub(1)
    }

    /// The run that holds `t`.
    pub fn top_run(&self, t: Timestamp) -> TopRun<'a> {
        self.tops.get(self.place(t)).copied().unwrap_or(TopRun {
            since: None,
            until: None,
            top: None,
        })
    }

    /// Every run of a top, oldest first; the first is before every push.
    pub fn top_runs(&self) -> &[TopRun<'a>] {
        &self.tops
    }

    /// The rollout that was top just before `run`, if any.
    fn top_before(&self, run: &TopRun<'a>) -> Option<StandingRollout<'a>> {
        let since = run.since?;
        let before = self
            .tops
            .partition_point(|other| other.since.is_none_or(|s| s < since))
            .checked_sub(1)?;
        self.tops.get(before)?.top
    }

    /// The `rolled_back` that uncovered the top of `run` (E26); `None` if the run began with a push.
    pub fn uncovered_by(&self, run: &TopRun<'a>) -> Option<RecordRef> {
        let (top, since) = (run.top?, run.since?);
        // A top that was pushed before it became the top lay covered; only taking away what lay on it can do that.
        if top.a >= since {
            return None;
        }
        self.top_before(run)?
            .taken
            .filter(|taken| taken.f == since)
            .map(|taken| taken.record)
    }

    /// The desired version around `t` as a run of equal versions: (version, since, until).
    pub fn version_run(&self, t: Timestamp) -> (Option<&'a Version>, Option<Timestamp>, Option<Timestamp>) {
        let place = self.place(t);
        let version = self.tops.get(place).and_then(TopRun::version);
        let (head, tail) = self.tops.split_at(place);
        let first = head
            .iter()
            .rev()
            .take_while(|run| run.version() == version)
            .last()
            .or(tail.first());
        let last = tail.iter().take_while(|run| run.version() == version).last();
        (version, first.and_then(|run| run.since), last.and_then(|run| run.until))
    }

    /// The last pushed at or before `t` with this version, whether taken away since or not (E26).
    pub fn last_pushed(&self, version: &Version, t: Timestamp) -> Option<StandingRollout<'a>> {
        self.pushed
            .iter()
            .rev()
            .find(|push| push.a <= t && push.plan().to_version == *version)
            .copied()
    }

    /// Has there been a push or an opening at or before `t` (E21)?
    pub fn has_acted(&self, t: Timestamp) -> bool {
        self.pushed.first().is_some_and(|push| push.a <= t)
            || self.partials.first().is_some_and(|partial| partial.rollout.a <= t)
    }

    /// The partials that opened at or before `t`, by (a, index), whether open still or not.
    pub fn opened(&self, t: Timestamp) -> &[OpenPartial<'a>] {
        let (opened, _) = self
            .partials
            .split_at(self.partials.partition_point(|partial| partial.rollout.a <= t));
        opened
    }

    /// What a decision at `t` may rely on (E20), by bytes; `None` where nothing was desired at some instant of the window.
    pub fn admissible(&self, t: Timestamp) -> Option<Vec<Version>> {
        let top = self.top_run(t).top?;
        let from = t.minus_micros(top.plan().max_inconsistency_ms.saturating_mul(1000));
        let mut admissible = BTreeSet::new();
        for run in self.tops.get(self.place(from)..=self.place(t))? {
            admissible.insert(run.version()?);
        }
        let within = self
            .opened(t)
            .iter()
            .filter(|partial| partial.until.is_none_or(|until| from < until));
        admissible.extend(within.map(|partial| &partial.rollout.plan().to_version));
        Some(admissible.into_iter().cloned().collect())
    }
}

/// The runs of the top, from pushed rollouts in the order of the stack.
fn tops<'a>(pushed: &[StandingRollout<'a>]) -> Vec<TopRun<'a>> {
    let mut changes: Vec<(Timestamp, usize, bool)> = Vec::with_capacity(pushed.len() * 2);
    for (place, push) in pushed.iter().enumerate() {
        changes.push((push.a, place, true));
        changes.extend(push.taken.map(|taken| (taken.f, place, false)));
    }
    changes.sort_unstable();
    let mut runs = vec![TopRun {
        since: None,
        until: None,
        top: None,
    }];
    let (mut stack, mut top) = (BTreeSet::new(), None);
    for together in changes.chunk_by(|one, other| one.0 == other.0) {
        for (_, place, appears) in together {
            if *appears {
                stack.insert(*place)
            } else {
                stack.remove(place)
            };
        }
        let at = together.first().map(|change| change.0);
        if stack.last().copied() != top {
            top = stack.last().copied();
            if let Some(run) = runs.last_mut() {
                run.until = at;
            }
            runs.push(TopRun {
                since: at,
                until: None,
                top: top.and_then(|place| pushed.get(place)).copied(),
            });
        }
    }
    runs
}

/// How long a partial is open; `None` if a push of the same instant went past it, so that it never was.
fn opened<'a>(rollout: StandingRollout<'a>, pushed: &[StandingRollout<'a>]) -> Option<OpenPartial<'a>> {
    let next = pushed.get(pushed.partition_point(|push| push.order() <= rollout.order()));
    let until = [next.map(|push| push.a), rollout.taken.map(|taken| taken.f)]
        .into_iter()
        .flatten()
        .min();
    until
        .is_none_or(|until| until > rollout.a)
        .then_some(OpenPartial { rollout, until })
}
