//! The answers over a range and between two moments (E24).

use serde::Serialize;
use verdict_schemas::{PolicyName, RolloutId, Scope, Timestamp, Version};

use super::{ExceptionEntry, PolicyEntry, State};

/// A run of `history` (E24).
#[derive(Clone, PartialEq, Eq, Debug, Serialize)]
pub struct Run {
    /// Scope.
    #[serde(with = "crate::scope_json")]
    pub scope: Scope,
    /// Policy.
    pub policy: PolicyName,
    /// State.
    pub state: State,
    /// Version; null: nothing.
    pub version: Option<Version>,
    /// What the top asks for.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub desired: Option<Version>,
    /// The top.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub rollout_id: Option<RolloutId>,
    /// Beginning; null: always so.
    pub since: Option<Timestamp>,
    /// End; null in the run at `known_at`.
    pub until: Option<Timestamp>,
}

/// The part of `compare` that the fold answers (E24).
#[derive(Clone, Debug, Serialize)]
pub struct Comparison {
    /// Policies that differ, in the order of E21.
    pub policies: Vec<PolicyDifference>,
    /// Exceptions that differ, by id.
    pub exceptions: Vec<ExceptionDifference>,
}

/// A policy that differs between two moments.
#[derive(Clone, Debug, Serialize)]
pub struct PolicyDifference {
    /// Scope.
    #[serde(with = "crate::scope_json")]
    pub scope: Scope,
    /// Policy.
    pub policy: PolicyName,
    /// As it was at `at`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub at: Option<PolicyEntry>,
    /// As it was at `with`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub with: Option<PolicyEntry>,
}

/// An exception that differs between two moments.
#[derive(Clone, Debug, Serialize)]
pub struct ExceptionDifference {
    /// Id.
    pub id: String,
    /// As it was at `at`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub at: Option<ExceptionEntry>,
    /// As it was at `with`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub with: Option<ExceptionEntry>,
}
