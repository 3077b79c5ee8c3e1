//! `verdict decisions`: page by page until the limit, every page of the same cut.

use serde_json::Value;

use super::Query;
use crate::cli::{DecisionsArgs, Output};
use crate::client::Client;
use crate::exit::Failure;
use crate::faithful::{Members, lossy, one_line};
use crate::output::{answer, line, note, table, text, time};

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
        .time("from", args.from.as_ref())?
        .time("to", args.to.as_ref())?
        .time("known_at", args.known_at.as_ref())?
        .with("as_of", args.as_of.as_ref());
    if args.count {
        let counted = client
            .get(&["v1", "tenants", &args.tenant, "decisions", "count"], &query.pairs)
            .await?;
        answer(args.server.output, &counted, "", |value| {
            let bound = if value.get("complete") == Some(&Value::Bool(false)) {
                "at least "
            } else {
                ""
            };
            line(&format!("{bound}{}", text(value, "/count")))
        })?;
        let none = counted.value.get("count").and_then(Value::as_u64) == Some(0)
            && counted.value.get("complete") != Some(&Value::Bool(false));
        return if none { Err(nothing()) } else { Ok(()) };
    }
    let mut pairs = query.pairs;
    if args.oldest {
        pairs.push(("order", "oldest".to_owned()));
    }
    let (mut items, mut pages, mut found) = (Vec::new(), 0, 0);
    loop {
        pairs.retain(|(name, _)| *name != "limit");
        pairs.push(("limit", (args.limit - found).clamp(1, PAGE).to_string()));
        let page = client
            .get(&["v1", "tenants", &args.tenant, "decisions"], &pairs)
            .await?;
        let members = Members::read(&page.text).unwrap_or_default();
        let more = members.elements("items").unwrap_or_default();
        pages += 1;
        found += more.len() as u64;
        match args.server.output {
            Output::Ndjson => more.iter().try_for_each(|item| line(&one_line(item.get())))?,
            Output::Json | Output::Table => items.extend(more.iter().map(|item| item.get().to_owned())),
        }
        match page.value.get("next").and_then(Value::as_str) {
            // A cursor pins the cut; the filters are repeated, and must be the same.
            Some(cursor) if found < args.limit => {
                pairs.retain(|(name, _)| !matches!(*name, "cursor" | "as_of" | "known_at"));
                pairs.push(("cursor", cursor.to_owned()));
            }
            next => {
                let more = next.is_some();
                match args.server.output {
                    // The server's own bytes where one page held all; else its last page, around the items of all.
                    Output::Json if pages == 1 => line(page.text.trim_end())?,
                    Output::Json => line(&members.with("items", &format!("[{}]", items.join(","))))?,
                    Output::Table if found > 0 => print(&items)?,
                    Output::Table | Output::Ndjson => {}
                }
                if more && args.server.output != Output::Json {
                    let limit = args.limit;
                    note(&format!("there are more; ask for them with --limit above {limit}"));
                }
                return if found > 0 { Ok(()) } else { Err(nothing()) };
            }
        }
    }
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
    line(&rows.to_string())
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
