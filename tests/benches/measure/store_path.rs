//! The whole path of the store: records from memory to durable and visible, as the Kafka consumer hands them over and as
//! the HTTP intake does.
//!
//! As from Kafka: Avro, 12 partitions, groups of 10,000 with positions, four commits under way at most. As over HTTP: JSON,
//! projected and checked as the intake does, requests of up to 500 events of one tenant, 32 of them at once, each waiting
//! to see its own. Deduplication is on in both: by the views for Kafka, before the commit for HTTP.

use std::collections::{BTreeMap, VecDeque};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use anyhow::{Result, bail, ensure};
use bytes::Bytes;
use serde::{Deserialize, Serialize};
use tokio::runtime::Runtime;
use verdict_schemas::{EventId, KnownSchemas, Projection, Timestamp, project};
use verdict_store::{
    Appended, DedupKey, Incoming, KafkaPartition, LogName, Options, PendingCommit, Provenance, RawTime, SourcePosition,
    Store,
};

use crate::events::{Form, Ids, Made, PARTITIONS, Source, TENANTS};
use crate::process::{child, cpu_micros, disk_bytes};
use crate::table::{Table, micros, millis, percentile, whole};
use crate::{alternatives, postgres};

/// Records of a group as the consumer hands it over.
pub(crate) const KAFKA_GROUP: usize = 10_000;
/// Where the records come from.
const CLUSTER: &str = "MkU3OEVBNTcwNTJENDM2Qg";
const TOPIC: &str = "verdict.events.v1";
/// Groups that the consumer has under way at once.
const KAFKA_IN_FLIGHT: usize = 4;
/// Records of an HTTP request, and how many requests are under way.
const HTTP_GROUP: usize = 500;
const HTTP_CALLERS: usize = 32;
/// Appends of one event, to measure latency by.
const SINGLE: usize = 500;

/// Who feeds the store.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) enum Feed {
    /// As the Kafka consumer.
    Kafka,
    /// As the HTTP intake.
    Http,
}

/// What a child measures.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct Plan {
    feed: Feed,
    ids: Ids,
    events: u64,
}

/// What it found.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct Outcome {
    payload: f64,
    events: f64,
    /// From the first record handed over to the last one visible.
    seconds: f64,
    /// And to memtables written out.
    seconds_flushed: f64,
    cpu: f64,
    commits: u64,
    fsyncs: u64,
    disk: u64,
    latencies: (f64, f64),
}

/// How many events each run takes.
pub(crate) fn events() -> Result<u64> {
    Ok(std::env::var("EVENTS")
        .ok()
        .filter(|text| !text.is_empty())
        .map(|text| text.parse())
        .transpose()?
        .unwrap_or(500_000))
}

pub(crate) fn run() -> Result<()> {
    let events = events()?;
    let mut table = Table::new(
        "Store path: durable and visible",
        &[
            "feed",
            "ids",
            "cores",
            "payload B",
            "events/s",
            "flushed too",
            "CPU us/event",
            "disk B/event",
            "commits",
            "fsyncs",
            "events/commit",
            "1 event p50 ms",
            "p99 ms",
        ],
    );
    let both = std::thread::available_parallelism()?.get() > 1;
    let mut ours = BTreeMap::new();
    for (feed, ids) in [(Feed::Kafka, Ids::V4), (Feed::Kafka, Ids::V7), (Feed::Http, Ids::V4)] {
        for cores in if both { &["0", "0,1"][..] } else { &["0"] } {
            let found: Outcome = child(cores, "store", &Plan { feed, ids, events })?;
            ours.entry((format!("{feed:?}"), *cores))
                .or_insert(found.events / found.seconds);
            table.row([
                format!("{feed:?}"),
                format!("{ids:?}").to_lowercase(),
                cores.split(',').count().to_string(),
                whole(found.payload),
                whole(found.events / found.seconds),
                whole(found.events / found.seconds_flushed),
                format!("{:.2}", found.cpu / found.events),
                whole(found.disk as f64 / found.events),
                found.commits.to_string(),
                found.fsyncs.to_string(),
                whole(found.events / found.commits as f64),
                millis(found.latencies.0),
                millis(found.latencies.1),
            ]);
        }
    }
    table.note(format!(
        "{} events a run into an empty store; `Options::default()`: fsync before each acknowledgement, 1 GiB of memory, \
         deduplication and every view on. fsyncs are those the store counted.",
        whole(events as f64)
    ));
    table.note("CPU is that of the whole process, feeder and background threads too, up to the last event visible.");
    table.note("Disk is all files after closing and opening again: nothing is left in the write-ahead log.");
    table.note("One event: appended alone to the filled store when it is idle, until durable and visible; on the feed's cores.");
    table.print()?;
    alternatives::run(events, &ours)?;
    postgres::run(&ours)
}

