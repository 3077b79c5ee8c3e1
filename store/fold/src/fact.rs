//! Facts: what the fold reads of an event, and the time at which each acts (E5).

use std::sync::Arc;

use verdict_schemas::{
    ActiveStatus, AgentId, Body, CitedPolicy, Decision, Environment, Event, EventId, Incarnation, Kind, Labels,
    PolicyName, Scope, Timestamp, Version,
};

/// LATE (SEMANTICS, constants): intent can not be backdated by more, and an answer is settled after it. 60 s.
pub const LATE_US: u64 = 60_000_000;
/// DECISION_LEASE: how long a counted citation keeps its instance live. 5 min.
pub const DECISION_LEASE_MS: u64 = 300_000;

/// The most series of its environment that an instance is observed in: the first that came (E9).
pub const INSTANCE_SERIES: u32 = 2_000;

/// When a fact acts, and its place among the facts of one instant: ordered by (f, index, position in the event) (E5).
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct FactTime {
    /// min(event time, recorded time); for intent no less than recorded time - LATE.
    pub f: Timestamp,
    /// Index of the event in its log.
    pub index: u64,
    /// Position in the event.
    pub position: u32,
}

/// Where a record stands for whoever understands it.
///
/// A log is understood step by step (E3, view position): each record is a step, in index order, and so is each record
/// that could not be read when it came and can be now. A cut is a number of steps; rows hold from the step that put them.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Understood {
    /// Index in its log: the order of facts of one instant (E5).
    pub index: u64,
    /// The step at which it was understood: cuts of more steps hold it.
    pub step: u64,
    /// Did later records come before it?
    pub late: bool,
}

impl Understood {
    /// As it came, in a log in which nothing was ever understood late.
    pub fn at_once(index: u64) -> Self {
        Self {
            index,
            step: index,
            late: false,
        }
    }
}

/// The record behind a statement: an entry of `evidence[]`, less its tenant.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct RecordRef {
    /// Index in its log.
    pub index: u64,
    /// The event's id.
    pub event_id: EventId,
    /// Its kind.
    pub kind: Kind,
}

/// An instance within one tenant and environment (E7).
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct Instance {
    /// The agent; `meta.source` for a decision that names none.
    pub agent: AgentId,
    /// The incarnation; empty when there is none; the version cited for a decision with neither (E7).
    pub incarnation: Incarnation,
}

/// A series within one tenant and environment (E9).
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct SeriesKey {
    /// Scope.
    pub scope: Scope,
    /// Policy.
    pub policy: PolicyName,
}

/// An entry of `active[]` whose scope covers the tenant and the environment.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct ActiveEntry {
    /// Series.
    pub series: SeriesKey,
    /// Status.
    pub status: ActiveStatus,
    /// Version; always there when applied.
    pub version: Option<Version>,
    /// Position in `active[]`.
    pub position: u32,
}

/// What was observed.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Observed {
    /// `agent_seen`: a sighting in every series of the environment, and an observation in each series it lists (E8, E9).
    Seen {
        /// Lease in milliseconds.
        lease_ms: u64,
        /// The body's labels (E19).
        labels: Arc<Labels>,
        /// Entries, in the order of `active[]`, less those of a scope that does not cover this environment.
        entries: Arc<[ActiveEntry]>,
    },
    /// A decision's citation: a sighting and an observation in one series, if it is the first recorded of its instance,
    /// series and version in its UTC minute of f (E8).
    Cited {
        /// Series.
        series: SeriesKey,
        /// Version cited.
        version: Version,
    },
    /// `agent_retired`: voids every sighting with f <= its own (E8).
    Retired,
}

/// One observation of one instance. Facts come in here in the order of steps, only of records that count (E4), well-formed.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Observation {
    /// When it acts. For `Seen` the position is 0 and the entries have their own.
    pub at: FactTime,
    /// Where its record stands.
    pub place: Understood,
    /// The record.
    pub record: RecordRef,
    /// Whose.
    pub instance: Instance,
    /// What.
    pub what: Observed,
}

