//! Who sent a record, said under its leaf: the headers that an intake sets, and the MAC by which it vouches for them.
//!
//! ```text
//! verdict-principal   the name of the token that the intake recognised; `anonymous` where no token is asked for
//! verdict-mac         `v1 ID MICROS HEX`: the key's id, when the intake took the record, HMAC-SHA-256
//!
//! the MAC is over     "verdict-mac v1\0" ++ id ++ "\0" ++ micros u64 big-endian ++ payload digest
//! payload digest      SHA-256 over key, headers but `verdict-mac`, and value, framed as in the leaf ([`crate::leaf`])
//! ```
//!
//! The commitment in a leaf covers headers, so nobody can say afterwards that somebody else sent a record. What comes
//! through Kafka comes from whoever may produce there, and its headers are his word: they count only with the MAC of an
//! intake, under a key that the nodes share. The MAC covers everything that the meaning of a record depends on, and the
//! time. A record that was copied and produced again is a duplicate within seven days (E4); after that it is not vouched
//! for, as its MAC is too old by then (`LONGEST_UNDERWAY_US`).
//!
//! Whoever reads Kafka looks at the MAC once, when it takes the record, and what it found is kept with the record
//! ([`crate::Provenance`]): a key that is configured later changes no answer that was given (A6), and a key that is retired
//! takes nothing away. It is not in the leaf: the nodes would come to other roots by no more than their configuration.

use bytes::Bytes;
use hmac::{Hmac, KeyInit as _, Mac as _};
use sha2::Sha256;
use verdict_schemas::Timestamp;

use crate::incoming::{Incoming, PRINCIPAL_HEADER, Provenance, RawTime};
use crate::leaf::payload_digest;

/// The header by which an intake vouches for a record.
pub const MAC_HEADER: &str = "verdict-mac";

/// So long a record may be on its way between the intake and Kafka's append, and so far the clocks of both apart; shorter
/// than observations look back for duplicates (E4).
const LONGEST_UNDERWAY_US: u64 = 24 * 3600 * 1_000_000;

const VERSION: &str = "v1";
const LONGEST_ID: usize = 64;

type HmacSha256 = Hmac<Sha256>;

/// The keys under which the intakes of a system vouch for records. The first signs; all are known when records are read,
/// so that keys can be replaced one node after the other.
#[derive(Clone)]
pub struct IntakeKeys {
    keys: Vec<(String, HmacSha256)>,
}

/// Keys that can not be used.
#[derive(Debug, thiserror::Error)]
#[error("line {line}: {reason}")]
pub struct InvalidIntakeKeys {
    line: usize,
    reason: &'static str,
}

impl std::fmt::Debug for IntakeKeys {
    /// Never the keys.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let ids = self.keys.iter().map(|(id, _)| id);
        f.debug_list().entries(ids).finish()
    }
}

impl IntakeKeys {
    /// Reads keys: a line each, `ID KEY`, the key 64 hex digits; lines that begin with `#` are for people.
    ///
    /// # Errors
    /// [`InvalidIntakeKeys`] names the line; it never quotes it.
    pub fn parse(text: &str) -> Result<Self, InvalidIntakeKeys> {
        let mut keys: Vec<(String, HmacSha256)> = Vec::new();
        let mut last = 1;
        for (line, text) in (1..).zip(text.lines()) {
            last = line;
            let wrong = |reason| InvalidIntakeKeys { line, reason };
            let text = text.trim();
            if text.is_empty() || text.starts_with('#') {
                continue;
            }
            let (id, key) = text
                .split_once([' ', '\t'])
                .ok_or(wrong("expected the id of a key, a space, and the key"))?;
            let is_plain = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.');
            if id.len() > LONGEST_ID || !id.chars().all(is_plain) {
                return Err(wrong(
                    "the id of a key is of letters, digits, `-`, `_`, `.`, 64 at most",
                ));
            }
            if keys.iter().any(|(other, _)| other == id) {
                return Err(wrong("this id stands twice in the file"));
            }
            let mut bytes = [0; 32];
            hex::decode_to_slice(key.trim(), &mut bytes).map_err(|_| wrong("a key is 64 hex digits"))?;
            let key = HmacSha256::new_from_slice(&bytes).map_err(|_| wrong("a key is 64 hex digits"))?;
            keys.push((id.to_owned(), key));
        }
        if keys.is_empty() {
            let reason = "the file names no key";
            return Err(InvalidIntakeKeys { line: last, reason });
        }
        Ok(Self { keys })
    }

