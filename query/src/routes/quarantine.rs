//! `quarantine`: what was kept and does not count as it stands, and why.

use axum::response::Response;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde::Serialize;
use verdict_edge::{Answer, AnyLog, CUT, Code, LIST, Problem};
use verdict_fold::INSTANCE_SERIES;
use verdict_schemas::{Interpretation, Json, SchemaRef, Timestamp};
use verdict_store::{Flag, LeafIndex, LogId, Record, RouteFlag};

use crate::ask::Asking;
use crate::cut::LogAt;
use crate::item::{PositionItem, Stamp, one_line, provenance};
use crate::question::{Question, Rest};
use crate::received::{Received, Refused};
use crate::reply::Reply;
use crate::routes::decisions::order;
use crate::routes::events::{Proof, as_received, proof};
use crate::token::{place, read_place};

/// So many bytes of a value are shown.
const SHOWN: usize = 1024;

/// The names of flags. Duplicates are no fault: they are shown when they are asked for. An unknown kind may be a later release's,
/// and may be a misspelt one, of which nobody would hear.
const FLAGS: [(&str, &str); 9] = [
    ("malformed", "malformed"),
    ("awaiting_schema", "awaiting_schema"),
    ("unrouted", "unrouted"),
    ("event_conflict", "event_conflict"),
    ("duplicate", "duplicate"),
    ("unknown_kind", "unknown_kind"),
    ("no_append_time", "no_append_time"),
    ("passed_over", "passed_over"),
    ("instance_bound", "instance_bound"),
];

#[derive(Serialize)]
struct Item {
    tenant: String,
    index: u64,
    recorded_time: Timestamp,
    #[serde(flatten)]
    stamp: Option<Stamp>,
    flag: &'static str,
    #[serde(flatten)]
    why: Why,
    provenance: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    principal: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    position: Option<PositionItem>,
    #[serde(skip_serializing_if = "Option::is_none")]
    content_type: Option<String>,
    /// Bytes of the value.
    size: usize,
    /// The first of them, base64.
    value: String,
    /// All of them, where they are JSON: what a person reads.
    #[serde(skip_serializing_if = "Option::is_none")]
    json: Option<Json>,
}

#[derive(Default, Serialize)]
struct Why {
    /// Stable code of the rule that was broken.
    #[serde(skip_serializing_if = "Option::is_none")]
    rule: Option<String>,
    /// JSON Pointer into the event.
    #[serde(skip_serializing_if = "Option::is_none")]
    field: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    detail: Option<String>,
    /// The record that counts in its place.
    #[serde(skip_serializing_if = "Option::is_none")]
    of: Option<u64>,
    /// The schema that it waits for.
    #[serde(skip_serializing_if = "Option::is_none")]
    schema: Option<String>,
    /// The kind that it names.
    #[serde(skip_serializing_if = "Option::is_none")]
    kind: Option<String>,
}

impl From<Flag> for Why {
    fn from(flag: Flag) -> Self {
        match flag {
            // The sentence is made of the record ([`Why::of`]).
            Flag::Malformed { rule, field } => Self {
                rule: Some(rule.as_str().to_owned()),
                field,
                ..Self::default()
            },
            Flag::Duplicate { of } | Flag::Conflict { of } => Self {
                of: Some(of.0),
                ..Self::default()
            },
            Flag::AwaitingSchema { reference } => {
                let schema = match reference {
                    SchemaRef::Confluent(id) => format!("confluent:{id}"),
                    SchemaRef::Guid(guid) => format!("guid:{}", uuid::Uuid::from_bytes(guid)),
                    SchemaRef::Fingerprint(fingerprint) => format!("fingerprint:{fingerprint:016x}"),
                };
                Self {
                    schema: Some(schema),
                    ..Self::default()
                }
            }
            Flag::Unrouted { reason } => {
                let detail = match reason {
                    Some(RouteFlag::WrongPartition) => "the key's tenant belongs to another partition",
                    Some(RouteFlag::InvalidTenant) => "the key names no valid tenant",
                    Some(RouteFlag::NoKey) => "the record has no key",
                    None => "the record does not say why",
                };
                Self {
                    detail: Some(detail.to_owned()),
                    ..Self::default()
                }
            }
            Flag::UnknownKind { kind } => Self {
                kind: Some(kind),
                ..Self::default()
            },
            Flag::PassedOver => {
                let detail = "this release can not make views of it, and makes nothing else of it: a fault of ours, please \
                              report it";
                Self {
                    detail: Some(detail.to_owned()),
                    ..Self::default()
                }
            }
            Flag::InstanceBound { list, first, entries } => {
                let detail = format!(
                    "it counts, but its instance is observed in {INSTANCE_SERIES} series of its environment, as many as one may \
                     be: {entries} of its entries, this one first, are of others, and no observations"
                );
                Self {
                    field: Some(list.pointer(first)),
                    detail: Some(detail),
                    ..Self::default()
                }
            }
            Flag::NoAppendTime => {
                let detail = "it counts, but the broker did not stamp it: the topic was not set to LogAppendTime";
                Self {
                    detail: Some(detail.to_owned()),
                    ..Self::default()
                }
            }
        }
    }
}

