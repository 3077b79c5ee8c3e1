//! Flags: what is to be said of a record that is not a plain event that counts. `v_flag` has a row for those only.
//!
//! ```text
//! value   tag u8 | fields      1 malformed: rule u8, field?               2 duplicate: index     3 conflict: index
//!                              4 awaiting schema: reference               5 unrouted: u8 why     6 unknown kind: name
//!                              7 no append time                           9 passed over
//!                             10 instance bound: 1 `active` or 2 `policies` u8, first, entries (varints)
//!                              8 awaiting schema and understood late: step, passed, reference behind its length, then
//!                                the flag that it has since, if any
//! reference   tag u8 | 1 Confluent id, 2 fingerprint: u64        3 GUID: 16 bytes
//! ```
//!
//! Of a rule the row has its number. The sentence that goes with it is no row's: it may quote a library, whose next release
//! says it otherwise. Whoever shows it interprets the record again.

use verdict_merkle::LeafIndex;
use verdict_schemas::{Rejection, Rule, SchemaRef};

use crate::cut::{Late, LogCut};
use crate::incoming::RouteFlag;
use crate::layout::{Damaged, Reader, put_bytes, put_optional, put_varint};

/// Why a record is not a plain event that counts.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Flag {
    /// It is no well-formed event, or not one of this log (SEMANTICS, "Malformed").
    Malformed {
        /// Which rule it breaks.
        rule: Rule,
        /// JSON Pointer into the event; `None` where the value as a whole is meant.
        field: Option<String>,
    },
    /// The same event with the same bytes came before (E4).
    Duplicate {
        /// The record that counts.
        of: LeafIndex,
    },
    /// The same event with other bytes came before: the finding `event_conflict` (E4).
    Conflict {
        /// The record that counts.
        of: LeafIndex,
    },
    /// It can not be read before the schema that its writer used is known.
    AwaitingSchema {
        /// The schema.
        reference: SchemaRef,
    },
    /// It is in an `_unrouted` log: shown, never interpreted further.
    Unrouted {
        /// Why it was not routed; `None` where the record does not say.
        reason: Option<RouteFlag>,
    },
    /// A well-formed event of a kind that this release does not know: kept, never judged.
    UnknownKind {
        /// The kind it names.
        kind: String,
    },
    /// Neither the broker nor the intake stamped it: its time is its emitter's, or it has none. It counts, recorded at the
    /// last time that the broker gave in its partition.
    NoAppendTime,
    /// Making rows of it breaks the code of a view: a fault of this release, not of the record. Nothing else is made of it
    /// before a release that can.
    PassedOver,
    /// It counts, but its instance is observed in as many series of its environment as one may be: what it says of others
    /// is no observation (E9).
    InstanceBound {
        /// The list that says it.
        list: Entries,
        /// Position in it of the first entry that is no observation.
        first: u32,
        /// How many there are.
        entries: u32,
    },
}

/// The list of an event whose entries are observations.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Entries {
    /// `active[]` of an `agent_seen`.
    Active,
    /// `policies[]` of a `decision`.
    Policies,
}

impl Entries {
    /// JSON Pointer to one of its entries in the event.
    pub fn pointer(self, position: u32) -> String {
        let list = match self {
            Self::Active => "active",
            Self::Policies => "policies",
        };
        format!("/body/{list}/{position}")
    }
}

impl From<Rejection> for Flag {
    fn from(rejection: Rejection) -> Self {
        Self::Malformed {
            rule: rejection.rule,
            field: rejection.field,
        }
    }
}

