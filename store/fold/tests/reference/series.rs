//! One series at one cut: who is observed (E7 to E10), what is desired (E11, E12, E19, E20), what is in effect (E13 to
//! E17).

use std::collections::{BTreeMap, BTreeSet};

use verdict_schemas::{ActiveStatus, Body, Decision, EventId, Labels, Quorum, Scope};

use super::{FIRST, Micros, Rolled, acts};
use crate::histories::Record;

/// (agent, incarnation).
pub(crate) type Who = (String, String);
/// (f, index, position): the order of facts.
type Order = (Micros, u64, usize);

/// An observation in the series (E9).
struct Observation {
    at: Order,
    who: Who,
    /// `None`: failed. `Some(None)`: removed.
    gave: Option<Option<String>>,
    event_id: EventId,
    index: u64,
    kind: &'static str,
}

struct Sighting {
    who: Who,
    f: Micros,
    lease: Micros,
}

pub(crate) struct Series<'a> {
    observations: Vec<Observation>,
    sightings: Vec<Sighting>,
    retired: Vec<(Who, Micros)>,
    labels: Vec<(Order, Who, &'a Labels)>,
    /// (f, version) of every citation, counted or not.
    cited: Vec<(Micros, String)>,
    pub(crate) stack: Vec<Rolled<'a>>,
    pub(crate) partials: Vec<Rolled<'a>>,
    /// The interesting instants, sorted.
    pub(crate) instants: Vec<Micros>,
}

/// A member at a moment.
#[derive(Clone, Debug)]
pub(crate) struct Member {
    pub(crate) live: bool,
    pub(crate) version: Option<String>,
    pub(crate) gave: Option<(u64, EventId, &'static str)>,
    pub(crate) labels: Option<Labels>,
}

/// The counts that rules E12, E13 and E18 speak of.
#[derive(Clone, Debug, Default)]
pub(crate) struct Counts {
    pub(crate) running: BTreeMap<Option<String>, u64>,
    pub(crate) live: u64,
    pub(crate) silent: u64,
}

impl Counts {
    pub(crate) fn of<'m>(members: impl Iterator<Item = &'m Member>) -> Self {
        let mut counts = Self::default();
        for member in members {
            if member.live {
                counts.live += 1;
                *counts.running.entry(member.version.clone()).or_default() += 1;
            } else {
                counts.silent += 1;
            }
        }
        counts
    }

    pub(crate) fn live_with(&self, version: Option<&str>) -> u64 {
        self.running.get(&version.map(str::to_owned)).copied().unwrap_or(0)
    }

    pub(crate) fn need(&self, quorum: Option<Quorum>) -> u64 {
        let counted = self.live + self.silent;
        let mut terms = vec![counted / 2 + 1];
        if let Some(quorum) = quorum {
            terms.extend(quorum.min_agents);
            terms.extend(
                quorum
                    .percent
                    .map(|percent| (u64::from(percent) * self.live).div_ceil(100)),
            );
        }
        terms.into_iter().max().unwrap()
    }

    /// E12.
    pub(crate) fn quorum_holds(&self, rollout: &Rolled<'_>) -> bool {
        self.live_with(Some(rollout.version())) >= self.need(Some(rollout.plan.quorum))
    }

    /// E13: `Some(version or nothing)`, or none.
    pub(crate) fn holder(&self) -> Option<Option<String>> {
        let counted = self.live + self.silent;
        self.running
            .iter()
            .find(|(_, live)| 2 * **live > counted)
            .map(|(version, _)| version.clone())
    }
}

