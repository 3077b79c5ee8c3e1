//! The hot path: what the views need of a `decision`, borrowed from the bytes received.
//!
//! Decisions are nearly all of the traffic. The quick readers of this module take what is well-formed and usual and
//! give up on anything else, without a reason: then [`crate::interpret()`] has the last word. So a projection exists exactly
//! where an interpretation does, with equal fields, and the rules are told in one place (`validate`); the quick
//! readers need only never accept more. Property tests hold them to it.

mod avro;
mod cursor;
mod json;
mod scope_ref;

use std::borrow::Cow;

pub use scope_ref::ScopeRef;

use crate::check_log::{belongs, foreign};
use crate::encoding::{Encoding, Framing, encoding};
use crate::writer_schemas::{Resolved, resolve};
use crate::{
    Body, Event, EventId, Interpretation, Kind, Outcome, Rejection, SchemaRef, TenantId, Timestamp, WriterSchemas,
    interpret,
};

/// What a value says, as far as the views of decisions care.
#[derive(Clone, Debug)]
#[expect(
    clippy::large_enum_variant,
    reason = "taken apart where it is returned; a box would cost each event an allocation"
)]
pub enum Projection<'a> {
    /// A decision.
    Decision(DecisionProjection<'a>),
    /// Any other kind, whole.
    Other(Box<Event>),
    /// Malformed.
    Malformed(Rejection),
    /// It waits for the schema that its writer used.
    AwaitingSchema(SchemaRef),
}

/// The indexed fields of a decision, borrowed where the bytes allow it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DecisionProjection<'a> {
    /// `meta.event_id`
    pub event_id: EventId,
    /// `meta.tenant`, its grammar checked.
    pub tenant: Cow<'a, str>,
    /// `meta.source`
    pub source: Cow<'a, str>,
    /// `meta.source_sequence`
    pub source_sequence: Option<u64>,
    /// `meta.event_time`
    pub event_time: Timestamp,
    /// `meta.environment`, never `*`.
    pub environment: Cow<'a, str>,
    /// `meta.trace_id`
    pub trace_id: Option<Cow<'a, str>>,
    /// `meta.correlation_id`
    pub correlation_id: Option<Cow<'a, str>>,
    /// `decision_id`
    pub decision_id: Cow<'a, str>,
    /// `actor.type`
    pub actor_type: Cow<'a, str>,
    /// `actor.id`
    pub actor_id: Cow<'a, str>,
    /// `action`
    pub action: Cow<'a, str>,
    /// `resource.type`
    pub resource_type: Cow<'a, str>,
    /// `resource.id`
    pub resource_id: Cow<'a, str>,
    /// `outcome`
    pub outcome: Outcome,
    /// `agent`
    pub agent: Option<Cow<'a, str>>,
    /// `incarnation`
    pub incarnation: Option<Cow<'a, str>>,
    /// `workload`
    pub workload: Option<Cow<'a, str>>,
    /// `risk_tier`
    pub risk_tier: Option<Cow<'a, str>>,
    /// `policies[]`
    pub policies: Vec<Cited<'a>>,
}

/// A policy version that a decision cites.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Cited<'a> {
    /// `scope`
    pub scope: ScopeRef<'a>,
    /// `policy`
    pub policy: Cow<'a, str>,
    /// `version`
    pub version: Cow<'a, str>,
}

/// Projects a value as received. Accepts what [`interpret()`] accepts, and rejects the rest by the same rule.
pub fn project<'a, 'f>(
    value: &'a [u8],
    framing: impl Into<Framing<'f>>,
    schemas: &dyn WriterSchemas,
) -> Projection<'a> {
    let framing = framing.into();
    let quick = match encoding(value, framing) {
        Ok(Encoding::Json(value)) => json::decision(value),
        Ok(Encoding::Avro(reference, datum)) => match resolve(schemas, &reference) {
            Resolved::Known(schema) if schema.is_current_decision() => avro::decision(datum),
            _ => None,
        },
        Ok(Encoding::CloudEvent(_)) | Err(_) => None,
    };
    if let Some(decision) = quick {
        return Projection::Decision(decision);
    }
    match interpret(value, framing, schemas) {
        Interpretation::Event(event) => match DecisionProjection::of(&event) {
            Some(decision) => Projection::Decision(decision.into_owned()),
            None => Projection::Other(Box::new(event)),
        },
        Interpretation::Malformed(rejection) => Projection::Malformed(rejection),
        Interpretation::AwaitingSchema(reference) => Projection::AwaitingSchema(reference),
    }
}

