//! The stored record: the bytes as received, and what the log adds to them.
//!
//! ```text
//! version u8 = 2
//! flags u8         bits 0-1  source      0 intake, 1 Kafka
//!                  bits 2-3  provenance  0 claimed, 1 authenticated, 2 authenticated (named here), 3 signed
//!                  bits 4-5  route       0 plain, 1 wrong partition, 2 invalid tenant, 3 no key
//!                  bits 6-7  raw time    0 the broker's, 1 the intake's, 2 the emitter's, 3 none
//! recorded time    varint, microseconds since 1970: never before that of the record before it
//! recorded - raw   varint, zigzag; not where there is no raw time
//! more             varint: how many further fields stand here, each a tag u8 and its bytes behind their length. None is
//!                  known yet; a row that has one was written by a later release, and is refused
//! [Kafka]          cluster, topic: length and bytes; partition, offset: varints
//! [named]          principal: length and bytes
//! key              0, or length + 1 and bytes
//! headers          count, then each: length and name; 0, or length + 1 and value
//! value            the rest
//! ```
//!
//! Who sent the record is said by its header `verdict-principal`, under the leaf; 1 says that it was an intake that put it
//! there. 2 is a record without that header, which names its sender here: the first release did, and an erased record does.
//!
//! Version 1 had no bits 6-7 (a record of Kafka had the broker's time, any other the intake's), and behind the flags
//! `raw time` and `recorded - raw`, both plain varints, and no further fields. Rows of it are read for ever; tests hold
//! golden bytes of both.
//!
//! The row's key says which log and index; the leaf ([`crate::leaf`]) commits to all of it but provenance and route.

mod times;

use bytes::Bytes;
use verdict_merkle::LeafIndex;
use verdict_schemas::{Framing, Timestamp};

use crate::incoming::{Incoming, PRINCIPAL_HEADER, Provenance, RawTimeKind, RouteFlag, content_type, framing};
use crate::layout::{Damaged, Reader, put_bytes, put_optional, put_varint};
use crate::names::{LogId, LogName, SourcePosition};

const VERSION: u8 = 2;
/// What the first release wrote.
const FIRST_VERSION: u8 = 1;

/// A record as the log holds it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Record {
    /// Its place in its log.
    pub index: LeafIndex,
    /// Where it came from.
    pub source: SourcePosition,
    /// Its own time, as whoever [`Record::raw_time_kind`] names said. Only an emitter's may be later than the recorded time.
    pub raw_time: Timestamp,
    /// Whose clock that is.
    pub raw_time_kind: RawTimeKind,
    /// When the log took it: never before the record before it.
    pub recorded_time: Timestamp,
    /// Who says that this is so.
    pub provenance: Provenance,
    /// Why it is in an `_unrouted` log.
    pub route: Option<RouteFlag>,
    /// The headers kept, in their order.
    pub headers: Vec<(String, Option<Bytes>)>,
    /// Kafka's key.
    pub key: Option<Bytes>,
    /// The value as received.
    pub value: Bytes,
}

/// A record with its place.
pub(crate) struct Sequenced {
    pub(crate) log: LogId,
    pub(crate) name: LogName,
    pub(crate) record: Record,
}

impl Record {
    /// The record that an incoming one becomes. Where it has no time of its own, its raw time says what it was recorded
    /// by.
    pub(crate) fn sequenced(
        incoming: Incoming,
        index: LeafIndex,
        raw: (Timestamp, RawTimeKind),
        recorded: Timestamp,
    ) -> Self {
        let (raw_time, raw_time_kind) = match raw.1 {
            RawTimeKind::Absent => (recorded, RawTimeKind::Absent),
            _ => raw,
        };
        Self {
            index,
            source: incoming.source,
            raw_time,
            raw_time_kind,
            recorded_time: recorded,
            provenance: incoming.provenance,
            route: incoming.route,
            headers: incoming.headers,
            key: incoming.key,
            value: incoming.value,
        }
    }

    /// The value of the `content-type` header, when it is text.
    pub fn content_type(&self) -> Option<&str> {
        content_type(&self.headers)
    }

