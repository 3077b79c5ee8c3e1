//! Random histories in small spaces, so that ties, late facts, flaps and retirements meet.

use std::sync::Arc;

use proptest::prelude::*;
use uuid::Uuid;
use verdict_fold::{ActiveEntry, FactTime, Instance, Observation, Observed, RecordRef, SeriesKey, Understood};
use verdict_schemas::{
    ActiveStatus, AgentId, Environment, EnvironmentPattern, EventId, Incarnation, Kind, Labels, PolicyName, Scope,
    TenantId, Version, WorkloadId,
};

use crate::linear::at;

pub(crate) const SECOND: i64 = 1_000_000;
const START: i64 = 3_600 * SECOND;

pub(crate) fn series(number: usize) -> SeriesKey {
    let tenant = || TenantId::parse("acme").unwrap();
    let prod = || Environment::new("prod");
    let scope = match number {
        0 => Scope::Global,
        1 => Scope::Tenant(tenant(), EnvironmentPattern::Every),
        2 => Scope::Workload(tenant(), prod(), WorkloadId::new("api")),
        3 => Scope::Tenant(tenant(), EnvironmentPattern::One(prod())),
        _ => Scope::Environment(prod()),
    };
    SeriesKey {
        scope,
        policy: PolicyName::new("authz"),
    }
}

pub(crate) fn version(number: u8) -> Version {
    Version::new(format!("v{number}"))
}

pub(crate) fn instance(number: u8) -> Instance {
    let (agent, incarnation) = [("a", ""), ("a", "b"), ("ab", ""), ("é", "1"), ("z", "9")][usize::from(number)];
    Instance {
        agent: AgentId::new(agent),
        incarnation: Incarnation::new(incarnation),
    }
}

fn labels(number: u8) -> Arc<Labels> {
    let pairs: &[(&str, &str)] = match number {
        0 => &[],
        1 => &[("ring", "canary")],
        _ => &[("ring", "canary"), ("zone", "eu")],
    };
    Arc::new(
        pairs
            .iter()
            .map(|(name, value)| ((*name).to_owned(), (*value).to_owned()))
            .collect(),
    )
}

/// One record to come: how long after the one before, how late, behind how many others it is understood, of whom, what.
#[derive(Clone, Debug)]
pub(crate) struct Step {
    skipped: u64,
    after: i64,
    late: i64,
    waits: usize,
    instance: u8,
    what: Content,
}

#[derive(Clone, Debug)]
enum Content {
    Seen {
        lease_ms: u64,
        labels: u8,
        entries: Vec<(usize, u8, u8)>,
    },
    Cited(Vec<(usize, u8)>),
    Retired,
}

fn content() -> impl Strategy<Value = Content> {
    let lease = prop_oneof![
        Just(1u64),
        Just(999),
        Just(10_000),
        Just(20_000),
        Just(60_000),
        Just(700_000),
        Just(3650 * 86_400_000)
    ];
    let entries = prop::collection::vec((0..3usize, 0..4u8, 0..3u8), 0..4);
    prop_oneof![
        6 => (lease, 0..3u8, entries).prop_map(|(lease_ms, labels, entries)| Content::Seen { lease_ms, labels, entries }),
        3 => prop::collection::vec((0..3usize, 0..3u8), 1..4).prop_map(Content::Cited),
        1 => Just(Content::Retired),
    ]
}

fn step() -> impl Strategy<Value = Step> {
    let after = prop_oneof![
        Just(0),
        Just(1),
        Just(SECOND),
        Just(10 * SECOND),
        Just(45 * SECOND),
        Just(400 * SECOND)
    ];
    let late = prop_oneof![
        5 => Just(0),
        1 => Just(1),
        2 => Just(SECOND),
        2 => Just(10 * SECOND),
        1 => Just(70 * SECOND),
        1 => 0..900 * SECOND,
        1 => Just(i64::MAX),
    ];
    (
        prop_oneof![3 => Just(0u64), 1 => Just(2)],
        after,
        late,
        prop_oneof![6 => Just(0usize), 1 => 1..5usize],
        0..5u8,
        content(),
    )
        .prop_map(|(skipped, after, late, waits, instance, what)| Step {
            skipped,
            after,
            late,
            waits,
            instance,
            what,
        })
}

pub(crate) fn steps(most: usize) -> impl Strategy<Value = Vec<Step>> {
    prop::collection::vec(step(), 1..most)
}

/// The observations of the records, record by record, in the order in which they are understood: one that waits stands
/// behind as many others. It was a step when it came, and is another then.
pub(crate) fn records(steps: &[Step]) -> Vec<Vec<Observation>> {
    let mut step = 0;
    let mut waiting: Vec<(Vec<Observation>, usize)> = Vec::new();
    let mut understood = Vec::new();
    for (place, (mut record, of)) in recorded(steps).into_iter().zip(steps).enumerate() {
        step += of.skipped;
        if of.waits > 0 {
            waiting.push((record, place + of.waits));
        } else {
            record.iter_mut().for_each(|fact| fact.place.step = step);
            understood.push(record);
        }
        step += 1;
        let (due, others) = waiting
            .into_iter()
            .partition(|(_, until)| *until <= place || place + 1 == steps.len());
        waiting = others;
        for (mut record, _) in due {
            for fact in &mut record {
                (fact.place.step, fact.place.late) = (step, true);
            }
            understood.push(record);
            step += 1;
        }
    }
    understood
}

/// The observations of the records, in index order.
fn recorded(steps: &[Step]) -> Vec<Vec<Observation>> {
    let (mut recorded, mut next) = (START, 0);
    let mut records = Vec::new();
    for step in steps {
        recorded += step.after;
        let index = next + step.skipped;
        next = index + 1;
        let f = at(recorded.saturating_sub(step.late).max(START - 100 * SECOND));
        let event_id = EventId(Uuid::from_u128(u128::from(index) + 1));
        let observation = |kind, position, what| Observation {
            at: FactTime { f, index, position },
            place: Understood::at_once(index),
            record: RecordRef { index, event_id, kind },
            instance: instance(step.instance),
            what,
        };
        records.push(match &step.what {
            Content::Retired => vec![observation(Kind::AgentRetired, 0, Observed::Retired)],
            Content::Seen {
                lease_ms,
                labels: set,
                entries,
            } => {
                let entries = entries.iter().zip(0u32..).map(|((of, status, v), position)| {
                    let status = match status {
                        0 => ActiveStatus::Removed,
                        1 => ActiveStatus::Failed,
                        _ => ActiveStatus::Applied,
                    };
                    let version = (status == ActiveStatus::Applied || *v == 0).then(|| version(*v));
                    ActiveEntry {
                        series: series(*of),
                        status,
                        version,
                        position,
                    }
                });
                let what = Observed::Seen {
                    lease_ms: *lease_ms,
                    labels: labels(*set),
                    entries: entries.collect(),
                };
                vec![observation(Kind::AgentSeen, 0, what)]
            }
            Content::Cited(cited) => cited
                .iter()
                .zip(0u32..)
                .map(|((of, v), position)| {
                    let what = Observed::Cited {
                        series: series(*of),
                        version: version(*v),
                    };
                    observation(Kind::Decision, position, what)
                })
                .collect(),
        });
    }
    records
}
