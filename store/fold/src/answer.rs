//! What is answered: the structures of the contract, field by field in its order (docs/http-api.md; E18, E19, E24 to
//! E26). A field that the contract marks `?` is left out when it has no value; every other is there, null if need be (E6).

mod range;

use serde::{Serialize, Serializer};
use verdict_schemas::{
    Combining, Digest, EventId, ExceptionEffect, Json, Labels, PolicyName, RolloutId, Scope, TenantId, Timestamp,
    Version,
};

use crate::RecordRef;
use crate::intent::{CombiningForm, EffectForm};

pub use self::range::{Comparison, ExceptionDifference, PolicyDifference, Run};

/// The part of `effective` that the fold answers.
#[derive(Clone, Debug, Serialize)]
pub struct Effective {
    /// What is in force, as one digest (E23).
    pub set_digest: Digest,
    /// By layer, then by policy (E21).
    pub policies: Vec<PolicyEntry>,
    /// Exceptions in force for the workload asked (E25), by id; empty where none was asked.
    pub exceptions: Vec<ExceptionEntry>,
}

/// One (scope, policy) at a moment.
#[derive(Clone, PartialEq, Eq, Debug, Serialize)]
pub struct PolicyEntry {
    /// Scope.
    #[serde(with = "crate::scope_json")]
    pub scope: Scope,
    /// Policy.
    pub policy: PolicyName,
    /// The version in effect (E14); null: nothing.
    pub version: Option<Version>,
    /// Of its publication in the cut (E23).
    #[serde(skip_serializing_if = "Option::is_none")]
    pub digest: Option<Digest>,
    /// State (E15).
    pub state: State,
    /// When the version last became this one; null: always so (E16).
    pub since: Option<Timestamp>,
    /// Beginning of the run of equal (state, version, desired, top rollout) (E16).
    pub state_since: Option<Timestamp>,
    /// The first later instant up to `known_at` at which the version is another (E16).
    pub until: Option<Timestamp>,
    /// Certainty (E17).
    pub certainty: Certainty,
    /// The last decision that cites the version (E17).
    #[serde(skip_serializing_if = "Option::is_none")]
    pub last_exercised: Option<Timestamp>,
    /// What the top asks for (E11).
    #[serde(skip_serializing_if = "Option::is_none")]
    pub desired: Option<Version>,
    /// When the top last became so (E11).
    #[serde(skip_serializing_if = "Option::is_none")]
    pub desired_since: Option<Timestamp>,
    /// The top.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub rollout_id: Option<RolloutId>,
    /// What a decision may rely on (E20).
    #[serde(skip_serializing_if = "Option::is_none")]
    pub admissible: Option<Vec<Version>>,
    /// Progress of what is desired (E18).
    pub applied: Applied,
    /// Who runs what (E18).
    pub distribution: Vec<Share>,
    /// Open partials (E19).
    pub partials: Vec<PartialEntry>,
    /// How the version combines (E22).
    #[serde(with = "CombiningForm")]
    pub combining: Combining,
    /// The scope of the most specific version that overrides this one (E22).
    #[serde(
        skip_serializing_if = "Option::is_none",
        serialize_with = "crate::scope_json::serialize_option"
    )]
    pub overridden_by: Option<Scope>,
    /// The records this rests on (E26).
    pub evidence: Vec<EvidenceRef>,
    /// How many more members gave evidence (E26).
    #[serde(skip_serializing_if = "Option::is_none")]
    pub evidence_more: Option<u64>,
}

/// State (E15).
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum State {
    /// Nothing observed yet.
    Unobserved,
    /// What is desired was reached and is so, or nothing is desired.
    Effective,
    /// What is desired is not reached, within its window.
    Converging,
    /// What is desired is not reached, past its window.
    Overdue,
    /// What is desired was reached, and lost.
    Drifted,
}

/// Certainty (E17).
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Certainty {
    /// A majority runs it now.
    Observed,
    /// No version has the majority, though most are live.
    Split,
    /// Too few are live to say.
    Lapsed,
    /// Never observed; desired.
    Declared,
    /// Never observed, nothing desired.
    None,
}

