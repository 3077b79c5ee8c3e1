//! A text of events, taken apart: one a line, several on one line, or one over several lines, as they come.
//!
//! Lines are the usual form, and what is broken in one must not take another with it; but `jq .` prints an object over many
//! lines, and Firehose delivers objects end to end without any. So a value ends where its brackets do. Where they do not,
//! an object that began and broke within a line is that line; one that went on over others ends before the next line
//! that begins with `{`, which is how a printed object begins, and a part of one does not.
//!
//! The text may arrive in parts: [`Splitter`] remembers how far it has looked, and no byte is looked at again but what
//! followed a value that broke, of which there is a bound.

use super::scan::{Scan, Scanned};

/// How much may be read a second time, behind values that broke after many lines. A text that goes beyond is broken by
/// intention; from then on every line that begins with `{` begins a value.
const PATIENCE: usize = 64 << 20;

/// What was found in a text.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Found {
    /// One that counts as one: a whole JSON object or array, or what stands in the place of one.
    Value {
        /// Where it is in the text.
        start: usize,
        /// The place behind it.
        end: usize,
        /// The line in which it begins, from 1.
        line: usize,
        /// Do its brackets close, and does nothing else stand between it and the next?
        whole: bool,
    },
    /// Not to be told without more of the text.
    More,
    /// There is no more.
    End,
}

/// Takes a text apart.
#[derive(Debug)]
pub struct Splitter {
    /// A value that is longer is not waited for.
    longest: usize,
    /// What is behind this place was not looked at.
    at: usize,
    line: usize,
    value: Option<Began>,
    wasted: usize,
}

/// A value that began.
#[derive(Debug)]
struct Began {
    start: usize,
    line: usize,
    state: State,
}

#[derive(Debug)]
enum State {
    /// Its end is looked for.
    Reading(Scan),
    /// Its brackets closed at this place; what follows on the line says whether that was all.
    Closed(usize),
    /// It is none; where what stands in its place ends is looked for: at the end of the line, or before a line that begins
    /// with `{`.
    Broken { lines: bool },
}

impl Splitter {
    /// From the beginning of a text, in which no value is longer than `longest` bytes.
    pub fn new(longest: usize) -> Self {
        Self {
            longest,
            at: 0,
            line: 1,
            value: None,
            wasted: 0,
        }
    }

    /// The next value. `text` is what was given before, with more behind it; `all` says that nothing follows.
    pub fn next(&mut self, text: &[u8], all: bool) -> Found {
        loop {
            let Some(began) = &mut self.value else {
                if !self.begin(text) {
                    return if all { Found::End } else { Found::More };
                }
                continue;
            };
            let (start, rest) = (began.start, text.get(self.at..).unwrap_or_default());
            // Nothing more is waited for.
            let last = all || text.len() - start > self.longest;
            match &mut began.state {
                State::Reading(scan) => {
                    let patient = self.wasted <= PATIENCE;
                    let part = if patient { rest } else { up_to_object(rest) };
                    match scan.run(part) {
                        Scanned::Done(length) => {
                            self.at += length;
                            began.state = State::Closed(self.at);
                        }
                        Scanned::More if !last && part.len() == rest.len() => {
                            self.at = text.len();
                            return Found::More;
                        }
                        Scanned::More | Scanned::Broken(_) if !patient => began.state = State::Broken { lines: true },
                        Scanned::More => {
                            self.at = text.len();
                            self.broke(text);
                        }
                        Scanned::Broken(length) => {
                            self.at += length;
                            self.broke(text);
                        }
                    }
                }
                State::Closed(end) => {
                    let end = *end;
                    let blank = |b: &&u8| matches!(b, b' ' | b'\t' | b'\r');
                    let blanks = rest.iter().take_while(blank).count();
                    self.at += blanks;
                    match rest.get(blanks) {
                        None if !all => return Found::More,
                        None | Some(b'\n' | b'{' | b'[') => return self.found(text, end, true),
                        Some(_) => began.state = State::Broken { lines: false },
                    }
                }
                State::Broken { lines } => {
                    let end = match if *lines { before_object(rest) } else { line_end(rest) } {
                        Some(length) => self.at + length,
                        None if last => text.len(),
                        None => {
                            // A line break at the very end may be followed by what begins the next.
                            self.at = text.len() - usize::from(*lines && rest.ends_with(b"\n"));
                            return Found::More;
                        }
                    };
                    return self.found(text, end, false);
                }
            }
        }
    }

