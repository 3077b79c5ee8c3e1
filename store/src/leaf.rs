//! The Merkle leaf: what a proof says about a record, with nothing of its payload readable in it.
//!
//! ```text
//! format u8        1, or 2 where neither the broker nor the intake stamped the record
//! [format 2]       raw time is u8: 2 the emitter's, 3 none (then it equals the folded time)
//! source u8        0 intake, 1 Kafka
//! [Kafka]          cluster: length u16 and bytes; topic: length u16 and bytes; partition u32; offset u64
//! raw time u64     microseconds since 1970
//! folded time u64
//! commitment       SHA-256( length u16 of the salt ++ salt ++ framing )     32 bytes
//!
//! framing          u8 = 1
//!                  key: 0, or 1 ++ length u32 ++ bytes
//!                  headers: count u32; each: length u32 ++ name; 0, or 1 ++ length u32 ++ value
//!                  value: length u64 ++ bytes
//! ```
//!
//! The folded time is when the log took the record, and never decreases along the log. With format 1 the raw time is that
//! of the broker's append, or of the intake's clock, and **never after the folded time**: a row that says so is refused
//! ([`crate::record`]), and a leaf that says so is of no log of ours. An emitter's may be before or after, so that format 2
//! says whose it is: no proof passes one for the other.
//!
//! All numbers are big-endian; every part stands behind its length, so no two payloads have one framing. The salt keeps
//! a payload from being guessed out of its commitment. It is the record's header `verdict-salt` where that holds at
//! least 16 bytes (raw, or at least 32 hex digits), else derived ([`crate::salt`]) from the store's salt key and the
//! record's position; it goes with the payload when that is erased.

use bytes::Bytes;
use sha2::{Digest, Sha256};
use verdict_merkle::{Hash, leaf_hash};
use verdict_schemas::Timestamp;

use crate::incoming::RawTimeKind;
use crate::names::{LogName, SourcePosition};
use crate::record::Record;
use crate::salt::SaltKey;

const FORMAT: u8 = 1;
/// The format of records that carry no time of the broker or the intake.
const FORMAT_FOREIGN_TIME: u8 = 2;
const FRAMING: u8 = 1;

/// The header by which a record brings its own salt.
pub const SALT_HEADER: &str = "verdict-salt";

/// The longest name of a cluster or a topic: keeps a leaf far below the 64 KiB that tlog-tiles allows.
pub(crate) const LONGEST_NAME: usize = 1024;

/// A record's leaf, and what it takes to check it against the payload.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Leaf {
    /// The leaf's bytes: the entry that the log serves.
    pub bytes: Vec<u8>,
    /// The salt within the commitment.
    pub salt: Vec<u8>,
}

impl Leaf {
    /// The leaf of a record in its log.
    pub(crate) fn of(log: &LogName, record: &Record, key: &SaltKey) -> Self {
        let salt = match own_salt(record) {
            Some(salt) => salt,
            None => key.salt(log, record).to_vec(),
        };
        let commitment = commitment(&salt, record.key.as_deref(), &record.headers, &record.value);
        let mut bytes = Vec::with_capacity(160);
        match record.raw_time_kind {
            RawTimeKind::Broker | RawTimeKind::Intake => bytes.push(FORMAT),
            RawTimeKind::Emitter => bytes.extend_from_slice(&[FORMAT_FOREIGN_TIME, 2]),
            RawTimeKind::Absent => bytes.extend_from_slice(&[FORMAT_FOREIGN_TIME, 3]),
        }
        match &record.source {
            SourcePosition::Intake => bytes.push(0),
            SourcePosition::Kafka {
                cluster,
                topic,
                partition,
                offset,
            } => {
                bytes.push(1);
                for name in [cluster, topic] {
                    // The committer refuses names above LONGEST_NAME, so nothing is cut.
                    bytes.extend_from_slice(&(name.len() as u64).to_be_bytes()[6..]);
                    bytes.extend_from_slice(name.as_bytes());
                }
                bytes.extend_from_slice(&partition.to_be_bytes());
                bytes.extend_from_slice(&offset.to_be_bytes());
            }
        }
        for time in [record.raw_time, record.recorded_time] {
            bytes.extend_from_slice(&time_bytes(time));
        }
        bytes.extend_from_slice(&commitment);
        Self { bytes, salt }
    }

