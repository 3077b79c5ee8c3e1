//! `verdict serve`: wires the rooms together in one process.
//!
//! Order of start: access, listener, store (which checks itself), Kafka, and then the requests are let in. Order of stop, the
//! reverse: no request is cut off, nothing acknowledged is in memory only.

mod http;
mod log;
mod metrics;
mod opening;
mod owners;
mod reload;
mod tls;

use std::io;
use std::net::{SocketAddr, TcpListener};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum_server::Handle;
use tokio::task::JoinHandle;
use tower_http::catch_panic::CatchPanicLayer;
use tower_http::trace::{DefaultOnFailure, TraceLayer};
use verdict_edge::Edge;
use verdict_edge::access::Access;
use verdict_edge::body::BodyLimits;
use verdict_ingest::{Consumer, IntakeLimits, IntakeState, KafkaSettings, OpaSettings, Producer, Sink, cluster_id};
use verdict_query::{QueryState, Topics};
use verdict_store::{IntakeKeys, Options, Store, cluster_salt_key};

use crate::cli::ServeArgs;
use crate::config::{Config, KafkaConfig, partitions};
use crate::exit::{Failure, sentence};
use crate::output::{line, note};
use crate::serve::opening::Opening;
use crate::serve::owners::Others;
use crate::serve::tls::TlsFiles;

/// How long requests in flight get to finish when the server is told to stop.
const GRACE: Duration = Duration::from_secs(10);

/// How long the store gets to make visible what is durable, and to write its memory out. Whatever is left of it is done at
/// the next start.
const CLOSING: Duration = Duration::from_secs(60);

/// `verdict serve`
pub(crate) async fn run(args: &ServeArgs) -> Result<(), Failure> {
    log::to_stderr();
    let running = start(Config::read(args)?).await?;
    line(&format!("verdict serves {}://{}", running.scheme, running.address()))?;
    running.until_stopped().await
}

/// A server that is running.
pub(crate) struct Running {
    address: SocketAddr,
    store: Store,
    consumer: Option<Consumer>,
    scheme: &'static str,
    handle: Handle<SocketAddr>,
    server: JoinHandle<io::Result<()>>,
}

/// Starts everything that `config` asks for.
pub(crate) async fn start(config: Config) -> Result<Running, Failure> {
    reload::outlive_hangups();
    let access = access(&config)?;
    if !config.has_kafka()
        && (!config.kafka.properties.is_empty() || config.kafka.registry.is_some() || !config.kafka.schemas.is_empty())
    {
        return Err(Failure::Usage(
            "properties of Kafka, a registry or schemas are given, and no Kafka: add -X bootstrap.servers=HOST:PORT"
                .to_owned(),
        ));
    }
    let settings = config.has_kafka().then(|| kafka_settings(&config.kafka)).transpose()?;
    let others = Others::read(&config, &access)?;
    let tls = TlsFiles::of(&config.tls)?;
    let scheme = if tls.is_some() { "https" } else { "http" };
    let tls = tls.map(TlsFiles::watched).transpose()?;
    let listener = TcpListener::bind(config.listen)
        .map_err(|e| Failure::unreachable(format!("cannot listen on {}", config.listen), e))?;
    let address = listener.local_addr()?;
    let header_timeout = Duration::from_secs(config.http.header_timeout_seconds);
    let handle = Handle::new();
    let opening = Opening::default();
    let router = opening.router();
    let server = tokio::spawn(http::serve(listener, tls, router, header_timeout, handle.clone()));
    tracing::info!(%address, "listening; `/readyz` says when it is ready");
    match open(&config, others, access, settings, &opening).await {
        Ok((store, consumer)) => Ok(Running {
            address,
            store,
            consumer,
            scheme,
            handle,
            server,
        }),
        Err(failure) => {
            server.abort();
            Err(failure)
        }
    }
}

/// Opens the store, starts Kafka, and lets the requests in.
async fn open(
    config: &Config,
    others: Others,
    access: Access,
    settings: Option<KafkaSettings>,
    opening: &Opening,
) -> Result<(Store, Option<Consumer>), Failure> {
    let store = open_store(config, settings.clone()).await?;
    opening.store_is_open();
    let (sink, consumer) = match settings {
        Some(settings) => kafka(settings, &store).await?,
        None => (Sink::Store, None),
    };
    let edge = others.beside(Edge::new(store.clone(), access), consumer.as_ref())?;
    opening.finish(router(config, edge, sink, consumer.as_ref()));
    Ok((store, consumer))
}

