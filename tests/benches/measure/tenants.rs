//! What one tenant's events cost the others: how long one well-behaved tenant waits for each of its events to be durable and
//! visible, alone, beside thirty tenants who send the worst that we could devise, and while the views of a large log are
//! made anew.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result};
use bytes::Bytes;
use serde_json::{Value, json};
use tokio::runtime::Runtime;
use uuid::Uuid;
use verdict_schemas::{EventId, Timestamp};
use verdict_store::{DedupKey, Incoming, LogName, Options, Provenance, RawTime, SourcePosition, Store};

use crate::process::child;
use crate::store_path::now;
use crate::table::{Table, millis, percentile};

/// Events of the well-behaved tenant in each of the runs, and the pause between two of them.
const SAMPLES: usize = 400;
const PAUSE: Duration = Duration::from_millis(10);
/// Tenants of each sort of the worst.
const OF_EACH: usize = 6;
/// Requests that each has under way.
const UNDER_WAY: usize = 2;
/// Series of the agent that is seen in many, and versions that a late decision cites.
const SERIES: usize = 2000;
const CITED: usize = 500;
/// Records of the log that is made anew.
const REBUILT: u64 = 200_000;

/// Percentiles in microseconds.
#[derive(Clone, Copy, Debug, serde::Serialize, serde::Deserialize)]
pub(crate) struct Waits {
    p50: f64,
    p99: f64,
    max: f64,
}

/// What was found.
#[derive(Clone, Debug, serde::Serialize, serde::Deserialize)]
pub(crate) struct Outcome {
    idle: Waits,
    beside: Waits,
    /// Records of the worst that were committed, and of which views were made, meanwhile.
    sent: u64,
    made: u64,
    before_rebuild: Waits,
    rebuilding: Waits,
    /// Samples during which the views were still being made anew.
    while_rebuilding: usize,
    rebuild_seconds: f64,
}

pub(crate) fn run() -> Result<()> {
    let both = std::thread::available_parallelism()?.get() > 1;
    let found: Outcome = child(if both { "0,1" } else { "0" }, "tenants", &())?;
    let mut table = Table::new(
        "One event of a well-behaved tenant: durable and visible",
        &["beside", "p50 ms", "p99 ms", "max ms", "p99 / idle"],
    );
    let mut row = |beside: String, waits: Waits, idle: Waits| {
        table.row([
            beside,
            millis(waits.p50),
            millis(waits.p99),
            millis(waits.max),
            format!("{:.2}", waits.p99 / idle.p99),
        ]);
    };
    row("nobody".to_owned(), found.idle, found.idle);
    row(format!("{} of the worst", 5 * OF_EACH), found.beside, found.idle);
    row(
        "nobody, after 200,000 records of another".to_owned(),
        found.before_rebuild,
        found.before_rebuild,
    );
    row(
        "those being made anew".to_owned(),
        found.rebuilding,
        found.before_rebuild,
    );
    table.note(format!(
        "{SAMPLES} events each, one after the other, {} ms apart, on both cores, with fsync. The worst sent {} records meanwhile, of \
         which views of {} were made.",
        PAUSE.as_millis(),
        found.sent,
        found.made
    ));
    table.note(format!(
        "Of the last row {} events fell into the {:.1} s that the views took to be made anew.",
        found.while_rebuilding, found.rebuild_seconds
    ));
    table.note(
        "The worst: leases of a millisecond an hour late in 2,000 series, decisions an hour late that cite 500 versions, ever longer \
         leases ever later, a new instance in each event, and the heartbeats of one instance in as many series as an event holds.",
    );
    table.print()
}

