//! Reading single values out of nodes, with the rules that belong to a value alone.

use std::borrow::Cow;
use std::ops::RangeInclusive;

use serde_json::value::RawValue;

use super::{Fields, Node, Read, json, render};
use crate::rejection::shown;
use crate::{InvalidTime, Json, Labels, Rejection, Timestamp, rule};

fn wrong(expected: &str, node: &Node<'_>) -> Rejection {
    Rejection::new(
        rule::WRONG_TYPE,
        format!("expected {expected}, found {}", node.describe()),
    )
}

/// An object's fields.
pub(crate) fn object(node: Node<'_>) -> Read<Fields<'_>> {
    match node {
        Node::Object(fields) => Ok(Fields(fields)),
        Node::Json(raw) if raw.get().starts_with('{') => json::open_object(raw).map(Fields),
        other => Err(wrong("an object", &other)),
    }
}

/// A list's elements, each read by `read`.
pub(crate) fn elements<'a, T>(read: impl Fn(Node<'a>) -> Read<T>) -> impl Fn(Node<'a>) -> Read<Vec<T>> {
    move |node| {
        let nodes = match node {
            Node::List(nodes) => nodes,
            Node::Json(raw) if raw.get().starts_with('[') => json::open_list(raw)?,
            other => return Err(wrong("a list", &other)),
        };
        nodes
            .into_iter()
            .enumerate()
            .map(|(i, node)| read(node).map_err(|r| r.under(i)))
            .collect()
    }
}

/// A string.
pub(crate) fn text(node: Node<'_>) -> Read<Cow<'_, str>> {
    match node {
        Node::Text(text) => Ok(text),
        Node::Json(raw) if raw.get().starts_with('"') => json::open_string(raw),
        // Avro promotes bytes to a string.
        Node::Bytes(bytes) => std::str::from_utf8(bytes).map(Cow::Borrowed).map_err(|error| {
            Rejection::new(
                rule::NOT_UTF8,
                format!("byte {} of the string is not UTF-8", error.valid_up_to()),
            )
        }),
        other => Err(wrong("a string", &other)),
    }
}

/// A string, owned.
pub(crate) fn string(node: Node<'_>) -> Read<String> {
    text(node).map(Cow::into_owned)
}

/// A string, as a typed id.
pub(crate) fn name<T: for<'s> From<&'s str>>(node: Node<'_>) -> Read<T> {
    text(node).map(|text| T::from(&text))
}

/// A boolean.
pub(crate) fn flag(node: Node<'_>) -> Read<bool> {
    match node {
        Node::Bool(flag) => Ok(flag),
        Node::Json(raw) if raw.get() == "true" => Ok(true),
        Node::Json(raw) if raw.get() == "false" => Ok(false),
        other => Err(wrong("a boolean", &other)),
    }
}

/// A whole number within a range. `1e3` and `5.0` are whole numbers too: JSON knows only numbers.
pub(crate) fn whole(range: RangeInclusive<u64>) -> impl FnOnce(Node<'_>) -> Read<u64> {
    move |node| {
        let out = |shown: &dyn std::fmt::Display| {
            let (low, high) = (range.start(), range.end());
            Rejection::new(
                rule::OUT_OF_RANGE,
                format!("`{shown}` is outside the range from {low} to {high}"),
            )
        };
        let number = match node {
            Node::Int(number) => u64::try_from(number).map_err(|_| out(&number))?,
            Node::Float(number) => whole_float(number, out)?,
            Node::Json(raw) if raw.get().starts_with(|c: char| c == '-' || c.is_ascii_digit()) => {
                match raw.get().parse::<u64>() {
                    Ok(number) => number,
                    Err(_) => match raw.get().parse::<f64>() {
                        Ok(number) => whole_float(number, |_| out(&shown(raw.get())))?,
                        Err(_) => return Err(wrong("a whole number", &Node::Json(raw))),
                    },
                }
            }
            other => return Err(wrong("a whole number", &other)),
        };
        if range.contains(&number) {
            Ok(number)
        } else {
            Err(out(&number))
        }
    }
}

/// A float that holds a whole number which it can hold exactly.
fn whole_float(number: f64, out: impl Fn(&dyn std::fmt::Display) -> Rejection) -> Read<u64> {
    /// 2^53: up to here every whole number is a float.
    const EXACT: f64 = 9_007_199_254_740_992.0;
    if number.fract() != 0.0 && number.is_finite() {
        return Err(Rejection::new(
            rule::WRONG_TYPE,
            "expected a whole number, found a fraction",
        ));
    }
    if !(0.0..=EXACT).contains(&number) {
        return Err(out(&number));
    }
    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "whole, and within 0 to 2^53"
    )]
    let whole = number as u64;
    Ok(whole)
}

