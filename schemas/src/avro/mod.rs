//! Avro: the `.avsc` files are the source of truth for what is recorded; this reads and writes by them.
//!
//! Values arrive from anyone, and apache-avro's `Value` decoder accepts truncated data (up to 0.22), its serde path
//! does not resolve schemas. So apache-avro parses schemas and names them (canonical form, fingerprint), and a datum is
//! read by a small reader of our own that the writer's schema drives: it borrows, it refuses every truncation and
//! every left-over byte, and it allocates no more than the datum can hold. Matching fields by name afterwards
//! (`validate`) is all the schema resolution that unknown writers need; property tests hold the reader to apache-avro.

mod compile;
mod read;
mod released;
mod whole;
mod write;

pub(crate) use compile::{Compiled, Type};
pub(crate) use read::Input;
pub use released::{avro_schema, fingerprint};
pub(crate) use released::{current, known};
pub(crate) use whole::whole;
pub use write::{encode_avro, encode_confluent, encode_single_object};
