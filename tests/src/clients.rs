//! Producers and consumers that nobody here wrote: kcat, and Confluent's Python client with Avro. Kafka's console producer
//! is [`Kafka::console_produce`](crate::kafka::Kafka::console_produce).

use std::ffi::OsStr;
use std::io::Write;
use std::os::unix::ffi::OsStrExt;

use anyhow::{Context, Result};
use serde_json::Value;
use tokio::process::Command;

use crate::process::run;
use crate::tools::{Tool, workspace};

/// Java's partitioner, which librdkafka does not use by itself: a tenant's records must all go to its own partition.
pub const MURMUR2: &str = "partitioner=murmur2_random";

/// kcat's producer: one record per `(key, value)`, each as it is, with these headers and librdkafka properties.
///
/// # Errors
/// When kcat reports one.
pub async fn kcat_produce(
    bootstrap: &str,
    topic: &str,
    records: &[(&str, &str)],
    headers: &[&str],
    properties: &[&str],
) -> Result<()> {
    let mut command = kcat(bootstrap, properties)?;
    // Unit and record separator: neither can stand unescaped in JSON.
    command.args(["-P", "-t", topic, "-K", "\u{1f}", "-D", "\u{1e}"]);
    for header in headers {
        command.args(["-H", header]);
    }
    let text: Vec<String> = records
        .iter()
        .map(|(key, value)| format!("{key}\u{1f}{value}"))
        .collect();
    run(command, text.join("\u{1e}").as_bytes()).await.map(drop)
}

/// kcat's producer for one record of any bytes.
///
/// # Errors
/// When kcat reports one.
pub async fn kcat_produce_bytes(bootstrap: &str, topic: &str, key: &str, value: &[u8], headers: &[&str]) -> Result<()> {
    let mut file = tempfile::NamedTempFile::new()?;
    file.write_all(value)?;
    let mut command = kcat(bootstrap, &[MURMUR2])?;
    command.args(["-P", "-t", topic, "-k", key]);
    for header in headers {
        command.args(["-H", header]);
    }
    command.arg(file.path());
    run(command, b"").await.map(drop)
}

/// kcat's producer for one record with a header whose name is any bytes but a NUL.
///
/// # Errors
/// When kcat reports one.
pub async fn kcat_produce_header(bootstrap: &str, topic: &str, key: &str, value: &str, name: &[u8]) -> Result<()> {
    let mut command = kcat(bootstrap, &[MURMUR2])?;
    let header = [name, b"=1"].concat();
    command
        .args(["-P", "-t", topic, "-k", key, "-H"])
        .arg(OsStr::from_bytes(&header));
    run(command, value.as_bytes()).await.map(drop)
}

/// kcat's consumer: every committed record of a topic, as kcat's JSON envelopes (`partition`, `offset`, `ts`, `key`,
/// `payload`).
///
/// # Errors
/// When kcat reports one.
pub async fn kcat_consume(bootstrap: &str, topic: &str) -> Result<Vec<Value>> {
    let mut command = kcat(bootstrap, &["isolation.level=read_committed"])?;
    command.args(["-C", "-t", topic, "-o", "beginning", "-e", "-q", "-J"]);
    let said = run(command, b"").await?;
    said.lines()
        .map(|line| serde_json::from_str(line).with_context(|| format!("kcat said `{line}`")))
        .collect()
}

fn kcat(bootstrap: &str, properties: &[&str]) -> Result<Command> {
    let mut command = Command::new(Tool::Kcat.path()?);
    command.args(["-b", bootstrap]);
    for property in properties {
        command.args(["-X", property]);
    }
    Ok(command)
}

/// Confluent's Python producer. Each step is a JSON object: `{"key", "avro" | "text" | "hex", "headers"?, "partition"?}`
/// sends a record, `{"transaction": "begin" | "commit" | "abort"}` and `{"flush": true}` do what they say. Returns
/// `{"partition", "offset"}` of each record that was acknowledged, in the order of the acknowledgements.
///
/// `arguments` are those of `tests/tools/python/produce.py`, such as `--schema FILE --registry URL`.
///
/// # Errors
/// When it reports one.
pub async fn confluent_produce(
    bootstrap: &str,
    topic: &str,
    arguments: &[&str],
    steps: &[Value],
) -> Result<Vec<Value>> {
    let mut command = Command::new(Tool::Python.path()?);
    command.arg(workspace().join("tests/tools/python/produce.py"));
    command
        .args(["--bootstrap", bootstrap, "--topic", topic])
        .args(arguments);
    let lines: String = steps.iter().map(|step| format!("{step}\n")).collect();
    let said = run(command, lines.as_bytes()).await?;
    said.lines()
        .map(|line| serde_json::from_str(line).with_context(|| format!("the producer said `{line}`")))
        .collect()
}
