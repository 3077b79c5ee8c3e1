//! JSON printed as it came. What was recorded is evidence: `1e999`, `1.50` and a key that stands twice are what somebody
//! signed for, and a reader that turns them into numbers and maps of its own would print something else, or nothing.
//!
//! So `-o json` and `-o ndjson` print slices of the answer; only characters that could act on a terminal are written as JSON
//! escapes (`crate::visible`), which say the same. Tables are for eyes: [`lossy`] reads whatever can be read.

use std::borrow::Cow;
use std::fmt;

use serde::de::{Deserialize, Deserializer, MapAccess, Visitor};
use serde_json::Value;
use serde_json::value::RawValue;

/// The members of an object: in their order, each value as it came, a key as often as it stands there.
#[derive(Debug, Default)]
pub(crate) struct Members<'a>(pub(crate) Vec<(&'a RawValue, &'a RawValue)>);

impl<'a> Members<'a> {
    /// Reads an object; `None` where it is none.
    pub(crate) fn read(text: &'a str) -> Option<Self> {
        serde_json::from_str(text).ok()
    }

    /// The value of the last member of this name.
    pub(crate) fn get(&self, name: &str) -> Option<&'a str> {
        let mut members = self.0.iter().rev();
        members
            .find(|(key, _)| read_key(key) == name)
            .map(|(_, value)| value.get())
    }

    /// The elements of a member that is an array, each as it came.
    pub(crate) fn elements(&self, name: &str) -> Option<Vec<&'a RawValue>> {
        self.get(name).and_then(|array| serde_json::from_str(array).ok())
    }

    /// The object again, with another value for one member.
    pub(crate) fn with(&self, name: &str, value: &str) -> String {
        let members: Vec<String> = self
            .0
            .iter()
            .map(|(key, old)| {
                let value = if read_key(key) == name { value } else { old.get() };
                format!("{}:{value}", key.get())
            })
            .collect();
        format!("{{{}}}", members.join(","))
    }
}

impl<'de> Deserialize<'de> for Members<'de> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Object;
        impl<'de> Visitor<'de> for Object {
            type Value = Members<'de>;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("an object")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
                let mut members = Vec::new();
                while let Some(member) = map.next_entry()? {
                    members.push(member);
                }
                Ok(Members(members))
            }
        }
        deserializer.deserialize_map(Object)
    }
}

/// A key as text; one that is no Unicode stays as it is written.
fn read_key(key: &RawValue) -> Cow<'_, str> {
    serde_json::from_str::<String>(key.get()).map_or(Cow::Borrowed(key.get()), Cow::Owned)
}

/// A value for tables. What it can not hold as such, a number too large or half of a surrogate pair, is its text.
pub(crate) fn lossy(text: &str) -> Value {
    /// Deeper than any answer of ours; what recorded JSON holds below that is shown as text.
    const DEEPEST: usize = 64;
    fn read(text: &str, depth: usize) -> Value {
        if let Ok(value) = serde_json::from_str(text) {
            return value;
        }
        let as_text = || Value::String(text.to_owned());
        match text.trim_ascii_start().bytes().next() {
            Some(b'{') if depth < DEEPEST => Members::read(text).map_or_else(as_text, |members| {
                let members = members.0.into_iter();
                let read = members.map(|(key, value)| (read_key(key).into_owned(), read(value.get(), depth + 1)));
                Value::Object(read.collect())
            }),
            Some(b'[') if depth < DEEPEST => serde_json::from_str::<Vec<&RawValue>>(text).map_or_else(
                |_| as_text(),
                |all| all.iter().map(|one| read(one.get(), depth + 1)).collect(),
            ),
            _ => as_text(),
        }
    }
    read(text, 0)
}

/// A value on one line: a raw line break in JSON stands between tokens, where a blank says the same.
pub(crate) fn one_line(json: &str) -> Cow<'_, str> {
    if json.contains(['\n', '\r']) {
        Cow::Owned(json.trim().replace(['\n', '\r'], " "))
    } else {
        Cow::Borrowed(json)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const ODD: &str = r#"{"items": [{"n":1e999,"n":1.50, "s":"\ud800"}, 7],"next":"a","last":{}}"#;

    #[test]
    fn what_is_kept_is_every_digit_and_every_key() {
        let members = Members::read(ODD).unwrap();
        let items: Vec<&str> = members.elements("items").unwrap().iter().map(|i| i.get()).collect();
        assert_eq!(items, [r#"{"n":1e999,"n":1.50, "s":"\ud800"}"#, "7"]);
        assert_eq!(members.get("next"), Some("\"a\""));
        assert_eq!(
            Members::read(r#"{"a":1.0,"b":2}"#).unwrap().with("b", "[3]"),
            r#"{"a":1.0,"b":[3]}"#
        );
    }

    #[test]
    fn tables_read_what_they_can() {
        let value = lossy(ODD);
        assert_eq!(value["next"], "a");
        assert_eq!(value["items"][1], 7);
        assert_eq!(value["items"][0]["n"], 1.5);
        assert_eq!(value["items"][0]["s"], "\"\\ud800\"");
        let deep = format!("{{\"a\":{}1e999{},\"b\":1}}", "[".repeat(5000), "]".repeat(5000));
        assert_eq!(lossy(&deep)["b"], 1);
    }

    #[test]
    fn a_line_leaves_the_tokens_alone() {
        assert_eq!(one_line("{\n \"a\\n\":1e999 }\n"), "{  \"a\\n\":1e999 }");
    }
}
