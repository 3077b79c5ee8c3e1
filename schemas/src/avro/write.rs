//! The writer: an event by our current schema of its kind.

use super::compile::{Compiled, Type};
use crate::encoding::{CONFLUENT, SINGLE_OBJECT};
use crate::tree::Node;
use crate::{Event, from_event};

/// The event as a bare Avro datum of [`crate::avro_schema`] of its kind; `None` for a kind that has no schema.
pub fn encode_avro(event: &Event) -> Option<Vec<u8>> {
    encode(event, &[])
}

/// The event in Avro's single-object encoding.
pub fn encode_single_object(event: &Event) -> Option<Vec<u8>> {
    let fingerprint = super::fingerprint(event.body.kind())?;
    encode(event, &[&SINGLE_OBJECT, fingerprint.to_le_bytes().as_slice()].concat())
}

/// The event in Confluent's framing, under the id that the registry gave to [`crate::avro_schema`] of its kind.
pub fn encode_confluent(event: &Event, id: u32) -> Option<Vec<u8>> {
    encode(event, &[&[CONFLUENT], id.to_be_bytes().as_slice()].concat())
}

fn encode(event: &Event, framing: &[u8]) -> Option<Vec<u8>> {
    let schema = super::current(event.body.kind())?;
    let (compiled, Type::Record { fields, .. }) = (schema.compiled(), schema.compiled().root()) else {
        return None;
    };
    let (meta, body) = (from_event::meta(&event.meta), from_event::body(&event.body));
    let mut out = Vec::with_capacity(512);
    out.extend_from_slice(framing);
    for (name, of) in fields {
        let node = if name == "meta" { &meta } else { field(&body, name) };
        write(compiled, compiled.at(*of), node, &mut out);
    }
    Some(out)
}

/// Every node is made from an event by the names of the schema, so that type and node agree; a required string that
/// an event built by hand lacks is written empty.
fn write(compiled: &Compiled, of: &Type, node: &Node<'_>, out: &mut Vec<u8>) {
    match (of, node) {
        (Type::Union(branches), node) => {
            let is_null = matches!(node, Node::Null);
            let branch = branches
                .iter()
                .position(|b| (*compiled.at(*b) == Type::Null) == is_null)
                .unwrap_or_default();
            length(branch, out);
            write(compiled, compiled.at(branches[branch]), node, out);
        }
        (Type::Record { fields, .. }, node) => {
            for (name, of) in fields {
                write(compiled, compiled.at(*of), field(node, name), out);
            }
        }
        (Type::Map(value), Node::Object(fields)) if !fields.is_empty() => {
            length(fields.len(), out);
            for (key, node) in fields {
                string(key, out);
                write(compiled, compiled.at(*value), node, out);
            }
            out.push(0);
        }
        (Type::Array(item), Node::List(nodes)) if !nodes.is_empty() => {
            length(nodes.len(), out);
            for node in nodes {
                write(compiled, compiled.at(*item), node, out);
            }
            out.push(0);
        }
        (Type::String, Node::Text(text)) => string(text, out),
        (Type::String, Node::Embedded(raw) | Node::Json(raw)) => string(raw.get(), out),
        (Type::Boolean, Node::Bool(flag)) => out.push(u8::from(*flag)),
        (Type::Long | Type::Time(_), Node::Int(number) | Node::Micros(number)) => long(*number, out),
        (Type::Null, _) => {}
        // Of every other type the empty or zero value, which is one zero byte.
        _ => out.push(0),
    }
}

/// A field of an object; null where it has none.
fn field<'n, 'a>(node: &'n Node<'a>, name: &str) -> &'n Node<'a> {
    match node {
        Node::Object(fields) => fields
            .iter()
            .find(|(key, _)| key == name)
            .map_or(&Node::Null, |(_, node)| node),
        _ => &Node::Null,
    }
}

fn string(text: &str, out: &mut Vec<u8>) {
    length(text.len(), out);
    out.extend_from_slice(text.as_bytes());
}

fn length(length: usize, out: &mut Vec<u8>) {
    long(i64::try_from(length).unwrap_or(i64::MAX), out);
}

fn long(number: i64, out: &mut Vec<u8>) {
    let mut rest = ((number << 1) ^ (number >> 63)).cast_unsigned();
    while rest >= 0x80 {
        out.push((rest & 0x7F) as u8 | 0x80);
        rest >>= 7;
    }
    out.push((rest & 0x7F) as u8);
}
