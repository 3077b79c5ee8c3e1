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
//! **The poll loop waits for nothing.** What it hears goes over a bounded channel to the reader, which waits for the store
//! alone. The registry is asked for schemas, and brokers for the ends of partitions, beside them: neither a hung registry
//! nor a slow broker holds up a record.
//!
//! **Bounded.** librdkafka's queue is bounded in bytes; a chunk, a batch, the channel between them are; so is the store's
//! queue, and when it is full the reader waits there, then the poller, which stops its fetching.
//!
//! **No record stops it.** What a topic holds is kept as it is, flagged where it is odd. What does end the reading (a topic
//! that was made anew, a store that takes nothing more) is told at `/readyz`, and questions are answered all the same.

mod clock;
mod consumer;
mod error;
mod failing;
mod headers;
mod health;
mod horizon;
mod metrics;
mod poll;
mod producer;
mod reader;
mod registry;
mod resume;
mod route;
mod settings;
#[cfg(test)]
mod tests;
mod topics;

pub use consumer::{Consumer, cluster_id};
pub use error::StartError;
pub use health::KafkaHealth;
pub use metrics::KafkaMetrics;
pub use producer::{ProduceError, Producer};
pub use settings::KafkaSettings;
pub use topics::{TopicsError, check_events_topic, create_topics};
