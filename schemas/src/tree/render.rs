//! A node as JSON text.

use std::fmt::Write as _;

use super::Node;
use crate::Timestamp;

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
