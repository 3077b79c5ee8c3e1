//! `objects/{kind}/{id}`: what is desired of an object, what was reported of it, and whether the two agree (E25).

use axum::response::Response;
use serde::Serialize;
use verdict_edge::{Answer, CUT, Code, ID, Problem, Tenant};
use verdict_schemas::{Body, Event, EventId, Json, ObjectChanged, ReconciliationReported, Timestamp, TypedId};
use verdict_store::{Index, Order, Record, TimeRange};

use crate::ask::Asking;
use crate::cut::LogAt;
use crate::item::event_at;
use crate::question::Question;
use crate::reply::Reply;

#[derive(Serialize)]
struct Document<'a> {
    tenant: &'a str,
    object: ObjectRef<'a>,
    at: Timestamp,
    known_at: Timestamp,
    as_of: String,
    settled: bool,
    logs: Vec<LogAt>,
    desired: Option<Desired>,
    observed: Option<Observed>,
    /// Null where one of the two is not known.
    drift: Option<bool>,
    evidence: Vec<Evidence<'a>>,
}

#[derive(Serialize)]
struct ObjectRef<'a> {
    kind: &'a str,
    id: &'a str,
}

/// The version of the object at the moment asked about.
#[derive(Serialize)]
struct Desired {
    version: String,
    before: Option<String>,
    after: Option<String>,
    ended: bool,
    /// Not ended, and within its validity where it has one.
    in_force: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    valid_from: Option<Timestamp>,
    #[serde(skip_serializing_if = "Option::is_none")]
    valid_until: Option<Timestamp>,
    by: By,
    #[serde(skip_serializing_if = "Option::is_none")]
    reason: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    document: Option<Json>,
    since: Timestamp,
}

#[derive(Serialize)]
struct By {
    r#type: String,
    id: String,
}

impl From<TypedId> for By {
    fn from(name: TypedId) -> Self {
        Self {
            r#type: name.r#type,
            id: name.id,
        }
    }
}

/// The latest report on it.
#[derive(Serialize)]
struct Observed {
    state: String,
    generation: u64,
    #[serde(skip_serializing_if = "Option::is_none")]
    observed_version: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    converge_within_ms: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    detail: Option<Json>,
    since: Timestamp,
}

#[derive(Serialize)]
struct Evidence<'a> {
    tenant: &'a str,
    index: u64,
    event_id: EventId,
    kind: &'static str,
}

impl Desired {
    fn new(changed: ObjectChanged, since: Timestamp, at: Timestamp) -> Self {
        let ended = changed.after.is_none();
        let valid =
            changed.valid_from.is_none_or(|from| from <= at) && changed.valid_until.is_none_or(|until| at < until);
        Self {
            version: changed.version,
            before: changed.before,
            after: changed.after,
            ended,
            in_force: !ended && valid,
            valid_from: changed.valid_from,
            valid_until: changed.valid_until,
            by: changed.by.into(),
            reason: changed.reason,
            document: changed.document,
            since,
        }
    }
}

impl Observed {
    fn new(report: ReconciliationReported, since: Timestamp) -> Self {
        Self {
            state: report.state,
            generation: report.generation,
            observed_version: report.observed_version,
            converge_within_ms: report.converge_within_ms,
            detail: report.detail,
            since,
        }
    }
}

/// `GET /v1/tenants/{tenant}/objects/{kind}/{id}`
pub(crate) async fn one(asking: Asking<Tenant>) -> Response {
    asking
        .about(&[CUT, &["at"]], |question| {
            document(question, question.segment("kind"), question.segment("id"))
        })
        .await
}

/// `GET /v1/tenants/{tenant}/object?kind=&id=`: the same, of whatever id.
pub(crate) async fn named(asking: Asking<Tenant>) -> Response {
    asking
        .about(&[CUT, &["at", "kind"], ID], |question| {
            let params = &question.params;
            document(question, params.required("kind")?, params.required("id")?)
        })
        .await
}

fn document(question: &Question<'_>, kind: &str, id: &str) -> Answer<Reply> {
    let at = question.cut.at;
    let unknown = || Problem::new(Code::NotFound, format!("no object `{kind}` `{id}` at or before `{at}`"));
    let log = question.cut.own.id.ok_or_else(unknown)?;
    let until = TimeRange {
        from: None,
        until: at.plus_micros(1),
    };
    // The latest in an index of its own: what was reported crowds out nothing that was intended.
    let latest = |index: Index| -> Answer<Option<(Timestamp, Record, Event)>> {
        let cut = question.cut.own.cut;
        let mut scan = question
            .snapshot
            .scan(log, &index, until, Order::NewestFirst, None, cut)?;
        let Some(entry) = scan.next().transpose()? else {
            return Ok(None);
        };
        Ok(event_at(question, entry.index)?.map(|(record, event)| (entry.f, record, event)))
    };
    let (named, id_of) = (kind.to_owned(), id.to_owned());
    let changed = latest(Index::Object { kind: named, id: id_of })?;
    let (named, id_of) = (kind.to_owned(), id.to_owned());
    let reported = latest(Index::Reports { kind: named, id: id_of })?;
    let (mut desired, mut observed, mut evidence) = (None, None, Vec::new());
    for (since, record, event) in changed.into_iter().chain(reported) {
        evidence.push(Evidence {
            tenant: question.tenant.as_str(),
            index: record.index.0,
            event_id: event.meta.event_id,
            kind: event.body.kind().as_str(),
        });
        match event.body {
            Body::ObjectChanged(changed) => desired = Some(Desired::new(*changed, since, at)),
            Body::ReconciliationReported(report) => observed = Some(Observed::new(report, since)),
            _ => {}
        }
    }
    if evidence.is_empty() {
        return Err(unknown());
    }
    evidence.sort_unstable_by_key(|record| record.index);
    let drift = desired
        .as_ref()
        .zip(observed.as_ref())
        .map(|(desired, observed): (&Desired, &Observed)| desired.after != observed.observed_version);
    Reply::json(&Document {
        tenant: question.tenant.as_str(),
        object: ObjectRef { kind, id },
        at,
        known_at: question.cut.known_at,
        as_of: question.cut.token(),
        settled: question.cut.settled(),
        logs: question.cut.logs(),
        desired,
        observed,
        drift,
        evidence,
    })
}
