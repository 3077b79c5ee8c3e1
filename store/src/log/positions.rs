//! Where each Kafka partition stands, and what its broker lost (A4). Written in the same batch as the records, so that
//! a restart reads on exactly behind the last one stored.
//!
//! ```text
//! source                cluster, topic: length and bytes; partition: u32 big-endian
//! `p` ++ source         version u8 = 1 | first, next: varints | 0, or 1 ++ offset, log u32, index: varints ++ digest 32
//! `g` ++ source ++ from u64   version u8 = 1 | to, noticed at: varints | reason: length and bytes
//! ```

use rocksdb::{Direction, IteratorMode, WriteBatch};
use verdict_merkle::LeafIndex;
use verdict_schemas::Timestamp;

use crate::database::Database;
use crate::error::StoreError;
use crate::incoming::{Gap, LastStored, Position};
use crate::layout::{Damaged, Reader, put_bytes, put_varint};
use crate::names::{KafkaPartition, LogId};
use crate::tables::Table;

const VERSION: u8 = 1;
const POSITION: u8 = b'p';
const GAP: u8 = b'g';

fn key(tag: u8, partition: &KafkaPartition) -> Vec<u8> {
    let mut key = vec![tag];
    put_bytes(&mut key, partition.cluster.as_bytes());
    put_bytes(&mut key, partition.topic.as_bytes());
    key.extend_from_slice(&partition.partition.to_be_bytes());
    key
}

fn parse_key(reader: &mut Reader<'_>) -> Result<KafkaPartition, Damaged> {
    let (cluster, topic) = (reader.text()?.into(), reader.text()?.into());
    Ok(KafkaPartition {
        cluster,
        topic,
        partition: u32::from_be_bytes(reader.array()?),
    })
}

/// Adds the row of a position. `log` is the number of the log that the last record is in.
pub(crate) fn put(
    database: &Database,
    batch: &mut WriteBatch,
    partition: &KafkaPartition,
    position: &Position,
    log: Option<LogId>,
) -> Result<(), StoreError> {
    let mut row = vec![VERSION];
    put_varint(&mut row, position.first);
    put_varint(&mut row, position.next);
    match position.last.as_ref().zip(log) {
        None => row.push(0),
        Some((last, log)) => {
            row.push(1);
            put_varint(&mut row, last.offset);
            put_varint(&mut row, u64::from(log.0));
            put_varint(&mut row, last.index.0);
            row.extend_from_slice(&last.digest);
        }
    }
    batch.put_cf(database.cf(Table::Positions)?, key(POSITION, partition), row);
    Ok(())
}

/// Adds the row of a gap.
pub(crate) fn put_gap(database: &Database, batch: &mut WriteBatch, gap: &Gap) -> Result<(), StoreError> {
    let mut key = key(GAP, &gap.partition);
    key.extend_from_slice(&gap.from.to_be_bytes());
    let mut row = vec![VERSION];
    put_varint(&mut row, gap.to);
    put_varint(&mut row, gap.noticed_at.as_micros().cast_unsigned());
    put_bytes(&mut row, gap.reason.as_bytes());
    batch.put_cf(database.cf(Table::Positions)?, key, row);
    Ok(())
}

/// Every partition's position.
pub(crate) fn all(database: &Database) -> Result<Vec<(KafkaPartition, Position, Option<LogId>)>, StoreError> {
    let mut positions = Vec::new();
    for (key, row) in rows(database, POSITION)? {
        let (partition, first, next, last) = decode(&key, &row).map_err(damaged)?;
        let log = last.as_ref().map(|last| last.log);
        let last = last.map(|last| last.named(database)).transpose()?;
        positions.push((partition, Position { first, next, last }, log));
    }
    Ok(positions)
}

/// The last record stored, its log as the row names it.
struct Last {
    offset: u64,
    log: LogId,
    index: LeafIndex,
    digest: [u8; 32],
}

impl Last {
    fn named(self, database: &Database) -> Result<LastStored, StoreError> {
        let state = super::state::by_id(database, self.log)?;
        let log = state
            .ok_or_else(|| damaged(Damaged("a position names a log that there is not")))?
            .name;
        Ok(LastStored {
            offset: self.offset,
            log,
            index: self.index,
            digest: self.digest,
        })
    }
}

/// Every gap.
pub(crate) fn gaps(database: &Database) -> Result<Vec<Gap>, StoreError> {
    let decode = |key: &[u8], row: &[u8]| -> Result<Gap, Damaged> {
        let mut key = Reader::new(key);
        key.u8()?;
        let partition = parse_key(&mut key)?;
        let from = u64::from_be_bytes(key.array()?);
        key.end()?;
        let mut row = Reader::new(row);
        version(&mut row)?;
        let to = row.varint()?;
        let noticed = i64::try_from(row.varint()?).ok().and_then(Timestamp::from_micros);
        let noticed_at = noticed.ok_or(Damaged("a time is outside the years 1970 to 9999"))?;
        Ok(Gap {
            partition,
            from,
            to,
            noticed_at,
            reason: row.text()?.to_owned(),
        })
    };
    let rows = rows(database, GAP)?;
    rows.iter()
        .map(|(key, row)| decode(key, row).map_err(damaged))
        .collect()
}

fn version(row: &mut Reader<'_>) -> Result<(), Damaged> {
    if row.u8()? == VERSION {
        Ok(())
    } else {
        Err(Damaged("the version of the row is unknown"))
    }
}

type Decoded = (KafkaPartition, u64, u64, Option<Last>);

fn decode(key: &[u8], row: &[u8]) -> Result<Decoded, Damaged> {
    let mut key = Reader::new(key);
    key.u8()?;
    let partition = parse_key(&mut key)?;
    key.end()?;
    let mut row = Reader::new(row);
    version(&mut row)?;
    let (first, next) = (row.varint()?, row.varint()?);
    let last = match row.u8()? {
        0 => None,
        _ => Some(Last {
            offset: row.varint()?,
            log: LogId(row.varint_u32()?),
            index: LeafIndex(row.varint()?),
            digest: row.array()?,
        }),
    };
    row.end()?;
    Ok((partition, first, next, last))
}

fn damaged(damage: Damaged) -> StoreError {
    StoreError::corrupt(Table::Positions, damage.to_string())
}

type Row = (Box<[u8]>, Box<[u8]>);

fn rows(database: &Database, tag: u8) -> Result<Vec<Row>, StoreError> {
    let from = [tag];
    let mode = IteratorMode::From(&from, Direction::Forward);
    let rows = database.raw().iterator_cf(database.cf(Table::Positions)?, mode);
    rows.take_while(|row| row.as_ref().map_or(true, |(key, _)| key.first() == Some(&tag)))
        .map(|row| row.map_err(StoreError::from))
        .collect()
}
