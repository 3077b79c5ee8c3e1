//! What a name says about a rule: whether its `true` lets something through or refuses it.
//!
//! In Rego nothing but the name says so: `allow` that is true is a permission, `deny` that is true a refusal, and so is a
//! `violation` set with anything in it. What says neither here is not guessed.

/// The sense of a rule's `true`, or of a set with something in it.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Polarity {
    Permission,
    Refusal,
}

use Polarity::{Permission, Refusal};

/// Words in front that change nothing.
const AUXILIARIES: &[&str] = &[
    "is", "are", "was", "were", "be", "been", "has", "have", "do", "does", "should", "must", "shall", "will", "any",
];

/// Words that turn the rest into its opposite.
const NEGATIONS: &[&str] = &["not", "no", "non", "never"];

/// Names of rules that permit.
const PERMITS: &[&str] = &[
    "allow",
    "allows",
    "permit",
    "permits",
    "grant",
    "grants",
    "authorize",
    "authorise",
    "approve",
    "accept",
    // AuthZEN's answer.
    "decision",
];

/// The same as what was done: at the end of a longer name too (`access_granted`).
const PERMITTED: &[&str] = &[
    "allowed",
    "permitted",
    "granted",
    "authorized",
    "authorised",
    "approved",
    "accepted",
];

/// Names of rules that refuse: in front of a longer name too (`deny_privileged`, as Conftest has them).
const REFUSES: &[&str] = &[
    "deny",
    "denies",
    "denial",
    "denials",
    "violation",
    "violations",
    "violates",
    "reject",
    "rejects",
    "rejection",
    "rejections",
    "refuse",
    "refuses",
    "refusal",
    "refusals",
    "forbid",
    "forbids",
    "disallow",
    "disallows",
    "prohibit",
    "prohibits",
];

/// Names of rules that refuse and mean so much else in longer ones (`fail_open`, `block_size`) that only they alone say it.
const REFUSES_ALONE: &[&str] = &["block", "blocks", "veto", "fail", "fails", "failure", "failures"];

/// The same as what was done.
const REFUSED: &[&str] = &[
    "denied",
    "violated",
    "rejected",
    "refused",
    "blocked",
    "forbidden",
    "disallowed",
    "prohibited",
    "vetoed",
    "banned",
    "failed",
    "unauthorized",
    "unauthorised",
    "notallowed",
];

/// Words that make a longer name one of something about the rule, and not of the rule: `deny_reasons`, `block_size`.
const ABOUT: &[&str] = &[
    "list", "lists", "reason", "reasons", "message", "messages", "msg", "msgs", "code", "codes", "count", "counts",
    "total", "status", "rule", "rules", "user", "users", "ip", "ips", "role", "roles", "group", "groups", "name",
    "names", "header", "headers", "body", "text", "by", "at", "until", "size", "level", "url", "path", "paths", "id",
    "ids", "entry", "entries", "data",
];

/// What a name stands for.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Place {
    /// A rule that was asked for by itself: `allow_read` says what its `true` means.
    Rule,
    /// A member of a document: `allow_read` beside others is one permission of many, and not the decision.
    Member,
}

/// The polarity of a name; `None` where it says neither.
pub(crate) fn polarity(name: &str, place: Place) -> Option<Polarity> {
    let words = words(name);
    let mut rest: &[String] = &words;
    let mut negated = false;
    while let [first, following @ ..] = rest {
        let is_negation = NEGATIONS.contains(&first.as_str());
        if !(is_negation || AUXILIARIES.contains(&first.as_str())) {
            break;
        }
        negated ^= is_negation;
        rest = following;
    }
    let (first, last) = (rest.first()?.as_str(), rest.last()?.as_str());
    let alone = rest.len() == 1;
    // A setting is none of what is decided.
    let about = !alone && (ABOUT.contains(&last) || first == "default");
    let said = if about {
        None
    } else if REFUSES.contains(&first) || (alone && REFUSES_ALONE.contains(&first)) {
        Some(Refusal)
    } else if REFUSED.contains(&last) || PERMITTED.contains(&last) || REFUSES.contains(&last) {
        let before = rest.len().checked_sub(2).and_then(|at| rest.get(at));
        negated ^= before.is_some_and(|word| NEGATIONS.contains(&word.as_str()));
        Some(if PERMITTED.contains(&last) { Permission } else { Refusal })
    } else if PERMITS.contains(&first) && (alone || place == Place::Rule) {
        Some(Permission)
    } else {
        None
    };
    match said? {
        Permission if negated => Some(Refusal),
        Refusal if negated => Some(Permission),
        plain => Some(plain),
    }
}

/// Is a name no more than the one word that says so? Then a number of what it counts is a value of it too.
pub(crate) fn is_one_word(name: &str) -> bool {
    words(name).len() == 1
}

/// `denyPrivileged`, `deny_privileged` and `deny-privileged` are the same two words.
fn words(name: &str) -> Vec<String> {
    let mut words = Vec::new();
    let mut word = String::new();
    let mut lower = false;
    for c in name.chars() {
        if !c.is_alphanumeric() || (c.is_uppercase() && lower) {
            words.extend(Some(std::mem::take(&mut word)).filter(|word| !word.is_empty()));
        }
        if c.is_alphanumeric() {
            word.extend(c.to_lowercase());
        }
        lower = c.is_lowercase() || c.is_numeric();
    }
    words.extend(Some(word).filter(|word| !word.is_empty()));
    words
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_says_what_its_true_means_or_nothing() {
        for (name, expected) in [
            ("allow", Some(Permission)),
            ("isAllowed", Some(Permission)),
            ("access_granted", Some(Permission)),
            ("authorized", Some(Permission)),
            ("deny", Some(Refusal)),
            ("DENY", Some(Refusal)),
            ("violations", Some(Refusal)),
            ("deny_privileged", Some(Refusal)),
            ("denyPrivileged", Some(Refusal)),
            ("violation-latest-tag-not-allowed", Some(Refusal)),
            ("should_reject", Some(Refusal)),
            ("access_denied", Some(Refusal)),
            ("policy_violations", Some(Refusal)),
            ("is_blocked", Some(Refusal)),
            ("not_allowed", Some(Refusal)),
            ("request_not_allowed", Some(Refusal)),
            ("unauthorized", Some(Refusal)),
            ("disallow", Some(Refusal)),
            ("is_not_denied", Some(Permission)),
            ("no_violations", Some(Permission)),
            ("deny_reasons", None),
            ("block_size", None),
            ("block_device", None),
            ("fail_open", None),
            ("must_fail", Some(Refusal)),
            ("default_deny", None),
            ("denied_users", None),
            ("allowed_methods", None),
            ("warn", None),
            ("user_is_admin", None),
            ("main", None),
            ("result", None),
            ("allowance", None),
            ("", None),
            ("_", None),
            ("not", None),
        ] {
            assert_eq!(polarity(name, Place::Rule), expected, "{name}");
            assert_eq!(polarity(name, Place::Member), expected, "{name}");
        }
        assert_eq!(polarity("allow_read", Place::Rule), Some(Permission));
        assert_eq!(polarity("allow_read", Place::Member), None);
    }
}
