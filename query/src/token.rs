//! Opaque tokens: `as_of` pins a cut, `cursor` a cut and a place in a list.
//!
//! ```text
//! as_of  = base64url( 3 | rules u16 | known_at u64 | at u64 | horizon u64 | log H8 | logs u8 | logs * pin | check 8 B )
//! pin    = size u64 | late u64 | chain 8 B | root 32 B
//! cursor = base64url( 4 | length u16 | as_of, less its check | question H8 | place bytes              | check 8 B )
//! ```
//! Numbers are big-endian, times microseconds; the first log is the tenant's own, the second `_platform`'s. H8 and the
//! check are the first eight bytes of a SHA-256. `late` and `chain` are the view position: how many records had been
//! understood late, and which ([`verdict_store::LogCut`]).
//!
//! The check finds accidents early. It needs no key: whoever builds a token of his own can only name a cut, and what its
//! parts say is held against the logs, and against each other, before it is used (E3).
//!
//! Tokens of one release are read by every later one: the first byte names the layout, and is never reused. Those of the
//! first, 1 and 2, were of rules 1, and pinned `rules | known_at | at | log | logs | (size, root)*`: they are answered
//! with a token of today's rules for the same sizes.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use sha2::{Digest as _, Sha256};
use verdict_schemas::Timestamp;
use verdict_store::{Hash, LogCut, LogName, TreeSize};

use crate::problem::{Answer, Code, Problem};

/// The version of the rules (SEMANTICS, E1-E26) that this release answers by (A6).
pub const RULES: u16 = 2;

const AS_OF: u8 = 3;
const CURSOR: u8 = 4;
const AS_OF_1: u8 = 1;
const CURSOR_1: u8 = 2;
const CHECK: usize = 8;

/// A log at a cut.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct Pin {
    pub(crate) cut: LogCut,
    /// What came out of turn up to there.
    pub(crate) chain: [u8; 8],
    pub(crate) root: Hash,
}

/// What an `as_of` holds.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) struct AsOf {
    pub(crate) rules: u16,
    pub(crate) known_at: Timestamp,
    pub(crate) at: Timestamp,
    /// The time up to which the node held everything.
    pub(crate) horizon: Timestamp,
    log: [u8; 8],
    pub(crate) own: Pin,
    /// `None` where `_platform` itself is asked (E21), or a log that is no tenant's.
    pub(crate) platform: Option<Pin>,
}

/// The moments that an `as_of` pins (E3).
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct Moments {
    pub(crate) known_at: Timestamp,
    pub(crate) at: Timestamp,
    pub(crate) horizon: Timestamp,
}

impl AsOf {
    /// Pins a cut of a log under the rules of this release.
    pub(crate) fn new(log: &LogName, moments: Moments, own: Pin, platform: Option<Pin>) -> Self {
        let Moments { known_at, at, horizon } = moments;
        Self {
            rules: RULES,
            known_at,
            at,
            horizon,
            log: log_mark(log),
            own,
            platform,
        }
    }

    /// The token.
    pub(crate) fn encode(&self) -> String {
        seal(self.bytes())
    }

    /// Reads a token that was given for a log.
    pub(crate) fn decode(token: &str, log: &LogName) -> Answer<Self> {
        let wrong = || {
            Problem::new(
                Code::InvalidAsOf,
                "it must be given back exactly as an answer gave it; it is not such a token",
            )
            .with("parameter", "as_of")
        };
        let bytes = open(token).ok_or_else(wrong)?;
        let mut reader = Reader(&bytes);
        let as_of = Self::read(&mut reader)
            .filter(|_| reader.0.is_empty())
            .ok_or_else(wrong)?;
        as_of.check(log)?;
        Ok(as_of)
    }

