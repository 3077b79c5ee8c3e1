//! The one shape between bytes and meaning: what JSON and Avro both become before they are judged.
//!
//! A JSON document is opened lazily, one object at a time: a field that nobody asks for is never parsed, and "any
//! JSON" is kept as the bytes received. An Avro datum is read whole by its writer's schema (`avro::read`). The rules
//! of `validate` see only this, so that JSON and Avro obey the same ones.

mod fields;
mod json;
mod render;
mod value;

use std::borrow::Cow;

use serde_json::value::RawValue;

pub(crate) use fields::Fields;
pub(crate) use json::{Text, check_embedded, document, json_text};
pub(crate) use render::render;
pub(crate) use value::{any_json, choice, elements, flag, labels, length, name, object, string, text, time, whole};

use crate::Rejection;

/// The outcome of reading one thing.
pub(crate) type Read<T> = Result<T, Rejection>;

/// A value as received, borrowed where it can be.
#[derive(Clone, Debug)]
pub(crate) enum Node<'a> {
    /// Null, which is the same as absent (E6).
    Null,
    /// A boolean of Avro.
    Bool(bool),
    /// A whole number of Avro.
    Int(i64),
    /// A fraction of Avro.
    Float(f64),
    /// A time of Avro, in microseconds since 1970.
    Micros(i64),
    /// A string of Avro.
    Text(Cow<'a, str>),
    /// Any JSON of an event that is being written; in Avro it becomes a string, which a reader sees as `Text`.
    Embedded(&'a RawValue),
    /// Bytes of Avro that no logical type explains.
    Bytes(&'a [u8]),
    /// Any JSON value, not yet opened.
    Json(&'a RawValue),
    /// A record or map of Avro.
    Object(Vec<(Cow<'a, str>, Node<'a>)>),
    /// An array of Avro.
    List(Vec<Node<'a>>),
}

impl Node<'_> {
    /// Null and absent are the same (E6).
    pub(crate) fn is_null(&self) -> bool {
        match self {
            Self::Null => true,
            Self::Json(raw) => raw.get() == "null",
            _ => false,
        }
    }

    /// What it is, for a message.
    pub(crate) fn describe(&self) -> &'static str {
        match self {
            Self::Null => "null",
            Self::Bool(_) => "a boolean",
            Self::Int(_) | Self::Float(_) => "a number",
            Self::Micros(_) => "a time",
            Self::Text(_) => "a string",
            Self::Embedded(_) => "JSON",
            Self::Bytes(_) => "bytes",
            Self::Object(_) => "an object",
            Self::List(_) => "a list",
            Self::Json(raw) => match raw.get().bytes().next() {
                Some(b'"') => "a string",
                Some(b'{') => "an object",
                Some(b'[') => "a list",
                Some(b't' | b'f') => "a boolean",
                Some(b'n') => "null",
                _ => "a number",
            },
        }
    }
}
