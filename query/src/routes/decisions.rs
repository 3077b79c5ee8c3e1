//! `decisions`, `decisions/count`, `decisions/{id}`, and `decision?id=` for ids that no path can carry.
//!
//! A list walks one index and checks against the record what that index does not say, within a bound on the records
//! read. At the bound it stops with what it has, `complete: false`, and a cursor that goes on from there: a filter
//! nobody indexed costs many short answers, never one that holds the node up.

use axum::response::Response;
use serde::Serialize;
use uuid::Uuid;
use verdict_edge::{Answer, CUT, Code, ID, LIST, Problem, Tenant};
use verdict_schemas::{Body, Timestamp};
use verdict_store::{LeafIndex, LogCut, LogId, Order, Snapshot};

use crate::ask::Asking;
use crate::cut::LogAt;
use crate::filters::{FILTERS, Filters};
use crate::item::{EventItem, event_at};
use crate::question::{Question, Rest};
use crate::received::Received;
use crate::reply::Reply;
use crate::routes::events::{EventDocument, as_received, proof};
use crate::token::{no_such_place, place, read_place};
use crate::walk::Walk;

/// `GET /v1/tenants/{tenant}/decisions`
pub(crate) async fn list(asking: Asking<Tenant>) -> Response {
    asking
        .about(&[CUT, LIST, FILTERS], |question| {
            let filters = Filters::read(question)?;
            let limit = question.limit()?;
            let mut items = Vec::new();
            let rest = visit(
                question,
                &filters,
                order(question)?,
                question.limits.examined,
                |found| {
                    if let Some(item) = found {
                        items.push(item);
                    }
                    items.len() < limit
                },
            )?;
            question.list(items, rest)
        })
        .await
}

/// `GET /v1/tenants/{tenant}/decisions/count`
pub(crate) async fn count(asking: Asking<Tenant>) -> Response {
    #[derive(Serialize)]
    struct Document {
        count: u64,
        complete: bool,
        #[serde(skip_serializing_if = "Option::is_none")]
        next: Option<String>,
        known_at: Timestamp,
        as_of: String,
        logs: Vec<LogAt>,
    }
    asking
        .about(&[CUT, &["cursor"], FILTERS], |question| {
            let filters = Filters::read(question)?;
            let walk = Walk::plan(question, &filters, Order::NewestFirst, from(question)?)?;
            let mut count = 0;
            let rest = if walk.is_exact() {
                let rest = walk.count(question.limits.counted, &mut count)?;
                rest.map(|(f, index)| place(f, index.0))
            } else {
                drop(walk);
                let rest = visit(
                    question,
                    &filters,
                    Order::NewestFirst,
                    question.limits.examined,
                    |found| {
                        count += u64::from(found.is_some());
                        true
                    },
                )?;
                rest.map(|rest| rest.place)
            };
            Reply::json(&Document {
                count,
                complete: rest.is_none(),
                next: rest.map(|place| question.cursor(place)),
                known_at: question.cut.known_at,
                as_of: question.cut.token(),
                logs: question.cut.logs(),
            })
        })
        .await
}

/// `GET /v1/tenants/{tenant}/decisions/{id}`
pub(crate) async fn one(asking: Asking<Tenant>) -> Response {
    asking
        .about(&[CUT], |question| document(question, question.segment("id")))
        .await
}

/// `GET /v1/tenants/{tenant}/decision?id=`: the same, of whatever id.
pub(crate) async fn named(asking: Asking<Tenant>) -> Response {
    asking
        .about(&[CUT, ID], |question| {
            document(question, question.params.required("id")?)
        })
        .await
}

fn document(question: &Question<'_>, id: &str) -> Answer<Reply> {
    let unknown = || {
        Problem::new(
            Code::NotFound,
            format!("no decision `{id}` is in the log as of this cut"),
        )
    };
    let log = question.cut.own.id.ok_or_else(unknown)?;
    let index = decision_of(&question.snapshot, log, id, question.cut.own.cut)?.ok_or_else(unknown)?;
    let (record, event) = event_at(question, index)?.ok_or_else(unknown)?;
    if let Some(bytes) = as_received(question, &record) {
        return Ok(bytes);
    }
    Reply::json(&EventDocument {
        item: EventItem::new(question.tenant.as_str(), &record, &event),
        status: "counts",
        of: None,
        others: None,
        received: Received::of(&record),
        proof: proof(question, &record)?,
        known_at: question.cut.known_at,
        as_of: question.cut.token(),
        logs: question.cut.logs(),
    })
}

/// The decision of an id; of a UUID also in the form in which most emitters write it, lower-case with hyphens.
pub(crate) fn decision_of(snapshot: &Snapshot<'_>, log: LogId, id: &str, cut: LogCut) -> Answer<Option<LeafIndex>> {
    if let Some(index) = snapshot.by_decision_id(log, id, cut)? {
        return Ok(Some(index));
    }
    let usual = Uuid::try_parse(id).ok().map(|uuid| uuid.to_string());
    match usual.filter(|usual| usual != id) {
        Some(usual) => Ok(snapshot.by_decision_id(log, &usual, cut)?),
        None => Ok(None),
    }
}

/// `order`: newest first unless asked otherwise.
pub(crate) fn order(question: &Question<'_>) -> Answer<Order> {
    let choices = [("newest", Order::NewestFirst), ("oldest", Order::OldestFirst)];
    Ok(question.params.one_of("order", &choices)?.unwrap_or(Order::NewestFirst))
}

fn from(question: &Question<'_>) -> Answer<Option<(Timestamp, LeafIndex)>> {
    let Some(bytes) = &question.place else { return Ok(None) };
    let (f, index) = read_place(bytes).ok_or_else(no_such_place)?;
    Ok(Some((f, LeafIndex(index))))
}

/// Visits the decisions that the filters accept, in order, until `take` says that it has enough, or `examined` records
/// were read. `take` gets `None` for a record that was read and not accepted. Returns where to go on from, if there is
/// more, and whether it stopped before `take` had enough.
fn visit(
    question: &Question<'_>,
    filters: &Filters,
    order: Order,
    examined: usize,
    mut take: impl FnMut(Option<EventItem>) -> bool,
) -> Answer<Option<Rest>> {
    let mut walk = Walk::plan(question, filters, order, from(question)?)?;
    let (mut read, mut walked, mut last, mut enough) = (0, 0, None, false);
    while let Some(entry) = walk.next() {
        let entry = entry?;
        if enough || read >= examined || walked >= question.limits.counted {
            return Ok(last.map(|(f, index): (Timestamp, LeafIndex)| Rest {
                place: place(f, index.0),
                bounded: !enough,
            }));
        }
        last = Some(entry.position());
        walked += 1;
        if !walk.asks_for(&entry) {
            continue;
        }
        read += 1;
        let found = event_at(question, entry.index)?.and_then(|(record, event)| match &event.body {
            Body::Decision(decision) if filters.accept(&event, decision) => {
                Some(EventItem::new(question.tenant.as_str(), &record, &event))
            }
            _ => None,
        });
        enough = !take(found);
    }
    Ok(None)
}
