//! `meta`, which every event carries first.

use uuid::Uuid;

use super::LARGEST;
use super::scope::{environment, tenant};
use crate::rejection::shown;
use crate::tree::{Node, Read, labels, name, object, string, text, time, whole};
use crate::{EventId, Meta, Rejection, rule};

/// Reads `meta`. `placed`: the kind requires an environment (E7).
pub(super) fn meta(node: Node<'_>, placed: bool) -> Read<Meta> {
    let mut fields = object(node)?;
    Ok(Meta {
        event_id: fields.need("event_id", event_id)?,
        tenant: fields.need("tenant", tenant)?,
        source: fields.need("source", name)?,
        source_sequence: fields.get("source_sequence", whole(0..=LARGEST))?,
        event_time: fields.need("event_time", time)?,
        environment: if placed {
            Some(fields.need("environment", environment)?)
        } else {
            fields.get("environment", environment)?
        },
        trace_id: fields.get("trace_id", name)?,
        span_id: fields.get("span_id", string)?,
        correlation_id: fields.get("correlation_id", string)?,
        causation_id: fields.get("causation_id", string)?,
        labels: fields.get("labels", labels)?.unwrap_or_default(),
    })
}

fn event_id(node: Node<'_>) -> Read<EventId> {
    let text = text(node)?;
    parse_event_id(&text).ok_or_else(|| {
        Rejection::new(
            rule::INVALID_UUID,
            format!("`{}` is not a hyphenated UUID", shown(&text)),
        )
    })
}

/// A UUID of any version in its hyphenated form; upper case is accepted.
pub(crate) fn parse_event_id(text: &str) -> Option<EventId> {
    // 36 characters: the other forms that the parser takes (braced, simple, urn) are longer or shorter.
    (text.len() == 36)
        .then(|| Uuid::try_parse(text).ok())
        .flatten()
        .map(EventId)
}
