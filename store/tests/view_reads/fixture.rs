//! A store fed with a stream, and what the stream holds, interpreted one by one.

use tempfile::TempDir;
use verdict_schemas::{Event, Interpretation, Timestamp};
use verdict_store::{
    Flag, Incoming, KafkaPartition, LeafIndex, LogInfo, Options, Provenance, RawTime, SourcePosition, Store,
};

use crate::stream::{Coming, LOGS, seconds};

/// A record that counts.
pub(crate) struct Counted {
    pub(crate) index: LeafIndex,
    pub(crate) recorded: Timestamp,
    pub(crate) event: Event,
}

pub(crate) struct Fed {
    pub(crate) store: Store,
    pub(crate) _dir: TempDir,
}

/// Feeds a new store, in commits of `batch` records, all visible at the end.
pub(crate) fn feed(stream: &[Coming], batch: usize) -> Fed {
    let mut now = 0;
    let values = stream.iter().map(|coming| {
        now += coming.later;
        (LOGS[coming.log], seconds(now), coming.value(now))
    });
    feed_values(values, batch)
}

/// The same of values, each of a log and a time.
pub(crate) fn feed_values<'l>(values: impl Iterator<Item = (&'l str, Timestamp, Vec<u8>)>, batch: usize) -> Fed {
    let dir = tempfile::tempdir().unwrap();
    // The same key in every store: leaves, and with them roots, are then the same for the same records.
    let options = Options {
        salt_key: Some([7; 32]),
        memory_bytes: 64 << 20,
        fsync: false,
        ..Options::default()
    };
    let store = Store::open(dir.path(), options).unwrap();
    let partition = KafkaPartition {
        cluster: "c".into(),
        topic: "t".into(),
        partition: 0,
    };
    let incoming: Vec<Incoming> = (0..)
        .zip(values)
        .map(|(offset, (log, recorded, value))| {
            let KafkaPartition {
                cluster,
                topic,
                partition,
            } = partition.clone();
            Incoming {
                log: log.parse().unwrap(),
                source: SourcePosition::Kafka {
                    cluster,
                    topic,
                    partition,
                    offset,
                },
                key: None,
                headers: Vec::new(),
                value: value.into(),
                raw_time: RawTime::Broker(recorded),
                provenance: Provenance::Claimed,
                dedup: None,
                route: None,
            }
        })
        .collect();
    for batch in incoming.chunks(batch) {
        store
            .append_kafka(batch.to_vec(), Vec::new(), Vec::new())
            .unwrap()
            .wait()
            .unwrap();
    }
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_time()
        .build()
        .unwrap();
    runtime.block_on(async {
        for log in store.snapshot().logs().unwrap() {
            let seen = store
                .wait_visible(&log.name, log.size, std::time::Duration::from_secs(60))
                .await;
            assert!(seen, "{}", log.name);
        }
    });
    Fed { store, _dir: dir }
}

impl Fed {
    pub(crate) fn log(&self, name: &str) -> Option<LogInfo> {
        self.store.snapshot().log(&name.parse().unwrap()).unwrap()
    }

    /// The records that count, read one by one.
    pub(crate) fn counted(&self, log: &LogInfo) -> Vec<Counted> {
        let snapshot = self.store.snapshot();
        let mut counted = Vec::new();
        for index in (0..log.size.0).map(LeafIndex) {
            let (record, interpretation) = snapshot.event(log.id, index).unwrap().unwrap();
            let counts = snapshot
                .flag(log.id, index, log.visible)
                .unwrap()
                .is_none_or(|flag: Flag| flag.counts());
            if let (Interpretation::Event(event), true) = (interpretation, counts) {
                counted.push(Counted {
                    index,
                    recorded: record.recorded_time,
                    event,
                });
            }
        }
        counted
    }
}
