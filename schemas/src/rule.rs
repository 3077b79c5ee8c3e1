//! The rules that a value can break: a closed catalogue of codes and numbers, both for ever.
//!
//! People and programs see the code; rows keep the number. A rule that goes out of use stays in the table, so that neither
//! is given to another.

use std::fmt;

/// A rule, as [`crate::Rejection::rule`] names it. A code once released keeps its meaning.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Rule {
    number: u8,
    code: &'static str,
}

impl Rule {
    /// The stable `snake_case` code.
    pub const fn as_str(self) -> &'static str {
        self.code
    }

    /// The number that rows keep.
    pub const fn number(self) -> u8 {
        self.number
    }

    /// The rule of a number; `None` where this release knows none, as of a later one.
    pub fn of_number(number: u8) -> Option<Self> {
        ALL.into_iter().find(|rule| rule.number == number)
    }
}

impl fmt::Display for Rule {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.code)
    }
}

impl fmt::Debug for Rule {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.code)
    }
}

impl PartialEq<str> for Rule {
    fn eq(&self, code: &str) -> bool {
        self.code == code
    }
}

impl PartialEq<&str> for Rule {
    fn eq(&self, code: &&str) -> bool {
        self.code == *code
    }
}

macro_rules! rules {
    ($($(#[$meaning:meta])* $number:literal $name:ident $code:literal,)*) => {
        $($(#[$meaning])* pub const $name: Rule = Rule { number: $number, code: $code };)*

        /// Every rule, in the order of numbers.
        pub const ALL: [Rule; [$($number),*].len()] = [$($name),*];
    };
}

rules! {
    /// A required field is absent or null.
    1 MISSING_FIELD "missing_field",
    /// A value of another type than the field's.
    2 WRONG_TYPE "wrong_type",
    /// A number, time or collection outside the range that the rules give it.
    3 OUT_OF_RANGE "out_of_range",
    /// A word that is none of a closed set.
    4 UNKNOWN_VALUE "unknown_value",
    /// Not RFC 3339.
    5 INVALID_TIME "invalid_time",
    /// Not a hyphenated UUID.
    6 INVALID_UUID "invalid_uuid",
    /// Not `sha256:` and 64 lower-case hex digits.
    7 INVALID_DIGEST "invalid_digest",
    /// Not a tenant's name.
    8 INVALID_TENANT "invalid_tenant",
    /// The environment `*` where only one environment makes sense.
    9 WILDCARD_ENVIRONMENT "wildcard_environment",
    /// A scope of the tenant `_platform`.
    10 PLATFORM_SCOPE "platform_scope",
    /// A scope of a layer that is not allowed here.
    11 WRONG_LAYER "wrong_layer",
    /// `meta.tenant` is not the log's (E2).
    12 TENANT_MISMATCH "tenant_mismatch",
    /// Intent in another log than that of its scope (E2).
    13 SCOPE_NOT_IN_LOG "scope_not_in_log",
    /// An observation that names a scope of another tenant (E2).
    14 FOREIGN_SCOPE "foreign_scope",
    /// An observation in `_platform`, which holds intent only.
    15 OBSERVATION_IN_PLATFORM "observation_in_platform",
    /// The value names its schema by a fingerprint that several schemas share.
    16 AMBIGUOUS_SCHEMA "ambiguous_schema",
    /// One key twice in an object that is interpreted.
    17 DUPLICATE_KEY "duplicate_key",
    /// Bytes after the end of the event.
    18 TRAILING_BYTES "trailing_bytes",
    /// The value ends before the event does.
    19 TRUNCATED "truncated",
    /// Bytes that are not UTF-8 where text is expected.
    20 NOT_UTF8 "not_utf8",
    /// JSON nested deeper than its readers go.
    21 TOO_DEEP "too_deep",
    /// Not JSON.
    22 INVALID_JSON "invalid_json",
    /// Not what the Avro schema says.
    23 INVALID_AVRO "invalid_avro",
    /// Neither the content type nor the first bytes name an encoding that is understood.
    24 UNKNOWN_ENCODING "unknown_encoding",
    /// Written by a schema that the registry says is not Avro.
    25 UNSUPPORTED_SCHEMA "unsupported_schema",
    // What only a door says, of what it does not take as it came: no record is flagged with these.
    /// More bytes than the door takes.
    26 TOO_LARGE "too_large",
    /// More events than the door takes at once.
    27 TOO_MANY "too_many",
    /// Compressed in a way that can not be undone.
    28 UNDECODABLE "undecodable",
    /// A report that our own form of it can not say.
    29 UNMAPPABLE "unmappable",
    /// A schema that is not known, where nothing waits for it.
    30 UNKNOWN_SCHEMA "unknown_schema",
    /// A kind that the caller may not send.
    31 NOT_ALLOWED "not_allowed",
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    /// The numbers as they stand in rows, and the codes as answers have them. A line may be added; none may change.
    const GIVEN: &str = "1 missing_field 2 wrong_type 3 out_of_range 4 unknown_value 5 invalid_time 6 invalid_uuid \
                         7 invalid_digest 8 invalid_tenant 9 wildcard_environment 10 platform_scope 11 wrong_layer \
                         12 tenant_mismatch 13 scope_not_in_log 14 foreign_scope 15 observation_in_platform \
                         16 ambiguous_schema 17 duplicate_key 18 trailing_bytes 19 truncated 20 not_utf8 21 too_deep \
                         22 invalid_json 23 invalid_avro 24 unknown_encoding 25 unsupported_schema 26 too_large 27 too_many 28 undecodable \
                         29 unmappable 30 unknown_schema 31 not_allowed";

    #[test]
    fn numbers_and_codes_stand_for_ever_and_once() {
        let given: Vec<String> = ALL.iter().map(|rule| format!("{} {rule}", rule.number())).collect();
        assert_eq!(given.join(" "), GIVEN);
        let codes: BTreeSet<&str> = ALL.iter().map(|rule| rule.as_str()).collect();
        assert_eq!(codes.len(), ALL.len());
        for rule in ALL {
            assert_eq!(Rule::of_number(rule.number()), Some(rule));
        }
        assert_eq!(Rule::of_number(0), None);
        assert_eq!(Rule::of_number(u8::MAX), None);
    }
}
