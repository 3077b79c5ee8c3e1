//! `GET /v1/find?id=`: where an id occurs, over the tenants that the caller may read (A7: no others are looked into).
//!
//! What other nodes hold they are asked for, side by side and not for long; what could not be asked is named, for "not found"
//! must not mean "not looked for".

use std::borrow::Cow;
use std::time::Duration;

use axum::http::{HeaderMap, Method, StatusCode};
use axum::response::{IntoResponse, Response};
use futures::future::join_all;
use serde::{Deserialize, Serialize};
use uuid::Uuid;
use verdict_edge::access::{Principal, Role};
use verdict_edge::{Answer, Edge, Holder, ID, NoLog, Params, Part, Sent, Share, percent};
use verdict_schemas::{Body, EventId, Interpretation, RolloutId, TenantId, Timestamp, TraceId};
use verdict_store::{Index, LogInfo, LogName, Order, Snapshot, TimeRange};

use crate::ask::Asking;
use crate::behind::broken;
use crate::reply::Reply;
use crate::routes::decisions::decision_of;
use crate::state::QueryState;

/// So many places are named.
const MOST: usize = 100;
/// How long another node is waited for.
const PATIENCE: Duration = Duration::from_secs(5);

#[derive(PartialEq, Serialize, Deserialize)]
struct Found {
    tenant: String,
    /// `event`, `decision`, `rollout`, `trace`, `correlation` or `agent`.
    what: Cow<'static, str>,
    /// Where it is: of a trace or a correlation id its first event, of an agent its latest.
    index: u64,
    /// The question that shows it.
    href: String,
}

/// What is found, here or by another node.
#[derive(Serialize, Deserialize)]
struct Document {
    id: String,
    items: Vec<Found>,
    complete: bool,
    known_at: Timestamp,
    /// What was not looked into because another node holds it.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    not_asked: Vec<NotAsked>,
    /// Told to another node alone: what is not held here either. Two nodes of which each takes the other for the owner of a
    /// tenant would both have looked everywhere, and nobody there.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    not_held: Vec<Part>,
}

#[derive(Serialize, Deserialize)]
struct NotAsked {
    #[serde(skip_serializing_if = "Option::is_none")]
    owner: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    partitions: Option<String>,
    /// Where single tenants are named: those of them that the caller may read.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    tenants: Vec<TenantId>,
    reason: String,
}

/// `GET /v1/find`
pub(crate) async fn find(asking: Asking<NoLog>) -> Response {
    let id = match Params::read(asking.query(), &[ID]).and_then(|params| Ok(params.required("id")?.to_owned())) {
        Ok(id) => id,
        Err(problem) => return problem.into_response(),
    };
    let (edge, caller, asked_for) = (asking.state.edge.clone(), asking.caller.clone(), id.clone());
    let here = asking.alone(move |state, caller| find_here(state, caller, id));
    // What another node sent on is about what is held here alone.
    let elsewhere = if caller.is_forwarded() {
        Vec::new()
    } else {
        edge.owners().elsewhere()
    };
    let there = join_all(
        elsewhere
            .into_iter()
            .map(|share| ask(&edge, &caller, &asked_for, share)),
    );
    let (here, there) = tokio::join!(here, there);
    here.and_then(|here| Reply::json(&merged(here, there, &caller)))
        .into_response()
}

fn find_here(state: &QueryState, caller: &Principal, id: String) -> Answer<Document> {
    let (store, owners) = (state.edge.store(), state.edge.owners());
    let readable = |log: &LogName| log.tenant().is_some_and(|tenant| caller.may(Role::Read, tenant));
    // What is left of a partition that was read here once is answered by whoever reads it now.
    let is_asked = |log: &LogName| readable(log) && owners.holder(log) == Holder::Here;
    let names: Vec<LogName> = store.log_names().into_iter().filter(is_asked).collect();
    let names: Vec<&LogName> = names.iter().collect();
    let known_at = store.horizon(&names);
    let snapshot = store.snapshot();
    let mut logs = snapshot.logs()?;
    logs.retain(|log| is_asked(&log.name));
    let is_whole = |log: &&LogName| {
        let caught_up = store.standing(log).is_none_or(|standing| standing.is_caught_up);
        caught_up && broken(store, log).is_none()
    };
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
    let complete = names.iter().all(is_whole) && items.len() < MOST;
    items.truncate(MOST);
    Ok(Document {
        id,
        items,
        complete,
        known_at,
        not_asked: Vec::new(),
        not_held: if caller.is_forwarded() {
            owners.elsewhere().into_iter().map(|share| share.part).collect()
        } else {
            Vec::new()
        },
    })
}

