//! The schemas that values were written with. They decode the evidence, so they live with the evidence: the store
//! archives each by a hash of its text, and what a reference meant first it means for ever.
//!
//! Avro's own fingerprint, CRC-64 of the parsing canonical form, is no name for a schema: the canonical form leaves out
//! logical types, so schemas that read the same long as milliseconds and as microseconds share it.

use std::borrow::Cow;
use std::collections::HashMap;
use std::sync::{Arc, OnceLock};

use apache_avro::Schema;
use apache_avro::rabin::Rabin;
use sha2::{Digest as _, Sha256};

use crate::avro::{self, Compiled, Input, Type};
use crate::tree::{Fields, Node, Read};
use crate::{Event, Kind, Rejection, Timestamp, rejection, rule, validate};

/// How a value names the schema it was written with.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum SchemaRef {
    /// The id that a schema registry gave it (Confluent's framing).
    Confluent(u32),
    /// The id that a registry gave its content, whatever its contexts (Confluent 8: a UUID, in a header).
    Guid([u8; 16]),
    /// CRC-64-AVRO of its parsing canonical form; in the single-object encoding its eight bytes are little-endian.
    Fingerprint(u64),
}

impl std::fmt::Display for SchemaRef {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Confluent(id) => write!(f, "schema {id} of the registry"),
            Self::Guid(guid) => write!(f, "schema {} of the registry", uuid::Uuid::from_bytes(*guid)),
            Self::Fingerprint(fingerprint) => write!(f, "the schema of fingerprint {fingerprint:016x}"),
        }
    }
}

/// What a reference to a schema means.
#[derive(Clone, Debug)]
pub enum Resolved {
    /// This schema.
    Known(Arc<WriterSchema>),
    /// One of several that read the same bytes differently: which, nobody can tell.
    Ambiguous,
    /// Nothing yet.
    Unknown,
}

impl Resolved {
    /// The schema, if it is one.
    pub fn known(self) -> Option<Arc<WriterSchema>> {
        match self {
            Self::Known(schema) => Some(schema),
            Self::Ambiguous | Self::Unknown => None,
        }
    }
}

impl From<Option<Arc<WriterSchema>>> for Resolved {
    fn from(schema: Option<Arc<WriterSchema>>) -> Self {
        schema.map_or(Self::Unknown, Self::Known)
    }
}

/// Where writer schemas are found.
pub trait WriterSchemas: Send + Sync {
    /// What a reference means in a record that comes now. Our own schemas need not be held here: they are known by their
    /// fingerprints always.
    fn resolve(&self, reference: &SchemaRef) -> Resolved;

    /// What it means in a record of that recorded time: a fingerprint may have become ambiguous since.
    fn resolve_at(&self, reference: &SchemaRef, recorded: Timestamp) -> Resolved {
        let _ = recorded;
        self.resolve(reference)
    }
}

/// Writer schemas as a record of some recorded time means them.
#[derive(Clone, Copy)]
pub struct AsRecorded<'a>(pub &'a dyn WriterSchemas, pub Timestamp);

impl WriterSchemas for AsRecorded<'_> {
    fn resolve(&self, reference: &SchemaRef) -> Resolved {
        self.0.resolve_at(reference, self.1)
    }
}

/// No schemas but our own, by fingerprint.
#[derive(Clone, Copy, Debug, Default)]
pub struct KnownSchemas;

impl WriterSchemas for KnownSchemas {
    fn resolve(&self, _: &SchemaRef) -> Resolved {
        Resolved::Unknown
    }
}

/// Why a schema cannot be used.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum InvalidSchema {
    /// Not an Avro schema.
    #[error("not an Avro schema: {0}")]
    Syntax(String),
    /// Refers to a name that it does not define. Schemas by reference must be given whole.
    #[error("the schema refers to a name that it does not define")]
    Unresolved,
    /// With what it refers to it is too large.
    #[error("the schema, with those that it refers to, is larger than {most} bytes")]
    TooLarge {
        /// The most that is taken.
        most: usize,
    },
}

/// A schema that values were written with. Archive [`WriterSchema::json`]; [`WriterSchema::parse`] brings it back.
#[derive(Debug)]
pub struct WriterSchema {
    fingerprint: u64,
    hash: [u8; 32],
    json: String,
    compiled: Compiled,
    current_decision: OnceLock<bool>,
    /// What it is instead of Avro.
    unsupported: Option<String>,
}

/// The one member of the JSON that stands for a schema that is no Avro.
const UNSUPPORTED: &str = "verdict.unsupported";

impl WriterSchema {
    /// Parses a schema, as found in a registry or a schema file.
    ///
    /// # Errors
    /// [`InvalidSchema`].
    pub fn parse(json: &str) -> Result<Self, InvalidSchema> {
        let other: Result<HashMap<String, String>, _> = serde_json::from_str(json);
        if let Some(language) = other.ok().and_then(|mut other| other.remove(UNSUPPORTED)) {
            return Ok(Self::unsupported(&language));
        }
        let schema = Schema::parse_str(json).map_err(|error| InvalidSchema::Syntax(error.to_string()))?;
        let mut fingerprint = [0; 8];
        let bytes = schema.fingerprint::<Rabin>().bytes;
        fingerprint.iter_mut().zip(bytes).for_each(|(to, from)| *to = from);
        let compiled = Compiled::of(&schema).ok_or(InvalidSchema::Unresolved)?;
        Ok(Self {
            fingerprint: u64::from_le_bytes(fingerprint),
            hash: Sha256::digest(json).into(),
            json: json.to_owned(),
            compiled,
            current_decision: OnceLock::new(),
            unsupported: None,
        })
    }

