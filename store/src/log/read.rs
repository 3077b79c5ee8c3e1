//! Records, read back.

use bytes::Bytes;
use rocksdb::{Direction, IteratorMode, ReadOptions};
use verdict_merkle::LeafIndex;

use crate::database::{Database, Rows};
use crate::error::StoreError;
use crate::keys;
use crate::names::LogId;
use crate::record::Record;
use crate::tables::Table;

/// A record; `None` when the log has none there.
pub(crate) fn record(rows: &impl Rows, log: LogId, index: LeafIndex) -> Result<Option<Record>, StoreError> {
    let Some(row) = rows.row(Table::Records, &keys::record(log, index))? else {
        return Ok(None);
    };
    decode(log, index, Bytes::copy_from_slice(&row)).map(Some)
}

/// The records of a log from an index on, in order, as they are at this moment. A place that is missing is an error:
/// the log has no holes (A1).
pub(crate) fn records(
    database: &Database,
    log: LogId,
    from: LeafIndex,
) -> Result<impl Iterator<Item = Result<Record, StoreError>> + '_, StoreError> {
    let mut options = ReadOptions::default();
    if let Some(end) = keys::after_log(log) {
        options.set_iterate_upper_bound(end);
    }
    options.set_readahead_size(2 << 20);
    // A walk through a log must not wash out of the cache what questions use.
    options.fill_cache(false);
    let start = keys::record(log, from);
    let mode = IteratorMode::From(&start, Direction::Forward);
    let rows = database
        .raw()
        .iterator_cf_opt(database.cf(Table::Records)?, options, mode);
    Ok((from.0..).zip(rows).map(move |(index, row)| {
        let (key, row) = row?;
        match keys::parse_record(&key) {
            Some((_, found)) if found.0 == index => decode(log, found, Bytes::from(row)),
            _ => Err(StoreError::corrupt(
                Table::Records,
                format!("log {}: index {index} is missing", log.0),
            )),
        }
    }))
}

fn decode(log: LogId, index: LeafIndex, row: Bytes) -> Result<Record, StoreError> {
    Record::decode(index, &row)
        .map_err(|damage| StoreError::corrupt(Table::Records, format!("log {}, index {index}: {damage}", log.0)))
}
