//! What the whole-system tests stand on: real programs, started on free ports in folders of their own, and stopped when
//! dropped. Nothing here imitates anything: Kafka is Apache Kafka, OPA is OPA, the producers are kcat, Kafka's console
//! producer and Confluent's Python client.
//!
//! [`tools`] says where the programs lie; a missing one fails the test with the command that installs it, never skips it.

pub mod authority;
pub mod bundles;
pub mod clients;
pub mod events;
pub mod kafka;
pub mod node;
pub mod opa;
pub mod process;
pub mod registry;
pub mod server;
pub mod tools;
