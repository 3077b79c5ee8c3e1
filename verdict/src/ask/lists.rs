//! `verdict agents`, `rollouts`, `sources` and `quarantine`: lists, each with its columns.

use serde_json::Value;

use super::listing::{Listing, Since};
use super::names::Names;
use super::pages::Pages;
use super::policies::{recorded_late, span};
use super::{Query, list, single};
use crate::cli::{AgentsArgs, QuarantineArgs, RolloutsArgs, SourcesArgs};
use crate::client::Client;
use crate::exit::Failure;
use crate::output::{Cell, Rows, cell, must, room, said, scope, table, text, when, wide};

/// `verdict agents`
pub(crate) async fn agents(args: &AgentsArgs) -> Result<(), Failure> {
    let client = Client::new(&args.server)?;
    let query = Query::new()
        .with("environment", args.environment.as_ref())
        .with("policy", args.policy.as_ref())
        .with("version", args.version.as_ref())
        .cut(&args.cut)?;
    let listing = Listing {
        output: args.server.output,
        limit: args.page.limit,
        known: &args.cut.known,
        since: query.since(&args.since)?.map(|time| Since {
            time,
            of: "/last_seen",
            newest_first: false,
        }),
        table: agent_rows,
    };
    let path = ["v1", "tenants", &args.tenant, "agents"];
    let found = listing
        .print(&mut Pages::new(client.clone(), &path, query.pairs)?)
        .await?;
    let names = Names {
        environment: args.environment.as_deref(),
        policy: args.policy.as_deref(),
    };
    some(found, &client, &args.tenant, names, "no such agent was seen").await
}

fn agent_rows(items: &[Value]) -> Rows {
    let mut rows = table(&[
        room("environment", 4),
        must("agent"),
        room("incarnation", 5),
        room("state", 1),
        room("last seen", 2),
        room("runs", 3),
        wide("stale ms"),
        wide("labels"),
    ]);
    for item in items {
        rows.add_row([
            cell(item, "/environment"),
            cell(item, "/agent"),
            // An agent that names none has one incarnation, without a name.
            some_text(item, "/incarnation"),
            cell(item, "/state"),
            when(item, "/last_seen"),
            running(item),
            cell(item, "/stale_ms"),
            cell(item, "/labels"),
        ]);
    }
    rows
}

fn some_text(item: &Value, pointer: &str) -> Cell {
    match cell(item, pointer) {
        Cell::Text(text) if text.is_empty() => Cell::Nothing("-"),
        said => said,
    }
}

fn running(item: &Value) -> Cell {
    let runs: Vec<String> = list(item, "running")
        .iter()
        .map(|run| {
            let version = run.get("version").and_then(Value::as_str).unwrap_or("nothing");
            format!("{} {version}", text(run, "/policy"))
        })
        .collect();
    if runs.is_empty() {
        Cell::Nothing("-")
    } else {
        runs.join(", ").into()
    }
}

/// `verdict rollouts`
pub(crate) async fn rollouts(args: &RolloutsArgs) -> Result<(), Failure> {
    let client = Client::new(&args.server)?;
    let mut query = Query::new()
        .with("environment", args.environment.as_ref())
        .with("policy", args.policy.as_ref())
        .cut(&args.cut)?;
    let since = query.since(&args.since)?;
    query.pairs.extend(oldest(args.oldest));
    let listing = Listing {
        output: args.server.output,
        limit: args.page.limit,
        known: &args.cut.known,
        since: since.map(|time| Since {
            time,
            of: "/started",
            newest_first: !args.oldest,
        }),
        table: rollout_rows,
    };
    let path = ["v1", "tenants", &args.tenant, "rollouts"];
    let found = listing
        .print(&mut Pages::new(client.clone(), &path, query.pairs)?)
        .await?;
    let names = Names {
        environment: args.environment.as_deref(),
        policy: args.policy.as_deref(),
    };
    some(found, &client, &args.tenant, names, "no such rollout had started").await
}

fn rollout_rows(items: &[Value]) -> Rows {
    let mut rows = table(&[
        room("started", 2),
        must("rollout"),
        room("policy", 3),
        must("to"),
        room("state", 1),
        room("scope", 4),
        said("until", 5),
        said("note", 6),
        wide("acts at"),
        wide("log"),
        wide("quorum"),
        wide("within ms"),
    ]);
    for item in items {
        rows.add_row([
            when(item, "/started"),
            cell(item, "/rollout_id"),
            cell(item, "/policy"),
            cell(item, "/to_version"),
            cell(item, "/state"),
            scope(&item["scope"]).into(),
            when(item, "/until"),
            recorded_late(item),
            when(item, "/acts_at"),
            cell(item, "/tenant"),
            quorum(item),
            cell(item, "/max_inconsistency_ms"),
        ]);
    }
    rows
}

