//! Intent: what should be in effect. Rollouts, publications, objects, erasure.

use super::{Json, Labels, TypedId};
use crate::{Digest, PolicyName, RolloutId, Scope, Timestamp, Version};

/// Quorum of a rollout (E12).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Quorum {
    /// 1 to 100.
    pub percent: Option<u8>,
    /// From 1.
    pub min_agents: Option<u64>,
}

/// `rollout`
#[derive(Clone, Debug)]
pub struct Rollout {
    /// Id within the log.
    pub rollout_id: RolloutId,
    /// What happened to it.
    pub phase: Phase,
}

/// The phases of a rollout.
#[derive(Clone, Debug)]
pub enum Phase {
    /// Pushed.
    Started(Box<RolloutPlan>),
    /// Taken away.
    RolledBack {
        /// Why.
        reason: Option<String>,
    },
    /// Claimed complete; changes nothing (E11).
    Completed {
        /// Why.
        reason: Option<String>,
    },
}

/// What a `started` asks for.
#[derive(Clone, Debug)]
pub struct RolloutPlan {
    /// Scope.
    pub scope: Scope,
    /// Policy.
    pub policy: PolicyName,
    /// The version asked for.
    pub to_version: Version,
    /// From which.
    pub from_version: Option<Version>,
    /// When it acts (E11).
    pub activate_at: Option<Timestamp>,
    /// A claim; changes nothing.
    pub activation_condition: Option<Json>,
    /// Labels that select agents: makes it partial (E19). At least one.
    pub target: Option<Labels>,
    /// Quorum.
    pub quorum: Quorum,
    /// Window in milliseconds, 0 to 3650 days.
    pub max_inconsistency_ms: u64,
    /// `{signal, threshold, window_ms}`, any JSON.
    pub rollback_trigger: Option<Json>,
    /// Digest of the plan.
    pub plan_digest: Option<Digest>,
    /// Risk tier.
    pub risk_tier: Option<String>,
}

/// What kind of artifact.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub enum ArtifactKind {
    /// A policy bundle: the publication of a version.
    PolicyBundle,
    /// A template.
    Template,
    /// A rollout plan.
    RolloutPlan,
    /// Any other, as its emitter wrote it: the set is open.
    Other(String),
}

/// How a version combines with the less specific ones (E22).
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Default)]
pub enum Combining {
    /// All are in force.
    #[default]
    All,
    /// It overrides.
    Override,
}

/// `artifact_published`
#[derive(Clone, Debug)]
pub struct ArtifactPublished {
    /// Kind.
    pub artifact: ArtifactKind,
    /// Scope.
    pub scope: Scope,
    /// Policy.
    pub policy: PolicyName,
    /// Version.
    pub version: Version,
    /// SHA-256 of the bundle.
    pub digest: Digest,
    /// Parent.
    pub parent_version: Option<Version>,
    /// Engine (`rego`, `cedar`, `cerbos`, `other`).
    pub engine: Option<String>,
    /// Combining.
    pub combining: Combining,
    /// Signature, any JSON.
    pub signature: Option<Json>,
    /// Content, any JSON.
    pub content: Option<Json>,
    /// Where the content is.
    pub content_uri: Option<String>,
    /// Author: `human`, `service` or `model`.
    pub author: TypedId,
    /// Approvals.
    pub approvals: Vec<Approval>,
    /// Owner.
    pub owner: Option<String>,
    /// Risk tier.
    pub risk_tier: Option<String>,
}

/// An approval.
#[derive(Clone, Debug)]
pub struct Approval {
    /// By whom.
    pub by: TypedId,
    /// When.
    pub at: Option<Timestamp>,
}

/// The kind and id of an object.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ObjectName {
    /// Kind, such as `exception`.
    pub kind: String,
    /// Id within the kind.
    pub id: String,
}

/// `object_changed`
#[derive(Clone, Debug)]
pub struct ObjectChanged {
    /// Which.
    pub object: ObjectName,
    /// Version of the object.
    pub version: String,
    /// Immutable version id before; `None` = none.
    pub before: Option<String>,
    /// Immutable version id after; `None` = ended (E25).
    pub after: Option<String>,
    /// In force from.
    pub valid_from: Option<Timestamp>,
    /// In force until.
    pub valid_until: Option<Timestamp>,
    /// By whom.
    pub by: TypedId,
    /// Why.
    pub reason: Option<String>,
    /// The document, any JSON; not required of an ended object.
    pub document: Option<Json>,
    /// The document, understood, where the kind is `exception` and it is not ended.
    pub exception: Option<ExceptionDocument>,
}

/// What an exception does.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub enum ExceptionEffect {
    /// The policy does not apply.
    Suspend,
    /// Another version applies.
    Replace,
}

/// The document of an `exception`.
#[derive(Clone, Debug)]
pub struct ExceptionDocument {
    /// Always of the workload layer.
    pub scope: Scope,
    /// Policy.
    pub policy: PolicyName,
    /// Effect.
    pub effect: ExceptionEffect,
    /// The version that replaces.
    pub version: Option<Version>,
    /// Who approved, verbatim (a string or an object).
    pub approver: Json,
    /// Why.
    pub reason: String,
}
/// `subject_erased`
#[derive(Clone, Debug)]
pub struct SubjectErased {
    /// Who or what, any JSON.
    pub subject: Json,
    /// By whom.
    pub by: TypedId,
    /// Legal basis.
    pub legal_basis: String,
}
