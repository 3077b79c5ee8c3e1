//! Intent: what should be in effect. One [`Intent`] per event of a log that the rules of intent read, in a compact form
//! that the store keeps beside the log. It holds no document but that of an exception; the record has the rest.

use serde::{Deserialize, Serialize};
use verdict_schemas::{
    Body, Combining, Digest, Event, EventId, ExceptionEffect, Json, Kind, Labels, ObjectName, Phase, PolicyName,
    Quorum, RolloutId, Scope, Timestamp, Version,
};

use crate::{FactTime, RecordRef, SeriesKey, Understood, intended_at};

/// One fact of intent: when it acts, its record, and what it asks for.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Intent {
    /// min(event time, recorded time), but no less than recorded time - LATE (E5).
    pub f: Timestamp,
    /// Index of the event in its log.
    pub index: u64,
    /// The step at which it was understood.
    pub step: u64,
    /// The event's id.
    pub event_id: EventId,
    /// What it asks for.
    pub what: Intended,
}

/// A fact as it is held: when it acts, and its record.
#[derive(Clone, Debug)]
pub struct Held<T> {
    /// When it acts (E5).
    pub f: Timestamp,
    /// Its record.
    pub record: RecordRef,
    /// The step at which it was understood.
    pub step: u64,
    /// What it says.
    pub what: T,
}

/// What a fact of intent asks for.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub enum Intended {
    /// A rollout starts.
    Started(Started),
    /// A rollout is taken away (E11).
    RolledBack(RolloutId),
    /// A rollout is claimed complete; changes nothing (E11).
    Completed(RolloutId),
    /// A bundle is published.
    Published(Published),
    /// An object has a new version.
    Object(ObjectVersion),
}

/// What a `started` asks for.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Started {
    /// Id within the log.
    pub rollout_id: RolloutId,
    /// Scope.
    #[serde(with = "crate::scope_json")]
    pub scope: Scope,
    /// Policy.
    pub policy: PolicyName,
    /// The version asked for.
    pub to_version: Version,
    /// When it is to act, if later than its own time.
    pub activate_at: Option<Timestamp>,
    /// The labels that make it partial (E19).
    pub target: Option<Labels>,
    /// Quorum (E12).
    #[serde(with = "QuorumForm")]
    pub quorum: Quorum,
    /// The window, in milliseconds.
    pub max_inconsistency_ms: u64,
}

/// The publication of a version.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Published {
    /// Scope.
    #[serde(with = "crate::scope_json")]
    pub scope: Scope,
    /// Policy.
    pub policy: PolicyName,
    /// Version.
    pub version: Version,
    /// Digest of the bundle.
    pub digest: Digest,
    /// How it combines (E22).
    #[serde(with = "CombiningForm")]
    pub combining: Combining,
}

/// A version of an object (E25).
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct ObjectVersion {
    /// Which object.
    #[serde(with = "ObjectNameForm")]
    pub object: ObjectName,
    /// The event's `version`.
    pub version: String,
    /// Immutable version id before.
    pub before: Option<String>,
    /// Immutable version id after; `None`: ended.
    pub after: Option<String>,
    /// In force from.
    pub valid_from: Option<Timestamp>,
    /// In force until.
    pub valid_until: Option<Timestamp>,
    /// The document of an exception.
    pub exception: Option<Excepted>,
}

/// The document of an exception.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Excepted {
    /// Of the workload layer.
    #[serde(with = "crate::scope_json")]
    pub scope: Scope,
    /// Policy.
    pub policy: PolicyName,
    /// Effect.
    #[serde(with = "EffectForm")]
    pub effect: ExceptionEffect,
    /// The version that replaces.
    pub version: Option<Version>,
    /// Who approved, verbatim.
    pub approver: Json,
    /// Why.
    pub reason: String,
}

#[derive(Serialize, Deserialize)]
#[serde(remote = "Quorum")]
struct QuorumForm {
    percent: Option<u8>,
    min_agents: Option<u64>,
}

#[derive(Serialize, Deserialize)]
#[serde(remote = "Combining", rename_all = "lowercase")]
pub(crate) enum CombiningForm {
    All,
    Override,
}

#[derive(Serialize, Deserialize)]
#[serde(remote = "ExceptionEffect", rename_all = "lowercase")]
pub(crate) enum EffectForm {
    Suspend,
    Replace,
}

#[derive(Serialize, Deserialize)]
#[serde(remote = "ObjectName")]
struct ObjectNameForm {
    kind: String,
    id: String,
}

impl Intent {
    /// When it acts, and its place among the facts of one instant.
    pub fn at(&self) -> FactTime {
        FactTime {
            f: self.f,
            index: self.index,
            position: 0,
        }
    }

    /// The record behind it.
    pub fn record(&self) -> RecordRef {
        let kind = match self.what {
            Intended::Started(_) | Intended::RolledBack(_) | Intended::Completed(_) => Kind::Rollout,
            Intended::Published(_) => Kind::ArtifactPublished,
            Intended::Object(_) => Kind::ObjectChanged,
        };
        RecordRef {
            index: self.index,
            event_id: self.event_id,
            kind,
        }
    }
}

impl Started {
    /// The series it is about.
    pub fn series(&self) -> SeriesKey {
        SeriesKey {
            scope: self.scope.clone(),
            policy: self.policy.clone(),
        }
    }
}

impl ObjectVersion {
    /// Has the object ended with this version (E25)?
    pub fn is_ended(&self) -> bool {
        self.after.is_none()
    }
}

/// The intent in an event that stands at `place` and was recorded at `recorded`: a rollout, the publication of a policy bundle, or a version
/// of an object. `None` for every other kind, and for other artifacts.
pub fn intent(event: &Event, place: Understood, recorded: Timestamp) -> Option<Intent> {
    let what = match &event.body {
        Body::Rollout(rollout) => {
            let rollout_id = rollout.rollout_id.clone();
            match &rollout.phase {
                Phase::RolledBack { .. } => Intended::RolledBack(rollout_id),
                Phase::Completed { .. } => Intended::Completed(rollout_id),
                Phase::Started(plan) => Intended::Started(Started {
                    rollout_id,
                    scope: plan.scope.clone(),
                    policy: plan.policy.clone(),
                    to_version: plan.to_version.clone(),
                    activate_at: plan.activate_at,
                    target: plan.target.clone(),
                    quorum: plan.quorum,
                    max_inconsistency_ms: plan.max_inconsistency_ms,
                }),
            }
        }
        Body::ArtifactPublished(artifact) if artifact.artifact == verdict_schemas::ArtifactKind::PolicyBundle => {
            Intended::Published(Published {
                scope: artifact.scope.clone(),
                policy: artifact.policy.clone(),
                version: artifact.version.clone(),
                digest: artifact.digest,
                combining: artifact.combining,
            })
        }
        Body::ObjectChanged(object) => Intended::Object(ObjectVersion {
            object: object.object.clone(),
            version: object.version.clone(),
            before: object.before.clone(),
            after: object.after.clone(),
            valid_from: object.valid_from,
            valid_until: object.valid_until,
            exception: object.exception.as_ref().map(|document| Excepted {
                scope: document.scope.clone(),
                policy: document.policy.clone(),
                effect: document.effect,
                version: document.version.clone(),
                approver: document.approver.clone(),
                reason: document.reason.clone(),
            }),
        }),
        _ => return None,
    };
    Some(Intent {
        f: intended_at(event.meta.event_time, recorded),
        index: place.index,
        step: place.step,
        event_id: event.meta.event_id,
        what,
    })
}
