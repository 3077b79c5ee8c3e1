//! Why it was decided so, in OPA's own words: an error, the messages that a result gives, what its refusing rules hold.

use std::borrow::Cow;

use serde_json::value::RawValue;

use super::document::{Document, elements, fields, scalar};
use super::outcome::Outcome;
use super::polarity::{Place, Polarity, polarity};

/// Where messages are, one or several.
const SAID: &[&str] = &[
    "/result/reason",
    "/result/reasons",
    "/result/message",
    "/result/messages",
    "/result/response/status/message",
    "/result/response/status/reason",
    "/result/response/warnings",
    "/result/status/reason",
];

/// What stands in the answer that a refused request gets.
const ANSWERED: &[&str] = &["/result/body"];

/// Fields of an object that hold its message.
const MESSAGES: &[&str] = &["msg", "message", "reason", "error", "description", "id", "code"];

/// So many reasons are given, each of so many characters at most; the result has them all.
const MOST: usize = 100;
const LONGEST: usize = 1024;

/// The reasons for an outcome.
pub(crate) fn reasons<'a>(event: &Document<'a>, outcome: Outcome) -> Vec<Cow<'a, str>> {
    let mut reasons = Vec::new();
    if let Some(error) = event.find("/error") {
        let code = event.find("/error/code").and_then(scalar);
        let message = event.find("/error/message").and_then(scalar);
        reasons.push(match (code, message) {
            (Some(code), Some(message)) => format!("{code}: {message}").into(),
            (Some(only), None) | (None, Some(only)) => only,
            (None, None) => error.get().into(),
        });
    }
    for pointer in SAID {
        add(event.find(pointer), &mut reasons);
    }
    if outcome == Outcome::Deny {
        for pointer in ANSWERED {
            add(event.find(pointer), &mut reasons);
        }
    }
    if let Some(result) = event.find("/result") {
        let path = event.find("/path").and_then(scalar).unwrap_or_default();
        let rule = path.trim_end_matches('/').rsplit(['/', '.']).next().unwrap_or_default();
        if holds_messages(rule) {
            add(Some(result), &mut reasons);
        }
        for (name, value) in fields(result).unwrap_or_default() {
            if holds_messages(&name) {
                add(Some(value), &mut reasons);
            }
        }
    }
    let mut given: Vec<Cow<'a, str>> = Vec::new();
    for reason in reasons {
        let reason = match reason.char_indices().nth(LONGEST) {
            Some((end, _)) => reason[..end].to_owned().into(),
            None => reason,
        };
        if given.len() < MOST && !given.contains(&reason) {
            given.push(reason);
        }
    }
    given
}

/// A rule that refuses holds why, and so does one that only warns.
fn holds_messages(name: &str) -> bool {
    polarity(name, Place::Member) == Some(Polarity::Refusal)
        || [
            "warn",
            "warnings",
            "deny_reason",
            "deny_reasons",
            "denied_reason",
            "denied_reasons",
        ]
        .contains(&name)
        || name.starts_with("warn_")
}

/// Adds a message, or those of a list: strings, or objects that hold one.
fn add<'a>(found: Option<&'a RawValue>, reasons: &mut Vec<Cow<'a, str>>) {
    let Some(found) = found else { return };
    match found.get().as_bytes().first() {
        Some(b'"') => reasons.extend(scalar(found)),
        Some(b'[') => {
            let all = elements(found).unwrap_or_default();
            reasons.extend(all.into_iter().take(MOST).filter_map(message));
        }
        Some(b'{') => reasons.extend(named(found)),
        _ => {}
    }
}

/// A string, an object's message, or whatever else it is as it was written.
fn message(raw: &RawValue) -> Option<Cow<'_, str>> {
    match raw.get().as_bytes().first() {
        Some(b'"') => scalar(raw),
        Some(b'{') => named(raw).or_else(|| Some(raw.get().into())),
        Some(b'[') => Some(raw.get().into()),
        _ => scalar(raw),
    }
}

/// The message that an object holds.
fn named(object: &RawValue) -> Option<Cow<'_, str>> {
    let fields = fields(object)?;
    let of = |name: &&str| fields.iter().find(|(field, _)| field == name);
    MESSAGES.iter().filter_map(of).find_map(|(_, value)| scalar(value))
}