    fn check(&self, log: &LogName) -> Answer<()> {
        if self.log != log_mark(log) || self.platform.is_some() != has_platform(log) {
            let detail = format!("the token was not given for the tenant `{log}`");
            return Err(Problem::new(Code::ForeignAsOf, detail).with("parameter", "as_of"));
        }
        // Those of earlier rules are answered with one of today's.
        if self.rules > RULES {
            let detail = format!(
                "the token names version {} of the rules, this release answers by {RULES}",
                self.rules
            );
            return Err(Problem::new(Code::UnknownRules, detail)
                .with("rules", self.rules)
                .with("known", RULES));
        }
        Ok(())
    }

    fn bytes(&self) -> Vec<u8> {
        let mut bytes = vec![AS_OF];
        bytes.extend(self.rules.to_be_bytes());
        bytes.extend(self.known_at.as_micros().to_be_bytes());
        bytes.extend(self.at.as_micros().to_be_bytes());
        bytes.extend(self.horizon.as_micros().to_be_bytes());
        bytes.extend(self.log);
        bytes.push(if self.platform.is_some() { 2 } else { 1 });
        for pin in [Some(self.own), self.platform].into_iter().flatten() {
            bytes.extend(pin.cut.size.0.to_be_bytes());
            bytes.extend(pin.cut.late.to_be_bytes());
            bytes.extend(pin.chain);
            bytes.extend(pin.root.0);
        }
        bytes
    }

    fn read(reader: &mut Reader<'_>) -> Option<Self> {
        let first = match reader.array()? {
            [AS_OF] => false,
            [AS_OF_1] => true,
            _ => return None,
        };
        let rules = u16::from_be_bytes(reader.array()?);
        let known_at = reader.time()?;
        let at = reader.time()?;
        let horizon = if first { known_at } else { reader.time()? };
        let log = reader.array()?;
        let [logs] = reader.array()?;
        let own = reader.pin(first)?;
        let platform = match logs {
            1 => None,
            2 => Some(reader.pin(first)?),
            _ => return None,
        };
        Some(Self {
            rules,
            known_at,
            at,
            horizon,
            log,
            own,
            platform,
        })
    }
}

/// What a `cursor` holds: a cut, the question it goes with, and a place whose meaning is the list's own matter.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) struct Cursor {
    pub(crate) as_of: AsOf,
    pub(crate) place: Vec<u8>,
}

impl Cursor {
    /// The token for a question, named by its path and parameters.
    pub(crate) fn encode(&self, question: &[(&str, &str)]) -> String {
        let as_of = self.as_of.bytes();
        let mut bytes = vec![CURSOR];
        bytes.extend(u16::try_from(as_of.len()).unwrap_or(u16::MAX).to_be_bytes());
        bytes.extend(as_of);
        bytes.extend(question_mark(question));
        bytes.extend(&self.place);
        seal(bytes)
    }

    /// Reads a token that was given for a log and a question.
    pub(crate) fn decode(token: &str, log: &LogName, question: &[(&str, &str)]) -> Answer<Self> {
        let wrong = |detail: &str| Problem::new(Code::InvalidCursor, detail).with("parameter", "cursor");
        let read = || {
            let bytes = open(token)?;
            let mut reader = Reader(&bytes);
            if !matches!(reader.array()?, [CURSOR | CURSOR_1]) {
                return None;
            }
            let length = usize::from(u16::from_be_bytes(reader.array()?));
            let mut inner = Reader(reader.take(length)?);
            let as_of = AsOf::read(&mut inner).filter(|_| inner.0.is_empty())?;
            let mark = reader.array::<8>()?;
            Some((as_of, mark, reader.0.to_vec()))
        };
        let (as_of, mark, place) =
            read().ok_or_else(|| wrong("it must be given back exactly as a list gave it; it is not such a token"))?;
        as_of.check(log)?;
        if mark != question_mark(question) {
            return Err(wrong(
                "it goes with another path or other filters; repeat those of the request that gave it",
            ));
        }
        Ok(Self { as_of, place })
    }
}

/// A place in a list ordered by (time, index).
pub(crate) fn place(f: Timestamp, index: u64) -> Vec<u8> {
    [f.as_micros().to_be_bytes(), index.to_be_bytes()].concat()
}

