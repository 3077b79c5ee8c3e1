//! A stock OPA's own reports: `POST /opa/v1/{tenant}/{environment}/logs` and `/status`, as OPA sends them, with nothing but
//! its own configuration.
//!
//! ```text
//! caller (401, 404, 403) -> held elsewhere? sent on -> body -> taken apart -> mapped, one by one -> delivered (503) -> 200
//!                                                          \_________\_____________\___ whatever is wrong: quarantined, with its bytes
//! ```
//! OPA repeats everything but a 2xx for ever, so there are only two kinds of other answers: those that an operator mends
//! (401, 403, 404) and those that pass (408, 503). What it repeats is byte-identical; event ids are made from the bytes,
//! so a repetition is a duplicate, in the log's own sense (E4), however often and after whichever restart. An event that
//! the log has already is not mapped into it again even if a binding changed in between.

mod binding;
mod bindings;
mod canonical;
mod decision;
mod document;
mod found;
mod mapping;
mod outcome;
mod pieces;
mod polarity;
mod quarantine;
mod reasons;
mod report;
mod review;
mod sent_on;
mod settings;
mod single;
mod status;
mod upload;

use std::collections::HashMap;
use std::sync::Arc;
use std::time::{SystemTime, UNIX_EPOCH};

use axum::Json;
use axum::body::Body;
use axum::extract::rejection::PathRejection;
use axum::extract::{Path, State};
use axum::http::{HeaderMap, StatusCode, Uri};
use axum::response::{IntoResponse, Response};
use bytes::Bytes;
use serde::Serialize;
use verdict_edge::{Admitted, Code, Holder, Problem, Reporting};
use verdict_schemas::{Environment, Rejection, Timestamp, rule};
use verdict_store::{Appended, DedupKey, LogName, StoreError};

pub(crate) use bindings::Bindings;
pub(crate) use quarantine::RecentlyQuarantined;
pub use settings::OpaSettings;
pub(crate) use single::SingleBundles;

use crate::blocking;
use crate::deliver::deliver;
use crate::intake::Log;
use crate::outgoing::{Delivered, Outgoing};
use crate::sender::Sender;
use crate::state::Shared;
use crate::stats::{IntakeCounts, count};
use canonical::{Canonical, Place, Report};
use pieces::{Piece, pieces};
use quarantine::Poison;
use report::Fault;
use single::Reports;
use upload::Upload;

type Reporter = Result<Admitted<Reporting>, Problem>;
type Segments = Result<Path<HashMap<String, String>>, PathRejection>;

/// `POST .../logs`: decision events, as an array, or as collectors send them.
pub(crate) async fn logs(
    State(shared): State<Arc<Shared>>,
    sender: Reporter,
    path: Segments,
    uri: Uri,
    headers: HeaderMap,
    body: Body,
) -> Response {
    answered(take(shared, sender, path, &uri, &headers, body, Report::Decision).await)
}

/// `POST .../status`: one status.
pub(crate) async fn status(
    State(shared): State<Arc<Shared>>,
    sender: Reporter,
    path: Segments,
    uri: Uri,
    headers: HeaderMap,
    body: Body,
) -> Response {
    answered(take(shared, sender, path, &uri, &headers, body, Report::Status).await)
}

fn answered(answer: Result<Response, Problem>) -> Response {
    answer.unwrap_or_else(|problem| {
        count(IntakeCounts {
            requests: 1,
            refused: 1,
            ..IntakeCounts::default()
        });
        problem.into_response()
    })
}

/// What an upload came to. OPA does not read it; people do.
#[derive(Debug, Serialize)]
struct Answer {
    accepted: u64,
    duplicates: u64,
    quarantined: u64,
    #[serde(skip_serializing_if = "Option::is_none")]
    log: Option<Log>,
}

/// An upload, mapped.
#[derive(Default)]
struct Mapped {
    records: Vec<Outgoing>,
    /// Digests of the poison among the records.
    poison: Vec<[u8; 32]>,
    /// How many records there are of it.
    notes: u64,
    /// What the log has already.
    known: u64,
}

