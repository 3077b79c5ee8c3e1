//! One thing, whole, for people: a line for each field of it, in the order in which the server gives them. Every digit and
//! every key is there, as in the JSON; what only a program can use (the bytes received, the hashes of the proof) is told in a
//! line each, and is all there with `-o wide`.

use std::borrow::Cow;

use jiff::Timestamp;
use serde_json::Value;
use serde_json::value::RawValue;

use super::token;
use crate::answer::Answer;
use crate::cli::KnownArgs;
use crate::exit::Failure;
use crate::faithful::{Members, one_line};
use crate::output::{line, text};
use crate::times::{Digits, own_zone};

/// Deeper than anything that is read by eye: what lies below is shown as JSON.
const DEEPEST: usize = 8;

/// What is told in other words, or is about the answer and not the thing.
const APART: [&str; 5] = ["received", "proof", "logs", "as_of", "complete"];

/// The fields of an object, by path: `event.body.actor.id`.
pub(super) fn fields(json: &str) -> Vec<(String, String)> {
    let mut found = Vec::new();
    flatten("", json, 0, &mut found);
    found
}

/// Prints it.
pub(super) fn print(answer: &Answer, all: bool, known: &KnownArgs) -> Result<(), Failure> {
    let mut fields = fields(&answer.text);
    if !all {
        fields.retain(|(path, value)| !is_apart(path) && !matches!(value.as_str(), "[]" | "{}" | "null"));
    }
    for (path, value) in &mut fields {
        match path.strip_prefix("event.") {
            // As its emitter wrote it.
            Some(own) => *path = own.to_owned(),
            None => {
                if let Ok(instant) = value.parse::<Timestamp>() {
                    *value = own_zone().print(instant, Digits::of(instant));
                }
            }
        }
    }
    let widest = fields.iter().map(|(path, _)| path.chars().count()).max().unwrap_or(0);
    for (path, value) in &fields {
        line(&format!("{path:<widest$}  {value}"))?;
    }
    if all {
        return token(&answer.value, known);
    }
    for (name, told) in [("received", received(&answer.value)), ("proof", proof(&answer.value))] {
        if let Some(told) = told {
            line(&format!("{name:<widest$}  {told}"))?;
        }
    }
    token(&answer.value, known)
}

fn is_apart(path: &str) -> bool {
    let first = path.split(['.', '[']).next().unwrap_or(path);
    APART.contains(&first)
}

fn received(value: &Value) -> Option<String> {
    let received = value.get("received")?;
    let content_type = received.get("content_type").and_then(Value::as_str);
    let content_type = content_type.map_or_else(String::new, |given| format!(", {given}"));
    Some(format!("{} bytes{content_type}", text(received, "/size")))
}

fn proof(value: &Value) -> Option<String> {
    let proof = value.get("proof")?;
    Some(format!(
        "in the log at index {} of {}, root {} (the proof itself: -o json)",
        text(proof, "/index"),
        text(proof, "/size"),
        text(proof, "/root")
    ))
}

fn flatten(path: &str, json: &str, depth: usize, found: &mut Vec<(String, String)>) {
    let json = json.trim();
    if depth < DEEPEST
        && json.starts_with('{')
        && let Some(members) = Members::read(json)
        && !members.0.is_empty()
    {
        for (key, value) in &members.0 {
            let key = scalar(key.get());
            let below = if path.is_empty() {
                key.into_owned()
            } else {
                format!("{path}.{key}")
            };
            flatten(&below, value.get(), depth + 1, found);
        }
        return;
    }
    if depth < DEEPEST
        && json.starts_with('[')
        && let Ok(elements) = serde_json::from_str::<Vec<&RawValue>>(json)
        && elements.iter().any(|element| element.get().starts_with(['{', '[']))
    {
        for (at, element) in elements.iter().enumerate() {
            flatten(&format!("{path}[{at}]"), element.get(), depth + 1, found);
        }
        return;
    }
    found.push((path.to_owned(), scalar(json).into_owned()));
}

/// A string without its quotes where it can be read, all else as it came.
fn scalar(json: &str) -> Cow<'_, str> {
    if json.starts_with('"') {
        serde_json::from_str::<String>(json).map_or(Cow::Borrowed(json), Cow::Owned)
    } else {
        one_line(json)
    }
}

#[cfg(test)]
mod tests {
    use super::fields;

    #[test]
    fn every_digit_and_every_key_is_there() {
        let json = r#"{"a":{"n":1e999,"n":1.50,"s":"\ud800","t":"x y"},"list":[1, 2],"of":[{"b":null}],"none":{}}"#;
        let found = fields(json);
        let shown: Vec<String> = found.iter().map(|(path, value)| format!("{path} {value}")).collect();
        assert_eq!(
            shown,
            [
                "a.n 1e999",
                "a.n 1.50",
                "a.s \"\\ud800\"",
                "a.t x y",
                "list [1, 2]",
                "of[0].b null",
                "none {}"
            ]
        );
    }

    #[test]
    fn what_is_deep_is_shown_as_json() {
        let deep = format!("{}1{}", "[".repeat(500), "]".repeat(500));
        let found = fields(&format!("{{\"a\":{deep}}}"));
        assert_eq!(found.len(), 1);
        assert!(found[0].1.starts_with("[[["), "{found:?}");
    }
}
