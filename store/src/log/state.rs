//! What is known of each log: one row, rewritten by each commit that touches the log.
//!
//! ```text
//! `n` ++ name        version u8 = 1 | id u32 | size u64 | root 32 bytes | last recorded time u64       all big-endian
//! `i` ++ id u32      name
//! ```

use rocksdb::{ReadOptions, WriteBatch};
use verdict_merkle::{Hash, TreeSize};
use verdict_schemas::Timestamp;

use crate::database::Ordered;
use crate::database::{Database, Rows};
use crate::error::StoreError;
use crate::incoming::LogHead;
use crate::layout::{Damaged, Reader};
use crate::names::{LogId, LogName};
use crate::tables::Table;

const VERSION: u8 = 1;
pub(crate) const BY_NAME: u8 = b'n';
const BY_ID: u8 = b'i';

/// A log as of its last commit.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct LogState {
    /// Its name.
    pub(crate) name: LogName,
    /// Its number in keys.
    pub(crate) id: LogId,
    /// How many records it holds.
    pub(crate) size: TreeSize,
    /// The root over them.
    pub(crate) root: Hash,
    /// The recorded time of the last; the next is never before it.
    pub(crate) last_recorded: Timestamp,
}

impl LogState {
    /// A log without records.
    pub(crate) fn new(name: LogName, id: LogId) -> Self {
        Self {
            name,
            id,
            size: TreeSize(0),
            root: Hash::EMPTY_ROOT,
            last_recorded: Timestamp::MIN,
        }
    }

    /// What callers are told of it.
    pub(crate) fn head(&self) -> LogHead {
        LogHead {
            name: self.name.clone(),
            size: self.size,
            root: self.root,
        }
    }

    fn decode(name: LogName, row: &[u8]) -> Result<Self, Damaged> {
        let mut reader = Reader::new(row);
        if reader.u8()? != VERSION {
            return Err(Damaged("the version of the log's state is unknown"));
        }
        let id = LogId(u32::from_be_bytes(reader.array()?));
        let size = TreeSize(u64::from_be_bytes(reader.array()?));
        let root = Hash(reader.array()?);
        let last = i64::from_be_bytes(reader.array()?);
        reader.end()?;
        let last_recorded = Timestamp::from_micros(last).ok_or(Damaged("a time is outside the years 1970 to 9999"))?;
        Ok(Self {
            name,
            id,
            size,
            root,
            last_recorded,
        })
    }

    /// Adds the rows of this log to a batch.
    pub(crate) fn put(&self, database: &Database, batch: &mut WriteBatch) -> Result<(), StoreError> {
        let mut row = [0; 53];
        row[0] = VERSION;
        row[1..5].copy_from_slice(&self.id.0.to_be_bytes());
        row[5..13].copy_from_slice(&self.size.0.to_be_bytes());
        row[13..45].copy_from_slice(&self.root.0);
        row[45..].copy_from_slice(&self.last_recorded.as_micros().to_be_bytes());
        batch.put_cf(database.cf(Table::Logs)?, name_key(&self.name), row);
        Ok(())
    }

    /// Adds the row that gives the name of the id: once, when the log begins.
    pub(crate) fn put_name(&self, database: &Database, batch: &mut WriteBatch) -> Result<(), StoreError> {
        batch.put_cf(database.cf(Table::Logs)?, id_key(self.id), self.name.to_string());
        Ok(())
    }
}

fn name_key(name: &LogName) -> Vec<u8> {
    let mut key = vec![BY_NAME];
    key.extend_from_slice(name.to_string().as_bytes());
    key
}

fn id_key(id: LogId) -> [u8; 5] {
    let mut key = [BY_ID; 5];
    key[1..].copy_from_slice(&id.0.to_be_bytes());
    key
}

pub(crate) fn parse_name(bytes: &[u8]) -> Result<LogName, StoreError> {
    let name = std::str::from_utf8(bytes).ok().and_then(|name| name.parse().ok());
    name.ok_or_else(|| StoreError::corrupt(Table::Logs, format!("`{}` is no name", String::from_utf8_lossy(bytes))))
}

/// A log by its name; `None` when there is none.
pub(crate) fn by_name(rows: &impl Rows, name: &LogName) -> Result<Option<LogState>, StoreError> {
    let Some(row) = rows.row(Table::Logs, &name_key(name))? else {
        return Ok(None);
    };
    let state = LogState::decode(name.clone(), &row);
    state
        .map(Some)
        .map_err(|damage| StoreError::corrupt(Table::Logs, format!("log `{name}`: {damage}")))
}

/// A log by its number; `None` when there is none.
pub(crate) fn by_id(rows: &impl Rows, id: LogId) -> Result<Option<LogState>, StoreError> {
    let Some(name) = rows.row(Table::Logs, &id_key(id))? else {
        return Ok(None);
    };
    by_name(rows, &parse_name(&name)?)
}

/// Every log, by name.
pub(crate) fn all(rows: &impl Ordered) -> Result<Vec<LogState>, StoreError> {
    let mut logs = Vec::new();
    let mut found = rows.raw_iterator(Table::Logs, ReadOptions::default())?;
    found.seek([BY_NAME]);
    while let Some((key, row)) = found.item() {
        let Some((&BY_NAME, name)) = key.split_first() else {
            break;
        };
        let name = parse_name(name)?;
        let state = LogState::decode(name.clone(), row);
        logs.push(state.map_err(|damage| StoreError::corrupt(Table::Logs, format!("log `{name}`: {damage}")))?);
        found.next();
    }
    rows.has_read(logs.len() as u64);
    found.status()?;
    Ok(logs)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::options::Options;
    use crate::tables::Part;

    #[test]
    fn a_log_is_found_by_name_and_by_number() {
        let dir = tempfile::tempdir().unwrap();
        let database = Database::open_scratch(dir.path(), Part::Log, &Options::default()).unwrap();
        let mut batch = WriteBatch::default();
        let mut states = Vec::new();
        for (id, name) in ["_unrouted.3", "acme", "globex"].into_iter().enumerate() {
            let mut state = LogState::new(name.parse().unwrap(), LogId(u32::try_from(id).unwrap()));
            state.size = TreeSize(id as u64 * 1000);
            state.last_recorded = Timestamp::MAX;
            state.put(&database, &mut batch).unwrap();
            state.put_name(&database, &mut batch).unwrap();
            states.push(state);
        }
        database.write_durably(batch).unwrap();
        assert_eq!(all(&database).unwrap(), states);
        for state in &states {
            assert_eq!(by_name(&database, &state.name).unwrap().as_ref(), Some(state));
            assert_eq!(by_id(&database, state.id).unwrap().as_ref(), Some(state));
        }
        assert_eq!(by_name(&database, &"other".parse().unwrap()).unwrap(), None);
        assert_eq!(by_id(&database, LogId(9)).unwrap(), None);
    }
}