/// f of an observation: min(event time, recorded time) (E5).
pub fn observed_at(event_time: Timestamp, recorded: Timestamp) -> Timestamp {
    event_time.min(recorded)
}

/// f of intent: as [`observed_at`], but no less than recorded time - LATE (E5).
pub fn intended_at(event_time: Timestamp, recorded: Timestamp) -> Timestamp {
    event_time.min(recorded).max(recorded.minus_micros(LATE_US))
}

/// The instance behind a citation (E7).
pub fn citing_instance(
    agent: Option<&AgentId>,
    incarnation: Option<&Incarnation>,
    source: &str,
    version: &Version,
) -> Instance {
    let agent_or_source = || agent.cloned().unwrap_or_else(|| AgentId::new(source));
    match (agent, incarnation) {
        (None, None) => Instance {
            agent: AgentId::new(source),
            incarnation: Incarnation::new(version.as_str()),
        },
        (_, Some(incarnation)) => Instance {
            agent: agent_or_source(),
            incarnation: incarnation.clone(),
        },
        (Some(agent), None) => Instance {
            agent: agent.clone(),
            incarnation: Incarnation::new(""),
        },
    }
}

/// The observations in an event that stands at `place` and was recorded at `recorded`, with the environment they are of. Empty for every
/// kind but `decision`, `agent_seen` and `agent_retired`.
pub fn observations(event: &Event, place: Understood, recorded: Timestamp) -> Option<(Environment, Vec<Observation>)> {
    let environment = event.meta.environment.clone()?;
    let f = observed_at(event.meta.event_time, recorded);
    let index = place.index;
    let record = RecordRef {
        index,
        event_id: event.meta.event_id,
        kind: event.body.kind(),
    };
    let at = |position| FactTime { f, index, position };
    let of = |agent: &AgentId, incarnation: &Option<Incarnation>| Instance {
        agent: agent.clone(),
        incarnation: incarnation.clone().unwrap_or_else(|| Incarnation::new("")),
    };
    let found = match &event.body {
        Body::AgentSeen(seen) => {
            let entries = seen
                .active
                .iter()
                .zip(0u32..)
                .filter(|(entry, _)| entry.scope.covers(&event.meta.tenant, &environment))
                .map(|(entry, position)| ActiveEntry {
                    series: SeriesKey {
                        scope: entry.scope.clone(),
                        policy: entry.policy.clone(),
                    },
                    status: entry.status,
                    version: entry.version.clone(),
                    position,
                })
                .collect();
            let what = Observed::Seen {
                lease_ms: seen.lease_ms,
                labels: Arc::new(seen.labels.clone()),
                entries,
            };
            vec![Observation {
                at: at(0),
                place,
                record,
                instance: of(&seen.agent, &seen.incarnation),
                what,
            }]
        }
        Body::AgentRetired(retired) => vec![Observation {
            at: at(0),
            place,
            record,
            instance: of(&retired.agent, &retired.incarnation),
            what: Observed::Retired,
        }],
        Body::Decision(decision) => citations(event, decision, &environment)
            .map(|(cited, position)| Observation {
                at: at(position),
                place,
                record,
                instance: citing_instance(
                    decision.agent.as_ref(),
                    decision.incarnation.as_ref(),
                    event.meta.source.as_str(),
                    &cited.version,
                ),
                what: Observed::Cited {
                    series: SeriesKey {
                        scope: cited.scope.clone(),
                        policy: cited.policy.clone(),
                    },
                    version: cited.version.clone(),
                },
            })
            .collect(),
        _ => return None,
    };
    Some((environment, found))
}

/// The policies that a decision cites in a series of its tenant and environment, with their positions.
fn citations<'a>(
    event: &'a Event,
    decision: &'a Decision,
    environment: &'a Environment,
) -> impl Iterator<Item = (&'a CitedPolicy, u32)> {
    decision
        .policies
        .iter()
        .zip(0u32..)
        .filter(|(cited, _)| cited.scope.covers(&event.meta.tenant, environment))
}