/// Progress of what is desired (E18).
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize)]
pub struct Applied {
    /// Live ones that run it.
    pub have: u64,
    /// How many its quorum takes (E12).
    pub need: u64,
    /// Live ones.
    pub live: u64,
    /// Silent ones.
    pub silent: u64,
}

/// Members that run one version.
#[derive(Clone, PartialEq, Eq, Debug, Serialize)]
pub struct Share {
    /// The version; null: nothing.
    pub version: Option<Version>,
    /// Live ones.
    pub live: u64,
    /// Silent ones.
    pub silent: u64,
}

/// An open partial (E19).
#[derive(Clone, PartialEq, Eq, Debug, Serialize)]
pub struct PartialEntry {
    /// Rollout.
    pub rollout_id: RolloutId,
    /// The version asked for.
    pub to_version: Version,
    /// Whose.
    pub target: Target,
    /// Its state.
    pub state: PartialState,
    /// Its a.
    pub since: Timestamp,
    /// Live ones in it that run its version.
    pub have: u64,
    /// How many its quorum takes.
    pub need: u64,
    /// Live ones in it.
    pub live: u64,
    /// Silent ones in it.
    pub silent: u64,
}

/// Whom a partial selects.
#[derive(Clone, PartialEq, Eq, Debug, Serialize)]
pub struct Target {
    /// Labels, all of which must match.
    pub labels: Labels,
}

/// State of a partial (E19).
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum PartialState {
    /// Its quorum held once.
    Reached,
    /// It has not, within the window.
    Converging,
    /// It has not, past the window.
    Overdue,
}

/// A record that a statement rests on (E26).
#[derive(Clone, PartialEq, Eq, Debug, Serialize)]
pub struct EvidenceRef {
    /// Its log.
    pub tenant: TenantId,
    /// Its index there.
    pub index: u64,
    /// Its event id.
    pub event_id: EventId,
    /// Its kind.
    pub kind: &'static str,
}

impl EvidenceRef {
    pub(crate) fn new(tenant: &TenantId, record: RecordRef) -> Self {
        Self {
            tenant: tenant.clone(),
            index: record.index,
            event_id: record.event_id,
            kind: record.kind.as_str(),
        }
    }
}

/// An exception in force (E25).
#[derive(Clone, Debug, Serialize)]
pub struct ExceptionEntry {
    /// Id of the object.
    pub id: String,
    /// The event's `version`.
    pub object_version: String,
    /// Of the workload layer.
    #[serde(with = "crate::scope_json")]
    pub scope: Scope,
    /// Policy.
    pub policy: PolicyName,
    /// Effect.
    #[serde(with = "EffectForm")]
    pub effect: ExceptionEffect,
    /// The version that replaces.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub version: Option<Version>,
    /// Who approved, verbatim.
    pub approver: Json,
    /// Why.
    pub reason: String,
    /// In force from.
    pub valid_from: Timestamp,
    /// In force until.
    pub valid_until: Timestamp,
    /// Its `object_changed`.
    pub evidence: Vec<EvidenceRef>,
}

impl PartialEq for ExceptionEntry {
    /// Equal in every field; the approver as written.
    fn eq(&self, other: &Self) -> bool {
        let all = |entry: &Self| {
            let Self {
                id,
                object_version,
                scope,
                policy,
                effect,
                version,
                ..
            } = entry.clone();
            let Self {
                approver,
                reason,
                valid_from,
                valid_until,
                evidence,
                ..
            } = entry.clone();
            let document = (scope, policy, effect, version, approver.get().to_owned(), reason);
            (id, object_version, document, valid_from, valid_until, evidence)
        };
        all(self) == all(other)
    }
}

/// The name of a state, as printed.
impl State {
    /// As in the contract.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Unobserved => "unobserved",
            Self::Effective => "effective",
            Self::Converging => "converging",
            Self::Overdue => "overdue",
            Self::Drifted => "drifted",
        }
    }
}

/// Serialises a scope through a reference; for structures elsewhere that hold one.
pub struct ScopeForm<'a>(
    /// The scope.
    pub &'a Scope,
);

impl Serialize for ScopeForm<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        crate::scope_json::serialize(self.0, serializer)
    }
}
