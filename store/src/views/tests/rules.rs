//! E4 and the flags, against a reading of the rule as short as the rule.

use std::collections::BTreeMap;

use proptest::prelude::*;
use verdict_merkle::LeafIndex;
use verdict_schemas::{EventId, Interpretation, KnownSchemas, check_log, interpret};

use super::stream::{LOGS, coming, seconds};
use super::support::Kept;
use crate::record::Record;
use crate::tables::Table;
use crate::views::Flag;

/// What E4 says of each record of a log, straight from the text: the records that counted so far, by (source, id), of
/// intent and of observation apart.
fn expected(log: &str, records: &[Record]) -> Vec<Option<&'static str>> {
    let week = 7 * 24 * 3600 * 1_000_000;
    let mut counted: BTreeMap<(String, EventId, bool), &Record> = BTreeMap::new();
    let mut flags = Vec::new();
    for record in records {
        let event = match interpret(&record.value, None, &KnownSchemas) {
            Interpretation::Event(event) => event,
            Interpretation::Malformed(_) => {
                flags.push(Some("malformed"));
                continue;
            }
            Interpretation::AwaitingSchema(_) => {
                flags.push(Some("awaiting_schema"));
                continue;
            }
        };
        if check_log(&event, &verdict_schemas::TenantId::parse(log).unwrap()).is_err() {
            flags.push(Some("malformed"));
            continue;
        }
        let intent = event.body.is_intent();
        let key = (event.meta.source.as_str().to_owned(), event.meta.event_id, intent);
        let first = counted.get(&key).filter(|first| {
            let ago = record.recorded_time.as_micros() - first.recorded_time.as_micros();
            intent || ago < week
        });
        flags.push(match first {
            Some(first) if first.value == record.value => Some("duplicate"),
            Some(_) => Some("event_conflict"),
            None => {
                counted.insert(key, record);
                (event.body.kind() == verdict_schemas::Kind::Unknown).then_some("unknown_kind")
            }
        });
    }
    flags
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 32, ..ProptestConfig::default() })]

    #[test]
    fn each_record_is_what_the_rule_says(stream in prop::collection::vec(coming(), 1..200)) {
        let mut kept = Kept::new(&LOGS);
        let mut making = kept.making();
        let mut by_log: Vec<Vec<Record>> = vec![Vec::new(); LOGS.len()];
        let mut now = 0;
        for coming in &stream {
            now += coming.later;
            let record = kept.record(coming.log, seconds(now), &coming.value(now));
            by_log[coming.log].push(record.1.clone());
            if by_log[coming.log].len().is_multiple_of(3) {
                making.catch_up(&kept);
            }
        }
        making.catch_up(&kept);
        let snapshot = kept.snapshot();
        let mut seen = 0;
        for (log, records) in by_log.iter().enumerate() {
            let id = kept.logs[log].id;
            let expected = match LOGS[log].starts_with("_unrouted") {
                true => vec![Some("unrouted"); records.len()],
                false => expected(LOGS[log], records),
            };
            for (record, expected) in records.iter().zip(&expected) {
                let flag = snapshot.flag(id, record.index, kept.cut(log)).unwrap();
                prop_assert_eq!(flag.as_ref().map(Flag::as_str), *expected, "{} {}", LOGS[log], record.index);
            }
            // What counts is what is indexed.
            let counts = expected.iter().filter(|flag| flag.is_none_or(|flag| flag == "unknown_kind")).count();
            let time = kept.views().into_iter().find(|(table, _)| *table == Table::Time).unwrap().1;
            let indexed = time.iter().filter(|(key, _)| key[..4] == id.0.to_be_bytes()).count();
            prop_assert!(indexed == counts || LOGS[log].starts_with("_unrouted"));
            seen += counts;
        }
        prop_assert!(seen <= stream.len());
    }
}

const MELDED: &str = r#"{"kind":"agent_retired","meta":{"event_id":"0190b000-0000-7000-8000-000000000001","tenant":"acme","source":"urn:a","event_time":"2026-03-01T00:00:00Z","environment":"prod"},"body":{"agent":"pdp"}}"#;

