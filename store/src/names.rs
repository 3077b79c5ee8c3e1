//! What a log is called, and where a record came from.

use std::fmt;
use std::str::FromStr;
use std::sync::Arc;

use verdict_schemas::TenantId;

/// A log: a tenant's (`_platform` is a tenant), or that of a Kafka partition's records which belong to no tenant there.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum LogName {
    /// The log of a tenant.
    Tenant(TenantId),
    /// `_unrouted.<partition>`: what arrived in that partition and does not belong to it, or names no valid tenant.
    Unrouted(u32),
}

/// A string that names no log.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("`{0}` names no log: expected a tenant, or `_unrouted.` and a partition")]
pub struct InvalidLogName(pub String);

impl LogName {
    const UNROUTED: &'static str = "_unrouted.";

    /// The tenant whose log this is; `None` for `_unrouted.<partition>`.
    pub fn tenant(&self) -> Option<&TenantId> {
        match self {
            Self::Tenant(tenant) => Some(tenant),
            Self::Unrouted(_) => None,
        }
    }
}

impl From<TenantId> for LogName {
    fn from(tenant: TenantId) -> Self {
        Self::Tenant(tenant)
    }
}

impl fmt::Display for LogName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Tenant(tenant) => tenant.fmt(f),
            Self::Unrouted(partition) => write!(f, "{}{partition}", Self::UNROUTED),
        }
    }
}

impl FromStr for LogName {
    type Err = InvalidLogName;

    fn from_str(text: &str) -> Result<Self, InvalidLogName> {
        let wrong = || InvalidLogName(text.chars().take(80).collect());
        match text.strip_prefix(Self::UNROUTED) {
            // Written in one way only: `_unrouted.07` would be a second name of `_unrouted.7`.
            Some(digits) => match digits.parse::<u32>() {
                Ok(partition) if partition.to_string() == digits => Ok(Self::Unrouted(partition)),
                _ => Err(wrong()),
            },
            None => TenantId::parse(text).map(Self::Tenant).map_err(|_| wrong()),
        }
    }
}

/// The number by which keys of this store name a log. Assigned once, in order of appearance; it is this store's own,
/// so it enters no leaf.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct LogId(pub u32);

/// A partition of a topic of one Kafka cluster. The cluster's id is part of it: a topic made again in another cluster
/// is another source.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct KafkaPartition {
    /// The cluster's id, as its brokers say it.
    pub cluster: Arc<str>,
    /// The topic.
    pub topic: Arc<str>,
    /// The partition's number.
    pub partition: u32,
}

impl KafkaPartition {
    /// Is this the partition that a record came from?
    pub(crate) fn is_of(&self, source: &SourcePosition) -> bool {
        let SourcePosition::Kafka {
            cluster,
            topic,
            partition,
            ..
        } = source
        else {
            return false;
        };
        let same = |one: &Arc<str>, other: &Arc<str>| Arc::ptr_eq(one, other) || one == other;
        self.partition == *partition && same(&self.topic, topic) && same(&self.cluster, cluster)
    }
}

impl fmt::Display for KafkaPartition {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{} of cluster {}", self.topic, self.partition, self.cluster)
    }
}

/// Where a record came from: with its log's order, what its leaf says about its origin.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum SourcePosition {
    /// A record of a Kafka partition. A4: each offset is a leaf of exactly one log, once.
    Kafka {
        /// The cluster's id.
        cluster: Arc<str>,
        /// The topic.
        topic: Arc<str>,
        /// The partition's number.
        partition: u32,
        /// The record's offset in it.
        offset: u64,
    },
    /// This node's own HTTP intake: the log's index is the position.
    Intake,
}

impl SourcePosition {
    /// The Kafka partition and the offset in it; `None` for the intake.
    pub fn kafka(&self) -> Option<(KafkaPartition, u64)> {
        match self {
            Self::Kafka {
                cluster,
                topic,
                partition,
                offset,
            } => {
                let (cluster, topic) = (Arc::clone(cluster), Arc::clone(topic));
                Some((
                    KafkaPartition {
                        cluster,
                        topic,
                        partition: *partition,
                    },
                    *offset,
                ))
            }
            Self::Intake => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_log_has_one_name() {
        for name in ["acme", "_platform", "_unrouted.0", "_unrouted.4294967295"] {
            assert_eq!(name.parse::<LogName>().unwrap().to_string(), name);
        }
        for name in [
            "",
            "_unrouted",
            "_unrouted.",
            "_unrouted.07",
            "_unrouted.+7",
            "_unrouted.4294967296",
            "Acme",
        ] {
            assert!(name.parse::<LogName>().is_err(), "{name}");
        }
        assert_eq!("_unrouted.7".parse::<LogName>().unwrap().tenant(), None);
    }
}