fn quorum(item: &Value) -> Cell {
    let number = |field: &str| item.pointer(field).and_then(Value::as_u64);
    match (number("/quorum/percent"), number("/quorum/min_agents")) {
        (None, None) => Cell::Nothing("-"),
        (Some(percent), None) => format!("{percent} %").into(),
        (None, Some(agents)) => format!("{agents} agents").into(),
        (Some(percent), Some(agents)) => format!("{percent} %, {agents} agents").into(),
    }
}

/// `verdict sources`
pub(crate) async fn sources(args: &SourcesArgs) -> Result<(), Failure> {
    let client = Client::new(&args.server)?;
    let query = Query::new().known(&args.known)?;
    let listing = Listing {
        output: args.server.output,
        limit: args.page.limit,
        known: &args.known,
        since: query.since(&args.since)?.map(|time| Since {
            time,
            of: "/last_recorded",
            newest_first: false,
        }),
        table: source_rows,
    };
    let path = ["v1", "tenants", &args.tenant, "sources"];
    let found = listing
        .print(&mut Pages::new(client.clone(), &path, query.pairs)?)
        .await?;
    some(found, &client, &args.tenant, Names::default(), "nobody sent anything").await
}

fn source_rows(items: &[Value]) -> Rows {
    let mut rows = table(&[
        must("source"),
        room("events", 1),
        room("malformed", 3),
        room("duplicates", 6),
        room("conflicts", 7),
        room("missing", 2),
        room("last recorded", 4),
        room("latest by", 5),
        wide("mean late ms"),
        wide("first recorded"),
        wide("last event"),
        wide("ahead"),
    ]);
    for item in items {
        let micros = |pointer: &str| item.pointer(pointer).and_then(Value::as_u64).unwrap_or(0);
        rows.add_row([
            cell(item, "/source").or("(names none)"),
            cell(item, "/events"),
            cell(item, "/malformed"),
            cell(item, "/duplicates"),
            cell(item, "/conflicts"),
            cell(item, "/missing"),
            when(item, "/last_recorded"),
            span(micros("/lateness/max_us") / 1000).into(),
            (micros("/lateness/mean_us") / 1000).to_string().into(),
            when(item, "/first_recorded"),
            when(item, "/last_event_time"),
            cell(item, "/lateness/ahead"),
        ]);
    }
    rows
}

/// `verdict quarantine`
pub(crate) async fn quarantine(args: &QuarantineArgs) -> Result<(), Failure> {
    let client = Client::new(&args.server)?;
    let mut query = Query::new().with("flag", args.flag.as_ref()).known(&args.known)?;
    if let Some(index) = args.index {
        let index = index.to_string();
        let path = ["v1", "tenants", &args.tenant, "quarantine", &index];
        let found = client.get(&path, &query.pairs).await?;
        return single::print(&found, args.server.output, &args.known);
    }
    let since = query.since(&args.since)?;
    query.pairs.extend(oldest(args.oldest));
    let listing = Listing {
        output: args.server.output,
        limit: args.page.limit,
        known: &args.known,
        since: since.map(|time| Since {
            time,
            of: "/recorded_time",
            newest_first: !args.oldest,
        }),
        table: quarantine_rows,
    };
    let path = ["v1", "tenants", &args.tenant, "quarantine"];
    let found = listing
        .print(&mut Pages::new(client.clone(), &path, query.pairs)?)
        .await?;
    some(
        found,
        &client,
        &args.tenant,
        Names::default(),
        "nothing is in quarantine",
    )
    .await
}

fn quarantine_rows(items: &[Value]) -> Rows {
    let mut rows = table(&[
        must("index"),
        room("recorded", 2),
        must("flag"),
        said("rule", 1),
        said("field", 3),
        said("kind", 4),
        said("schema", 4),
        said("counts instead", 5),
        said("why", 6),
        room("bytes", 7),
        wide("provenance"),
        wide("principal"),
        wide("partition"),
        wide("offset"),
        wide("content type"),
    ]);
    for item in items {
        rows.add_row([
            cell(item, "/index"),
            when(item, "/recorded_time"),
            cell(item, "/flag"),
            cell(item, "/rule"),
            cell(item, "/field"),
            cell(item, "/kind"),
            cell(item, "/schema"),
            cell(item, "/of"),
            cell(item, "/detail"),
            cell(item, "/size"),
            cell(item, "/provenance"),
            cell(item, "/principal"),
            cell(item, "/position/partition"),
            cell(item, "/position/offset"),
            cell(item, "/content_type"),
        ]);
    }
    rows
}

fn oldest(oldest: bool) -> Option<(&'static str, String)> {
    oldest.then(|| ("order", "oldest".to_owned()))
}

/// Exit code 1 for a list that holds nothing, another for one of a name that nobody knows.
async fn some(found: u64, client: &Client, tenant: &str, names: Names<'_>, otherwise: &str) -> Result<(), Failure> {
    if found > 0 {
        return Ok(());
    }
    Err(names.missing(client, tenant, otherwise).await)
}
