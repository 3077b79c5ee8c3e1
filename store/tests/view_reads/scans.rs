//! A scan gives what a look at every record gives, in order, whatever the range, the cut and the bound.

use proptest::prelude::*;
use verdict_fold::{intended_at, observed_at};
use verdict_schemas::{Body, Event, Kind, Timestamp};
use verdict_store::{Entry, Index, LeafIndex, LogCut, LogInfo, Order, Snapshot, TimeRange, TreeSize};

use crate::fixture::{Counted, feed};
use crate::stream::{LOGS, coming, seconds};

fn acts_at(counted: &Counted) -> Timestamp {
    let time = counted.event.meta.event_time;
    match counted.event.body.is_intent() {
        true => intended_at(time, counted.recorded),
        false => observed_at(time, counted.recorded),
    }
}

/// Is the event in this index?
fn is_in(index: &Index, event: &Event) -> bool {
    match (index, &event.body) {
        (Index::Time, _) => true,
        (Index::Actor { r#type, id }, Body::Decision(it)) => it.actor.name.r#type == *r#type && it.actor.name.id == *id,
        (Index::Resource { r#type, id }, Body::Decision(it)) => {
            it.resource.name.r#type == *r#type && it.resource.name.id == *id
        }
        (Index::Agent(agent), Body::Decision(it)) => {
            it.agent
                .as_ref()
                .map_or(event.meta.source.as_str(), |agent| agent.as_str())
                == agent
        }
        (Index::Agent(agent), Body::AgentSeen(it)) => it.agent.as_str() == agent,
        (Index::Agent(agent), Body::AgentRetired(it)) => it.agent.as_str() == agent,
        (Index::Versions(versions), Body::Decision(it)) => it.policies.iter().any(|cited| {
            let environment = event.meta.environment.as_ref();
            versions.iter().any(|version| {
                environment == Some(&version.environment)
                    && (&cited.scope, &cited.policy, &cited.version)
                        == (&version.scope, &version.policy, &version.version)
            })
        }),
        (Index::Kind(kind), body) => body.kind() == *kind && !matches!(kind, Kind::Decision | Kind::AgentSeen),
        (Index::Object { kind, id }, Body::ObjectChanged(it)) => it.object.kind == *kind && it.object.id == *id,
        (Index::Reports { kind, id }, Body::ReconciliationReported(it)) => {
            it.object.kind == *kind && it.object.id == *id
        }
        _ => false,
    }
}

fn index(snapshot: &Snapshot<'_>, log: &LogInfo, which: u8, name: u8) -> Index {
    let text = |text: &str| text.to_owned();
    match which {
        0 => Index::Time,
        1 => Index::Actor {
            r#type: text("user"),
            id: format!("u{name}"),
        },
        2 => Index::Resource {
            r#type: text("doc"),
            id: format!("r{name}"),
        },
        3 => Index::Agent(format!("pdp{name}")),
        4 => Index::Agent(format!("urn:s{name}")),
        5 => Index::Kind(Kind::Rollout),
        6 => Index::Object {
            kind: text("credential"),
            id: format!("c{name}"),
        },
        7 => Index::Kind(Kind::Unknown),
        10 => Index::Reports {
            kind: text("credential"),
            id: format!("c{name}"),
        },
        8 => {
            let version = verdict_schemas::Version::new(format!("v{name}"));
            Index::Versions(
                snapshot
                    .versions_cited(log.id, Some(&"access".into()), Some(&version))
                    .unwrap(),
            )
        }
        _ => Index::Versions(snapshot.versions_cited(log.id, Some(&"access".into()), None).unwrap()),
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 24, ..ProptestConfig::default() })]

    #[test]
    fn a_scan_is_a_look_at_every_record(
        stream in prop::collection::vec(coming(), 40..200),
        batch in 1usize..60,
        questions in prop::collection::vec(
            (0usize..3, 0u8..11, 0u8..3, any::<bool>(), prop::option::of(-500i64..4000), prop::option::of(-500i64..4000), 0u64..80, 1u64..6),
            40,
        ),
    ) {
        let fed = feed(&stream, batch);
        let snapshot = fed.store.snapshot();
        let mut found = 0;
        for (log, which, name, newest, from, until, cut, page) in questions {
            let Some(log) = fed.log(LOGS[log]) else { continue };
            let index = index(&snapshot, &log, which, name);
            let (from, until, cut) = (from.map(seconds), until.map(seconds), LogCut { size: TreeSize(cut.min(log.size.0)), late: 0 });
            let order = if newest { Order::NewestFirst } else { Order::OldestFirst };
            let range = TimeRange { from, until };

            let counted = fed.counted(&log);
            let mut expected: Vec<(Timestamp, LeafIndex)> = counted
                .iter()
                .filter(|it| cut.size.contains(it.index) && is_in(&index, &it.event))
                .map(|it| (acts_at(it), it.index))
                .filter(|(f, _)| from.is_none_or(|from| from <= *f) && until.is_none_or(|until| *f < until))
                .collect();
            expected.sort_unstable();
            if newest {
                expected.reverse();
            }
            let mut scan = snapshot.scan(log.id, &index, range, order, None, cut).unwrap();
            let entries: Vec<Entry> = scan.by_ref().map(|entry| entry.unwrap()).collect();
            prop_assert!(scan.is_complete());
            prop_assert_eq!(entries.iter().map(Entry::position).collect::<Vec<_>>(), &expected[..], "{:?}", index);
            for entry in &entries {
                let event = &counted.iter().find(|it| it.index == entry.index).unwrap().event;
                prop_assert_eq!(entry.kind, event.body.kind());
                let outcome = match &event.body {
                    Body::Decision(decision) => Some(decision.outcome),
                    _ => None,
                };
                prop_assert_eq!(entry.outcome, outcome);
            }

            // Page by page, each examining no more than it may.
            let (mut paged, mut from) = (Vec::new(), None);
            loop {
                let mut scan = snapshot.scan(log.id, &index, range, order, from, cut).unwrap().bounded(page);
                paged.extend(scan.by_ref().map(|entry| entry.unwrap().position()));
                if scan.is_complete() {
                    break;
                }
                prop_assert!(scan.position() != from);
                from = scan.position();
            }
            prop_assert_eq!(&paged, &expected);
            found += expected.len();
        }
        prop_assert!(found > 0, "the questions find something");
    }
}
