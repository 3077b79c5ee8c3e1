//! `verdict decisions`: page by page until the limit, or to the end of a count, every page of the same cut.

use jiff::Timestamp;
use serde_json::Value;

use super::listing::Listing;
use super::names::Names;
use super::pages::Pages;
use super::policies::span;
use super::{Query, list};
use crate::cli::{DecisionsArgs, Output};
use crate::client::Client;
use crate::exit::Failure;
use crate::faithful::Members;
use crate::output::{Cell, Rows, cell, json_line, line, must, room, said, table, text, when, wide};
use crate::times::{Digits, own_zone};

/// `verdict decisions`
pub(crate) async fn decisions(args: &DecisionsArgs) -> Result<(), Failure> {
    let client = Client::new(&args.server)?;
    let filters = &args.filters;
    let query = Query::new()
        .with("actor", filters.actor.as_ref())
        .with("action", filters.action.as_ref())
        .with("resource", filters.resource.as_ref())
        .with("outcome", filters.outcome.as_ref())
        .with("policy", filters.policy.as_ref())
        .with("version", filters.version.as_ref())
        .with("environment", filters.environment.as_ref())
        .with("workload", filters.workload.as_ref())
        .with("agent", filters.agent.as_ref())
        .with("trace_id", filters.trace_id.as_ref())
        .with("span_id", filters.span_id.as_ref())
        .with("correlation_id", filters.correlation_id.as_ref())
        .range(&args.range)?
        .known(&args.known)?;
    let mut pairs = query.pairs;
    let path = ["v1", "tenants", &args.tenant, "decisions"];
    let found = if args.count {
        let path = [&path[..], &["count"]].concat();
        count(args.server.output, Pages::new(client.clone(), &path, pairs)?).await?
    } else {
        if args.oldest {
            pairs.push(("order", "oldest".to_owned()));
        }
        let listing = Listing {
            output: args.server.output,
            limit: args.page.limit,
            known: &args.known,
            since: None,
            table: rows,
        };
        listing.print(&mut Pages::new(client.clone(), &path, pairs)?).await?
    };
    if found > 0 {
        return Ok(());
    }
    let names = Names {
        environment: filters.environment.as_deref(),
        policy: filters.policy.as_deref(),
    };
    Err(names.missing(&client, &args.tenant, "no such decision").await)
}

/// All of them, however many answers that takes.
async fn count(output: Output, mut pages: Pages<'_>) -> Result<u64, Failure> {
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
            Output::Table | Output::Wide => line(&count.to_string())?,
            Output::Csv => {
                line("count")?;
                line(&count.to_string())?;
            }
            // The server's own where one answer held all; else its last, with the sum of all.
            Output::Json | Output::Ndjson => {
                let members = Members::read(&page.text).unwrap_or_default();
                json_line(&members.with("count", &count.to_string()))?;
            }
        }
        return Ok(count);
    }
}

fn rows(items: &[Value]) -> Rows {
    let mut rows = table(&[
        must("acts at"),
        room("actor", 2),
        room("action", 4),
        room("resource", 3),
        room("outcome", 1),
        room("under", 5),
        said("note", 6),
        must("decision"),
        wide("environment"),
        wide("workload"),
        wide("agent"),
        wide("recorded"),
        wide("index"),
        wide("trace"),
        wide("event"),
    ]);
    for item in items {
        let body = |pointer: &str| cell(item, &format!("/event/body{pointer}"));
        rows.add_row([
            when(item, "/acts_at"),
            typed(item, "/event/body/actor"),
            body("/action"),
            typed(item, "/event/body/resource"),
            body("/outcome"),
            cited(item),
            noted(item),
            body("/decision_id"),
            cell(item, "/event/meta/environment"),
            body("/workload"),
            body("/agent"),
            when(item, "/recorded_time"),
            cell(item, "/index"),
            cell(item, "/event/meta/trace_id"),
            cell(item, "/event/meta/event_id"),
        ]);
    }
    rows
}

fn typed(item: &Value, pointer: &str) -> Cell {
    let of = |field: &str| text(item, &format!("{pointer}/{field}"));
    format!("{}:{}", of("type"), of("id")).into()
}

/// Where when a thing acts is not when its emitter says that it was, or was long before it was recorded.
pub(super) fn noted(item: &Value) -> Cell {
    /// As much as a decision may take to arrive, and nobody minds.
    const LATE_MS: i64 = 60_000;
    let time = |pointer: &str| item.pointer(pointer).and_then(Value::as_str)?.parse::<Timestamp>().ok();
    let (Some(said), Some(recorded)) = (time("/event/meta/event_time"), time("/recorded_time")) else {
        return Cell::Nothing("");
    };
    let late = recorded.as_millisecond() - said.as_millisecond();
    if late > LATE_MS {
        format!("recorded {} late", span(late.unsigned_abs())).into()
    } else if late < -LATE_MS {
        format!("emitter says {}", own_zone().print(said, Digits::Seconds)).into()
    } else {
        Cell::Nothing("")
    }
}

fn cited(item: &Value) -> Cell {
    let cited = item
        .pointer("/event/body")
        .map_or(&[][..], |body| list(body, "policies"));
    let parts: Vec<String> = cited
        .iter()
        .map(|p| format!("{} {}", text(p, "/policy"), text(p, "/version")))
        .collect();
    if parts.is_empty() {
        Cell::Nothing("-")
    } else {
        parts.join(", ").into()
    }
}
