//! The consumer: one thread per topic, each a loop of *read a batch, hand it to the store, look at the end*.
//!
//! What a crash costs, step by step: before the store's commit, nothing (the batch is read again from the store's
//! position); after it, nothing (the position is in the same commit). What Kafka is told afterwards only feeds lag tools.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::JoinHandle;

use rdkafka::consumer::{BaseConsumer, Consumer as _};
use rdkafka::error::KafkaError;
use tokio::runtime::Handle;
use tokio::sync::watch;
use verdict_schemas::Timestamp;
use verdict_store::{AppendError, BindError, KafkaPartition, Store, StoreError};

use super::KafkaSettings;
use super::horizon::{Ends, Watching};
use super::metrics::KafkaMetrics;
use super::reader::{Reader, With};
use super::registry::Registry;
use super::resume::{self, Resume};
use super::route::{NoAppendTime, Origin};
use super::topics::{self, TopicsError};

/// Why a node does not start consuming.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    /// Kafka can not be reached, or a property is not one of librdkafka's.
    #[error("kafka: {0}")]
    Kafka(#[from] KafkaError),
    /// A topic is missing, or not as it must be.
    #[error(transparent)]
    Topics(#[from] TopicsError),
    /// The cluster does not say its id, which evidence is bound to.
    #[error("kafka does not tell its cluster id; Verdict needs brokers that do (KRaft, or 0.10.1 and later)")]
    NoClusterId,
    /// The store can not be read.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// The store was filled from another cluster, or the topic has another number of partitions than it had.
    #[error(transparent)]
    Bind(#[from] BindError),
    /// A partition that is not there.
    #[error("partition {partition} is not one of the {partitions} partitions of `{topic}`")]
    NoSuchPartition {
        /// The number given.
        partition: u32,
        /// The topic.
        topic: String,
        /// How many there are.
        partitions: u32,
    },
    /// The topic is not the one that was read before.
    #[error(
        "{partition} is not the partition that this store has read: {reason}. The topic was made anew, or an unclean \
         leader election lost records; appending to the log would hide that. Keep this data directory as evidence, and \
         consume the new topic with a new one"
    )]
    Recreated {
        /// The partition.
        partition: String,
        /// What was seen.
        reason: String,
    },
    /// A schema file can not be used.
    #[error("schema file `{file}`: {reason}")]
    SchemaFile {
        /// The file.
        file: String,
        /// Why.
        reason: String,
    },
    /// A thread can not be started.
    #[error("cannot start a thread: {0}")]
    Thread(#[from] std::io::Error),
}

/// Why consuming ended for good. What was acknowledged is safe; a restart goes on where it ended.
#[derive(Clone, Debug, thiserror::Error)]
#[error("{0}")]
pub struct ConsumerFailure(Arc<str>);

/// What ends a reader's loop.
#[derive(Debug, thiserror::Error)]
pub(super) enum ReadError {
    #[error(transparent)]
    NoAppendTime(#[from] NoAppendTime),
    #[error("the store does not take records: {0}")]
    Append(#[from] AppendError),
    #[error(transparent)]
    Start(#[from] StartError),
    #[error("kafka: {0}")]
    Kafka(#[from] KafkaError),
}

/// A running consumer of both topics.
pub struct Consumer {
    stop: Arc<AtomicBool>,
    threads: Vec<JoinHandle<()>>,
    failure: watch::Receiver<Option<ConsumerFailure>>,
    metrics: Vec<Arc<KafkaMetrics>>,
}

impl Consumer {
    /// Checks both topics, decides where to go on, and starts to read.
    ///
    /// # Errors
    /// [`StartError`], each with what to do about it.
    pub async fn start(settings: KafkaSettings, store: Store) -> Result<Self, StartError> {
        let partitions = topics::check(&settings).await?;
        let runtime = Handle::current();
        // librdkafka's look-ups block.
        let started =
            tokio::task::spawn_blocking(move || Self::start_blocking(&settings, &store, partitions, &runtime)).await;
        started.unwrap_or_else(|panicked| Err(StartError::Thread(std::io::Error::other(panicked))))
    }

    fn start_blocking(
        settings: &KafkaSettings,
        store: &Store,
        partitions: u32,
        runtime: &Handle,
    ) -> Result<Self, StartError> {
        let client: BaseConsumer = settings.consumer().create()?;
        let cluster = client
            .client()
            .fetch_cluster_id(super::resume::TIMEOUT)
            .ok_or(StartError::NoClusterId)?;
        let cluster: Arc<str> = cluster.into();
        store.bind_topic(&cluster, &settings.events_topic, partitions)?;
        store.bind_topic(&cluster, &settings.platform_topic, 1)?;
        let origin = Origin {
            cluster,
            events_topic: settings.events_topic.as_str().into(),
            platform_topic: settings.platform_topic.as_str().into(),
            partitions,
        };
        let owned = owned(settings, partitions)?;
        let stop = Arc::new(AtomicBool::new(false));
        let (failed, failure) = watch::channel(None);
        let mut consumer = Self {
            stop,
            threads: Vec::new(),
            failure,
            metrics: Vec::new(),
        };
        let topics = [(&origin.events_topic, owned), (&origin.platform_topic, vec![0])];
        let mut readers = Vec::new();
        // Every reader is planned before the first one runs, so that a start that is refused has changed nothing.
        for (topic, numbers) in topics {
            let metrics = Arc::new(KafkaMetrics::default());
            consumer.metrics.push(Arc::clone(&metrics));
            let registry = Registry::new(settings, store.clone(), runtime.clone())?;
            let (store, origin, runtime) = (store.clone(), origin.clone(), runtime.clone());
            readers.push(reader(
                settings,
                topic,
                &numbers,
                With {
                    store,
                    origin,
                    metrics,
                    registry,
                    runtime,
                },
            )?);
        }
        for reader in readers {
            consumer.spawn(reader, failed.clone())?;
        }
        Ok(consumer)
    }

    fn spawn(&mut self, reader: Reader, failed: watch::Sender<Option<ConsumerFailure>>) -> Result<(), StartError> {
        let stop = Arc::clone(&self.stop);
        let thread = std::thread::Builder::new().name("kafka".to_owned()).spawn(move || {
            if let Err(error) = reader.run(&stop) {
                tracing::error!(%error, "consuming ended");
                failed.send_replace(Some(ConsumerFailure(error.to_string().into())));
            }
        })?;
        self.threads.push(thread);
        Ok(())
    }

    /// Resolves when consuming ended for good, with why.
    pub async fn failure(&self) -> ConsumerFailure {
        let mut failure = self.failure.clone();
        let waited = failure.wait_for(Option::is_some).await.map(|found| found.clone());
        match waited {
            Ok(Some(found)) => found,
            // Both readers are gone without a word: they were told to stop.
            Ok(None) | Err(_) => std::future::pending().await,
        }
    }

    /// What is counted, per topic.
    pub fn metrics(&self) -> Vec<Arc<KafkaMetrics>> {
        self.metrics.clone()
    }

    /// Stops reading. What was read and not committed is read again after the next start.
    pub fn stop(mut self) {
        self.stop.store(true, Ordering::Relaxed);
        for thread in self.threads.drain(..) {
            if thread.join().is_err() {
                tracing::error!("a consumer thread panicked");
            }
        }
    }
}

/// The partitions of the events topic that this node owns.
fn owned(settings: &KafkaSettings, partitions: u32) -> Result<Vec<u32>, StartError> {
    let Some(given) = &settings.partitions else {
        return Ok((0..partitions).collect());
    };
    match given.iter().find(|p| **p >= partitions) {
        None => Ok(given.clone()),
        Some(partition) => Err(StartError::NoSuchPartition {
            partition: *partition,
            topic: settings.events_topic.clone(),
            partitions,
        }),
    }
}

fn reader(settings: &KafkaSettings, topic: &Arc<str>, numbers: &[u32], with: With) -> Result<Reader, StartError> {
    let watching = Watching::default();
    let mut config = settings.consumer();
    config.set("statistics.interval.ms", "250");
    let consumer: BaseConsumer<Watching> = config.create_with_context(watching.clone())?;
    let plans: Result<Vec<Resume>, StartError> = numbers
        .iter()
        .map(|number| {
            let (cluster, topic) = (Arc::clone(&with.origin.cluster), Arc::clone(topic));
            let partition = KafkaPartition {
                cluster,
                topic,
                partition: *number,
            };
            let held = with.store.position(&partition);
            resume::plan(&consumer, partition, held, now())
        })
        .collect();
    let plans = plans?;
    let begins = plans.iter().map(|p| (p.partition.clone(), p.offset)).collect();
    let watcher = settings.watcher().create()?;
    let ends = Ends::new(
        Arc::clone(topic),
        begins,
        watcher,
        watching,
        with.store.clone(),
        Arc::clone(&with.metrics),
    );
    Ok(Reader::new(consumer, plans, ends, with))
}

/// The clock, in whole microseconds.
pub(super) fn now() -> Timestamp {
    let since = std::time::SystemTime::now()
        .duration_since(std::time::UNIX_EPOCH)
        .unwrap_or_default();
    i64::try_from(since.as_micros())
        .ok()
        .and_then(Timestamp::from_micros)
        .unwrap_or(Timestamp::MIN)
}

/// The id of the cluster behind `bootstrap.servers`: what evidence is bound to. Blocks.
///
/// # Errors
/// When Kafka can not be reached, or does not tell.
pub fn cluster_id(settings: &KafkaSettings) -> Result<String, StartError> {
    let client: BaseConsumer = settings.consumer().create()?;
    // Metadata first: its failure says why Kafka can not be reached, a missing id does not.
    client.fetch_metadata(None, resume::TIMEOUT)?;
    client
        .client()
        .fetch_cluster_id(resume::TIMEOUT)
        .ok_or(StartError::NoClusterId)
}
