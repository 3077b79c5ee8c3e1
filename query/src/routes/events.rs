//! `events/{event_id}`: an event with the proof that it is in the log.

use axum::response::Response;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde::Serialize;
use uuid::Uuid;
use verdict_edge::{Accept, Answer, CUT, Code, Problem, Tenant};
use verdict_schemas::{EventId, Timestamp};
use verdict_store::{EventRecord, Flag, LeafIndex, Record};

use crate::ask::Asking;
use crate::cut::LogAt;
use crate::item::{EventItem, event_at};
use crate::question::Question;
use crate::received::{self, Received};
use crate::reply::Reply;

/// An event, what became of it, and its proof.
#[derive(Serialize)]
pub(crate) struct EventDocument {
    #[serde(flatten)]
    pub(crate) item: EventItem,
    /// `counts`, `duplicate` or `event_conflict` (E4).
    pub(crate) status: &'static str,
    /// The record that counts, where this one does not.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) of: Option<u64>,
    /// Other records with this event id: of other sources, or conflicts.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) others: Option<Vec<Other>>,
    /// The bytes that the proof is about.
    pub(crate) received: Received,
    pub(crate) proof: Proof,
    pub(crate) known_at: Timestamp,
    pub(crate) as_of: String,
    pub(crate) logs: Vec<LogAt>,
}

/// Another record with the same event id.
#[derive(Debug, Serialize)]
pub(crate) struct Other {
    index: u64,
    status: &'static str,
}

/// What RFC 6962 needs to show that a leaf is in a tree. Hashes are lower-case hex, the leaf is base64 (it is bytes).
#[derive(Debug, Serialize)]
pub(crate) struct Proof {
    index: u64,
    size: u64,
    root: String,
    /// The entry that the log serves: `leaf_hash` is the SHA-256 of a zero byte and these.
    leaf: String,
    leaf_hash: String,
    /// The salt in the leaf's commitment to key, headers and value.
    salt: String,
    /// From the leaf's sibling up.
    hashes: Vec<String>,
}

/// `GET /v1/tenants/{tenant}/events/{event_id}`
pub(crate) async fn one(asking: Asking<Tenant>) -> Response {
    asking
        .about(&[CUT], |question| {
            let text = question.segment("event_id");
            let id = Uuid::try_parse(text).map_err(|_| Problem::invalid("event_id", text, "it must be a UUID"))?;
            let unknown = || Problem::new(Code::NotFound, format!("no event `{id}` is in the log as of this cut"));
            let log = question.cut.own.id.ok_or_else(unknown)?;
            let found = question.snapshot.by_event_id(log, EventId(id), question.cut.own.cut)?;
            let mut others = Vec::new();
            let mut shown = None;
            for EventRecord { index, .. } in found {
                let (status, of) = status(question, index)?;
                let plain = of.is_none();
                match (&shown, event_at(question, index)?) {
                    // What counts is shown; of several sources the first, of none that counts the first conflict.
                    (None | Some((_, _, _, Some(_))), Some((record, event))) if shown.is_none() || plain => {
                        if let Some((_, other, status, _)) = shown.replace((event, record, status, of)) {
                            others.push(Other {
                                index: other.index.0,
                                status,
                            });
                        }
                    }
                    _ => others.push(Other { index: index.0, status }),
                }
            }
            let (event, record, status, of) = shown.ok_or_else(unknown)?;
            others.sort_unstable_by_key(|other| other.index);
            if let Some(bytes) = as_received(question, &record) {
                return Ok(bytes);
            }
            Reply::json(&EventDocument {
                item: EventItem::new(question.tenant.as_str(), &record, &event),
                status,
                of: of.map(|of| of.0),
                others: (!others.is_empty()).then_some(others),
                received: Received::of(&record),
                proof: proof(question, &record)?,
                known_at: question.cut.known_at,
                as_of: question.cut.token(),
                logs: question.cut.logs(),
            })
        })
        .await
}

/// The bytes of a record alone, where those are asked for.
pub(crate) fn as_received(question: &Question<'_>, record: &Record) -> Option<Reply> {
    (question.accept == Accept::Bytes).then(|| {
        let (content_type, bytes) = received::bytes(record);
        Reply::bytes(content_type.as_deref(), bytes.into_owned(), &question.cut)
    })
}

/// What became of the record at an index, and which one counts in its place.
fn status(question: &Question<'_>, index: LeafIndex) -> Answer<(&'static str, Option<LeafIndex>)> {
    let Some(log) = question.cut.own.id else {
        return Ok(("counts", None));
    };
    let flag = question.snapshot.flag(log, index, question.cut.own.cut)?;
    Ok(match flag {
        Some(flag @ (Flag::Duplicate { of } | Flag::Conflict { of })) => (flag.as_str(), Some(of)),
        _ => ("counts", None),
    })
}

/// That a record of the question's own log is in it, at the size of the cut.
pub(crate) fn proof(question: &Question<'_>, record: &Record) -> Answer<Proof> {
    let own = &question.cut.own;
    let log = own
        .id
        .ok_or_else(|| Problem::new(Code::NotFound, "the log is empty as of this cut"))?;
    let hashes = question.snapshot.inclusion_proof(log, record.index, own.cut.size)?;
    let leaf = question.store.leaf(&own.name, record);
    Ok(Proof {
        index: record.index.0,
        size: own.cut.size.0,
        root: own.root.to_string(),
        leaf: STANDARD.encode(&leaf.bytes),
        leaf_hash: leaf.hash().to_string(),
        salt: hex::encode(&leaf.salt),
        hashes: hashes.iter().map(ToString::to_string).collect(),
    })
}