impl<'a> DecisionProjection<'a> {
    /// The projection of an event; `None` where it is no decision.
    pub fn of(event: &'a Event) -> Option<Self> {
        let Body::Decision(decision) = &event.body else {
            return None;
        };
        let meta = &event.meta;
        Some(Self {
            event_id: meta.event_id,
            tenant: meta.tenant.as_str().into(),
            source: meta.source.as_str().into(),
            source_sequence: meta.source_sequence,
            event_time: meta.event_time,
            environment: meta.environment.as_ref().map(|e| e.as_str()).unwrap_or_default().into(),
            trace_id: word(meta.trace_id.as_ref()),
            correlation_id: word(meta.correlation_id.as_ref()),
            decision_id: decision.decision_id.as_str().into(),
            actor_type: decision.actor.name.r#type.as_str().into(),
            actor_id: decision.actor.name.id.as_str().into(),
            action: decision.action.as_str().into(),
            resource_type: decision.resource.name.r#type.as_str().into(),
            resource_id: decision.resource.name.id.as_str().into(),
            outcome: decision.outcome,
            agent: word(decision.agent.as_ref()),
            incarnation: word(decision.incarnation.as_ref()),
            workload: word(decision.workload.as_ref()),
            risk_tier: word(decision.risk_tier.as_ref()),
            policies: decision
                .policies
                .iter()
                .map(|cited| Cited {
                    scope: ScopeRef::of(&cited.scope),
                    policy: cited.policy.as_str().into(),
                    version: cited.version.as_str().into(),
                })
                .collect(),
        })
    }

    /// Does this decision belong into this log? The same rules as [`crate::check_log()`].
    ///
    /// # Errors
    /// `tenant_mismatch`, `observation_in_platform` or `foreign_scope`.
    pub fn check_log(&self, log: &TenantId) -> Result<(), Rejection> {
        belongs((Kind::Decision, false), &self.tenant, log)?;
        match self
            .policies
            .iter()
            .position(|cited| !cited.scope.covers_tenant(log.as_str()))
        {
            None => Ok(()),
            Some(i) => Err(foreign(
                &self.policies[i].scope.to_scope(),
                format!("/body/policies/{i}/scope"),
            )),
        }
    }

    /// The same, free of the bytes.
    pub fn into_owned(self) -> DecisionProjection<'static> {
        DecisionProjection {
            event_id: self.event_id,
            tenant: owned(self.tenant),
            source: owned(self.source),
            source_sequence: self.source_sequence,
            event_time: self.event_time,
            environment: owned(self.environment),
            trace_id: self.trace_id.map(owned),
            correlation_id: self.correlation_id.map(owned),
            decision_id: owned(self.decision_id),
            actor_type: owned(self.actor_type),
            actor_id: owned(self.actor_id),
            action: owned(self.action),
            resource_type: owned(self.resource_type),
            resource_id: owned(self.resource_id),
            outcome: self.outcome,
            agent: self.agent.map(owned),
            incarnation: self.incarnation.map(owned),
            workload: self.workload.map(owned),
            risk_tier: self.risk_tier.map(owned),
            policies: self
                .policies
                .into_iter()
                .map(|cited| Cited {
                    scope: cited.scope.into_owned(),
                    policy: owned(cited.policy),
                    version: owned(cited.version),
                })
                .collect(),
        }
    }
}

fn word<T: AsRef<str>>(word: Option<&T>) -> Option<Cow<'_, str>> {
    word.map(|word| Cow::Borrowed(word.as_ref()))
}

fn owned(text: Cow<'_, str>) -> Cow<'static, str> {
    Cow::Owned(text.into_owned())
}
