//! Which log a Kafka record belongs to. One partition feeds a log, never two.

use std::sync::Arc;

use bytes::Bytes;
use rdkafka::Message;
use rdkafka::message::{BorrowedMessage, Timestamp as KafkaTimestamp};
use verdict_edge::partition_of;
use verdict_schemas::{TenantId, Timestamp};
use verdict_store::{Incoming, IntakeKeys, KafkaPartition, LogName, Provenance, RawTime, RouteFlag, SourcePosition};

use super::headers::headers;

/// What of a source stays the same from record to record.
#[derive(Clone, Debug)]
pub(super) struct Origin {
    pub(super) cluster: Arc<str>,
    pub(super) events_topic: Arc<str>,
    pub(super) platform_topic: Arc<str>,
    /// Partitions of the events topic.
    pub(super) partitions: u32,
    /// By which records are known that an intake of the system took.
    pub(super) intake_keys: Option<Arc<IntakeKeys>>,
}

impl Origin {
    /// A record as the store takes it: its bytes as they are, and the log that it goes to.
    pub(super) fn incoming(&self, message: &BorrowedMessage<'_>) -> Incoming {
        let is_platform = message.topic() == &*self.platform_topic;
        let topic = if is_platform {
            &self.platform_topic
        } else {
            &self.events_topic
        };
        let partition = message.partition().cast_unsigned();
        let (log, route) = match is_platform {
            true => (LogName::Tenant(TenantId::platform()), None),
            false => self.route(message.key(), partition),
        };
        let mut incoming = Incoming {
            log,
            source: SourcePosition::Kafka {
                cluster: Arc::clone(&self.cluster),
                topic: Arc::clone(topic),
                partition,
                offset: message.offset().cast_unsigned(),
            },
            key: message.key().map(Bytes::copy_from_slice),
            headers: headers(message),
            value: Bytes::copy_from_slice(message.payload().unwrap_or_default()),
            raw_time: raw_time(message.timestamp()),
            provenance: Provenance::Claimed,
            dedup: None,
            route,
        };
        if let Some(keys) = &self.intake_keys {
            incoming.provenance = keys.provenance(&incoming);
        }
        incoming
    }

    /// The partition that feeds a log.
    pub(super) fn feeds(&self, log: &LogName) -> KafkaPartition {
        let (topic, partition) = match log {
            LogName::Tenant(tenant) if tenant.is_platform() => (&self.platform_topic, 0),
            LogName::Tenant(tenant) => (
                &self.events_topic,
                partition_of(tenant.as_str().as_bytes(), self.partitions),
            ),
            LogName::Unrouted(partition) => (&self.events_topic, *partition),
        };
        KafkaPartition {
            cluster: Arc::clone(&self.cluster),
            topic: Arc::clone(topic),
            partition,
        }
    }

    fn route(&self, key: Option<&[u8]>, partition: u32) -> (LogName, Option<RouteFlag>) {
        let unrouted = |flag| (LogName::Unrouted(partition), Some(flag));
        let Some(key) = key else {
            return unrouted(RouteFlag::NoKey);
        };
        let tenant = std::str::from_utf8(key)
            .ok()
            .and_then(|name| TenantId::parse(name).ok());
        match tenant {
            // `_platform` has a topic of its own; a second partition must not feed its log.
            Some(tenant) if tenant.is_platform() => unrouted(RouteFlag::InvalidTenant),
            Some(_) if partition_of(key, self.partitions) != partition => unrouted(RouteFlag::WrongPartition),
            Some(tenant) => (LogName::Tenant(tenant), None),
            None => unrouted(RouteFlag::InvalidTenant),
        }
    }
}

/// A record's own time. One that the broker did not stamp (the topic was set to CreateTime once) is kept with what its
/// emitter said; a time outside the years 1970 to 9999 is none.
fn raw_time(stamp: KafkaTimestamp) -> RawTime {
    let time = |millis: i64| millis.checked_mul(1000).and_then(Timestamp::from_micros);
    match stamp {
        KafkaTimestamp::LogAppendTime(millis) => time(millis).map_or(RawTime::Absent, RawTime::Broker),
        KafkaTimestamp::CreateTime(millis) => time(millis).map_or(RawTime::Absent, RawTime::Emitter),
        KafkaTimestamp::NotAvailable => RawTime::Absent,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_partition_feeds_a_log() {
        let origin = Origin {
            cluster: "c".into(),
            events_topic: "e".into(),
            platform_topic: "p".into(),
            partitions: 12,
            intake_keys: None,
        };
        let acme = LogName::Tenant(TenantId::parse("acme").unwrap_or_else(|_| TenantId::platform()));
        let fed = origin.feeds(&acme);
        assert_eq!((&*fed.topic, fed.partition), ("e", 0));
        assert_eq!(origin.route(Some(b"acme"), 0), (acme, None));
        let cases: [(Option<&[u8]>, u32, RouteFlag); 5] = [
            (Some(b"acme"), 1, RouteFlag::WrongPartition),
            (Some(b"ACME"), 1, RouteFlag::InvalidTenant),
            (Some(b"_platform"), 3, RouteFlag::InvalidTenant),
            (Some(b"\xff"), 3, RouteFlag::InvalidTenant),
            (None, 5, RouteFlag::NoKey),
        ];
        for (key, partition, flag) in cases {
            assert_eq!(
                origin.route(key, partition),
                (LogName::Unrouted(partition), Some(flag)),
                "{key:?}"
            );
        }
    }

    #[test]
    fn every_time_that_a_topic_can_hold_is_taken() {
        let micros = |micros| Timestamp::from_micros(micros).unwrap();
        let last = Timestamp::MAX.as_micros() / 1000;
        for (stamp, expected) in [
            (KafkaTimestamp::LogAppendTime(5), RawTime::Broker(micros(5000))),
            (KafkaTimestamp::LogAppendTime(-2), RawTime::Absent),
            (KafkaTimestamp::CreateTime(0), RawTime::Emitter(micros(0))),
            (KafkaTimestamp::CreateTime(last), RawTime::Emitter(micros(last * 1000))),
            (KafkaTimestamp::CreateTime(last + 1), RawTime::Absent),
            (KafkaTimestamp::CreateTime(i64::MAX), RawTime::Absent),
            (KafkaTimestamp::CreateTime(i64::MIN), RawTime::Absent),
            (KafkaTimestamp::NotAvailable, RawTime::Absent),
        ] {
            assert_eq!(raw_time(stamp), expected, "{stamp:?}");
        }
    }
}