    /// Forgets that many bytes at the beginning of the text, at most what [`Splitter::settled`] says.
    pub fn forget(&mut self, bytes: usize) {
        self.at -= bytes;
        if let Some(began) = &mut self.value {
            began.start -= bytes;
            if let State::Closed(end) = &mut began.state {
                *end -= bytes;
            }
        }
    }

    /// So many bytes at the beginning of the text are no part of anything to come.
    pub fn settled(&self) -> usize {
        self.value.as_ref().map_or(self.at, |began| began.start)
    }

    /// Begins the next value behind blanks and line breaks; false where there is nothing but those.
    fn begin(&mut self, text: &[u8]) -> bool {
        let rest = text.get(self.at..).unwrap_or_default();
        let blanks = rest.iter().take_while(|b| b.is_ascii_whitespace()).count();
        self.line += rest.iter().take(blanks).filter(|b| **b == b'\n').count();
        self.at += blanks;
        let Some(first) = rest.get(blanks) else { return false };
        let state = match first {
            b'{' | b'[' => State::Reading(Scan::new()),
            _ => State::Broken { lines: false },
        };
        self.value = Some(Began {
            start: self.at,
            line: self.line,
            state,
        });
        true
    }

    /// The value that began is none: within its first line that line stands in its place, else it and what follows.
    fn broke(&mut self, text: &[u8]) {
        let Some(began) = &mut self.value else { return };
        let read = text.get(began.start..self.at).unwrap_or_default();
        // The bytes behind its first line are looked at again.
        let first_line = line_end(read);
        if let Some(length) = first_line {
            self.wasted += read.len() - length;
            self.at = began.start + length;
        }
        began.state = State::Broken {
            lines: first_line.is_some(),
        };
    }

    fn found(&mut self, text: &[u8], end: usize, whole: bool) -> Found {
        let (start, line) = self
            .value
            .take()
            .map_or((end, self.line), |began| (began.start, began.line));
        let bytes = text.get(start..end).unwrap_or_default();
        self.line += bytes.iter().filter(|b| **b == b'\n').count();
        self.at = end;
        Found::Value {
            start,
            end: start + bytes.trim_ascii_end().len(),
            line,
            whole,
        }
    }
}

/// The place of the line break.
fn line_end(text: &[u8]) -> Option<usize> {
    text.iter().position(|b| *b == b'\n')
}

/// The place of the line break before a line that begins with `{`.
fn before_object(text: &[u8]) -> Option<usize> {
    text.windows(2).position(|pair| pair == b"\n{")
}

