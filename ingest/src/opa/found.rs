//! What is looked for in a decision event, and where it was found.

use std::borrow::Cow;

use serde_json::value::RawValue;

/// An actor or a resource.
#[derive(Clone, Debug)]
pub(crate) struct Named<'a> {
    pub(crate) kind: Cow<'a, str>,
    pub(crate) id: Cow<'a, str>,
    /// The whole object, where it is one.
    pub(crate) properties: Option<Cow<'a, RawValue>>,
}

/// Something found, and by which pointer.
#[derive(Clone, Debug)]
pub(crate) struct Found<T> {
    pub(crate) value: T,
    pub(crate) by: String,
}
