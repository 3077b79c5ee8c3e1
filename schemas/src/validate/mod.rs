//! What makes an event well-formed, for JSON and Avro alike (SEMANTICS, "Malformed").
//!
//! Together with [`crate::check_log()`] this is the only place that says what is malformed. What the texts leave open
//! stays open: unknown fields are ignored (the bytes keep them), empty strings are strings, words of sets that are
//! not closed are kept as they are.

mod agent;
mod artifact;
mod decision;
mod meta;
mod object;
mod report;
mod rollout;
mod scope;

use crate::tree::{Fields, Node, Read, any_json, object as open, string};
use crate::{Body, Event, Json, Kind, Mode, Rejection, TypedId, UnknownBody, rule};

/// Largest count that both forms hold: Avro's `long`.
pub(crate) const LARGEST: u64 = i64::MAX as u64;

/// The words of [`Mode`].
pub(crate) const MODES: &[(&str, Mode)] = &[
    ("normal", Mode::Normal),
    ("stale_allowed", Mode::StaleAllowed),
    ("fail_open", Mode::FailOpen),
    ("fail_closed", Mode::FailClosed),
];

pub(crate) use agent::STATUSES;
pub(crate) use artifact::{ARTIFACTS, COMBININGS};
pub(crate) use decision::{OUTCOMES, PLACEMENTS};
pub(crate) use meta::parse_event_id;
pub(crate) use scope::{LAYERS, NamedLayer};

/// An event in its JSON shape: `{kind, meta, body}`.
///
/// # Errors
/// What makes it malformed.
pub(crate) fn document(fields: &mut Fields<'_>) -> Read<Event> {
    let kind = fields.need("kind", string)?;
    event(&kind, fields)
}

/// An event whose kind is known from elsewhere; `fields` hold `meta` and `body`.
///
/// # Errors
/// What makes it malformed.
pub(crate) fn event(kind: &str, fields: &mut Fields<'_>) -> Read<Event> {
    let Some(known) = Kind::parse(kind) else {
        let meta = fields.need("meta", |node| meta::meta(node, false))?;
        let body = fields.get("body", any_json)?.flatten();
        return Ok(Event {
            meta,
            body: Body::Unknown(UnknownBody {
                kind: kind.to_owned(),
                body,
            }),
        });
    };
    let placed = matches!(known, Kind::Decision | Kind::AgentSeen | Kind::AgentRetired);
    let meta = fields.need("meta", |node| meta::meta(node, placed))?;
    let body = fields.need("body", |node| body(known, kind, &mut open(node)?))?;
    Ok(Event { meta, body })
}

fn body(kind: Kind, name: &str, body: &mut Fields<'_>) -> Read<Body> {
    Ok(match kind {
        Kind::Decision => Body::Decision(Box::new(decision::decision(body)?)),
        Kind::EffectRecorded => Body::EffectRecorded(decision::effect_recorded(body)?),
        Kind::AgentSeen => Body::AgentSeen(agent::agent_seen(body)?),
        Kind::AgentRetired => Body::AgentRetired(agent::agent_retired(body)?),
        Kind::Rollout => Body::Rollout(rollout::rollout(body)?),
        Kind::ArtifactPublished => Body::ArtifactPublished(Box::new(artifact::artifact_published(body)?)),
        Kind::ObjectChanged => Body::ObjectChanged(Box::new(object::object_changed(body)?)),
        Kind::ReconciliationReported => Body::ReconciliationReported(report::reconciliation_reported(body)?),
        Kind::DegradationChanged => Body::DegradationChanged(report::degradation_changed(body)?),
        Kind::CheckRecorded => Body::CheckRecorded(report::check_recorded(body)?),
        Kind::SubjectErased => Body::SubjectErased(report::subject_erased(body)?),
        Kind::Unknown => Body::Unknown(UnknownBody {
            kind: name.to_owned(),
            body: None,
        }),
    })
}

/// `{type, id}`.
fn typed_id(node: Node<'_>) -> Read<TypedId> {
    typed_id_of(&mut open(node)?)
}

fn typed_id_of(fields: &mut Fields<'_>) -> Read<TypedId> {
    Ok(TypedId {
        r#type: fields.need("type", string)?,
        id: fields.need("id", string)?,
    })
}

/// An optional field of any JSON; one that holds null is absent (E6).
fn json(fields: &mut Fields<'_>, name: &str) -> Read<Option<Json>> {
    Ok(fields.get(name, any_json)?.flatten())
}

/// A required field of any JSON but null.
fn need_json(fields: &mut Fields<'_>, name: &str) -> Read<Json> {
    fields.need(name, |node| {
        any_json(node)?.ok_or_else(|| Rejection::new(rule::MISSING_FIELD, format!("the field `{name}` is required")))
    })
}

/// A digest.
fn digest(node: Node<'_>) -> Read<crate::Digest> {
    let text = crate::tree::text(node)?;
    crate::Digest::parse(&text).map_err(|error| Rejection::new(rule::INVALID_DIGEST, error.to_string()))
}
