//! The JSON form: `{"kind", "meta", "body"}`, times RFC 3339 with microseconds.

use serde_json::value::RawValue;

use crate::encoding::{Encoding, Framing, encoding};
use crate::interpret::open;
use crate::tree::render;
use crate::{Event, Json, from_event};

/// The JSON form of an event: fields that have no value are left out.
pub fn to_json(event: &Event) -> String {
    render(&from_event::document(event))
}

/// The JSON form of a value received that was interpreted as `event`: of JSON the bytes as received, with the fields
/// that nobody here knows, of Avro the converted form.
pub fn json_form<'a>(value: &[u8], framing: impl Into<Framing<'a>>, event: &Event) -> Json {
    let received = match encoding(value, framing.into()) {
        Ok(Encoding::Json(value)) => open(value, false).ok(),
        Ok(Encoding::CloudEvent(value)) => open(value, true).ok(),
        Ok(Encoding::Avro(..)) | Err(_) => None,
    };
    match received {
        Some((raw, _)) => raw.to_owned(),
        None => RawValue::from_string(to_json(event)).unwrap_or_else(|_| RawValue::NULL.to_owned()),
    }
}
