//! Kafka's part of the configuration, and what we insist on.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::Arc;

use rdkafka::ClientConfig;
use verdict_store::IntakeKeys;

/// Which Kafka, which topics, which partitions.
#[derive(Clone, Debug, Default)]
pub struct KafkaSettings {
    /// librdkafka properties, verbatim; at least `bootstrap.servers`.
    pub properties: BTreeMap<String, String>,
    /// Topic of events, keyed by tenant.
    pub events_topic: String,
    /// One-partition topic of `_platform`.
    pub platform_topic: String,
    /// Partitions of the events topic that this node owns; `None`: all.
    pub partitions: Option<Vec<u32>>,
    /// Confluent-compatible registry.
    pub registry: Option<String>,
    /// Schema files by Confluent id.
    pub schema_files: Vec<(u32, PathBuf)>,
    /// The keys by which the intakes of the system vouch for what they produce; `None`: what comes through Kafka is claimed.
    pub intake_keys: Option<Arc<IntakeKeys>>,
}

/// Settings of the consumer that its correctness rests on: they win over what the user gives.
const CONSUMER: &[(&str, &str)] = &[
    ("enable.auto.commit", "false"),
    ("enable.auto.offset.store", "false"),
    // An offset that is gone must be heard of, not skipped: it becomes a recorded gap.
    ("auto.offset.reset", "error"),
    ("isolation.level", "read_committed"),
    ("check.crcs", "true"),
    ("allow.auto.create.topics", "false"),
    ("enable.partition.eof", "true"),
];

/// Settings of the consumer that the user may change.
const CONSUMER_DEFAULTS: &[(&str, &str)] = &[
    ("group.id", "verdict"),
    ("queued.max.messages.kbytes", "16384"),
    ("fetch.queue.backoff.ms", "20"),
    ("fetch.wait.max.ms", "100"),
    ("topic.metadata.refresh.interval.ms", "30000"),
    ("reconnect.backoff.max.ms", "2000"),
];

/// Settings of the producer that its promises rest on.
const PRODUCER: &[(&str, &str)] = &[
    ("acks", "all"),
    ("enable.idempotence", "true"),
    // What every other client calls murmur2. librdkafka's own default puts tenants into other partitions.
    ("partitioner", "murmur2_random"),
];

const PRODUCER_DEFAULTS: &[(&str, &str)] = &[
    ("linger.ms", "5"),
    ("compression.type", "zstd"),
    ("message.timeout.ms", "30000"),
    ("queue.buffering.max.kbytes", "65536"),
];

impl KafkaSettings {
    /// A consumer's configuration.
    pub(super) fn consumer(&self) -> ClientConfig {
        self.client(CONSUMER_DEFAULTS, CONSUMER)
    }

    /// The configuration of the client that looks at watermarks: it sees records of open transactions, too.
    pub(super) fn watcher(&self) -> ClientConfig {
        let mut config = self.client(CONSUMER_DEFAULTS, CONSUMER);
        config.set("isolation.level", "read_uncommitted");
        config
    }

    /// A producer's configuration.
    pub(super) fn producer(&self) -> ClientConfig {
        self.client(PRODUCER_DEFAULTS, PRODUCER)
    }

    /// An administrator's configuration.
    pub(super) fn admin(&self) -> ClientConfig {
        self.client(&[], &[])
    }

    fn client(&self, defaults: &[(&str, &str)], insisted: &[(&str, &str)]) -> ClientConfig {
        let mut config = ClientConfig::new();
        config.set("client.id", "verdict");
        for (name, value) in defaults {
            config.set(*name, *value);
        }
        for (name, value) in &self.properties {
            config.set(name, value);
        }
        for (name, value) in insisted {
            if self.properties.get(*name).is_some_and(|given| given != value) {
                tracing::warn!(
                    "-X {name}={} is ignored: Verdict needs {name}={value}",
                    self.properties[*name]
                );
            }
            config.set(*name, *value);
        }
        config
    }
}
