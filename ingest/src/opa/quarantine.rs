//! What OPA sent and can not be an event: kept all the same, and answered with success.
//!
//! OPA repeats whatever is not answered with a 2xx for ever, with everything behind it waiting. So a poison event becomes
//! a record of its own: its value is a note of ours, its headers hold the bytes received. The note is no event on purpose
//! (it has neither `kind` nor `specversion`), whatever the foreign bytes look like: somebody who may only report must not
//! be able to smuggle an event of ours, intent perhaps, past the checks by sending it to OPA's path.

use std::collections::{HashSet, VecDeque};

use bytes::Bytes;
use parking_lot::Mutex;
use serde::Serialize;
use sha2::{Digest, Sha256};
use verdict_schemas::Rejection;

use super::canonical::{Place, Report, headers};
use super::pieces::At;
use crate::outgoing::Outgoing;

/// What could not be taken apart or mapped.
#[derive(Debug)]
pub(crate) struct Poison {
    /// Its place in the upload; none where the upload as a whole is meant.
    pub(crate) at: At,
    pub(crate) rejection: Rejection,
    /// The bytes received, or the first of them where there were more than an upload may have.
    pub(crate) kept: Bytes,
    /// How many bytes were received.
    pub(crate) bytes: u64,
    /// SHA-256 of all bytes received.
    pub(crate) sha256: [u8; 32],
}

#[derive(Serialize)]
struct Note<'a> {
    quarantined: Quarantined<'a>,
}

#[derive(Serialize)]
struct Quarantined<'a> {
    from: &'static str,
    environment: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    line: Option<usize>,
    #[serde(skip_serializing_if = "Option::is_none")]
    element: Option<usize>,
    rule: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    field: Option<&'a str>,
    detail: &'a str,
    bytes: u64,
    sha256: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    kept_bytes: Option<usize>,
    #[serde(skip_serializing_if = "Option::is_none")]
    part: Option<Part>,
}

/// Which part of the bytes kept a record has, where one can not have them all.
#[derive(Serialize)]
struct Part {
    number: usize,
    of: usize,
}

impl Poison {
    /// Bytes received, as they are.
    pub(crate) fn new(at: At, received: &Bytes, rejection: Rejection) -> Self {
        Self {
            at,
            rejection,
            kept: received.clone(),
            bytes: received.len() as u64,
            sha256: Sha256::digest(received).into(),
        }
    }

    /// The records, each with at most so many of the bytes: nothing that was received is beyond reach because it was long.
    pub(crate) fn records(&self, report: Report, environment: &str, most: usize) -> Vec<Outgoing> {
        let of = self.kept.len().div_ceil(most.max(1)).max(1);
        let part = |number: usize| {
            let begin = self.kept.len().min((number - 1).saturating_mul(most));
            let end = self.kept.len().min(begin.saturating_add(most));
            let part = (of > 1).then_some(Part { number, of });
            self.record((report, environment), &self.kept.slice(begin..end), part)
        };
        (1..=of).map(part).collect()
    }

    fn record(&self, (report, environment): (Report, &str), kept: &Bytes, part: Option<Part>) -> Outgoing {
        let cut_short = self.kept.len() as u64 != self.bytes;
        let note = Note {
            quarantined: Quarantined {
                from: match report {
                    Report::Decision => "opa decision log",
                    Report::Status => "opa status",
                },
                environment,
                line: self.at.line,
                element: self.at.element,
                rule: self.rejection.rule.as_str(),
                field: self.rejection.field.as_deref(),
                detail: &self.rejection.detail,
                bytes: self.bytes,
                sha256: hex::encode(self.sha256),
                kept_bytes: cut_short.then_some(self.kept.len()),
                part,
            },
        };
        // A note is strings and numbers: it always has a JSON form.
        let value = serde_json::to_vec(&note).unwrap_or_default();
        Outgoing {
            value: value.into(),
            headers: headers(report, kept),
            dedup: None,
        }
    }
}

/// Poison that was quarantined a short while ago: an upload that OPA repeats, because our answer got lost, does not
/// quarantine it twice. (Events need no such memory: the log itself recognises them.)
#[derive(Debug, Default)]
pub(crate) struct RecentlyQuarantined {
    known: Mutex<(HashSet<Key>, VecDeque<Key>)>,
}

/// The same bytes sent as a decision log and as a status, or for two environments, are two things that went wrong.
type Key = (Place, Report, [u8; 32]);

impl RecentlyQuarantined {
    const REMEMBERED: usize = 10_000;

    pub(crate) fn contains(&self, place: &Place, report: Report, poison: &Poison) -> bool {
        self.known.lock().0.contains(&(place.clone(), report, poison.sha256))
    }

    /// Remembers what is kept now; the oldest is forgotten.
    pub(crate) fn remember(&self, place: &Place, report: Report, digests: impl Iterator<Item = [u8; 32]>) {
        let mut known = self.known.lock();
        let (set, order) = &mut *known;
        for digest in digests {
            let key = (place.clone(), report, digest);
            if set.insert(key.clone()) {
                order.push_back(key);
            }
            if order.len() > Self::REMEMBERED
                && let Some(oldest) = order.pop_front()
            {
                set.remove(&oldest);
            }
        }
    }
}
