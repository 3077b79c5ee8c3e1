//! A6 where schemas come late: whatever was answered of a cut is answered of it for ever, however much is understood
//! meanwhile, and views made anew are the ones kept.

use std::sync::Arc;

use proptest::prelude::*;
use verdict_fold::SeriesHistory as _;
use verdict_merkle::LeafIndex;
use verdict_schemas::{
    Environment, EventId, Interpretation, Kind, KnownSchemas, SchemaRef, Timestamp, WriterSchema, avro_schema,
    encode_confluent, interpret,
};

use super::stream::{Coming, LOGS, coming, seconds};
use super::support::{Dies, Kept, Making};
use crate::clock::Clock;
use crate::cut::LogCut;
use crate::read::{Index, Order, Snapshot, TimeRange};
use crate::record::Record;
use crate::tables::Table;
use crate::views::Flag;

/// A record to come, and whether it names a schema that may not be known yet.
type Sent = (Coming, bool);

/// The value: in Confluent's framing, under the number of its kind, if it is to be framed and is an event.
fn value((coming, framed): &Sent, recorded: i64) -> Vec<u8> {
    let json = coming.value(recorded);
    match interpret(&json, None, &KnownSchemas) {
        Interpretation::Event(event) if *framed && event.body.kind() != Kind::Unknown => {
            encode_confluent(&event, event.body.kind() as u32 + 100).unwrap()
        }
        _ => json,
    }
}

/// The schema of a kind becomes known, and what waited for it is understood.
fn archive(kept: &Kept, making: &mut Making, clock: &Clock, kind: usize) -> SchemaRef {
    let kind = Kind::ALL[kind % Kind::ALL.len()];
    let reference = SchemaRef::Confluent(kind as u32 + 100);
    let schema = Arc::new(WriterSchema::parse(avro_schema(kind).unwrap()).unwrap());
    kept.schemas.0.write().push((reference, schema));
    making.understand(clock, &reference);
    reference
}

