//! The archive of writer schemas. They decode the evidence, so they live with it: once archived, never changed.
//!
//! ```text
//! `f` ++ fingerprint u64      the schema's JSON
//! `c` ++ Confluent id u32     fingerprint u64
//! `g` ++ GUID 16 bytes        fingerprint u64
//! ```
//!
//! Few and small, so all are held in memory, compiled.

use std::collections::HashMap;
use std::sync::Arc;

use parking_lot::RwLock;
use rocksdb::{IteratorMode, WriteBatch};
use verdict_schemas::{SchemaRef, WriterSchema, WriterSchemas};

use crate::database::Database;
use crate::error::StoreError;
use crate::tables::Table;

const BY_FINGERPRINT: u8 = b'f';
const BY_CONFLUENT_ID: u8 = b'c';
const BY_GUID: u8 = b'g';

/// The schemas archived.
#[derive(Debug, Default)]
pub(crate) struct SchemaArchive {
    held: RwLock<Held>,
}

#[derive(Debug, Default)]
struct Held {
    by_fingerprint: HashMap<u64, Arc<WriterSchema>>,
    by_confluent_id: HashMap<u32, u64>,
    by_guid: HashMap<[u8; 16], u64>,
}

impl Held {
    fn get(&self, reference: &SchemaRef) -> Option<Arc<WriterSchema>> {
        let fingerprint = match reference {
            SchemaRef::Fingerprint(fingerprint) => fingerprint,
            SchemaRef::Confluent(id) => self.by_confluent_id.get(id)?,
            SchemaRef::Guid(guid) => self.by_guid.get(guid)?,
        };
        self.by_fingerprint.get(fingerprint).cloned()
    }
}

impl WriterSchemas for SchemaArchive {
    fn resolve(&self, reference: &SchemaRef) -> Option<Arc<WriterSchema>> {
        self.held.read().get(reference)
    }
}

impl SchemaArchive {
    /// Loads and compiles every schema.
    pub(crate) fn load(database: &Database) -> Result<Self, StoreError> {
        let damaged = |what: String| StoreError::corrupt(Table::Schemas, what);
        let mut held = Held::default();
        for row in database
            .raw()
            .iterator_cf(database.cf(Table::Schemas)?, IteratorMode::Start)
        {
            let (key, row) = row?;
            match key.split_first() {
                Some((&BY_FINGERPRINT, _)) => {
                    let json = std::str::from_utf8(&row).map_err(|error| damaged(error.to_string()))?;
                    let schema = WriterSchema::parse(json).map_err(|error| damaged(error.to_string()))?;
                    held.by_fingerprint.insert(schema.fingerprint(), Arc::new(schema));
                }
                Some((&BY_CONFLUENT_ID, id)) => {
                    let id = id.try_into().map(u32::from_be_bytes);
                    let fingerprint = (*row).try_into().map(u64::from_be_bytes);
                    let (Ok(id), Ok(fingerprint)) = (id, fingerprint) else {
                        return Err(damaged("an id is not as written".to_owned()));
                    };
                    held.by_confluent_id.insert(id, fingerprint);
                }
                Some((&BY_GUID, guid)) => {
                    let (guid, fingerprint) = (guid.try_into(), (*row).try_into().map(u64::from_be_bytes));
                    let (Ok(guid), Ok(fingerprint)) = (guid, fingerprint) else {
                        return Err(damaged("a GUID is not as written".to_owned()));
                    };
                    held.by_guid.insert(guid, fingerprint);
                }
                _ => return Err(damaged("a key is not as written".to_owned())),
            }
        }
        Ok(Self {
            held: RwLock::new(held),
        })
    }

    /// Archives a schema under a reference; `false` when it was there already. What was archived first stands: a
    /// registry that gives an id to another schema later does not change what was read with the first.
    pub(crate) fn add(
        &self,
        database: &Database,
        reference: SchemaRef,
        schema: &Arc<WriterSchema>,
    ) -> Result<bool, StoreError> {
        let mut held = self.held.write();
        if held.get(&reference).is_some() {
            return Ok(false);
        }
        let fingerprint = schema.fingerprint();
        let schemas = database.cf(Table::Schemas)?;
        let mut batch = WriteBatch::default();
        let mut key = vec![BY_FINGERPRINT];
        key.extend_from_slice(&fingerprint.to_be_bytes());
        batch.put_cf(schemas, key, schema.json());
        let key = match reference {
            SchemaRef::Confluent(id) => Some([&[BY_CONFLUENT_ID][..], &id.to_be_bytes()].concat()),
            SchemaRef::Guid(guid) => Some([&[BY_GUID][..], &guid].concat()),
            SchemaRef::Fingerprint(_) => None,
        };
        if let Some(key) = key {
            batch.put_cf(schemas, key, fingerprint.to_be_bytes());
        }
        database.write_log(batch)?;
        held.by_fingerprint
            .entry(fingerprint)
            .or_insert_with(|| Arc::clone(schema));
        match reference {
            SchemaRef::Confluent(id) => drop(held.by_confluent_id.insert(id, fingerprint)),
            SchemaRef::Guid(guid) => drop(held.by_guid.insert(guid, fingerprint)),
            SchemaRef::Fingerprint(_) => {}
        }
        Ok(true)
    }
}
