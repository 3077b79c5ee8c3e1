//! An obvious evaluation of E7 to E14, with every rule spelt out and nothing kept: what the rows are held to.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use verdict_fold::{
    ActiveEntry, Counted, DECISION_LEASE_MS, Instance, Member, Observation, Observed, RecordRef, SeriesKey, VersionRun,
    need,
};
use verdict_schemas::{ActiveStatus, Labels, Quorum, Timestamp, Version};

/// The facts of a cut that can matter to one series.
pub(crate) struct Linear {
    /// (f, lease in microseconds)
    sightings: BTreeMap<Instance, Vec<(i64, i64)>>,
    retired: BTreeMap<Instance, Vec<i64>>,
    /// ((f, index, position), what it gives, or `None` for failed)
    observations: BTreeMap<Instance, Vec<Said>>,
    labels: BTreeMap<Instance, Vec<Labelled>>,
}

type Labelled = ((i64, u64), Arc<Labels>);
type Said = ((i64, u64, u32), Option<(Option<Version>, RecordRef)>);

pub(crate) fn at(micros: i64) -> Timestamp {
    Timestamp::from_micros(micros).unwrap()
}

/// Whether each fact is one that counts: all but the citations that are not the first of their minute (E8).
pub(crate) fn counted(facts: &[Observation]) -> Vec<bool> {
    let mut minutes = BTreeSet::new();
    facts
        .iter()
        .map(|fact| match &fact.what {
            Observed::Cited { series, version } => {
                let minute = fact.at.f.as_micros() / 60_000_000;
                minutes.insert((fact.instance.clone(), series.clone(), version.clone(), minute))
            }
            _ => true,
        })
        .collect()
}

impl Linear {
    pub(crate) fn new(facts: &[Observation], series: &SeriesKey) -> Self {
        let mut linear = Self {
            sightings: BTreeMap::new(),
            retired: BTreeMap::new(),
            observations: BTreeMap::new(),
            labels: BTreeMap::new(),
        };
        for (fact, counted) in facts.iter().zip(counted(facts)) {
            if counted {
                linear.take(fact, series);
            }
        }
        for said in linear.observations.values_mut() {
            said.sort_by_key(|(at, _)| *at);
        }
        for labels in linear.labels.values_mut() {
            labels.sort_by_key(|(at, _)| *at);
        }
        linear
    }

    fn take(&mut self, fact: &Observation, series: &SeriesKey) {
        let (who, f, index) = (fact.instance.clone(), fact.at.f.as_micros(), fact.at.index);
        match &fact.what {
            Observed::Retired => self.retired.entry(who).or_default().push(f),
            Observed::Seen {
                lease_ms,
                labels,
                entries,
            } => {
                let lease = i64::try_from(*lease_ms).unwrap() * 1000;
                self.sightings.entry(who.clone()).or_default().push((f, lease));
                self.labels
                    .entry(who.clone())
                    .or_default()
                    .push(((f, index), Arc::clone(labels)));
                for ActiveEntry {
                    status,
                    version,
                    position,
                    ..
                } in entries.iter().filter(|e| e.series == *series)
                {
                    let gives = match status {
                        ActiveStatus::Applied => Some((version.clone(), fact.record)),
                        ActiveStatus::Removed => Some((None, fact.record)),
                        ActiveStatus::Failed => None,
                    };
                    self.observations
                        .entry(who.clone())
                        .or_default()
                        .push(((f, index, *position), gives));
                }
            }
            Observed::Cited { series: cited, version } if cited == series => {
                let lease = i64::try_from(DECISION_LEASE_MS).unwrap() * 1000;
                self.sightings.entry(who.clone()).or_default().push((f, lease));
                let gives = Some((Some(version.clone()), fact.record));
                self.observations
                    .entry(who)
                    .or_default()
                    .push(((f, index, fact.at.position), gives));
            }
            Observed::Cited { .. } => {}
        }
    }