    /// The value of the MAC header of a record with this key, these headers and this value, that the intake took at `at`.
    pub fn sign(&self, key: &[u8], headers: &[(String, Option<Bytes>)], value: &[u8], at: Timestamp) -> Option<Bytes> {
        let (id, keyed) = self.keys.first()?;
        let digest = payload_digest(Some(key), headers, value);
        let mac = hex::encode(over(keyed, id, at, &digest).finalize().into_bytes());
        Some(format!("{VERSION} {id} {} {mac}", at.as_micros()).into())
    }

    /// What is known of who sent a record that came through Kafka.
    pub fn provenance(&self, incoming: &Incoming) -> Provenance {
        match self.vouched(incoming) {
            Some(principal) => Provenance::Authenticated {
                principal: Some(principal.into()),
            },
            None => Provenance::Claimed,
        }
    }

    /// The principal that an intake vouches for.
    fn vouched<'a>(&self, incoming: &'a Incoming) -> Option<&'a str> {
        let mac = only(&incoming.headers, MAC_HEADER)?;
        let principal = only(&incoming.headers, PRINCIPAL_HEADER)?;
        let mut parts = std::str::from_utf8(mac).ok()?.split(' ');
        let (version, id, micros, mac) = (parts.next()?, parts.next()?, parts.next()?, parts.next()?);
        if version != VERSION || parts.next().is_some() {
            return None;
        }
        let at = Timestamp::from_micros(micros.parse().ok()?)?;
        // An emitter's time says nothing of when the record was produced.
        let RawTime::Broker(appended) = incoming.raw_time else {
            return None;
        };
        if appended.as_micros().abs_diff(at.as_micros()) > LONGEST_UNDERWAY_US {
            return None;
        }
        let (id, keyed) = self.keys.iter().find(|(known, _)| known == id)?;
        let others = incoming.headers.iter().filter(|(name, _)| name != MAC_HEADER);
        let others: Vec<_> = others.cloned().collect();
        let digest = payload_digest(incoming.key.as_deref(), &others, &incoming.value);
        let mac = hex::decode(mac).ok()?;
        over(keyed, id, at, &digest).verify_slice(&mac).ok()?;
        std::str::from_utf8(principal).ok()
    }
}

fn over(keyed: &HmacSha256, id: &str, at: Timestamp, digest: &[u8; 32]) -> HmacSha256 {
    let mut hmac = keyed.clone();
    hmac.update(b"verdict-mac v1\0");
    hmac.update(id.as_bytes());
    hmac.update(b"\0");
    hmac.update(&at.as_micros().to_be_bytes());
    hmac.update(digest);
    hmac
}

