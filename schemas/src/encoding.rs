//! In which encoding a value came: by its `content-type`, else by its first bytes (DESIGN, "On Kafka").

use crate::tree::Read;
use crate::{Rejection, SchemaRef, rejection, rule};

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
pub(crate) fn encoding<'a>(value: &'a [u8], content_type: Option<&str>) -> Read<Encoding<'a>> {
    match family(content_type.unwrap_or_default())? {
        Family::Json => Ok(Encoding::Json(value)),
        Family::CloudEvent => Ok(Encoding::CloudEvent(value)),
        Family::Avro => framed(value)?.ok_or_else(|| {
            Rejection::new(
                rule::UNKNOWN_ENCODING,
                "Avro without a reference to its schema: use Confluent's framing or the single-object encoding",
            )
        }),
        Family::Unsaid => match framed(value)? {
            Some(avro) => Ok(avro),
            None if value.trim_ascii_start().starts_with(b"{") => Ok(Encoding::Json(value)),
            None => Err(unknown(value)),
        },
    }
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
