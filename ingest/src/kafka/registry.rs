//! Writer schemas behind a registry's ids and GUIDs: from files given at start, or from the registry.
//!
//! A record never waits for the registry. It is kept, flagged as awaiting its schema, and understood once the schema is
//! archived: the schemas that decode the evidence live with the evidence. Whoever reads records says which schemas they
//! name ([`Registry::want`]) and goes on; one task beside it asks for those that are not archived.
//!
//! Any five bytes that begin with a zero look like a reference, so a million names that no registry knows must cost
//! nothing but room that is bounded: [`book`] says which is asked for next, and how seldom. A registry that does not answer
//! is asked one thing at a time, ever less often, and its names lose nothing by that.

mod book;
mod fetch;

use std::hash::{DefaultHasher, Hash as _, Hasher as _};
use std::sync::Arc;
use std::time::{Duration, Instant};

use tokio::runtime::Handle;
use tokio::sync::mpsc;
use tokio::task::JoinSet;
use verdict_schemas::{Resolved, SCHEMA_ID_HEADER, SchemaRef, WriterSchema, WriterSchemas, schema_of};
use verdict_store::{Archived, Incoming, LogName, Store};

use self::book::{Book, backoff};
use self::fetch::{Client, Failure};
use super::KafkaSettings;
use super::error::StartError;
use super::health::KafkaHealth;
use crate::seldom::Seldom;

/// How many names may wait to be written into the book. Those that find no room come again with the next record, or are
/// found among those that records wait for.
const WANTED: usize = 4096;
/// How many look-ups are under way at once.
const AT_ONCE: usize = 4;
/// How often it is looked whether something is due.
const TICK: Duration = Duration::from_millis(250);
/// The time between two looks at what records wait for.
const LOOK: Duration = Duration::from_secs(10);
/// How many of what records wait for one look brings.
const BROUGHT: usize = 1000;

/// Where readers say which schemas records name.
#[derive(Clone)]
pub(super) struct Registry {
    schemas: Arc<dyn WriterSchemas>,
    wanted: Option<mpsc::Sender<(SchemaRef, u64)>>,
}

impl Registry {
    /// Archives the schema files, and begins to ask where there is a registry.
    pub(super) fn start(
        settings: &KafkaSettings,
        store: &Store,
        runtime: &Handle,
        health: &Arc<KafkaHealth>,
    ) -> Result<Self, StartError> {
        let wrong = |file: &std::path::Path, reason: String| StartError::SchemaFile {
            file: file.display().to_string(),
            reason,
        };
        for (id, file) in &settings.schema_files {
            let text = std::fs::read_to_string(file).map_err(|e| wrong(file, e.to_string()))?;
            let schema = WriterSchema::parse(&text).map_err(|e| wrong(file, e.to_string()))?;
            if store.archive_schema(&SchemaRef::Confluent(*id), &Arc::new(schema))? == Archived::MeansAnother {
                let reason = format!("schema {id} means another schema in this store, and always will");
                return Err(wrong(file, reason));
            }
        }
        let client = settings.registry.as_deref().map(Client::new).transpose();
        let client = client.map_err(|reason| StartError::Registry {
            url: settings.registry.clone().unwrap_or_default(),
            reason,
        })?;
        let wanted = client.map(|client| {
            let (wanted, wants) = mpsc::channel(WANTED);
            let client = Arc::new(client);
            runtime.spawn(verify(store.clone(), Arc::clone(&client)));
            let asking = runtime.spawn(Asking::new(store.clone(), client).run(wants));
            let health = Arc::clone(health);
            runtime.spawn(async move {
                if let Err(ended) = asking.await {
                    health.fail("asking the registry", &ended);
                }
            });
            wanted
        });
        Ok(Self {
            schemas: store.schemas(),
            wanted,
        })
    }