/// Reads what [`place`] wrote.
pub(crate) fn read_place(bytes: &[u8]) -> Option<(Timestamp, u64)> {
    let mut reader = Reader(bytes);
    let f = reader.time()?;
    let index = u64::from_be_bytes(reader.array()?);
    reader.0.is_empty().then_some((f, index))
}

/// The problem of a cursor whose place is not one of the list that it is given to.
pub(crate) fn no_such_place() -> Problem {
    Problem::new(Code::InvalidCursor, "it names no place in this list").with("parameter", "cursor")
}

/// Does a cut of this log hold a prefix of `_platform`'s beside it?
pub(crate) fn has_platform(log: &LogName) -> bool {
    matches!(log, LogName::Tenant(tenant) if !tenant.is_platform())
}

fn log_mark(log: &LogName) -> [u8; 8] {
    first_eight(&[b"log", log.to_string().as_bytes()])
}

fn question_mark(question: &[(&str, &str)]) -> [u8; 8] {
    let parts: Vec<&[u8]> = question
        .iter()
        .flat_map(|(name, value)| [name.as_bytes(), value.as_bytes()])
        .collect();
    first_eight(&parts)
}

/// Of the SHA-256 over the parts, each after its length, so that no two lists of parts run together.
fn first_eight(parts: &[&[u8]]) -> [u8; 8] {
    let mut hash = Sha256::new();
    for part in parts {
        hash.update(part.len().to_be_bytes());
        hash.update(part);
    }
    let digest: [u8; 32] = hash.finalize().into();
    let mut eight = [0; 8];
    eight.copy_from_slice(&digest[..8]);
    eight
}

fn seal(mut bytes: Vec<u8>) -> String {
    let check = first_eight(&[b"check", &bytes]);
    bytes.extend(check);
    URL_SAFE_NO_PAD.encode(bytes)
}

fn open(token: &str) -> Option<Vec<u8>> {
    let mut bytes = URL_SAFE_NO_PAD.decode(token).ok()?;
    let check = bytes.split_off(bytes.len().checked_sub(CHECK)?);
    (first_eight(&[b"check", &bytes])[..] == check[..]).then_some(bytes)
}

struct Reader<'a>(&'a [u8]);

