//! Where a JSON object or array ends, found byte by byte and without looking back: its strings, brackets, commas and
//! colons. What its numbers and words are is judged by whoever reads the whole.

/// What is known of a value after some of its bytes.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Scanned {
    /// It goes on.
    More,
    /// It ended with the byte before this place.
    Done(usize),
    /// It is no JSON from this place on.
    Broken(usize),
}

/// What may come next.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Expect {
    Value,
    ValueOrEnd,
    Key,
    KeyOrEnd,
    Colon,
    CommaOrEnd,
}

/// A value that goes deeper is not followed: whoever reads the whole says what to think of it.
const DEEPEST: usize = 1 << 16;

/// A value that is being read. It begins with its first byte, `{` or `[`.
#[derive(Debug)]
pub(super) struct Scan {
    /// The open brackets: is it one of an object?
    open: Vec<bool>,
    expect: Expect,
    /// Within a string, and behind a backslash in it.
    string: bool,
    escaped: bool,
    /// Within a number or a word.
    scalar: bool,
}

impl Scan {
    pub(super) fn new() -> Self {
        Self {
            open: Vec::new(),
            expect: Expect::Value,
            string: false,
            escaped: false,
            scalar: false,
        }
    }

    /// Reads on; places are those in `bytes`.
    pub(super) fn run(&mut self, bytes: &[u8]) -> Scanned {
        for (at, byte) in bytes.iter().enumerate() {
            let well = if self.string {
                self.in_string(*byte)
            } else {
                self.between(*byte)
            };
            if !well {
                return Scanned::Broken(at);
            }
            if self.open.is_empty() {
                return Scanned::Done(at + 1);
            }
        }
        Scanned::More
    }

    fn in_string(&mut self, byte: u8) -> bool {
        match byte {
            _ if self.escaped => self.escaped = false,
            b'\\' => self.escaped = true,
            b'"' => {
                self.string = false;
                self.expect = if self.expect == Expect::Key {
                    Expect::Colon
                } else {
                    Expect::CommaOrEnd
                };
            }
            // A string holds no raw line break: whoever forgot its end is found out at the end of the line.
            0..0x20 => return false,
            _ => {}
        }
        true
    }

    fn between(&mut self, byte: u8) -> bool {
        if self.scalar {
            match byte {
                b',' | b'}' | b']' | b' ' | b'\t' | b'\n' | b'\r' => {
                    self.scalar = false;
                    self.expect = Expect::CommaOrEnd;
                }
                b'{' | b'[' | b'"' | b':' => return false,
                _ => return true,
            }
        }
        let wants_value = matches!(self.expect, Expect::Value | Expect::ValueOrEnd);
        match byte {
            b' ' | b'\t' | b'\n' | b'\r' => true,
            b'"' => {
                self.string = true;
                if matches!(self.expect, Expect::Key | Expect::KeyOrEnd) {
                    self.expect = Expect::Key;
                    return true;
                }
                wants_value
            }
            b'{' | b'[' => {
                let object = byte == b'{';
                if self.open.len() == DEEPEST {
                    return false;
                }
                self.open.push(object);
                self.expect = if object { Expect::KeyOrEnd } else { Expect::ValueOrEnd };
                wants_value
            }
            b'}' | b']' => {
                let empty = if byte == b'}' {
                    Expect::KeyOrEnd
                } else {
                    Expect::ValueOrEnd
                };
                let fits = self.expect == empty || self.expect == Expect::CommaOrEnd;
                self.expect = Expect::CommaOrEnd;
                self.open.pop() == Some(byte == b'}') && fits
            }
            b',' if self.expect == Expect::CommaOrEnd => {
                self.expect = if self.open.last() == Some(&true) {
                    Expect::Key
                } else {
                    Expect::Value
                };
                true
            }
            b':' if self.expect == Expect::Colon => {
                self.expect = Expect::Value;
                true
            }
            b',' | b':' => false,
            _ => {
                self.scalar = true;
                wants_value
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde_json::Value;

    use super::*;

    fn json() -> impl Strategy<Value = Value> {
        let leaf = prop_oneof![
            Just(Value::Null),
            any::<bool>().prop_map(Value::from),
            any::<f64>().prop_map(Value::from),
            ".{0,8}".prop_map(Value::from),
        ];
        leaf.prop_recursive(4, 24, 4, |inner| {
            prop_oneof![
                proptest::collection::vec(inner.clone(), 0..4).prop_map(Value::from),
                proptest::collection::hash_map(".{0,4}", inner, 0..4)
                    .prop_map(|members| Value::Object(members.into_iter().collect())),
            ]
        })
    }

    proptest! {
        #[test]
        fn a_value_ends_where_it_ends_however_it_arrives(value in json(), cut in any::<proptest::sample::Index>()) {
            for text in [serde_json::json!([value]).to_string(), serde_json::to_string_pretty(&serde_json::json!({"a": value})).unwrap()] {
                let more = format!("{text}{{");
                prop_assert_eq!(Scan::new().run(more.as_bytes()), Scanned::Done(text.len()));
                let (head, tail) = more.as_bytes().split_at(cut.index(text.len()));
                let mut scan = Scan::new();
                prop_assert_eq!(scan.run(head), Scanned::More);
                prop_assert_eq!(scan.run(tail), Scanned::Done(tail.len() - 1));
            }
        }

        #[test]
        fn what_the_parser_reads_is_never_broken(text in "[\\[{][\\[\\]{},: \"a1\\\\]{0,12}") {
            let parsed = serde_json::Deserializer::from_str(&text).into_iter::<Value>().next();
            match (parsed, Scan::new().run(text.as_bytes())) {
                (Some(Ok(_)), scanned) => prop_assert!(matches!(scanned, Scanned::Done(_)), "{:?}", scanned),
                (Some(Err(e)), Scanned::More) => prop_assert!(e.is_eof() || text.contains(['1', 'a', '\\']), "{}", e),
                _ => {}
            }
        }
    }

    #[test]
    fn what_can_not_go_on_is_broken_at_once() {
        for (text, at) in [
            ("{\"a\":{\"b\":2}\n{", 13),
            ("{broken", 1),
            ("{\"a\n", 3),
            ("[1 2", 3),
            ("{\"a\" 1", 5),
            ("{\"a\":1,}", 7),
            ("[}", 1),
        ] {
            assert_eq!(Scan::new().run(text.as_bytes()), Scanned::Broken(at), "{text}");
        }
    }
}
