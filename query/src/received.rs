//! What was received, byte for byte: value, headers, key, and what somebody else said in the first place, where the value is our
//! own rendering of it (`verdict-foreign`, an OPA's report).
//!
//! A leaf commits to key, headers and value, so whoever has these can check the commitment. Text is shown as text, other
//! bytes as base64; `Accept: application/octet-stream` asks for the bytes alone.

use std::borrow::Cow;
use std::io::Read as _;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde::{Deserialize, Serialize};
use verdict_store::{Provenance, Record};

/// Headers of a record whose value is our rendering of foreign bytes.
const FOREIGN: &str = "verdict-foreign";
const FOREIGN_TYPE: &str = "verdict-foreign-type";
const FOREIGN_ENCODING: &str = "verdict-foreign-encoding";

/// Foreign bytes longer than this are given as they are kept, compressed: nothing that an intake keeps is longer.
const LONGEST: u64 = 16 << 20;

/// A record as received.
#[derive(Debug, Serialize)]
pub(crate) struct Received {
    #[serde(skip_serializing_if = "Option::is_none")]
    content_type: Option<String>,
    #[serde(flatten)]
    value: Content,
    /// All of them, in their order.
    headers: Vec<HeaderItem>,
    #[serde(skip_serializing_if = "Option::is_none")]
    key: Option<Content>,
    /// What it was made of.
    #[serde(skip_serializing_if = "Option::is_none")]
    foreign: Option<ForeignItem>,
}

#[derive(Debug, Serialize)]
struct HeaderItem {
    name: String,
    #[serde(flatten)]
    value: Option<Content>,
}

#[derive(Debug, Serialize)]
struct ForeignItem {
    /// The record came through Kafka: whoever produced it says that it was made of these bytes.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    claimed: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    content_type: Option<String>,
    /// How it still is compressed, where it could not be read.
    #[serde(skip_serializing_if = "Option::is_none")]
    encoding: Option<String>,
    #[serde(flatten)]
    value: Content,
}

/// Bytes: as text where they are UTF-8 without control characters (which JSON writes in six bytes each), else as base64.
#[derive(Debug, Serialize)]
struct Content {
    size: usize,
    #[serde(skip_serializing_if = "Option::is_none")]
    text: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    bytes: Option<String>,
}

impl Content {
    fn of(bytes: &[u8]) -> Self {
        let printed = |byte: &u8| *byte >= 0x20 || matches!(byte, b'\t' | b'\n' | b'\r');
        let text = bytes.iter().all(printed).then(|| std::str::from_utf8(bytes).ok());
        let text = text.flatten().map(str::to_owned);
        Self {
            size: bytes.len(),
            bytes: text.is_none().then(|| STANDARD.encode(bytes)),
            text,
        }
    }
}

/// Why an intake of ours could not make an event of foreign bytes, as its note says that stands in their place.
#[derive(Debug, Deserialize)]
pub(crate) struct Refused {
    pub(crate) rule: String,
    pub(crate) field: Option<String>,
    pub(crate) detail: Option<String>,
}

impl Refused {
    /// `None` where the value is no such note.
    pub(crate) fn of(record: &Record) -> Option<Self> {
        #[derive(Deserialize)]
        struct Note {
            quarantined: Refused,
        }
        if !record.headers.iter().any(|(name, _)| name == FOREIGN) {
            return None;
        }
        let note: Note = serde_json::from_slice(&record.value).ok()?;
        Some(note.quarantined)
    }
}

impl Received {
    /// All of a record that was received.
    pub(crate) fn of(record: &Record) -> Self {
        let header = |(name, value): &(String, Option<bytes::Bytes>)| HeaderItem {
            name: name.clone(),
            value: value.as_deref().map(Content::of),
        };
        Self {
            content_type: record.content_type().map(str::to_owned),
            value: Content::of(&record.value),
            headers: record.headers.iter().map(header).collect(),
            key: record.key.as_deref().map(Content::of),
            foreign: foreign(record).map(|foreign| ForeignItem {
                claimed: record.provenance == Provenance::Claimed,
                content_type: foreign.content_type,
                encoding: foreign.encoding,
                value: Content::of(&foreign.bytes),
            }),
        }
    }
}

/// The bytes received and their type: of our own rendering of a foreign report, the report. What came through Kafka is the
/// value: its headers are its producer's word, and must not stand for what counts.
pub(crate) fn bytes(record: &Record) -> (Option<String>, Cow<'_, [u8]>) {
    let own = record.provenance != Provenance::Claimed;
    match own.then(|| foreign(record)).flatten() {
        Some(foreign) => (foreign.content_type, foreign.bytes),
        None => (record.content_type().map(str::to_owned), Cow::Borrowed(&record.value)),
    }
}

struct Foreign<'a> {
    content_type: Option<String>,
    encoding: Option<String>,
    bytes: Cow<'a, [u8]>,
}

fn foreign(record: &Record) -> Option<Foreign<'_>> {
    let kept = record.header(FOREIGN)?;
    let text = |name: &str| {
        let value = record.header(name).and_then(|value| std::str::from_utf8(value).ok());
        value.map(str::to_owned)
    };
    let encoding = text(FOREIGN_ENCODING);
    let (bytes, encoding) = match (encoding.as_deref() == Some("zstd"))
        .then(|| decompressed(kept))
        .flatten()
    {
        Some(bytes) => (Cow::Owned(bytes), None),
        None => (Cow::Borrowed(kept), encoding),
    };
    Some(Foreign {
        content_type: text(FOREIGN_TYPE),
        encoding,
        bytes,
    })
}

fn decompressed(kept: &[u8]) -> Option<Vec<u8>> {
    let mut bytes = Vec::new();
    let mut reader = zstd::Decoder::with_buffer(kept).ok()?.take(LONGEST + 1);
    reader.read_to_end(&mut bytes).ok()?;
    (bytes.len() as u64 <= LONGEST).then_some(bytes)
}