impl Flag {
    /// The name of the flag, as answers and metrics have it.
    pub fn as_str(&self) -> &'static str {
        match self {
            Self::Malformed { .. } => "malformed",
            Self::Duplicate { .. } => "duplicate",
            Self::Conflict { .. } => "event_conflict",
            Self::AwaitingSchema { .. } => "awaiting_schema",
            Self::Unrouted { .. } => "unrouted",
            Self::UnknownKind { .. } => "unknown_kind",
            Self::NoAppendTime => "no_append_time",
            Self::PassedOver => "passed_over",
            Self::InstanceBound { .. } => "instance_bound",
        }
    }

    /// Does the record count all the same: is it indexed and folded (E4)?
    pub fn counts(&self) -> bool {
        matches!(
            self,
            Self::UnknownKind { .. } | Self::NoAppendTime | Self::InstanceBound { .. }
        )
    }

    pub(crate) fn encode(&self) -> Vec<u8> {
        let mut out = Vec::with_capacity(16);
        match self {
            Self::Malformed { rule, field } => {
                out.extend_from_slice(&[1, rule.number()]);
                put_optional(&mut out, field.as_ref().map(String::as_bytes));
            }
            Self::Duplicate { of } => {
                out.push(2);
                put_varint(&mut out, of.0);
            }
            Self::Conflict { of } => {
                out.push(3);
                put_varint(&mut out, of.0);
            }
            Self::AwaitingSchema { reference } => {
                out.push(4);
                out.extend_from_slice(&encode_reference(reference));
            }
            Self::Unrouted { reason } => out.extend_from_slice(&[5, reason.map_or(0, route_code)]),
            Self::UnknownKind { kind } => {
                out.push(6);
                put_bytes(&mut out, kind.as_bytes());
            }
            Self::NoAppendTime => out.push(7),
            Self::PassedOver => out.push(9),
            Self::InstanceBound { list, first, entries } => {
                let list = match list {
                    Entries::Active => 1,
                    Entries::Policies => 2,
                };
                out.extend_from_slice(&[10, list]);
                put_varint(&mut out, u64::from(*first));
                put_varint(&mut out, u64::from(*entries));
            }
        }
        out
    }

    pub(crate) fn decode(bytes: &[u8]) -> Result<Self, Damaged> {
        let mut reader = Reader::new(bytes);
        let flag = match reader.u8()? {
            1 => {
                let rule = Rule::of_number(reader.u8()?).ok_or(Damaged("no rule of this release has this number"))?;
                let field = match reader.optional()? {
                    None => None,
                    Some(field) => {
                        Some(String::from_utf8(field.to_vec()).map_err(|_| Damaged("a field is not UTF-8"))?)
                    }
                };
                Self::Malformed { rule, field }
            }
            2 => Self::Duplicate {
                of: LeafIndex(reader.varint()?),
            },
            3 => Self::Conflict {
                of: LeafIndex(reader.varint()?),
            },
            4 => Self::AwaitingSchema {
                reference: read_reference(reader.take(reader.left() as u64)?)?,
            },
            5 => Self::Unrouted {
                reason: route_of(reader.u8()?)?,
            },
            6 => Self::UnknownKind {
                kind: reader.text()?.to_owned(),
            },
            7 => Self::NoAppendTime,
            9 => Self::PassedOver,
            10 => {
                let list = match reader.u8()? {
                    1 => Entries::Active,
                    2 => Entries::Policies,
                    _ => return Err(Damaged("no list of entries has this number")),
                };
                let mut number = || u32::try_from(reader.varint()?).map_err(|_| Damaged("no list has so many entries"));
                let (first, entries) = (number()?, number()?);
                Self::InstanceBound { list, first, entries }
            }
            _ => return Err(Damaged("no flag has this tag")),
        };
        reader.end()?;
        Ok(flag)
    }
}

fn route_code(reason: RouteFlag) -> u8 {
    match reason {
        RouteFlag::WrongPartition => 1,
        RouteFlag::InvalidTenant => 2,
        RouteFlag::NoKey => 3,
    }
}

fn route_of(code: u8) -> Result<Option<RouteFlag>, Damaged> {
    Ok(match code {
        0 => None,
        1 => Some(RouteFlag::WrongPartition),
        2 => Some(RouteFlag::InvalidTenant),
        3 => Some(RouteFlag::NoKey),
        _ => return Err(Damaged("no reason has this code")),
    })
}

/// What is said of a record in a cut: its flag from the beginning, or the one since it was understood late.
pub(crate) fn decode_at(bytes: &[u8], cut: LogCut) -> Result<Option<Flag>, Damaged> {
    let mut reader = Reader::new(bytes);
    if bytes.first() != Some(&UNDERSTOOD) {
        return Flag::decode(bytes).map(Some);
    }
    reader.u8()?;
    let late = Late::decode(&reader.array()?);
    let reference = read_reference(reader.bytes()?)?;
    let since = reader.take(reader.left() as u64)?;
    if late.step >= cut.steps() {
        return Ok(Some(Flag::AwaitingSchema { reference }));
    }
    if since.is_empty() {
        Ok(None)
    } else {
        Flag::decode(since).map(Some)
    }
}

