//! What the threads of a store share.

use std::collections::HashMap;
use std::path::PathBuf;
use std::sync::Arc;

use parking_lot::RwLock;
use tokio::sync::watch;
use uuid::Uuid;

use crate::clock::{Clock, Whose};
use crate::database::Database;
use crate::error::StoreError;
use crate::follow::schedule::Schedule;
use crate::incoming::Position;
use crate::log::heads::Heads;
use crate::log::queue::Queue;
use crate::log::schemas::SchemaArchive;
use crate::memory::Memory;
use crate::names::{KafkaPartition, LogName};
use crate::options::Options;
use crate::read::IntentCache;
use crate::salt::SaltKey;
use crate::statistics::Counters;
use crate::views::context::Context;

/// One store, open.
pub(crate) struct Shared {
    pub(crate) id: Uuid,
    pub(crate) dir: PathBuf,
    pub(crate) options: Options,
    /// The log's; that of the views is in `context`.
    pub(crate) database: Arc<Database>,
    pub(crate) memory: Memory,
    pub(crate) salt: SaltKey,
    pub(crate) schemas: Arc<SchemaArchive>,
    /// What makers of views work with, and who of them has work.
    pub(crate) context: Context,
    pub(crate) schedule: Schedule,
    /// What questions remember of the intent of logs.
    pub(crate) intents: IntentCache,
    pub(crate) clock: Clock,
    pub(crate) queue: Queue,
    pub(crate) heads: Heads,
    pub(crate) counters: Counters,
    /// Positions as last committed; the committer publishes them.
    pub(crate) positions: RwLock<HashMap<KafkaPartition, Position>>,
    /// Next offsets: the records before them are durable.
    pub(crate) reached: watch::Sender<HashMap<KafkaPartition, u64>>,
    /// Which partition feeds a log, as whoever reads Kafka says.
    pub(crate) feeds: RwLock<Option<Feeds>>,
    pub(crate) stopped: RwLock<Stopped>,
}

/// Gives the partition that feeds a log; `None` where none does, or it is not known.
pub type Feeds = Box<dyn Fn(&LogName) -> Option<KafkaPartition> + Send + Sync>;

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
        let reason = self.stopped.write().views.get_or_insert(reason).clone();
        self.schedule.stop();
        reason
    }

    /// What a question about these logs has for a horizon.
    pub(crate) fn whose(&self, logs: &[&LogName]) -> Whose {
        let feeds = self.feeds.read();
        let partitions = feeds
            .as_ref()
            .map(|feeds| logs.iter().map(|log| feeds(log)).collect::<Option<Vec<_>>>());
        Whose {
            logs: logs.iter().filter_map(|log| self.schedule.log(log)).collect(),
            partitions: partitions.flatten(),
        }
    }
}
