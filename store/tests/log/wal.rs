//! RocksDB's write-ahead log, read as far as the tests need it: which bytes hold which write.
//!
//! ```text
//! a file is blocks of 32 KiB; a block is fragments, its last bytes are zero where no header fits
//! fragment   crc u32 | length u16 | type u8 (1 whole, 2 first, 3 middle, 4 last; 5-8 the same, + log number u32) | bytes
//! ```

use std::path::{Path, PathBuf};

const BLOCK: usize = 32 << 10;

/// One write and where it lies in the file.
pub(crate) struct Write {
    pub(crate) start: usize,
    pub(crate) end: usize,
    pub(crate) bytes: Vec<u8>,
}

/// The newest write-ahead log of a database of a store.
pub(crate) fn newest(dir: &Path, database: &str) -> PathBuf {
    let files = std::fs::read_dir(dir.join(database))
        .unwrap()
        .map(|entry| entry.unwrap().path());
    files
        .filter(|path| path.extension().is_some_and(|ending| ending == "log"))
        .max()
        .unwrap()
}

/// The writes of a log, in order.
pub(crate) fn writes(file: &[u8]) -> Vec<Write> {
    let mut writes: Vec<Write> = Vec::new();
    let mut at = 0;
    while at + 7 <= file.len() {
        if BLOCK - at % BLOCK < 7 {
            at += BLOCK - at % BLOCK;
            continue;
        }
        let length = usize::from(u16::from_le_bytes([file[at + 4], file[at + 5]]));
        let kind = file[at + 6];
        let header = if (5..=8).contains(&kind) { 11 } else { 7 };
        let end = at + header + length;
        match kind {
            0 => break,
            1 | 2 | 5 | 6 => writes.push(Write {
                start: at,
                end,
                bytes: file[at + header..end].to_vec(),
            }),
            3 | 4 | 7 | 8 => {
                let write = writes.last_mut().unwrap();
                write.bytes.extend_from_slice(&file[at + header..end]);
                write.end = end;
            }
            // What RocksDB writes for itself.
            _ => {}
        }
        at = end;
    }
    writes
}
