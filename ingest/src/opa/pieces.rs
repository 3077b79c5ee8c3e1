//! An upload, taken apart: an array, as OPA sends it, but also lines, single objects and objects end to end, as collectors
//! send them, whatever their content type says.
//!
//! Nothing that can be read is lost to what can not: a line, or an element of an array, that is no JSON is a piece of its own,
//! with its place and its bytes, and reading goes on behind it. Where a broken value ends is found by its brackets in an
//! array, else by lines: it goes on over lines that are indented or close something, and no further than a report.

use bytes::Bytes;
use serde::Deserialize;
use serde::de::IgnoredAny;
use serde_json::value::RawValue;
use verdict_schemas::{Rejection, rule};

use crate::intake::{Item, Unreadable, array};

/// Where in an upload something is, both from 1.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub(crate) struct At {
    /// The line on which it begins; none in an upload that is one array.
    pub(crate) line: Option<usize>,
    /// Its place in its array.
    pub(crate) element: Option<usize>,
}

/// A part of an upload.
#[derive(Debug)]
pub(crate) struct Piece {
    pub(crate) at: At,
    /// A slice of the body.
    pub(crate) bytes: Bytes,
    /// Why it is no JSON.
    pub(crate) broken: Option<Rejection>,
}

/// Bytes that may be read again in search of the end of what is broken, per byte of the upload; then the rest is one piece.
const PATIENCE: usize = 8;

/// Takes an upload apart; behind `most` pieces the rest is one.
pub(crate) fn pieces(body: &Bytes, most: usize) -> Vec<Piece> {
    let whole = |broken| {
        vec![Piece {
            at: At::default(),
            bytes: body.clone(),
            broken: Some(broken),
        }]
    };
    if body.starts_with(b"\xff\xfe") || body.starts_with(b"\xfe\xff") {
        let detail = "it begins with the byte order mark of UTF-16, and JSON is sent in UTF-8";
        return whole(Rejection::new(rule::INVALID_JSON, detail));
    }
    let text = body.slice(if body.starts_with(b"\xef\xbb\xbf") { 3.. } else { 0.. });
    match text.trim_ascii_start().first() {
        None => return whole(Rejection::new(rule::INVALID_JSON, "the upload is empty")),
        Some(b'[') => {
            if let Ok(items) = array(&text, most) {
                return items.into_iter().map(|item| Piece::element(item, None)).collect();
            }
        }
        // One object, with the white space around it: what was received.
        Some(b'{') if serde_json::from_slice::<&RawValue>(&text).is_ok() => {
            let at = At {
                line: Some(1),
                element: None,
            };
            return vec![Piece {
                at,
                bytes: body.clone(),
                broken: None,
            }];
        }
        Some(_) => {}
    }
    let patience = text.len().saturating_mul(PATIENCE);
    let mut reader = Reader {
        body: text,
        at: 0,
        line: 1,
        element: None,
        most,
        patience,
        found: Vec::new(),
    };
    reader.read();
    reader.found
}

impl Piece {
    fn element(item: Item, line: Option<usize>) -> Self {
        let at = At {
            line,
            element: Some(item.line),
        };
        Self {
            at,
            bytes: item.bytes,
            broken: None,
        }
    }
}

struct Reader {
    body: Bytes,
    /// How far it has read, and on which line that is.
    at: usize,
    line: usize,
    /// In an array that is read element by element: the place of the last.
    element: Option<usize>,
    most: usize,
    patience: usize,
    found: Vec<Piece>,
}

impl Reader {
    fn read(&mut self) {
        loop {
            let in_array = self.element.is_some();
            // 0x1e begins each text of a JSON text sequence (RFC 7464).
            let between = |byte: &u8| byte.is_ascii_whitespace() || *byte == 0x1e || (in_array && *byte == b',');
            let blank = self.rest().iter().take_while(|byte| between(byte)).count();
            self.advance(blank);
            let Some(first) = self.rest().first().copied() else {
                break;
            };
            if first == b']' && in_array {
                self.element = None;
                self.advance(1);
            } else if self.found.len() >= self.most {
                let detail = format!("more than {} events in one upload", self.most);
                return self.take_rest(Rejection::new(rule::TOO_MANY, detail));
            } else if self.patience == 0 {
                return self.take_rest(Rejection::new(rule::INVALID_JSON, "too much of the upload is broken"));
            } else {
                self.one(first);
            }
        }
        // Said of what it ends with, so that it is said of each upload that breaks off, and of each once.
        if let (Some(element), Some(last)) = (self.element, self.found.last())
            && last.broken.is_none()
        {
            let detail = "the array is not closed behind this: what was to follow is missing";
            let (at, bytes) = (last.at, last.bytes.clone());
            self.found.push(Piece {
                at: At {
                    element: Some(element + 1),
                    ..at
                },
                bytes,
                broken: Some(Rejection::new(rule::INVALID_JSON, detail)),
            });
        }
    }

