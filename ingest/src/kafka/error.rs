//! Why a topic is not read, or no longer.

use rdkafka::error::KafkaError;
use verdict_store::{AppendError, BindError, StoreError};

use super::topics::TopicsError;

/// Why a node does not start consuming.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    /// Kafka can not be reached, or a property is not one of librdkafka's.
    #[error("kafka: {0}")]
    Kafka(#[from] KafkaError),
    /// A topic is missing, or not as it must be.
    #[error(transparent)]
    Topics(#[from] TopicsError),
    /// The cluster does not say its id, which evidence is bound to.
    #[error("kafka does not tell its cluster id; Verdict needs brokers that do (KRaft, or 0.10.1 and later)")]
    NoClusterId,
    /// The store can not be read.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// The store was filled from another cluster, or the topic has another number of partitions than it had.
    #[error(transparent)]
    Bind(#[from] BindError),
    /// A partition that is not there.
    #[error("partition {partition} is not one of the {partitions} partitions of `{topic}`")]
    NoSuchPartition {
        /// The number given.
        partition: u32,
        /// The topic.
        topic: String,
        /// How many there are.
        partitions: u32,
    },
    /// The topic is not the one that was read before.
    #[error(
        "{partition} is not the partition that this store has read: {reason}. The topic was made anew, or an unclean \
         leader election lost records; appending to the log would hide that. Keep this data directory as evidence, and \
         consume the new topic with a new one"
    )]
    Recreated {
        /// The partition.
        partition: String,
        /// What was seen.
        reason: String,
    },
    /// The address of the registry can not be used.
    #[error("schema registry `{url}`: {reason}")]
    Registry {
        /// The address.
        url: String,
        /// Why.
        reason: String,
    },
    /// A schema file can not be used.
    #[error("schema file `{file}`: {reason}")]
    SchemaFile {
        /// The file.
        file: String,
        /// Why.
        reason: String,
    },
    /// A thread can not be started.
    #[error("cannot start a thread: {0}")]
    Thread(#[from] std::io::Error),
}

/// What ends a reader's loop.
#[derive(Debug, thiserror::Error)]
pub(super) enum ReadError {
    #[error("the store does not take records: {0}")]
    Append(#[from] AppendError),
    #[error(transparent)]
    Start(#[from] StartError),
    #[error("kafka: {0}")]
    Kafka(#[from] KafkaError),
}
