//! A body, taken apart into events without copying or rewriting a byte of them.

use std::fmt;

use bytes::Bytes;
use serde::Deserializer as _;
use serde::de::{Error as _, SeqAccess, Visitor};
use serde_json::value::RawValue;
use verdict_edge::{Code, Problem};

use super::form::Shape;
use super::values::{Found, Splitter};

/// One event as received.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Item {
    /// The line in which it begins, or its place in the array; from 1.
    pub(crate) line: usize,
    /// A slice of the body, the white space around it left out.
    pub(crate) bytes: Bytes,
}

/// Why a body can not be taken apart.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Unreadable {
    /// More events than allowed.
    TooMany { most: usize },
    /// Not JSON, from this place on.
    Syntax { line: usize, column: usize, reason: String },
    /// No event in it.
    Empty,
}

impl From<Unreadable> for Problem {
    fn from(unreadable: Unreadable) -> Self {
        match unreadable {
            Unreadable::TooMany { most } => {
                let detail = format!("a request has at most {most} events; send it in parts");
                Self::new(Code::TooManyEvents, detail).with("max_events", most)
            }
            Unreadable::Syntax { line, column, reason } => {
                let detail =
                    format!("the body is not JSON from line {line}, column {column} on: {reason}; nothing was stored");
                Self::new(Code::UnreadableBody, detail)
                    .with("line", line)
                    .with("column", column)
            }
            Unreadable::Empty => Self::new(Code::EmptyBody, "send one event, an array of them, or one a line"),
        }
    }
}

/// Takes a body apart.
///
/// # Errors
/// [`Unreadable`]: then nothing of it counts.
pub(crate) fn split(body: &Bytes, shape: Shape, most: usize) -> Result<Vec<Item>, Unreadable> {
    let body = &match shape {
        Shape::Opaque => body.clone(),
        Shape::Json | Shape::Lines | Shape::Array | Shape::One => without_mark(body)?,
    };
    let items = match shape {
        Shape::One | Shape::Opaque if body.is_empty() => Vec::new(),
        Shape::One | Shape::Opaque => vec![Item {
            line: 1,
            bytes: body.clone(),
        }],
        Shape::Lines => values(body, most)?.0,
        Shape::Array => array(body, most)?,
        Shape::Json => match body.trim_ascii_start().first() {
            None => Vec::new(),
            Some(b'[') => array(body, most)?,
            Some(_) => one_or_more(body, most)?,
        },
    };
    if items.is_empty() {
        Err(Unreadable::Empty)
    } else {
        Ok(items)
    }
}

/// The text behind a byte order mark. That of UTF-8 is no part of JSON and may be ignored (RFC 8259, 8.1); no event has it
/// among its bytes. Others say that this is no UTF-8, which a parser would only call an unexpected character.
fn without_mark(body: &Bytes) -> Result<Bytes, Unreadable> {
    if body.starts_with(b"\xef\xbb\xbf") {
        return Ok(body.slice(3..));
    }
    if body.starts_with(b"\xff\xfe") || body.starts_with(b"\xfe\xff") {
        return Err(Unreadable::Syntax {
            line: 1,
            column: 1,
            reason: "it begins with the byte order mark of UTF-16, and JSON is sent in UTF-8".to_owned(),
        });
    }
    Ok(body.clone())
}

/// Events one after the other, whatever lines they are on. A body without a whole one among them is told as what it is:
/// one JSON text that is broken, or that is none.
fn one_or_more(body: &Bytes, most: usize) -> Result<Vec<Item>, Unreadable> {
    let (items, any_whole) = values(body, most)?;
    if any_whole || items.is_empty() {
        return Ok(items);
    }
    let raw = serde_json::from_slice::<&RawValue>(body).map_err(|error| syntax(&error))?;
    Ok(vec![Item {
        line: 1,
        bytes: body.slice_ref(raw.get().as_bytes()),
    }])
}

/// Events one after the other, and whether any of them is whole.
fn values(body: &Bytes, most: usize) -> Result<(Vec<Item>, bool), Unreadable> {
    let (mut items, mut any_whole) = (Vec::new(), false);
    let mut splitter = Splitter::new(usize::MAX);
    while let Found::Value {
        start,
        end,
        line,
        whole,
    } = splitter.next(body, true)
    {
        if items.len() == most {
            return Err(Unreadable::TooMany { most });
        }
        any_whole |= whole;
        items.push(Item {
            line,
            bytes: body.slice(start..end),
        });
    }
    Ok((items, any_whole))
}

/// The elements of an array; the syntax of the whole is checked, at any depth, without recursion.
///
/// # Errors
/// [`Unreadable`] when it is no array, broken, or too long; a long one is not held to find that out.
pub(crate) fn array(body: &Bytes, most: usize) -> Result<Vec<Item>, Unreadable> {
    struct Elements<'a> {
        body: &'a Bytes,
        most: usize,
    }
    impl<'de> Visitor<'de> for Elements<'de> {
        type Value = Vec<Item>;

        fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
            f.write_str("an array of events")
        }

        fn visit_seq<A: SeqAccess<'de>>(self, mut elements: A) -> Result<Self::Value, A::Error> {
            let mut items = Vec::new();
            while let Some(raw) = elements.next_element::<&'de RawValue>()? {
                if items.len() == self.most {
                    return Err(A::Error::custom(TOO_MANY));
                }
                items.push(Item {
                    line: items.len() + 1,
                    bytes: self.body.slice_ref(raw.get().as_bytes()),
                });
            }
            Ok(items)
        }
    }
    const TOO_MANY: &str = "too many events";
    let mut reader = serde_json::Deserializer::from_slice(body);
    let items = reader.deserialize_seq(Elements { body, most });
    items.and_then(|items| reader.end().map(|()| items)).map_err(|error| {
        if error.is_data() && error.to_string().starts_with(TOO_MANY) {
            Unreadable::TooMany { most }
        } else {
            syntax(&error)
        }
    })
}

