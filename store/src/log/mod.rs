//! The log: records in a total order per log, committed to by a Merkle tree, durable before anything is acknowledged.
//!
//! # The way of a record
//!
//! ```text
//!  append()  append_kafka()
//!      \        /
//!     [ queue ]            bounded by records and bytes; callers wait when it is full
//!         |
//!    committer thread      one batch at a time: whatever waits, so small when idle and large under load
//!         |  dedup -> recorded time -> index -> leaf -> tree -> ONE write with fsync      (`commit`)
//!         |------------------------------------------------------------> Kafka's callers: durable
//!  followers               each log at its own pace: rows of its views, then its mark      (`crate::follow`)
//!         '------------------------------------------------------------> HTTP's callers: visible, or durable and not yet
//! ```
//!
//! One thread sequences, so order, recorded time and root are its alone and need no lock. Everything a restart needs
//! is in the same RocksDB write as the records (A2): there is no second file to agree with, but for `heads` and the views,
//! which are written later and only ever say less.
//!
//! # What a crash costs
//!
//! - Before the write: what was queued. Nobody was told.
//! - During the write: RocksDB replays the batch as a whole or not at all. Nobody was told. If it is whole, the records
//!   are there: a Kafka consumer goes on behind them, an HTTP client that tries again meets them as duplicates.
//! - After the write, before the views: nothing; the follower of each log goes on where its rows end.
//! - A power loss is the same, since the write returns when the disk has it (A5). Unacknowledged batches written after the last
//!   fsync may be lost, from the end, and of the views whatever was not on the disk; each write-ahead log is replayed up to the
//!   first hole. [`crate::database`] has what the two databases say of each other then.
//!
//! A write that fails (a full disk) fails its callers, and the store takes nothing more until it is opened again:
//! what the disk holds after a failed fsync can only be known by reading it back.

pub(crate) mod commit;
pub(crate) mod dedup;
pub(crate) mod heads;
pub(crate) mod ledger;
pub(crate) mod meta;
pub(crate) mod positions;
pub(crate) mod queue;
pub(crate) mod read;
pub(crate) mod recover;
pub(crate) mod schemas;
pub(crate) mod sequence;
mod staging;
pub(crate) mod state;
pub(crate) mod tiles;
