//! `GET /v1/find?id=`: where an id occurs, over the tenants that the caller may read (A7: no others are looked into).

use axum::response::{IntoResponse, Response};
use serde::Serialize;
use uuid::Uuid;
use verdict_edge::{Answer, ID, NoLog, Params, access::Role, percent};
use verdict_schemas::{Body, EventId, Interpretation, RolloutId, TenantId, Timestamp, TraceId};
use verdict_store::{Index, LogInfo, LogName, Order, Snapshot, TimeRange};

use crate::ask::Asking;
use crate::reply::Reply;
use crate::routes::decisions::decision_of;

/// So many places are named.
const MOST: usize = 100;

#[derive(Serialize)]
struct Found {
    tenant: String,
    /// `event`, `decision`, `rollout`, `trace`, `correlation` or `agent`.
    what: &'static str,
    /// Where it is: of a trace or a correlation id its first event, of an agent its latest.
    index: u64,
    /// The question that shows it.
    href: String,
}

/// `GET /v1/find`
pub(crate) async fn find(asking: Asking<NoLog>) -> Response {
    #[derive(Serialize)]
    struct Document {
        id: String,
        items: Vec<Found>,
        complete: bool,
        known_at: Timestamp,
    }
    let id = match Params::read(asking.query(), &[ID]).and_then(|params| Ok(params.required("id")?.to_owned())) {
        Ok(id) => id,
        Err(problem) => return problem.into_response(),
    };
    asking
        .alone(move |state, caller| {
            let known_at = state.edge.store().horizon();
            let snapshot = state.edge.store().snapshot();
            let mut logs = snapshot.logs()?;
            logs.retain(|log| log.name.tenant().is_some_and(|tenant| caller.may(Role::Read, tenant)));
            logs.sort_by(|one, other| one.name.cmp(&other.name));
            let mut items = Vec::new();
            for log in &logs {
                if let LogName::Tenant(tenant) = &log.name {
                    find_in(&snapshot, log, tenant, &id, &mut items)?;
                }
                if items.len() >= MOST {
                    break;
                }
            }
            let complete = items.len() < MOST;
            items.truncate(MOST);
            Reply::json(&Document {
                id,
                items,
                complete,
                known_at,
            })
        })
        .await
}

/// Path and query of one thing: below its list, unless its id would not arrive there as what it is.
fn one_of(what: &str, id: &str) -> String {
    let encoded = percent::encode(id);
    match id {
        "" | "." | ".." | "count" => format!("/{what}?id={encoded}"),
        _ => format!("/{what}s/{encoded}"),
    }
}

fn find_in(snapshot: &Snapshot<'_>, log: &LogInfo, tenant: &TenantId, id: &str, items: &mut Vec<Found>) -> Answer<()> {
    let base = format!("/v1/tenants/{tenant}");
    let encoded = percent::encode(id);
    let mut add = |what, index: u64, href: String| {
        items.push(Found {
            tenant: tenant.to_string(),
            what,
            index,
            href: format!("{base}{href}"),
        });
    };
    if let Ok(uuid) = Uuid::try_parse(id) {
        for found in snapshot.by_event_id(log.id, EventId(uuid), log.visible)? {
            add("event", found.index.0, format!("/events/{uuid}"));
        }
    }
    if let Some(index) = decision_of(snapshot, log.id, id, log.visible)? {
        add("decision", index.0, one_of("decision", id));
    }
    let intents = snapshot.intents(log.id, log.visible)?;
    let rollout = intents
        .as_ref()
        .and_then(|intents| intents.cut(log.visible.steps()).rollout(&RolloutId::from(id)));
    if let Some(rollout) = rollout {
        add("rollout", rollout.started.record.index, one_of("rollout", id));
    }
    if let Some(first) = snapshot.by_trace(log.id, id, log.visible, 1)?.first() {
        add(
            "trace",
            first.index.0,
            format!("/decisions?trace_id={}", percent::encode(&TraceId::normal_form(id))),
        );
    }
    // What they are is what is looked for: each is named, behind the list of them all.
    let correlated = snapshot.by_correlation(log.id, id, log.visible, MOST)?;
    if let Some(first) = correlated.first() {
        add(
            "correlation",
            first.index.0,
            format!("/decisions?correlation_id={encoded}"),
        );
    }
    for entry in correlated {
        if let Some((_, Interpretation::Event(event))) = snapshot.event(log.id, entry.index)? {
            match &event.body {
                Body::Decision(decision) => add(
                    "decision",
                    entry.index.0,
                    one_of("decision", decision.decision_id.as_str()),
                ),
                _ => add("event", entry.index.0, format!("/events/{}", event.meta.event_id)),
            }
        }
    }
    let (index, always) = (Index::Agent(id.to_owned()), TimeRange::default());
    if let Some(entry) = snapshot
        .scan(log.id, &index, always, Order::NewestFirst, None, log.visible)?
        .next()
    {
        add("agent", entry?.index.0, format!("/decisions?agent={encoded}"));
    }
    Ok(())
}