/// Runs in a process of its own.
pub(crate) fn measure() -> Result<Outcome> {
    let folder = tempfile::Builder::new().prefix("verdict-bench-").tempdir()?;
    let options = Options {
        // The worst do not wait for what they send: the well-behaved one waits by itself.
        visible_within: Duration::from_millis(20),
        ..Options::default()
    };
    let store = Store::open(folder.path(), options)?;
    let runtime = Runtime::new()?;
    let number = AtomicU64::new(0);
    let good = |_: usize| runtime.block_on(visible(&store, "good", heartbeat(&number)));
    let _warm: Vec<f64> = (0..50).map(good).collect::<Result<_>>()?;
    let idle = waits(
        (0..SAMPLES)
            .map(|sample| {
                std::thread::sleep(PAUSE);
                good(sample)
            })
            .collect::<Result<_>>()?,
    );

    let stop = Arc::new(AtomicBool::new(false));
    let before = store.statistics();
    let worst = worst(&runtime, &store, &stop);
    // Until they are known for what they are.
    std::thread::sleep(Duration::from_secs(2));
    let beside = waits(
        (0..SAMPLES)
            .map(|sample| {
                std::thread::sleep(PAUSE);
                good(sample)
            })
            .collect::<Result<_>>()?,
    );
    let counted = store.statistics();
    stop.store(true, Ordering::Relaxed);
    for task in worst {
        runtime.block_on(task)??;
    }
    let sent = counted.events - before.events;
    let made = sent.saturating_sub(counted.not_visible);
    drop(store);

    let folder = tempfile::Builder::new().prefix("verdict-bench-").tempdir()?;
    let store = Store::open(folder.path(), Options::default())?;
    let fill = |numbers: std::ops::Range<u64>| {
        let batch = numbers.map(|number| incoming("large", &decision(number))).collect();
        runtime.block_on(store.append(batch)).map(drop)
    };
    for first in (0..REBUILT).step_by(5000) {
        fill(first..first + 5000)?;
    }
    std::thread::sleep(Duration::from_secs(2));
    let good = |_: usize| {
        std::thread::sleep(PAUSE);
        runtime.block_on(visible(&store, "good", heartbeat(&number)))
    };
    let before_rebuild = waits((0..SAMPLES).map(good).collect::<Result<_>>()?);
    let rebuilding = {
        let store = store.clone();
        std::thread::spawn(move || -> Result<Duration> {
            let begun = Instant::now();
            Runtime::new()?.block_on(store.rebuild_views())?;
            Ok(begun.elapsed())
        })
    };
    let (mut during, mut while_rebuilding) = (Vec::new(), 0);
    for sample in 0..SAMPLES {
        during.push(good(sample)?);
        while_rebuilding += usize::from(!rebuilding.is_finished());
    }
    let took = rebuilding.join().ok().context("the rebuild broke off")??;
    Ok(Outcome {
        idle,
        beside,
        sent,
        made,
        before_rebuild,
        rebuilding: waits(during),
        while_rebuilding,
        rebuild_seconds: took.as_secs_f64(),
    })
}

fn waits(mut micros: Vec<f64>) -> Waits {
    Waits {
        p50: percentile(&mut micros, 50),
        p99: percentile(&mut micros, 99),
        max: micros.iter().copied().fold(0.0, f64::max),
    }
}

/// Microseconds until an event is durable and visible.
async fn visible(store: &Store, tenant: &str, event: Value) -> Result<f64> {
    let begun = Instant::now();
    let receipt = store.append(vec![incoming(tenant, &event)]).await?;
    for head in receipt.logs.iter().filter(|_| !receipt.visible) {
        store
            .wait_visible(&head.name, head.size, Duration::from_secs(600))
            .await;
    }
    Ok(begun.elapsed().as_secs_f64() * 1e6)
}

/// The worst, each in an endless stream.
fn worst(runtime: &Runtime, store: &Store, stop: &Arc<AtomicBool>) -> Vec<tokio::task::JoinHandle<Result<()>>> {
    let streams: [fn(u64) -> Value; 5] = [late_leases, late_citations, longer_leases, instances, many_series];
    let mut tasks = Vec::new();
    for (sort, stream) in streams.into_iter().enumerate() {
        for tenant in (0..OF_EACH).map(|number| format!("worst{sort}-{number}")) {
            let numbers = Arc::new(AtomicU64::new(0));
            for _ in 0..UNDER_WAY {
                let (store, stop, tenant) = (store.clone(), Arc::clone(stop), tenant.clone());
                let numbers = Arc::clone(&numbers);
                tasks.push(runtime.spawn(async move {
                    while !stop.load(Ordering::Relaxed) {
                        let event = stream(numbers.fetch_add(1, Ordering::Relaxed));
                        store.append(vec![incoming(&tenant, &event)]).await?;
                    }
                    Ok(())
                }));
            }
        }
    }
    tasks
}