/// `GET /v1/tenants/{tenant}/quarantine`; an admin may also name `_unrouted.<partition>`.
pub(crate) async fn list(asking: Asking<AnyLog>) -> Response {
    asking
        .about(&[CUT, LIST, &["flag"]], |question| {
            let wanted = question.params.one_of("flag", &FLAGS)?;
            let (order, limit, from) = (order(question)?, question.limit()?, from(question)?);
            let Some(log) = question.cut.own.id else {
                return question.list(Vec::<Item>::new(), None);
            };
            let (mut items, mut last, mut walked) = (Vec::new(), None, 0);
            for entry in question.snapshot.flags(log, order, from, question.cut.own.cut)? {
                let (index, flag) = entry?;
                if items.len() >= limit || walked >= question.limits.counted {
                    let bounded = items.len() < limit;
                    return question.list(items, last.map(|place| Rest { place, bounded }));
                }
                walked += 1;
                last = Some(place(Timestamp::MIN, index.0));
                let shown = match wanted {
                    Some(wanted) => flag.as_str() == wanted,
                    None => !matches!(flag, Flag::Duplicate { .. }),
                };
                if shown {
                    items.extend(item(question, index, flag)?);
                }
            }
            question.list(items, None)
        })
        .await
}

/// `GET /v1/tenants/{tenant}/quarantine/{index}`: one of them, with all that was received, and its proof.
pub(crate) async fn one(asking: Asking<AnyLog>) -> Response {
    #[derive(Serialize)]
    struct Document {
        #[serde(flatten)]
        item: Item,
        received: Received,
        proof: Proof,
        known_at: Timestamp,
        as_of: String,
        logs: Vec<LogAt>,
    }
    asking
        .about(&[CUT], |question| {
            let text = question.segment("index");
            let index = text.parse().map(LeafIndex);
            let index = index.map_err(|_| Problem::invalid("index", text, "it must be the index of a record"))?;
            let own = &question.cut.own;
            let unknown = || {
                let detail = format!("record {} is not in quarantine as of this cut", index.0);
                Problem::new(Code::NotFound, detail)
            };
            let log = own.id.filter(|_| own.cut.size.contains(index)).ok_or_else(unknown)?;
            let flag = question.snapshot.flag(log, index, own.cut)?.ok_or_else(unknown)?;
            let record = question.snapshot.record(log, index)?.ok_or_else(unknown)?;
            if let Some(bytes) = as_received(question, &record) {
                return Ok(bytes);
            }
            Reply::json(&Document {
                received: Received::of(&record),
                proof: proof(question, &record)?,
                item: Item::of(question, log, &record, flag)?,
                known_at: question.cut.known_at,
                as_of: question.cut.token(),
                logs: question.cut.logs(),
            })
        })
        .await
}

fn from(question: &Question<'_>) -> Answer<Option<LeafIndex>> {
    let Some(bytes) = &question.place else { return Ok(None) };
    let (_, index) = read_place(bytes).ok_or_else(crate::token::no_such_place)?;
    Ok(Some(LeafIndex(index)))
}

fn item(question: &Question<'_>, index: LeafIndex, flag: Flag) -> Answer<Option<Item>> {
    let Some(log) = question.cut.own.id else {
        return Ok(None);
    };
    let record = question.snapshot.record(log, index)?;
    record.map(|record| Item::of(question, log, &record, flag)).transpose()
}

impl Item {
    fn of(question: &Question<'_>, log: LogId, record: &Record, flag: Flag) -> Answer<Self> {
        let (provenance, principal) = provenance(&record.provenance);
        Ok(Self {
            tenant: question.cut.own.name.to_string(),
            index: record.index.0,
            recorded_time: record.recorded_time,
            stamp: Stamp::of(record),
            flag: flag.as_str(),
            why: Why::of(question, log, record, flag)?,
            provenance,
            principal,
            position: PositionItem::of(&record.source),
            content_type: record.content_type().map(str::to_owned),
            size: record.value.len(),
            value: STANDARD.encode(record.value.get(..SHOWN).unwrap_or(&record.value)),
            json: json(&record.value),
        })
    }
}

impl Why {
    fn of(question: &Question<'_>, log: LogId, record: &Record, flag: Flag) -> Answer<Self> {
        if !matches!(flag, Flag::Malformed { .. }) {
            return Ok(flag.into());
        }
        // That a note has no `kind` is by design; what is wrong is what it says of the foreign bytes.
        if let Some(refused) = Refused::of(record) {
            return Ok(Self {
                rule: Some(refused.rule),
                field: refused.field,
                detail: refused.detail,
                ..Self::default()
            });
        }
        let detail = match question.snapshot.interpret(log, record)? {
            Interpretation::Malformed(rejection) => Some(rejection.detail),
            Interpretation::Event(_) | Interpretation::AwaitingSchema(_) => None,
        };
        Ok(Self { detail, ..flag.into() })
    }
}

/// A value that is JSON, as received; not what is longer than the bytes shown, nor what is no text.
fn json(value: &[u8]) -> Option<Json> {
    if value.len() > SHOWN {
        return None;
    }
    serde_json::from_slice(value).ok().map(one_line)
}