    /// Parses a schema together with those that it refers to, each by the full name of a type, as a registry keeps them
    /// apart. What is archived is whole: each type that it refers to stands where it is first named.
    ///
    /// # Errors
    /// [`InvalidSchema`].
    pub fn parse_with(json: &str, others: &[String]) -> Result<Self, InvalidSchema> {
        if others.is_empty() {
            Self::parse(json)
        } else {
            Self::parse(&avro::whole(json, others)?)
        }
    }

    /// What stands for a schema in another language than Avro, such as `PROTOBUF`: a value that was written by it is
    /// malformed (`unsupported_schema`), and waits for nothing.
    pub fn unsupported(language: &str) -> Self {
        let json = serde_json::json!({ UNSUPPORTED: language }).to_string();
        // No writer of the single-object encoding names it by this; the archive wants one.
        let fingerprint = json.bytes().fold(0xcbf2_9ce4_8422_2325, |hash: u64, byte| {
            (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3)
        });
        Self {
            fingerprint,
            hash: Sha256::digest(&json).into(),
            json,
            compiled: Compiled::null(),
            current_decision: OnceLock::new(),
            unsupported: Some(language.to_owned()),
        }
    }

    /// The language that it is in instead of Avro.
    pub fn unsupported_language(&self) -> Option<&str> {
        self.unsupported.as_deref()
    }

    /// CRC-64-AVRO of the parsing canonical form, by which single-object values name it. Not its alone: schemas that
    /// differ in logical types share it.
    pub fn fingerprint(&self) -> u64 {
        self.fingerprint
    }

    /// SHA-256 of the schema as written: its name in the archive.
    pub fn hash(&self) -> [u8; 32] {
        self.hash
    }

    /// Do both read every value alike, logical types included? Then only their texts differ.
    pub fn reads_as(&self, other: &Self) -> bool {
        self.compiled == other.compiled && self.unsupported == other.unsupported
    }

    /// The schema as it was written.
    pub fn json(&self) -> &str {
        &self.json
    }

    /// The kind of event that it writes: by the name of its record. `None` for another kind, and for a union.
    pub fn kind(&self) -> Option<Kind> {
        match self.compiled.root() {
            Type::Record { name, .. } => Kind::parse(&snake_case(name)),
            _ => None,
        }
    }

    /// The table that readers follow.
    pub(crate) fn compiled(&self) -> &Compiled {
        &self.compiled
    }

    /// Is it, type by type and logical types included, the schema by which decisions are written today?
    pub(crate) fn is_current_decision(&self) -> bool {
        *self
            .current_decision
            .get_or_init(|| avro::current(Kind::Decision).is_some_and(|current| current.compiled == self.compiled))
    }

    /// The event in a datum.
    ///
    /// # Errors
    /// What makes it malformed.
    pub(crate) fn event(&self, datum: &[u8]) -> Read<Event> {
        if let Some(language) = &self.unsupported {
            return Err(Rejection::new(
                rule::UNSUPPORTED_SCHEMA,
                format!(
                    "the registry says that its schema is {}, and only Avro and JSON are understood",
                    rejection::shown(language)
                ),
            ));
        }
        let mut input = Input::new(datum);
        let mut root = self.compiled.root();
        if let Type::Union(branches) = root {
            root = self.compiled.at(branches[input.branch(branches.len())?]);
        }
        let Type::Record { name, fields } = root else {
            return Err(Rejection::new(
                rule::WRONG_TYPE,
                "the schema of an event is a record, or a union of records",
            ));
        };
        let (mut meta, mut body) = (Node::Null, Vec::with_capacity(fields.len()));
        for (name, of) in fields {
            let node = self.compiled.read(self.compiled.at(*of), &mut input, 0);
            if name == "meta" {
                meta = node.map_err(|rejection| rejection.under(name))?;
            } else {
                let node = node.map_err(|rejection| rejection.under(name).under("body"))?;
                body.push((Cow::Borrowed(name.as_str()), node));
            }
        }
        input.end()?;
        let mut event = Fields::of([("meta", meta), ("body", Node::Object(body))]);
        validate::event(&snake_case(name), &mut event)
    }
}

/// The schema of ours behind a fingerprint, of whichever release; `None` where it is none of ours.
pub fn own_schema(fingerprint: u64) -> Option<&'static Arc<WriterSchema>> {
    avro::known(fingerprint)
}

/// What a reference means: what the archive says, else, by its fingerprint, one of ours. No registry can give one of ours
/// another meaning; it can only make it ambiguous.
pub(crate) fn resolve(schemas: &dyn WriterSchemas, reference: &SchemaRef) -> Resolved {
    match (schemas.resolve(reference), reference) {
        (Resolved::Unknown, SchemaRef::Fingerprint(fingerprint)) => own_schema(*fingerprint).cloned().into(),
        (resolved, _) => resolved,
    }
}

/// Why a value can not be read whose schema may be one of several.
pub(crate) fn ambiguous(reference: &SchemaRef) -> Rejection {
    Rejection::new(
        rule::AMBIGUOUS_SCHEMA,
        format!(
            "{reference} is more than one schema here, and they read times or numbers differently: send the value in \
             Confluent's framing, whose ids are not ambiguous"
        ),
    )
}

/// `AgentSeen` as `agent_seen`, which is left as it is.
fn snake_case(name: &str) -> String {
    let mut snake = String::with_capacity(name.len() + 4);
    for (i, c) in name.char_indices() {
        if c.is_ascii_uppercase() && i > 0 {
            snake.push('_');
        }
        snake.push(c.to_ascii_lowercase());
    }
    snake
}
