//! Writer schemas: records that came before their schema are understood once it is archived, and stay so.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use uuid::Uuid;
use verdict_schemas::{
    Interpretation, Kind, KnownSchemas, SchemaRef, WriterSchema, avro_schema, encode_confluent, interpret,
};
use verdict_store::{Flag, Incoming, LeafIndex, Store, TreeSize};

use crate::events::{assert_clean, block, decision, from_kafka, log, options};

#[test]
fn a_record_that_waits_for_its_schema_is_understood_when_that_is_archived() {
    let Interpretation::Event(event) = interpret(&decision("acme", Uuid::now_v7(), 1), None, &KnownSchemas) else {
        panic!("a decision")
    };
    let value = Bytes::from(encode_confluent(&event, 7).unwrap());
    let dir = tempfile::tempdir().unwrap();
    let store = Store::open(dir.path(), options()).unwrap();
    let waiting = Incoming {
        value,
        headers: vec![],
        ..from_kafka("acme", 0, 0, 10)
    };
    store
        .append_kafka(vec![waiting], vec![], vec![])
        .unwrap()
        .wait()
        .unwrap();
    assert!(block(store.wait_visible(
        &log("acme"),
        TreeSize(1),
        Duration::from_secs(60)
    )));
    let reference = SchemaRef::Confluent(7);
    let flag = |store: &Store| {
        let snapshot = store.snapshot();
        let acme = snapshot.log(&log("acme")).unwrap().unwrap();
        snapshot.flag(acme.id, LeafIndex(0)).unwrap()
    };
    assert_eq!(flag(&store), Some(Flag::AwaitingSchema { reference }));
    assert_eq!(store.awaiting_schemas().unwrap(), [reference]);

    let schema = Arc::new(WriterSchema::parse(avro_schema(Kind::Decision).unwrap()).unwrap());
    assert_eq!(store.archive_schema(&reference, &schema).unwrap(), 1, "one log waited");
    // Behind the rebuild that was asked for.
    block(store.rebuild_views()).unwrap();
    assert_eq!(
        store.archive_schema(&reference, &schema).unwrap(),
        0,
        "nothing waits any more"
    );
    assert_eq!((flag(&store), store.awaiting_schemas().unwrap()), (None, vec![]));
    store.close().unwrap();

    let store = Store::open(dir.path(), options()).unwrap();
    let snapshot = store.snapshot();
    let acme = snapshot.log(&log("acme")).unwrap().unwrap();
    let (_, understood) = snapshot.event(acme.id, LeafIndex(0)).unwrap().unwrap();
    assert!(matches!(understood, Interpretation::Event(again) if again.meta.event_id == event.meta.event_id));
    drop(snapshot);
    drop(store);
    assert_clean(dir.path());
}
