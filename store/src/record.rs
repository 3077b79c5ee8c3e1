//! The stored record: the bytes as received, and what the log adds to them.
//!
//! ```text
//! version u8 = 2
//! flags u8         bits 0-1  source      0 intake, 1 Kafka
//!                  bits 2-3  provenance  0 claimed, 1 authenticated (nameless), 2 authenticated (named), 3 signed
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
//! Version 1 had no bits 6-7 (a record of Kafka had the broker's time, any other the intake's), and behind the flags
//! `raw time` and `recorded - raw`, both plain varints, and no further fields. Rows of it are read for ever; tests hold
//! golden bytes of both.
//!
//! The row's key says which log and index; the leaf ([`crate::leaf`]) commits to all of it but provenance and route.

mod times;

use bytes::Bytes;
use verdict_merkle::LeafIndex;
use verdict_schemas::{Framing, Timestamp};

use crate::incoming::{Incoming, Provenance, RawTimeKind, RouteFlag, content_type, framing};
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
    /// Its own time, as whoever [`Record::raw_time_kind`] names said. An emitter's may be later than the recorded time.
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

    /// Appends the row to `out`.
    pub(crate) fn encode(&self, out: &mut Vec<u8>) {
        let source = u8::from(self.source != SourcePosition::Intake);
        let (provenance, principal) = match &self.provenance {
            Provenance::Claimed => (0, None),
            Provenance::Authenticated { principal: None } => (1, None),
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
        Ok(Self {
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
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn kafka_record() -> Record {
        Record {
            index: LeafIndex(3),
            source: SourcePosition::Kafka {
                cluster: "c1".into(),
                topic: "verdict.events.v1".into(),
                partition: 5,
                offset: 300,
            },
            raw_time: Timestamp::parse("2026-03-01T00:00:00Z").unwrap(),
            raw_time_kind: RawTimeKind::Broker,
            recorded_time: Timestamp::parse("2026-03-01T00:00:00.000128Z").unwrap(),
            provenance: Provenance::Authenticated {
                principal: Some("emitter".into()),
            },
            route: Some(RouteFlag::NoKey),
            headers: vec![
                ("content-type".to_owned(), Some(Bytes::from_static(b"a/b"))),
                ("x".to_owned(), None),
            ],
            key: Some(Bytes::from_static(b"acme")),
            value: Bytes::from_static(b"{}"),
        }
    }

    /// Version 1 as the first release wrote it.
    const GOLDEN_1: &str = "013980c08db6b2fd9203800102633111766572646963742e6576656e74732e763105ac0207656d6974746572\
                            0561636d65020c636f6e74656e742d7479706504612f620178007b7d";
    /// The same record in version 2.
    const GOLDEN_2: &str = "023980c18db6b2fd920380020002633111766572646963742e6576656e74732e763105ac0207656d69747465\
                            720561636d65020c636f6e74656e742d7479706504612f620178007b7d";
    /// In version 2, an hour ahead of when it was recorded by the emitter's clock, which version 1 could not hold.
    const GOLDEN_2_EMITTER: &str = "02b980c18db6b2fd9203ff8f9de91a0002633111766572646963742e6576656e74732e763105ac0207\
                                    656d69747465720561636d65020c636f6e74656e742d7479706504612f620178007b7d";

    fn read(row: &str) -> Result<Record, Damaged> {
        Record::decode(LeafIndex(3), &Bytes::from(hex::decode(row).unwrap()))
    }

    fn written(record: &Record) -> String {
        let mut row = Vec::new();
        record.encode(&mut row);
        hex::encode(&row)
    }

    #[test]
    fn version_1_is_read_for_ever_and_version_2_written() {
        assert_eq!(read(GOLDEN_1), Ok(kafka_record()));
        assert_eq!(read(GOLDEN_2), Ok(kafka_record()));
        assert_eq!(written(&kafka_record()), GOLDEN_2);
        let ahead = Record {
            raw_time: Timestamp::parse("2026-03-01T01:00:00.000128Z").unwrap(),
            raw_time_kind: RawTimeKind::Emitter,
            ..kafka_record()
        };
        assert_eq!(written(&ahead), GOLDEN_2_EMITTER);
        assert_eq!(read(GOLDEN_2_EMITTER), Ok(ahead));
    }

    #[test]
    fn a_row_of_version_1_was_stamped_by_the_broker_or_by_the_intake() {
        // An intake's record: times, no key, no headers, `{}`.
        let intake = read("010080c08db6b2fd9203800100007b7d").unwrap();
        assert_eq!(intake.raw_time_kind, RawTimeKind::Intake);
        assert_eq!(read(GOLDEN_1).unwrap().raw_time_kind, RawTimeKind::Broker);
    }

    #[test]
    fn a_field_of_a_later_release_is_refused_and_not_passed_over() {
        // The number of further fields stands behind the two times.
        let later = GOLDEN_2.replacen("8002000263", "8002010263", 1);
        assert_ne!(later, GOLDEN_2);
        assert_eq!(read(&later), Err(Damaged("the record has fields of a later release")));
    }

    #[test]
    fn what_is_cut_short_before_the_value_is_refused() {
        let mut row = Vec::new();
        kafka_record().encode(&mut row);
        for length in 0..row.len() - 2 {
            assert!(
                Record::decode(LeafIndex(3), &Bytes::copy_from_slice(&row[..length])).is_err(),
                "{length}"
            );
        }
        let unknown = Bytes::from([&[3], &row[1..]].concat());
        assert!(Record::decode(LeafIndex(3), &unknown).is_err());
    }

    proptest! {
        #[test]
        fn any_record_comes_back(
            kafka in any::<Option<(u32, u64)>>(),
            raw in 0_i64..=Timestamp::MAX.as_micros(),
            recorded in 0_i64..=Timestamp::MAX.as_micros(),
            kind in 0_usize..4,
            who in 0_u8..4,
            key in any::<Option<Vec<u8>>>(),
            headers in prop::collection::vec((".{0,8}", any::<Option<Vec<u8>>>()), 0..4),
            value in any::<Vec<u8>>(),
        ) {
            let recorded_time = Timestamp::from_micros(recorded).unwrap();
            let raw_time_kind = [
                RawTimeKind::Broker, RawTimeKind::Intake, RawTimeKind::Emitter, RawTimeKind::Absent,
            ][kind];
            let raw_time = match raw_time_kind {
                RawTimeKind::Absent => recorded_time,
                _ => Timestamp::from_micros(raw).unwrap(),
            };
            let record = Record {
                index: LeafIndex(1),
                source: kafka.map_or(SourcePosition::Intake, |(partition, offset)| SourcePosition::Kafka {
                    cluster: "c".into(), topic: "t".into(), partition, offset,
                }),
                raw_time,
                raw_time_kind,
                recorded_time,
                provenance: match who {
                    0 => Provenance::Claimed,
                    1 => Provenance::Authenticated { principal: None },
                    2 => Provenance::Authenticated { principal: Some("é".into()) },
                    _ => Provenance::Signed,
                },
                route: (who == 0).then_some(RouteFlag::InvalidTenant),
                headers: headers.into_iter().map(|(name, value)| (name, value.map(Bytes::from))).collect(),
                key: key.map(Bytes::from),
                value: Bytes::from(value),
            };
            let mut row = Vec::new();
            record.encode(&mut row);
            prop_assert_eq!(Record::decode(LeafIndex(1), &Bytes::from(row)), Ok(record));
        }

        #[test]
        fn any_bytes_are_read_or_refused(row: Vec<u8>) {
            let row = Bytes::from(row);
            if let Ok(record) = Record::decode(LeafIndex(0), &row) {
                let mut again = Vec::new();
                record.encode(&mut again);
                // What version 1 wrote is written as version 2 would.
                prop_assert!(row[0] == FIRST_VERSION || row == again, "a row has one form");
            }
        }
    }
}
