//! The canonical event: eleven kinds, each with [`Meta`] first.
//!
//! These are the owned, validated forms. The bytes received are what is kept and hashed; an `Event` is an
//! interpretation of them, made again whenever it is needed.

mod intent;
mod observation;

use std::collections::BTreeMap;

use serde_json::value::RawValue;

pub use intent::*;
pub use observation::*;

use crate::{Environment, EventId, Source, TenantId, Timestamp, TraceId};

/// Any JSON, kept verbatim as received.
pub type Json = Box<RawValue>;

/// String labels.
pub type Labels = BTreeMap<String, String>;
/// What every event carries.
#[derive(Clone, Debug)]
pub struct Meta {
    /// Chosen by the emitter; unique with `source`.
    pub event_id: EventId,
    /// The log it belongs to.
    pub tenant: TenantId,
    /// URI of the emitter.
    pub source: Source,
    /// Gapless per source and incarnation.
    pub source_sequence: Option<u64>,
    /// When it happened, by the emitter's clock.
    pub event_time: Timestamp,
    /// Required on `decision`, `agent_seen`, `agent_retired`.
    pub environment: Option<Environment>,
    /// Trace id, as received.
    pub trace_id: Option<TraceId>,
    /// Span id, as received.
    pub span_id: Option<String>,
    /// Correlation id.
    pub correlation_id: Option<String>,
    /// Causation id.
    pub causation_id: Option<String>,
    /// Labels of the event.
    pub labels: Labels,
}

/// An interpreted event.
#[derive(Clone, Debug)]
pub struct Event {
    /// What every event carries.
    pub meta: Meta,
    /// What this kind carries.
    pub body: Body,
}

/// The body, by kind.
#[derive(Clone, Debug)]
pub enum Body {
    /// `decision`
    Decision(Box<Decision>),
    /// `effect_recorded`
    EffectRecorded(EffectRecorded),
    /// `agent_seen`
    AgentSeen(AgentSeen),
    /// `agent_retired`
    AgentRetired(AgentRetired),
    /// `rollout`
    Rollout(Rollout),
    /// `artifact_published`
    ArtifactPublished(Box<ArtifactPublished>),
    /// `object_changed`
    ObjectChanged(Box<ObjectChanged>),
    /// `reconciliation_reported`
    ReconciliationReported(ReconciliationReported),
    /// `degradation_changed`
    DegradationChanged(DegradationChanged),
    /// `check_recorded`
    CheckRecorded(CheckRecorded),
    /// `subject_erased`
    SubjectErased(SubjectErased),
    /// A kind that this release does not know: kept, never judged.
    Unknown(UnknownBody),
}

/// The kinds.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
#[repr(u8)]
pub enum Kind {
    /// `decision`
    Decision = 1,
    /// `effect_recorded`
    EffectRecorded = 2,
    /// `agent_seen`
    AgentSeen = 3,
    /// `agent_retired`
    AgentRetired = 4,
    /// `rollout`
    Rollout = 5,
    /// `artifact_published`
    ArtifactPublished = 6,
    /// `object_changed`
    ObjectChanged = 7,
    /// `reconciliation_reported`
    ReconciliationReported = 8,
    /// `degradation_changed`
    DegradationChanged = 9,
    /// `check_recorded`
    CheckRecorded = 10,
    /// `subject_erased`
    SubjectErased = 11,
    /// Any other.
    Unknown = 255,
}

impl Kind {
    /// The eleven known kinds.
    pub const ALL: [Self; 11] = [
        Self::Decision,
        Self::EffectRecorded,
        Self::AgentSeen,
        Self::AgentRetired,
        Self::Rollout,
        Self::ArtifactPublished,
        Self::ObjectChanged,
        Self::ReconciliationReported,
        Self::DegradationChanged,
        Self::CheckRecorded,
        Self::SubjectErased,
    ];

    /// The name in JSON and in Avro.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Decision => "decision",
            Self::EffectRecorded => "effect_recorded",
            Self::AgentSeen => "agent_seen",
            Self::AgentRetired => "agent_retired",
            Self::Rollout => "rollout",
            Self::ArtifactPublished => "artifact_published",
            Self::ObjectChanged => "object_changed",
            Self::ReconciliationReported => "reconciliation_reported",
            Self::DegradationChanged => "degradation_changed",
            Self::CheckRecorded => "check_recorded",
            Self::SubjectErased => "subject_erased",
            Self::Unknown => "unknown",
        }
    }

    /// The kind of this name; `None` where this release knows none.
    pub fn parse(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|kind| kind.as_str() == name)
    }
}

impl Body {
    /// Intent says what should be in effect, or waives what should be; everything else is observation (E5). Of the checks
    /// `review`, `validation`, `signature` and `impact` are intent, so that nobody waives a finding about himself.
    pub fn is_intent(&self) -> bool {
        match self {
            Self::CheckRecorded(recorded) => {
                matches!(&*recorded.check, "review" | "validation" | "signature" | "impact")
            }
            other => matches!(
                other.kind(),
                Kind::Rollout | Kind::ArtifactPublished | Kind::ObjectChanged | Kind::SubjectErased
            ),
        }
    }

    /// The kind of this body.
    pub fn kind(&self) -> Kind {
        match self {
            Self::Decision(_) => Kind::Decision,
            Self::EffectRecorded(_) => Kind::EffectRecorded,
            Self::AgentSeen(_) => Kind::AgentSeen,
            Self::AgentRetired(_) => Kind::AgentRetired,
            Self::Rollout(_) => Kind::Rollout,
            Self::ArtifactPublished(_) => Kind::ArtifactPublished,
            Self::ObjectChanged(_) => Kind::ObjectChanged,
            Self::ReconciliationReported(_) => Kind::ReconciliationReported,
            Self::DegradationChanged(_) => Kind::DegradationChanged,
            Self::CheckRecorded(_) => Kind::CheckRecorded,
            Self::SubjectErased(_) => Kind::SubjectErased,
            Self::Unknown(_) => Kind::Unknown,
        }
    }
}
/// A typed name: actor, resource, author, ...
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TypedId {
    /// Type, such as `user`.
    pub r#type: String,
    /// Id within the type.
    pub id: String,
}
/// An event of a kind that this release does not know.
#[derive(Clone, Debug)]
pub struct UnknownBody {
    /// The kind it names.
    pub kind: String,
    /// Its body, verbatim.
    pub body: Option<Json>,
}
