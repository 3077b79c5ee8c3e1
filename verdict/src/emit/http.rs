//! Over HTTP: NDJSON, a batch at a time. Rejected lines are told with their line in the input, field and rule.

use indicatif::ProgressBar;
use reqwest::{Method, StatusCode};
use serde_json::Value;

use super::source::{Item, Items};
use super::{Refused, Tally};
use crate::ask::list;
use crate::cli::{EmitArgs, Output};
use crate::client::{Answer, Client};
use crate::exit::Failure;
use crate::output;

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
        // A pretty-printed element of an array spans lines; a JSON string holds no raw line break, so these are blanks.
        body.extend(
            item.bytes
                .iter()
                .map(|b| if matches!(b, b'\n' | b'\r') { b' ' } else { *b }),
        );
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
    count(&answer, args.server.output, batch, tally, progress);
    progress.inc(sent);
    progress.set_message(format!("{} events", tally.accepted + tally.duplicates));
    Ok(())
}

fn count(answer: &Answer, output: Output, batch: &[Item], tally: &mut Tally, progress: &ProgressBar) {
    let number = |field: &str| answer.value.get(field).and_then(Value::as_u64).unwrap_or(0);
    tally.accepted += number("accepted");
    tally.duplicates += number("duplicates");
    tally.conflicts += number("conflicts");
    for rejected in list(&answer.value, "rejected") {
        tally.rejected += 1;
        let refused = refused(rejected, batch);
        if output == Output::Table {
            progress.suspend(|| output::note(&refused.to_string()));
        } else {
            tally.refused.push(refused);
        }
    }
    for result in list(&answer.value, "results") {
        let position = |field: &str| result.pointer(field).and_then(Value::as_u64);
        if let (Some(partition), Some(offset)) = (position("/position/partition"), position("/position/offset")) {
            let last = tally.positions.entry(partition).or_default();
            *last = (*last).max(offset);
        }
    }
}

/// A rejected event, with its line in the input instead of that in the batch.
fn refused(rejected: &Value, batch: &[Item]) -> Refused {
    let said = |pointer: &str| rejected.pointer(pointer).and_then(Value::as_str).map(str::to_owned);
    let sent_line = rejected.get("line").and_then(Value::as_u64).unwrap_or(0);
    let place = usize::try_from(sent_line.saturating_sub(1))
        .ok()
        .and_then(|i| batch.get(i));
    Refused {
        line: place.map_or(sent_line, |item| item.line),
        event_id: said("/event_id"),
        field: said("/problem/field"),
        rule: said("/problem/rule"),
        detail: said("/problem/detail")
            .or_else(|| said("/problem/title"))
            .unwrap_or_else(|| "rejected".to_owned()),
    }
}
