//! Where the events come from: one per line, end to end or over several lines each, or the elements of one JSON array, of a
//! file that may be compressed. It is taken apart as the server takes a request apart.
//!
//! Gzip and zstd are recognised by their first bytes, whatever the file is called, so that standard input may be
//! compressed too.

use std::fs::File;
use std::io::{self, BufRead, BufReader, Cursor, Read};
use std::path::Path;

use serde_json::value::RawValue;
use verdict_ingest::{Found, Splitter};

use crate::exit::Failure;

/// One event: its bytes as they stand, and where they stand.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Item {
    /// 1-based line in which it begins, or element of the array.
    pub(crate) line: u64,
    /// The event, byte for byte.
    pub(crate) bytes: Vec<u8>,
}

/// The events of an input, one at a time.
pub(crate) type Items = Box<dyn Iterator<Item = Result<Item, Failure>> + Send>;

/// What gzip, zstd and UTF-8 with a byte order mark begin with.
const GZIP: &[u8] = &[0x1f, 0x8b];
const ZSTD: &[u8] = &[0x28, 0xb5, 0x2f, 0xfd];
const BOM: &[u8] = &[0xef, 0xbb, 0xbf];

/// Opens a file, or standard input for `-`. Also its size, if that says how many bytes of events there are.
pub(crate) fn open(path: &Path) -> Result<(Items, Option<u64>), Failure> {
    let shown = path.display().to_string();
    if shown == "-" {
        return Ok((items(io::stdin(), shown)?.0, None));
    }
    let file = File::open(path).map_err(|e| Failure::Usage(format!("cannot read `{shown}`: {e}")))?;
    let size = file.metadata().ok().map(|m| m.len());
    let (items, compressed) = items(file, shown)?;
    Ok((items, size.filter(|_| !compressed)))
}

/// The events of an input, and whether it is compressed.
fn items(input: impl Read + Send + 'static, shown: String) -> Result<(Items, bool), Failure> {
    let unreadable = |e: io::Error| Failure::Usage(format!("cannot read `{shown}`: {e}"));
    let (head, input) = peek(input, ZSTD.len()).map_err(unreadable)?;
    let compressed = head.starts_with(GZIP) || head.starts_with(ZSTD);
    let plain: Box<dyn Read + Send> = if head.starts_with(GZIP) {
        Box::new(flate2::read::MultiGzDecoder::new(input))
    } else if head.starts_with(ZSTD) {
        Box::new(zstd::stream::read::Decoder::new(input).map_err(unreadable)?)
    } else {
        Box::new(input)
    };
    let (head, plain) = peek(plain, BOM.len()).map_err(unreadable)?;
    let mut reader = BufReader::with_capacity(1 << 20, plain);
    if head == BOM {
        // It belongs to the file, not to the first event.
        reader.read_exact(&mut [0; BOM.len()]).map_err(unreadable)?;
    }
    let begun = reader.fill_buf().map_err(unreadable)?;
    if begun.iter().find(|b| !b.is_ascii_whitespace()) == Some(&b'[') {
        return Ok((array(reader, &shown)?, compressed));
    }
    let values = Values {
        reader: Box::new(reader),
        shown,
        splitter: Splitter::new(LONGEST),
        text: Vec::new(),
        all: false,
    };
    Ok((Box::new(values), compressed))
}

/// One event is not longer, however it is laid out.
const LONGEST: usize = 16 << 20;
/// So much of what was sent is forgotten at a time.
const FORGOTTEN: usize = 1 << 20;

/// An input of which the first bytes were read ahead.
type Peeked<R> = io::Chain<Cursor<Vec<u8>>, R>;

/// The first bytes of an input, at most `most`, and the input with them.
fn peek<R: Read>(mut input: R, most: usize) -> io::Result<(Vec<u8>, Peeked<R>)> {
    let mut head = Vec::new();
    input.by_ref().take(most as u64).read_to_end(&mut head)?;
    Ok((head.clone(), Cursor::new(head).chain(input)))
}

/// An array has to be read whole: its elements end where JSON says, not where a line does.
fn array(mut reader: impl Read, shown: &str) -> Result<Items, Failure> {
    let mut text = String::new();
    reader
        .read_to_string(&mut text)
        .map_err(|e| Failure::Usage(format!("cannot read `{shown}`: {e}")))?;
    let elements: Vec<&RawValue> = serde_json::from_str(&text)
        .map_err(|e| Failure::Usage(format!("`{shown}` begins as a JSON array, but is none: {e}")))?;
    let items: Vec<_> = (1..)
        .zip(elements)
        .map(|(line, raw)| Item {
            line,
            bytes: raw.get().as_bytes().to_vec(),
        })
        .collect();
    Ok(Box::new(items.into_iter().map(Ok)))
}