/// Runs in a process of its own.
pub(crate) fn measure(plan: &Plan) -> Result<Outcome> {
    let folder = tempfile::Builder::new().prefix("verdict-bench-").tempdir()?;
    let begin = now()?;
    let form = if plan.feed == Feed::Kafka {
        Form::Avro
    } else {
        Form::Json
    };
    let source = Source::new(form, plan.ids, begin)?;
    let made: Vec<Made> = (0..plan.events)
        .map(|number| source.make(number))
        .collect::<Result<_>>()?;
    let payload = made.iter().map(|made| made.value.len()).sum::<usize>() as f64 / made.len() as f64;
    let singles: Vec<Made> = (plan.events..plan.events + SINGLE as u64)
        .map(|n| source.make(n))
        .collect::<Result<_>>()?;
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(2)
        .enable_all()
        .build()?;

    let (made, requests) = match plan.feed {
        Feed::Kafka => (made, Vec::new()),
        Feed::Http => (Vec::new(), requests(made)),
    };

    let store = Store::open(folder.path(), Options::default())?;
    let (used, begun) = (cpu_micros()?, Instant::now());
    match plan.feed {
        Feed::Kafka => {
            let mut partitions = Partitions::default();
            made.chunks(KAFKA_GROUP)
                .try_for_each(|group| partitions.hand_over(&store, &source, group))?;
            partitions.settle()?;
        }
        Feed::Http => feed_http(&runtime, &store, &source, requests)?,
    }
    wait_visible(&store)?;
    let (seconds, cpu) = (begun.elapsed().as_secs_f64(), cpu_micros()? - used);
    let counted = store.statistics();
    ensure!(
        counted.events == plan.events,
        "{} events were kept, not {}",
        counted.events,
        plan.events
    );

    // Let compaction come to an end: latency is that of an idle store.
    std::thread::sleep(Duration::from_secs(2));
    let latencies = single(&runtime, &store, &source, singles)?;
    let closing = Instant::now();
    store.close()?;
    let seconds_flushed = seconds + closing.elapsed().as_secs_f64();
    // The write-ahead log goes when nothing in it is needed, which RocksDB notices at the next opening.
    Store::open(folder.path(), Options::default())?.close()?;
    let disk = disk_bytes(folder.path())?.values().sum();
    Ok(Outcome {
        payload,
        events: plan.events as f64,
        seconds,
        seconds_flushed,
        cpu,
        commits: counted.commits,
        fsyncs: counted.fsyncs,
        disk,
        latencies,
    })
}

/// The present moment.
pub(crate) fn now() -> Result<Timestamp> {
    let micros = jiff::Timestamp::now().as_microsecond();
    Timestamp::from_micros(micros).ok_or_else(|| anyhow::anyhow!("the clock is out of range"))
}

/// Waits until everything handed over is visible.
pub(crate) fn wait_visible(store: &Store) -> Result<()> {
    let end = Instant::now() + Duration::from_secs(300);
    loop {
        let counted = store.statistics();
        if counted.queued_events == 0 && counted.not_visible == 0 {
            return Ok(());
        }
        if let Some(reason) = store.node_info()?.not_writable {
            bail!("the store takes nothing more: {reason}");
        }
        ensure!(Instant::now() < end, "not visible after five minutes: {counted:?}");
        std::thread::sleep(Duration::from_millis(1));
    }
}

/// Where the partitions of the topic stand.
#[derive(Debug, Default)]
pub(crate) struct Partitions {
    next: [u64; PARTITIONS as usize],
    pending: VecDeque<PendingCommit>,
}

impl Partitions {
    /// Hands a group over as the consumer does; waits while too many are under way.
    pub(crate) fn hand_over(&mut self, store: &Store, source: &Source, group: &[Made]) -> Result<()> {
        let (cluster, topic): (Arc<str>, Arc<str>) = (CLUSTER.into(), TOPIC.into());
        let mut records = Vec::with_capacity(group.len());
        for made in group {
            let tenant = &source.tenants[made.tenant];
            let partition = made.tenant % PARTITIONS as usize;
            let offset = self.next[partition];
            self.next[partition] += 1;
            let partition = u32::try_from(partition)?;
            let (cluster, topic) = (Arc::clone(&cluster), Arc::clone(&topic));
            records.push(Incoming {
                log: LogName::Tenant(tenant.clone()),
                source: SourcePosition::Kafka {
                    cluster,
                    topic,
                    partition,
                    offset,
                },
                // Copied, as out of librdkafka's buffers.
                key: Some(Bytes::copy_from_slice(tenant.as_str().as_bytes())),
                headers: vec![("content-type".to_owned(), Some(Bytes::from_static(b"avro/binary")))],
                value: Bytes::copy_from_slice(&made.value),
                // Kafka's append time has milliseconds.
                raw_time: Timestamp::from_micros(made.time.as_micros() / 1000 * 1000 + 1000)
                    .map_or(RawTime::Absent, RawTime::Broker),
                provenance: Provenance::Claimed,
                dedup: None,
                route: None,
            });
        }
        let ends = (0..PARTITIONS).zip(self.next).filter(|(_, next)| *next > 0);
        let ends = ends.map(|(partition, next)| {
            let (cluster, topic) = (Arc::clone(&cluster), Arc::clone(&topic));
            (
                KafkaPartition {
                    cluster,
                    topic,
                    partition,
                },
                next,
            )
        });
        self.pending
            .push_back(store.append_kafka(records, ends.collect(), Vec::new())?);
        while self.pending.len() >= KAFKA_IN_FLIGHT {
            self.settle_oldest()?;
        }
        Ok(())
    }