    /// A record came: the schema it names will be asked for, if it names one that is not archived. Never waits.
    pub(super) fn want(&self, record: &Incoming) {
        let Some(wanted) = &self.wanted else { return };
        // Only these are a registry's; the rest is told from it without a closer look.
        let named = record.value.first() == Some(&0) || record.headers.iter().any(|(name, _)| name == SCHEMA_ID_HEADER);
        if !named {
            return;
        }
        if let Some(reference) = schema_of(&record.value, record.framing())
            && matches!(self.schemas.resolve(&reference), Resolved::Unknown)
        {
            // Where there is no room it is left: see WANTED.
            let _ = wanted.try_send((reference, hash_of(&record.log)));
        }
    }
}

/// The task that asks.
struct Asking {
    store: Store,
    schemas: Arc<dyn WriterSchemas>,
    client: Arc<Client>,
    book: Book,
    under_way: JoinSet<(SchemaRef, Result<Archived, Failure>)>,
    /// While the registry does not answer: how often in a row, and when it is asked again.
    silent: Option<(u32, Instant)>,
    looked: Looked,
    none_found: Seldom,
    not_avro: Seldom,
}

/// Looks at what records wait for.
struct Looked {
    next: Instant,
    /// The last that was brought: the next look goes on behind it.
    last: Option<SchemaRef>,
}

impl Asking {
    fn new(store: Store, client: Arc<Client>) -> Self {
        let now = Instant::now();
        Self {
            schemas: store.schemas(),
            store,
            client,
            book: Book::new(now),
            under_way: JoinSet::new(),
            silent: None,
            looked: Looked { next: now, last: None },
            none_found: Seldom::new(),
            not_avro: Seldom::new(),
        }
    }

    /// Until no reader is left.
    async fn run(mut self, mut wanted: mpsc::Receiver<(SchemaRef, u64)>) {
        let mut tick = tokio::time::interval(TICK);
        let mut names = Vec::with_capacity(WANTED);
        loop {
            tokio::select! {
                read = wanted.recv_many(&mut names, WANTED) => {
                    if read == 0 {
                        return;
                    }
                    let now = Instant::now();
                    names.drain(..).for_each(|(name, log)| self.book.seen(name, log, now));
                }
                Some(done) = self.under_way.join_next() => match done {
                    Ok((name, found)) => self.answered(name, found),
                    // A panic is a fault of ours: the task ends with it, and that is told.
                    Err(ended) => std::panic::resume_unwind(Box::new(ended.to_string())),
                },
                _ = tick.tick() => {}
            }
            self.look();
            self.ask();
        }
    }

    /// Asks for what is due.
    fn ask(&mut self) {
        let now = Instant::now();
        // One that does not answer is only tried.
        let most = match self.silent {
            None => AT_ONCE,
            Some((_, again)) if now < again => 0,
            Some(_) => 1,
        };
        while self.under_way.len() < most {
            let Some(name) = self.book.next(now) else { return };
            if !matches!(self.schemas.resolve(&name), Resolved::Unknown) {
                self.book.forget(&name);
                continue;
            }
            let (client, store) = (Arc::clone(&self.client), self.store.clone());
            self.under_way.spawn(async move {
                let found = match client.schema(&name).await {
                    Ok(schema) => archive(store, name, schema).await,
                    Err(failure) => Err(failure),
                };
                (name, found)
            });
        }
    }

    fn answered(&mut self, name: SchemaRef, found: Result<Archived, Failure>) {
        let now = Instant::now();
        let reason = match found {
            Ok(archived) => {
                self.silent = None;
                self.book.forget(&name);
                return self.archived(name, archived, now);
            }
            Err(Failure::NotFound(reason)) => {
                self.silent = None;
                self.book.failed(&name, now);
                reason
            }
            Err(Failure::NoAnswer(reason)) => {
                let times = self.silent.map_or(0, |(times, _)| times);
                self.silent = Some((times.saturating_add(1), now + backoff(times)));
                self.book.put_off(&name, now);
                reason
            }
        };
        if let Some(times) = self.none_found.again(now) {
            tracing::warn!(
                %name,
                reason,
                times,
                "no schema from the registry; its records are kept and wait (so often since this was said last)"
            );
        }
    }

