//! A foreign JSON document, opened where it is asked for and never written anew.
//!
//! Values are handed out as the bytes received: a number of forty digits, an escape, an order of keys stay as they were.
//! Of a key that is there twice the last wins, as it does in OPA. Nothing recurses, so no nesting is too deep.

use std::borrow::Cow;
use std::cell::RefCell;
use std::collections::HashMap;
use std::fmt;
use std::rc::Rc;

use serde::Deserialize;
use serde::de::{Deserializer as _, MapAccess, Visitor};
use serde_json::value::RawValue;

/// A document, with what was opened of it so far.
#[derive(Debug)]
pub(crate) struct Document<'a> {
    whole: &'a RawValue,
    opened: RefCell<HashMap<String, Option<Rc<Opened<'a>>>>>,
}

#[derive(Debug)]
enum Opened<'a> {
    Object(HashMap<Cow<'a, str>, &'a RawValue>),
    List(Vec<&'a RawValue>),
}

impl<'a> Document<'a> {
    pub(crate) fn new(whole: &'a RawValue) -> Self {
        Self {
            whole,
            opened: RefCell::default(),
        }
    }

    /// The value that a JSON Pointer (RFC 6901) names; null and absent are the same (E6).
    pub(crate) fn find(&self, pointer: &str) -> Option<&'a RawValue> {
        let found = match pointer.rsplit_once('/') {
            None => (pointer.is_empty()).then_some(self.whole)?,
            Some((parent, last)) => match &*self.open(parent)? {
                Opened::Object(fields) => fields.get(&*unescaped(last)).copied()?,
                Opened::List(elements) => elements.get(place(last)?).copied()?,
            },
        };
        (found.get() != "null").then_some(found)
    }

    fn open(&self, pointer: &str) -> Option<Rc<Opened<'a>>> {
        if let Some(known) = self.opened.borrow().get(pointer) {
            return known.clone();
        }
        let opened = self.find(pointer).and_then(|raw| match raw.get().as_bytes().first() {
            Some(b'{') => fields(raw).map(|fields| Opened::Object(fields.into_iter().collect())),
            Some(b'[') => elements(raw).map(Opened::List),
            _ => None,
        });
        let opened = opened.map(Rc::new);
        self.opened.borrow_mut().insert(pointer.to_owned(), opened.clone());
        opened
    }
}

/// `~1` is `/`, `~0` is `~`.
fn unescaped(segment: &str) -> Cow<'_, str> {
    if segment.contains('~') {
        segment.replace("~1", "/").replace("~0", "~").into()
    } else {
        segment.into()
    }
}

/// A place in an array, written in one way only.
fn place(segment: &str) -> Option<usize> {
    segment
        .parse()
        .ok()
        .filter(|place: &usize| place.to_string() == segment)
}

/// The fields of an object in their order, duplicates included; `None` when it is none.
pub(crate) fn fields(raw: &RawValue) -> Option<Vec<(Cow<'_, str>, &RawValue)>> {
    struct Fields;
    impl<'de> Visitor<'de> for Fields {
        type Value = Vec<(Cow<'de, str>, &'de RawValue)>;

        fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
            f.write_str("an object")
        }

        fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
            let mut fields = Vec::new();
            while let Some((key, value)) = map.next_entry::<Text<'de>, &'de RawValue>()? {
                fields.push((key.0, value));
            }
            Ok(fields)
        }
    }
    serde_json::Deserializer::from_str(raw.get())
        .deserialize_map(Fields)
        .ok()
}

/// The elements of an array; `None` when it is none.
pub(crate) fn elements(raw: &RawValue) -> Option<Vec<&RawValue>> {
    serde_json::from_str(raw.get()).ok()
}

/// The text of a string; `None` when it is none.
pub(crate) fn text(raw: &RawValue) -> Option<Cow<'_, str>> {
    if !raw.get().starts_with('"') {
        return None;
    }
    serde_json::from_str::<Text<'_>>(raw.get()).ok().map(|text| text.0)
}

/// A string that says something, or a number as it is written: what can be an id.
pub(crate) fn scalar(raw: &RawValue) -> Option<Cow<'_, str>> {
    match raw.get().as_bytes().first() {
        Some(b'"') => text(raw).filter(|text| !text.trim().is_empty()),
        Some(b'-' | b'0'..=b'9') => Some(raw.get().into()),
        _ => None,
    }
}

/// A string, borrowed where it can be.
#[derive(Deserialize)]
#[serde(transparent)]
struct Text<'a>(#[serde(borrow)] Cow<'a, str>);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pointers_find_what_was_received_as_it_was_received() {
        let raw: &RawValue = serde_json::from_str(
            r#"{"a":{"b/c":[{"d": 12345678901234567890.10}],"n":null},"a~":"x","dup":1,"dup":"\u00e9"}"#,
        )
        .unwrap();
        let document = Document::new(raw);
        let found = |pointer: &str| document.find(pointer).map(RawValue::get);
        assert_eq!(found("/a/b~1c/0/d"), Some("12345678901234567890.10"));
        assert_eq!(found("/a~0"), Some("\"x\""));
        assert_eq!(found("").map(str::len), Some(raw.get().len()));
        assert_eq!(document.find("/dup").and_then(text).as_deref(), Some("é"));
        for none in [
            "/a/n",
            "/a/b~1c/00",
            "/a/b~1c/1",
            "/a/b~1c/x",
            "/a~/x",
            "/nothing/at/all",
            "a",
        ] {
            assert_eq!(found(none), None, "{none}");
        }
    }
}
