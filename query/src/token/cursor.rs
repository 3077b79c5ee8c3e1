//! The place in a list to go on from, with the cut that the list is of.

use verdict_edge::{Answer, Code, Problem};
use verdict_schemas::Timestamp;
use verdict_store::LogName;

use super::AsOf;
use super::sealed::{Reader, first_eight, open, seal};

const CURSOR: u8 = 4;
const CURSOR_1: u8 = 2;

/// What a `cursor` holds: a cut, the question it goes with, and a place whose meaning is the list's own matter.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) struct Cursor {
    pub(crate) as_of: AsOf,
    pub(crate) place: Vec<u8>,
}

impl Cursor {
    /// The token for a question, named by its path and parameters.
    pub(crate) fn encode(&self, question: &[(&str, &str)]) -> String {
        let as_of = self.as_of.bytes();
        let mut bytes = vec![CURSOR];
        bytes.extend(u16::try_from(as_of.len()).unwrap_or(u16::MAX).to_be_bytes());
        bytes.extend(as_of);
        bytes.extend(question_mark(question));
        bytes.extend(&self.place);
        seal(bytes)
    }

    /// Reads a token that was given for a log and a question.
    pub(crate) fn decode(token: &str, log: &LogName, question: &[(&str, &str)]) -> Answer<Self> {
        let wrong = |detail: &str| Problem::new(Code::InvalidCursor, detail).with("parameter", "cursor");
        let read = || {
            let bytes = open(token)?;
            let mut reader = Reader(&bytes);
            if !matches!(reader.array()?, [CURSOR | CURSOR_1]) {
                return None;
            }
            let length = usize::from(u16::from_be_bytes(reader.array()?));
            let mut inner = Reader(reader.take(length)?);
            let as_of = AsOf::read(&mut inner).filter(|_| inner.0.is_empty())?;
            let mark = reader.array::<8>()?;
            Some((as_of, mark, reader.0.to_vec()))
        };
        let (as_of, mark, place) =
            read().ok_or_else(|| wrong("it must be given back exactly as a list gave it; it is not such a token"))?;
        as_of.check(log)?;
        if mark != question_mark(question) {
            return Err(wrong(
                "it goes with another path or other filters; repeat those of the request that gave it",
            ));
        }
        Ok(Self { as_of, place })
    }
}

/// A place in a list ordered by (time, index).
pub(crate) fn place(f: Timestamp, index: u64) -> Vec<u8> {
    [f.as_micros().to_be_bytes(), index.to_be_bytes()].concat()
}

/// Reads what [`place`] wrote.
pub(crate) fn read_place(bytes: &[u8]) -> Option<(Timestamp, u64)> {
    let mut reader = Reader(bytes);
    let f = reader.time()?;
    let index = u64::from_be_bytes(reader.array()?);
    reader.0.is_empty().then_some((f, index))
}

/// The problem of a cursor whose place is not one of the list that it is given to.
pub(crate) fn no_such_place() -> Problem {
    Problem::new(Code::InvalidCursor, "it names no place in this list").with("parameter", "cursor")
}

fn question_mark(question: &[(&str, &str)]) -> [u8; 8] {
    let parts: Vec<&[u8]> = question
        .iter()
        .flat_map(|(name, value)| [name.as_bytes(), value.as_bytes()])
        .collect();
    first_eight(&parts)
}
