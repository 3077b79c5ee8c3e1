//! A thread of the consumer that dies while a real Kafka is read: it is told, what was read is answered from, nothing is
//! promised that was not read, and the next start loses nothing.

use std::path::Path;
use std::time::Duration;

use bytes::Bytes;
use verdict_schemas::TenantId;
use verdict_store::{LogName, Options, Store};
use verdict_tests::kafka::Kafka;

use super::clock::now;
use super::failing::{arm, disarm};
use super::{Consumer, KafkaSettings, Producer, create_topics};

/// Long past any doubt; nothing is measured by it.
const LIMIT: Duration = Duration::from_secs(120);
const LOOK: Duration = Duration::from_millis(20);

async fn until(what: &str, mut is_so: impl FnMut() -> bool) {
    let waited = tokio::time::timeout(LIMIT, async {
        while !is_so() {
            tokio::time::sleep(LOOK).await;
        }
    });
    waited.await.unwrap_or_else(|_| panic!("{what}: not within {LIMIT:?}"));
}

struct Case {
    settings: KafkaSettings,
    producer: Producer,
    tenant: TenantId,
}

impl Case {
    /// Topics of its own, in a Kafka that all cases share.
    async fn new(kafka: &Kafka, name: &str) -> Self {
        let settings = KafkaSettings {
            properties: [("bootstrap.servers".to_owned(), kafka.bootstrap())].into(),
            events_topic: format!("events.{name}"),
            platform_topic: format!("platform.{name}"),
            ..KafkaSettings::default()
        };
        create_topics(&settings, 2, 1, 24).await.unwrap();
        Self {
            producer: Producer::new(&settings).unwrap(),
            settings,
            tenant: TenantId::parse("acme").unwrap(),
        }
    }

    /// Bytes that mean nothing: what they are is not the reader's affair.
    async fn send(&self, number: u64) {
        let value = Bytes::from(number.to_be_bytes().to_vec());
        self.producer.send(&self.tenant, value, Vec::new()).await.unwrap();
    }

    async fn read(&self, store: &Store) -> Consumer {
        Consumer::start(self.settings.clone(), store.clone()).await.unwrap()
    }
}

fn open(folder: &Path) -> Store {
    Store::open(folder, Options::default()).unwrap()
}

fn held(store: &Store) -> u64 {
    let snapshot = store.snapshot();
    let log = snapshot
        .log(&LogName::Tenant(TenantId::parse("acme").unwrap()))
        .unwrap();
    log.map_or(0, |log| log.size.0)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_thread_that_dies_while_kafka_is_read_is_told_and_nothing_is_lost() {
    let kafka = Kafka::start().await.unwrap();
    for place in ["poll", "read", "ends"] {
        let case = Case::new(&kafka, place).await;
        let topic = case.settings.events_topic.clone();
        let folder = tempfile::tempdir().unwrap();
        let store = open(folder.path());
        let name = LogName::Tenant(case.tenant.clone());
        case.send(0).await;
        let consumer = case.read(&store).await;
        let health = consumer.health();
        until(place, || health.check().is_ok() && held(&store) == 1).await;

        arm(&topic, place);
        let before = now();
        case.send(1).await;
        until(place, || health.failure().is_some()).await;
        let why = health.check().unwrap_err();
        assert!(
            why.contains(&topic) && why.contains(&format!("the fail point `{place}`")),
            "{why}"
        );
        case.send(2).await;
        consumer.stop();
        // Where records are no longer read, the horizon stays before them: nothing is answered as whole that is not.
        if held(&store) == 1 {
            assert!(store.horizon(&[&name]) <= before, "{place}");
        }
        drop(store);

        disarm(&topic);
        let store = open(folder.path());
        let consumer = case.read(&store).await;
        let health = consumer.health();
        until(place, || health.check().is_ok() && held(&store) == 3).await;
        consumer.stop();
    }
}