    /// The leaf's hash in the tree.
    pub fn hash(&self) -> Hash {
        leaf_hash(&self.bytes)
    }
}

fn time_bytes(time: Timestamp) -> [u8; 8] {
    time.as_micros().to_be_bytes()
}

/// The salt that a record brings.
fn own_salt(record: &Record) -> Option<Vec<u8>> {
    let value = record.header(SALT_HEADER)?;
    let decoded = if value.len() >= 32 {
        hex::decode(value).ok()
    } else {
        None
    };
    decoded
        .or_else(|| Some(value.to_vec()))
        .filter(|salt| (16..=LONGEST_NAME).contains(&salt.len()))
}

fn commitment(salt: &[u8], key: Option<&[u8]>, headers: &[(String, Option<Bytes>)], value: &[u8]) -> [u8; 32] {
    let mut hasher = Sha256::new();
    hasher.update(&(salt.len() as u64).to_be_bytes()[6..]);
    hasher.update(salt);
    frame(&mut hasher, key, headers, value);
    hasher.finalize().into()
}

/// SHA-256 of a payload's framing, unsalted: to recognise a record again, never to be shown.
pub fn payload_digest(key: Option<&[u8]>, headers: &[(String, Option<Bytes>)], value: &[u8]) -> [u8; 32] {
    let mut hasher = Sha256::new();
    frame(&mut hasher, key, headers, value);
    hasher.finalize().into()
}

fn frame(hasher: &mut Sha256, key: Option<&[u8]>, headers: &[(String, Option<Bytes>)], value: &[u8]) {
    // Collected before it is hashed: the hasher is slow at many small pieces.
    let mut small = Vec::with_capacity(128);
    small.push(FRAMING);
    put_optional(&mut small, key);
    small.extend_from_slice(&length(headers.len()));
    for (name, value) in headers {
        small.extend_from_slice(&length(name.len()));
        small.extend_from_slice(name.as_bytes());
        put_optional(&mut small, value.as_deref());
    }
    small.extend_from_slice(&(value.len() as u64).to_be_bytes());
    hasher.update(&small);
    hasher.update(value);
}

fn put_optional(out: &mut Vec<u8>, bytes: Option<&[u8]>) {
    match bytes {
        None => out.push(0),
        Some(bytes) => {
            out.push(1);
            out.extend_from_slice(&length(bytes.len()));
            out.extend_from_slice(bytes);
        }
    }
}

