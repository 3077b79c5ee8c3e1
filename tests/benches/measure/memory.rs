//! Memory: how much a process needs while millions of events pass through a store with the default bound of 1 GiB.

use std::io::Write;
use std::time::Instant;

use anyhow::Result;
use serde::{Deserialize, Serialize};
use verdict_store::{Options, Store};

use crate::events::{Form, Ids, Made, Source};
use crate::process::{child, cpu_micros, disk_bytes, resident};
use crate::store_path::{KAFKA_GROUP, Partitions, now, wait_visible};
use crate::table::{Table, ratio, whole};

/// How often memory is looked at.
const STEP: u64 = 500_000;
const MIB: f64 = (1 << 20) as f64;

/// What a child measures.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct Plan {
    events: u64,
    /// Said while it runs: it takes minutes.
    progress: bool,
}

/// What it found at a step.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct Step {
    events: u64,
    seconds: f64,
    cpu: f64,
    resident: f64,
    peak: f64,
    database: u64,
    disk: u64,
}

pub(crate) fn run() -> Result<()> {
    let full = std::env::var("FULL").is_ok_and(|full| !full.is_empty() && full != "0");
    let events = if full { 10_000_000 } else { 1_000_000 };
    let steps: Vec<Step> = child("0,1", "memory", &Plan { events, progress: full })?;
    let bound = Options::default().memory_bytes as f64;
    let mut table = Table::new(
        "Memory, fed as from Kafka",
        &[
            "events",
            "events/s since the last row",
            "CPU us/event since",
            "RSS MiB",
            "peak RSS MiB",
            "of it RocksDB MiB",
            "peak to the bound",
            "disk B/event, with WAL",
        ],
    );
    let mut last = (0, 0.0, 0.0);
    for step in &steps {
        let rate = (step.events - last.0) as f64 / (step.seconds - last.1);
        let cpu = (step.cpu - last.2) / (step.events - last.0) as f64;
        last = (step.events, step.seconds, step.cpu);
        table.row([
            whole(step.events as f64),
            whole(rate),
            format!("{cpu:.1}"),
            whole(step.resident / MIB),
            whole(step.peak / MIB),
            whole(step.database as f64 / MIB),
            ratio(step.peak, bound),
            whole(step.disk as f64 / step.events as f64),
        ]);
    }
    let size = if full {
        ""
    } else {
        " `make bench FULL=1` takes 10,000,000."
    };
    table.note(format!(
        "Avro, random ids, `Options::default()`: a bound of {} MiB. Two cores, which also make the events: about 15 MiB of the memory, and \
         a good part of the time.{size}",
        whole(bound / MIB)
    ));
    table.print()
}

/// Runs in a process of its own.
pub(crate) fn measure(plan: &Plan) -> Result<Vec<Step>> {
    let folder = tempfile::Builder::new().prefix("verdict-bench-").tempdir()?;
    let source = Source::new(Form::Avro, Ids::V4, now()?)?;
    let store = Store::open(folder.path(), Options::default())?;
    let (mut partitions, mut steps, begun) = (Partitions::default(), Vec::new(), Instant::now());
    let mut made = 0;
    while made < plan.events {
        let group: Vec<Made> = (made..made + KAFKA_GROUP as u64)
            .map(|number| source.make(number))
            .collect::<Result<_>>()?;
        made += group.len() as u64;
        partitions.hand_over(&store, &source, &group)?;
        if made % STEP == 0 {
            partitions.settle()?;
            wait_visible(&store)?;
            steps.push(Step {
                events: made,
                seconds: begun.elapsed().as_secs_f64(),
                cpu: cpu_micros()?,
                resident: resident("VmRSS")?,
                peak: resident("VmHWM")?,
                database: store.statistics().database_memory,
                disk: disk_bytes(folder.path())?.values().sum(),
            });
            if plan.progress {
                writeln!(std::io::stderr(), "memory: {made} of {} events", plan.events)?;
            }
        }
    }
    store.close()?;
    Ok(steps)
}
