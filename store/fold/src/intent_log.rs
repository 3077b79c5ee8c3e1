//! The intent of one log, indexed once for every cut: [`IntentLog`] takes facts in the order of steps and settles E4 as
//! they come (the first `started` of a rollout, the first publication of a version stand; the first understood is the
//! first of every cut that holds it). An [`IntentCut`] is the same log up to a step; nothing past it is seen.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use foldhash::fast::RandomState;
use verdict_schemas::{ObjectName, PolicyName, RolloutId, Scope, TenantId, Timestamp, Version};

use crate::desired::{Desired, StandingRollout};
use crate::{Excepted, Held, Intended, Intent, ObjectVersion, Published, SeriesKey, Started};

type Map<K, V> = HashMap<K, V, RandomState>;

/// What is known of one rollout id.
#[derive(Clone, Debug, Default)]
struct RolloutFacts {
    started: Option<Held<Started>>,
    /// Sorted by (f, index): the first within the cut is the one that takes the rollout away.
    rolled_back: Vec<Held<()>>,
    completed: Vec<Held<()>>,
}

/// What is known of one (scope, policy).
#[derive(Clone, Debug, Default)]
struct SeriesFacts {
    /// Rollout ids whose standing `started` is of this series, in the order of steps.
    rollouts: Vec<RolloutId>,
    published: BTreeMap<Version, Held<Published>>,
}

/// The intent of one log.
#[derive(Clone, Debug)]
pub struct IntentLog {
    tenant: TenantId,
    rollouts: Map<RolloutId, RolloutFacts>,
    series: BTreeMap<SeriesKey, SeriesFacts>,
    /// Versions of each object, sorted by (f, index).
    objects: BTreeMap<ObjectName, Vec<Held<ObjectVersion>>>,
    /// For each workload scope, the ids of the exceptions any version of which names it.
    excepted: Map<Scope, BTreeSet<String>>,
}

impl IntentLog {
    /// An empty log of `tenant`.
    pub fn new(tenant: TenantId) -> Self {
        Self {
            tenant,
            rollouts: Map::default(),
            series: BTreeMap::new(),
            objects: BTreeMap::new(),
            excepted: Map::default(),
        }
    }

    /// The tenant whose log this is.
    pub fn tenant(&self) -> &TenantId {
        &self.tenant
    }

    /// Adds a fact of a record that counts (E4). Facts must come in the order of steps.
    pub fn push(&mut self, intent: Intent) {
        let (f, record, step) = (intent.f, intent.record(), intent.step);
        match intent.what {
            Intended::Started(started) => {
                let facts = self.rollouts.entry(started.rollout_id.clone()).or_default();
                if facts.started.is_none() {
                    self.series
                        .entry(started.series())
                        .or_default()
                        .rollouts
                        .push(started.rollout_id.clone());
                    facts.started = Some(Held {
                        f,
                        record,
                        step,
                        what: started,
                    });
                }
            }
            Intended::RolledBack(id) => {
                let facts = self.rollouts.entry(id).or_default();
                insert_sorted(
                    &mut facts.rolled_back,
                    Held {
                        f,
                        record,
                        step,
                        what: (),
                    },
                );
            }
            Intended::Completed(id) => {
                let facts = self.rollouts.entry(id).or_default();
                insert_sorted(
                    &mut facts.completed,
                    Held {
                        f,
                        record,
                        step,
                        what: (),
                    },
                );
            }
            Intended::Published(published) => {
                let key = SeriesKey {
                    scope: published.scope.clone(),
                    policy: published.policy.clone(),
                };
                let version = published.version.clone();
                let standing = &mut self.series.entry(key).or_default().published;
                standing.entry(version).or_insert(Held {
                    f,
                    record,
                    step,
                    what: published,
                });
            }
            Intended::Object(object) => {
                if let Some(Excepted { scope, .. }) = &object.exception {
                    self.excepted
                        .entry(scope.clone())
                        .or_default()
                        .insert(object.object.id.clone());
                }
                let versions = self.objects.entry(object.object.clone()).or_default();
                insert_sorted(
                    versions,
                    Held {
                        f,
                        record,
                        step,
                        what: object,
                    },
                );
            }
        }
    }

    /// The log as understood by its first `steps` steps.
    pub fn cut(&self, steps: u64) -> IntentCut<'_> {
        IntentCut { log: self, steps }
    }
}

/// Inserts in the order of (f, index) (E5).
fn insert_sorted<T>(facts: &mut Vec<Held<T>>, fact: Held<T>) {
    let order = |fact: &Held<T>| (fact.f, fact.record.index);
    let place = facts.partition_point(|other| order(other) <= order(&fact));
    facts.insert(place, fact);
}