impl<'a> Reader<'a> {
    fn take(&mut self, length: usize) -> Option<&'a [u8]> {
        let (taken, rest) = self.0.split_at_checked(length)?;
        self.0 = rest;
        Some(taken)
    }

    fn array<const N: usize>(&mut self) -> Option<[u8; N]> {
        self.take(N)?.try_into().ok()
    }

    fn time(&mut self) -> Option<Timestamp> {
        Timestamp::from_micros(i64::from_be_bytes(self.array()?))
    }

    /// The first layout had no view position.
    fn pin(&mut self, first: bool) -> Option<Pin> {
        let size = TreeSize(u64::from_be_bytes(self.array()?));
        let (late, chain) = if first {
            (0, [0; 8])
        } else {
            (u64::from_be_bytes(self.array()?), self.array()?)
        };
        Some(Pin {
            cut: LogCut { size, late },
            chain,
            root: Hash(self.array()?),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    use verdict_schemas::TenantId;

    fn tenant(name: &str) -> LogName {
        LogName::Tenant(TenantId::parse(name).unwrap())
    }

    fn sample(tenant: &LogName) -> AsOf {
        let time = |micros| Timestamp::from_micros(micros).unwrap();
        let pin = |n: u8| Pin {
            cut: LogCut {
                size: TreeSize(u64::from(n)),
                late: 2,
            },
            chain: [n + 1; 8],
            root: Hash([n; 32]),
        };
        let platform = has_platform(tenant).then(|| pin(9));
        let moments = Moments {
            known_at: time(1_772_323_250_001_000),
            at: time(5),
            horizon: time(1_772_323_250_000_000),
        };
        AsOf::new(tenant, moments, pin(7), platform)
    }

    #[test]
    fn a_token_of_the_first_release_is_read_for_ever() {
        let token = concat!(
            "AQABAAZL6ym-VGgAAAAAAAAABcqwZcB8Qd8VAgAAAAAAAAAHBwcHBwcHBwcHBwcHBwcHBwcHBwcHBwcHBwcHBwcHBwcAAAAAAAAACQkJ",
            "CQkJCQkJCQkJCQkJCQkJCQkJCQkJCQkJCQkJCQkJDsP76yM2iHI"
        );
        let read = AsOf::decode(token, &tenant("acme")).unwrap();
        let now = sample(&tenant("acme"));
        assert_eq!((read.rules, read.known_at, read.at), (1, now.known_at, now.at));
        assert_eq!((read.own.cut.size, read.own.root), (now.own.cut.size, now.own.root));
        let sizes = |as_of: &AsOf| as_of.platform.map(|pin| (pin.cut.size, pin.root));
        assert_eq!(sizes(&read), sizes(&now));
    }

    #[test]
    fn a_token_of_the_second_is_read_and_written_for_ever() {
        let token = concat!(
            "AwACAAZL6ym-VGgAAAAAAAAABQAGS-spvlCAyrBlwHxB3xUCAAAAAAAAAAcAAAAAAAAAAggICAgICAgIBwcHBwcHBwcHBwcHBwcHBwcH",
            "BwcHBwcHBwcHBwcHBwcAAAAAAAAACQAAAAAAAAACCgoKCgoKCgoJCQkJCQkJCQkJCQkJCQkJCQkJCQkJCQkJCQkJCQkJCafImaLCPR90"
        );
        assert_eq!(sample(&tenant("acme")).encode(), token);
        assert_eq!(AsOf::decode(token, &tenant("acme")).unwrap(), sample(&tenant("acme")));
    }

    #[test]
    fn a_token_opens_its_own_tenant_only() {
        let token = sample(&tenant("acme")).encode();
        assert_eq!(
            AsOf::decode(&token, &tenant("acme2")).unwrap_err().code(),
            Code::ForeignAsOf
        );
        assert_eq!(
            AsOf::decode(&token, &tenant("_platform")).unwrap_err().code(),
            Code::ForeignAsOf
        );
        let platform = sample(&tenant("_platform"));
        assert_eq!(
            AsOf::decode(&platform.encode(), &tenant("_platform")).unwrap(),
            platform
        );
    }

    #[test]
    fn a_token_of_other_rules_says_so() {
        let mut later = sample(&tenant("acme"));
        later.rules = RULES + 1;
        assert_eq!(
            AsOf::decode(&later.encode(), &tenant("acme")).unwrap_err().code(),
            Code::UnknownRules
        );
    }

    #[test]
    fn a_cursor_goes_with_its_question() {
        let acme = tenant("acme");
        let cursor = Cursor {
            as_of: sample(&acme),
            place: place(Timestamp::MAX, 3),
        };
        let token = cursor.encode(&[("actor", "user:a")]);
        assert_eq!(Cursor::decode(&token, &acme, &[("actor", "user:a")]).unwrap(), cursor);
        assert_eq!(read_place(&cursor.place), Some((Timestamp::MAX, 3)));
        for question in [&[("actor", "user:b")][..], &[][..], &[("actoru", "ser:a")][..]] {
            assert_eq!(
                Cursor::decode(&token, &acme, question).unwrap_err().code(),
                Code::InvalidCursor
            );
        }
        assert_eq!(AsOf::decode(&token, &acme).unwrap_err().code(), Code::InvalidAsOf);
    }

    proptest! {
        #[test]
        fn nothing_altered_is_accepted(place in 0..194usize, to in proptest::char::range('-', 'z')) {
            let token = sample(&tenant("acme")).encode();
            let mut altered: Vec<char> = token.chars().collect();
            let place = place % altered.len();
            prop_assume!(altered[place] != to);
            altered[place] = to;
            let altered: String = altered.into_iter().collect();
            prop_assert!(AsOf::decode(&altered, &tenant("acme")).is_err());
        }

        #[test]
        fn no_text_makes_it_panic(text in any::<String>()) {
            prop_assert!(AsOf::decode(&text, &tenant("acme")).is_err());
        }
    }
}