    /// Every moment at which anything may change.
    pub(crate) fn turns(&self) -> BTreeSet<i64> {
        let sightings = self
            .sightings
            .values()
            .flatten()
            .flat_map(|(f, l)| [*f, f + l, f + l + l / 2]);
        let said = self.observations.values().flatten().map(|((f, ..), _)| *f);
        sightings
            .chain(said)
            .chain(self.retired.values().flatten().copied())
            .collect()
    }

    pub(crate) fn first_observation(&self) -> Option<Timestamp> {
        self.observations
            .values()
            .flatten()
            .map(|((f, ..), _)| *f)
            .min()
            .map(at)
    }

    pub(crate) fn members(&self, t: i64) -> Vec<Member> {
        let mut members = Vec::new();
        for (who, said) in &self.observations {
            let standing: Vec<(i64, i64)> = self
                .sightings
                .get(who)
                .into_iter()
                .flatten()
                .copied()
                .filter(|(f, _)| *f <= t)
                .filter(|(f, _)| !self.retired.get(who).into_iter().flatten().any(|r| *r <= t && f <= r))
                .collect();
            let live = standing.iter().any(|(f, l)| t < f + l);
            let silent = standing.iter().any(|(f, l)| f + l <= t && t < f + l + l / 2);
            let mut said = said.iter().filter(|((f, ..), _)| *f <= t).peekable();
            if (!live && !silent) || said.peek().is_none() {
                continue;
            }
            let gave = said.filter_map(|(_, gives)| gives.clone()).next_back();
            let labels = self.labels.get(who).into_iter().flatten().rfind(|((f, _), _)| *f <= t);
            members.push(Member {
                instance: who.clone(),
                live,
                version: gave.as_ref().and_then(|(version, _)| version.clone()),
                gave: gave.map(|(_, record)| record),
                labels: labels.map(|(_, labels)| Arc::clone(labels)),
            });
        }
        members
    }

    pub(crate) fn holder(&self, t: i64) -> Option<Option<Version>> {
        let members = self.members(t);
        let live = |version: &Option<Version>| members.iter().filter(|m| m.live && m.version == *version).count();
        let versions: BTreeSet<_> = members.iter().map(|m| m.version.clone()).collect();
        versions.into_iter().find(|version| 2 * live(version) > members.len())
    }

    /// (since, version) of the runs of the last holder.
    pub(crate) fn begins(&self) -> Vec<(i64, Option<Version>)> {
        let mut begins: Vec<(i64, Option<Version>)> = Vec::new();
        for x in self.turns() {
            if let Some(version) = self.holder(x)
                && begins.last().is_none_or(|(_, last)| *last != version)
            {
                begins.push((x, version));
            }
        }
        begins
    }

    /// The counts for a version at `t`.
    pub(crate) fn counts(&self, t: i64, version: &Version) -> Counted {
        let members = self.members(t);
        let live = members.iter().filter(|m| m.live).count() as u64;
        let have = members
            .iter()
            .filter(|m| m.live && m.version.as_ref() == Some(version))
            .count() as u64;
        Counted {
            have,
            live,
            silent: members.len() as u64 - live,
        }
    }

    pub(crate) fn quorum_holds(&self, t: i64, version: &Version, quorum: Quorum) -> bool {
        let Counted { have, live, silent } = self.counts(t, version);
        have >= need(Some(quorum), live, silent)
    }
}

/// The runs among `begins` that an implementation has to give for `[from, known_at]`.
pub(crate) fn runs(begins: &[(i64, Option<Version>)], from: i64, known_at: i64) -> Vec<VersionRun> {
    let until = |place: usize| begins.get(place + 1).map(|(x, _)| *x).filter(|x| *x <= known_at);
    let run = |(place, (since, version)): (usize, &(i64, Option<Version>))| VersionRun {
        version: version.clone(),
        since: at(*since),
        until: until(place).map(at),
    };
    let begun = begins.iter().enumerate().filter(|(_, (since, _))| *since <= known_at);
    begun
        .map(run)
        .filter(|run| run.until.is_none_or(|until| until > at(from)))
        .collect()
}
