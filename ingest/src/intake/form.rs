//! What shape a body is in, by its content type; without one, JSON is assumed and its first bytes decide.

use axum::http::{HeaderMap, header};

use crate::problem::{Code, Problem};

/// How a body is taken apart.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Shape {
    /// One event, an array, or lines: whatever it is.
    Json,
    /// An event a line.
    Lines,
    /// An array of events.
    Array,
    /// One event, its bytes opaque here.
    One,
}

/// The shape of a body and the content type of each of its records.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) struct Form {
    pub(crate) shape: Shape,
    pub(crate) content_type: String,
}

const JSON: &str = "application/json";
const CLOUD_EVENT: &str = "application/cloudevents+json";

/// What the headers say.
///
/// # Errors
/// 415, with what is taken.
pub(crate) fn of(headers: &HeaderMap) -> Result<Form, Problem> {
    let given = headers
        .get(header::CONTENT_TYPE)
        .map(|value| String::from_utf8_lossy(value.as_bytes()).into_owned());
    let essence = given
        .as_deref()
        .unwrap_or(JSON)
        .split(';')
        .next()
        .unwrap_or_default()
        .trim()
        .to_ascii_lowercase();
    let (shape, content_type) = match essence.as_str() {
        "" | JSON | "text/json" => (Shape::Json, JSON),
        "application/x-ndjson"
        | "application/ndjson"
        | "application/jsonl"
        | "application/x-jsonl"
        | "application/x-jsonlines"
        | "application/jsonlines"
        | "application/json-lines" => (Shape::Lines, JSON),
        CLOUD_EVENT => (Shape::One, CLOUD_EVENT),
        "application/cloudevents-batch+json" => (Shape::Array, CLOUD_EVENT),
        "avro/binary"
        | "application/avro"
        | "application/x-avro"
        | "application/vnd.apache.avro"
        | "application/vnd.apache.avro+binary" => (Shape::One, essence.as_str()),
        other => {
            let shown: String = other.chars().take(80).collect();
            let detail = format!(
                "`{shown}` is not taken here: send `application/json` (one event or an array), `application/x-ndjson` \
                 (an event a line), `application/cloudevents+json`, `application/cloudevents-batch+json`, or one Avro \
                 event in the single-object encoding as `avro/binary`"
            );
            return Err(Problem::new(Code::UnsupportedMediaType, detail));
        }
    };
    Ok(Form {
        shape,
        content_type: content_type.to_owned(),
    })
}