/// Longest lease and window: 3650 days, in milliseconds (E1).
const LONGEST: u64 = 3650 * 24 * 60 * 60 * 1000;

/// A duration in whole milliseconds, at least `least`, at most 3650 days (E1).
pub(crate) fn length(least: u64) -> impl FnOnce(Node<'_>) -> Read<u64> {
    whole(least..=LONGEST)
}

/// A time (E1): RFC 3339 in JSON, in Avro what the logical type says. A number without one is none: taken for microseconds, one
/// of milliseconds would lie in 1970, and evidence that is wrong is wrong for ever.
pub(crate) fn time(node: Node<'_>) -> Read<Timestamp> {
    match node {
        Node::Int(number) => Err(Rejection::new(
            rule::INVALID_TIME,
            format!(
                "`{number}` does not say what it counts: an Avro schema says so by a logical type (`timestamp-millis`, \
                 `timestamp-micros`, `timestamp-nanos`; of a `local-timestamp` nobody knows the zone), JSON by RFC 3339"
            ),
        )),
        Node::Micros(micros) => Timestamp::from_micros(micros).ok_or_else(|| {
            Rejection::new(
                rule::OUT_OF_RANGE,
                format!("`{micros}` us since 1970 lies outside the years 1970 to 9999"),
            )
        }),
        other => Timestamp::parse(&text(other)?).map_err(|error| {
            let rule = match error {
                InvalidTime::Syntax(_) => rule::INVALID_TIME,
                InvalidTime::Range(_) => rule::OUT_OF_RANGE,
            };
            Rejection::new(rule, error.to_string())
        }),
    }
}

/// A word of a closed set.
pub(crate) fn choice<T: Copy>(words: &'static [(&'static str, T)]) -> impl FnOnce(Node<'_>) -> Read<T> {
    move |node| {
        let word = text(node)?;
        words
            .iter()
            .find(|(known, _)| *known == word)
            .map(|(_, value)| *value)
            .ok_or_else(|| {
                let known: Vec<_> = words.iter().map(|(known, _)| format!("`{known}`")).collect();
                Rejection::new(
                    rule::UNKNOWN_VALUE,
                    format!("`{}` is none of {}", shown(&word), known.join(", ")),
                )
            })
    }
}

/// A map of strings. A key whose value is null is absent (E6).
pub(crate) fn labels(node: Node<'_>) -> Read<Labels> {
    let mut labels = Labels::new();
    for (key, node) in object(node)?.0 {
        if node.is_null() {
            continue;
        }
        let value = string(node).map_err(|rejection| rejection.under(&key))?;
        if labels.contains_key(&*key) {
            return Err(Rejection::new(rule::DUPLICATE_KEY, "the key is there twice").under(key));
        }
        labels.insert(key.into_owned(), value);
    }
    Ok(labels)
}

/// Any JSON, verbatim: from JSON the bytes received, from Avro what the string holds. `None` where that is null (E6).
pub(crate) fn any_json(node: Node<'_>) -> Read<Option<Json>> {
    match node {
        Node::Json(raw) | Node::Embedded(raw) => Ok((raw.get() != "null").then(|| RawValue::to_owned(raw))),
        node @ (Node::Text(_) | Node::Bytes(_)) => json::embedded(&text(node)?),
        // Another's schema may hold it as a record, a map or a number.
        other => json::embedded(&render(&other)),
    }
}
