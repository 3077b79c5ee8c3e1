//! Observation: what was. Decisions, agents, and the reports of controllers and checks.

use super::{Json, Labels, ObjectName, TypedId};
use crate::{AgentId, DecisionId, Digest, Incarnation, PolicyName, Scope, Timestamp, Version, WorkloadId};

/// Who asked.
#[derive(Clone, Debug)]
pub struct Actor {
    /// Type and id.
    pub name: TypedId,
    /// Any JSON.
    pub properties: Option<Json>,
    /// The credential that spoke for the actor.
    pub credential: Option<Credential>,
    /// On whose behalf, any JSON.
    pub on_behalf_of: Option<Json>,
}

/// A credential as the decision point saw it.
#[derive(Clone, Debug)]
pub struct Credential {
    /// Id.
    pub id: String,
    /// Issuer.
    pub issuer: Option<String>,
    /// When issued.
    pub issued_at: Option<Timestamp>,
    /// When it ends.
    pub expires_at: Option<Timestamp>,
}

/// To what.
#[derive(Clone, Debug)]
pub struct Resource {
    /// Type and id.
    pub name: TypedId,
    /// Any JSON.
    pub properties: Option<Json>,
}

/// The outcome of a decision.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
#[repr(u8)]
pub enum Outcome {
    /// Permitted.
    Allow = 1,
    /// Refused.
    Deny = 2,
    /// No policy applied.
    NotApplicable = 3,
    /// Could not be decided.
    Indeterminate = 4,
}

/// How the decision point was running.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Default)]
pub enum Mode {
    /// As it should.
    #[default]
    Normal,
    /// Stale data allowed.
    StaleAllowed,
    /// Open on failure.
    FailOpen,
    /// Closed on failure.
    FailClosed,
}

/// Where the decision was made.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub enum Placement {
    /// Beside the workload.
    Local,
    /// Over the network.
    Remote,
}

/// A policy version that a decision cites.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CitedPolicy {
    /// Scope.
    pub scope: Scope,
    /// Policy.
    pub policy: PolicyName,
    /// Version.
    pub version: Version,
    /// The digest the decision point had.
    pub digest: Option<Digest>,
}

/// `decision`
#[derive(Clone, Debug)]
pub struct Decision {
    /// Id; the first record of one id is meant (E4).
    pub decision_id: DecisionId,
    /// Who.
    pub actor: Actor,
    /// What.
    pub action: String,
    /// To what.
    pub resource: Resource,
    /// Result.
    pub outcome: Outcome,
    /// Reasons.
    pub reasons: Vec<String>,
    /// Obligations, any JSON.
    pub obligations: Option<Json>,
    /// The versions it was made under.
    pub policies: Vec<CitedPolicy>,
    /// Rules, or ids of exceptions, that decided.
    pub determining_rules: Vec<String>,
    /// Input, any JSON.
    pub input: Option<Json>,
    /// Result, any JSON.
    pub result: Option<Json>,
    /// What the engine looked up, any JSON.
    pub nondeterministic_inputs: Option<Json>,
    /// JSON Pointers of what was masked.
    pub masked: Vec<String>,
    /// JSON Pointers of what was erased.
    pub erased: Vec<String>,
    /// Decision point.
    pub agent: Option<AgentId>,
    /// Its incarnation.
    pub incarnation: Option<Incarnation>,
    /// For which workload.
    pub workload: Option<WorkloadId>,
    /// SPIFFE id of the peer.
    pub peer_spiffe_id: Option<String>,
    /// Digest of the peer's certificate.
    pub peer_cert_digest: Option<String>,
    /// Local or remote.
    pub placement: Option<Placement>,
    /// Was it served from a cache, and decided when?
    pub cache: Option<CacheUse>,
    /// Mode.
    pub mode: Mode,
    /// Risk tier.
    pub risk_tier: Option<String>,
    /// Duration in microseconds.
    pub duration_us: Option<u64>,
    /// When policies were last synchronised.
    pub policy_synced_at: Option<Timestamp>,
    /// When data was last synchronised.
    pub data_synced_at: Option<Timestamp>,
}

/// Cache use of a decision.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct CacheUse {
    /// Was it a hit?
    pub hit: bool,
    /// When the cached decision was made.
    pub decided_at: Option<Timestamp>,
}

/// `effect_recorded`
#[derive(Clone, Debug)]
pub struct EffectRecorded {
    /// The decision.
    pub decision_id: DecisionId,
    /// The object, any JSON.
    pub object: Json,
    /// Before, any JSON.
    pub before: Option<Json>,
    /// After, any JSON.
    pub after: Option<Json>,
}

/// Status of an entry of `active[]`.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub enum ActiveStatus {
    /// Runs this version.
    Applied,
    /// Tried and failed: what ran goes on.
    Failed,
    /// Runs nothing.
    Removed,
}

/// An entry of `active[]`.
#[derive(Clone, Debug)]
pub struct Active {
    /// Scope.
    pub scope: Scope,
    /// Policy.
    pub policy: PolicyName,
    /// Version, required when applied.
    pub version: Option<Version>,
    /// Status.
    pub status: ActiveStatus,
    /// When, as claimed; changes nothing (E11).
    pub applied_at: Option<Timestamp>,
    /// What went wrong.
    pub error: Option<String>,
}

/// `agent_seen`
#[derive(Clone, Debug)]
pub struct AgentSeen {
    /// Agent.
    pub agent: AgentId,
    /// Incarnation.
    pub incarnation: Option<Incarnation>,
    /// Workload it serves.
    pub workload: Option<WorkloadId>,
    /// Labels of the agent (those that targets select, E19).
    pub labels: Labels,
    /// 1 ms to 3650 days.
    pub lease_ms: u64,
    /// What it runs.
    pub active: Vec<Active>,
}

/// `agent_retired`
#[derive(Clone, Debug)]
pub struct AgentRetired {
    /// Agent.
    pub agent: AgentId,
    /// Incarnation.
    pub incarnation: Option<Incarnation>,
    /// The last `source_sequence` it used.
    pub final_sequence: Option<u64>,
}
/// `reconciliation_reported`
#[derive(Clone, Debug)]
pub struct ReconciliationReported {
    /// Which object.
    pub object: ObjectName,
    /// Generation.
    pub generation: u64,
    /// Version observed.
    pub observed_version: Option<String>,
    /// State (`pending`, `progressing`, `converged`, `degraded`, `failed`, `abandoned`).
    pub state: String,
    /// Window in milliseconds.
    pub converge_within_ms: Option<u64>,
    /// Detail, any JSON.
    pub detail: Option<Json>,
}

/// `degradation_changed`
#[derive(Clone, Debug)]
pub struct DegradationChanged {
    /// Scope.
    pub scope: Scope,
    /// Agent.
    pub agent: Option<AgentId>,
    /// Risk tier.
    pub risk_tier: String,
    /// Mode before.
    pub before: Mode,
    /// Mode after.
    pub after: Mode,
    /// Trigger.
    pub trigger: String,
    /// Why.
    pub reason: Option<String>,
}

/// `check_recorded`
#[derive(Clone, Debug)]
pub struct CheckRecorded {
    /// `validation`, `signature`, `impact`, `replay`, `review`, `signal`, `drill`.
    pub check: String,
    /// `{digest or id}`, any JSON.
    pub subject: Json,
    /// Outcome, such as `pass`.
    pub outcome: String,
    /// By whom.
    pub by: TypedId,
    /// Measurements, any JSON.
    pub measurements: Option<Json>,
    /// Detail, any JSON.
    pub detail: Option<Json>,
}
