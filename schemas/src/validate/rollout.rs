//! `rollout`: what is required depends on the phase.

use super::scope::scope;
use super::{LARGEST, digest, json};
use crate::tree::{Fields, Node, Read, any_json, choice, labels, length, name, object, string, time, whole};
use crate::{Json, Labels, Phase, Quorum, Rejection, Rollout, RolloutPlan, rule};

#[derive(Clone, Copy)]
enum PhaseName {
    Started,
    RolledBack,
    Completed,
}

const PHASES: &[(&str, PhaseName)] = &[
    ("started", PhaseName::Started),
    ("rolled_back", PhaseName::RolledBack),
    ("completed", PhaseName::Completed),
];

pub(super) fn rollout(body: &mut Fields<'_>) -> Read<Rollout> {
    Ok(Rollout {
        rollout_id: body.need("rollout_id", name)?,
        phase: match body.need("phase", choice(PHASES))? {
            PhaseName::Started => Phase::Started(Box::new(plan(body)?)),
            PhaseName::RolledBack => Phase::RolledBack {
                reason: body.get("reason", string)?,
            },
            PhaseName::Completed => Phase::Completed {
                reason: body.get("reason", string)?,
            },
        },
    })
}

fn plan(body: &mut Fields<'_>) -> Read<RolloutPlan> {
    Ok(RolloutPlan {
        scope: body.need("scope", scope)?,
        policy: body.need("policy", name)?,
        to_version: body.need("to_version", name)?,
        from_version: body.get("from_version", name)?,
        activate_at: body.get("activate_at", time)?,
        activation_condition: json(body, "activation_condition")?,
        target: body.get("target", target)?,
        quorum: body.get("quorum", quorum)?.unwrap_or_default(),
        max_inconsistency_ms: body.need("max_inconsistency_ms", length(0))?,
        rollback_trigger: body.get("rollback_trigger", trigger)?.flatten(),
        plan_digest: body.get("plan_digest", digest)?,
        risk_tier: body.get("risk_tier", string)?,
    })
}

/// At least one label (E19): a target without any would select everyone, which is what no target means.
fn target(node: Node<'_>) -> Read<Labels> {
    let labels = object(node)?.get("labels", labels)?.unwrap_or_default();
    if labels.is_empty() {
        return Err(Rejection::new(rule::OUT_OF_RANGE, "a target has at least one label").under("labels"));
    }
    Ok(labels)
}

fn quorum(node: Node<'_>) -> Read<Quorum> {
    let mut fields = object(node)?;
    let percent = fields.get("percent", whole(1..=100))?;
    Ok(Quorum {
        percent: percent.and_then(|percent| u8::try_from(percent).ok()),
        min_agents: fields.get("min_agents", whole(1..=LARGEST))?,
    })
}

/// Kept verbatim; of its fields only the window has a rule of its own (E1).
fn trigger(node: Node<'_>) -> Read<Option<Json>> {
    let Some(trigger) = any_json(node)? else {
        return Ok(None);
    };
    if trigger.get().starts_with('{') {
        object(Node::Json(&trigger))?.get("window_ms", length(0))?;
    }
    Ok(Some(trigger))
}
