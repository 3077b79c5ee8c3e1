//! Every observation as it came, by (f, index, position): for the sweep, where partials are open (E10, E19).
//!
//! ```text
//! value  what u8, event id (16 bytes), instance varint, step - index varint, then
//!        1 seen     lease_ms varint, labels varint, per entry: series, status, version, position (varints)
//!        2 cited    series varint, version varint
//!        3 retired  nothing
//! ```

use uuid::Uuid;
use verdict_schemas::{ActiveStatus, EventId};

use super::key::{Fields, Key, Tag, put_varint};
use super::space::Corrupt;
use super::tally::{NOTHING, VersionId};

const WHAT: &str = "facts";

/// An entry of `active[]`, interned.
#[derive(Clone, Copy, Debug)]
pub(super) struct Entry {
    pub(super) series: u32,
    pub(super) status: ActiveStatus,
    /// [`NOTHING`] if it names none.
    pub(super) version: VersionId,
    pub(super) position: u32,
}

/// What was observed, interned.
#[derive(Clone, Debug)]
pub(super) enum What {
    Seen {
        lease_ms: u64,
        labels: u32,
        entries: Vec<Entry>,
    },
    Cited {
        series: u32,
        version: VersionId,
    },
    Retired,
}

/// An observation, interned.
#[derive(Clone, Debug)]
pub(super) struct Fact {
    pub(super) f: u64,
    pub(super) index: u64,
    /// The step at which it was understood; never below the index.
    pub(super) step: u64,
    /// Did later records come before it? Known while it is applied, not kept.
    pub(super) late: bool,
    pub(super) position: u32,
    pub(super) event_id: EventId,
    pub(super) instance: u32,
    pub(super) what: What,
}

/// Where the facts with f in `[from, to]` stand.
pub(super) fn range(from: u64, to: u64) -> (Key, Key) {
    let facts = Key::new(Tag::Fact);
    (facts.u64(from), facts.u64(to).u64(u64::MAX).u32(u32::MAX).after())
}

fn status_number(status: ActiveStatus) -> u64 {
    match status {
        ActiveStatus::Applied => 1,
        ActiveStatus::Failed => 2,
        ActiveStatus::Removed => 3,
    }
}

impl Fact {
    pub(super) fn key(&self) -> Key {
        Key::new(Tag::Fact).u64(self.f).u64(self.index).u32(self.position)
    }

    pub(super) fn encode(&self) -> Vec<u8> {
        let what = match &self.what {
            What::Seen { .. } => 1,
            What::Cited { .. } => 2,
            What::Retired => 3,
        };
        let mut out = vec![what];
        out.extend_from_slice(self.event_id.0.as_bytes());
        put_varint(&mut out, u64::from(self.instance));
        put_varint(&mut out, self.step.saturating_sub(self.index));
        match &self.what {
            What::Seen {
                lease_ms,
                labels,
                entries,
            } => {
                put_varint(&mut out, *lease_ms);
                put_varint(&mut out, u64::from(*labels));
                for entry in entries {
                    put_varint(&mut out, u64::from(entry.series));
                    put_varint(&mut out, status_number(entry.status));
                    put_varint(&mut out, u64::from(entry.version));
                    put_varint(&mut out, u64::from(entry.position));
                }
            }
            What::Cited { series, version } => {
                put_varint(&mut out, u64::from(*series));
                put_varint(&mut out, u64::from(*version));
            }
            What::Retired => {}
        }
        out
    }

    /// The fact in a row.
    pub(super) fn decode(key: &[u8], value: &[u8]) -> Result<Self, Corrupt> {
        let mut place = Fields::of_key(key, WHAT);
        let (f, index, position) = (place.u64()?, place.u64()?, place.u32()?);
        let mut fields = Fields::new(value, WHAT);
        let what = fields.u8()?;
        let event_id = EventId(Uuid::from_bytes(fields.array()?));
        let instance = fields.varint_u32()?;
        let step = index.checked_add(fields.varint()?).ok_or(Corrupt(WHAT))?;
        let what = match what {
            1 => {
                let (lease_ms, labels) = (fields.varint()?, fields.varint_u32()?);
                let mut entries = Vec::new();
                while !fields.is_empty() {
                    entries.push(entry(&mut fields)?);
                }
                What::Seen {
                    lease_ms,
                    labels,
                    entries,
                }
            }
            2 => What::Cited {
                series: fields.varint_u32()?,
                version: fields.varint_u32()?,
            },
            3 => What::Retired,
            _ => return Err(Corrupt(WHAT)),
        };
        fields.end()?;
        Ok(Self {
            f,
            index,
            step,
            late: false,
            position,
            event_id,
            instance,
            what,
        })
    }
}

fn entry(fields: &mut Fields<'_>) -> Result<Entry, Corrupt> {
    let series = fields.varint_u32()?;
    let status = match fields.varint()? {
        1 => ActiveStatus::Applied,
        2 => ActiveStatus::Failed,
        3 => ActiveStatus::Removed,
        _ => return Err(Corrupt(WHAT)),
    };
    Ok(Entry {
        series,
        status,
        version: fields.varint_u32()?,
        position: fields.varint_u32()?,
    })
}

impl Entry {
    /// The version the instance runs from here on; `None` if what ran goes on.
    pub(super) fn gives(&self) -> Option<VersionId> {
        match self.status {
            ActiveStatus::Applied => Some(self.version),
            ActiveStatus::Removed => Some(NOTHING),
            ActiveStatus::Failed => None,
        }
    }
}
