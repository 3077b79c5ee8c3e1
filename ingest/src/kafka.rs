//! How it arrives from Kafka, and how the intake sends it there.
//!
//! **Static assignment.** Each node owns partitions by configuration. A consumer group would move a partition to a node
//! whose store lacks its history; the group id exists only so that lag tools see our committed offsets.
//!
//! **Exactly once (A2, A4).** The store takes records and the position after them in one durable batch; on start each
//! partition is read from the position the store holds, never from what Kafka remembers. Before that the last record
//! stored is read again and compared: another record at its offset means that the topic was made anew, or that an unclean
//! leader lost the end, and nothing is appended to evidence that no longer continues.
//!
//! **Holes are understood.** Offsets taken by transaction markers and aborted records are no gaps. Offsets that retention
//! took before they were read are: a gap is recorded, loudly, and reading goes on after it.
//!
//! **Bounded.** librdkafka's queue is bounded in bytes; a batch is bounded; so is the store's queue, and when it is full the
//! consumer's thread waits there, which stops its fetching.

mod consumer;
mod horizon;
mod metrics;
mod partitioner;
mod producer;
mod reader;
mod registry;
mod resume;
mod route;
mod settings;
mod topics;

pub use consumer::{Consumer, ConsumerFailure, StartError, cluster_id};
pub use metrics::KafkaMetrics;
pub use producer::{ProduceError, Producer};
pub use settings::KafkaSettings;
pub use topics::{TopicsError, create_topics};