fn up_to_object(text: &[u8]) -> &[u8] {
    before_object(text).and_then(|end| text.get(..end)).unwrap_or(text)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What is found in a text that arrives in parts of so many bytes, of which none is kept longer than it must be.
    fn found(text: &str, part: usize) -> Vec<(usize, String, bool)> {
        let (mut splitter, mut window, mut values) = (Splitter::new(1000), Vec::new(), Vec::new());
        let mut parts = text.as_bytes().chunks(part);
        let mut all = false;
        loop {
            match splitter.next(&window, all) {
                Found::End => return values,
                Found::More => match parts.next() {
                    Some(part) => {
                        let settled = splitter.settled();
                        window.drain(..settled);
                        splitter.forget(settled);
                        window.extend(part);
                    }
                    None => {
                        assert!(!all, "it asks for more of what has ended");
                        all = true;
                    }
                },
                Found::Value {
                    start,
                    end,
                    line,
                    whole,
                } => {
                    values.push((line, String::from_utf8(window[start..end].to_vec()).unwrap(), whole));
                }
            }
        }
    }

    #[test]
    fn values_are_found_in_every_layout() {
        for (text, expected) in [
            ("", &[][..]),
            (" \r\n\n", &[]),
            (
                "{\"a\": 1}\r\n\n {\"b\":2} ",
                &[(1, "{\"a\": 1}", true), (3, "{\"b\":2}", true)],
            ),
            // End to end, as Firehose delivers them.
            (
                "{\"a\":\"}{\"}{\"b\":[]} {}",
                &[(1, "{\"a\":\"}{\"}", true), (1, "{\"b\":[]}", true), (1, "{}", true)],
            ),
            // As `jq .` prints them; an event beside others over several lines.
            (
                "{\n  \"a\": {\n    \"b\": []\n  }\n}\n{\n  \"c\": 1\n}\n{\"d\":2}\n",
                &[
                    (1, "{\n  \"a\": {\n    \"b\": []\n  }\n}", true),
                    (6, "{\n  \"c\": 1\n}", true),
                    (9, "{\"d\":2}", true),
                ],
            ),
            (
                "{}{\"a\":\n1}\n{}",
                &[(1, "{}", true), (1, "{\"a\":\n1}", true), (3, "{}", true)],
            ),
            // Not indented.
            (
                "{\n\"a\":[\n{},\n{}\n]\n}\n{}",
                &[(1, "{\n\"a\":[\n{},\n{}\n]\n}", true), (7, "{}", true)],
            ),
            ("[1,\n2]\n{}", &[(1, "[1,\n2]", true), (3, "{}", true)]),
        ] {
            expect(text, expected);
        }
    }

    /// Whatever the parts in which the text comes.
    fn expect(text: &str, expected: &[(usize, &str, bool)]) {
        let expected: Vec<_> = expected
            .iter()
            .map(|(line, text, whole)| (*line, (*text).to_owned(), *whole))
            .collect();
        for part in [1, 2, 3, 7, 1000] {
            assert_eq!(found(text, part), expected, "{text:?} in parts of {part}");
        }
    }

    #[test]
    fn what_is_broken_takes_nothing_with_it_and_counts_once() {
        for (text, expected) in [
            (
                "{broken\n {\"a\":2}\nno\n",
                &[(1, "{broken", false), (2, "{\"a\":2}", true), (3, "no", false)][..],
            ),
            (
                "{\"a\": \n{\"b\":2}\n",
                &[(1, "{\"a\":", false), (2, "{\"b\":2}", true)],
            ),
            ("{\"a\":1} x\n{}", &[(1, "{\"a\":1} x", false), (2, "{}", true)]),
            ("{},{}\n", &[(1, "{},{}", false)]),
            ("{\"a\":1}}\n{}", &[(1, "{\"a\":1}}", false), (2, "{}", true)]),
            ("{\"a\":1}{\"b\":", &[(1, "{\"a\":1}", true), (1, "{\"b\":", false)]),
            // A printed object that breaks is one, however many lines it has.
            (
                "{\n  \"a\": [\n    1\n  }\n}\n{\n  \"b\": 1\n}\n",
                &[
                    (1, "{\n  \"a\": [\n    1\n  }\n}", false),
                    (6, "{\n  \"b\": 1\n}", true),
                ],
            ),
            ("{\n  \"a\": 1,\n", &[(1, "{\n  \"a\": 1,", false)]),
            ("{\"a\":\"x\n{}\n", &[(1, "{\"a\":\"x", false), (2, "{}", true)]),
        ] {
            expect(text, expected);
        }
    }

    #[test]
    fn a_value_that_never_ends_is_not_waited_for_and_costs_no_more_than_its_text() {
        let long = format!("{{\"a\":[{}\n{{\"b\":1}}\n", "1,\n".repeat(2000));
        let values = found(&long, 100);
        assert_eq!(values.last().unwrap(), &(2002, "{\"b\":1}".to_owned(), true));
        assert!(!values[0].2 && values[0].1.len() < 1200, "{}", values[0].1.len());
        // Each line begins a value within the one before: none of them ends.
        let nested = "{\"a\":\n".repeat(200_000);
        let mut splitter = Splitter::new(usize::MAX);
        let mut count = 0;
        while let Found::Value { whole, .. } = splitter.next(nested.as_bytes(), true) {
            assert!(!whole);
            count += 1;
        }
        assert_eq!(count, 200_000);
        assert!(splitter.wasted <= PATIENCE + nested.len(), "{}", splitter.wasted);
    }
}
