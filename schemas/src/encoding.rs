//! In which encoding a value came: by its `content-type`, else by the header that names its schema, else by its first
//! bytes (docs/kafka.md).

use crate::tree::Read;
use crate::{Rejection, SchemaRef, rejection, rule};

/// The header in which Confluent's serializers put the reference to a value's schema, where it is not before the value.
pub const SCHEMA_ID_HEADER: &str = "__value_schema_id";

/// What stands beside a value about how it is framed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Framing<'a> {
    /// Its content type.
    pub content_type: Option<&'a str>,
    /// The value of the header [`SCHEMA_ID_HEADER`].
    pub schema_id: Option<&'a [u8]>,
}

impl<'a> From<Option<&'a str>> for Framing<'a> {
    /// A content type, and no header.
    fn from(content_type: Option<&'a str>) -> Self {
        Self {
            content_type,
            schema_id: None,
        }
    }
}

/// The encodings, with what remains of the value after their framing.
#[derive(Debug)]
pub(crate) enum Encoding<'a> {
    /// Our JSON form, or a CloudEvent in structured mode that nobody announced.
    Json(&'a [u8]),
    /// A CloudEvent in structured mode; `data` holds our JSON form.
    CloudEvent(&'a [u8]),
    /// An Avro datum and the reference to its writer's schema.
    Avro(SchemaRef, &'a [u8]),
}

/// Confluent's framing: a zero byte, a schema id as big-endian `int32`, the datum.
pub(crate) const CONFLUENT: u8 = 0x00;
/// Avro's single-object encoding: two bytes, the CRC-64-AVRO fingerprint in little-endian order, the datum.
pub(crate) const SINGLE_OBJECT: [u8; 2] = [0xC3, 0x01];
/// Before a GUID in the header, where [`CONFLUENT`] stands before an id.
const GUID: u8 = 0x01;
/// The byte order mark of UTF-8. It is no part of JSON and may be ignored (RFC 8259, 8.1): so it is, as over HTTP.
const BYTE_ORDER_MARK: &[u8] = b"\xEF\xBB\xBF";

enum Family {
    Json,
    CloudEvent,
    Avro,
    /// A content type that says nothing about our encodings: the first bytes decide.
    Unsaid,
}

/// Which encoding this value is in.
///
/// # Errors
/// `unknown_encoding`, or `truncated` within a framing.
pub(crate) fn encoding<'a>(value: &'a [u8], framing: Framing<'_>) -> Read<Encoding<'a>> {
    let text = value.strip_prefix(BYTE_ORDER_MARK).unwrap_or(value);
    match family(framing.content_type.unwrap_or_default())? {
        Family::Json => Ok(Encoding::Json(text)),
        Family::CloudEvent => Ok(Encoding::CloudEvent(text)),
        Family::Avro => match framing.schema_id.map(reference) {
            Some(Ok(reference)) => Ok(Encoding::Avro(reference, value)),
            named => framed(value)?.ok_or_else(|| {
                named.and_then(Result::err).unwrap_or_else(|| {
                    Rejection::new(
                        rule::UNKNOWN_ENCODING,
                        "Avro without a reference to its schema: use Confluent's framing or the single-object encoding",
                    )
                })
            }),
        },
        Family::Unsaid => {
            let trimmed = text.trim_ascii();
            // Also where a header names its schema: that may be a JSON schema, and no event in Avro reads like this.
            if trimmed.starts_with(b"{") && (trimmed.ends_with(b"}") || framing.schema_id.is_none()) {
                return Ok(Encoding::Json(text));
            }
            match framing.schema_id.map(reference) {
                Some(Ok(reference)) => Ok(Encoding::Avro(reference, value)),
                named => framed(value)?.ok_or_else(|| named.and_then(Result::err).unwrap_or_else(|| unknown(value))),
            }
        }
    }
}

/// The reference that a value names its schema by; `None` where it names none, or is not read by one. What has to be
/// known before the value can be.
pub fn schema_of(value: &[u8], framing: Framing<'_>) -> Option<SchemaRef> {
    match encoding(value, framing) {
        Ok(Encoding::Avro(reference, _)) => Some(reference),
        _ => None,
    }
}

/// The reference in the header [`SCHEMA_ID_HEADER`].
///
/// # Errors
/// `unknown_encoding` when it is none.
fn reference(header: &[u8]) -> Read<SchemaRef> {
    match header {
        [GUID, guid @ ..] => guid.try_into().ok().map(SchemaRef::Guid),
        [CONFLUENT, id @ ..] => id.try_into().ok().map(u32::from_be_bytes).map(SchemaRef::Confluent),
        _ => None,
    }
    .ok_or_else(|| {
        let shown = header.get(..header.len().min(20)).unwrap_or_default();
        Rejection::new(
            rule::UNKNOWN_ENCODING,
            format!(
                "the header `{SCHEMA_ID_HEADER}` is `{}`, and neither 01 and a GUID of 16 bytes nor 00 and an id of four",
                hex::encode(shown)
            ),
        )
    })
}

fn framed(value: &[u8]) -> Read<Option<Encoding<'_>>> {
    let short = |what| Rejection::new(rule::TRUNCATED, format!("the value ends within {what}"));
    if let Some(rest) = value.strip_prefix(&[CONFLUENT]) {
        let (id, datum) = rest.split_first_chunk().ok_or_else(|| short("the schema id"))?;
        return Ok(Some(Encoding::Avro(
            SchemaRef::Confluent(u32::from_be_bytes(*id)),
            datum,
        )));
    }
    if let Some(rest) = value.strip_prefix(&SINGLE_OBJECT) {
        let (fingerprint, datum) = rest
            .split_first_chunk()
            .ok_or_else(|| short("the schema's fingerprint"))?;
        return Ok(Some(Encoding::Avro(
            SchemaRef::Fingerprint(u64::from_le_bytes(*fingerprint)),
            datum,
        )));
    }
    if value == [SINGLE_OBJECT[0]] {
        return Err(short("the framing"));
    }
    Ok(None)
}

fn family(content_type: &str) -> Read<Family> {
    let essence = content_type
        .split(';')
        .next()
        .unwrap_or_default()
        .trim()
        .to_ascii_lowercase();
    Ok(match essence.as_str() {
        "application/cloudevents" | "application/cloudevents+json" => Family::CloudEvent,
        other if other.starts_with("application/cloudevents") => {
            return Err(Rejection::new(
                rule::UNKNOWN_ENCODING,
                format!(
                    "CloudEvents as `{}` are not understood: use `application/cloudevents+json`",
                    rejection::shown(other)
                ),
            ));
        }
        "application/json" | "text/json" => Family::Json,
        "avro/binary" | "application/avro" | "application/x-avro" => Family::Avro,
        other if other.ends_with("+json") => Family::Json,
        other if other.starts_with("application/vnd.apache.avro") || other.ends_with("+avro") => Family::Avro,
        _ => Family::Unsaid,
    })
}

fn unknown(value: &[u8]) -> Rejection {
    let detail = match value.first() {
        None => "the value is empty".to_owned(),
        Some(_) if value.trim_ascii().is_empty() => "the value is blank".to_owned(),
        Some(_) => format!(
            "the value begins with `{}`, which is neither Confluent's framing (00), nor Avro's single-object encoding \
             (c301), nor a JSON object (7b)",
            hex::encode(&value[..value.len().min(4)])
        ),
    };
    Rejection::new(rule::UNKNOWN_ENCODING, detail)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn framing<'a>(content_type: &'a str, schema_id: Option<&'a [u8]>) -> Framing<'a> {
        Framing {
            content_type: Some(content_type),
            schema_id,
        }
    }

    #[test]
    fn a_byte_order_mark_before_json_is_passed_over_and_before_anything_else_is_not() {
        let marked = b"\xEF\xBB\xBF {}";
        for content_type in ["", "application/json", "application/octet-stream"] {
            let found = encoding(marked, framing(content_type, None));
            assert!(matches!(found, Ok(Encoding::Json(b" {}"))), "{content_type}: {found:?}");
        }
        let found = encoding(marked, framing("application/cloudevents+json", None));
        assert!(matches!(found, Ok(Encoding::CloudEvent(b" {}"))), "{found:?}");
        assert!(encoding(marked, framing("avro/binary", None)).is_err());
        assert!(encoding(b"\xEF\xBB\xBF\x00\x00\x00\x00\x07x", None.into()).is_err());
    }

    #[test]
    fn a_header_names_the_schema_of_a_value_without_a_prefix() {
        let guid = [&[1_u8][..], &[7; 16]].concat();
        let of =
            |value: &[u8], content_type: &str, header: &[u8]| schema_of(value, framing(content_type, Some(header)));
        for content_type in ["", "avro/binary"] {
            assert_eq!(of(b"\x02x", content_type, &guid), Some(SchemaRef::Guid([7; 16])));
            assert_eq!(
                of(b"\x02x", content_type, &[0, 0, 0, 1, 0]),
                Some(SchemaRef::Confluent(256))
            );
            // The header is what was said, whatever the value begins with.
            assert_eq!(
                of(b"\x00\x00\x00\x00\x09x", content_type, &guid),
                Some(SchemaRef::Guid([7; 16]))
            );
            // An odd one says nothing, and the value's own framing counts.
            assert_eq!(
                of(b"\x00\x00\x00\x00\x09x", content_type, b"\x01short"),
                Some(SchemaRef::Confluent(9))
            );
            let odd = encoding(b"\x02x", framing(content_type, Some(b"\x01short")));
            let detail = odd.unwrap_err().detail;
            assert!(
                detail.contains(SCHEMA_ID_HEADER) && detail.contains("0173686f7274"),
                "{detail}"
            );
        }
        // What is JSON, or is said to be, is asked of no registry.
        assert_eq!(of(b"{}", "", &guid), None);
        assert_eq!(of(b"\x00\x00\x00\x00\x09x", "application/json", &guid), None);
        assert_eq!(
            schema_of(b"\x00\x00\x00\x00\x09x", Some("application/json").into()),
            None
        );
        assert_eq!(
            schema_of(b"\x00\x00\x00\x00\x09x", None.into()),
            Some(SchemaRef::Confluent(9))
        );
    }
}
