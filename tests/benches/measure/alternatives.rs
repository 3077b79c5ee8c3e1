//! What a user would pick instead of the store, if all that mattered were to keep events: one file of JSON lines, with
//! an fsync for each batch. It answers no question, proves nothing and notices no duplicate: it is the floor.

use std::collections::BTreeMap;
use std::fs::File;
use std::io::Write;
use std::time::Instant;

use anyhow::Result;
use bytes::Bytes;
use serde::{Deserialize, Serialize};

use crate::events::{Form, Ids, Source};
use crate::process::{child, cpu_micros};
use crate::store_path::{KAFKA_GROUP, now};
use crate::table::{Table, micros, millis, percentile, ratio, whole};

/// What a child measures.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct Plan {
    events: u64,
}

/// What it found.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct Outcome {
    seconds: f64,
    cpu: f64,
    bytes: f64,
    fsyncs: u64,
    latencies: (f64, f64),
}

/// `ours`: events a second of the store, by feed and cores.
pub(crate) fn run(events: u64, ours: &BTreeMap<(String, &str), f64>) -> Result<()> {
    let found: Outcome = child("0", "ndjson", &Plan { events })?;
    let rate = events as f64 / found.seconds;
    let mut table = Table::new(
        "Instead: a file of JSON lines, fsync for each 10,000",
        &[
            "cores",
            "events/s",
            "CPU us/event",
            "disk B/event",
            "fsyncs",
            "1 event p50 ms",
            "p99 ms",
            "Verdict's share of its speed",
        ],
    );
    let share = ours
        .get(&("Http".to_owned(), "0"))
        .map_or_else(String::new, |ours| ratio(*ours, rate));
    table.row([
        "1".to_owned(),
        whole(rate),
        format!("{:.2}", found.cpu / events as f64),
        whole(found.bytes / events as f64),
        found.fsyncs.to_string(),
        millis(found.latencies.0),
        millis(found.latencies.1),
        share,
    ]);
    table.note("The share is of the store fed as over HTTP (the same JSON) on one core, random ids.");
    table.print()
}

/// Runs in a process of its own.
pub(crate) fn measure(plan: &Plan) -> Result<Outcome> {
    let folder = tempfile::Builder::new().prefix("verdict-bench-").tempdir()?;
    let source = Source::new(Form::Json, Ids::V4, now()?)?;
    let values: Vec<Bytes> = (0..plan.events)
        .map(|number| Ok(source.make(number)?.value))
        .collect::<Result<_>>()?;
    let mut file = File::create(folder.path().join("events.ndjson"))?;
    let (used, begun) = (cpu_micros()?, Instant::now());
    let mut fsyncs = 0;
    for group in values.chunks(KAFKA_GROUP) {
        let mut lines = Vec::with_capacity(group.len() * 1000);
        for value in group {
            lines.extend_from_slice(value);
            lines.push(b'\n');
        }
        file.write_all(&lines)?;
        file.sync_data()?;
        fsyncs += 1;
    }
    let (seconds, cpu) = (begun.elapsed().as_secs_f64(), cpu_micros()? - used);
    let bytes = file.metadata()?.len() as f64;
    let mut took = Vec::new();
    for value in values.iter().take(500) {
        let begun = Instant::now();
        file.write_all(&[value, &b"\n"[..]].concat())?;
        file.sync_data()?;
        took.push(micros(begun.elapsed()));
        std::thread::sleep(std::time::Duration::from_millis(2));
    }
    let latencies = (percentile(&mut took, 50), percentile(&mut took, 99));
    Ok(Outcome {
        seconds,
        cpu,
        bytes,
        fsyncs,
        latencies,
    })
}
