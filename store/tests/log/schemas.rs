//! Writer schemas: each reference means for ever what it meant first, and records that came before their schema are
//! understood once it is archived, as late facts.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use uuid::Uuid;
use verdict_schemas::{
    Event, Interpretation, Kind, KnownSchemas, SchemaRef, Timestamp, WriterSchema, avro_schema, encode_confluent,
    encode_single_object, interpret,
};
use verdict_store::{Archived, Flag, Incoming, LeafIndex, LogCut, Store, TreeSize};

use crate::events::{assert_clean, block, decision, from_kafka, log, options};

fn event(number: u64) -> Event {
    match interpret(
        &decision("acme", Uuid::from_u128(u128::from(number)), number),
        None,
        &KnownSchemas,
    ) {
        Interpretation::Event(event) => event,
        other => panic!("{other:?}"),
    }
}

/// The schema of decisions as it is released, and one that differs in logical types alone: times are milliseconds.
fn schemas() -> (Arc<WriterSchema>, Arc<WriterSchema>) {
    let micros = avro_schema(Kind::Decision).unwrap();
    let millis = micros.replace("timestamp-micros", "timestamp-millis");
    let parse = |json: &str| Arc::new(WriterSchema::parse(json).unwrap());
    let (micros, millis) = (parse(micros), parse(&millis));
    assert_eq!(
        micros.fingerprint(),
        millis.fingerprint(),
        "the canonical form has no logical types"
    );
    assert!(!micros.reads_as(&millis));
    (micros, millis)
}

/// The value of an event with its time in milliseconds, as a writer of such a schema has it.
fn in_millis(event: &Event, id: u32) -> Bytes {
    let mut event = event.clone();
    let millis = event.meta.event_time.as_micros() / 1000;
    event.meta.event_time = Timestamp::from_micros(millis).unwrap();
    encode_confluent(&event, id).unwrap().into()
}

/// Appends a value at the next offset, and waits until the views know it.
fn send(store: &Store, value: impl Into<Bytes>) -> LeafIndex {
    let offset = store.positions().first().map_or(0, |(_, position)| position.next);
    let incoming = Incoming {
        value: value.into(),
        headers: vec![],
        ..from_kafka("acme", 0, offset, 10 + i64::try_from(offset).unwrap())
    };
    store
        .append_kafka(vec![incoming], vec![], vec![])
        .unwrap()
        .wait()
        .unwrap();
    let (acme, size) = (log("acme"), TreeSize(offset + 1));
    assert!(block(store.wait_visible(&acme, size, Duration::from_secs(60))));
    LeafIndex(offset)
}

/// Waits until what came late is understood.
fn until_understood(store: &Store, late: u64) -> LogCut {
    loop {
        let cut = store.snapshot().log(&log("acme")).unwrap().unwrap().visible;
        if cut.late >= late {
            return cut;
        }
        std::thread::sleep(Duration::from_millis(1));
    }
}

fn cut(store: &Store) -> LogCut {
    store.snapshot().log(&log("acme")).unwrap().unwrap().visible
}

fn flag(store: &Store, index: LeafIndex, cut: LogCut) -> Option<Flag> {
    let snapshot = store.snapshot();
    let acme = snapshot.log(&log("acme")).unwrap().unwrap();
    snapshot.flag(acme.id, index, cut).unwrap()
}

fn event_time(store: &Store, index: LeafIndex) -> Option<Timestamp> {
    let snapshot = store.snapshot();
    let acme = snapshot.log(&log("acme")).unwrap().unwrap();
    match snapshot.event(acme.id, index).unwrap().unwrap() {
        (_, Interpretation::Event(event)) => Some(event.meta.event_time),
        _ => None,
    }
}

fn finds(store: &Store, number: u64, cut: LogCut) -> bool {
    let snapshot = store.snapshot();
    let acme = snapshot.log(&log("acme")).unwrap().unwrap();
    snapshot
        .by_decision_id(acme.id, &format!("d-{number}"), cut)
        .unwrap()
        .is_some()
}

#[test]
fn a_record_that_waits_for_its_schema_is_understood_late_and_earlier_cuts_stay() {
    let dir = tempfile::tempdir().unwrap();
    let store = Store::open(dir.path(), options()).unwrap();
    let index = send(&store, encode_confluent(&event(1), 7).unwrap());
    let reference = SchemaRef::Confluent(7);
    let before = cut(&store);
    assert_eq!(flag(&store, index, before), Some(Flag::AwaitingSchema { reference }));
    assert_eq!(store.awaiting_schemas(), [reference]);

    let (schema, _) = schemas();
    assert_eq!(store.archive_schema(&reference, &schema).unwrap(), Archived::New);
    assert_eq!(store.archive_schema(&reference, &schema).unwrap(), Archived::Known);
    let after = until_understood(&store, 1);
    let holds = |store: &Store| {
        assert_eq!((flag(store, index, after), finds(store, 1, after)), (None, true));
        let waited = Some(Flag::AwaitingSchema { reference });
        assert_eq!((flag(store, index, before), finds(store, 1, before)), (waited, false));
    };
    holds(&store);
    while !store.awaiting_schemas().is_empty() {
        std::thread::sleep(Duration::from_millis(1));
    }
    block(store.rebuild_views()).unwrap();
    holds(&store);
    store.close().unwrap();

    let store = Store::open(dir.path(), options()).unwrap();
    holds(&store);
    // Not before the time at which it was understood.
    let snapshot = store.snapshot();
    let acme = snapshot.log(&log("acme")).unwrap().unwrap();
    let understood = snapshot.late_at(acme.id, after).unwrap();
    assert_eq!(snapshot.cut_at(acme.id, understood.minus_micros(1)).unwrap().0, before);
    assert_eq!(snapshot.cut_at(acme.id, understood).unwrap().0, after);
    drop(snapshot);
    drop(store);
    assert_clean(dir.path());
}

