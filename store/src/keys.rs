//! Keys of the log's tables: fixed-width and big-endian, built on the stack, so that their byte order is the order of
//! what they name and one seek finds the last before a point. Keys of views are in `views`.
//!
//! ```text
//! records    | log u32 | index u64 |
//! tiles      | log u32 | level u8 | n u64 |
//! recorded   | log u32 | recorded time u64 (microseconds) |
//! ```
//!
//! Decoding gives `None` for anything else: bytes that are not a key are evidence of damage, not a reason to stop.

use verdict_merkle::{LeafIndex, TileId};
use verdict_schemas::Timestamp;

use crate::names::LogId;

/// A key of `records`.
pub(crate) type RecordKey = [u8; 12];
/// A key of `tiles`.
pub(crate) type TileKey = [u8; 13];
/// A key of `recorded`.
pub(crate) type RecordedKey = [u8; 12];

/// The prefix of every key of a log.
pub(crate) const fn log_prefix(log: LogId) -> [u8; 4] {
    log.0.to_be_bytes()
}

/// Where the keys of a log end: the first key that is not one of its own; `None` for the last log there can be.
pub(crate) fn after_log(log: LogId) -> Option<[u8; 4]> {
    log.0.checked_add(1).map(u32::to_be_bytes)
}

fn pair(log: LogId, second: u64) -> [u8; 12] {
    let mut key = [0; 12];
    key[..4].copy_from_slice(&log.0.to_be_bytes());
    key[4..].copy_from_slice(&second.to_be_bytes());
    key
}

fn split_pair(key: &[u8]) -> Option<(LogId, u64)> {
    let (log, second) = key.split_first_chunk::<4>()?;
    Some((
        LogId(u32::from_be_bytes(*log)),
        u64::from_be_bytes(second.try_into().ok()?),
    ))
}

/// The key of a record.
pub(crate) fn record(log: LogId, index: LeafIndex) -> RecordKey {
    pair(log, index.0)
}

/// What a key of `records` names.
pub(crate) fn parse_record(key: &[u8]) -> Option<(LogId, LeafIndex)> {
    split_pair(key).map(|(log, index)| (log, LeafIndex(index)))
}

/// The key of a tile.
pub(crate) fn tile(log: LogId, id: TileId) -> TileKey {
    let mut key = [0; 13];
    key[..4].copy_from_slice(&log.0.to_be_bytes());
    key[4] = id.level;
    key[5..].copy_from_slice(&id.n.to_be_bytes());
    key
}

/// The key of a recorded time.
pub(crate) fn recorded(log: LogId, time: Timestamp) -> RecordedKey {
    pair(log, time.as_micros().cast_unsigned())
}

/// What a key of `recorded` names.
pub(crate) fn parse_recorded(key: &[u8]) -> Option<(LogId, Timestamp)> {
    let (log, micros) = split_pair(key)?;
    Some((log, Timestamp::from_micros(i64::try_from(micros).ok()?)?))
}

#[cfg(test)]
mod tests {
    use super::*;

    const _: () = assert!(size_of::<RecordKey>() == 12 && size_of::<TileKey>() == 13 && size_of::<RecordedKey>() == 12);

    #[test]
    fn keys_sort_as_what_they_name() {
        let at = |log, index| record(LogId(log), LeafIndex(index));
        assert!(at(1, u64::MAX) < at(2, 0) && at(2, 255) < at(2, 256));
        assert!(tile(LogId(1), TileId { level: 0, n: u64::MAX }) < tile(LogId(1), TileId { level: 1, n: 0 }));
        assert!(recorded(LogId(1), Timestamp::MIN) < recorded(LogId(1), Timestamp::MAX));
    }

    #[test]
    fn keys_decode_to_what_they_were_made_of_or_to_nothing() {
        assert_eq!(
            parse_record(&record(LogId(7), LeafIndex(9))),
            Some((LogId(7), LeafIndex(9)))
        );
        assert_eq!(
            parse_recorded(&recorded(LogId(7), Timestamp::MAX)),
            Some((LogId(7), Timestamp::MAX))
        );
        assert_eq!(parse_record(&[0; 11]), None);
        assert_eq!(parse_record(&[0; 13]), None);
        assert_eq!(parse_recorded(&[0xff; 12]), None);
        assert_eq!(after_log(LogId(u32::MAX)), None);
    }
}
