//! Why a value is malformed: a stable rule, the exact field, one sentence.
//!
//! A rejection is data, not a failure of the program: the record stays in the log as a leaf like any other, and the
//! view marks it with this (bad input never stops the stream, and is never dropped).

use std::fmt;

/// Why a value is not a well-formed event.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Rejection {
    /// Stable `snake_case` code, one of [`rule`].
    pub rule: &'static str,
    /// JSON Pointer into the event, such as `/body/active/0/version`; `None` where the value as a whole is meant.
    pub field: Option<String>,
    /// One sentence for people.
    pub detail: String,
}

/// The codes of [`Rejection::rule`]. A code once released keeps its meaning.
pub mod rule {
    /// A required field is absent or null.
    pub const MISSING_FIELD: &str = "missing_field";
    /// A value of another type than the field's.
    pub const WRONG_TYPE: &str = "wrong_type";
    /// A number, time or collection outside the range that the rules give it.
    pub const OUT_OF_RANGE: &str = "out_of_range";
    /// A word that is none of a closed set.
    pub const UNKNOWN_VALUE: &str = "unknown_value";
    /// Not RFC 3339.
    pub const INVALID_TIME: &str = "invalid_time";
    /// Not a hyphenated UUID.
    pub const INVALID_UUID: &str = "invalid_uuid";
    /// Not `sha256:` and 64 lower-case hex digits.
    pub const INVALID_DIGEST: &str = "invalid_digest";
    /// Not a tenant's name.
    pub const INVALID_TENANT: &str = "invalid_tenant";
    /// The environment `*` where only one environment makes sense.
    pub const WILDCARD_ENVIRONMENT: &str = "wildcard_environment";
    /// A scope of the tenant `_platform`.
    pub const PLATFORM_SCOPE: &str = "platform_scope";
    /// A scope of a layer that is not allowed here.
    pub const WRONG_LAYER: &str = "wrong_layer";
    /// `meta.tenant` is not the log's (E2).
    pub const TENANT_MISMATCH: &str = "tenant_mismatch";
    /// Intent in another log than that of its scope (E2).
    pub const SCOPE_NOT_IN_LOG: &str = "scope_not_in_log";
    /// An observation that names a scope of another tenant (E2).
    pub const FOREIGN_SCOPE: &str = "foreign_scope";
    /// An observation in `_platform`, which holds intent only.
    pub const OBSERVATION_IN_PLATFORM: &str = "observation_in_platform";
    /// The value names its schema by a fingerprint that several schemas share.
    pub const AMBIGUOUS_SCHEMA: &str = "ambiguous_schema";
    /// One key twice in an object that is interpreted.
    pub const DUPLICATE_KEY: &str = "duplicate_key";
    /// Bytes after the end of the event.
    pub const TRAILING_BYTES: &str = "trailing_bytes";
    /// The value ends before the event does.
    pub const TRUNCATED: &str = "truncated";
    /// Bytes that are not UTF-8 where text is expected.
    pub const NOT_UTF8: &str = "not_utf8";
    /// JSON nested deeper than its readers go.
    pub const TOO_DEEP: &str = "too_deep";
    /// Not JSON.
    pub const INVALID_JSON: &str = "invalid_json";
    /// Not what the Avro schema says.
    pub const INVALID_AVRO: &str = "invalid_avro";
    /// Neither the content type nor the first bytes name an encoding that is understood.
    pub const UNKNOWN_ENCODING: &str = "unknown_encoding";
    /// Written by a schema that the registry says is not Avro.
    pub const UNSUPPORTED_SCHEMA: &str = "unsupported_schema";
}

impl Rejection {
    /// A rejection of the value at hand; whoever holds that value adds where it is.
    pub fn new(rule: &'static str, detail: impl Into<String>) -> Self {
        Self {
            rule,
            field: None,
            detail: detail.into(),
        }
    }

    /// A rejection that names its field by JSON Pointer.
    pub fn at(rule: &'static str, pointer: impl Into<String>, detail: impl Into<String>) -> Self {
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
