//! Why a value is malformed: a stable rule, the exact field, one sentence.
//!
//! A rejection is data, not a failure of the program: the record stays in the log as a leaf like any other, and the
//! view marks it with this (bad input never stops the stream, and is never dropped).

use std::fmt;

use crate::rule::Rule;

/// Why a value is not a well-formed event.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Rejection {
    /// Which rule it breaks.
    pub rule: Rule,
    /// JSON Pointer into the event, such as `/body/active/0/version`; `None` where the value as a whole is meant.
    pub field: Option<String>,
    /// One sentence for people, which another release may word otherwise: no row keeps it.
    pub detail: String,
}

impl Rejection {
    /// A rejection of the value at hand; whoever holds that value adds where it is.
    pub fn new(rule: Rule, detail: impl Into<String>) -> Self {
        Self {
            rule,
            field: None,
            detail: detail.into(),
        }
    }

    /// A rejection that names its field by JSON Pointer.
    pub fn at(rule: Rule, pointer: impl Into<String>, detail: impl Into<String>) -> Self {
        Self {
            rule,
            field: Some(pointer.into()),
            detail: detail.into(),
        }
    }

    /// The same, seen from one level further out: `segment` is put before the field. So the path costs nothing
    /// until something is wrong.
    #[must_use]
    pub(crate) fn under(mut self, segment: impl fmt::Display) -> Self {
        let segment = segment.to_string().replace('~', "~0").replace('/', "~1");
        let field = self.field.get_or_insert_with(String::new);
        field.insert_str(0, &segment);
        field.insert(0, '/');
        self
    }
}

impl fmt::Display for Rejection {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some(field) = &self.field {
            write!(f, "`{field}`: ")?;
        }
        write!(f, "{} ({})", self.detail, self.rule)
    }
}

impl std::error::Error for Rejection {}

/// The first characters of a text, for a message that must not repeat megabytes.
pub(crate) fn shown(text: &str) -> String {
    match text.char_indices().nth(64) {
        Some((end, _)) => format!("{}...", &text[..end]),
        None => text.to_owned(),
    }
}
