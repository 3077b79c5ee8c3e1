//! One instance in one series: its facts folded into the moments at which it changes.

use std::sync::Arc;

use verdict_schemas::{ActiveStatus, Labels, Timestamp, Version};

use super::{Micros, VersionId};
use crate::{ActiveEntry, DECISION_LEASE_MS, FactTime, Instance, Member, Observation, RecordRef};

/// The facts of one instance, as they are read.
#[derive(Default)]
pub(super) struct InstanceFacts {
    /// (f, lease in microseconds): an `agent_seen`, or a counted citation of the series.
    sightings: Vec<(Micros, Micros)>,
    retired: Vec<Micros>,
    observations: Vec<(FactTime, Gave)>,
    labels: Vec<(FactTime, Arc<Labels>)>,
}

/// What an observation says of what the instance runs.
#[derive(Clone, Copy, Debug)]
enum Gave {
    /// `applied` or a citation, or `removed` (nothing): from here on it runs this.
    Version(Option<VersionId>, RecordRef),
    /// `failed`: what ran goes on.
    Same,
}

impl InstanceFacts {
    pub(super) fn retired(&mut self, f: Timestamp) {
        self.retired.push(f.as_micros());
    }

    pub(super) fn seen(&mut self, at: FactTime, lease_ms: u64, labels: &Arc<Labels>) {
        self.sighting(at.f, lease_ms);
        self.labels.push((at, Arc::clone(labels)));
    }

    pub(super) fn entry(&mut self, fact: &Observation, entry: &ActiveEntry, version: Option<VersionId>) {
        let gave = match entry.status {
            ActiveStatus::Applied => Gave::Version(version, fact.record),
            ActiveStatus::Removed => Gave::Version(None, fact.record),
            ActiveStatus::Failed => Gave::Same,
        };
        self.observations.push((
            FactTime {
                position: entry.position,
                ..fact.at
            },
            gave,
        ));
    }

    pub(super) fn cited(&mut self, fact: &Observation, version: VersionId) {
        self.sighting(fact.at.f, DECISION_LEASE_MS);
        self.observations
            .push((fact.at, Gave::Version(Some(version), fact.record)));
    }

    fn sighting(&mut self, f: Timestamp, lease_ms: u64) {
        let lease = Micros::try_from(lease_ms.saturating_mul(1000)).unwrap_or(Micros::MAX);
        self.sightings.push((f.as_micros(), lease));
    }

    /// The moments at which the number of sightings that make it live, or silent, changes (E8).
    fn presence(&mut self) -> Vec<(Micros, Change)> {
        self.retired.sort_unstable();
        let mut changes = Vec::with_capacity(self.sightings.len() * 3);
        for (f, lease) in &self.sightings {
            // A retirement at r voids, from r on, every sighting with f <= r: the first such r ends this one.
            let void = self
                .retired
                .get(self.retired.partition_point(|r| r < f))
                .copied()
                .unwrap_or(Micros::MAX);
            let quiet = f.saturating_add(*lease);
            let gone = quiet.saturating_add(lease / 2);
            span(&mut changes, *f, quiet.min(void), Change::live);
            span(&mut changes, quiet, gone.min(void), Change::silent);
        }
        changes
    }
}

/// Adds the beginning and the end of a span, if it is one.
fn span(changes: &mut Vec<(Micros, Change)>, from: Micros, until: Micros, by: fn(i64) -> Change) {
    if from < until {
        changes.push((from, by(1)));
        changes.push((until, by(-1)));
    }
}

/// What happens to an instance at a moment.
enum Change {
    Presence { live: i64, silent: i64 },
    Observation(FactTime, Gave),
    Labels(FactTime, Arc<Labels>),
}

impl Change {
    fn live(by: i64) -> Self {
        Self::Presence { live: by, silent: 0 }
    }

    fn silent(by: i64) -> Self {
        Self::Presence { live: 0, silent: by }
    }

