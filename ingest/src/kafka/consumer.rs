//! The consumer: of each topic a poller, a reader and a lookout, each a thread; of both one that asks for schemas.
//!
//! What a crash costs, step by step: before the store's commit, nothing (the batch is read again from the store's
//! position); after it, nothing (the position is in the same commit). What Kafka is told afterwards only feeds lag tools.

use std::fmt::Display;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc;
use std::thread::JoinHandle;

use rdkafka::consumer::{BaseConsumer, Consumer as _};
use tokio::runtime::Handle;
use verdict_schemas::Timestamp;
use verdict_store::{KafkaPartition, Store};

use super::KafkaSettings;
use super::clock::now;
use super::error::{ReadError, StartError};
use super::health::KafkaHealth;
use super::horizon::{Lookout, Progress, Watching};
use super::metrics::KafkaMetrics;
use super::poll::{CHUNKS, Poller};
use super::reader::{Reader, With};
use super::registry::Registry;
use super::resume::{self, Resume};
use super::route::Origin;
use super::topics;

/// A running consumer of both topics.
pub struct Consumer {
    stop: Arc<AtomicBool>,
    threads: Vec<JoinHandle<()>>,
    health: Arc<KafkaHealth>,
    metrics: Vec<Arc<KafkaMetrics>>,
    partitions: u32,
    owned: Vec<u32>,
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
            intake_keys: settings.intake_keys.clone(),
        };
        let owned = owned(settings, partitions)?;
        let topics = [(&origin.events_topic, owned.clone()), (&origin.platform_topic, vec![0])];
        let mut planned = Vec::new();
        // Every topic is planned before the first one is read, so that a start that is refused has changed nothing.
        for (topic, numbers) in topics {
            planned.push(plan(settings, store, &origin, topic, &numbers)?);
        }
        let metrics: Vec<_> = planned.iter().map(|planned| Arc::clone(&planned.metrics)).collect();
        let health = Arc::new(KafkaHealth::new(metrics.clone()));
        let registry = Registry::start(settings, store, runtime, &health)?;
        let feeding = origin.clone();
        store.set_feeds(Box::new(move |log| Some(feeding.feeds(log))));
        let mut consumer = Self {
            stop: Arc::new(AtomicBool::new(false)),
            threads: Vec::new(),
            health,
            metrics,
            partitions,
            owned,
        };
        for planned in planned {
            consumer.read(planned, &origin, store, runtime, registry.clone())?;
        }
        Ok(consumer)
    }

    /// Starts the three threads of a topic.
    fn read(
        &mut self,
        planned: Planned,
        origin: &Origin,
        store: &Store,
        runtime: &Handle,
        registry: Registry,
    ) -> Result<(), StartError> {
        let Planned {
            topic,
            consumer,
            watching,
            uncommitted,
            plans,
            metrics,
        } = planned;
        for plan in &plans {
            // From here on the horizon is Kafka's, and nothing is known of its end yet.
            store.set_horizon(&plan.partition, Timestamp::MIN);
        }
        let progress = plans.iter().map(|plan| (plan.partition.clone(), plan.offset));
        let progress = Arc::new(Progress::new(progress));
        let (heard, hears) = mpsc::sync_channel(CHUNKS);
        let (assigned, awaits) = mpsc::channel();
        let poller = Poller {
            consumer: Arc::clone(&consumer),
            watching,
            origin: origin.clone(),
            heard,
            assigned: awaits,
        };
        let lookout = Lookout {
            consumer: Arc::clone(&consumer),
            uncommitted,
            progress: Arc::clone(&progress),
            store: store.clone(),
            metrics: Arc::clone(&metrics),
            runtime: runtime.clone(),
        };
        let reader = Reader::new(
            plans,
            With {
                consumer,
                cluster: Arc::clone(&origin.cluster),
                topic: Arc::clone(&topic),
                store: store.clone(),
                heard: hears,
                assigned,
                progress,
                metrics,
                registry,
            },
        );
        self.spawn("kafka-poll", format!("polling {topic}"), |stop| poller.run(stop))?;
        self.spawn(
            "kafka-read",
            format!("reading {topic}"),
            |stop| -> Result<(), ReadError> { reader.run(stop) },
        )?;
        self.spawn("kafka-ends", format!("looking at the ends of {topic}"), |stop| {
            lookout.run(stop);
            Ok::<(), StartError>(())
        })
    }

    fn spawn<E: Display>(
        &mut self,
        name: &str,
        what: String,
        work: impl FnOnce(&AtomicBool) -> Result<(), E> + Send + 'static,
    ) -> Result<(), StartError> {
        let (stop, health) = (Arc::clone(&self.stop), Arc::clone(&self.health));
        let thread = std::thread::Builder::new()
            .name(name.to_owned())
            .spawn(move || health.watch(&what, || work(&stop)))?;
        self.threads.push(thread);
        Ok(())
    }

    /// How many partitions the events topic has.
    pub fn partitions(&self) -> u32 {
        self.partitions
    }

    /// Those of them that this node reads.
    pub fn owned(&self) -> &[u32] {
        &self.owned
    }

    /// Whether both topics are being read.
    pub fn health(&self) -> Arc<KafkaHealth> {
        Arc::clone(&self.health)
    }

    /// What is counted, per topic.
    pub fn metrics(&self) -> Vec<Arc<KafkaMetrics>> {
        self.metrics.clone()
    }

    /// Stops reading. What was read and not committed is read again after the next start.
    pub fn stop(mut self) {
        self.stop.store(true, Ordering::Relaxed);
        for thread in self.threads.drain(..) {
            // What it panicked with was told where it ended.
            let _ = thread.join();
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

/// A topic that is about to be read.
struct Planned {
    topic: Arc<str>,
    consumer: Arc<BaseConsumer<Watching>>,
    watching: Watching,
    uncommitted: BaseConsumer,
    plans: Vec<Resume>,
    metrics: Arc<KafkaMetrics>,
}

fn plan(
    settings: &KafkaSettings,
    store: &Store,
    origin: &Origin,
    topic: &Arc<str>,
    numbers: &[u32],
) -> Result<Planned, StartError> {
    let watching = Watching::default();
    let mut config = settings.consumer();
    config.set("statistics.interval.ms", "250");
    let consumer: BaseConsumer<Watching> = config.create_with_context(watching.clone())?;
    let plans = numbers.iter().map(|number| {
        let partition = KafkaPartition {
            cluster: Arc::clone(&origin.cluster),
            topic: Arc::clone(topic),
            partition: *number,
        };
        let held = store.position(&partition);
        resume::plan(&consumer, partition, held, now())
    });
    let plans = plans.collect::<Result<_, _>>()?;
    Ok(Planned {
        topic: Arc::clone(topic),
        consumer: Arc::new(consumer),
        watching,
        uncommitted: settings.watcher().create()?,
        plans,
        metrics: Arc::default(),
    })
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
