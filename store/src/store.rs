//! A store, open: the handle that the rest of the program holds.

use std::path::Path;
use std::sync::{Arc, OnceLock};
use std::thread::{self, JoinHandle};
use std::time::Duration;

use parking_lot::{Mutex, RwLock};
use tokio::sync::{oneshot, watch};
use uuid::Uuid;
use verdict_schemas::{SchemaRef, Timestamp, WriterSchema, WriterSchemas};

use crate::clock::{self, Clock};
use crate::database::Database;
use crate::error::{AppendError, OpenError, StoreError};
use crate::follow::{self, worker};
use crate::guard::guarded;
use crate::incoming::{AppendReceipt, Incoming};
use crate::leaf::Leaf;
use crate::log::commit::Committer;
use crate::log::heads::{Heads, Published};
use crate::log::ledger::Ledger;
use crate::log::meta;
use crate::log::queue::{Group, Origin, Queue};
use crate::log::schemas::{Archived, SchemaArchive};
use crate::log::{positions, recover, state};
use crate::memory::Memory;
use crate::names::LogName;
use crate::options::{LEAST_MEMORY, Options};
use crate::read::IntentCache;
use crate::record::Record;
use crate::salt::SaltKey;
use crate::shared::{Feeds, Shared};
use crate::statistics::{Counters, Statistics};
use crate::tables::Part;
use crate::views::context::Context;
use crate::views::opening;

mod followers;
mod kafka;

pub use kafka::PendingCommit;

/// A store. Cheap to clone; the last one dropped closes it.
#[derive(Clone)]
pub struct Store {
    open: Arc<Open>,
}

struct Open {
    shared: Arc<Shared>,
    threads: Mutex<Vec<JoinHandle<()>>>,
}

impl std::fmt::Debug for Store {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Store({})", self.open.shared.dir.display())
    }
}

/// Which store this is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NodeInfo {
    /// Its id, made when the data directory was.
    pub store: Uuid,
    /// The Kafka cluster it reads; `None` while it reads none.
    pub cluster: Option<String>,
    /// Why it takes no records; `None` while it does.
    pub not_writable: Option<String>,
}

impl Store {
    /// Opens the store in a directory, made when there is none, and checks it. What is missing in its views is made
    /// afterwards, log by log ([`Store::followers`]).
    ///
    /// # Errors
    /// [`OpenError`]: each says what to do. Nothing was changed.
    pub fn open(dir: &Path, options: Options) -> Result<Self, OpenError> {
        if options.memory_bytes < LEAST_MEMORY {
            return Err(OpenError::Options(format!(
                "a store needs at least {LEAST_MEMORY} bytes of memory"
            )));
        }
        std::fs::create_dir_all(dir).map_err(|error| StoreError::file(dir, &error))?;
        let memory = Memory::new(&options);
        let mut database = Database::open(dir, Part::Log, &memory, &options)?;
        // Behind the database's lock, so that two that start at once do not make two keys.
        let salt = SaltKey::find(dir, &options, true)?;
        let id = meta::open(&database, &salt, true)?;
        let promised = recover::check_heads(&database, dir, id, Published::read(dir)?.as_ref())?;
        recover::check_tails(&database, &salt, options.tail_check)?;

        let schemas = Arc::new(SchemaArchive::open(&database)?);
        meta::raise(&database)?;
        let views = Arc::new(opening::open((dir, id), &database, &memory, &options)?);
        if database.drop_former()? > 0 {
            tracing::info!(
                "the views have a database of their own now: the tables that they had beside the records are dropped"
            );
        }
        let database = Arc::new(database);
        let clock = Clock::new(promised);
        let dynamic: Arc<dyn WriterSchemas> = Arc::<SchemaArchive>::clone(&schemas);
        let databases = (id, Arc::clone(&database), views);
        let context = Context::between(databases, dynamic, &options);
        let ledger = Ledger::load(&database, options.hot_trees())?;
        let schedule = follow::schedule(&context, &options, &clock, ledger.states())?;
        let positions = positions::all(&database)?;
        let reached = positions
            .iter()
            .map(|(partition, position, _)| (partition.clone(), position.next))
            .collect();
        let intents = IntentCache::default();
        // A sixteenth of the memory is for the intent of the logs that are asked about.
        intents.bound(options.memory_bytes / 16);
        let shared = Arc::new(Shared {
            id,
            dir: dir.to_path_buf(),
            salt,
            schemas,
            context,
            schedule,
            intents,
            clock,
            queue: Queue::new(&options),
            heads: Heads::new(dir, id, ledger.states().map(state::LogState::head)),
            counters: Counters::default(),
            positions: RwLock::default(),
            reached: watch::Sender::new(reached),
            feeds: RwLock::default(),
            stopped: RwLock::default(),
            database,
            memory,
            options,
        });
        let committer = Committer::new(Arc::clone(&shared), ledger)?;
        let threads = Mutex::default();
        let open = Open {
            shared: Arc::clone(&shared),
            threads,
        };
        open.spawn("verdict-commit", "commits", move || committer.run())?;
        for number in 0..shared.options.view_workers.max(2) {
            let seen = Arc::clone(&shared);
            open.spawn(&format!("verdict-views-{number}"), worker::MAKES_VIEWS, move || {
                worker::run(&seen, number > 0);
            })?;
        }
        open.spawn("verdict-heads", "writes `heads`", move || {
            shared.heads.run(&shared.clock)
        })?;
        Ok(Self { open: Arc::new(open) })
    }

