//! The archive of writer schemas. They decode the evidence, so they live with it: what a reference meant first on this
//! node it means for ever, whatever a registry says later.
//!
//! ```text
//! `s` ++ SHA-256 of the text      the schema's JSON, as written
//! `r` ++ reference                that hash [ ++ time u64: from then on the reference has more than one meaning ]
//! `u` ++ Confluent id u32         (empty)    taken over from format 1, not yet compared with the registry
//! `m`                             (empty)    what format 1 held was taken over
//! ```
//!
//! A schema is named by a hash of its text, never by Avro's fingerprint: that leaves out logical types, so schemas that
//! read the same number as milliseconds and as microseconds share it. A value that names its schema by the fingerprint
//! alone (single-object encoding) is read by what it meant first; once a second meaning is archived, by none: records
//! recorded from then on are `ambiguous_schema`, those before keep what they meant.
//!
//! Format 1 named schemas by their fingerprints: `f` ++ fingerprint u64 -> JSON, `c` ++ Confluent id u32 -> fingerprint u64.
//! Where several ids shared a fingerprint there, one text had taken the place of the other, and nobody can tell whose it
//! is: those ids are not taken over, and are asked of the registry again. The tags `f` and `c` are never used again.
//!
//! Few and small, so all are held in memory, compiled.

use std::collections::HashMap;
use std::sync::Arc;

use parking_lot::RwLock;
use rocksdb::{IteratorMode, WriteBatch};
use verdict_schemas::{Resolved, SchemaRef, Timestamp, WriterSchema, WriterSchemas, own_schema};

use crate::clock;
use crate::database::Database;
use crate::error::StoreError;
use crate::layout::Reader;
use crate::tables::Table;
use crate::views::flag::{encode_reference, read_reference};

const SCHEMA: u8 = b's';
const REFERENCE: u8 = b'r';
const UNVERIFIED: u8 = b'u';
const TAKEN_OVER: u8 = b'm';
const FORMAT_1_BY_FINGERPRINT: u8 = b'f';
const FORMAT_1_BY_CONFLUENT_ID: u8 = b'c';

type Hash = [u8; 32];

/// What became of a schema that was to be archived under a reference.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Archived {
    /// The reference means it from now on.
    New,
    /// It did already.
    Known,
    /// The reference means another schema on this node, which stands.
    MeansAnother,
}

/// The schemas archived.
#[derive(Debug, Default)]
pub(crate) struct SchemaArchive {
    held: RwLock<Held>,
}

#[derive(Debug, Default)]
struct Held {
    schemas: HashMap<Hash, Arc<WriterSchema>>,
    meanings: HashMap<SchemaRef, Meaning>,
    unverified: Vec<u32>,
}

/// What a reference meant first, and from when on it means more than that.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Meaning {
    hash: Hash,
    ambiguous_from: Option<Timestamp>,
}

impl Held {
    fn schema(&self, reference: &SchemaRef) -> Option<&Arc<WriterSchema>> {
        self.schemas.get(&self.meanings.get(reference)?.hash)
    }

    fn resolve(&self, reference: &SchemaRef, recorded: Option<Timestamp>) -> Resolved {
        let Some(meaning) = self.meanings.get(reference) else {
            return Resolved::Unknown;
        };
        let ambiguous = meaning
            .ambiguous_from
            .is_some_and(|from| recorded.is_none_or(|recorded| recorded > from));
        if ambiguous {
            Resolved::Ambiguous
        } else {
            self.schemas.get(&meaning.hash).cloned().into()
        }
    }

    /// What archiving a schema under a reference changes: the references that get a meaning or another bound, the schemas
    /// to keep. Nothing where the reference has a meaning already.
    fn adding(&self, reference: SchemaRef, schema: &Arc<WriterSchema>, now: Timestamp) -> Changes {
        let mut changes = Changes::default();
        if self.meanings.contains_key(&reference) {
            return changes;
        }
        let by_fingerprint = SchemaRef::Fingerprint(schema.fingerprint());
        if reference != by_fingerprint {
            changes.mean(reference, schema, None);
        }
        if schema.unsupported_language().is_some() {
            // Nothing in the single-object encoding is written by it.
            return changes;
        }
        // The fingerprint means what it meant first: one of ours, or whichever was archived first.
        let standing = self.meanings.get(&by_fingerprint);
        let first = match standing {
            Some(meaning) => self.schemas.get(&meaning.hash),
            None => own_schema(schema.fingerprint()),
        };
        match first {
            None => changes.mean(by_fingerprint, schema, None),
            Some(first) if first.reads_as(schema) => {}
            Some(_) if standing.is_some_and(|meaning| meaning.ambiguous_from.is_some()) => {}
            Some(first) => changes.mean(by_fingerprint, first, Some(now)),
        }
        changes
    }

