//! What is handed to the store to keep, and what it says afterwards.

use std::sync::Arc;

use bytes::Bytes;
use serde::{Deserialize, Serialize};
use verdict_merkle::{Hash, LeafIndex, TreeSize};
use verdict_schemas::{EventId, Framing, SCHEMA_ID_HEADER, Timestamp};

use crate::names::{KafkaPartition, LogName, SourcePosition};

/// A record to keep, its bytes exactly as received. The store sequences it before anyone interprets it.
#[derive(Clone, Debug)]
pub struct Incoming {
    /// The log it goes to.
    pub log: LogName,
    /// Where it came from.
    pub source: SourcePosition,
    /// Kafka's key.
    pub key: Option<Bytes>,
    /// The headers to keep and to commit to, in their order, `content-type` among them.
    pub headers: Vec<(String, Option<Bytes>)>,
    /// The value. Kafka's null is kept as no bytes: both are malformed in the same way.
    pub value: Bytes,
    /// Its own time, and whose it is.
    pub raw_time: RawTime,
    /// Who says that this is so.
    pub provenance: Provenance,
    /// HTTP intake only: what makes a duplicate, which is then not stored (E4). Whoever sets it has checked that the
    /// record is well-formed.
    pub dedup: Option<DedupKey>,
    /// Why it is in an `_unrouted` log.
    pub route: Option<RouteFlag>,
}

impl Incoming {
    /// The value of the `content-type` header, when it is text.
    pub fn content_type(&self) -> Option<&str> {
        content_type(&self.headers)
    }

    /// What its headers say of how the value is framed.
    pub fn framing(&self) -> Framing<'_> {
        framing(&self.headers)
    }
}

/// What headers say of how a value is framed. Of several schema ids the last is meant, as Confluent's readers have it.
pub(crate) fn framing(headers: &[(String, Option<Bytes>)]) -> Framing<'_> {
    let ids = headers.iter().rev().filter(|(name, _)| name == SCHEMA_ID_HEADER);
    Framing {
        content_type: content_type(headers),
        schema_id: ids.map(|(_, value)| value.as_deref().unwrap_or_default()).next(),
    }
}

/// The value of the first header of that name (in any case) that is text.
pub(crate) fn content_type(headers: &[(String, Option<Bytes>)]) -> Option<&str> {
    headers
        .iter()
        .find(|(name, _)| name.eq_ignore_ascii_case("content-type"))
        .and_then(|(_, value)| std::str::from_utf8(value.as_ref()?).ok())
}

/// A record's own time, as whoever stamped it said.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RawTime {
    /// The store's clock, when it takes the record.
    Now,
    /// The time at which the broker appended it.
    Broker(Timestamp),
    /// The time that the emitter gave it (Kafka's CreateTime), which may be any. It is kept, and never becomes the log's.
    Emitter(Timestamp),
    /// It has none that can be read.
    Absent,
}

/// Whose clock a record's raw time is of. All but the first two are flagged: the record was recorded at the last time
/// that the broker gave in its partition.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum RawTimeKind {
    /// The broker's, at the append (LogAppendTime).
    Broker,
    /// This node's, at the intake.
    Intake,
    /// The emitter's (CreateTime): it may be before or after the recorded time.
    Emitter,
    /// Nobody's: the raw time says what the record was recorded by.
    Absent,
}

impl RawTimeKind {
    /// The name, as answers have it.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Broker => "log_append_time",
            Self::Intake => "intake",
            Self::Emitter => "create_time",
            Self::Absent => "none",
        }
    }

    /// Was the record stamped by no clock that may order a log?
    pub fn is_foreign(self) -> bool {
        matches!(self, Self::Emitter | Self::Absent)
    }
}

/// The header of a record that says who sent it: set by an intake, and covered by the leaf as every header is. What it
/// says counts as far as [`Provenance`] says.
pub const PRINCIPAL_HEADER: &str = "verdict-principal";