/// The row of a record that waited for a schema and was understood late; `since` is what is said of it then.
pub(crate) fn encode_understood(reference: &SchemaRef, late: Late, since: Option<&Flag>) -> Vec<u8> {
    let mut out = vec![UNDERSTOOD];
    out.extend_from_slice(&late.encode());
    put_bytes(&mut out, &encode_reference(reference));
    out.extend(since.map(Flag::encode).unwrap_or_default());
    out
}

const UNDERSTOOD: u8 = 8;

/// A reference to a schema, as keys and values have it: no one is the beginning of another.
pub(crate) fn encode_reference(reference: &SchemaRef) -> Vec<u8> {
    let mut out = Vec::with_capacity(17);
    match reference {
        SchemaRef::Confluent(id) => {
            out.push(1);
            out.extend_from_slice(&u64::from(*id).to_be_bytes());
        }
        SchemaRef::Fingerprint(fingerprint) => {
            out.push(2);
            out.extend_from_slice(&fingerprint.to_be_bytes());
        }
        SchemaRef::Guid(guid) => {
            out.push(3);
            out.extend_from_slice(guid);
        }
    }
    out
}

/// What [`encode_reference`] wrote.
pub(crate) fn read_reference(bytes: &[u8]) -> Result<SchemaRef, Damaged> {
    let mut reader = Reader::new(bytes);
    let reference = match reader.u8()? {
        1 => u32::try_from(u64::from_be_bytes(reader.array()?))
            .map(SchemaRef::Confluent)
            .map_err(|_| Damaged("no schema id is that large")),
        2 => Ok(SchemaRef::Fingerprint(u64::from_be_bytes(reader.array()?))),
        3 => Ok(SchemaRef::Guid(reader.array()?)),
        _ => Err(Damaged("no reference to a schema has this tag")),
    }?;
    reader.end()?;
    Ok(reference)
}

#[cfg(test)]
mod tests {
    use verdict_schemas::rule;

    use super::*;

    /// What a dependency says of a value is in no row: `audit` would find another one after its next release.
    #[test]
    fn what_is_malformed_is_kept_as_a_number_and_a_field() {
        let flag = Flag::from(Rejection::at(
            rule::WRONG_TYPE,
            "/a",
            "expected `,` or `}` at line 1 column 7",
        ));
        assert_eq!(flag.encode(), [1, 2, 3, b'/', b'a']);
        let flag = Flag::from(Rejection::new(rule::INVALID_JSON, "expected value at line 1 column 1"));
        assert_eq!(flag.encode(), [1, 22, 0]);
    }

    #[test]
    fn flags_read_back_as_written_and_damage_is_an_error() {
        let text = |text: &str| text.to_owned();
        for flag in [
            Flag::Malformed {
                rule: rule::MISSING_FIELD,
                field: Some(text("/meta/größer")),
            },
            Flag::Malformed {
                rule: rule::INVALID_JSON,
                field: None,
            },
            Flag::Duplicate { of: LeafIndex(7) },
            Flag::Conflict {
                of: LeafIndex(u64::MAX),
            },
            Flag::AwaitingSchema {
                reference: SchemaRef::Confluent(12),
            },
            Flag::AwaitingSchema {
                reference: SchemaRef::Fingerprint(u64::MAX),
            },
            Flag::AwaitingSchema {
                reference: SchemaRef::Guid([7; 16]),
            },
            Flag::NoAppendTime,
            Flag::PassedOver,
            Flag::InstanceBound {
                list: Entries::Active,
                first: 0,
                entries: 1,
            },
            Flag::InstanceBound {
                list: Entries::Policies,
                first: 300,
                entries: u32::MAX,
            },
            Flag::Unrouted {
                reason: Some(RouteFlag::NoKey),
            },
            Flag::Unrouted { reason: None },
            Flag::UnknownKind { kind: text("weather") },
        ] {
            let bytes = flag.encode();
            assert_eq!(Flag::decode(&bytes).unwrap(), flag);
            assert!(Flag::decode(&bytes[..bytes.len() - 1]).is_err(), "{flag:?}");
        }
        assert!(Flag::decode(&[99]).is_err());
        // Of a rule of a later release.
        assert!(Flag::decode(&[1, u8::MAX, 0]).is_err());
    }
}
