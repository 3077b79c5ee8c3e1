//! What a scan walks through, and what it gives.

use verdict_merkle::LeafIndex;
use verdict_schemas::{Kind, Outcome, Timestamp};

use crate::cut::Late;
use crate::tables::Table;
use crate::views::CitedVersion;
use crate::views::ViewId;
use crate::views::keys::{H16, Key, h16, h16_reports, h16_typed, h16_version_of};

/// What to walk through.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Index {
    /// Every record that counts.
    Time,
    /// The decisions of an actor.
    Actor {
        /// `actor.type`
        r#type: String,
        /// `actor.id`
        id: String,
    },
    /// The decisions about a resource.
    Resource {
        /// `resource.type`
        r#type: String,
        /// `resource.id`
        id: String,
    },
    /// What an agent reported and decided. A decision that names no agent is its source's (E7).
    Agent(String),
    /// The decisions that cite any of these versions ([`crate::Snapshot::versions_cited`] finds them).
    Versions(Vec<CitedVersion>),
    /// Every event of a kind; not decisions and `agent_seen`, which [`Index::Time`] has.
    Kind(Kind),
    /// Changes of an object.
    Object {
        /// Its kind.
        kind: String,
        /// Its id.
        id: String,
    },
    /// What reconciliation reports about an object.
    Reports {
        /// Its kind.
        kind: String,
        /// Its id.
        id: String,
    },
}

/// Moments `[from, until)`; `None`: unbounded.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct TimeRange {
    /// The first.
    pub from: Option<Timestamp>,
    /// The first that is no longer within: half-open like every interval of the rules (E1).
    pub until: Option<Timestamp>,
}

/// Which way.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Order {
    /// The latest first.
    #[default]
    NewestFirst,
    /// The earliest first.
    OldestFirst,
}

/// A row of an index.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Entry {
    /// When the event acts (E5).
    pub f: Timestamp,
    /// The record.
    pub index: LeafIndex,
    /// Its kind.
    pub kind: Kind,
    /// Of a decision, its outcome.
    pub outcome: Option<Outcome>,
    /// The step by which it was understood, if it was not when it came.
    pub(crate) late: Option<Late>,
}

impl Entry {
    /// Where a scan goes on behind this entry.
    pub fn position(&self) -> (Timestamp, LeafIndex) {
        (self.f, self.index)
    }
}

impl Index {
    /// The ranges to join: each a table and the prefix of its keys.
    pub(super) fn prefixes(&self, view: ViewId) -> Vec<(Table, Key)> {
        let named = |table, name: H16| (table, Key::view(view).with(&name));
        match self {
            Self::Time => vec![(Table::Time, Key::view(view))],
            Self::Actor { r#type, id } => vec![named(Table::Actor, h16_typed(r#type, id))],
            Self::Resource { r#type, id } => vec![named(Table::Resource, h16_typed(r#type, id))],
            Self::Agent(agent) => vec![named(Table::Agent, h16(agent))],
            Self::Object { kind, id } => vec![named(Table::Object, h16_typed(kind, id))],
            Self::Reports { kind, id } => vec![named(Table::Object, h16_reports(kind, id))],
            Self::Kind(kind) => vec![(Table::Kind, Key::view(view).with(&[*kind as u8]))],
            Self::Versions(versions) => {
                let mut names: Vec<H16> = versions.iter().map(hash_of).collect();
                names.sort_unstable();
                names.dedup();
                names.into_iter().map(|name| named(Table::Version, name)).collect()
            }
        }
    }
}

/// (kind, outcome, when it was understood late) as index rows have them; `beside` more bytes stand before the last.
pub(super) fn read_note(note: &[u8], beside: usize) -> Option<(Kind, Option<Outcome>, Option<Late>)> {
    let [kind, outcome, rest @ ..] = note else { return None };
    let late = match rest.get(beside..)? {
        [] => None,
        late => Some(Late::decode(late.try_into().ok()?)),
    };
    let known = Kind::ALL
        .into_iter()
        .find(|known| *known as u8 == *kind)
        .unwrap_or(Kind::Unknown);
    let outcome = match outcome {
        1 => Some(Outcome::Allow),
        2 => Some(Outcome::Deny),
        3 => Some(Outcome::NotApplicable),
        4 => Some(Outcome::Indeterminate),
        _ => None,
    };
    Some((known, outcome, late))
}

fn hash_of(cited: &CitedVersion) -> H16 {
    h16_version_of(
        cited.environment.as_str(),
        &cited.scope,
        cited.policy.as_str(),
        cited.version.as_str(),
    )
}
