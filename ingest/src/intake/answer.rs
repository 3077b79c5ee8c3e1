//! What the sender is told: line by line what was refused, event by event what was taken.

use axum::Json;
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use serde::Serialize;
use verdict_edge::Problem;
use verdict_schemas::{EventId, TenantId};
use verdict_store::{Appended, LogHead};

use super::judge::{Refused, common_code};
use crate::outgoing::Delivered;
use crate::stats::IntakeCounts;

#[derive(Debug, Serialize)]
struct Rejected {
    line: usize,
    #[serde(skip_serializing_if = "Option::is_none")]
    event_id: Option<EventId>,
    problem: LineProblem,
}

#[derive(Debug, Serialize)]
struct LineProblem {
    r#type: String,
    title: &'static str,
    detail: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    field: Option<String>,
    rule: &'static str,
}

#[derive(Debug, Serialize)]
struct EventResult {
    event_id: EventId,
    status: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    index: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    position: Option<PositionOf>,
}

#[derive(Debug, Serialize)]
struct PositionOf {
    partition: u32,
    offset: u64,
}

/// The end of a log, as answers name it.
#[derive(Debug, Serialize)]
pub(crate) struct Log {
    tenant: String,
    size: u64,
    root: String,
}

impl Log {
    pub(crate) fn of(head: &LogHead) -> Self {
        Self {
            tenant: head.name.to_string(),
            size: head.size.0,
            root: head.root.to_string(),
        }
    }
}

/// The answer to a request of which something was taken.
#[derive(Debug, Serialize)]
pub(crate) struct Answer {
    #[serde(skip)]
    status: StatusCode,
    accepted: u64,
    duplicates: u64,
    conflicts: u64,
    rejected: Vec<Rejected>,
    results: Vec<EventResult>,
    #[serde(skip_serializing_if = "Option::is_none")]
    log: Option<Log>,
    /// There where the events are durable and not visible to queries yet.
    #[serde(skip_serializing_if = "Option::is_none")]
    visible: Option<bool>,
}

impl Answer {
    pub(crate) fn counts(&self, counts: IntakeCounts) -> IntakeCounts {
        IntakeCounts {
            accepted: self.accepted,
            duplicates: self.duplicates,
            conflicts: self.conflicts,
            rejected: self.rejected.len() as u64,
            ..counts
        }
    }
}

impl IntoResponse for Answer {
    fn into_response(self) -> Response {
        (self.status, Json(self)).into_response()
    }
}

fn rejected(refused: Vec<Refused>) -> Vec<Rejected> {
    let one = |refused: Refused| Rejected {
        line: refused.line,
        event_id: refused.event_id,
        problem: LineProblem {
            r#type: refused.code.type_uri(),
            title: refused.code.title(),
            detail: refused.rejection.detail,
            field: refused.rejection.field,
            rule: refused.rejection.rule.as_str(),
        },
    };
    refused.into_iter().map(one).collect()
}

/// The problem of a request of which nothing was taken.
pub(crate) fn all_refused(refused: Vec<Refused>) -> Problem {
    let code = common_code(&refused);
    let detail = match refused.as_slice() {
        [only] => format!("line {}: {}", only.line, only.rejection),
        [first, rest @ ..] => format!("line {}: {}; and {} more", first.line, first.rejection, rest.len()),
        [] => "there was none".to_owned(),
    };
    // It is made of strings and numbers: it always has a JSON form.
    let rejected = serde_json::to_value(rejected(refused)).unwrap_or_default();
    Problem::new(code, detail).with("rejected", rejected)
}

/// The answer of `delivered`; `ids` are those of the events taken, in the same order.
pub(crate) fn of(tenant: &TenantId, ids: &[EventId], refused: Vec<Refused>, delivered: Delivered) -> Answer {
    let (status, results, log, visible): (_, Vec<EventResult>, _, _) = match delivered {
        Delivered::Stored { results, head, visible } => {
            let log = head.as_ref().map(Log::of);
            let results = ids.iter().zip(results).map(|(event_id, appended)| EventResult {
                event_id: *event_id,
                status: match appended {
                    Appended::Accepted { .. } => "accepted",
                    Appended::Duplicate { .. } => "duplicate",
                    Appended::Conflict { .. } => "conflict",
                },
                index: Some(appended.index().0),
                position: None,
            });
            let (status, visible) = match visible {
                true => (StatusCode::OK, None),
                false => (StatusCode::ACCEPTED, Some(false)),
            };
            (status, results.collect(), log, visible)
        }
        Delivered::Sent(positions) => {
            let results = ids
                .iter()
                .zip(positions)
                .map(|(event_id, (partition, offset))| EventResult {
                    event_id: *event_id,
                    status: "accepted",
                    index: None,
                    position: Some(PositionOf { partition, offset }),
                });
            (StatusCode::ACCEPTED, results.collect(), None, None)
        }
    };
    let count = |status: &str| results.iter().filter(|result| result.status == status).count() as u64;
    let (accepted, duplicates, conflicts) = (count("accepted"), count("duplicate"), count("conflict"));
    tracing::debug!(%tenant, accepted, duplicates, conflicts, rejected = refused.len(), "events taken");
    Answer {
        status,
        accepted,
        duplicates,
        conflicts,
        rejected: rejected(refused),
        results,
        log,
        visible,
    }
}
