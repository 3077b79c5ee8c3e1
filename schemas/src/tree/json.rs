//! JSON, opened one level at a time.

use std::borrow::Cow;
use std::fmt;

use serde::Deserialize;
use serde::de::{MapAccess, Visitor};
use serde_json::value::RawValue;

use super::{Node, Read};
use crate::{Json, Rejection, rule};

/// One less than serde_json's own limit, so that whatever is accepted here can be read as a `serde_json::Value` too.
const DEEPEST: usize = 127;

/// How deep JSON inside an Avro string may be: less, since its place in the JSON form adds a few levels.
const DEEPEST_EMBEDDED: usize = 120;

/// The text of a JSON document, its syntax not yet checked.
///
/// # Errors
/// `not_utf8` or `too_deep`.
pub(crate) fn json_text(bytes: &[u8]) -> Read<&str> {
    let text = std::str::from_utf8(bytes).map_err(|error| {
        Rejection::new(
            rule::NOT_UTF8,
            format!("byte {} is not UTF-8, which JSON must be", error.valid_up_to()),
        )
    })?;
    check_depth(text, DEEPEST)?;
    Ok(text)
}

/// A whole JSON document, its syntax checked.
///
/// # Errors
/// `not_utf8`, `too_deep`, `truncated`, `trailing_bytes` or `invalid_json`.
pub(crate) fn document(bytes: &[u8]) -> Read<&RawValue> {
    raw(json_text(bytes)?)
}

/// JSON inside a string of Avro, owned.
pub(super) fn embedded(text: &str) -> Read<Option<Json>> {
    check_embedded(text)?;
    let value = raw(text)?;
    Ok(if value.get() == "null" {
        None
    } else {
        Some(value.to_owned())
    })
}

/// Refuses JSON inside a string of Avro that is nested too deep.
///
/// # Errors
/// `too_deep`.
pub(crate) fn check_embedded(text: &str) -> Read<()> {
    check_depth(text, DEEPEST_EMBEDDED)
}

/// The text as one JSON value; the whole of it is checked for syntax.
fn raw(text: &str) -> Read<&RawValue> {
    let mut reader = serde_json::Deserializer::from_str(text);
    let value = <&RawValue>::deserialize(&mut reader).map_err(|error| syntax(&error))?;
    // Not told from what the reader says: its words are its own, and may change.
    match reader.end() {
        Ok(()) => Ok(value),
        Err(error) => Err(Rejection::new(rule::TRAILING_BYTES, error.to_string())),
    }
}

/// What serde_json says about the syntax, as a rule.
fn syntax(error: &serde_json::Error) -> Rejection {
    let rule = if error.is_eof() {
        rule::TRUNCATED
    } else {
        rule::INVALID_JSON
    };
    Rejection::new(rule, error.to_string())
}

/// Refuses what its readers could not read back. Nesting is at most the number of brackets that open, which is
/// counted at memory speed; only where that is large does the depth itself matter.
fn check_depth(text: &str, deepest: usize) -> Read<()> {
    // Chunks whose count fits a byte, which the compiler turns into vector instructions.
    let opened = |chunk: &[u8]| {
        chunk
            .iter()
            .fold(0_u8, |n, b| n.wrapping_add(u8::from(b & !0x20 == b'[')))
    };
    if text
        .as_bytes()
        .chunks(255)
        .map(|chunk| usize::from(opened(chunk)))
        .sum::<usize>()
        <= deepest
    {
        return Ok(());
    }
    let (mut depth, mut in_string, mut escaped) = (0_usize, false, false);
    for byte in text.bytes() {
        match byte {
            _ if escaped => escaped = false,
            b'\\' if in_string => escaped = true,
            b'"' => in_string = !in_string,
            b'{' | b'[' if !in_string => {
                depth += 1;
                if depth > deepest {
                    return Err(Rejection::new(
                        rule::TOO_DEEP,
                        format!("JSON nested more than {deepest} deep"),
                    ));
                }
            }
            b'}' | b']' if !in_string => depth = depth.saturating_sub(1),
            _ => {}
        }
    }
    Ok(())
}

/// The fields of an object, in order, duplicates included.
pub(super) fn open_object(raw: &RawValue) -> Read<Vec<(Cow<'_, str>, Node<'_>)>> {
    struct Open;
    impl<'de> Visitor<'de> for Open {
        type Value = Vec<(Cow<'de, str>, Node<'de>)>;

        fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
            f.write_str("an object")
        }

        fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
            let mut fields = Vec::with_capacity(16);
            while let Some((key, value)) = map.next_entry::<Text<'de>, &'de RawValue>()? {
                fields.push((key.0, Node::Json(value)));
            }
            Ok(fields)
        }
    }
    serde::Deserializer::deserialize_map(&mut serde_json::Deserializer::from_str(raw.get()), Open)
        .map_err(|error| syntax(&error))
}

/// The elements of an array.
pub(super) fn open_list(raw: &RawValue) -> Read<Vec<Node<'_>>> {
    let elements: Vec<&RawValue> = serde_json::from_str(raw.get()).map_err(|error| syntax(&error))?;
    Ok(elements.into_iter().map(Node::Json).collect())
}

/// The text of a JSON string; borrowed when it holds no escape.
pub(super) fn open_string(raw: &RawValue) -> Read<Cow<'_, str>> {
    let quoted = raw.get();
    match quoted.strip_prefix('"').and_then(|rest| rest.strip_suffix('"')) {
        // The syntax was checked when the document was opened: without an escape, what is between the quotes is it.
        Some(plain) if !plain.as_bytes().contains(&b'\\') => Ok(Cow::Borrowed(plain)),
        _ => serde_json::from_str::<Text<'_>>(quoted)
            .map(|text| text.0)
            .map_err(|error| syntax(&error)),
    }
}

/// A string, borrowed where it can be (serde's own `Cow` never borrows without being asked to).
#[derive(Deserialize)]
#[serde(transparent)]
pub(crate) struct Text<'a>(#[serde(borrow)] pub(crate) Cow<'a, str>);
