//! Random histories: few agents, versions and scopes on a coarse grid of time, so that ties, overlaps and late facts are
//! common.

mod build;

use std::collections::BTreeMap;

use proptest::prelude::*;
use verdict_fold::Understood;
use verdict_schemas::*;

use self::build::record;
use crate::histories::Record;

/// 2026-03-01T00:00:00Z.
pub(crate) const START: i64 = 1_772_323_200_000_000;
const SECOND: i64 = 1_000_000;

/// One step of a history: what happens, how long after the one before it is recorded, and how long before that it
/// happened (negative: the emitter's clock is ahead).
#[derive(Clone, Debug)]
pub(crate) struct Step {
    gap: i64,
    back: i64,
    /// How many records come before it can be read, of whichever log.
    waits: usize,
    test_environment: bool,
    what: What,
}

#[derive(Clone, Debug)]
enum What {
    Seen {
        who: (u8, u8),
        lease_ms: u64,
        tier: u8,
        active: Vec<(Target, ActiveStatus, u8)>,
    },
    Retired {
        who: (u8, u8),
    },
    Decided {
        agent: Option<u8>,
        incarnation: Option<u8>,
        source: u8,
        cited: Vec<(Target, u8)>,
    },
    Started {
        id: u8,
        on: Target,
        version: u8,
        activate: Option<i64>,
        tier: Option<u8>,
        quorum: Quorum,
        window_ms: u64,
    },
    RolledBack {
        id: u8,
        platform: bool,
    },
    Completed {
        id: u8,
    },
    Published {
        on: Target,
        version: u8,
        digest: u8,
        combining: Combining,
        template: bool,
    },
    Excepted {
        id: u8,
        workload: bool,
        ended: bool,
        from: i64,
        length: i64,
        suspend: bool,
    },
}

/// A (scope, policy).
#[derive(Clone, Copy, Debug)]
struct Target {
    scope: u8,
    policy: u8,
}

pub(crate) fn tenant() -> TenantId {
    TenantId::parse("acme").unwrap()
}

pub(crate) fn environment(test: bool) -> Environment {
    Environment::new(if test { "test" } else { "prod" })
}

/// The scopes of random histories, the likely ones first.
pub(crate) fn scope(of: u8) -> Scope {
    match of {
        1 => Scope::Global,
        2 => Scope::Tenant(tenant(), EnvironmentPattern::One(environment(false))),
        3 => Scope::Environment(environment(false)),
        4 => Scope::Workload(tenant(), environment(false), WorkloadId::new("api")),
        5 => Scope::Tenant(tenant(), EnvironmentPattern::One(environment(true))),
        6 => Scope::Workload(tenant(), environment(false), WorkloadId::new("web")),
        _ => Scope::Tenant(tenant(), EnvironmentPattern::Every),
    }
}

pub(crate) fn policy(of: u8) -> PolicyName {
    PolicyName::new(if of == 1 { "bravo" } else { "authz" })
}

/// Histories of one series crowd what bears on it: ties, partials that all are in, rollouts taken away twice.
fn target(crowded: bool) -> BoxedStrategy<Target> {
    if crowded {
        return Just(Target { scope: 0, policy: 0 }).boxed();
    }
    let scope = prop_oneof![6 => Just(0u8), 4 => 1..5u8, 1 => 5..7u8];
    let policy = prop_oneof![6 => Just(0u8), 1 => Just(1u8)];
    (scope, policy)
        .prop_map(|(scope, policy)| Target { scope, policy })
        .boxed()
}

fn who() -> impl Strategy<Value = (u8, u8)> {
    (0..4u8, prop_oneof![4 => Just(0u8), 1 => 1..3u8])
}