    fn take(&mut self, changes: Changes) {
        for schema in changes.schemas {
            self.schemas.entry(schema.hash()).or_insert(schema);
        }
        self.meanings.extend(changes.meanings);
    }
}

#[derive(Default)]
struct Changes {
    schemas: Vec<Arc<WriterSchema>>,
    meanings: Vec<(SchemaRef, Meaning)>,
}

impl Changes {
    fn mean(&mut self, reference: SchemaRef, schema: &Arc<WriterSchema>, ambiguous_from: Option<Timestamp>) {
        self.schemas.push(Arc::clone(schema));
        let hash = schema.hash();
        self.meanings.push((reference, Meaning { hash, ambiguous_from }));
    }

    fn put(&self, database: &Database, batch: &mut WriteBatch) -> Result<(), StoreError> {
        let table = database.cf(Table::Schemas)?;
        for schema in &self.schemas {
            batch.put_cf(table, [&[SCHEMA], &schema.hash()[..]].concat(), schema.json());
        }
        for (reference, meaning) in &self.meanings {
            let from = meaning.ambiguous_from.map(|from| from.as_micros().to_be_bytes());
            let row = [&meaning.hash[..], from.as_ref().map_or(&[][..], |from| &from[..])].concat();
            batch.put_cf(table, [&[REFERENCE], &encode_reference(reference)[..]].concat(), row);
        }
        Ok(())
    }
}

impl WriterSchemas for SchemaArchive {
    fn resolve(&self, reference: &SchemaRef) -> Resolved {
        self.held.read().resolve(reference, None)
    }

    fn resolve_at(&self, reference: &SchemaRef, recorded: Timestamp) -> Resolved {
        self.held.read().resolve(reference, Some(recorded))
    }
}

impl SchemaArchive {
    /// Takes over what format 1 held, once, and loads and compiles every schema.
    pub(crate) fn open(database: &Database) -> Result<Self, StoreError> {
        if database.get(Table::Schemas, [TAKEN_OVER])?.is_none() {
            let (held, changes) = format_1(database)?;
            let table = database.cf(Table::Schemas)?;
            let mut batch = WriteBatch::default();
            changes.put(database, &mut batch)?;
            for id in &held {
                batch.put_cf(table, [&[UNVERIFIED], &id.to_be_bytes()[..]].concat(), []);
            }
            batch.put_cf(table, [TAKEN_OVER], []);
            database.write_durably(batch)?;
        }
        Self::load(database)
    }

    /// Loads and compiles every schema, changing nothing.
    pub(crate) fn load(database: &Database) -> Result<Self, StoreError> {
        let mut held = Held::default();
        if database.get(Table::Schemas, [TAKEN_OVER])?.is_none() {
            let (unverified, changes) = format_1(database)?;
            held.take(changes);
            held.unverified = unverified;
        }
        each(database, |key, row| {
            match key.split_first() {
                Some((&SCHEMA, _)) => {
                    let schema = parse(row)?;
                    held.schemas.insert(schema.hash(), schema);
                }
                Some((&REFERENCE, reference)) => {
                    let mut row = Reader::new(row);
                    let meaning = read_reference(reference).and_then(|reference| {
                        let hash = row.array()?;
                        let from = if row.left() == 0 { None } else { Some(row.array()?) };
                        row.end()?;
                        let ambiguous_from = from.map(i64::from_be_bytes).and_then(Timestamp::from_micros);
                        Ok((reference, Meaning { hash, ambiguous_from }))
                    });
                    held.meanings
                        .extend([meaning.map_err(|damage| damaged(&damage.to_string()))?]);
                }
                Some((&UNVERIFIED, id)) => {
                    let id = id.try_into().map_err(|_| damaged("an id is not as written"))?;
                    held.unverified.push(u32::from_be_bytes(id));
                }
                Some((&(TAKEN_OVER | FORMAT_1_BY_FINGERPRINT | FORMAT_1_BY_CONFLUENT_ID), _)) => {}
                _ => return Err(damaged("a key is not as written")),
            }
            Ok(())
        })?;
        if held
            .meanings
            .values()
            .any(|meaning| !held.schemas.contains_key(&meaning.hash))
        {
            return Err(damaged("a reference means a schema that is not there"));
        }
        Ok(Self {
            held: RwLock::new(held),
        })
    }