fn syntax(error: &serde_json::Error) -> Unreadable {
    let told = error.to_string();
    // Its place is told apart from its reason.
    let reason = told
        .rsplit_once(" at line ")
        .map_or(told.as_str(), |(reason, _)| reason)
        .to_owned();
    Unreadable::Syntax {
        line: error.line(),
        column: error.column(),
        reason,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn taken(body: &str, shape: Shape) -> Result<Vec<(usize, String)>, Unreadable> {
        let items = split(&Bytes::from(body.to_owned()), shape, 3)?;
        Ok(items
            .into_iter()
            .map(|item| (item.line, String::from_utf8(item.bytes.to_vec()).unwrap()))
            .collect())
    }

    #[test]
    fn bytes_stay_as_they_were_sent() {
        assert_eq!(
            taken(" {\"a\" : 1}\n", Shape::Json).unwrap(),
            [(1, "{\"a\" : 1}".to_owned())]
        );
        let array = taken("[ {\"a\":1.0} ,\n {\"a\":\t1e1} ]", Shape::Json).unwrap();
        assert_eq!(array, [(1, "{\"a\":1.0}".to_owned()), (2, "{\"a\":\t1e1}".to_owned())]);
        let lines = taken("{\"a\":1}\r\n\n  {\"a\":2} \n{broken\n", Shape::Lines).unwrap();
        assert_eq!(
            lines,
            [
                (1, "{\"a\":1}".to_owned()),
                (3, "{\"a\":2}".to_owned()),
                (4, "{broken".to_owned())
            ]
        );
    }

    #[test]
    fn json_may_turn_out_to_be_lines_but_a_broken_document_does_not() {
        assert_eq!(taken("{\"a\":1}\n{\"a\":2}", Shape::Json).unwrap().len(), 2);
        assert_eq!(taken("{\"a\":\n{\"a\":2}", Shape::Json).unwrap().len(), 2);
        assert_eq!(taken("{\n  \"a\": {\n  }\n}", Shape::Json).unwrap().len(), 1);
        let broken = taken("{\n  \"a\": {},\n", Shape::Json).unwrap_err();
        assert!(matches!(broken, Unreadable::Syntax { line: 3, .. }), "{broken:?}");
        assert!(matches!(
            taken("[{},\n{]", Shape::Json),
            Err(Unreadable::Syntax { line: 2, column: 2, .. })
        ));
        assert!(matches!(
            taken("[{}] x", Shape::Json),
            Err(Unreadable::Syntax { line: 1, column: 6, .. })
        ));
    }

    #[test]
    fn events_are_taken_one_after_the_other_whatever_lines_they_are_on() {
        let (end_to_end, printed) = ("{\"a\":1}{\"a\":2} {}", "{\n  \"a\": 1\n}\n{\n  \"a\": 2\n}\n{}");
        for shape in [Shape::Json, Shape::Lines] {
            let lines = |body| {
                taken(body, shape)
                    .unwrap()
                    .into_iter()
                    .map(|(line, _)| line)
                    .collect::<Vec<_>>()
            };
            assert_eq!(
                (lines(end_to_end), lines(printed)),
                (vec![1, 1, 1], vec![1, 4, 7]),
                "{shape:?}"
            );
            assert_eq!(taken("{}{}{}{}", shape), Err(Unreadable::TooMany { most: 3 }));
        }
        let broken = taken("{\"a\":1}{\"a\":", Shape::Json).unwrap();
        assert_eq!(broken, [(1, "{\"a\":1}".to_owned()), (1, "{\"a\":".to_owned())]);
    }

    #[test]
    fn a_byte_order_mark_is_no_part_of_an_event() {
        for shape in [Shape::Json, Shape::Lines, Shape::One] {
            assert_eq!(taken("\u{feff}{}", shape).unwrap(), [(1, "{}".to_owned())], "{shape:?}");
        }
        assert_eq!(taken("\u{feff}[{}]", Shape::Array).unwrap(), [(1, "{}".to_owned())]);
        assert_eq!(taken("\u{feff}", Shape::Json), Err(Unreadable::Empty));
        assert_eq!(
            taken("\u{feff}{}", Shape::Opaque).unwrap(),
            [(1, "\u{feff}{}".to_owned())]
        );
        let utf16 = Bytes::from_static(b"\xff\xfe{\0}\0");
        let refused = split(&utf16, Shape::Json, 3).unwrap_err();
        assert!(format!("{refused:?}").contains("UTF-16"), "{refused:?}");
    }

    #[test]
    fn nothing_and_too_much_are_refused_whole() {
        for (body, shape) in [
            ("", Shape::Json),
            (" \n", Shape::Json),
            ("[]", Shape::Array),
            ("\n\n", Shape::Lines),
        ] {
            assert_eq!(taken(body, shape), Err(Unreadable::Empty), "{body:?}");
        }
        assert_eq!(taken("[1,2,3,4]", Shape::Json), Err(Unreadable::TooMany { most: 3 }));
        assert_eq!(taken("1\n2\n3\n4", Shape::Lines), Err(Unreadable::TooMany { most: 3 }));
    }
}
