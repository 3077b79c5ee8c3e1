//! Where the events come from: one per line, or the elements of one JSON array.

use std::fs::File;
use std::io::{self, BufRead, BufReader, Read};
use std::path::Path;

use serde_json::value::RawValue;

use crate::exit::Failure;

/// One event: its bytes as they stand, and where they stand.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Item {
    /// 1-based line, or element of the array.
    pub(crate) line: u64,
    /// The event, byte for byte.
    pub(crate) bytes: Vec<u8>,
}

/// The events of an input, one at a time.
pub(crate) type Items = Box<dyn Iterator<Item = Result<Item, Failure>> + Send>;

/// Opens a file, or standard input for `-`. Also its size, if it has one.
pub(crate) fn open(path: &Path) -> Result<(Items, Option<u64>), Failure> {
    let shown = path.display().to_string();
    if shown == "-" {
        return Ok((items(Box::new(BufReader::new(io::stdin())), shown)?, None));
    }
    let file = File::open(path).map_err(|e| Failure::Usage(format!("cannot read `{shown}`: {e}")))?;
    let size = file.metadata().ok().map(|m| m.len());
    Ok((items(Box::new(BufReader::with_capacity(1 << 20, file)), shown)?, size))
}

fn items(mut reader: Box<dyn BufRead + Send>, shown: String) -> Result<Items, Failure> {
    let head = reader
        .fill_buf()
        .map_err(|e| Failure::Usage(format!("cannot read `{shown}`: {e}")))?;
    if head.iter().find(|b| !b.is_ascii_whitespace()) == Some(&b'[') {
        return array(reader, &shown);
    }
    Ok(Box::new(Lines { reader, shown, line: 0 }))
}

/// An array has to be read whole: its elements end where JSON says, not where a line does.
fn array(mut reader: Box<dyn BufRead + Send>, shown: &str) -> Result<Items, Failure> {
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

struct Lines {
    reader: Box<dyn BufRead + Send>,
    shown: String,
    line: u64,
}

impl Iterator for Lines {
    type Item = Result<Item, Failure>;

    fn next(&mut self) -> Option<Self::Item> {
        loop {
            let mut bytes = Vec::new();
            self.line += 1;
            match self.reader.read_until(b'\n', &mut bytes) {
                Ok(0) => return None,
                Ok(_) => {
                    let kept = bytes.trim_ascii();
                    if !kept.is_empty() {
                        return Some(Ok(Item {
                            line: self.line,
                            bytes: kept.to_vec(),
                        }));
                    }
                }
                Err(e) => {
                    let text = format!("cannot read line {} of `{}`: {e}", self.line, self.shown);
                    return Some(Err(Failure::Usage(text)));
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &'static str) -> Vec<(u64, String)> {
        let items = items(Box::new(text.as_bytes()), "test".to_owned()).unwrap();
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
}
