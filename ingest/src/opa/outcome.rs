//! What was decided, read from OPA's result.
//!
//! A result is a document, and only the names in it, or the name of the rule that was asked for, say what it means
//! ([`polarity`]). Each of them is a vote; a refusal wins over everything, a vote that can not be read over a permission,
//! and a refusal that did not apply (`deny` is false, `violation` is empty) decides nothing: as of the same rule without a
//! default, which is undefined then, the outcome is `not_applicable`. Where no name says anything the outcome is
//! `indeterminate`, and never a guess.
//!
//! A binding that names the place of the outcome says that it is decided there: what does not refuse there allows.

use std::borrow::Cow;

use serde::Serialize;
use serde_json::value::RawValue;
use verdict_schemas::Rejection;

use super::document::{Document, elements, fields, text};
use super::mapping::UNMAPPED;
use super::polarity::{Place, Polarity, is_one_word, polarity};
use super::report;

/// An outcome, by its name in our events.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Outcome {
    Allow,
    Deny,
    NotApplicable,
    Indeterminate,
}

/// An outcome, and by what it was found: a JSON Pointer, `(no result)`, or `unmapped`.
pub(crate) type Decided = (Outcome, Cow<'static, str>);

/// What one value says.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Vote {
    Permits,
    Refuses,
    /// It would refuse, and does not.
    Passes,
    /// It says that no rule applied.
    NotApplicable,
    /// It says that nothing was decided.
    Undecided,
    /// It should say something, and can not be read, or a mask hid it.
    Unreadable,
}

/// Members whose own members are read too: `response` of an AdmissionReview, `status` of a SubjectAccessReview.
const NESTED: [&str; 2] = ["response", "status"];

/// Members that say it in a word, such as `deny`.
const SPOKEN: [&str; 5] = ["decision", "effect", "outcome", "verdict", "result"];

/// Reads the outcome: where a binding says it is, else by the names in the result.
///
/// # Errors
/// When `masked` or `erased` is no list of strings.
pub(crate) fn outcome(event: &Document<'_>, bound: Option<&str>) -> Result<Decided, Rejection> {
    if event.find("/error").is_some() {
        return Ok((Outcome::Indeterminate, "/error".into()));
    }
    let mut hidden = report::texts(event, "/erased")?;
    hidden.extend(report::texts(event, "/masked")?);
    let rule = rule(event)?;
    if let Some(pointer) = bound {
        return Ok(match bound_vote(event, pointer, rule.as_deref(), &hidden) {
            Some(outcome) => (outcome, pointer.to_owned().into()),
            None => none(event, &hidden),
        });
    }
    let votes = votes(event, rule.as_deref(), &hidden);
    let first = |wanted: Vote| votes.iter().find(|(_, vote)| *vote == wanted);
    // In the order in which they win.
    for (vote, outcome) in [
        (Vote::Refuses, Outcome::Deny),
        (Vote::Undecided, Outcome::Indeterminate),
        (Vote::Unreadable, Outcome::Indeterminate),
        (Vote::Permits, Outcome::Allow),
        (Vote::NotApplicable, Outcome::NotApplicable),
        (Vote::Passes, Outcome::NotApplicable),
    ] {
        if let Some((pointer, _)) = first(vote) {
            let by = match vote {
                Vote::Unreadable => UNMAPPED.into(),
                _ => pointer.clone().into(),
            };
            return Ok((outcome, by));
        }
    }
    Ok(none(event, &hidden))
}

/// Without a result no rule applied, unless a mask took it away; a result that says nothing decides nothing.
fn none(event: &Document<'_>, hidden: &[Cow<'_, str>]) -> Decided {
    match event.find("/result") {
        None if !hidden.iter().any(|pointer| covers(pointer, "/result")) => {
            (Outcome::NotApplicable, "(no result)".into())
        }
        _ => (Outcome::Indeterminate, UNMAPPED.into()),
    }
}

/// The last word of the path that was asked for: the rule's name.
fn rule<'a>(event: &Document<'a>) -> Result<Option<Cow<'a, str>>, Rejection> {
    let path = report::optional_text(event, "/path")?;
    Ok(path.and_then(|path| {
        let rule = path.trim_end_matches('/').rsplit(['/', '.']).next()?.to_owned();
        (!rule.is_empty()).then_some(Cow::Owned(rule))
    }))
}

/// What stands where a binding says that the outcome is.
fn bound_vote(event: &Document<'_>, pointer: &str, rule: Option<&str>, hidden: &[Cow<'_, str>]) -> Option<Outcome> {
    let value = event.find(pointer)?;
    if hidden.iter().any(|hidden| covers(hidden, pointer)) {
        return None;
    }
    let name = if pointer == "/result" {
        rule
    } else {
        pointer.rsplit('/').next()
    };
    let name = name.unwrap_or_default();
    let said = polarity(name, Place::Rule).unwrap_or(Polarity::Permission);
    match vote(value, said, name) {
        Vote::Permits | Vote::Passes => Some(Outcome::Allow),
        Vote::Refuses => Some(Outcome::Deny),
        Vote::NotApplicable => Some(Outcome::NotApplicable),
        Vote::Undecided => Some(Outcome::Indeterminate),
        Vote::Unreadable => None,
    }
}

