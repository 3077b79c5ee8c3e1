//! Opaque tokens: `as_of` pins a cut, `cursor` a cut and a place in a list.
//!
//! ```text
//! as_of  = base64url( 3 | rules u16 | known_at u64 | at u64 | horizon u64 | log H8 | logs u8 | logs * pin | check 8 B )
//! pin    = size u64 | late u64 | chain 8 B | root 32 B
//! cursor = base64url( 4 | length u16 | as_of, less its check | question H8 | place bytes              | check 8 B )
//! ```
//! Numbers are big-endian, times microseconds; the first log is the tenant's own, the second `_platform`'s. H8 and the
//! check are the first eight bytes of a SHA-256. `late` and `chain` are the view position: how many records had been
//! understood late, and which, and by which schemas ([`verdict_store::LogCut`]).
//!
//! The check finds accidents early. It needs no key: whoever builds a token of his own can only name a cut, and what its
//! parts say is held against the logs, and against each other, before it is used (E3).
//!
//! Tokens of one release are read by every later one: the first byte names the layout, and is never reused. Those of the
//! first, 1 and 2, were of rules 1, and pinned `rules | known_at | at | log | logs | (size, root)*`: they are answered
//! with a token of today's rules for the same sizes.

mod cursor;
mod sealed;

use verdict_edge::{Answer, Code, Problem};
use verdict_schemas::Timestamp;
use verdict_store::{Hash, LogCut, LogName};

pub(crate) use self::cursor::{Cursor, no_such_place, place, read_place};
use self::sealed::{Reader, first_eight, open, seal};

/// The version of the rules (docs/semantics.md, E1 to E26) that this release answers by (A6).
pub const RULES: u16 = 2;

const AS_OF: u8 = 3;
const AS_OF_1: u8 = 1;

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

/// Does a cut of this log hold a prefix of `_platform`'s beside it?
pub(crate) fn has_platform(log: &LogName) -> bool {
    matches!(log, LogName::Tenant(tenant) if !tenant.is_platform())
}

fn log_mark(log: &LogName) -> [u8; 8] {
    first_eight(&[b"log", log.to_string().as_bytes()])
}

#[cfg(test)]
mod tests;
