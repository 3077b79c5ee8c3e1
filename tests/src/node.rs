//! A node that consumes a real Kafka: its topics, its start, and waiting until it has read what was sent.

use std::collections::BTreeMap;
use std::time::Duration;

use anyhow::{Result, bail};
use serde_json::Value;

use crate::kafka::Kafka;
use crate::server::{Server, verdict};

/// The events topic.
pub const EVENTS: &str = "verdict.events.v1";
/// The topic of `_platform`.
pub const PLATFORM: &str = "verdict.platform.v1";

/// How long a node gets to read what is there.
const CAUGHT_UP: Duration = Duration::from_secs(300);
/// How often a test asks, a tenth of a second apart, for what will be there on whatever machine; one that has asked so
/// often has failed.
pub const POLLS: usize = 3000;

/// Makes both topics as an operator would.
///
/// # Errors
/// When `verdict topics create` fails.
pub async fn create_topics(kafka: &Kafka, partitions: u32) -> Result<()> {
    let bootstrap = format!("bootstrap.servers={}", kafka.bootstrap());
    let count = partitions.to_string();
    let made = verdict(&["topics", "create", "-X", &bootstrap, "--partitions", &count], b"").await?;
    if !made.status.success() {
        bail!("topics create: {}", String::from_utf8_lossy(&made.stderr));
    }
    Ok(())
}

/// Starts a node that consumes `kafka`, with further arguments.
///
/// # Errors
/// As [`Server::start`].
pub async fn start(kafka: &Kafka, arguments: &[&str]) -> Result<Server> {
    let bootstrap = format!("bootstrap.servers={}", kafka.bootstrap());
    Server::start(&[&["-X", bootstrap.as_str()], arguments].concat()).await
}

/// Waits until the node holds every record of the events topic: its records, in all its logs, are as many as `records`.
///
/// # Errors
/// When it does not within five minutes; the message holds the sizes.
pub async fn wait_for_records(node: &Server, logs: &[&str], records: u64) -> Result<()> {
    let end = tokio::time::Instant::now() + CAUGHT_UP;
    loop {
        let sizes = heads(node, logs).await?;
        let held: u64 = sizes.values().map(|(size, _)| size).sum();
        if held == records {
            return Ok(());
        }
        if held > records || tokio::time::Instant::now() > end {
            bail!("{held} records are held, not {records}: {sizes:?}\n{}", node.log());
        }
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
}

/// Size and root of each of these tenants' logs; a log that is not there is left out.
///
/// # Errors
/// When there is no answer.
pub async fn heads(node: &Server, logs: &[&str]) -> Result<BTreeMap<String, (u64, String)>> {
    let mut heads = BTreeMap::new();
    for log in logs {
        let answer = node.get(&format!("/v1/tenants/{log}/decisions?limit=1")).await?;
        if !answer.status.is_success() {
            continue;
        }
        let answer = answer.json()?;
        for head in answer["logs"].as_array().into_iter().flatten() {
            let size = head["size"].as_u64().unwrap_or_default();
            let name = head["tenant"].as_str().unwrap_or_default();
            if size > 0 && name == *log {
                heads.insert(
                    (*log).to_owned(),
                    (size, head["root"].as_str().unwrap_or_default().to_owned()),
                );
            }
        }
    }
    Ok(heads)
}

/// Every item of a list, page by page.
///
/// # Errors
/// When a page is refused.
pub async fn items(node: &Server, path: &str) -> Result<Vec<Value>> {
    let mut items = Vec::new();
    let mut at = path.to_owned();
    let base = path.split('?').next().unwrap_or(path).to_owned();
    loop {
        let page = node.get_json(&at).await?;
        items.extend(page["items"].as_array().cloned().unwrap_or_default());
        match page["next"].as_str() {
            Some(next) => at = format!("{base}?cursor={next}"),
            None => return Ok(items),
        }
    }
}

/// `verdict audit` over a data directory; it must find nothing wrong.
///
/// # Errors
/// When it finds something, with what it said.
pub async fn audit(data: &std::path::Path) -> Result<()> {
    let told = verdict(&["audit", "--data", &data.display().to_string()], b"").await?;
    if told.status.success() {
        return Ok(());
    }
    bail!(
        "audit: {}{}",
        String::from_utf8_lossy(&told.stdout),
        String::from_utf8_lossy(&told.stderr)
    )
}