    /// What its headers say of how the value is framed.
    pub fn framing(&self) -> Framing<'_> {
        framing(&self.headers)
    }

    /// The value of the first header of exactly that name.
    pub fn header(&self, name: &str) -> Option<&[u8]> {
        self.headers
            .iter()
            .find(|(header, _)| header == name)
            .and_then(|(_, value)| value.as_deref())
    }

    /// Does its header name this sender?
    fn says_principal(&self, name: &str) -> bool {
        self.header(PRINCIPAL_HEADER) == Some(name.as_bytes())
    }

    /// Appends the row to `out`.
    pub(crate) fn encode(&self, out: &mut Vec<u8>) {
        let source = u8::from(self.source != SourcePosition::Intake);
        let (provenance, principal) = match &self.provenance {
            Provenance::Claimed => (0, None),
            Provenance::Authenticated { principal: None } => (1, None),
            Provenance::Authenticated { principal: Some(name) } if self.says_principal(name) => (1, None),
            Provenance::Authenticated { principal: Some(name) } => (2, Some(name)),
            Provenance::Signed => (3, None),
        };
        let route = match self.route {
            None => 0,
            Some(RouteFlag::WrongPartition) => 1,
            Some(RouteFlag::InvalidTenant) => 2,
            Some(RouteFlag::NoKey) => 3,
        };
        out.extend_from_slice(&[
            VERSION,
            source | provenance << 2 | route << 4 | times::bits(self.raw_time_kind),
        ]);
        times::put(out, self.raw_time_kind, self.raw_time, self.recorded_time);
        // No further fields.
        put_varint(out, 0);
        if let SourcePosition::Kafka {
            cluster,
            topic,
            partition,
            offset,
        } = &self.source
        {
            put_bytes(out, cluster.as_bytes());
            put_bytes(out, topic.as_bytes());
            put_varint(out, u64::from(*partition));
            put_varint(out, *offset);
        }
        if let Some(name) = principal {
            put_bytes(out, name.as_bytes());
        }
        put_optional(out, self.key.as_deref());
        put_varint(out, self.headers.len() as u64);
        for (name, value) in &self.headers {
            put_bytes(out, name.as_bytes());
            put_optional(out, value.as_deref());
        }
        out.extend_from_slice(&self.value);
    }

    /// Reads a row; key, headers and value share its bytes.
    ///
    /// # Errors
    /// [`Damaged`] for anything that [`Record::encode`] does not write.
    pub(crate) fn decode(index: LeafIndex, row: &Bytes) -> Result<Self, Damaged> {
        let mut reader = Reader::new(row);
        let [version, flags] = reader.array()?;
        if flags & 0b10 != 0 {
            return Err(Damaged("the record has unknown flags"));
        }
        let (raw_time_kind, raw_time, recorded_time) = match version {
            FIRST_VERSION => times::read_first(flags, &mut reader)?,
            VERSION => {
                let times = times::read(flags, &mut reader)?;
                if reader.varint()? != 0 {
                    return Err(Damaged("the record has fields of a later release"));
                }
                times
            }
            _ => return Err(Damaged("the version of the record is unknown")),
        };
        let source = match flags & 0b11 {
            0 => SourcePosition::Intake,
            _ => SourcePosition::Kafka {
                cluster: reader.text()?.into(),
                topic: reader.text()?.into(),
                partition: reader.varint_u32()?,
                offset: reader.varint()?,
            },
        };
        let provenance = match flags >> 2 & 0b11 {
            0 => Provenance::Claimed,
            1 => Provenance::Authenticated { principal: None },
            2 => Provenance::Authenticated {
                principal: Some(reader.text()?.into()),
            },
            _ => Provenance::Signed,
        };
        let route = match flags >> 4 & 0b11 {
            0 => None,
            1 => Some(RouteFlag::WrongPartition),
            2 => Some(RouteFlag::InvalidTenant),
            _ => Some(RouteFlag::NoKey),
        };
        let key = reader.optional()?.map(|key| row.slice_ref(key));
        let count = reader.varint()?;
        let mut headers = Vec::new();
        for _ in 0..count {
            // No capacity by the count claimed: each turn takes at least two bytes of the row, or fails.
            let name = reader.text()?.to_owned();
            headers.push((name, reader.optional()?.map(|value| row.slice_ref(value))));
        }
        let value = row.slice(row.len() - reader.left()..);
        let mut record = Self {
            index,
            source,
            raw_time,
            raw_time_kind,
            recorded_time,
            provenance,
            route,
            headers,
            key,
            value,
        };
        record.read_principal()?;
        Ok(record)
    }

    /// Takes the sender's name from the header, where the row leaves it to that.
    fn read_principal(&mut self) -> Result<(), Damaged> {
        let Provenance::Authenticated { principal } = &self.provenance else {
            return Ok(());
        };
        let named = self.header(PRINCIPAL_HEADER);
        let named = named.and_then(|named| std::str::from_utf8(named).ok());
        match (principal, named) {
            (Some(name), Some(named)) if **name == *named => Err(Damaged("the sender of the record is named twice")),
            (None, Some(named)) => {
                let principal = Some(named.into());
                self.provenance = Provenance::Authenticated { principal };
                Ok(())
            }
            _ => Ok(()),
        }
    }
}

#[cfg(test)]
mod tests;