struct Values {
    reader: Box<dyn BufRead + Send>,
    shown: String,
    splitter: Splitter,
    /// What was read and not sent yet; some of what was sent before it.
    text: Vec<u8>,
    all: bool,
}

impl Iterator for Values {
    type Item = Result<Item, Failure>;

    fn next(&mut self) -> Option<Self::Item> {
        loop {
            match self.splitter.next(&self.text, self.all) {
                Found::End => return None,
                Found::Value { start, end, line, .. } => {
                    let bytes = self.text.get(start..end).unwrap_or_default().to_vec();
                    let line = line as u64;
                    return Some(Ok(Item { line, bytes }));
                }
                Found::More => {
                    if let Err(e) = self.read() {
                        let text = format!("cannot read more of `{}`: {e}", self.shown);
                        // There is nothing to go on with.
                        (self.all, self.text, self.splitter) = (true, Vec::new(), Splitter::new(LONGEST));
                        return Some(Err(Failure::Usage(text)));
                    }
                }
            }
        }
    }
}

impl Values {
    fn read(&mut self) -> io::Result<()> {
        let settled = self.splitter.settled();
        if settled >= FORGOTTEN {
            self.text.drain(..settled);
            self.splitter.forget(settled);
        }
        let more = self.reader.fill_buf()?;
        let length = more.len();
        self.text.extend_from_slice(more);
        self.reader.consume(length);
        self.all = length == 0;
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use std::io::Write as _;

    use super::*;

    fn read(bytes: impl AsRef<[u8]>) -> Vec<(u64, String)> {
        let (items, _) = items(Cursor::new(bytes.as_ref().to_vec()), "test".to_owned()).unwrap();
        items
            .map(|i| i.unwrap())
            .map(|i| (i.line, String::from_utf8(i.bytes).unwrap()))
            .collect()
    }

    #[test]
    fn lines_keep_their_numbers_and_bytes() {
        assert_eq!(
            read("{\"a\": 1}\r\n\n {\"b\":2.0}\n"),
            [(1, "{\"a\": 1}".into()), (3, "{\"b\":2.0}".into())]
        );
    }

    #[test]
    fn elements_of_an_array_keep_their_bytes() {
        assert_eq!(
            read(" [ {\"a\": 1e2},\n{\"b\":2}]"),
            [(1, "{\"a\": 1e2}".into()), (2, "{\"b\":2}".into())]
        );
    }

    #[test]
    fn one_event_over_several_lines_is_one_and_a_broken_line_is_not() {
        assert_eq!(
            read("{\n  \"a\": 1,\n  \"b\": []\n}\n"),
            [(1, "{\n  \"a\": 1,\n  \"b\": []\n}".into())]
        );
        assert_eq!(
            read("{\"a\": \n{\"b\":2}\n"),
            [(1, "{\"a\":".into()), (2, "{\"b\":2}".into())]
        );
    }

    #[test]
    fn events_end_to_end_and_printed_one_after_the_other_are_read_one_by_one() {
        assert_eq!(
            read("{\"a\":1}{\"b\":2}\n{\n  \"c\": 3\n}\n{\"d\":4}"),
            [
                (1, "{\"a\":1}".into()),
                (1, "{\"b\":2}".into()),
                (2, "{\n  \"c\": 3\n}".into()),
                (5, "{\"d\":4}".into())
            ]
        );
        // More than is read, and than is kept, at a time.
        let many = "{\"a\": \"xxxxxxxxxxxxxxxxxxxxxxxxxxxxxx\"}".repeat(100_000);
        assert_eq!(read(many).len(), 100_000);
    }

    #[test]
    fn what_is_compressed_is_recognised_by_its_bytes_and_a_mark_is_no_event() {
        let plain = "\u{feff}\n{\"a\":1}\n";
        let expected = [(2, "{\"a\":1}".to_owned())];
        assert_eq!(read(plain), expected);
        let gzip = |text: &str| {
            let mut gzip = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
            gzip.write_all(text.as_bytes()).unwrap();
            gzip.finish().unwrap()
        };
        assert_eq!(read(gzip(plain)), expected);
        // Members one after the other are one file, as `cat a.gz b.gz` makes them.
        assert_eq!(read([gzip(plain), gzip("{}\n")].concat()).len(), 2);
        assert_eq!(read(zstd::encode_all(plain.as_bytes(), 1).unwrap()), expected);
        let (mut broken, _) = items(Cursor::new(gzip(plain)[..30].to_vec()), "test".to_owned()).unwrap();
        let failure = broken.find_map(Result::err).unwrap();
        assert!(failure.to_string().contains("of `test`"), "{failure}");
        assert_eq!(read(""), []);
    }
}