    /// Reads what begins here.
    fn one(&mut self, first: u8) {
        let line = Some(self.line);
        match read_value(self.rest()) {
            Ok(length) if first == b'[' && self.element.is_none() => {
                let bytes = self.body.slice(self.at..self.at + length);
                match array(&bytes, self.most.saturating_sub(self.found.len())) {
                    Ok(items) => {
                        self.found
                            .extend(items.into_iter().map(|item| Piece::element(item, line)));
                        self.advance(length);
                    }
                    Err(Unreadable::TooMany { .. } | Unreadable::Syntax { .. } | Unreadable::Empty) => self.open(),
                }
            }
            Ok(length) => self.take(length, None),
            Err(error) => {
                self.patience = self.patience.saturating_sub(offset_of(self.rest(), &error));
                let inside = self.rest().get(1..).unwrap_or_default().trim_ascii_start().first();
                if first == b'[' && self.element.is_none() && matches!(inside, Some(b'{' | b'[')) {
                    return self.open();
                }
                let line = self.line + error.line().saturating_sub(1);
                let told = error.to_string();
                let reason = told
                    .rsplit_once(" at line ")
                    .map_or(told.as_str(), |(reason, _)| reason);
                let detail = format!("line {line}, column {}: {reason}", error.column());
                let length = self.broken_length();
                self.take(length, Some(Rejection::new(rule::INVALID_JSON, detail)));
            }
        }
    }

    /// Goes into an array, to read it element by element.
    fn open(&mut self) {
        self.element = Some(0);
        self.advance(1);
    }

    fn rest(&self) -> &[u8] {
        self.body.get(self.at..).unwrap_or_default()
    }

    fn advance(&mut self, bytes: usize) {
        let passed = self.rest().get(..bytes).unwrap_or_default();
        self.line += passed.iter().filter(|byte| **byte == b'\n').count();
        self.at += bytes;
    }

    fn take(&mut self, length: usize, broken: Option<Rejection>) {
        self.element = self.element.map(|element| element + 1);
        let at = At {
            line: Some(self.line),
            element: self.element,
        };
        let bytes = self.body.slice(self.at..self.at + length);
        let bytes = bytes.slice_ref(bytes.trim_ascii());
        self.found.push(Piece { at, bytes, broken });
        self.advance(length);
    }

    fn take_rest(&mut self, rejection: Rejection) {
        self.take(self.body.len() - self.at, Some(rejection));
    }

    /// How long the broken value is that begins here: at least a byte, so that reading goes on.
    fn broken_length(&mut self) -> usize {
        if self.element.is_some() {
            let length = bracketed(self.rest());
            self.patience = self.patience.saturating_sub(length.unwrap_or(self.rest().len()));
            if let Some(length) = length {
                return length.max(1);
            }
        }
        let mut end = 0;
        while let Some(line) = self
            .rest()
            .get(end..)
            .and_then(|rest| rest.iter().position(|byte| *byte == b'\n'))
        {
            end += line + 1;
            let rest = self.rest().get(end..).unwrap_or_default();
            let goes_on = rest
                .first()
                .is_some_and(|byte| matches!(byte, b' ' | b'\t' | b'}' | b']'));
            if !goes_on {
                return end;
            }
            let text = rest.trim_ascii_start();
            if text.starts_with(b"{") {
                let (is_report, read) = is_report(text);
                self.patience = self.patience.saturating_sub(read);
                if is_report || self.patience == 0 {
                    return end;
                }
            }
        }
        self.rest().len().max(1)
    }
}

/// The length of the JSON value that begins here.
fn read_value(text: &[u8]) -> Result<usize, serde_json::Error> {
    let raw = <&RawValue>::deserialize(&mut serde_json::Deserializer::from_slice(text))?;
    let begun = raw.get().as_ptr().addr().saturating_sub(text.as_ptr().addr());
    Ok(begun + raw.get().len())
}

/// Does a report begin here? Also how many bytes had to be read to find out.
fn is_report(text: &[u8]) -> (bool, usize) {
    #[derive(Deserialize)]
    struct Probe {
        #[serde(rename = "labels")]
        _labels: IgnoredAny,
    }
    match read_value(text) {
        Ok(length) => {
            let probe = serde_json::from_slice::<Probe>(text.get(..length).unwrap_or_default());
            (probe.is_ok(), length * 2)
        }
        Err(error) => (false, offset_of(text, &error)),
    }
}

/// How far was read until an error, about.
fn offset_of(text: &[u8], error: &serde_json::Error) -> usize {
    let lines = text.split(|byte| *byte == b'\n').take(error.line().saturating_sub(1));
    lines.map(|line| line.len() + 1).sum::<usize>() + error.column()
}

/// Up to the comma or bracket behind an element whose brackets are in order, whatever is between them.
fn bracketed(text: &[u8]) -> Option<usize> {
    let (mut depth, mut in_string, mut escaped) = (0_usize, false, false);
    for (place, byte) in text.iter().enumerate() {
        if in_string {
            // No string goes on behind its line: this one is what is broken.
            if *byte == b'\n' {
                return None;
            }
            in_string = escaped || *byte != b'"';
            escaped = !escaped && *byte == b'\\';
            continue;
        }
        match byte {
            b'"' => in_string = true,
            b'{' | b'[' => depth += 1,
            b'}' | b']' if depth > 1 => depth -= 1,
            b'}' | b']' if depth == 1 => return Some(place + 1),
            b'}' | b']' | b',' if depth == 0 => return Some(place),
            _ => {}
        }
    }
    None
}

#[cfg(test)]
mod tests;
