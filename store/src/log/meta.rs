//! What the store remembers of itself: its format, its id, which salt key its leaves were made with, and which Kafka
//! cluster it reads.

use rocksdb::WriteBatch;
use uuid::Uuid;

use crate::database::Database;
use crate::error::{OpenError, StoreError};
use crate::salt::SaltKey;
use crate::tables::Table;

/// The format of everything but the views. Raised when a release can not read what this one wrote.
///
/// 2: what came out of turn is kept ([`crate::views::late`]), schemas are named by a hash of their text
/// ([`crate::log::schemas`]).
pub(crate) const FORMAT: u32 = 2;

const FORMAT_KEY: &[u8] = b"format";
const ID_KEY: &[u8] = b"store_id";
const SALT_KEY: &[u8] = b"salt_fingerprint";
const CLUSTER_KEY: &[u8] = b"cluster";
/// Followed by the topic's name.
const TOPIC_KEY: &[u8] = b"partitions of ";

/// Why a store does not take records of a topic.
#[derive(Debug, thiserror::Error)]
pub enum BindError {
    /// It holds those of another cluster.
    #[error(
        "this store holds records of Kafka cluster `{was}`, and this is cluster `{is}`: check `bootstrap.servers`, or use \
         another data directory"
    )]
    OtherCluster {
        /// The cluster it reads.
        was: String,
        /// The one asked for.
        is: String,
    },
    /// The topic had another number of partitions: keys would move, and one partition feeds a log, never two.
    #[error(
        "topic `{topic}` had {was} partitions when this store began to read it, and has {is} now: tenants would move \
         between partitions. Make a new topic with {was} partitions and produce into that"
    )]
    OtherPartitions {
        /// The topic.
        topic: String,
        /// How many it had.
        was: u32,
        /// How many it has.
        is: u32,
    },
    /// Reading or writing failed.
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// Reads what the store says of itself; writes it first when the store is new. Gives the store's id.
pub(crate) fn open(database: &Database, salt: &SaltKey, create: bool) -> Result<Uuid, OpenError> {
    let Some(format) = database.get(Table::Meta, FORMAT_KEY)? else {
        if !create {
            return Err(OpenError::Store(StoreError::corrupt(
                Table::Meta,
                "the store has no format",
            )));
        }
        return Ok(begin(database, salt)?);
    };
    let damaged = |what: &str| StoreError::corrupt(Table::Meta, format!("{what} is not as written"));
    let format = <[u8; 4]>::try_from(&format[..])
        .map(u32::from_be_bytes)
        .map_err(|_| damaged("the format"))?;
    if format > FORMAT {
        return Err(OpenError::Format {
            found: format,
            known: FORMAT,
        });
    }
    let id = database.get(Table::Meta, ID_KEY)?;
    let id = id
        .and_then(|id| Uuid::from_slice(&id).ok())
        .ok_or_else(|| damaged("the store's id"))?;
    let fingerprint = database.get(Table::Meta, SALT_KEY)?;
    if fingerprint.as_deref() != Some(&salt.fingerprint()[..]) {
        return Err(OpenError::SaltKey(
            "the salt key is not the one that this store's leaves were made with: restore `salt.key` in the data \
             directory from a backup, or configure the salt key that was configured before"
                .to_owned(),
        ));
    }
    Ok(id)
}

/// Says that the store is of this format, once everything of it is: an earlier release then refuses it by name.
pub(crate) fn raise(database: &Database) -> Result<(), StoreError> {
    let mut batch = WriteBatch::default();
    batch.put_cf(database.cf(Table::Meta)?, FORMAT_KEY, FORMAT.to_be_bytes());
    database.write_durably(batch)
}

fn begin(database: &Database, salt: &SaltKey) -> Result<Uuid, StoreError> {
    let id = Uuid::new_v4();
    let meta = database.cf(Table::Meta)?;
    let mut batch = WriteBatch::default();
    batch.put_cf(meta, FORMAT_KEY, FORMAT.to_be_bytes());
    batch.put_cf(meta, ID_KEY, id.as_bytes());
    batch.put_cf(meta, SALT_KEY, salt.fingerprint());
    database.write_durably(batch)?;
    Ok(id)
}