/// Everything that can be asked of a cut, as text.
fn everything(snapshot: &Snapshot<'_>, kept: &Kept, log: usize, cut: LogCut) -> String {
    let id = kept.logs[log].id;
    if cut.size.0 == 0 {
        return String::new();
    }
    let mut all = Vec::new();
    let mut say = |what: &dyn std::fmt::Debug| all.push(format!("{what:?}"));
    for order in [Order::OldestFirst, Order::NewestFirst] {
        let flags: Vec<_> = snapshot
            .flags(id, order, None, cut)
            .unwrap()
            .map(Result::unwrap)
            .collect();
        say(&flags);
    }
    for number in 0u8..24 {
        let event = format!("0190b000-0000-7000-8000-0000000000{number:02x}")
            .parse()
            .unwrap();
        say(&snapshot.by_event_id(id, EventId(event), cut).unwrap());
        say(&snapshot.by_trace(id, &format!("t{number}"), cut, 9).unwrap());
        say(&snapshot.by_decision_id(id, &format!("d{number}"), cut).unwrap());
        say(&snapshot.effects_of(id, &format!("d{number}"), cut, 9).unwrap());
    }
    let typed = |r#type: &str, id: &str| (r#type.to_owned(), id.to_owned());
    let mut indexes = vec![Index::Time];
    for number in 0..4 {
        let (r#type, id) = typed("user", &format!("u{number}"));
        indexes.push(Index::Actor { r#type, id });
        let (r#type, id) = typed("doc", &format!("r{number}"));
        indexes.push(Index::Resource { r#type, id });
        let (kind, id) = typed("credential", &format!("c{number}"));
        indexes.push(Index::Object {
            kind: kind.clone(),
            id: id.clone(),
        });
        indexes.push(Index::Reports { kind, id });
        indexes.push(Index::Agent(format!("pdp{number}")));
    }
    indexes.extend(Kind::ALL.map(Index::Kind));
    for cited in snapshot.versions_cited(id, None, None).unwrap() {
        indexes.push(Index::Versions(vec![cited]));
    }
    for index in indexes {
        let scan = snapshot.scan(id, &index, TimeRange::default(), Order::NewestFirst, None, cut);
        let found: Vec<_> = scan.unwrap().map(Result::unwrap).collect();
        // The catalogue of versions is of no cut.
        if !found.is_empty() {
            say(&(index, found));
        }
    }
    let intents = snapshot.intents(id, cut).unwrap().unwrap();
    let intents = intents.cut(cut.steps());
    say(&intents
        .rollouts()
        .map(|rollout| format!("{rollout:?}"))
        .collect::<Vec<_>>());
    let sources = snapshot.sources(id, cut, None, (usize::MAX, usize::MAX)).unwrap();
    say(&sources);
    // By no rows at all: counted record by record. And by pages.
    let plain = snapshot
        .sources_by(id, cut, Some(0), None, (usize::MAX, usize::MAX))
        .unwrap();
    assert_eq!(sources, plain, "{cut:?}");
    for (most, examined) in [(1, 9), (2, 2), (9, 1)] {
        let (mut pages, mut from) = (Vec::new(), None);
        loop {
            let page = snapshot.sources(id, cut, from.as_deref(), (most, examined)).unwrap();
            assert!(page.bounded || page.sources.len() == most || page.rest.is_none());
            pages.extend(page.sources);
            from = page.rest;
            if from.is_none() {
                break;
            }
        }
        assert_eq!(pages, sources.sources);
    }
    for environment in ["prod", "dev"] {
        let observed = snapshot.observed(id, &Environment::new(environment), cut).unwrap();
        let rows = observed.cut().unwrap();
        say(&rows.frontier());
        let series = rows.series_observed(Timestamp::MAX).unwrap();
        for series in series {
            let history = observed.series(&rows, &series).unwrap();
            say(&(&series, history.version_runs(Timestamp::MIN, Timestamp::MAX).unwrap()));
            for t in [0, 1000, 100_000, 1_000_000] {
                say(&(
                    history.members(seconds(t)).unwrap(),
                    history.holder(seconds(t)).unwrap(),
                ));
            }
            say(&observed.facts(&series).unwrap());
        }
    }
    all.join("\n")
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 24, ..ProptestConfig::default() })]

    #[test]
    fn what_was_answered_of_a_cut_stays_whatever_is_understood_later(
        stream in prop::collection::vec((coming(), any::<bool>()), 10..90),
        archived in prop::collection::vec((0usize..90, 0usize..11), 0..8),
        batch in 1usize..20,
        (reopen, hurried, dies) in any::<(bool, bool, bool)>(),
    ) {
        let mut kept = Kept::new(&LOGS);
        let mut making = kept.making();
        let clock = Clock::new(Timestamp::MIN);
        // It dies now and then between what came out of turn and the rows that follow from it.
        let dying = dies.then_some(Dies::Next);
        let (mut told, mut now) = (Vec::new(), 0);
        let mut records: Vec<(usize, Record)> = Vec::new();
        for (place, sent) in stream.iter().enumerate() {
            now += sent.0.later;
            records.push(kept.record(sent.0.log, seconds(now), &value(sent, now)));
            if records.len() < batch && place + 1 < stream.len() {
                continue;
            }
            making.dies = dying.filter(|_| place % 3 == 0);
            making.apply(&kept, &records, hurried).unwrap();
            records.clear();
            if making.dies.is_some() {
                making = kept.made();
                making.look_for_waiting(&clock);
            }
            for (_, kind) in archived.iter().filter(|(at, _)| (place..place + batch).contains(at)) {
                making.dies = dying;
                archive(&kept, &mut making, &clock, *kind);
                for log in 0..3 {
                    // Nothing of what was written without its rows is told.
                    let snapshot = kept.snapshot();
                    let id = kept.logs[log].id;
                    let cut = kept.cut(log);
                    prop_assert_eq!(snapshot.whole(id, cut.size).unwrap().0, cut);
                    let more = LogCut { late: cut.late + 1, ..cut };
                    prop_assert_eq!(snapshot.chain_at(id, more).unwrap(), None);
                }
                if making.dies.is_some() {
                    making = kept.made();
                    making.look_for_waiting(&clock);
                }
                for log in 0..3 {
                    let cut = kept.cut(log);
                    told.push((log, cut, everything(&kept.snapshot(), &kept, log, cut)));
                }
            }
            if reopen {
                making = kept.made();
                making.look_for_waiting(&clock);
            }
        }
        for kind in 0..Kind::ALL.len() {
            archive(&kept, &mut making, &clock, kind);
        }
        let holds = |kept: &Kept| {
            for (log, cut, answer) in &told {
                let again = everything(&kept.snapshot(), kept, *log, *cut);
                prop_assert!(*answer == again, "log {log} at {cut:?}:\n{answer}\n-- and later:\n{again}");
            }
            Ok(())
        };
        holds(&kept)?;
        prop_assert_eq!(&kept.audit().differences, &[]);
        // Made anew, by the same steps.
        let (before, late) = (kept.views(), kept.rows(Table::Late));
        making.rebuild();
        prop_assert!(before == kept.views());
        prop_assert_eq!(late, kept.rows(Table::Late));
        holds(&kept)?;
        // Nothing waits for what is known.
        for log in 0..LOGS.len() {
            let waiting = crate::views::late::waited_for(&*kept.database, kept.logs[log].id).unwrap();
            prop_assert!(waiting.iter().all(|reference| !matches!(reference, SchemaRef::Confluent(100..))));
        }
    }
}

/// A decision of acme, framed, by the schema of decisions.
fn framed(event: u8, actor: &str) -> Vec<u8> {
    let json = format!(
        r#"{{"kind":"decision","meta":{{"event_id":"0190b000-0000-7000-8000-0000000000{event:02x}","tenant":"acme","source":"urn:s","event_time":"2026-03-01T00:00:00Z","environment":"prod"}},"body":{{"decision_id":"d1","actor":{{"type":"user","id":"{actor}"}},"action":"read","resource":{{"type":"doc","id":"r"}},"outcome":"allow"}}}}"#
    );
    let Interpretation::Event(event) = interpret(json.as_bytes(), None, &KnownSchemas) else {
        panic!("{json}");
    };
    encode_confluent(&event, Kind::Decision as u32 + 100).unwrap()
}

#[test]
fn what_is_understood_late_displaces_nothing_that_counted_before() {
    let mut kept = Kept::new(&["acme"]);
    let mut making = kept.making();
    let clock = Clock::new(Timestamp::MIN);
    let early = kept.record(0, seconds(0), &framed(1, "ann"));
    // The same event id and decision id, in a form that is understood at once.
    let later = kept.record(0, seconds(1), &as_json(&framed(1, "bob")));
    making.apply(&kept, &[early, later], false).unwrap();
    let acme = kept.logs[0].id;
    let flags = |cut| -> Vec<Option<Flag>> {
        let snapshot = kept.snapshot();
        [0, 1]
            .map(|index| snapshot.flag(acme, LeafIndex(index), cut).unwrap())
            .to_vec()
    };
    let before = kept.cut(0);
    let reference = SchemaRef::Confluent(Kind::Decision as u32 + 100);
    assert_eq!(flags(before), [Some(Flag::AwaitingSchema { reference }), None]);

    archive(&kept, &mut making, &clock, 0);
    let after = kept.cut(0);
    assert_eq!((after.size, after.late), (before.size, 1));
    assert_eq!(flags(before), [Some(Flag::AwaitingSchema { reference }), None]);
    assert_eq!(flags(after), [Some(Flag::Conflict { of: LeafIndex(1) }), None]);
    assert_eq!(
        kept.snapshot().by_decision_id(acme, "d1", after).unwrap(),
        Some(LeafIndex(1))
    );
    assert_eq!(kept.audit().differences, []);
}

/// The JSON form of a framed decision.
fn as_json(framed: &[u8]) -> Vec<u8> {
    struct One(Arc<WriterSchema>);
    impl verdict_schemas::WriterSchemas for One {
        fn resolve(&self, _: &SchemaRef) -> verdict_schemas::Resolved {
            Some(Arc::clone(&self.0)).into()
        }
    }
    let schema = WriterSchema::parse(avro_schema(Kind::Decision).unwrap()).unwrap();
    let Interpretation::Event(event) = interpret(framed, None, &One(Arc::new(schema))) else {
        panic!("a decision");
    };
    verdict_schemas::to_json(&event).into_bytes()
}
