//! Events to keep, and a store to keep them in.

use std::path::Path;

use bytes::Bytes;
use uuid::Uuid;
use verdict_schemas::{EventId, Timestamp};
use verdict_store::{
    AppendError, AppendReceipt, DedupKey, Incoming, LogName, Options, Provenance, RawTime, SourcePosition, Store, audit,
};

/// Small, so that many stores fit into one test run.
pub(crate) fn options() -> Options {
    Options {
        memory_bytes: 64 << 20,
        ..Options::default()
    }
}

pub(crate) fn log(tenant: &str) -> LogName {
    tenant.parse().unwrap()
}

/// A decision as an emitter sends it; `number` makes it another.
pub(crate) fn decision(tenant: &str, event_id: Uuid, number: u64) -> Bytes {
    let value = format!(
        r#"{{"kind":"decision","meta":{{"event_id":"{event_id}","tenant":"{tenant}","source":"urn:test","event_time":"2026-03-01T00:00:00Z","environment":"prod"}},"body":{{"decision_id":"d-{number}","actor":{{"type":"user","id":"u{}"}},"action":"read","resource":{{"type":"doc","id":"{number}"}},"outcome":"allow","policies":[{{"scope":{{"layer":"global"}},"policy":"p","version":"v1"}}]}}}}"#,
        number % 7
    );
    Bytes::from(value)
}

/// A decision from the HTTP intake.
pub(crate) fn incoming(tenant: &str, event_id: Uuid, number: u64) -> Incoming {
    Incoming {
        log: log(tenant),
        source: SourcePosition::Intake,
        key: None,
        headers: vec![("content-type".to_owned(), Some(Bytes::from_static(b"application/json")))],
        value: decision(tenant, event_id, number),
        raw_time: RawTime::Now,
        provenance: Provenance::Authenticated {
            principal: Some("tester".into()),
        },
        dedup: Some(DedupKey {
            source: "urn:test".into(),
            event_id: EventId(event_id),
            intent: false,
        }),
        route: None,
    }
}

/// A decision from a Kafka partition.
pub(crate) fn from_kafka(tenant: &str, partition: u32, offset: u64, time: i64) -> Incoming {
    let event_id = Uuid::from_u128(u128::from(partition) << 64 | u128::from(offset));
    Incoming {
        source: SourcePosition::Kafka {
            cluster: "c1".into(),
            topic: "verdict.events.v1".into(),
            partition,
            offset,
        },
        key: Some(Bytes::from(tenant.to_owned())),
        raw_time: RawTime::Broker(Timestamp::from_micros(time).unwrap()),
        provenance: Provenance::Claimed,
        dedup: None,
        ..incoming(tenant, event_id, offset)
    }
}

/// Runs a future to its end.
pub(crate) fn block<T>(future: impl Future<Output = T>) -> T {
    tokio::runtime::Builder::new_current_thread()
        .enable_time()
        .build()
        .unwrap()
        .block_on(future)
}

pub(crate) fn append(store: &Store, batch: Vec<Incoming>) -> Result<AppendReceipt, AppendError> {
    block(store.append(batch))
}

/// Everything recomputed, and nothing wrong.
pub(crate) fn assert_clean(dir: &Path) {
    let report = audit(dir, &options()).unwrap();
    assert!(report.is_clean(), "{:#?}", report.defects);
    for log in &report.logs {
        assert_eq!(log.hashed, log.size.0, "{}", log.name);
    }
}

/// Sizes and roots of all logs.
pub(crate) fn heads(store: &Store) -> Vec<(String, u64, String)> {
    let logs = store.snapshot().logs().unwrap();
    logs.into_iter()
        .map(|log| (log.name.to_string(), log.size.0, log.root.to_hex()))
        .collect()
}