fn incoming(tenant: &str, event: &Value) -> Incoming {
    let mut event = event.clone();
    let id = Uuid::now_v7();
    event["meta"]["event_id"] = json!(id.to_string());
    event["meta"]["tenant"] = json!(tenant);
    Incoming {
        log: tenant.parse::<LogName>().unwrap_or(LogName::Unrouted(0)),
        source: SourcePosition::Intake,
        key: None,
        headers: Vec::new(),
        value: Bytes::from(event.to_string()),
        raw_time: RawTime::Now,
        provenance: Provenance::Claimed,
        dedup: Some(DedupKey {
            source: "urn:bench".into(),
            event_id: EventId(id),
            intent: false,
        }),
        route: None,
    }
}

fn ago(seconds: i64) -> String {
    let now = now().map_or(0, Timestamp::as_micros);
    Timestamp::from_micros(now - seconds * 1_000_000)
        .unwrap_or(Timestamp::MIN)
        .to_string()
}

fn meta(event_time: &str) -> Value {
    json!({"source": "urn:bench", "event_time": event_time, "environment": "prod"})
}

fn active(count: usize, version: &str) -> Vec<Value> {
    let scope = json!({"layer": "global"});
    let entry =
        |number| json!({"scope": scope, "policy": format!("p{number}"), "version": version, "status": "applied"});
    (0..count).map(entry).collect()
}

fn seen(event_time: &str, agent: &str, lease_ms: u64, active: Vec<Value>) -> Value {
    json!({"kind": "agent_seen", "meta": meta(event_time), "body": {"agent": agent, "lease_ms": lease_ms, "active": active}})
}

fn heartbeat(number: &AtomicU64) -> Value {
    number.fetch_add(1, Ordering::Relaxed);
    seen(&ago(0), "pdp-0", 30_000, active(1, "v1"))
}

fn decision(number: u64) -> Value {
    decided(&ago(0), number, 1)
}

fn decided(event_time: &str, number: u64, cited: usize) -> Value {
    let scope = json!({"layer": "global"});
    let cite = |place| json!({"scope": scope, "policy": format!("p{}", place % 7), "version": format!("v{}", number % 5 + place as u64 * 1000)});
    json!({"kind": "decision", "meta": meta(event_time), "body": {
        "decision_id": format!("d{number}"), "actor": {"type": "user", "id": format!("u{}", number % 5000)}, "action": "read",
        "resource": {"type": "doc", "id": format!("r{}", number % 20_000)}, "outcome": "allow", "agent": format!("pdp-{}", number % 16),
        "policies": (0..cited).map(cite).collect::<Vec<_>>(),
    }})
}

fn late_leases(number: u64) -> Value {
    match number {
        0 => seen(&ago(0), "pdp", 30_000, active(SERIES, "v1")),
        _ => seen(
            &ago(3600 + i64::try_from(number % 900).unwrap_or(0)),
            "pdp",
            1,
            Vec::new(),
        ),
    }
}

fn late_citations(number: u64) -> Value {
    decided(&ago(3600), number, CITED)
}

fn longer_leases(number: u64) -> Value {
    let back = i64::try_from(number % 3000).unwrap_or(0);
    seen(
        &ago(back),
        "pdp",
        60_000 * (number % 5000 + 1),
        active(20, &format!("v{}", number % 3)),
    )
}

fn instances(number: u64) -> Value {
    seen(&ago(0), &format!("pod-{number}"), 600_000, active(1, "v1"))
}

fn many_series(number: u64) -> Value {
    seen(
        &ago(i64::try_from(number % 60).unwrap_or(0)),
        "pdp",
        60_000,
        active(SERIES, &format!("v{}", number % 4)),
    )
}
