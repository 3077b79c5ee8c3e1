//! What the threads of a store share.

use std::collections::{BTreeMap, HashMap};
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::AtomicU64;
use std::time::Instant;

use parking_lot::{Mutex, RwLock};
use tokio::sync::watch;
use uuid::Uuid;
use verdict_schemas::SchemaRef;

use crate::clock::Clock;
use crate::database::Database;
use crate::error::StoreError;
use crate::incoming::Position;
use crate::log::heads::Heads;
use crate::log::pipeline::Rebuilds;
use crate::log::queue::Queue;
use crate::log::schemas::SchemaArchive;
use crate::names::KafkaPartition;
use crate::options::Options;
use crate::salt::SaltKey;
use crate::statistics::Counters;
use crate::views::Visible;

/// One store, open.
pub(crate) struct Shared {
    pub(crate) id: Uuid,
    pub(crate) dir: PathBuf,
    pub(crate) options: Options,
    pub(crate) database: Arc<Database>,
    pub(crate) salt: SaltKey,
    pub(crate) schemas: Arc<SchemaArchive>,
    pub(crate) visible: Arc<Visible>,
    pub(crate) clock: Clock,
    pub(crate) queue: Queue,
    pub(crate) heads: Heads,
    pub(crate) counters: Counters,
    /// Positions as last committed; the committer publishes them.
    pub(crate) positions: RwLock<HashMap<KafkaPartition, Position>>,
    /// Next offsets whose records are visible.
    pub(crate) reached: watch::Sender<HashMap<KafkaPartition, u64>>,
    /// The number of the last batch whose views are made.
    pub(crate) visible_batch: AtomicU64,
    /// Since when the view thread has been at what it is at; `None` while it waits.
    pub(crate) making_since: Mutex<Option<Instant>>,
    pub(crate) stopped: RwLock<Stopped>,
    pub(crate) rebuilds: Rebuilds,
    /// References that got a meaning, and whose records were not looked for yet. Lost in a crash, and found again at open.
    pub(crate) archived: Mutex<Vec<SchemaRef>>,
}

/// Why the store takes nothing more.
#[derive(Debug, Default)]
pub(crate) struct Stopped {
    writing: Option<String>,
    views: Option<String>,
}

impl Shared {
    /// Why nothing can be written; `None` while it can.
    pub(crate) fn not_writable(&self) -> Option<String> {
        self.stopped.read().writing.clone()
    }

    /// Why nothing becomes visible; `None` while it does.
    pub(crate) fn not_visible(&self) -> Option<String> {
        self.stopped.read().views.clone()
    }

    /// Takes nothing more from now on: what the disk holds is only known after it is read back. Gives the reason, which
    /// is that of the first failure.
    pub(crate) fn stop(&self, error: &StoreError) -> String {
        tracing::error!(%error, "the store is readable, and takes nothing until it is opened again");
        self.stopped
            .write()
            .writing
            .get_or_insert_with(|| error.to_string())
            .clone()
    }

    /// As [`Shared::stop`], because views could not be made.
    pub(crate) fn stop_views(&self, error: &StoreError) -> String {
        let reason = self.stop(error);
        self.stopped.write().views.get_or_insert(reason).clone()
    }

    /// The records of these partitions before these offsets are visible.
    pub(crate) fn reached(&self, partitions: BTreeMap<KafkaPartition, u64>) {
        if !partitions.is_empty() {
            self.reached.send_modify(|reached| reached.extend(partitions));
        }
    }
}
