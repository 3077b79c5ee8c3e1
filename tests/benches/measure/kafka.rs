//! From Kafka to visible: a real Kafka, a producer that nobody here wrote (kcat), `bin/verdict serve` reading it. All three
//! share the cores of the machine.
//!
//! Live: the node reads while kcat produces. Backlog: a second node begins with the full topic. Latency: one record every
//! 20 ms, from being handed to kcat until `?after=` answers, which is when it is durable and visible.

use std::io::Write;
use std::process::{ChildStdin, Command, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};
use verdict_tests::clients::{MURMUR2, kcat_produce};
use verdict_tests::kafka::Kafka;
use verdict_tests::node::{self, EVENTS};
use verdict_tests::server::Server;
use verdict_tests::tools::Tool;

use crate::events::{Form, Ids, PARTITIONS, Source};
use crate::store_path::now;
use crate::table::{Table, micros, millis, percentile, whole};

/// Records of the throughput runs.
const RECORDS: u64 = 200_000;
/// Records of the latency run, and how far apart.
const SINGLE: u64 = 500;
const APART: Duration = Duration::from_millis(20);
/// How often a node is asked how far it is.
const POLL: Duration = Duration::from_millis(10);

/// What a node says of itself.
#[derive(Clone, Copy, Debug, Default)]
struct Counted {
    events: f64,
    waiting: f64,
    fsyncs: f64,
    commits: f64,
}

pub(crate) fn run() -> Result<()> {
    tokio::runtime::Builder::new_multi_thread()
        .worker_threads(2)
        .enable_all()
        .build()?
        .block_on(measure())
}

async fn measure() -> Result<()> {
    let source = Source::new(Form::Json, Ids::V4, now()?)?;
    let made: Vec<(usize, String)> = (0..RECORDS)
        .map(|number| {
            let made = source.make(number)?;
            Ok((made.tenant, String::from_utf8(made.value.to_vec())?))
        })
        .collect::<Result<_>>()?;
    let bytes: usize = made.iter().map(|(_, text)| text.len()).sum();
    let records: Vec<(&str, &str)> = made
        .iter()
        .map(|(tenant, text)| (source.tenants[*tenant].as_str(), text.as_str()))
        .collect();

    let kafka = Kafka::start().await?;
    node::create_topics(&kafka, PARTITIONS).await?;
    let mut live = node::start(&kafka, &[]).await?;
    let bootstrap = kafka.bootstrap();
    let begun = Instant::now();
    let (produced, caught_up) = tokio::join!(
        async {
            kcat_produce(
                &bootstrap,
                EVENTS,
                &records,
                &["content-type=application/json"],
                &[MURMUR2],
            )
            .await?;
            anyhow::Ok(begun.elapsed())
        },
        async {
            let counted = until(&live, RECORDS).await?;
            anyhow::Ok((begun.elapsed(), counted))
        }
    );
    let (produced, (visible, counted)) = (produced?, caught_up?);
    live.stop().await?;

    let backlog = node::start(&kafka, &[]).await?;
    let first = until(&backlog, 1).await?;
    let begun = Instant::now();
    let last = until(&backlog, RECORDS).await?;
    let caught_up = begun.elapsed();
    let mut latencies = latency(&kafka, &backlog, &source).await?;

    let mut table = Table::new(
        "From Kafka to visible",
        &["what", "records", "seconds", "records/s", "commits", "fsyncs"],
    );
    let mut row = |what: &str, records: f64, seconds: Duration, counted: Option<Counted>| {
        let count = |of: fn(Counted) -> f64| counted.map_or_else(String::new, |counted| whole(of(counted)));
        let rate = records / seconds.as_secs_f64();
        let seconds = format!("{:.2}", seconds.as_secs_f64());
        table.row([
            what.to_owned(),
            whole(records),
            seconds,
            whole(rate),
            count(|c| c.commits),
            count(|c| c.fsyncs),
        ]);
    };
    row(
        "kcat alone, until acknowledged (while the node reads)",
        RECORDS as f64,
        produced,
        None,
    );
    row(
        "live: from kcat's start to all visible",
        RECORDS as f64,
        visible,
        Some(counted),
    );
    row(
        "backlog: from the first commit to all visible",
        last.events - first.events,
        caught_up,
        Some(last),
    );
    table.note(format!(
        "JSON of {} bytes, random ids, {PARTITIONS} partitions, 200 tenants, acks=all; Kafka, kcat and the node share the machine.",
        whole(bytes as f64 / RECORDS as f64)
    ));
    table.note(format!(
        "One record every {} ms, {SINGLE} of them, from kcat's standard input to visible: p50 {} ms, p99 {} ms, max {} ms.",
        APART.as_millis(),
        millis(percentile(&mut latencies, 50)),
        millis(percentile(&mut latencies, 99)),
        millis(percentile(&mut latencies, 100)),
    ));
    table.print()
}

