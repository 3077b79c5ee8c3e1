//! Bytes to meaning: what a value received says, or why it says nothing.
//!
//! A pure function of the bytes, their content type and the writer schemas known (A6 rests on it): called again after
//! a fix or after a schema arrived, it needs no new record. It never panics and never allocates more than a small
//! multiple of the value.

use serde_json::value::RawValue;

use crate::encoding::{Encoding, Framing, encoding};
use crate::tree::{self, Fields, Node, Read};
use crate::writer_schemas::{Resolved, WriterSchemas, ambiguous, resolve};
use crate::{Event, Rejection, SchemaRef, rule, validate};

/// What a value says.
#[derive(Clone, Debug)]
#[expect(
    clippy::large_enum_variant,
    reason = "taken apart where it is returned; a box would cost each event an allocation"
)]
pub enum Interpretation {
    /// An event.
    Event(Event),
    /// Nothing: it is malformed.
    Malformed(Rejection),
    /// It waits for the schema that its writer used; interpret it again once that is known.
    AwaitingSchema(SchemaRef),
}

/// Interprets a value as received: Avro in Confluent's framing or the single-object encoding, our JSON form, or a
/// CloudEvent in structured mode, by its content type, else by the header that names its schema, else by its first bytes.
/// Where there are no headers, `framing` is the content type alone.
///
/// A CloudEvent in binary mode needs nothing of its `ce_` headers: its value is the event, its content type that of
/// the value. Whether the event belongs into the log at hand is [`crate::check_log()`]'s to say.
pub fn interpret<'a>(value: &[u8], framing: impl Into<Framing<'a>>, schemas: &dyn WriterSchemas) -> Interpretation {
    let event = match encoding(value, framing.into()) {
        Ok(Encoding::Avro(reference, datum)) => match resolve(schemas, &reference) {
            Resolved::Known(schema) => schema.event(datum),
            Resolved::Ambiguous => Err(ambiguous(&reference)),
            Resolved::Unknown => return Interpretation::AwaitingSchema(reference),
        },
        Ok(Encoding::Json(value)) => open(value, false).and_then(|(_, mut fields)| validate::document(&mut fields)),
        Ok(Encoding::CloudEvent(value)) => {
            open(value, true).and_then(|(_, mut fields)| validate::document(&mut fields))
        }
        Err(rejection) => Err(rejection),
    };
    match event {
        Ok(event) => Interpretation::Event(event),
        Err(rejection) => Interpretation::Malformed(rejection),
    }
}

/// The JSON of our event within a JSON value, and its fields: the value itself, or the `data` of a CloudEvent. One
/// that nobody announced as such is known by its `specversion`, where our own form has `kind`.
pub(crate) fn open(value: &[u8], announced: bool) -> Read<(&RawValue, Fields<'_>)> {
    let document = tree::document(value)?;
    let mut envelope = tree::object(Node::Json(document))?;
    if !announced && (envelope.has("kind") || !envelope.has("specversion")) {
        return Ok((document, envelope));
    }
    if !envelope.has("data") && envelope.has("data_base64") {
        return Err(Rejection::at(
            rule::UNKNOWN_ENCODING,
            "/data_base64",
            "a CloudEvent here holds its data as JSON",
        ));
    }
    envelope.need("data", |data| match data {
        Node::Json(raw) => Ok((raw, tree::object(Node::Json(raw))?)),
        other => Err(Rejection::new(
            rule::WRONG_TYPE,
            format!("expected an object, found {}", other.describe()),
        )),
    })
}
