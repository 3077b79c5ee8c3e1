//! `verdict decisions`: page by page until the limit, or to the end of a count, every page of the same cut.

use serde_json::Value;

use super::Query;
use super::pages::Pages;
use crate::cli::{DecisionsArgs, Output};
use crate::client::Client;
use crate::exit::Failure;
use crate::faithful::{Members, lossy};
use crate::output::{json, json_line, line, note, table, text, time};

/// The most that one request asks for.
const PAGE: u64 = 1000;

/// `verdict decisions`
pub(crate) async fn decisions(args: &DecisionsArgs) -> Result<(), Failure> {
    let client = Client::new(&args.server)?;
    let query = Query::new()
        .with("actor", args.actor.as_ref())
        .with("action", args.action.as_ref())
        .with("resource", args.resource.as_ref())
        .with("outcome", args.outcome.as_ref())
        .with("policy", args.policy.as_ref())
        .with("version", args.version.as_ref())
        .with("environment", args.environment.as_ref())
        .with("workload", args.workload.as_ref())
        .with("agent", args.agent.as_ref())
        .with("trace_id", args.trace_id.as_ref())
        .with("span_id", args.span_id.as_ref())
        .with("correlation_id", args.correlation_id.as_ref())
        .time("from", args.from.as_ref())?
        .time("to", args.to.as_ref())?
        .time("known_at", args.known_at.as_ref())?
        .with("as_of", args.as_of.as_ref());
    let mut pairs = query.pairs;
    let path = ["v1", "tenants", &args.tenant, "decisions"];
    if args.count {
        let path = [&path[..], &["count"]].concat();
        let pages = Pages::new(client, &path, pairs)?;
        return count(args.server.output, pages).await;
    }
    if args.oldest {
        pairs.push(("order", "oldest".to_owned()));
    }
    list(args, Pages::new(client, &path, pairs)?).await
}

/// All of them, however many answers that takes.
async fn count(output: Output, mut pages: Pages<'_>) -> Result<(), Failure> {
    let mut count = 0;
    loop {
        let Some(page) = pages.next(None).await? else {
            return Err(Failure::Interrupted(format!(
                "stopped after {} answers, before the end: {count} were found so far",
                pages.read
            )));
        };
        count += page
            .value
            .get("count")
            .and_then(Value::as_u64)
            .ok_or_else(|| Failure::Unreachable("the answer holds no count".to_owned()))?;
        pages.tell(count);
        if pages.more() {
            continue;
        }
        match output {
            Output::Table => line(&count.to_string())?,
            // The server's own where one answer held all; else its last, with the sum of all.
            Output::Json | Output::Ndjson => {
                let members = Members::read(&page.text).unwrap_or_default();
                json_line(&members.with("count", &count.to_string()))?;
            }
        }
        return if count == 0 { Err(nothing()) } else { Ok(()) };
    }
}

/// As many as are wanted, or all.
async fn list(args: &DecisionsArgs, mut pages: Pages<'_>) -> Result<(), Failure> {
    let output = args.server.output;
    let (mut items, mut found, mut last) = (Vec::new(), 0, None);
    while pages.more() && found < args.limit {
        let Some(page) = pages.next(Some((args.limit - found).clamp(1, PAGE))).await? else {
            if output == Output::Table && found > 0 {
                print(&items)?;
            }
            return Err(Failure::Interrupted(format!(
                "stopped after {} answers, before the end: {found} were found so far",
                pages.read
            )));
        };
        let members = Members::read(&page.text).unwrap_or_default();
        let more = members.elements("items").unwrap_or_default();
        found += more.len() as u64;
        match output {
            Output::Ndjson => {
                pages.stop_telling();
                more.iter().try_for_each(|item| json_line(item.get()))?;
            }
            Output::Json | Output::Table => items.extend(more.iter().map(|item| item.get().to_owned())),
        }
        pages.tell(found);
        last = Some(page);
    }
    pages.stop_telling();
    match (output, last) {
        // The server's own where one page held all; else its last page, around the items of all.
        (Output::Json, Some(page)) if pages.read == 1 => json(&page.text)?,
        (Output::Json, Some(page)) => {
            let members = Members::read(&page.text).unwrap_or_default();
            json(&members.with("items", &format!("[{}]", items.join(","))))?;
        }
        (Output::Table, _) if found > 0 => print(&items)?,
        _ => {}
    }
    if pages.more() && output != Output::Json {
        let limit = args.limit;
        note(&format!("there are more; ask for them with --limit above {limit}"));
    }
    if found > 0 { Ok(()) } else { Err(nothing()) }
}

fn nothing() -> Failure {
    Failure::Negative("no such decision".to_owned())
}

fn print(items: &[String]) -> Result<(), Failure> {
    let mut rows = table(&[
        "time (UTC)",
        "actor",
        "action",
        "resource",
        "outcome",
        "under",
        "decision",
    ]);
    for item in items.iter().map(|item| lossy(item)) {
        rows.add_row([
            time(&item, "/event/meta/event_time"),
            format!(
                "{}:{}",
                text(&item, "/event/body/actor/type"),
                text(&item, "/event/body/actor/id")
            ),
            text(&item, "/event/body/action"),
            format!(
                "{}:{}",
                text(&item, "/event/body/resource/type"),
                text(&item, "/event/body/resource/id")
            ),
            text(&item, "/event/body/outcome"),
            cited(&item),
            text(&item, "/event/body/decision_id"),
        ]);
    }
    rows.print()
}

fn cited(item: &Value) -> String {
    let cited = item.pointer("/event/body/policies").and_then(Value::as_array);
    let parts: Vec<String> = cited
        .into_iter()
        .flatten()
        .map(|p| format!("{} {}", text(p, "/policy"), text(p, "/version")))
        .collect();
    if parts.is_empty() {
        "-".to_owned()
    } else {
        parts.join(", ")
    }
}