/// Waits until a node shows so many records.
async fn until(node: &Server, records: u64) -> Result<Counted> {
    let end = Instant::now() + Duration::from_secs(120);
    loop {
        let counted = counted(node).await?;
        if counted.events >= records as f64 && counted.waiting == 0.0 || records == 1 && counted.events > 0.0 {
            return Ok(counted);
        }
        ensure!(
            Instant::now() < end,
            "after two minutes {} of {records} records are there",
            counted.events
        );
        tokio::time::sleep(POLL).await;
    }
}

async fn counted(node: &Server) -> Result<Counted> {
    let text = node.get("/metrics").await?.text();
    let value = |name: &str| {
        let lines = text.lines().filter(|line| !line.starts_with('#'));
        let mut values = lines
            .filter_map(|line| line.split_once(' '))
            .filter(|(of, _)| of.trim_end_matches("_total") == name);
        let value = values.next().and_then(|(_, value)| value.parse().ok());
        value.with_context(|| format!("no `{name}` in /metrics"))
    };
    Ok(Counted {
        events: value("verdict_store_events")?,
        waiting: value("verdict_store_records_not_visible")? + value("verdict_store_queued_events")?,
        fsyncs: value("verdict_store_fsyncs")?,
        commits: value("verdict_store_commits")?,
    })
}

/// Microseconds of each single record.
async fn latency(kafka: &Kafka, node: &Server, source: &Source) -> Result<Vec<f64>> {
    let tenant = source.tenants[0].as_str();
    let partition = partition_of(node, tenant).await?;
    let mut offset = *kafka
        .end_offsets(EVENTS)
        .await?
        .get(usize::try_from(partition)?)
        .context("an end offset")?;
    let mut kcat = Command::new(Tool::Kcat.path()?)
        .args([
            "-b",
            &kafka.bootstrap(),
            "-P",
            "-t",
            EVENTS,
            "-K",
            "\u{1f}",
            "-X",
            MURMUR2,
            "-X",
            "linger.ms=0",
        ])
        .stdin(Stdio::piped())
        .spawn()?;
    let mut input = kcat.stdin.take().context("kcat's standard input")?;
    let mut took = Vec::new();
    let mut number = RECORDS;
    // The first one also connects; it is not counted.
    while took.len() <= usize::try_from(SINGLE)? {
        let made = source.make(number)?;
        number += 1;
        if made.tenant != 0 {
            continue;
        }
        let begun = Instant::now();
        send(&mut input, tenant, &made.value)?;
        let path = format!("/v1/tenants/{tenant}/decisions?limit=1&after={partition}:{offset}");
        let answer = node.get(&path).await?;
        took.push(micros(begun.elapsed()));
        ensure!(answer.status.is_success(), "{path}: {}", answer.text());
        offset += 1;
        tokio::time::sleep(APART).await;
    }
    drop(input);
    kcat.wait()?;
    Ok(took.split_off(1))
}

fn send(input: &mut ChildStdin, tenant: &str, value: &[u8]) -> Result<()> {
    input.write_all(&[tenant.as_bytes(), b"\x1f", value, b"\n"].concat())?;
    Ok(input.flush()?)
}

/// The partition that feeds a tenant's log, by the position of its newest decision.
async fn partition_of(node: &Server, tenant: &str) -> Result<u64> {
    let page = node
        .get_json(&format!("/v1/tenants/{tenant}/decisions?limit=1"))
        .await?;
    let partition = page
        .pointer("/items/0/position/partition")
        .and_then(serde_json::Value::as_u64);
    partition.with_context(|| format!("no partition in `{page}`"))
}