/// The Kafka cluster that this store reads; `None` while it reads none.
pub(crate) fn cluster(database: &Database) -> Result<Option<String>, StoreError> {
    let bound = database.get(Table::Meta, CLUSTER_KEY)?;
    Ok(bound.map(|bound| String::from_utf8_lossy(&bound).into_owned()))
}

fn partitions(database: &Database, key: &[u8]) -> Result<Option<u32>, StoreError> {
    let Some(row) = database.get(Table::Meta, key)? else {
        return Ok(None);
    };
    let count = <[u8; 4]>::try_from(&row[..]).map(u32::from_be_bytes);
    count
        .map(Some)
        .map_err(|_| StoreError::corrupt(Table::Meta, "a number of partitions is not as written"))
}

/// Binds the store to a topic of a cluster with so many partitions, for good; checks it when it is bound.
pub(crate) fn bind_topic(database: &Database, id: &str, topic: &str, count: u32) -> Result<(), BindError> {
    let key = [TOPIC_KEY, topic.as_bytes()].concat();
    let (bound, counted) = (cluster(database)?, partitions(database, &key)?);
    if let Some(was) = bound.as_ref().filter(|bound| *bound != id) {
        return Err(BindError::OtherCluster {
            was: was.clone(),
            is: id.to_owned(),
        });
    }
    if let Some(was) = counted.filter(|was| *was != count) {
        return Err(BindError::OtherPartitions {
            topic: topic.to_owned(),
            was,
            is: count,
        });
    }
    if bound.is_none() || counted.is_none() {
        let meta = database.cf(Table::Meta)?;
        let mut batch = WriteBatch::default();
        batch.put_cf(meta, CLUSTER_KEY, id);
        batch.put_cf(meta, key, count.to_be_bytes());
        database.write_durably(batch)?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::options::Options;
    use crate::tables::Part;

    #[test]
    fn a_store_stays_with_its_cluster_and_its_partitions() {
        let dir = tempfile::tempdir().unwrap();
        let database = Database::open_scratch(dir.path(), Part::Log, &Options::default()).unwrap();
        assert_eq!(cluster(&database).unwrap(), None);
        bind_topic(&database, "c1", "events", 6).unwrap();
        bind_topic(&database, "c1", "events", 6).unwrap();
        bind_topic(&database, "c1", "platform", 1).unwrap();
        assert_eq!(cluster(&database).unwrap().as_deref(), Some("c1"));
        let other = bind_topic(&database, "c2", "events", 6).unwrap_err();
        assert!(matches!(other, BindError::OtherCluster { was, is } if was == "c1" && is == "c2"));
        let more = bind_topic(&database, "c1", "events", 7).unwrap_err();
        assert!(matches!(more, BindError::OtherPartitions { was: 6, is: 7, .. }));
    }

    #[test]
    fn a_later_format_and_another_salt_key_are_refused() {
        let dir = tempfile::tempdir().unwrap();
        let database = Database::open_scratch(dir.path(), Part::Log, &Options::default()).unwrap();
        let salt = SaltKey::new([1; 32]);
        assert!(open(&database, &salt, false).is_err());
        let id = open(&database, &salt, true).unwrap();
        assert_eq!(open(&database, &salt, false).unwrap(), id);
        assert!(matches!(
            open(&database, &SaltKey::new([2; 32]), true),
            Err(OpenError::SaltKey(_))
        ));
        let mut batch = WriteBatch::default();
        batch.put_cf(
            database.cf(Table::Meta).unwrap(),
            FORMAT_KEY,
            (FORMAT + 1).to_be_bytes(),
        );
        database.write_durably(batch).unwrap();
        assert!(matches!(open(&database, &salt, true), Err(OpenError::Format { .. })));
    }
}
