//! Over HTTP: NDJSON, a batch at a time. Rejected lines are told with their line in the input, field and rule.

use indicatif::ProgressBar;
use reqwest::{Method, StatusCode};
use serde_json::Value;

use super::source::{Item, Items};
use super::tally::{Refused, Tally};
use crate::answer::Answer;
use crate::cli::EmitArgs;
use crate::client::Client;
use crate::exit::Failure;
use crate::faithful::{Members, lossy};

pub(super) async fn send(
    args: &EmitArgs,
    items: Items,
    tally: &mut Tally,
    progress: &ProgressBar,
) -> Result<(), Failure> {
    let client = Client::new(&args.server)?;
    let mut batch: Vec<Item> = Vec::new();
    // Also bounded by bytes, well below what a server takes by default.
    const BATCH_BYTES: usize = 8 << 20;
    let mut bytes = 0;
    for item in items {
        let item = item?;
        bytes += item.bytes.len();
        batch.push(item);
        if batch.len() >= args.batch as usize || bytes >= BATCH_BYTES {
            post(&client, args, &batch, tally, progress).await?;
            batch.clear();
            bytes = 0;
        }
    }
    if !batch.is_empty() {
        post(&client, args, &batch, tally, progress).await?;
    }
    Ok(())
}

async fn post(
    client: &Client,
    args: &EmitArgs,
    batch: &[Item],
    tally: &mut Tally,
    progress: &ProgressBar,
) -> Result<(), Failure> {
    let mut body = Vec::with_capacity(batch.iter().map(|i| i.bytes.len() + 1).sum());
    for item in batch {
        body.extend(&item.bytes);
        body.push(b'\n');
    }
    let sent = body.len() as u64;
    let request = client
        .request(Method::POST, &["v1", "tenants", &args.tenant, "events"])?
        .header("content-type", "application/x-ndjson")
        .body(body);
    let answer = client.send_any(request).await?;
    // 422 says that every event was refused, line by line; any other failure is one of the whole request.
    if !answer.status.is_success() && answer.status != StatusCode::UNPROCESSABLE_ENTITY {
        return Err(client.refused(&answer));
    }
    count(&answer, batch, tally, progress)?;
    progress.inc(sent);
    progress.set_message(format!("{} events", tally.accepted + tally.duplicates));
    Ok(())
}

fn count(answer: &Answer, batch: &[Item], tally: &mut Tally, progress: &ProgressBar) -> Result<(), Failure> {
    let number = |field: &str| answer.value.get(field).and_then(Value::as_u64).unwrap_or(0);
    tally.accepted += number("accepted");
    tally.duplicates += number("duplicates");
    tally.conflicts += number("conflicts");
    let members = Members::read(&answer.text).unwrap_or_default();
    for entry in members.elements("rejected").unwrap_or_default() {
        let refused = refused(&lossy(entry.get()), batch);
        let told = Members::read(entry.get()).unwrap_or_default();
        tally.refuse(&refused, told.with("line", &refused.line.to_string()), progress)?;
    }
    for entry in members.elements("results").unwrap_or_default() {
        let result = lossy(entry.get());
        let position = |field: &str| result.pointer(field).and_then(Value::as_u64);
        if let (Some(partition), Some(offset)) = (position("/position/partition"), position("/position/offset")) {
            tally.position(partition, offset);
        }
        tally.result(entry.get(), progress)?;
    }
    if let Some(log) = members.get("log") {
        tally.log(log);
    }
    Ok(())
}

/// The line in the input of what began in a line of the batch, where an event may be on several.
fn line_of(batch: &[Item], sent_line: u64) -> u64 {
    let mut begins = 1;
    for item in batch {
        let lines = 1 + item.bytes.iter().filter(|b| **b == b'\n').count() as u64;
        if sent_line < begins + lines {
            return item.line + (sent_line - begins);
        }
        begins += lines;
    }
    sent_line
}

/// A rejected event, with its line in the input instead of that in the batch.
fn refused(rejected: &Value, batch: &[Item]) -> Refused {
    let said = |pointer: &str| rejected.pointer(pointer).and_then(Value::as_str).map(str::to_owned);
    let sent_line = rejected.get("line").and_then(Value::as_u64).unwrap_or(0);
    Refused {
        line: line_of(batch, sent_line),
        field: said("/problem/field"),
        rule: said("/problem/rule"),
        detail: said("/problem/detail")
            .or_else(|| said("/problem/title"))
            .unwrap_or_else(|| "rejected".to_owned()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_of_the_batch_is_that_of_the_input() {
        let item = |line, bytes: &str| Item {
            line,
            bytes: bytes.as_bytes().to_vec(),
        };
        let batch = [item(4, "{}"), item(9, "{\n}"), item(11, "no"), item(11, "{}")];
        let lines: Vec<u64> = (1..=5).map(|sent| line_of(&batch, sent)).collect();
        assert_eq!(lines, [4, 9, 10, 11, 11]);
    }
}