/// The value of a header that stands there once.
fn only<'a>(headers: &'a [(String, Option<Bytes>)], name: &str) -> Option<&'a [u8]> {
    let mut found = headers.iter().filter(|(header, _)| header == name);
    let (_, value) = found.next()?;
    found.next().is_none().then_some(value.as_deref()?)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::names::SourcePosition;

    const KEYS: &str = "# second half of 2026\nb 0202020202020202020202020202020202020202020202020202020202020202\n\
                        a 0101010101010101010101010101010101010101010101010101010101010101\n";

    fn at(seconds: i64) -> Timestamp {
        Timestamp::from_micros(1_772_323_200_000_000 + seconds * 1_000_000).unwrap()
    }

    fn headers() -> Vec<(String, Option<Bytes>)> {
        vec![
            ("content-type".to_owned(), Some(Bytes::from_static(b"application/json"))),
            (PRINCIPAL_HEADER.to_owned(), Some(Bytes::from_static(b"payments"))),
        ]
    }

    /// A record as an intake produces it under these keys, and Kafka gives it back.
    fn sent(keys: &IntakeKeys) -> Incoming {
        let mut headers = headers();
        let mac = keys.sign(b"acme", &headers, b"{}", at(0)).unwrap();
        headers.push((MAC_HEADER.to_owned(), Some(mac)));
        Incoming {
            log: "acme".parse().unwrap(),
            source: SourcePosition::Kafka {
                cluster: "c".into(),
                topic: "t".into(),
                partition: 0,
                offset: 0,
            },
            key: Some(Bytes::from_static(b"acme")),
            headers,
            value: Bytes::from_static(b"{}"),
            raw_time: RawTime::Broker(at(1)),
            provenance: Provenance::Claimed,
            dedup: None,
            route: None,
        }
    }

    fn named(name: &str) -> Provenance {
        Provenance::Authenticated {
            principal: Some(name.into()),
        }
    }

    #[test]
    fn the_form_of_a_mac_stands_for_ever() {
        let keys = IntakeKeys::parse(KEYS).unwrap();
        let mac = keys.sign(b"acme", &headers(), b"{}", at(0)).unwrap();
        assert_eq!(std::str::from_utf8(&mac).unwrap(), GOLDEN);
        assert_eq!(keys.provenance(&sent(&keys)), named("payments"));
    }

    const GOLDEN: &str = "v1 b 1772323200000000 4e7abc6c806141628f19d557f799ed2e8d98de30162fd23662086f61f0214706";

    #[test]
    fn whatever_is_changed_in_a_record_is_a_claim() {
        type Change = fn(&mut Incoming);
        let keys = IntakeKeys::parse(KEYS).unwrap();
        let set = |name: &'static str, value: &'static [u8]| {
            move |record: &mut Incoming| {
                let header = record.headers.iter_mut().find(|(header, _)| header == name).unwrap();
                header.1 = Some(Bytes::from_static(value));
            }
        };
        let changes: [(&str, Change); 8] = [
            ("value", |record| record.value = Bytes::from_static(b"{ }")),
            ("key", |record| record.key = Some(Bytes::from_static(b"globex"))),
            ("no key", |record| record.key = None),
            ("added", |record| record.headers.push(("x".to_owned(), None))),
            ("no principal", |record| {
                record.headers.retain(|(name, _)| name != PRINCIPAL_HEADER)
            }),
            ("no MAC", |record| record.headers.retain(|(name, _)| name != MAC_HEADER)),
            ("two MACs", |record| {
                record.headers.push(record.headers.last().unwrap().clone())
            }),
            ("order", |record| record.headers.swap(0, 1)),
        ];
        for (what, change) in changes {
            let mut record = sent(&keys);
            change(&mut record);
            assert_eq!(keys.provenance(&record), Provenance::Claimed, "{what}");
        }
        for (name, value) in [
            (PRINCIPAL_HEADER, &b"the auditor"[..]),
            ("content-type", b"application/cloudevents+json"),
            (MAC_HEADER, b"v1 b 1772323200000000 00"),
            (MAC_HEADER, b"v1 b 1772323200000000"),
            (MAC_HEADER, b"\xff"),
        ] {
            let mut record = sent(&keys);
            set(name, value)(&mut record);
            assert_eq!(keys.provenance(&record), Provenance::Claimed, "{name}");
        }
    }

    #[test]
    fn a_record_produced_again_much_later_is_a_claim() {
        let keys = IntakeKeys::parse(KEYS).unwrap();
        for (raw_time, vouched) in [
            (RawTime::Broker(at(24 * 3600)), true),
            (RawTime::Broker(at(24 * 3600 + 1)), false),
            (RawTime::Broker(at(-24 * 3600 - 1)), false),
            (RawTime::Emitter(at(1)), false),
            (RawTime::Absent, false),
        ] {
            let record = Incoming {
                raw_time,
                ..sent(&keys)
            };
            assert_eq!(keys.provenance(&record) == named("payments"), vouched, "{raw_time:?}");
        }
    }

    #[test]
    fn keys_are_replaced_one_node_after_the_other() {
        let [before, after] = ["a", "b"].map(|id| {
            let line = KEYS.lines().find(|line| line.starts_with(id)).unwrap();
            IntakeKeys::parse(line).unwrap()
        });
        let both = IntakeKeys::parse(KEYS).unwrap();
        assert_eq!(both.provenance(&sent(&before)), named("payments"));
        assert_eq!(after.provenance(&sent(&both)), named("payments"));
        assert_eq!(after.provenance(&sent(&before)), Provenance::Claimed);
    }

    #[test]
    fn a_file_that_is_wrong_names_the_line_and_never_the_key() {
        for (text, line) in [
            ("", "line 1: the file names no key"),
            ("# nothing\n", "line 1: the file names no key"),
            ("a 01\n", "line 1: a key is 64 hex digits"),
            ("#\na\n", "line 2: expected the id"),
            (
                "a/b 0101010101010101010101010101010101010101010101010101010101010101",
                "line 1: the id",
            ),
            (&format!("{KEYS}{KEYS}"), "line 5: this id stands twice"),
        ] {
            let error = IntakeKeys::parse(text).unwrap_err().to_string();
            assert!(error.starts_with(line) && !error.contains("01010101"), "{error}");
        }
        assert_eq!(format!("{:?}", IntakeKeys::parse(KEYS).unwrap()), r#"["b", "a"]"#);
    }
}
