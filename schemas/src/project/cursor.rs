//! A place in a JSON text, for the quick reader: it goes forward once, borrows strings, and leaves what it need not
//! understand to serde_json. It accepts less than JSON and never more.

use std::borrow::Cow;

use serde::de::IgnoredAny;

use crate::tree::Text;

/// A place in a JSON text.
pub(super) struct Cursor<'a> {
    text: &'a str,
    at: usize,
}

impl<'a> Cursor<'a> {
    /// The start of a text.
    pub(super) fn new(text: &'a str) -> Self {
        Self { text, at: 0 }
    }

    /// Is nothing but white space left?
    pub(super) fn end(&mut self) -> Option<()> {
        self.space();
        (self.at == self.text.len()).then_some(())
    }

    fn peek(&self) -> Option<u8> {
        self.text.as_bytes().get(self.at).copied()
    }

    fn space(&mut self) {
        while matches!(self.peek(), Some(b' ' | b'\n' | b'\r' | b'\t')) {
            self.at += 1;
        }
    }

    /// Goes past this byte, which must come next, and the white space before it.
    fn eat(&mut self, byte: u8) -> Option<()> {
        self.space();
        (self.peek()? == byte).then(|| self.at += 1)
    }

    /// Goes past a separator or the closing bracket; true where another element follows.
    fn more(&mut self, close: u8) -> Option<bool> {
        self.space();
        let byte = self.peek()?;
        self.at += 1;
        match byte {
            b',' => Some(true),
            byte if byte == close => Some(false),
            _ => None,
        }
    }

    /// An object, its values read by `field`, which is given each key.
    pub(super) fn object(&mut self, mut field: impl FnMut(&mut Self, &Cow<'a, str>) -> Option<()>) -> Option<()> {
        self.eat(b'{')?;
        self.space();
        if self.peek()? == b'}' {
            self.at += 1;
            return Some(());
        }
        loop {
            let key = self.text()?;
            self.eat(b':')?;
            self.space();
            field(self, &key)?;
            if !self.more(b'}')? {
                return Some(());
            }
        }
    }

    /// A list, each element read by `element`.
    pub(super) fn list(&mut self, mut element: impl FnMut(&mut Self) -> Option<()>) -> Option<()> {
        self.eat(b'[')?;
        self.space();
        if self.peek()? == b']' {
            self.at += 1;
            return Some(());
        }
        loop {
            self.space();
            element(self)?;
            if !self.more(b']')? {
                return Some(());
            }
        }
    }

    /// Null, or what `read` reads.
    pub(super) fn optional<T>(&mut self, read: impl FnOnce(&mut Self) -> Option<T>) -> Option<Option<T>> {
        match self.peek()? {
            b'n' => self.literal("null").map(|()| None),
            _ => read(self).map(Some),
        }
    }

    /// `true` or `false`.
    pub(super) fn flag(&mut self) -> Option<()> {
        self.literal("true").or_else(|| self.literal("false"))
    }

    /// What follows a literal is checked by whoever reads on.
    fn literal(&mut self, literal: &str) -> Option<()> {
        self.text.as_bytes()[self.at..]
            .starts_with(literal.as_bytes())
            .then(|| self.at += literal.len())
    }

    /// A string, borrowed when it holds no escape.
    pub(super) fn text(&mut self) -> Option<Cow<'a, str>> {
        self.eat(b'"')?;
        let start = self.at;
        self.at += special(&self.text.as_bytes()[start..])?;
        if self.peek()? == b'"' {
            self.at += 1;
            return self.text.get(start..self.at - 1).map(Cow::Borrowed);
        }
        loop {
            self.at += match self.peek()? {
                b'"' => break,
                b'\\' => 2,
                _ => return None,
            };
            self.at += special(self.text.as_bytes().get(self.at..)?)?;
        }
        self.at += 1;
        serde_json::from_str::<Text<'a>>(self.text.get(start - 1..self.at)?)
            .ok()
            .map(|text| text.0)
    }

    /// A whole number without sign, fraction or exponent.
    pub(super) fn count(&mut self) -> Option<u64> {
        let rest = &self.text.as_bytes()[self.at..];
        let digits = rest.iter().take_while(|byte| byte.is_ascii_digit()).count();
        let count = self.text.get(self.at..self.at + digits)?.parse().ok()?;
        // Zero may not lead, and a number may go on in other ways.
        if (rest[0] == b'0' && digits > 1) || matches!(rest.get(digits), Some(b'.' | b'e' | b'E')) {
            return None;
        }
        self.at += digits;
        Some(count)
    }

    /// Goes past any JSON value.
    pub(super) fn skip(&mut self) -> Option<()> {
        let mut rest = serde_json::Deserializer::from_str(&self.text[self.at..]).into_iter::<IgnoredAny>();
        rest.next()?.ok()?;
        self.at += rest.byte_offset();
        Some(())
    }
}

/// The position of the first quote, backslash or control character: eight bytes at a time.
fn special(bytes: &[u8]) -> Option<usize> {
    const ONES: u64 = u64::MAX / 255;
    const TOPS: u64 = ONES << 7;
    let (words, rest) = bytes.as_chunks::<8>();
    for (i, word) in words.iter().enumerate() {
        let word = u64::from_le_bytes(*word);
        // In each byte of `x` that is zero the top bit of this is set; above the first such byte bits may be wrong.
        let zero = |x: u64| x.wrapping_sub(ONES) & !x;
        let quote = zero(word ^ (ONES * u64::from(b'"')));
        let backslash = zero(word ^ (ONES * u64::from(b'\\')));
        let control = word.wrapping_sub(ONES * 0x20) & !word;
        let found = (quote | backslash | control) & TOPS;
        if found != 0 {
            return Some(i * 8 + found.trailing_zeros() as usize / 8);
        }
    }
    let found = rest.iter().position(|byte| matches!(byte, b'"' | b'\\' | 0..0x20))?;
    Some(words.len() * 8 + found)
}

/// A field that may come once.
pub(super) struct Once<T> {
    seen: bool,
    /// Its value; `None` when it is absent or null.
    pub(super) value: Option<T>,
}

impl<T> Once<T> {
    /// Not yet seen.
    pub(super) const fn new() -> Self {
        Self {
            seen: false,
            value: None,
        }
    }

    /// Sees it; gives up where it was seen before.
    pub(super) fn put(&mut self, value: Option<T>) -> Option<()> {
        if std::mem::replace(&mut self.seen, true) {
            return None;
        }
        self.value = value;
        Some(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    proptest::proptest! {
        #[test]
        fn special_bytes_are_found(bytes in proptest::collection::vec(proptest::prelude::any::<u8>(), 0..40)) {
            let expected = bytes.iter().position(|byte| matches!(byte, b'"' | b'\\' | 0..0x20));
            proptest::prop_assert_eq!(special(&bytes), expected);
        }
    }
}
