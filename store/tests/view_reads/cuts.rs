//! Look-ups at a cut: the same answer now as when the log was that long (A6).

use proptest::prelude::*;
use verdict_fold::{IntentLog, Understood};
use verdict_schemas::{Body, Kind};
use verdict_store::{LeafIndex, LogCut, Order};

use crate::fixture::feed;
use crate::stream::{LOGS, coming};

proptest! {
    #![proptest_config(ProptestConfig { cases: 16, ..ProptestConfig::default() })]

    #[test]
    fn what_is_found_of_a_cut_is_what_a_store_of_that_length_finds(
        stream in prop::collection::vec(coming(), 30..160),
        batch in 1usize..60,
        at in 1usize..30,
    ) {
        let long = feed(&stream, batch);
        let short = feed(&stream[..at], 7);
        let (now, then) = (long.store.snapshot(), short.store.snapshot());
        for name in &LOGS[..3] {
            let Some(log) = short.log(name) else { continue };
            let (cut, size) = (log.visible, log.size);
            prop_assert_eq!(cut.size, size);
            let id = long.log(name).unwrap().id;
            prop_assert_eq!(now.root_at(id, size).unwrap(), log.root);
            prop_assert_eq!(now.recorded_time(id, size).unwrap(), Some(log.last_recorded));
            prop_assert!(now.size_at(id, log.last_recorded).unwrap() >= size);
            prop_assert_eq!(then.size_at(log.id, log.last_recorded).unwrap(), size);
            let before = log.last_recorded.minus_micros(1);
            prop_assert_eq!(now.size_at(id, before).unwrap(), then.size_at(log.id, before).unwrap());
            prop_assert!(now.size_at(id, before).unwrap() < size);

            let sources = |snapshot: &verdict_store::Snapshot<'_>, log| snapshot.sources(log, cut, None, (usize::MAX, usize::MAX)).unwrap();
            prop_assert_eq!(sources(&now, id), sources(&then, log.id));
            for order in [Order::OldestFirst, Order::NewestFirst] {
                let flags = |snapshot: &verdict_store::Snapshot<'_>, log, from| {
                    snapshot.flags(log, order, from, cut).unwrap().map(|flag| flag.unwrap()).collect::<Vec<_>>()
                };
                let all = flags(&now, id, None);
                prop_assert_eq!(&all, &flags(&then, log.id, None));
                if let Some((middle, _)) = all.get(all.len() / 2) {
                    prop_assert_eq!(&all[all.len() / 2 + 1..], &flags(&now, id, Some(*middle))[..]);
                }
            }

            let counted = short.counted(&log);
            let mut intents = IntentLog::new(verdict_schemas::TenantId::parse(name).unwrap());
            for it in &counted {
                let id_of = it.event.meta.event_id;
                let found = now.by_event_id(id, id_of, cut).unwrap();
                prop_assert!(found.iter().any(|found| found.index == it.index && found.counts));
                prop_assert_eq!(found, then.by_event_id(log.id, id_of, cut).unwrap());
                if let Some(trace) = &it.event.meta.trace_id {
                    let found = now.by_trace(id, trace.as_str(), cut, 1000).unwrap();
                    let same = counted.iter().filter(|other| other.event.meta.trace_id.as_ref() == Some(trace));
                    prop_assert_eq!(
                        found.iter().map(|entry| entry.index).collect::<Vec<_>>(),
                        same.map(|other| other.index).collect::<Vec<_>>()
                    );
                }
                if let Body::Decision(decision) = &it.event.body {
                    let same = |body: &Body| matches!(body, Body::Decision(other) if other.decision_id == decision.decision_id);
                    let first = counted.iter().find(|other| same(&other.event.body)).map(|other| other.index);
                    prop_assert_eq!(now.by_decision_id(id, decision.decision_id.as_str(), cut).unwrap(), first);
                }
                intents.extend_with(it);
            }
            let kept = now.intents(id, cut).unwrap().unwrap();
            prop_assert_eq!(told(&kept, cut), told(&intents, cut));
            // The whole of it, then the cut again: what was added since is not seen in it.
            let whole = long.log(name).unwrap().visible;
            let kept = now.intents(id, whole).unwrap().unwrap();
            prop_assert_eq!(told(&kept, cut), told(&intents, cut));
        }
        prop_assert_eq!(now.record(verdict_store::LogId(99), LeafIndex(0)).unwrap(), None);
    }
}

trait Extend {
    fn extend_with(&mut self, counted: &crate::fixture::Counted);
}

impl Extend for IntentLog {
    fn extend_with(&mut self, counted: &crate::fixture::Counted) {
        if let Some(intent) =
            verdict_fold::intent(&counted.event, Understood::at_once(counted.index.0), counted.recorded)
        {
            assert_ne!(counted.event.body.kind(), Kind::Decision);
            self.push(intent);
        }
    }
}

/// What a cut of intent says, as text.
fn told(log: &IntentLog, cut: LogCut) -> String {
    let cut = log.cut(cut.steps());
    let rollouts: Vec<_> = cut.rollouts().map(|rollout| format!("{rollout:?}")).collect();
    let objects: Vec<_> = (0..2)
        .map(|id| verdict_schemas::ObjectName {
            kind: "credential".to_owned(),
            id: format!("c{id}"),
        })
        .flat_map(|name| {
            cut.object_versions(&name)
                .map(|version| format!("{version:?}"))
                .collect::<Vec<_>>()
        })
        .collect();
    format!("{rollouts:?} {objects:?}")
}