impl Running {
    /// Where it listens.
    pub(crate) fn address(&self) -> SocketAddr {
        self.address
    }

    /// Serves until SIGINT or SIGTERM. A Kafka that can no longer be read does not end it: questions are answered from
    /// what was read, and `/readyz` and the metrics say so.
    pub(crate) async fn until_stopped(self) -> Result<(), Failure> {
        terminated().await;
        self.stop().await
    }

    /// Stops: no new requests, those in flight finish, then the consumer, then the store.
    pub(crate) async fn stop(self) -> Result<(), Failure> {
        let Self {
            store,
            consumer,
            handle,
            server,
            ..
        } = self;
        handle.graceful_shutdown(None);
        match tokio::time::timeout(GRACE, server).await {
            Ok(joined) => joined
                .map_err(io::Error::from)
                .and_then(|ended| ended)
                .map_err(|e| Failure::unreachable("the server broke", e))?,
            Err(_) => {
                handle.shutdown();
                note("requests were still running after ten seconds, and were cut off");
            }
        }
        let closed = tokio::task::spawn_blocking(move || {
            if let Some(consumer) = consumer {
                consumer.stop();
            }
            store.close()
        });
        match tokio::time::timeout(CLOSING, closed).await {
            Ok(closed) => closed
                .map_err(|e| Failure::unreachable("the store broke while closing", e))?
                .map_err(|e| Failure::unreachable("cannot close the store", e)),
            Err(_) => {
                note(
                    "the store was still making views after a minute: what is durable stays, and the next start makes them",
                );
                Ok(())
            }
        }
    }
}

fn access(config: &Config) -> Result<Access, Failure> {
    match &config.tokens {
        Some(_) if !config.listen.ip().is_loopback() && config.tls.cert.is_none() && !config.http.plaintext_tokens => {
            Err(Failure::Usage(format!(
                "on {} tokens would cross the network readable by whoever is on it: give --tls-cert FILE and --tls-key FILE, or, \
                 where something in front of this node speaks TLS or nobody else is on the network, --plaintext-tokens",
                config.listen
            )))
        }
        Some(path) => watched_tokens(path),
        None if config.listen.ip().is_loopback() => {
            tracing::warn!("no token file: every caller on this machine may read and write everything");
            Ok(Access::open())
        }
        None => Err(Failure::Usage(format!(
            "without a token file the server listens on loopback only, not on {}; give --tokens FILE, or \
             --listen 127.0.0.1:{}",
            config.listen,
            config.listen.port()
        ))),
    }
}

/// The tokens of a file, which is read again when it changes.
fn watched_tokens(path: &Path) -> Result<Access, Failure> {
    let (path, shown) = (path.to_owned(), path.display().to_string());
    let read = move || std::fs::read_to_string(&path).map_err(|e| format!("cannot read `{}`: {e}", path.display()));
    let text = read().map_err(|e| Failure::Usage(format!("token file: {e}")))?;
    let access = Access::parse(&text, &shown).map_err(|e| Failure::Usage(sentence(e)))?;
    let using = access.clone();
    reload::watch("token file", text, read, move |text| {
        let tokens = using.replace(Access::parse(text, &shown).map_err(sentence)?);
        tracing::info!(tokens, "requests from now on are let in by the new token file");
        Ok(())
    });
    Ok(access)
}

async fn open_store(config: &Config, kafka: Option<KafkaSettings>) -> Result<Store, Failure> {
    let (data, memory_bytes) = (config.data.clone(), config.store.memory_mib << 20);
    let salt_key_file = config.store.salt_key_file.clone();
    // Opening checks the tail of every log, and a cluster's id is asked for over the network: both block.
    let opened = tokio::task::spawn_blocking(move || {
        let salt_key = salt_key_file.as_ref().map(salt_key).transpose()?;
        let mut options = Options {
            memory_bytes,
            salt_key,
            ..Options::default()
        };
        if let (None, Some(settings)) = (salt_key, &kafka) {
            let cluster = cluster_id(settings).map_err(|e| Failure::unreachable("cannot consume Kafka", e))?;
            // Taken only by a store that has no key yet, so that replicas agree; see ARCHITECTURE.md, "Salts".
            options.new_salt_key = Some(cluster_salt_key(&cluster));
        }
        Store::open(&data, options).map_err(|e| Failure::unreachable(format!("cannot open `{}`", data.display()), e))
    });
    opened
        .await
        .map_err(|e| Failure::unreachable("the store broke while opening", e))?
}