/// The intent of one log in a cut.
#[derive(Clone, Copy, Debug)]
pub struct IntentCut<'a> {
    log: &'a IntentLog,
    steps: u64,
}

impl<'a> IntentCut<'a> {
    /// The tenant whose log this is.
    pub fn tenant(self) -> &'a TenantId {
        &self.log.tenant
    }

    fn holds<T>(self, fact: &Held<T>) -> bool {
        fact.step < self.steps
    }

    /// The rollout of this id, with what takes it away; `None` if none has started in the cut.
    pub fn rollout(self, id: &RolloutId) -> Option<StandingRollout<'a>> {
        let facts = self.log.rollouts.get(id)?;
        let started = facts.started.as_ref().filter(|started| self.holds(started))?;
        let taken = facts.rolled_back.iter().find(|taken| self.holds(taken));
        Some(StandingRollout::new(started, taken))
    }

    /// The first claim of completion of a rollout by (f, index); it changes nothing (E11).
    pub fn completed(self, id: &RolloutId) -> Option<&'a Held<()>> {
        self.log
            .rollouts
            .get(id)?
            .completed
            .iter()
            .find(|claim| self.holds(claim))
    }

    /// The rollouts that have started in the cut, in the order of series and then of index.
    pub fn rollouts(self) -> impl Iterator<Item = StandingRollout<'a>> {
        self.log
            .series
            .values()
            .flat_map(|facts| &facts.rollouts)
            .filter_map(move |id| self.rollout(id))
    }

    /// What is desired of a series, over time (E11, E19, E20).
    pub fn desired(self, series: &SeriesKey) -> Desired<'a> {
        let rollouts = self.log.series.get(series).map_or(&[][..], |facts| &facts.rollouts);
        Desired::new(rollouts.iter().filter_map(|id| self.rollout(id)))
    }

    /// The publication of a version that stands (E4), whenever it acts (E22, E23).
    pub fn publication(self, series: &SeriesKey, version: &Version) -> Option<&'a Held<Published>> {
        self.log
            .series
            .get(series)?
            .published
            .get(version)
            .filter(|publication| self.holds(publication))
    }

    /// All publications of a series that stand in the cut, by version.
    pub fn publications(self, series: &SeriesKey) -> impl Iterator<Item = &'a Held<Published>> {
        let facts = self.log.series.get(series);
        facts
            .into_iter()
            .flat_map(|facts| facts.published.values())
            .filter(move |publication| self.holds(publication))
    }

    /// The policies of a scope that intent in the cut speaks of, by bytes, at whatever time.
    pub fn policies(self, scope: &Scope) -> impl Iterator<Item = &'a PolicyName> {
        let from = SeriesKey {
            scope: scope.clone(),
            policy: PolicyName::new(""),
        };
        self.log
            .series
            .range(from.clone()..)
            .take_while(move |(key, _)| key.scope == from.scope)
            .filter(move |(_, facts)| self.speaks(facts))
            .map(|(key, _)| &key.policy)
    }

    /// Every series that intent in the cut speaks of, at whatever time.
    pub fn series(self) -> impl Iterator<Item = &'a SeriesKey> {
        let all = self.log.series.iter();
        all.filter(move |(_, facts)| self.speaks(facts)).map(|(key, _)| key)
    }

    /// Does intent in the cut speak of a series, at whatever time?
    pub fn names(self, series: &SeriesKey) -> bool {
        self.log.series.get(series).is_some_and(|facts| self.speaks(facts))
    }

    /// Has any rollout or publication of a series been recorded within the cut?
    fn speaks(self, facts: &SeriesFacts) -> bool {
        facts.published.values().any(|publication| self.holds(publication))
            || facts.rollouts.iter().any(|id| self.rollout(id).is_some())
    }

    /// The version of an object at `t`: the latest `object_changed` at or before it (E25).
    pub fn object_at(self, object: &ObjectName, t: Timestamp) -> Option<&'a Held<ObjectVersion>> {
        let versions = self.log.objects.get(object)?;
        let (acted, _) = versions.split_at(versions.partition_point(|version| version.f <= t));
        acted.iter().rev().find(|version| self.holds(version))
    }

    /// Every version of an object in the cut, in the order in which they act.
    pub fn object_versions(self, object: &ObjectName) -> impl Iterator<Item = &'a Held<ObjectVersion>> {
        let versions = self.log.objects.get(object).map_or(&[][..], Vec::as_slice);
        versions.iter().filter(move |version| self.holds(version))
    }

    /// The ids of the exceptions any version of which names this workload scope, by bytes.
    pub(crate) fn excepted(self, scope: &Scope) -> impl Iterator<Item = &'a String> {
        self.log.excepted.get(scope).into_iter().flatten()
    }
}
