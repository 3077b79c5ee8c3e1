//! What shape a body is in, by its content type; without one, JSON is assumed and its first bytes decide.

use axum::http::{HeaderMap, header};
use verdict_edge::{Code, Problem};

/// How a body is taken apart.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Shape {
    /// One event, an array, or lines: whatever it is.
    Json,
    /// An event a line.
    Lines,
    /// An array of events.
    Array,
    /// One event in JSON, not looked into here.
    One,
    /// One event that is no text.
    Opaque,
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
    let mut parts = given.as_deref().unwrap_or(JSON).split(';').map(str::trim);
    let essence = parts.next().unwrap_or_default().to_ascii_lowercase();
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
        | "application/vnd.apache.avro+binary" => (Shape::Opaque, essence.as_str()),
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
    // Bytes that are no text have none.
    if shape != Shape::Opaque
        && let Some(charset) = parts.find_map(foreign_charset)
    {
        let detail = format!("`{charset}` is not a charset taken here: JSON is UTF-8 (RFC 8259, 8.1)");
        return Err(Problem::new(Code::UnsupportedMediaType, detail));
    }
    Ok(Form {
        shape,
        content_type: content_type.to_owned(),
    })
}

/// The charset that a parameter of the content type names, if text in it could not be read as UTF-8.
fn foreign_charset(parameter: &str) -> Option<String> {
    let (name, value) = parameter.split_once('=')?;
    let value = value.trim().trim_matches('"');
    let known = ["", "utf-8", "utf8", "us-ascii"];
    let foreign = name.trim().eq_ignore_ascii_case("charset") && !known.iter().any(|k| value.eq_ignore_ascii_case(k));
    foreign.then(|| value.chars().take(40).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn form(content_type: &str) -> Result<Form, Problem> {
        let mut headers = HeaderMap::new();
        headers.insert(header::CONTENT_TYPE, content_type.parse().unwrap());
        of(&headers)
    }

    #[test]
    fn a_charset_that_is_not_utf_8_is_refused_by_name() {
        for taken in [
            "application/json; charset=utf-8",
            "application/json;charset=\"UTF-8\"",
            "application/x-ndjson; CharSet=utf8",
            "application/json; profile=\"charset\"",
            "application/json;",
        ] {
            assert!(form(taken).is_ok(), "{taken}");
        }
        for foreign in [
            "application/json; charset=iso-8859-1",
            "application/json; a=b; charset=ISO-8859-1",
        ] {
            let problem = form(foreign).unwrap_err();
            assert_eq!(problem.code(), Code::UnsupportedMediaType);
            assert!(
                format!("{problem:?}").to_lowercase().contains("`iso-8859-1`"),
                "{problem:?}"
            );
        }
    }
}