    /// Commits what waits, makes it visible, writes `heads`, and ends the threads. Appends fail from now on; reads go on
    /// while a clone or a snapshot is held.
    ///
    /// # Errors
    /// When RocksDB can not write its memtables out. Nothing acknowledged is lost by that.
    pub fn close(self) -> Result<(), StoreError> {
        self.open.close();
        if self.open.shared.not_writable().is_some() {
            return Ok(());
        }
        self.open.shared.database.flush()?;
        self.open.shared.context.views.flush()
    }

    pub(crate) fn shared(&self) -> &Arc<Shared> {
        &self.open.shared
    }

    /// Which store this is, and whether it takes records.
    ///
    /// # Errors
    /// When it can not be read.
    pub fn node_info(&self) -> Result<NodeInfo, StoreError> {
        let shared = &self.open.shared;
        let cluster = meta::cluster(&shared.database)?;
        Ok(NodeInfo {
            store: shared.id,
            cluster,
            not_writable: shared.not_writable(),
        })
    }

    /// Keeps records that came over HTTP: all of them or none. Resolves once they are durable (fsync) **and** visible to
    /// queries; where they do not become visible in time ([`Options::visible_within`]), the receipt says so. Waits while the
    /// queue is full. Dropping the future takes nothing back.
    ///
    /// # Errors
    /// [`AppendError`]: nothing was acknowledged.
    pub async fn append(&self, batch: Vec<Incoming>) -> Result<AppendReceipt, AppendError> {
        let (answer, mut answered) = oneshot::channel();
        self.writable()?;
        let shared = &self.open.shared;
        let durable = Arc::new(OnceLock::new());
        shared
            .queue
            .push(Group {
                records: batch,
                origin: Origin::Intake {
                    durable: Arc::clone(&durable),
                },
                answer,
            })
            .await?;
        loop {
            match tokio::time::timeout(shared.options.visible_within, &mut answered).await {
                Ok(Ok(answer)) => return answer,
                Ok(Err(_)) => return durable.get().cloned().ok_or_else(|| self.gone()),
                Err(_) => {
                    if let Some(receipt) = durable.get() {
                        return Ok(receipt.clone());
                    }
                }
            }
        }
    }

    fn writable(&self) -> Result<(), AppendError> {
        self.open
            .shared
            .not_writable()
            .map_or(Ok(()), |reason| Err(AppendError::NotWritable(reason)))
    }

    /// Why an answer never came: the store closes, or the thread broke off that had the records at hand, written or not.
    fn gone(&self) -> AppendError {
        let shared = &self.open.shared;
        if shared.queue.is_closed() {
            return AppendError::Closing;
        }
        let reason = shared.not_writable();
        AppendError::WriteFailed(reason.unwrap_or_else(|| "the thread that had them at hand broke off".to_owned()))
    }

    /// Archives the schema behind a reference, durably. Records that waited for it are understood soon after, as late
    /// facts: no answer given before changes. What was archived under a reference first stands.
    ///
    /// # Errors
    /// When it can not be written.
    pub fn archive_schema(&self, reference: &SchemaRef, schema: &Arc<WriterSchema>) -> Result<Archived, StoreError> {
        let shared = &self.open.shared;
        let archived = shared
            .schemas
            .add(&shared.database, *reference, schema, shared.clock.divide())?;
        if archived == Archived::New {
            // A schema archived under a registry's id is also known by its fingerprint.
            let own = SchemaRef::Fingerprint(schema.fingerprint());
            let mut names = vec![*reference, own];
            names.dedup();
            for name in names {
                let logs = shared.context.waiting.logs(&name);
                let logs = logs.map(|logs| logs.into_iter().collect());
                shared.schedule.understand(logs, &name);
            }
        }
        Ok(archived)
    }

