//! One module per group of questions.

pub(crate) mod agents;
pub(crate) mod decisions;
pub(crate) mod effective;
pub(crate) mod events;
pub(crate) mod find;
pub(crate) mod names;
pub(crate) mod objects;
pub(crate) mod quarantine;
pub(crate) mod rollouts;
pub(crate) mod sources;