/// 32 bytes, raw or as 64 hex digits.
pub(crate) fn salt_key(path: &PathBuf) -> Result<[u8; 32], Failure> {
    let shown = path.display();
    let bytes = std::fs::read(path).map_err(|e| Failure::Usage(format!("salt key file `{shown}`: {e}")))?;
    let raw = hex::decode(bytes.trim_ascii()).unwrap_or(bytes);
    raw.try_into().map_err(|_| {
        Failure::Usage(format!(
            "salt key file `{shown}`: expected 32 bytes, raw or as 64 hex digits"
        ))
    })
}

/// Kafka's part of the configuration, as `ingest` wants it.
pub(crate) fn kafka_settings(config: &KafkaConfig) -> Result<KafkaSettings, Failure> {
    let schema_files = config.schemas.iter().map(|(id, file)| match id.parse() {
        Ok(id) => Ok((id, file.clone())),
        Err(_) => Err(Failure::Usage(format!(
            "schema `{id}`: a Confluent schema id is a number"
        ))),
    });
    Ok(KafkaSettings {
        properties: config.properties.clone(),
        events_topic: config.events_topic.clone(),
        platform_topic: config.platform_topic.clone(),
        partitions: config.partitions.as_deref().map(partitions).transpose()?,
        registry: config.registry.clone(),
        schema_files: schema_files.collect::<Result<_, _>>()?,
        intake_keys: config.intake_key_file.as_deref().map(intake_keys).transpose()?,
    })
}

/// The keys by which intakes vouch for records.
pub(crate) fn intake_keys(path: &Path) -> Result<Arc<IntakeKeys>, Failure> {
    let wrong = |e: String| Failure::Usage(format!("intake key file `{}`: {e}", path.display()));
    let text = std::fs::read_to_string(path).map_err(|e| wrong(e.to_string()))?;
    let keys = IntakeKeys::parse(&text).map_err(|e| wrong(e.to_string()))?;
    Ok(Arc::new(keys))
}

async fn kafka(settings: KafkaSettings, store: &Store) -> Result<(Sink, Option<Consumer>), Failure> {
    let producer = Producer::new(&settings).map_err(|e| Failure::unreachable("cannot produce to Kafka", e))?;
    let consumer = Consumer::start(settings, store.clone())
        .await
        .map_err(|e| Failure::unreachable("cannot consume Kafka", e))?;
    Ok((Sink::Kafka(producer), Some(consumer)))
}

fn router(config: &Config, mut edge: Edge, sink: Sink, consumer: Option<&Consumer>) -> Router {
    let limits = IntakeLimits {
        body: BodyLimits {
            max_body_bytes: config.intake.max_body_mib << 20,
            max_decoded_bytes: config.intake.max_decoded_mib << 20,
            ..BodyLimits::default()
        },
        max_event_bytes: config.intake.max_event_kib << 10,
        max_events: config.intake.max_events,
    };
    let opa = Arc::new(OpaSettings {
        lease_ms: config.opa.lease_ms,
    });
    if let Some(consumer) = consumer {
        let health = consumer.health();
        edge = edge.with_part("kafka", move || health.check());
    }
    let intake = IntakeState {
        edge: edge.clone(),
        sink,
        limits,
        opa,
    };
    let topics = Topics {
        events: config.kafka.events_topic.clone(),
        platform: config.kafka.platform_topic.clone(),
    };
    let kafka = consumer.map(|consumer| (consumer.health(), consumer.metrics()));
    let doors = verdict_edge::router(edge.clone())
        .merge(verdict_query::router(QueryState::new(edge.clone()).with_topics(topics)))
        .merge(verdict_ingest::router(intake))
        .merge(metrics::router(edge.store().clone(), edge.metrics(), kafka));
    verdict_edge::finish(doors, &edge)
        .layer(CatchPanicLayer::new())
        // Whatever ends in a 5xx has said why on its own; a second line for each would bury it.
        .layer(TraceLayer::new_for_http().on_failure(DefaultOnFailure::new().level(tracing::Level::DEBUG)))
}

async fn terminated() {
    use tokio::signal::unix::{SignalKind, signal};
    let interrupt = tokio::signal::ctrl_c();
    match signal(SignalKind::terminate()) {
        Ok(mut terminate) => {
            tokio::select! {
                _ = interrupt => (),
                _ = terminate.recv() => (),
            }
        }
        Err(_) => drop(interrupt.await),
    }
}
