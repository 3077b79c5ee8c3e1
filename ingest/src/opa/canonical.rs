//! Our event, made of a foreign one.
//!
//! The mapping is applied once, at intake, and frozen: the record's value is the canonical event, and the foreign bytes,
//! exactly as received, travel with it in the record's headers (`verdict-foreign`, `verdict-foreign-type`, and
//! `verdict-foreign-encoding: zstd` when they are compressed), committed to by the same leaf. So an answer stays a
//! function of the log (A6) though a binding changes later, and what OPA really said can always be held against it.
//! Making the value again from those bytes with another mapping was the alternative; then every view would depend on
//! which bindings were known when, and a late binding would change old answers.

use std::borrow::Cow;
use std::collections::BTreeMap;

use bytes::Bytes;
use serde::Serialize;
use sha2::{Digest, Sha256};
use verdict_schemas::{
    Environment, EventId, Interpretation, KnownSchemas, Rejection, TenantId, check_log, interpret, rule,
};

use crate::outgoing::Headers;

/// Foreign bytes longer than this are compressed; shorter ones compress better together with their neighbours, in the
/// store's own blocks.
const COMPRESS_FROM: usize = 4 << 10;

/// Where OPA reports to: the path's own words.
#[derive(Clone, PartialEq, Eq, Hash, Debug)]
pub(crate) struct Place {
    pub(crate) tenant: TenantId,
    pub(crate) environment: Environment,
}

/// What OPA sends.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub(crate) enum Report {
    Decision,
    Status,
}

impl Report {
    /// The content type under which the bytes received are kept.
    pub(crate) fn content_type(self) -> &'static str {
        match self {
            Self::Decision => "application/vnd.openpolicyagent.decision-log-event+json",
            Self::Status => "application/vnd.openpolicyagent.status+json",
        }
    }
}

/// Labels of `meta`: OPA's own, then what was found out. Ours have a slash, and win.
pub(crate) type Notes<'a> = BTreeMap<Cow<'a, str>, Cow<'a, str>>;

/// The JSON form of an event.
#[derive(Debug, Serialize)]
pub(crate) struct Event<'a, B> {
    pub(crate) kind: &'static str,
    pub(crate) meta: Meta<'a>,
    pub(crate) body: B,
}

/// `meta`.
#[derive(Debug, Serialize)]
pub(crate) struct Meta<'a> {
    pub(crate) event_id: EventId,
    pub(crate) tenant: &'a TenantId,
    pub(crate) source: &'a str,
    pub(crate) event_time: Cow<'a, str>,
    pub(crate) environment: &'a Environment,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) trace_id: Option<Cow<'a, str>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) span_id: Option<Cow<'a, str>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) correlation_id: Option<Cow<'a, str>>,
    pub(crate) labels: Notes<'a>,
}

/// A canonical event, ready to be kept.
#[derive(Clone, Debug)]
pub(crate) struct Canonical {
    pub(crate) event_id: EventId,
    pub(crate) source: String,
    pub(crate) value: Bytes,
}

impl Canonical {
    /// Writes the event, and holds it to the rules that every event obeys.
    ///
    /// # Errors
    /// What makes it malformed: then the foreign event is quarantined.
    pub(crate) fn write<B: Serialize>(event: &Event<'_, B>) -> Result<Self, Rejection> {
        let value = serde_json::to_vec(event).map_err(|error| Rejection::new(rule::UNMAPPABLE, error.to_string()))?;
        match interpret(&value, Some("application/json"), &KnownSchemas) {
            Interpretation::Event(read) => check_log(&read, event.meta.tenant)?,
            Interpretation::Malformed(rejection) => return Err(rejection),
            Interpretation::AwaitingSchema(reference) => {
                return Err(Rejection::new(
                    rule::UNMAPPABLE,
                    format!("JSON can not wait for {reference}"),
                ));
            }
        }
        Ok(Self {
            event_id: event.meta.event_id,
            source: event.meta.source.to_owned(),
            value: value.into(),
        })
    }
}

/// An event id that the same parts have always, and no others: a UUID of version 8 (RFC 9562) from SHA-256 over the
/// parts, each with its length before it.
pub(crate) fn event_id(parts: &[&[u8]]) -> EventId {
    let mut hash = Sha256::new();
    for part in parts {
        hash.update((part.len() as u64).to_be_bytes());
        hash.update(part);
    }
    let digest: [u8; 32] = hash.finalize().into();
    let mut bytes = [0; 16];
    bytes.copy_from_slice(&digest[..16]);
    EventId(uuid::Builder::from_custom_bytes(bytes).into_uuid())
}

/// The source of what an agent reports: `opa://prod/payments`.
pub(crate) fn source(environment: &Environment, agent: &str) -> String {
    let mut source = String::from("opa://");
    for (i, part) in [environment.as_str(), agent].into_iter().enumerate() {
        if i > 0 {
            source.push('/');
        }
        for byte in part.bytes() {
            if byte.is_ascii_alphanumeric() || b"-._~".contains(&byte) {
                source.push(char::from(byte));
            } else {
                source.push_str(&format!("%{byte:02X}"));
            }
        }
    }
    source
}

/// The headers of a record whose value is ours and whose evidence is foreign.
pub(crate) fn headers(report: Report, foreign: &Bytes) -> Headers {
    let mut headers: Headers = vec![
        ("content-type".to_owned(), Some(Bytes::from_static(b"application/json"))),
        (
            "verdict-foreign-type".to_owned(),
            Some(Bytes::from_static(report.content_type().as_bytes())),
        ),
    ];
    let compressed = (foreign.len() >= COMPRESS_FROM)
        .then(|| zstd::bulk::compress(foreign, 3).ok())
        .flatten();
    match compressed {
        Some(compressed) => {
            headers.push(("verdict-foreign-encoding".to_owned(), Some(Bytes::from_static(b"zstd"))));
            headers.push(("verdict-foreign".to_owned(), Some(compressed.into())));
        }
        // A slice of the body would keep the whole body alive for as long as the record is.
        None => headers.push(("verdict-foreign".to_owned(), Some(Bytes::copy_from_slice(foreign)))),
    }
    headers
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_event_id_depends_on_every_part_and_where_it_ends() {
        assert_eq!(event_id(&[b"a", b"bc"]), event_id(&[b"a", b"bc"]));
        assert_ne!(event_id(&[b"a", b"bc"]), event_id(&[b"ab", b"c"]));
        assert_eq!(event_id(&[b"a"]).0.get_version_num(), 8);
    }

    #[test]
    fn a_source_is_a_uri_whatever_the_agent_is_called() {
        assert_eq!(
            source(&Environment::new("prod"), "host-1.example"),
            "opa://prod/host-1.example"
        );
        assert_eq!(
            source(&Environment::new("prod/eu"), "ü 1"),
            "opa://prod%2Feu/%C3%BC%201"
        );
    }
}
