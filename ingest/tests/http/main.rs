//! The HTTP intake as its senders meet it: a real store in a folder of its own, requests through the real router.
#![expect(clippy::unwrap_used, clippy::panic, reason = "a test may stop at the first surprise")]

mod access;
mod bad_input;
mod bindings;
mod bounds;
mod intake;
mod opa;
mod opa_bundles;
mod opa_shapes;
mod opa_uploads;
mod properties;
mod support;
