//! Where each Kafka partition stands, and what its broker lost (A4). Written in the same batch as the records, so that
//! a restart reads on exactly behind the last one stored.
//!
//! ```text
//! source                cluster, topic: length and bytes; partition: u32 big-endian
//! `p` ++ source         version u8 = 2 | first, next: varints | 0, or 1 ++ offset, log u32, index: varints ++ digest 32
//!                       | the last time that the broker gave: varint, 0 for none, else microseconds + 1
//! `g` ++ source ++ from u64   version u8 = 1 | to, noticed at: varints | reason: length and bytes
//! ```
//!
//! Version 1 of a position has no time: then every record of the partition had one of the broker, and that of the last
//! record stored is it.

use rocksdb::{Direction, IteratorMode, WriteBatch};
use verdict_merkle::LeafIndex;
use verdict_schemas::Timestamp;

use crate::database::Database;
use crate::error::StoreError;
use crate::incoming::{Gap, LastStored, Position};
use crate::layout::{Damaged, Reader, put_bytes, put_varint};
use crate::names::{KafkaPartition, LogId};
use crate::tables::Table;

const VERSION: u8 = 2;
const FIRST_VERSION: u8 = 1;
const GAP_VERSION: u8 = 1;
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
    put_varint(&mut row, position.broker_time.map_or(0, |time| micros(time) + 1));
    batch.put_cf(database.cf(Table::Positions)?, key(POSITION, partition), row);
    Ok(())
}

/// Adds the row of a gap.
pub(crate) fn put_gap(database: &Database, batch: &mut WriteBatch, gap: &Gap) -> Result<(), StoreError> {
    let mut key = key(GAP, &gap.partition);
    key.extend_from_slice(&gap.from.to_be_bytes());
    let mut row = vec![GAP_VERSION];
    put_varint(&mut row, gap.to);
    put_varint(&mut row, micros(gap.noticed_at));
    put_bytes(&mut row, gap.reason.as_bytes());
    batch.put_cf(database.cf(Table::Positions)?, key, row);
    Ok(())
}

/// Every partition's position.
pub(crate) fn all(database: &Database) -> Result<Vec<(KafkaPartition, Position, Option<LogId>)>, StoreError> {
    let mut positions = Vec::new();
    for (key, row) in rows(database, POSITION)? {
        let Decoded {
            partition,
            first,
            next,
            last,
            broker_time,
        } = decode(&key, &row).map_err(damaged)?;
        let log = last.as_ref().map(|last| last.log);
        let broker_time = match (broker_time, &last) {
            (Some(time), _) => time,
            (None, Some(last)) => Some(last.raw_time(database)?),
            (None, None) => None,
        };
        let last = last.map(|last| last.named(database)).transpose()?;
        let position = Position {
            first,
            next,
            broker_time,
            last,
        };
        positions.push((partition, position, log));
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
    fn raw_time(&self, database: &Database) -> Result<Timestamp, StoreError> {
        let record = super::read::record(database, self.log, self.index)?;
        let record = record.ok_or_else(|| damaged(Damaged("a position names a record that there is not")))?;
        Ok(record.raw_time)
    }

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
        if row.u8()? != GAP_VERSION {
            return Err(UNKNOWN_VERSION);
        }
        let to = row.varint()?;
        let noticed_at = time(row.varint()?)?;
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

const UNKNOWN_VERSION: Damaged = Damaged("the version of the row is unknown");

fn micros(time: Timestamp) -> u64 {
    time.as_micros().cast_unsigned()
}

fn time(micros: u64) -> Result<Timestamp, Damaged> {
    let time = i64::try_from(micros).ok().and_then(Timestamp::from_micros);
    time.ok_or(Damaged("a time is outside the years 1970 to 9999"))
}

struct Decoded {
    partition: KafkaPartition,
    first: u64,
    next: u64,
    last: Option<Last>,
    /// `None` where the row does not say.
    broker_time: Option<Option<Timestamp>>,
}

fn decode(key: &[u8], row: &[u8]) -> Result<Decoded, Damaged> {
    let mut key = Reader::new(key);
    key.u8()?;
    let partition = parse_key(&mut key)?;
    key.end()?;
    let mut row = Reader::new(row);
    let version = row.u8()?;
    if !matches!(version, FIRST_VERSION | VERSION) {
        return Err(UNKNOWN_VERSION);
    }
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
    let broker_time = match version {
        FIRST_VERSION => None,
        _ => match row.varint()? {
            0 => Some(None),
            micros => Some(Some(time(micros - 1)?)),
        },
    };
    row.end()?;
    Ok(Decoded {
        partition,
        first,
        next,
        last,
        broker_time,
    })
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

#[cfg(test)]
mod tests {
    use bytes::Bytes;

    use super::*;
    use crate::incoming::{Provenance, RawTimeKind};
    use crate::log::state::LogState;
    use crate::names::SourcePosition;
    use crate::options::Options;
    use crate::record::Record;
    use crate::tables::Part;

    #[test]
    fn a_position_of_the_first_version_has_the_time_of_its_last_record() {
        let dir = tempfile::tempdir().unwrap();
        let database = Database::open_scratch(dir.path(), Part::Log, &Options::default()).unwrap();
        let partition = KafkaPartition {
            cluster: "c".into(),
            topic: "t".into(),
            partition: 3,
        };
        let stamped = Timestamp::from_micros(1_234_567).unwrap();
        let record = Record {
            index: LeafIndex(0),
            source: SourcePosition::Kafka {
                cluster: "c".into(),
                topic: "t".into(),
                partition: 3,
                offset: 7,
            },
            raw_time: stamped,
            raw_time_kind: RawTimeKind::Broker,
            recorded_time: Timestamp::from_micros(2_000_000).unwrap(),
            provenance: Provenance::Claimed,
            route: None,
            headers: Vec::new(),
            key: None,
            value: Bytes::new(),
        };
        let (mut batch, mut row) = (WriteBatch::default(), Vec::new());
        let state = LogState::new("acme".parse().unwrap(), LogId(0));
        state.put_name(&database, &mut batch).unwrap();
        state.put(&database, &mut batch).unwrap();
        record.encode(&mut row);
        let at = crate::keys::record(LogId(0), LeafIndex(0));
        batch.put_cf(database.cf(Table::Records).unwrap(), at, row);
        // first 5, next 9, a last record at offset 7 with log 0 and index 0: as the first release wrote it.
        let first = [&[1, 5, 9, 1, 7, 0, 0][..], &[8; 32]].concat();
        batch.put_cf(database.cf(Table::Positions).unwrap(), key(POSITION, &partition), first);
        database.write_durably(batch).unwrap();

        let (_, found, log) = all(&database).unwrap().remove(0);
        assert_eq!((found.first, found.next, found.broker_time), (5, 9, Some(stamped)));
        assert_eq!(
            found.last.as_ref().map(|last| (last.offset, last.digest)),
            Some((7, [8; 32]))
        );
        // Written anew it says so itself, and a position that never had a time says that.
        for broker_time in [found.broker_time, None] {
            let position = Position {
                broker_time,
                ..found.clone()
            };
            let mut batch = WriteBatch::default();
            put(&database, &mut batch, &partition, &position, log).unwrap();
            database.write_durably(batch).unwrap();
            assert_eq!(all(&database).unwrap().remove(0).1, position);
        }
    }
}