fn what(crowded: bool) -> impl Strategy<Value = What> {
    let status = prop_oneof![
        8 => Just(ActiveStatus::Applied), 1 => Just(ActiveStatus::Removed), 1 => Just(ActiveStatus::Failed)
    ];
    let lease = prop_oneof![8 => 1..40u64, 1 => Just(1u64), 1 => Just(400u64)].prop_map(|seconds| seconds * 1000);
    let lease = prop_oneof![20 => lease, 1 => Just(1u64), 1 => Just(3u64), 1 => Just(315_360_000_000u64)];
    let active = prop::collection::vec((target(crowded), status, 0..4u8), 0..4);
    let quorum = (
        prop::option::weighted(0.3, prop_oneof![Just(100u8), 1..=100u8]),
        prop::option::weighted(0.2, 1..4u64),
    )
        .prop_map(|(percent, min_agents)| Quorum { percent, min_agents });
    let window = prop_oneof![6 => 0..30u64, 1 => Just(90u64)].prop_map(|seconds| seconds * 1000);
    let window = prop_oneof![20 => window, 1 => Just(315_360_000_000u64)];
    let (partial, twice) = if crowded { (0.5, 8) } else { (0.3, 3) };
    let activate = prop_oneof![8 => -20..60i64, 1 => Just(i64::MAX)];
    prop_oneof![
        12 => (who(), lease, 0..3u8, active)
            .prop_map(|(who, lease_ms, tier, active)| What::Seen { who, lease_ms, tier, active }),
        1 => who().prop_map(|who| What::Retired { who }),
        4 => (prop::option::of(0..4u8), prop::option::weighted(0.4, 0..3u8), 0..2u8,
              prop::collection::vec((target(crowded), 0..4u8), 1..4))
            .prop_map(|(agent, incarnation, source, cited)| What::Decided { agent, incarnation, source, cited }),
        8 => (0..6u8, target(crowded), 0..4u8, prop::option::weighted(0.3, activate), prop::option::weighted(partial, 0..3u8),
              quorum, window)
            .prop_map(|(id, on, version, activate, tier, quorum, window_ms)| {
                What::Started { id, on, version, activate, tier, quorum, window_ms }
            }),
        twice => (0..6u8, prop::bool::weighted(0.2)).prop_map(|(id, platform)| What::RolledBack { id, platform }),
        1 => (0..6u8).prop_map(|id| What::Completed { id }),
        2 => (target(crowded), 0..4u8, 0..3u8, prop::bool::ANY, prop::bool::weighted(0.1))
            .prop_map(|(on, version, digest, over, template)| {
                let combining = if over { Combining::Override } else { Combining::All };
                What::Published { on, version, digest, combining, template }
            }),
        1 => (0..2u8, prop::bool::weighted(0.8), prop::bool::weighted(0.2), -10..30i64, 1..40i64, prop::bool::ANY)
            .prop_map(|(id, workload, ended, from, length, suspend)| {
                What::Excepted { id, workload, ended, from, length, suspend }
            }),
    ]
}

fn step(crowded: bool) -> impl Strategy<Value = Step> {
    let gap =
        prop_oneof![3 => Just(0), 5 => (1..6i64).prop_map(|it| it * SECOND), 1 => Just(1), 1 => Just(30 * SECOND)];
    let gap = if crowded {
        (0..3i64).prop_map(|it| it * SECOND).boxed()
    } else {
        gap.boxed()
    };
    let back = prop_oneof![
        4 => Just(0), 4 => (0..25i64).prop_map(|it| it * SECOND), 1 => (55..70i64).prop_map(|it| it * SECOND),
        1 => -5 * SECOND..0, 1 => 0..3i64
    ];
    let back = if crowded {
        (0..4i64).prop_map(|it| it * SECOND).boxed()
    } else {
        back.boxed()
    };
    (
        gap,
        prop_oneof![60 => back, 1 => Just(i64::MAX)],
        prop_oneof![if crowded { 3 } else { 8 } => Just(0usize), 1 => 1..6usize],
        prop::bool::weighted(0.05),
        what(crowded),
    )
        .prop_map(|(gap, back, waits, test_environment, what)| Step {
            gap,
            back,
            waits,
            test_environment,
            what,
        })
}

/// Puts records in the order in which they are understood: one that waits stands behind as many others, and is
/// understood when the last of them was recorded. It was a step when it came, and is another then.
fn understand(records: Vec<(Record, usize)>) -> Vec<Record> {
    let mut steps: BTreeMap<TenantId, u64> = BTreeMap::new();
    let mut waiting: Vec<(Record, usize)> = Vec::new();
    let mut understood: Vec<Record> = Vec::new();
    let mut next = |log: &TenantId| {
        let step = steps.entry(log.clone()).or_default();
        *step += 1;
        *step - 1
    };
    let count = records.len();
    for (place, (mut record, waits)) in records.into_iter().enumerate() {
        let now = record.recorded;
        let step = next(&record.log);
        if waits > 0 {
            waiting.push((record, place + waits));
        } else {
            record.place.step = step;
            understood.push(record);
        }
        let (due, others) = waiting
            .into_iter()
            .partition(|(_, until)| *until <= place || place + 1 == count);
        waiting = others;
        for (mut record, _) in due {
            record.understood = now;
            record.place = Understood {
                step: next(&record.log),
                late: true,
                ..record.place
            };
            understood.push(record);
        }
    }
    understood
}

/// Records in the order in which they are understood.
pub(crate) fn history(most: usize, crowded: bool) -> impl Strategy<Value = Vec<Record>> {
    prop::collection::vec(step(crowded), 1..most).prop_map(|steps| {
        let (mut recorded, mut sizes) = (START + 100 * SECOND, BTreeMap::new());
        let mut records = Vec::new();
        for (place, step) in steps.into_iter().enumerate() {
            recorded += step.gap;
            let waits = step.waits;
            records.push((record(step, place, recorded, &mut sizes), waits));
        }
        understand(records)
    })
}