/// Who sends to a server that asks for no token. No token has this name.
pub const ANONYMOUS: &str = "anonymous";

/// Who says that a record is what it says (docs/intake.md). Found out when the record is taken, and kept with it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Provenance {
    /// Nobody but the record itself.
    Claimed,
    /// An intake of this system took it: this node's own, or one whose MAC was on it when it came through Kafka.
    Authenticated {
        /// The name of the token that the intake recognised, [`ANONYMOUS`] where it asks for none; `None` of what the first
        /// release took without a token file.
        principal: Option<Arc<str>>,
    },
    /// Its `verdict-signature` header was verified.
    Signed,
}

/// What makes two records of a log the same event (E4).
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct DedupKey {
    /// `meta.source`.
    pub source: Arc<str>,
    /// `meta.event_id`.
    pub event_id: EventId,
    /// Intent is remembered for ever, observation for seven days of recorded time.
    pub intent: bool,
}

/// Why a record is in an `_unrouted` log.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum RouteFlag {
    /// Its key names a tenant whose partition is another one.
    WrongPartition,
    /// Its key names no valid tenant.
    InvalidTenant,
    /// It has no key.
    NoKey,
}

/// What became of one record of an append.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Appended {
    /// Kept.
    Accepted {
        /// Where.
        index: LeafIndex,
    },
    /// Not kept: the log has the same event with the same bytes.
    Duplicate {
        /// Where the first is.
        index: LeafIndex,
    },
    /// Kept, though the log has the same event with other bytes, which stands.
    Conflict {
        /// Where this one is.
        index: LeafIndex,
    },
}

impl Appended {
    /// The index to tell the sender.
    pub fn index(self) -> LeafIndex {
        match self {
            Self::Accepted { index } | Self::Duplicate { index } | Self::Conflict { index } => index,
        }
    }
}

/// The end of a log after a commit.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LogHead {
    /// The log.
    pub name: LogName,
    /// How many records it holds.
    pub size: TreeSize,
    /// Its root at that size.
    pub root: Hash,
}

/// What an append did.
#[derive(Clone, Debug, Default)]
pub struct AppendReceipt {
    /// What became of each record, in the order given.
    pub results: Vec<Appended>,
    /// The logs concerned, by name, as they stand after the commit.
    pub logs: Vec<LogHead>,
    /// Are the records visible to queries? They are durable in any case. Of Kafka's records it is not said.
    pub visible: bool,
}

/// What is known about a Kafka partition.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Position {
    /// The offset at which this store began: replicas that began elsewhere have other roots.
    pub first: u64,
    /// The next offset to read.
    pub next: u64,
    /// The last time that the broker gave a record of it; `None` before the first. What the broker did not stamp is
    /// recorded by this, which is the same on every node that read the partition from the same offset.
    pub broker_time: Option<Timestamp>,
    /// The last record stored, to recognise the topic by.
    pub last: Option<LastStored>,
}

impl Position {
    /// Of a partition that begins at this offset.
    pub(crate) fn begin(first: u64) -> Self {
        Self {
            first,
            next: first,
            broker_time: None,
            last: None,
        }
    }
}

/// The last record stored of a Kafka partition.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LastStored {
    /// Its offset.
    pub offset: u64,
    /// The log it is in.
    pub log: LogName,
    /// Its index there.
    pub index: LeafIndex,
    /// [`crate::payload_digest`] of its key, headers kept and value.
    pub digest: [u8; 32],
}

/// Offsets of a Kafka partition that this store will never hold, because the broker lost them first (A4).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Gap {
    /// The partition.
    pub partition: KafkaPartition,
    /// The first offset lost.
    pub from: u64,
    /// The first offset after those lost.
    pub to: u64,
    /// Why, for people.
    pub reason: String,
    /// When it was noticed.
    pub noticed_at: Timestamp,
}