impl<'a> Series<'a> {
    /// `observed` are the tenant's records of the environment in the cut, `beyond` what of them is no observation, `rollouts` those that stand in the log of the
    /// scope; `asked` are moments that will be asked about.
    pub(crate) fn new(
        observed: &[&'a Record],
        beyond: &BTreeSet<(u64, usize)>,
        rollouts: &[Rolled<'a>],
        scope: &Scope,
        policy: &str,
        asked: &[Micros],
    ) -> Self {
        let mut series = Self {
            observations: Vec::new(),
            sightings: Vec::new(),
            retired: Vec::new(),
            labels: Vec::new(),
            cited: Vec::new(),
            stack: Vec::new(),
            partials: Vec::new(),
            instants: Vec::new(),
        };
        for rollout in rollouts {
            if rollout.plan.scope == *scope && rollout.plan.policy.as_str() == policy {
                let kind = if rollout.plan.target.is_some() {
                    &mut series.partials
                } else {
                    &mut series.stack
                };
                kind.push(rollout.clone());
            }
        }
        series.stack.sort_by_key(Rolled::order);
        series.partials.sort_by_key(Rolled::order);
        let mut minutes: BTreeSet<(Who, String, Micros)> = BTreeSet::new();
        for record in observed {
            series.observe(record, (scope, policy), beyond, &mut minutes);
        }
        series.find_instants(asked);
        series
    }

    fn observe(
        &mut self,
        record: &'a Record,
        (scope, policy): (&Scope, &str),
        beyond: &BTreeSet<(u64, usize)>,
        minutes: &mut BTreeSet<(Who, String, Micros)>,
    ) {
        let (f, index) = (acts(record), record.place.index);
        let event_id = record.event.meta.event_id;
        match &record.event.body {
            Body::AgentRetired(retired) => self
                .retired
                .push((who(&retired.agent, retired.incarnation.as_ref()), f)),
            Body::AgentSeen(seen) => {
                let who = who(&seen.agent, seen.incarnation.as_ref());
                let lease = i64::try_from(seen.lease_ms).unwrap() * 1000;
                self.sightings.push(Sighting {
                    who: who.clone(),
                    f,
                    lease,
                });
                self.labels.push(((f, index, 0), who.clone(), &seen.labels));
                for (position, active) in seen.active.iter().enumerate() {
                    let ours = active.scope == *scope && active.policy.as_str() == policy;
                    if ours && !beyond.contains(&(index, position)) {
                        let gave = match active.status {
                            ActiveStatus::Applied => Some(active.version.as_ref().map(|v| v.as_str().to_owned())),
                            ActiveStatus::Removed => Some(None),
                            ActiveStatus::Failed => None,
                        };
                        let at = (f, index, position);
                        let kind = "agent_seen";
                        self.observations.push(Observation {
                            at,
                            who: who.clone(),
                            gave,
                            event_id,
                            index,
                            kind,
                        });
                    }
                }
            }
            Body::Decision(decision) => {
                for (position, cited) in decision.policies.iter().enumerate() {
                    if cited.scope != *scope || cited.policy.as_str() != policy {
                        continue;
                    }
                    let version = cited.version.as_str().to_owned();
                    self.cited.push((f, version.clone()));
                    if beyond.contains(&(index, position)) {
                        continue;
                    }
                    let who = cited_by(decision, record.event.meta.source.as_str(), &version);
                    if minutes.insert((who.clone(), version.clone(), f / 60_000_000)) {
                        self.sightings.push(Sighting {
                            who: who.clone(),
                            f,
                            lease: 300_000_000,
                        });
                        let (at, gave) = ((f, index, position), Some(Some(version)));
                        self.observations.push(Observation {
                            at,
                            who,
                            gave,
                            event_id,
                            index,
                            kind: "decision",
                        });
                    }
                }
            }
            _ => {}
        }
    }

    fn find_instants(&mut self, asked: &[Micros]) {
        let mut instants: BTreeSet<Micros> = asked.iter().copied().collect();
        instants.extend(self.observations.iter().map(|it| it.at.0));
        instants.extend(self.labels.iter().map(|it| it.0.0));
        instants.extend(self.retired.iter().map(|it| it.1));
        for sighting in &self.sightings {
            let quiet = sighting.f + sighting.lease;
            instants.extend([sighting.f, quiet, quiet + sighting.lease / 2]);
        }
        let rollouts: Vec<_> = self.stack.iter().chain(&self.partials).collect();
        let changes: Vec<_> = rollouts
            .iter()
            .flat_map(|it| it.backs.iter().map(|back| back.0).chain([it.a]))
            .collect();
        for change in changes {
            instants.insert(change);
            instants.extend(rollouts.iter().map(|rollout| change + rollout.window()));
        }
        self.instants = instants.into_iter().filter(|at| *at >= FIRST).collect();
    }

    // Who is observed.

    fn presence(&self, who: &Who, t: Micros) -> Option<bool> {
        let void = |f: Micros| self.retired.iter().any(|(other, r)| other == who && *r <= t && f <= *r);
        let standing = || self.sightings.iter().filter(|it| it.who == *who && !void(it.f));
        if standing().any(|it| it.f <= t && t < it.f + it.lease) {
            return Some(true);
        }
        let silent = |it: &Sighting| it.f + it.lease <= t && t < it.f + it.lease + it.lease / 2;
        standing().any(silent).then_some(false)
    }

    pub(crate) fn members(&self, t: Micros) -> Vec<Member> {
        let observed: BTreeSet<&Who> = self
            .observations
            .iter()
            .filter(|it| it.at.0 <= t)
            .map(|it| &it.who)
            .collect();
        let member = |who: &Who| {
            let live = self.presence(who, t)?;
            let ours = self.observations.iter().filter(|it| it.who == *who && it.at.0 <= t);
            let gave = ours.filter(|it| it.gave.is_some()).max_by_key(|it| it.at);
            let labels = self
                .labels
                .iter()
                .filter(|it| it.1 == *who && it.0.0 <= t)
                .max_by_key(|it| it.0);
            Some(Member {
                live,
                version: gave.and_then(|it| it.gave.clone().flatten()),
                gave: gave.map(|it| (it.index, it.event_id, it.kind)),
                labels: labels.map(|it| it.2.clone()),
            })
        };
        observed.into_iter().filter_map(member).collect()
    }

    pub(crate) fn is_in(member: &Member, partial: &Rolled<'_>) -> bool {
        let target = partial.plan.target.as_ref().unwrap();
        member
            .labels
            .as_ref()
            .is_some_and(|labels| target.iter().all(|(k, v)| labels.get(k) == Some(v)))
    }

    /// E10.
    pub(crate) fn counts(&self, t: Micros) -> Counts {
        let members = self.members(t);
        let open = self.open_partials(t);
        let outside = |member: &&Member| !open.iter().any(|partial| Self::is_in(member, partial));
        if members.iter().any(|member| outside(&member)) {
            Counts::of(members.iter().filter(outside))
        } else {
            Counts::of(members.iter())
        }
    }

    pub(crate) fn partial_counts(&self, partial: &Rolled<'_>, t: Micros) -> Counts {
        Counts::of(self.members(t).iter().filter(|member| Self::is_in(member, partial)))
    }

    pub(crate) fn observed_by(&self, t: Micros) -> bool {
        self.observations.iter().any(|it| it.at.0 <= t)
    }

    pub(crate) fn last_cited(&self, version: &str, t: Micros) -> Option<Micros> {
        self.cited
            .iter()
            .filter(|(f, cited)| *f <= t && cited == version)
            .map(|(f, _)| *f)
            .max()
    }

    // What is desired.

    pub(crate) fn top(&self, t: Micros) -> Option<&Rolled<'a>> {
        self.stack
            .iter()
            .filter(|it| it.started_by(t) && !it.taken_by(t))
            .max_by_key(|it| it.order())
    }

    pub(crate) fn desired(&self, t: Micros) -> Option<String> {
        self.top(t).map(|top| top.version().to_owned())
    }

    /// When the top at `t` last became it: the earliest instant from which on, up to `t`, it is the top.
    pub(crate) fn desired_since(&self, t: Micros) -> Option<Micros> {
        let id = &self.top(t)?.id;
        let mut since = None;
        for at in self.instants.iter().rev().filter(|at| **at <= t) {
            if self.top(*at).map(|top| &top.id) != Some(id) {
                break;
            }
            since = Some(*at);
        }
        since
    }

    /// E19.
    pub(crate) fn open_partials(&self, t: Micros) -> Vec<&Rolled<'a>> {
        let passed = |it: &Rolled<'_>| {
            self.stack
                .iter()
                .any(|push| push.started_by(t) && push.order() > it.order())
        };
        self.partials
            .iter()
            .filter(|it| it.started_by(t) && !it.taken_by(t) && !passed(it))
            .collect()
    }

    /// E20.
    pub(crate) fn admissible(&self, t: Micros) -> Option<Vec<String>> {
        let from = (t - self.top(t)?.window()).max(FIRST);
        let within = self
            .instants
            .iter()
            .copied()
            .filter(|at| from < *at && *at <= t)
            .chain([from, t]);
        let mut versions = BTreeSet::new();
        for at in within {
            versions.insert(self.desired(at)?);
            versions.extend(
                self.open_partials(at)
                    .iter()
                    .map(|partial| partial.version().to_owned()),
            );
        }
        Some(versions.into_iter().collect())
    }
}

/// E7.
pub(crate) fn cited_by(decision: &Decision, source: &str, version: &str) -> Who {
    let agent = decision.agent.as_ref().map_or(source, |agent| agent.as_str());
    let incarnation = match (&decision.agent, &decision.incarnation) {
        (_, Some(incarnation)) => incarnation.as_str(),
        (Some(_), None) => "",
        (None, None) => version,
    };
    (agent.to_owned(), incarnation.to_owned())
}

pub(crate) fn who(agent: &verdict_schemas::AgentId, incarnation: Option<&verdict_schemas::Incarnation>) -> Who {
    (
        agent.as_str().to_owned(),
        incarnation.map_or(String::new(), |it| it.as_str().to_owned()),
    )
}