async fn take(
    shared: Arc<Shared>,
    sender: Reporter,
    path: Segments,
    uri: &Uri,
    headers: &HeaderMap,
    body: Body,
    report: Report,
) -> Result<Response, Problem> {
    let sender = Sender::from(sender?);
    // A path that is not UTF-8 names no tenant, and was refused for that.
    let environment = path.ok().and_then(|Path(mut segments)| segments.remove("environment"));
    let environment = match environment.as_deref().unwrap_or_default() {
        "" | "*" => {
            let detail = "the path names one environment, as `prod` in `/opa/v1/acme/prod/logs`, and never `*`";
            return Err(Problem::new(Code::InvalidEnvironment, detail));
        }
        name => Environment::from(name),
    };
    let holder = shared.holder(&sender);
    if holder != Holder::Here {
        return sent_on::sent_on(&shared, holder, &sender, uri, headers, body).await;
    }
    let place = Place {
        tenant: sender.tenant.clone(),
        environment,
    };

    let (upload, sent, mut share) = upload::receive(&shared, headers, body).await?;
    let bytes = match &upload {
        Upload::Whole(bytes) => bytes.len(),
        Upload::Poison(_) => 0,
    };
    // What is made of it is as large as itself, twice over: the canonical events, and the foreign bytes beside them.
    share.take(bytes.saturating_mul(2)).await?;
    let mapped = {
        let (shared, place) = (Arc::clone(&shared), place.clone());
        blocking(bytes, move || map(&shared, &place, upload, report))
            .await?
            .map_err(|error| unreadable(&error))?
    };
    let (quarantined, notes) = (mapped.poison.len() as u64, mapped.notes);
    let mut answer = Answer {
        accepted: 0,
        duplicates: mapped.known,
        quarantined,
        log: None,
    };
    let mut status = StatusCode::OK;
    if !mapped.records.is_empty() {
        match deliver(&shared, &sender, mapped.records).await? {
            Delivered::Stored { results, head, visible } => {
                let again = results
                    .iter()
                    .filter(|result| matches!(result, Appended::Duplicate { .. }))
                    .count() as u64;
                answer.duplicates += again;
                answer.accepted = (results.len() as u64).saturating_sub(again + notes);
                answer.log = head.as_ref().map(Log::of);
                if !visible {
                    status = StatusCode::ACCEPTED;
                }
            }
            Delivered::Sent(positions) => {
                answer.accepted = (positions.len() as u64).saturating_sub(notes);
                status = StatusCode::ACCEPTED;
            }
        }
    }
    if quarantined > 0 {
        tracing::warn!(tenant = %place.tenant, environment = %place.environment, quarantined, "an OPA sent what is no report");
        shared
            .recently_quarantined
            .remember(&place, report, mapped.poison.into_iter());
    }
    count(IntakeCounts {
        requests: 1,
        bytes: sent,
        accepted: answer.accepted,
        duplicates: answer.duplicates,
        quarantined,
        ..IntakeCounts::default()
    });
    Ok((status, Json(answer)).into_response())
}

/// Makes records of an upload: events, and notes of what can not be one.
fn map(shared: &Shared, place: &Place, upload: Upload, report: Report) -> Result<Mapped, StoreError> {
    let snapshot = shared.state.edge.store().snapshot();
    let bindings = shared.bindings.of(&snapshot, &place.tenant)?;
    let log = snapshot.log(&LogName::Tenant(place.tenant.clone()))?;
    let reports = Reports::new(&shared.single_bundles, &snapshot, log.as_ref(), place);
    let now = now();
    let mut mapped = Mapped::default();
    let items = match upload {
        Upload::Poison(poison) => {
            quarantine(shared, place, report, poison, &mut mapped);
            return Ok(mapped);
        }
        Upload::Whole(bytes) => pieces(&bytes, shared.state.limits.max_events),
    };
    for Piece { at, bytes, broken } in items {
        let read = match (broken, report) {
            (Some(rejection), _) => Err(rejection.into()),
            (None, Report::Decision) => decision::decision(&bytes, &reports, &bindings),
            (None, Report::Status) => status::status(&bytes, &reports, &bindings, &shared.state.opa, now),
        };
        match read.and_then(|event| Ok(record(shared, report, event, &bytes)?)) {
            Ok((event, record)) => {
                let held = match &log {
                    Some(log) => snapshot
                        .by_event_id(log.id, event, log.visible)?
                        .iter()
                        .any(|known| known.counts),
                    None => false,
                };
                if held {
                    mapped.known += 1;
                } else {
                    mapped.records.push(record);
                }
            }
            Err(Fault::Store(error)) => return Err(error),
            Err(Fault::Report(rejection)) => {
                quarantine(shared, place, report, Poison::new(at, &bytes, rejection), &mut mapped);
            }
        }
    }
    Ok(mapped)
}

fn record(
    shared: &Shared,
    report: Report,
    event: Canonical,
    foreign: &Bytes,
) -> Result<(verdict_schemas::EventId, Outgoing), Rejection> {
    let dedup = DedupKey {
        source: event.source.into(),
        event_id: event.event_id,
        intent: false,
    };
    let record = Outgoing {
        value: event.value,
        headers: canonical::headers(report, foreign),
        dedup: Some(dedup),
    };
    let (length, most) = (record.bytes(), shared.max_record());
    if length > most {
        return Err(Rejection::new(
            rule::TOO_LARGE,
            format!("the record would have {length} bytes, and {most} are taken"),
        ));
    }
    Ok((event.event_id, record))
}

/// Keeps what is no report. Half of a record is left for what is said about it.
fn quarantine(shared: &Shared, place: &Place, report: Report, poison: Poison, mapped: &mut Mapped) {
    if shared.recently_quarantined.contains(place, report, &poison) {
        mapped.known += 1;
    } else {
        let records = poison.records(report, place.environment.as_str(), shared.max_record() / 2);
        mapped.notes += records.len() as u64;
        mapped.records.extend(records);
        mapped.poison.push(poison.sha256);
    }
}

fn unreadable(error: &StoreError) -> Problem {
    tracing::error!(%error, "an OPA's report could not be looked up");
    Problem::new(Code::NotWritable, "the node's log says why; OPA will send it again")
}

/// The time of receipt.
fn now() -> Timestamp {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    i64::try_from(since.as_micros())
        .ok()
        .and_then(Timestamp::from_micros)
        .unwrap_or(Timestamp::MIN)
}