/// Nothing waited, and yet two nodes read a record otherwise: a token of the one must not pass for one of the other.
#[test]
fn logs_that_are_read_by_other_schemas_of_the_same_name_are_told_apart() {
    let (micros, millis) = schemas();
    let chain = |schema: &Arc<WriterSchema>, known_first: bool| {
        let dir = tempfile::tempdir().unwrap();
        let store = Store::open(dir.path(), options()).unwrap();
        if known_first {
            store.archive_schema(&SchemaRef::Confluent(7), schema).unwrap();
        }
        send(&store, encode_confluent(&event(1), 7).unwrap());
        send(&store, encode_confluent(&event(2), 7).unwrap());
        if !known_first {
            store.archive_schema(&SchemaRef::Confluent(7), schema).unwrap();
            until_understood(&store, 2);
        }
        let of = |store: &Store| store.snapshot().log(&log("acme")).unwrap().unwrap().chain;
        let chain = of(&store);
        block(store.rebuild_views()).unwrap();
        assert_eq!(of(&store), chain);
        store.close().unwrap();
        assert_clean(dir.path());
        chain
    };
    let read = chain(&micros, true);
    assert_eq!(read, chain(&micros, true));
    assert_ne!(read, chain(&millis, true));
    assert_ne!(read, chain(&micros, false));
}

#[test]
fn schemas_that_differ_in_a_logical_type_alone_are_two() {
    let dir = tempfile::tempdir().unwrap();
    let (micros, millis) = schemas();
    let store = Store::open(dir.path(), options()).unwrap();
    let references = [SchemaRef::Confluent(1), SchemaRef::Confluent(2)];
    assert_eq!(store.archive_schema(&references[0], &micros).unwrap(), Archived::New);
    assert_eq!(store.archive_schema(&references[1], &millis).unwrap(), Archived::New);
    let sent = [
        send(&store, encode_confluent(&event(1), 1).unwrap()),
        send(&store, in_millis(&event(2), 2)),
    ];
    let same = |store: &Store| {
        for index in sent {
            assert_eq!(event_time(store, index), Some(event(1).meta.event_time));
            assert_eq!(flag(store, index, cut(store)), None);
        }
    };
    same(&store);
    store.close().unwrap();
    let store = Store::open(dir.path(), options()).unwrap();
    same(&store);
    drop(store);
    assert_clean(dir.path());
}

#[test]
fn an_id_means_what_it_meant_first() {
    let dir = tempfile::tempdir().unwrap();
    let (micros, millis) = schemas();
    let store = Store::open(dir.path(), options()).unwrap();
    let reference = SchemaRef::Confluent(1);
    assert_eq!(store.archive_schema(&reference, &micros).unwrap(), Archived::New);
    assert_eq!(
        store.archive_schema(&reference, &millis).unwrap(),
        Archived::MeansAnother
    );
    drop(store);
    let store = Store::open(dir.path(), options()).unwrap();
    assert_eq!(
        store.archive_schema(&reference, &millis).unwrap(),
        Archived::MeansAnother
    );
    let index = send(&store, encode_confluent(&event(1), 1).unwrap());
    assert_eq!(event_time(&store, index), Some(event(1).meta.event_time));
}

#[test]
fn a_fingerprint_that_gets_a_second_meaning_is_guessed_by_nobody() {
    let dir = tempfile::tempdir().unwrap();
    let (_, millis) = schemas();
    let store = Store::open(dir.path(), options()).unwrap();
    // One of ours: known by its fingerprint from the beginning.
    let before = send(&store, encode_single_object(&event(1)).unwrap());
    let early = cut(&store);
    assert_eq!(flag(&store, before, early), None);
    store.archive_schema(&SchemaRef::Confluent(2), &millis).unwrap();
    // Recorded by the broker's clock after the second meaning came.
    let late = Incoming {
        value: encode_single_object(&event(2)).unwrap().into(),
        headers: vec![],
        ..from_kafka("acme", 0, 1, Timestamp::MAX.as_micros() - 10)
    };
    store.append_kafka(vec![late], vec![], vec![]).unwrap().wait().unwrap();
    assert!(block(store.wait_visible(
        &log("acme"),
        TreeSize(2),
        Duration::from_secs(60)
    )));
    let holds = |store: &Store| {
        let rule = match flag(store, LeafIndex(1), cut(store)) {
            Some(Flag::Malformed { rule, .. }) => rule,
            other => panic!("{other:?}"),
        };
        assert_eq!(rule, "ambiguous_schema");
        assert_eq!(
            flag(store, before, cut(store)),
            None,
            "what was recorded before keeps its meaning"
        );
        assert_eq!(event_time(store, before), Some(event(1).meta.event_time));
    };
    holds(&store);
    block(store.rebuild_views()).unwrap();
    holds(&store);
    drop(store);
    holds(&Store::open(dir.path(), options()).unwrap());
    assert_clean(dir.path());
}