/// A length as u32. The committer refuses batches with parts of 4 GiB, so nothing is cut.
fn length(length: usize) -> [u8; 4] {
    u32::try_from(length).unwrap_or(u32::MAX).to_be_bytes()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::incoming::Provenance;
    use verdict_merkle::LeafIndex;

    fn record(headers: Vec<(String, Option<Bytes>)>) -> Record {
        Record {
            index: LeafIndex(2),
            source: SourcePosition::Kafka {
                cluster: "c1".into(),
                topic: "t".into(),
                partition: 5,
                offset: 300,
            },
            raw_time: Timestamp::from_micros(1).unwrap(),
            raw_time_kind: RawTimeKind::Broker,
            recorded_time: Timestamp::from_micros(2).unwrap(),
            provenance: Provenance::Claimed,
            route: None,
            headers,
            key: Some(Bytes::from_static(b"acme")),
            value: Bytes::from_static(b"{}"),
        }
    }

    fn acme() -> LogName {
        "acme".parse().unwrap()
    }

    fn sha(parts: &[&[u8]]) -> [u8; 32] {
        Sha256::digest(parts.concat()).into()
    }

    #[test]
    fn format_1_stands_for_ever() {
        let leaf = Leaf::of(
            &acme(),
            &record(vec![("verdict-salt".to_owned(), Some("00".repeat(16).into()))]),
            &SaltKey::new([7; 32]),
        );
        assert_eq!(leaf.salt, [0; 16]);
        let framing: [&[u8]; 9] = [
            &[1],
            &[1, 0, 0, 0, 4],
            b"acme",
            &[0, 0, 0, 1, 0, 0, 0, 12],
            b"verdict-salt",
            &[1, 0, 0, 0, 32],
            &[b'0'; 32],
            &[0, 0, 0, 0, 0, 0, 0, 2],
            b"{}",
        ];
        let commitment = sha(&[&[0, 16], &[0; 16], &framing.concat()]);
        let expected = [
            &[1_u8, 1][..],
            &[0, 2],
            b"c1",
            &[0, 1],
            b"t",
            &[0, 0, 0, 5],
            &300_u64.to_be_bytes(),
            &1_u64.to_be_bytes(),
            &2_u64.to_be_bytes(),
            &commitment,
        ];
        assert_eq!(leaf.bytes, expected.concat());
        assert_eq!(leaf.hash().0, sha(&[&[0], &expected.concat()]));
    }

    #[test]
    fn format_2_says_that_the_time_is_the_emitters_and_is_else_the_same() {
        let key = SaltKey::new([7; 32]);
        let broker = record(vec![]);
        let emitter = Record {
            raw_time: Timestamp::from_micros(9).unwrap(),
            raw_time_kind: RawTimeKind::Emitter,
            ..broker.clone()
        };
        let absent = Record {
            raw_time: broker.recorded_time,
            raw_time_kind: RawTimeKind::Absent,
            ..broker.clone()
        };
        let plain = Leaf::of(&acme(), &broker, &key).bytes;
        // Behind source, names, partition and offset.
        let at = 2 + 2 + 2 + 2 + 1 + 4 + 8;
        let expected = |kind: u8, raw: u64| [&[2, kind], &plain[1..at], &raw.to_be_bytes(), &plain[at + 8..]].concat();
        // Later than when it was recorded (2), which no time of the broker or the intake is.
        assert_eq!(Leaf::of(&acme(), &emitter, &key).bytes, expected(2, 9));
        assert_eq!(Leaf::of(&acme(), &absent, &key).bytes, expected(3, 2));
    }

    #[test]
    fn every_part_of_the_payload_is_committed_to_and_provenance_is_not() {
        let key = SaltKey::new([7; 32]);
        let hash = |record: &Record| Leaf::of(&acme(), record, &key).hash();
        let base = record(vec![("a".to_owned(), Some(Bytes::from_static(b"b")))]);
        let others = [
            Record {
                key: None,
                ..base.clone()
            },
            Record {
                key: Some(Bytes::new()),
                ..base.clone()
            },
            Record {
                value: Bytes::from_static(b"{ }"),
                ..base.clone()
            },
            record(vec![("a".to_owned(), None)]),
            record(vec![("ab".to_owned(), Some(Bytes::new()))]),
            record(vec![]),
            Record {
                recorded_time: Timestamp::from_micros(3).unwrap(),
                ..base.clone()
            },
        ];
        for other in &others {
            assert_ne!(hash(other), hash(&base), "{other:?}");
        }
        assert_eq!(
            hash(&Record {
                provenance: Provenance::Signed,
                ..base.clone()
            }),
            hash(&base)
        );
    }

    #[test]
    fn a_salt_too_short_is_none() {
        let key = SaltKey::new([7; 32]);
        for (salt, len) in [("short", 16), ("sixteen bytes!!!", 16), ("seventeen bytes!!", 17)] {
            let record = record(vec![("verdict-salt".to_owned(), Some(salt.into()))]);
            let leaf = Leaf::of(&acme(), &record, &key);
            assert_eq!((leaf.salt.len(), leaf.salt == salt.as_bytes()), (len, salt.len() >= 16));
        }
    }
}
