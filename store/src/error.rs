//! What can go wrong, by what the caller can do about it.

use std::path::PathBuf;

use verdict_merkle::{LeafIndex, TreeSize};

use crate::names::LogName;

/// Reading or writing what is kept failed.
#[derive(Debug, Clone, thiserror::Error)]
pub enum StoreError {
    /// RocksDB failed: a disk, a checksum, a limit. Its message says which.
    #[error("the database failed: {0}")]
    Database(#[from] rocksdb::Error),
    /// A row is not what its table holds. The bytes are evidence; `verdict audit` names every such place.
    #[error("a row of `{table}` is not as written: {reason}")]
    Corrupt {
        /// The table.
        table: &'static str,
        /// Which row, and what is wrong with it.
        reason: String,
    },
    /// The tiles of a log do not hold the tree that its state says.
    #[error("the tree of log `{log}` can not be read: {reason}")]
    Tree {
        /// The log.
        log: String,
        /// What is missing.
        reason: String,
    },
    /// A question about a place that the log does not have.
    #[error("log `{log}` has {size} records, and no {asked}")]
    OutOfRange {
        /// The log.
        log: LogName,
        /// How many it has.
        size: TreeSize,
        /// What was asked for.
        asked: String,
    },
    /// There is no room on the disk to make rows anew beside those that there are.
    #[error("to make the views of the log anew takes some {needed} bytes of the disk, and {free} are free")]
    NoRoom {
        /// What it takes, roughly.
        needed: u64,
        /// What there is.
        free: u64,
    },
    /// Making the views failed in a way that is a fault of ours.
    #[error("the views could not be made: {0}")]
    Views(String),
    /// A thread panicked: a fault of ours.
    #[error("the thread that {thread} broke off: {reason}")]
    Broken {
        /// What it does.
        thread: &'static str,
        /// What the panic said.
        reason: String,
    },
    /// A file beside the database could not be read or written.
    #[error("`{path}`: {reason}")]
    File {
        /// The file.
        path: PathBuf,
        /// What the system said.
        reason: String,
    },
}

impl StoreError {
    /// A row that is not as written.
    pub(crate) fn corrupt(table: crate::tables::Table, reason: impl Into<String>) -> Self {
        Self::Corrupt {
            table: table.name(),
            reason: reason.into(),
        }
    }

    /// A file that could not be read or written.
    pub(crate) fn file(path: &std::path::Path, error: &std::io::Error) -> Self {
        Self::File {
            path: path.to_path_buf(),
            reason: error.to_string(),
        }
    }
}

/// The store can not be opened. Nothing was changed.
#[derive(Debug, thiserror::Error)]
pub enum OpenError {
    /// Reading it failed.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// Another process has it open.
    #[error("the store in `{0}` is open in another process")]
    Locked(PathBuf),
    /// It was written by a later release.
    #[error(
        "the store has format {found}, and this release knows up to {known}: use the release that wrote it, or a later one"
    )]
    Format {
        /// What it has.
        found: u32,
        /// The latest known here.
        known: u32,
    },
    /// It was written by a later release, which keeps more.
    #[error(
        "the store has a table `{0}` that this release does not know: use the release that wrote it, or a later one"
    )]
    Table(String),
    /// The database is older than what was published about it (`heads`).
    #[error(
        "log `{log}` has {found} records, but {published} were published: the database in `{dir}` is older than its \
         file `heads`. Restore the newer database. If it is lost, records that were acknowledged are lost with it: \
         move `heads` away to go on from the older one, and say so to those who rely on it"
    )]
    BehindHeads {
        /// The log.
        log: String,
        /// The records found.
        found: u64,
        /// The records published.
        published: u64,
        /// The data directory.
        dir: PathBuf,
    },
    /// The database holds other records than what was published about it (A1).
    #[error(
        "log `{log}` had root {published} at size {size} when it was published, and has {found} now: its history was \
         changed. Run `verdict audit` on a copy of `{dir}`"
    )]
    OtherRoot {
        /// The log.
        log: String,
        /// The size published.
        size: u64,
        /// The root published.
        published: String,
        /// The root found.
        found: String,
        /// The data directory.
        dir: PathBuf,
    },
    /// The last records of a log do not yield its leaves, or its leaves not its root (A3).
    #[error("log `{log}` is damaged at index {index}: {reason}. `verdict audit` names every such place")]
    DamagedTail {
        /// The log.
        log: String,
        /// The first bad index of the tail.
        index: LeafIndex,
        /// What does not agree.
        reason: String,
    },
    /// `heads` belongs to another store, or can not be read.
    #[error("the file `{path}` is not of this store: {reason}")]
    Heads {
        /// The file.
        path: PathBuf,
        /// Why.
        reason: String,
    },
    /// The salt key is missing or another one: leaves could not be recomputed.
    #[error("{0}")]
    SaltKey(String),
    /// The configuration makes no sense.
    #[error("{0}")]
    Options(String),
}

/// Records were not kept.
#[derive(Debug, Clone, thiserror::Error)]
pub enum AppendError {
    /// A write failed earlier, or a thread broke off. The store stays readable; it takes nothing until it is opened again.
    #[error(
        "the store takes no records any more ({0}): what was acknowledged is kept; make room or mend the disk, then restart"
    )]
    NotWritable(String),
    /// The write of these records failed: none of them is acknowledged; after a restart some may be there all the same.
    #[error("the records could not be written ({0}): the store takes no more until it is restarted")]
    WriteFailed(String),
    /// The store is being closed.
    #[error("the store is closing")]
    Closing,
    /// The caller's mistake: nothing of the batch was kept.
    #[error("the batch was refused: {0}")]
    Refused(String),
}