/// That of a share, a part was not looked into; to a caller no tenants are named but those that he may read (A7).
fn not_asked(share: &Share, part: &Part, caller: &Principal, reason: &str) -> NotAsked {
    let tenants = match part {
        Part::Tenants(tenants) => tenants.clone(),
        Part::Partitions(_) => Vec::new(),
    };
    NotAsked {
        owner: share.owner.clone(),
        partitions: part.partitions(),
        tenants: tenants
            .into_iter()
            .filter(|tenant| caller.may(Role::Read, tenant))
            .collect(),
        reason: reason.to_owned(),
    }
}

/// Asks the node that holds a share of the tenants.
async fn ask(edge: &Edge, caller: &Principal, id: &str, share: Share) -> Result<Document, NotAsked> {
    let not_asked = |reason: &str| not_asked(&share, &share.part, caller, reason);
    let owner = share
        .owner
        .as_deref()
        .ok_or_else(|| not_asked("no node is known that reads them"))?;
    let peers = edge
        .peers()
        .ok_or_else(|| not_asked("this node has no token to ask it with"))?;
    let sent = Sent {
        owner,
        caller,
        method: Method::GET,
        target: &format!("/v1/find?id={}", percent::encode(id)),
        headers: &HeaderMap::new(),
        body: None,
    };
    let answer = tokio::time::timeout(PATIENCE, peers.send(sent)).await;
    let answer = answer.map_err(|_| not_asked("it did not answer in time"))?;
    let answer = answer.map_err(|_| not_asked("it can not be asked; the log of this node says why"))?;
    if answer.status() != StatusCode::OK {
        return Err(not_asked(&format!("it answered {}", answer.status().as_u16())));
    }
    let bytes = axum::body::to_bytes(answer.into_body(), usize::MAX).await;
    let mut answer: Document = bytes
        .ok()
        .and_then(|bytes| serde_json::from_slice(&bytes).ok())
        .ok_or_else(|| not_asked("its answer can not be read: it is of another release, perhaps"))?;
    let by_nobody = answer.not_held.iter().filter_map(|part| share.part.within(part));
    let by_nobody =
        by_nobody.map(|part| self::not_asked(&share, &part, caller, "it says that it does not hold this either"));
    // Where a tenant that the caller may not read is held is nothing to him.
    answer.not_asked = by_nobody
        .filter(|part| part.partitions.is_some() || !part.tenants.is_empty())
        .collect();
    Ok(answer)
}

/// All that was found, each once: several nodes may hold a tenant.
fn merged(mut here: Document, there: Vec<Result<Document, NotAsked>>, caller: &Principal) -> Document {
    // Another node is believed about what it holds, and about nothing else (A7).
    let believed = |found: &Found| {
        let tenant = TenantId::parse(&found.tenant).is_ok_and(|tenant| caller.may(Role::Read, &tenant));
        tenant && found.href.starts_with(&format!("/v1/tenants/{}/", found.tenant))
    };
    for answer in there {
        match answer {
            Ok(more) => {
                here.complete &= more.complete && more.not_asked.is_empty();
                here.not_asked.extend(more.not_asked);
                here.known_at = here.known_at.min(more.known_at);
                for found in more.items.into_iter().filter(believed) {
                    if !here.items.contains(&found) {
                        here.items.push(found);
                    }
                }
            }
            Err(not_asked) => {
                here.complete = false;
                here.not_asked.push(not_asked);
            }
        }
    }
    // By tenant, as where one node holds them all; what is of one tenant stays in its order.
    here.items.sort_by(|one, other| one.tenant.cmp(&other.tenant));
    here.complete &= here.items.len() <= MOST;
    here.items.truncate(MOST);
    here
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
    let mut add = |what: &'static str, index: u64, href: String| {
        items.push(Found {
            tenant: tenant.to_string(),
            what: what.into(),
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