    /// Waits until all that was handed over is durable.
    pub(crate) fn settle(&mut self) -> Result<()> {
        while !self.pending.is_empty() {
            self.settle_oldest()?;
        }
        Ok(())
    }

    fn settle_oldest(&mut self) -> Result<()> {
        if let Some(commit) = self.pending.pop_front() {
            commit.wait()?;
        }
        Ok(())
    }
}

/// Cuts events into requests, each of one tenant.
fn requests(made: Vec<Made>) -> Vec<Vec<Made>> {
    let mut open: Vec<Vec<Made>> = vec![Vec::new(); TENANTS];
    let mut full = Vec::new();
    for made in made {
        let request = &mut open[made.tenant];
        request.push(made);
        if request.len() == HTTP_GROUP {
            full.push(std::mem::take(request));
        }
    }
    full.extend(open.into_iter().filter(|request| !request.is_empty()));
    full
}

fn feed_http(runtime: &Runtime, store: &Store, source: &Source, requests: Vec<Vec<Made>>) -> Result<()> {
    let (requests, next) = (Arc::new(requests), Arc::new(AtomicU64::new(0)));
    let tenants = Arc::new(source.tenants.clone());
    runtime.block_on(async {
        let callers: Vec<_> = (0..HTTP_CALLERS)
            .map(|_| {
                let (requests, next, tenants, store) = (
                    Arc::clone(&requests),
                    Arc::clone(&next),
                    Arc::clone(&tenants),
                    store.clone(),
                );
                tokio::spawn(async move {
                    loop {
                        let number = usize::try_from(next.fetch_add(1, Ordering::Relaxed))?;
                        let Some(request) = requests.get(number) else {
                            return anyhow::Ok(());
                        };
                        let judged = request
                            .iter()
                            .map(|made| intake(made, LogName::Tenant(tenants[made.tenant].clone())));
                        let receipt = store.append(judged.collect::<Result<_>>()?).await?;
                        let accepted = |result: &Appended| matches!(result, Appended::Accepted { .. });
                        ensure!(
                            receipt.results.iter().all(accepted),
                            "not accepted: {:?}",
                            receipt.results
                        );
                    }
                })
            })
            .collect();
        for caller in callers {
            caller.await??;
        }
        Ok(())
    })
}

/// An event as the intake hands it over: projected first, because what is malformed is refused there.
fn intake(made: &Made, log: LogName) -> Result<Incoming> {
    let decision = match project(&made.value, Some("application/json"), &KnownSchemas) {
        Projection::Decision(decision) => decision,
        other => bail!("the reference decision was not read: {other:?}"),
    };
    if let Some(tenant) = log.tenant() {
        decision
            .check_log(tenant)
            .map_err(|rejection| anyhow::anyhow!("{rejection}"))?;
    }
    Ok(Incoming {
        log,
        source: SourcePosition::Intake,
        key: None,
        headers: vec![("content-type".to_owned(), Some(Bytes::from_static(b"application/json")))],
        value: made.value.clone(),
        raw_time: RawTime::Now,
        provenance: Provenance::Authenticated { principal: None },
        dedup: Some(DedupKey {
            source: (&*decision.source).into(),
            event_id: EventId(made.id),
            intent: false,
        }),
        route: None,
    })
}

/// p50 and p99 in microseconds of appending one event when nothing else happens.
fn single(runtime: &Runtime, store: &Store, source: &Source, made: Vec<Made>) -> Result<(f64, f64)> {
    let mut took = Vec::with_capacity(made.len());
    for made in made {
        let tenant = source.tenants[made.tenant].clone();
        let Made { value, id, .. } = made;
        let record = Incoming {
            log: LogName::Tenant(tenant),
            source: SourcePosition::Intake,
            key: None,
            headers: Vec::new(),
            value,
            raw_time: RawTime::Now,
            provenance: Provenance::Claimed,
            dedup: Some(DedupKey {
                source: "spiffe://example.org/pdp".into(),
                event_id: EventId(id),
                intent: false,
            }),
            route: None,
        };
        let begun = Instant::now();
        runtime.block_on(store.append(vec![record]))?;
        took.push(micros(begun.elapsed()));
        std::thread::sleep(Duration::from_millis(2));
    }
    Ok((percentile(&mut took, 50), percentile(&mut took, 99)))
}