#[test]
fn an_observation_looks_back_seven_days_to_the_record_that_counted() {
    let mut kept = Kept::new(&["acme"]);
    let day = 24 * 3600;
    for recorded in [0, 4 * day, 7 * day - 1, 7 * day, 13 * day] {
        kept.record(0, seconds(recorded), MELDED.as_bytes());
    }
    kept.made();
    let snapshot = kept.snapshot();
    let of = |of| Some(Flag::Duplicate { of: LeafIndex(of) });
    let flags: Vec<_> = (0..5)
        .map(|index| snapshot.flag(kept.logs[0].id, LeafIndex(index), kept.cut(0)).unwrap())
        .collect();
    assert_eq!(flags, [None, of(0), of(0), None, of(3)]);
}

/// A search that finds nothing walks no neighbour's rows: past those written since the iterator was opened RocksDB goes one by
/// one, so that what one tenant writes would cost another three minutes a record.
#[test]
fn a_search_in_empty_rows_does_not_walk_through_what_others_write_meanwhile() {
    use rocksdb::perf::{PerfContext, PerfMetric, PerfStatsLevel, set_perf_stats};
    use verdict_fold::rows::{Direction, OrderedRows as _};

    use crate::views::fold_rows::{EnvironmentSpace, Pending, prefix};
    use crate::views::mark::ViewId;

    let kept = Kept::new(&["acme", "globex"]);
    let observed = kept.made.cf(Table::Observed).unwrap();
    let space = EnvironmentSpace::new(&*kept.made, ViewId(2), 1, Pending::new());
    let search = || {
        for direction in [Direction::Backward, Direction::Forward] {
            space
                .scan(&[1], &[9], direction, &mut |_, _| panic!("there is nothing"))
                .unwrap();
        }
    };
    search();
    for neighbour in [ViewId(1), ViewId(3)] {
        for number in 0_u32..5000 {
            let key = [&prefix(neighbour, 1)[..], &number.to_be_bytes()].concat();
            kept.made.raw().put_cf(observed, key, b"row").unwrap();
        }
    }
    set_perf_stats(PerfStatsLevel::EnableCount);
    let mut counted = PerfContext::default();
    counted.reset();
    (0..10).for_each(|_| search());
    let passed =
        counted.metric(PerfMetric::InternalRecentSkippedCount) + counted.metric(PerfMetric::InternalKeySkippedCount);
    set_perf_stats(PerfStatsLevel::Disable);
    assert!(passed < 1000, "{passed} rows of others were passed over");
}

/// An event of acme about decision `d1`, of whatever kind.
fn about_d1(number: usize, kind: &str, body: &str) -> Vec<u8> {
    format!(
        r#"{{"kind":"{kind}","meta":{{"event_id":"0190b000-0000-7000-8000-{number:012x}","tenant":"acme","source":"urn:a","event_time":"2026-03-01T00:00:00Z","environment":"prod"}},"body":{{"decision_id":"d1",{body}}}}}"#
    )
    .into_bytes()
}

#[test]
fn a_decision_is_found_however_many_effects_and_namesakes_it_has() {
    let mut kept = Kept::new(&["acme"]);
    let decision =
        r#""actor":{"type":"user","id":"u"},"action":"read","resource":{"type":"doc","id":"r"},"outcome":"allow""#;
    // Effects may well be recorded first.
    for number in 0..1200 {
        let effect = about_d1(number, "effect_recorded", r#""object":{},"before":null,"after":1"#);
        kept.record(0, seconds(0), &effect);
    }
    for number in 1200..2400 {
        kept.record(0, seconds(1), &about_d1(number, "decision", decision));
    }
    kept.made();
    let (snapshot, acme, cut) = (kept.snapshot(), kept.logs[0].id, kept.cut(0));
    assert_eq!(snapshot.by_decision_id(acme, "d1", cut).unwrap(), Some(LeafIndex(1200)));
    // Of the namesakes none but the first two are looked at.
    let before = snapshot.reads();
    snapshot.by_decision_id(acme, "d1", cut).unwrap();
    assert!(snapshot.reads() - before <= 3);
    let effects = |most| snapshot.effects_of(acme, "d1", cut, most).unwrap();
    assert_eq!(
        effects(usize::MAX)
            .iter()
            .map(|entry| entry.index.0)
            .collect::<Vec<_>>(),
        (0..1200).collect::<Vec<_>>()
    );
    assert_eq!(effects(7).len(), 7);
    assert_eq!(effects(0).len(), 0);
}