    /// Among the changes of one moment only those of a kind need an order: that of the facts.
    fn place(&self) -> (u64, u32) {
        match self {
            Self::Presence { .. } => (0, 0),
            Self::Observation(at, _) | Self::Labels(at, _) => (at.index, at.position),
        }
    }
}

/// An instance from one of its moments to the next.
#[derive(Clone, Debug, Default)]
pub(super) struct Moment {
    pub(super) at: Micros,
    /// Live, silent, or (`None`) no member: gone, or not yet observed in the series.
    pub(super) live: Option<bool>,
    pub(super) version: Option<VersionId>,
    gave: Option<RecordRef>,
    pub(super) labels: Option<Arc<Labels>>,
}

/// Drops the last moment if nothing is different in it: one lease among several that ran out.
fn drop_if_same(moments: &mut Vec<Moment>) {
    if let [.., before, last] = &moments[..]
        && (before.live, before.version, before.gave) == (last.live, last.version, last.gave)
        && before.labels == last.labels
    {
        moments.pop();
    }
}

/// One instance in one series, over time.
#[derive(Debug)]
pub(super) struct InstanceHistory {
    pub(super) instance: Instance,
    pub(super) first_observation: Timestamp,
    /// Oldest first, one per instant at most.
    pub(super) moments: Vec<Moment>,
}

impl InstanceHistory {
    /// Folds the facts of one instance; `None` if it has no observation in the series, so never is a member.
    pub(super) fn fold(instance: Instance, mut facts: InstanceFacts) -> Option<Self> {
        let first_observation = facts.observations.iter().map(|(at, _)| at.f).min()?;
        let mut changes = facts.presence();
        let observations = facts.observations.into_iter();
        changes.extend(observations.map(|(at, gave)| (at.f.as_micros(), Change::Observation(at, gave))));
        let labels = facts.labels.into_iter();
        changes.extend(labels.map(|(at, labels)| (at.f.as_micros(), Change::Labels(at, labels))));
        changes.sort_by_key(|(at, change)| (*at, change.place()));
        let mut moments: Vec<Moment> = Vec::new();
        let (mut live, mut silent, mut observed, mut now) = (0, 0, false, Moment::default());
        for (at, change) in changes {
            match change {
                Change::Presence { live: l, silent: s } => (live, silent) = (live + l, silent + s),
                Change::Observation(_, gave) => {
                    observed = true;
                    if let Gave::Version(version, record) = gave {
                        (now.version, now.gave) = (version, Some(record));
                    }
                }
                Change::Labels(_, labels) => now.labels = Some(labels),
            }
            now.at = at;
            now.live = if observed && live > 0 {
                Some(true)
            } else {
                (observed && silent > 0).then_some(false)
            };
            if moments.last().is_some_and(|last| last.at < at) {
                drop_if_same(&mut moments);
            }
            match moments.last_mut().filter(|last| last.at == at) {
                Some(last) => last.clone_from(&now),
                None => moments.push(now.clone()),
            }
        }
        drop_if_same(&mut moments);
        Some(Self {
            instance,
            first_observation,
            moments,
        })
    }

    /// The member it is at `t`, if it is one.
    pub(super) fn member(&self, t: Timestamp, named: impl Fn(Option<VersionId>) -> Option<Version>) -> Option<Member> {
        let passed = self.moments.partition_point(|moment| moment.at <= t.as_micros());
        let moment = self.moments.get(passed.checked_sub(1)?)?;
        Some(Member {
            instance: self.instance.clone(),
            live: moment.live?,
            version: named(moment.version),
            gave: moment.gave,
            labels: moment.labels.clone(),
        })
    }

    /// The first instant in `[from, to]` at which it is live with `version`.
    pub(super) fn first_ran(&self, version: VersionId, from: Micros, to: Micros) -> Option<Micros> {
        let first = self
            .moments
            .partition_point(|moment| moment.at <= from)
            .saturating_sub(1);
        let later = self.moments.get(first..)?.iter().take_while(|moment| moment.at <= to);
        let mut ran = later.filter(|moment| moment.live == Some(true) && moment.version == Some(version));
        ran.next().map(|moment| moment.at.max(from))
    }
}
