//! `verdict decisions`: page by page until the limit, every page of the same cut.

use serde_json::Value;

use super::Query;
use crate::cli::{DecisionsArgs, Output};
use crate::client::{Answer, Client};
use crate::exit::Failure;
use crate::output::{line, note, print_table, table, text, time};

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
        return crate::output::answer(args.server.output, &counted, "", |value| {
            let bound = if value.get("complete") == Some(&Value::Bool(false)) {
                "at least "
            } else {
                ""
            };
            line(&format!("{bound}{}", text(value, "/count")))
        });
    }
    let mut pairs = query.pairs;
    if args.oldest {
        pairs.push(("order", "oldest".to_owned()));
    }
    let mut items: Vec<Value> = Vec::new();
    let mut first: Option<Answer> = None;
    loop {
        let wanted = args.limit.saturating_sub(items.len() as u64);
        pairs.retain(|(name, _)| *name != "limit");
        pairs.push(("limit", wanted.clamp(1, PAGE).to_string()));
        let page = client
            .get(&["v1", "tenants", &args.tenant, "decisions"], &pairs)
            .await?;
        let found = page
            .value
            .get("items")
            .and_then(Value::as_array)
            .cloned()
            .unwrap_or_default();
        let next = page.value.get("next").and_then(Value::as_str).map(str::to_owned);
        items.extend(found);
        first.get_or_insert(page);
        match next {
            // A cursor pins the cut; the filters are repeated, and must be the same.
            Some(cursor) if (items.len() as u64) < args.limit => {
                pairs.retain(|(name, _)| !matches!(*name, "cursor" | "as_of" | "known_at"));
                pairs.push(("cursor", cursor));
            }
            more => return print(args, first, &items, more.is_some()),
        }
    }
}

fn print(args: &DecisionsArgs, first: Option<Answer>, items: &[Value], more: bool) -> Result<(), Failure> {
    match args.server.output {
        Output::Ndjson => items.iter().try_for_each(|item| line(&item.to_string())),
        Output::Json => {
            let mut whole = first.map_or(Value::Null, |page| page.value);
            whole["items"] = Value::Array(items.to_vec());
            line(&whole.to_string())
        }
        Output::Table => {
            let mut rows = table(&[
                "time (UTC)",
                "actor",
                "action",
                "resource",
                "outcome",
                "under",
                "decision",
            ]);
            for item in items {
                rows.add_row([
                    time(item, "/event/meta/event_time"),
                    format!(
                        "{}:{}",
                        text(item, "/event/body/actor/type"),
                        text(item, "/event/body/actor/id")
                    ),
                    text(item, "/event/body/action"),
                    format!(
                        "{}:{}",
                        text(item, "/event/body/resource/type"),
                        text(item, "/event/body/resource/id")
                    ),
                    text(item, "/event/body/outcome"),
                    cited(item),
                    text(item, "/event/body/decision_id"),
                ]);
            }
            print_table(&rows, "no such decision")?;
            if more {
                note(&format!(
                    "there are more; ask for them with --limit above {}",
                    args.limit
                ));
            }
            Ok(())
        }
    }
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
