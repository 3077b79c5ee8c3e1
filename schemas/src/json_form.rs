//! The JSON form: `{"kind", "meta", "body"}`, times RFC 3339 with microseconds.

use std::fmt::Write as _;

use serde_json::value::RawValue;

use crate::encoding::{Encoding, Framing, encoding};
use crate::interpret::open;
use crate::tree::Node;
use crate::{Event, Json, Timestamp, from_event};

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

/// A node as JSON; fields that are null are left out.
pub(crate) fn render(node: &Node<'_>) -> String {
    let mut out = String::with_capacity(1024);
    write(&mut out, node);
    out
}

fn write(out: &mut String, node: &Node<'_>) {
    match node {
        Node::Null => out.push_str("null"),
        Node::Bool(flag) => out.push_str(if *flag { "true" } else { "false" }),
        // Writing into a string cannot fail.
        Node::Int(number) => drop(write!(out, "{number}")),
        Node::Float(number) if number.is_finite() => drop(write!(out, "{number:?}")),
        Node::Float(_) => out.push_str("null"),
        Node::Micros(micros) => match Timestamp::from_micros(*micros) {
            Some(time) => drop(write!(out, "\"{time}\"")),
            None => drop(write!(out, "{micros}")),
        },
        Node::Text(text) => quote(out, text),
        Node::Bytes(bytes) => quote(out, &bytes.iter().map(|byte| char::from(*byte)).collect::<String>()),
        Node::Json(raw) | Node::Embedded(raw) => out.push_str(raw.get()),
        Node::Object(fields) => {
            out.push('{');
            for (i, (key, node)) in fields.iter().filter(|(_, node)| !node.is_null()).enumerate() {
                if i > 0 {
                    out.push(',');
                }
                quote(out, key);
                out.push(':');
                write(out, node);
            }
            out.push('}');
        }
        Node::List(nodes) => {
            out.push('[');
            for (i, node) in nodes.iter().enumerate() {
                if i > 0 {
                    out.push(',');
                }
                write(out, node);
            }
            out.push(']');
        }
    }
}

/// A JSON string, with only the escapes that JSON requires.
fn quote(out: &mut String, text: &str) {
    out.push('"');
    for c in text.chars() {
        match c {
            '"' => out.push_str("\\\""),
            '\\' => out.push_str("\\\\"),
            '\n' => out.push_str("\\n"),
            '\r' => out.push_str("\\r"),
            '\t' => out.push_str("\\t"),
            c if c < ' ' => drop(write!(out, "\\u{:04x}", u32::from(c))),
            c => out.push(c),
        }
    }
    out.push('"');
}