    /// The schemas that records wait for: of so many that they are not all remembered, the latest.
    pub fn awaiting_schemas(&self) -> Vec<SchemaRef> {
        self.open.shared.context.waiting.references()
    }

    /// A log in which records wait for this schema; `None` where none is remembered, or it can not be read.
    pub fn log_awaiting(&self, reference: &SchemaRef) -> Option<LogName> {
        let shared = &self.open.shared;
        let log = shared.context.waiting.logs(reference)?.into_iter().next()?;
        Some(state::by_id(&*shared.database, log).ok()??.name)
    }

    /// The ids of the registry whose schemas an earlier release archived, and that were not compared with it since.
    pub fn unverified_schemas(&self) -> Vec<u32> {
        self.open.shared.schemas.unverified()
    }

    /// Compares what such an id means here with what the registry says; false if they read values differently. What it
    /// means here stands.
    ///
    /// # Errors
    /// When it can not be written that they were compared.
    pub fn verify_schema(&self, id: u32, schema: &WriterSchema) -> Result<bool, StoreError> {
        let shared = &self.open.shared;
        shared.schemas.verify(&shared.database, id, schema)
    }

    /// This machine's clock, in whole microseconds.
    pub fn machine_time() -> Timestamp {
        clock::machine()
    }

    /// By how much recorded time is ahead of this machine's clock; zero where it is not.
    pub fn ahead_by(&self) -> Duration {
        self.open.shared.clock.ahead_by()
    }

    /// The schemas archived, to interpret with.
    pub fn schemas(&self) -> Arc<dyn WriterSchemas> {
        Arc::<SchemaArchive>::clone(&self.open.shared.schemas)
    }

    /// Says which partition feeds which log: then what is not read of one holds back no question about another.
    pub fn set_feeds(&self, feeds: Feeds) {
        *self.open.shared.feeds.write() = Some(feeds);
    }

    /// The horizon of these logs (E3): the time up to which everything of them is held and visible. Nothing will be recorded
    /// at or before what is returned any more, where this node records by its own clock.
    pub fn horizon(&self, logs: &[&LogName]) -> Timestamp {
        let shared = &self.open.shared;
        shared.clock.horizon(&shared.whose(logs))
    }

    /// Promises that nothing will be recorded at or before `known_at` any more, as far as that is not past the horizon of
    /// these logs.
    pub fn promise(&self, known_at: Timestamp, logs: &[&LogName]) {
        let shared = &self.open.shared;
        shared.clock.promise(known_at, &shared.whose(logs));
    }

    /// The leaf of a record of a log: its bytes and hash, and the salt that its commitment was made with.
    pub fn leaf(&self, log: &LogName, record: &Record) -> Leaf {
        Leaf::of(log, record, &self.open.shared.salt)
    }

    /// What the store counts of itself.
    pub fn statistics(&self) -> Statistics {
        let shared = &self.open.shared;
        let (events, bytes) = shared.queue.depth();
        let counted = shared.counters.read();
        Statistics {
            not_visible: shared.schedule.followers().behind,
            queued_events: events as u64,
            queued_bytes: bytes as u64,
            database_memory: shared.memory.bytes(),
            database_disk: shared.database.disk_bytes() + shared.context.views.disk_bytes(),
            ..counted
        }
    }
}

impl Open {
    /// Starts a thread. If it breaks off, the store takes nothing more, and says so.
    fn spawn(&self, name: &str, does: &'static str, run: impl FnOnce() + Send + 'static) -> Result<(), OpenError> {
        let shared = Arc::clone(&self.shared);
        let run = move || {
            let ended = guarded(does, || {
                run();
                Ok(())
            });
            if let Err(broken) = ended {
                shared.stop_views(&broken);
            }
        };
        let thread = thread::Builder::new().name(name.to_owned()).spawn(run);
        let thread = thread.map_err(|error| OpenError::Options(format!("a thread could not be started: {error}")))?;
        self.threads.lock().push(thread);
        Ok(())
    }

    fn close(&self) {
        self.shared.queue.close();
        let threads = std::mem::take(&mut *self.threads.lock());
        for thread in threads {
            // In the order they were started: commits, views, and then the heads of what was committed.
            if thread.thread().name() == Some("verdict-heads") {
                self.shared.heads.close();
            }
            if thread.join().is_err() {
                tracing::error!("a thread of the store ended in a panic");
            }
        }
    }
}

impl Drop for Open {
    fn drop(&mut self) {
        self.close();
    }
}