    fn archived(&self, name: SchemaRef, archived: Archived, now: Instant) {
        let schema = self.schemas.resolve(&name).known();
        match schema.as_ref().and_then(|schema| schema.unsupported_language()) {
            None => {
                tracing::info!(%name, ?archived, "archived the writer schema")
            }
            Some(language) => {
                if let Some(times) = self.not_avro.again(now) {
                    tracing::warn!(
                        %name,
                        language,
                        times,
                        "the registry says that a schema is not Avro; its records are malformed (unsupported_schema)"
                    );
                }
            }
        }
    }

    /// Looks at what records wait for: what was forgotten, or was there before the start.
    fn look(&mut self) {
        let now = Instant::now();
        if now >= self.looked.next {
            self.looked.next = now + LOOK;
            let waiting = self.store.awaiting_schemas();
            self.waiting(&waiting, now);
        }
    }

    /// Brings some of what records wait for, and with the next look others.
    fn waiting(&mut self, waiting: &[SchemaRef], now: Instant) {
        let from = waiting.partition_point(|name| Some(*name) <= self.looked.last);
        let some: Vec<_> = waiting[from..].iter().take(BROUGHT).copied().collect();
        self.looked.last = if some.len() == BROUGHT {
            some.last().copied()
        } else {
            None
        };
        for name in some {
            // No registry is asked for a fingerprint; and what is archived is being understood.
            let asked = matches!(name, SchemaRef::Confluent(_) | SchemaRef::Guid(_));
            if asked && matches!(self.schemas.resolve(&name), Resolved::Unknown) {
                let log = self.store.log_awaiting(&name).as_ref().map_or(0, hash_of);
                self.book.seen(name, log, now);
            }
        }
    }
}

/// A log, as the book knows it.
fn hash_of(log: &LogName) -> u64 {
    let mut hasher = DefaultHasher::new();
    log.hash(&mut hasher);
    hasher.finish()
}

async fn archive(store: Store, name: SchemaRef, schema: WriterSchema) -> Result<Archived, Failure> {
    let archived = tokio::task::spawn_blocking(move || store.archive_schema(&name, &Arc::new(schema))).await;
    match archived {
        Ok(archived) => archived.map_err(|error| Failure::NotFound(format!("it can not be archived: {error}"))),
        Err(ended) => Err(Failure::NotFound(format!("it can not be archived: {ended}"))),
    }
}

/// Compares what an earlier release archived with the registry, once: it took schemas that differ in logical types alone
/// for one. What an id means here stands; where the registry says otherwise, people are told.
async fn verify(store: Store, client: Arc<Client>) {
    for id in store.unverified_schemas() {
        let name = SchemaRef::Confluent(id);
        let mut failures = 0;
        let found = loop {
            match client.schema(&name).await {
                Ok(schema) => break Some(schema),
                Err(Failure::NotFound(reason)) => {
                    tracing::warn!(%name, reason, "an archived schema could not be compared with the registry");
                    break None;
                }
                Err(Failure::NoAnswer(_)) => {
                    tokio::time::sleep(backoff(failures)).await;
                    failures = failures.saturating_add(1);
                }
            }
        };
        let Some(schema) = found else { continue };
        let store = store.clone();
        match tokio::task::spawn_blocking(move || store.verify_schema(id, &schema)).await {
            Ok(Ok(true)) => {}
            Ok(Ok(false)) => tracing::error!(
                %name,
                "the registry has another schema under this id than the one that its records were read by: times or numbers \
                 in them may be wrong; read the topic anew into another data directory"
            ),
            Ok(Err(error)) => tracing::error!(%name, %error, "an archived schema could not be compared"),
            Err(ended) => tracing::error!(%name, %ended, "an archived schema could not be compared"),
        }
    }
}
