//! How it is kept: the log with its Merkle trees, the views that are made of it, and the audit of both.
//!
//! A store is one directory. Records are handed to [`Store::append`] (HTTP) or [`Store::append_kafka`]; one thread gives
//! them their order, commits to them in a tree per log (RFC 6962) and writes them with one fsync per batch; followers of each
//! log make its views; questions read one snapshot of everything. The module `log` tells the story of a record, and
//! what a crash costs at each step; `follow` and `views` say what is made of it, and by whom.
//!
//! ```text
//! DIR/db          RocksDB with the log
//! DIR/views       RocksDB with what is made of it: may be missing, and is made anew then
//! DIR/heads       size and root of each log, kept outside the database: what it must at least hold
//! DIR/salt.key    the key that salts of commitments are derived from, unless it is configured
//! ```
//!
//! Invariants kept here: A1 append-only, A2 position, bytes and leaf become durable together, A3 roots and leaves can be
//! recomputed, A4 source offsets and leaves are in bijection, A5 what was acknowledged survives, A6 views rebuilt equal
//! views kept. Only this package names RocksDB.

mod audit;
mod clock;
mod cut;
mod database;
mod error;
mod follow;
mod guard;
mod incoming;
mod intake_keys;
mod keys;
mod layout;
mod leaf;
mod log;
mod memory;
mod names;
mod options;

mod read;
mod record;
mod salt;
mod shared;
mod statistics;
mod store;
mod tables;
mod views;

pub use audit::{AuditReport, Defect, LogAudit, audit};
pub use cut::{Late, LogCut};
pub use error::{AppendError, OpenError, StoreError};
pub use follow::{Followers, Standing, State};
pub use incoming::{
    ANONYMOUS, AppendReceipt, Appended, DedupKey, Gap, Incoming, LastStored, LogHead, PRINCIPAL_HEADER, Position,
    Provenance, RawTime, RawTimeKind, RouteFlag,
};
pub use intake_keys::{IntakeKeys, InvalidIntakeKeys, MAC_HEADER};
pub use leaf::{Leaf, SALT_HEADER, payload_digest};
pub use log::meta::BindError;
pub use log::schemas::Archived;
pub use names::{InvalidLogName, KafkaPartition, LogId, LogName, SourcePosition};
pub use options::Options;
pub use read::*;
pub use record::Record;
pub use salt::cluster_salt_key;
pub use shared::Feeds;
pub use statistics::Statistics;
pub use store::{NodeInfo, PendingCommit, Store};
pub use verdict_merkle::{Hash, LeafIndex, TreeSize};
pub use views::{CitedVersion, Coverage, Flag, SourceStats};
