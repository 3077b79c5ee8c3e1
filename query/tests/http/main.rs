//! The HTTP interface over a real store in a temporary directory, driven through the router itself.
#![expect(clippy::unwrap_used, clippy::panic, reason = "a test may stop at the first surprise")]

mod access;
mod as_of;
mod followers;
mod ids;
mod instance_bound;
mod intent;
mod lists;
mod problems;
mod received;
mod script;
mod sources;
mod support;
mod view_position;
mod worked_examples;
