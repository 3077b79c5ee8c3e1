//! What is recorded: the eleven kinds of events, their ids, their Avro and JSON forms, and what makes one malformed.
//! No IO here.

mod avro;
mod check_log;
mod digest;
mod encoding;
mod event;
mod from_event;
mod ids;
mod interpret;
mod json_form;
mod project;
mod rejection;
pub mod rule;
mod scope;
mod time;
mod trace;
mod tree;
mod validate;
mod writer_schemas;

pub use avro::{avro_schema, encode_avro, encode_confluent, encode_single_object, fingerprint};
pub use check_log::check_log;
pub use digest::{Digest, InvalidDigest};
pub use encoding::{Framing, SCHEMA_ID_HEADER, schema_of};
pub use event::*;
pub use ids::*;
pub use interpret::{Interpretation, interpret};
pub use json_form::{json_form, to_json};
pub use project::{Cited, DecisionProjection, Projection, ScopeRef, project};
pub use rejection::Rejection;
pub use rule::Rule;
pub use scope::{EnvironmentPattern, Layer, Scope};
pub use time::{InvalidTime, Timestamp};
pub use trace::normal_span;
pub use writer_schemas::{
    AsRecorded, InvalidSchema, KnownSchemas, Resolved, SchemaRef, WriterSchema, WriterSchemas, own_schema,
};