    /// Archives a schema under a reference, durably. What the reference meant first stands: a registry that gives an id to
    /// another schema later does not change what was read with the first. A fingerprint that gets a second meaning by this
    /// is ambiguous in what is recorded after `now`.
    pub(crate) fn add(
        &self,
        database: &Database,
        reference: SchemaRef,
        schema: &Arc<WriterSchema>,
        now: Timestamp,
    ) -> Result<Archived, StoreError> {
        let mut held = self.held.write();
        if let Some(standing) = held.schema(&reference) {
            return Ok(if standing.reads_as(schema) {
                Archived::Known
            } else {
                Archived::MeansAnother
            });
        }
        let changes = held.adding(reference, schema, now);
        let mut batch = WriteBatch::default();
        changes.put(database, &mut batch)?;
        database.write_durably(batch)?;
        for (reference, meaning) in &changes.meanings {
            if meaning.ambiguous_from.is_some() {
                tracing::warn!(
                    %reference,
                    "several schemas that read values differently share it: values that name their schema by it alone are \
                     kept, and not understood, from now on"
                );
            }
        }
        held.take(changes);
        Ok(Archived::New)
    }

    /// The Confluent ids taken over from format 1 that were not compared with the registry yet.
    pub(crate) fn unverified(&self) -> Vec<u32> {
        self.held.read().unverified.clone()
    }

    /// Compares what an id taken over means here with what the registry says; the comparison is not asked for again.
    pub(crate) fn verify(&self, database: &Database, id: u32, schema: &WriterSchema) -> Result<bool, StoreError> {
        let mut held = self.held.write();
        let same = held
            .schema(&SchemaRef::Confluent(id))
            .is_none_or(|standing| standing.reads_as(schema));
        let mut batch = WriteBatch::default();
        let key = [&[UNVERIFIED], &id.to_be_bytes()[..]].concat();
        batch.delete_cf(database.cf(Table::Schemas)?, key);
        database.write_durably(batch)?;
        held.unverified.retain(|other| *other != id);
        Ok(same)
    }
}

fn damaged(what: &str) -> StoreError {
    StoreError::corrupt(Table::Schemas, what)
}

fn parse(row: &[u8]) -> Result<Arc<WriterSchema>, StoreError> {
    let json = std::str::from_utf8(row).map_err(|error| damaged(&error.to_string()))?;
    let schema = WriterSchema::parse(json).map_err(|error| damaged(&error.to_string()))?;
    Ok(Arc::new(schema))
}

fn each(database: &Database, mut visit: impl FnMut(&[u8], &[u8]) -> Result<(), StoreError>) -> Result<(), StoreError> {
    let rows = database
        .raw()
        .iterator_cf(database.cf(Table::Schemas)?, IteratorMode::Start);
    for row in rows {
        let (key, row) = row?;
        visit(&key, &row)?;
    }
    Ok(())
}

/// What format 1 held, as this format has it: the ids taken over, and what they mean. An id that shares its fingerprint
/// with another is left out.
fn format_1(database: &Database) -> Result<(Vec<u32>, Changes), StoreError> {
    let now = clock::machine();
    let mut texts: HashMap<u64, Arc<WriterSchema>> = HashMap::new();
    let mut ids: Vec<(u32, u64)> = Vec::new();
    each(database, |key, row| {
        match key.split_first() {
            Some((&FORMAT_1_BY_FINGERPRINT, _)) => {
                let schema = parse(row)?;
                texts.insert(schema.fingerprint(), schema);
            }
            Some((&FORMAT_1_BY_CONFLUENT_ID, id)) => {
                let id = id.try_into().map(u32::from_be_bytes);
                let fingerprint = row.try_into().map(u64::from_be_bytes);
                let (Ok(id), Ok(fingerprint)) = (id, fingerprint) else {
                    return Err(damaged("an id is not as written"));
                };
                ids.push((id, fingerprint));
            }
            _ => {}
        }
        Ok(())
    })?;
    let mut held = Held::default();
    let (mut taken, mut all) = (Vec::new(), Changes::default());
    for (id, fingerprint) in &ids {
        let alone = ids.iter().filter(|(_, other)| other == fingerprint).count() == 1;
        match texts.get(fingerprint).filter(|_| alone) {
            Some(schema) => {
                // What is recorded already was read by what its fingerprint meant then.
                let changes = held.adding(SchemaRef::Confluent(*id), schema, now);
                all.schemas.extend(changes.schemas.iter().cloned());
                all.meanings.extend(changes.meanings.iter().copied());
                held.take(changes);
                taken.push(*id);
            }
            None => tracing::warn!(
                id,
                "several schemas of the registry were kept as one by an earlier release: its records wait until the schema \
                 of this id is known again"
            ),
        }
    }
    Ok((taken, all))
}