/// Every vote in the result, with its pointer.
fn votes(event: &Document<'_>, rule: Option<&str>, hidden: &[Cow<'_, str>]) -> Vec<(String, Vote)> {
    let mut votes = Vec::new();
    let polarity_of_rule = rule.and_then(|rule| polarity(rule, Place::Rule));
    if let Some(result) = event.find("/result") {
        of_members(result, "/result", hidden, &mut votes);
        for name in NESTED {
            let pointer = format!("/result/{name}");
            if let Some(nested) = event.find(&pointer) {
                of_members(nested, &pointer, hidden, &mut votes);
            }
        }
        let is_object = result.get().starts_with('{');
        let of_rule = match polarity_of_rule {
            // Members that speak for themselves: a refusing rule's own sense would contradict a permission among them.
            Some(Polarity::Refusal) if is_object && votes.iter().any(|(_, vote)| *vote == Vote::Permits) => {
                Some(Vote::Unreadable)
            }
            Some(_) if is_object && !votes.is_empty() => None,
            Some(Polarity::Permission) if is_object => None,
            Some(said) => Some(vote(result, said, rule.unwrap_or_default())),
            None => text(result).and_then(|word| spoken(&word)),
        };
        votes.extend(of_rule.map(|vote| ("/result".to_owned(), seen(vote, "/result", hidden))));
    }
    // What a mask took out of the result would have had a vote.
    for pointer in hidden {
        let Some((parent, name)) = pointer.rsplit_once('/') else {
            continue;
        };
        let read = match parent.strip_prefix("/result") {
            Some("") => NESTED.contains(&name) || polarity(name, Place::Member).is_some(),
            Some(nested) => NESTED.contains(&nested.trim_start_matches('/')) && polarity(name, Place::Member).is_some(),
            None => false,
        };
        if read && event.find(pointer).is_none() {
            votes.push((pointer.clone().into_owned(), Vote::Unreadable));
        }
    }
    votes
}

/// The votes of the members of an object.
fn of_members(object: &RawValue, pointer: &str, hidden: &[Cow<'_, str>], votes: &mut Vec<(String, Vote)>) {
    for (name, value) in fields(object).unwrap_or_default() {
        if value.get() == "null" {
            continue;
        }
        let here = || format!("{pointer}/{}", name.replace('~', "~0").replace('/', "~1"));
        let word = || SPOKEN.contains(&&*name).then(|| text(value)).flatten();
        let vote = match polarity(&name, Place::Member) {
            _ if word().is_some() => match word().and_then(|word| spoken(&word)) {
                Some(vote) => vote,
                None => continue,
            },
            // A number says something of a name that counts, and of no other.
            Some(_) if is_number(value) && !is_one_word(&name) => continue,
            Some(said) => vote(value, said, &name),
            None => continue,
        };
        let here = here();
        let vote = seen(vote, &here, hidden);
        votes.push((here, vote));
    }
}

/// A vote, unless a mask put another value there. Where one hid a part of a list, the list is as full as it was.
fn seen(vote: Vote, pointer: &str, hidden: &[Cow<'_, str>]) -> Vote {
    let whole = hidden.iter().any(|hidden| covers(hidden, pointer));
    let part = hidden.iter().any(|hidden| covers(pointer, hidden));
    if whole || (part && vote == Vote::Passes) {
        Vote::Unreadable
    } else {
        vote
    }
}

/// Is a pointer this one, or within it?
fn covers(outer: &str, inner: &str) -> bool {
    inner
        .strip_prefix(outer)
        .is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
}

fn is_number(raw: &RawValue) -> bool {
    raw.get().starts_with(|c: char| c == '-' || c.is_ascii_digit())
}

/// What a value of a rule of this polarity says.
fn vote(value: &RawValue, said: Polarity, name: &str) -> Vote {
    match (said, value.get().as_bytes().first()) {
        (Polarity::Permission, Some(b't')) => Vote::Permits,
        (Polarity::Permission, Some(b'f')) | (Polarity::Refusal, Some(b't')) => Vote::Refuses,
        (Polarity::Refusal, Some(b'f')) => Vote::Passes,
        (Polarity::Permission, Some(b'"')) => match text(value).map(|word| word.to_ascii_lowercase()).as_deref() {
            Some("true" | "yes") => Vote::Permits,
            Some("false" | "no") => Vote::Refuses,
            Some(word) => spoken(word).unwrap_or(Vote::Unreadable),
            None => Vote::Unreadable,
        },
        // A message is a refusal; what only says yes or no says that.
        (Polarity::Refusal, Some(b'"')) => match text(value).map(|word| word.trim().to_ascii_lowercase()).as_deref() {
            Some("" | "false" | "no") => Vote::Passes,
            Some(word) => match spoken(word) {
                Some(Vote::Refuses) | None => Vote::Refuses,
                Some(_) => Vote::Unreadable,
            },
            None => Vote::Unreadable,
        },
        (Polarity::Refusal, Some(b'[')) => full(elements(value).map(|all| all.is_empty())),
        (Polarity::Refusal, Some(b'{')) => full(fields(value).map(|all| all.is_empty())),
        (Polarity::Refusal, _) if is_one_word(name) => match value.get().parse::<f64>() {
            Ok(0.0) => Vote::Passes,
            Ok(count) if count > 0.0 => Vote::Refuses,
            _ => Vote::Unreadable,
        },
        _ => Vote::Unreadable,
    }
}

fn full(is_empty: Option<bool>) -> Vote {
    match is_empty {
        Some(true) => Vote::Passes,
        Some(false) => Vote::Refuses,
        None => Vote::Unreadable,
    }
}

/// A word that means an outcome wherever it stands. `true` and `yes` mean one only under a name.
fn spoken(word: &str) -> Option<Vote> {
    Some(match word.trim().to_ascii_lowercase().as_str() {
        "allow" | "allowed" | "permit" | "permitted" => Vote::Permits,
        "deny" | "denied" | "forbid" | "forbidden" | "reject" | "rejected" | "block" | "blocked" => Vote::Refuses,
        "not_applicable" | "notapplicable" => Vote::NotApplicable,
        "indeterminate" => Vote::Undecided,
        _ => return None,
    })
}
