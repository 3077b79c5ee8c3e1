//! `agent_seen` and `agent_retired`.

use super::LARGEST;
use super::scope::scope;
use crate::tree::{Fields, Node, Read, choice, elements, labels, length, name, object, string, time, whole};
use crate::{Active, ActiveStatus, AgentRetired, AgentSeen, Rejection, rule};

/// The words of `status`.
pub(crate) const STATUSES: &[(&str, ActiveStatus)] = &[
    ("applied", ActiveStatus::Applied),
    ("failed", ActiveStatus::Failed),
    ("removed", ActiveStatus::Removed),
];

pub(super) fn agent_seen(body: &mut Fields<'_>) -> Read<AgentSeen> {
    Ok(AgentSeen {
        agent: body.need("agent", name)?,
        incarnation: body.get("incarnation", name)?,
        workload: body.get("workload", name)?,
        labels: body.get("labels", labels)?.unwrap_or_default(),
        lease_ms: body.need("lease_ms", length(1))?,
        active: body.get("active", elements(active))?.unwrap_or_default(),
    })
}

fn active(node: Node<'_>) -> Read<Active> {
    let mut fields = object(node)?;
    let active = Active {
        scope: fields.need("scope", scope)?,
        policy: fields.need("policy", name)?,
        version: fields.get("version", name)?,
        status: fields.need("status", choice(STATUSES))?,
        applied_at: fields.get("applied_at", time)?,
        error: fields.get("error", string)?,
    };
    if active.status == ActiveStatus::Applied && active.version.is_none() {
        return Err(Rejection::new(rule::MISSING_FIELD, "`applied` requires the field `version`").under("version"));
    }
    Ok(active)
}

pub(super) fn agent_retired(body: &mut Fields<'_>) -> Read<AgentRetired> {
    Ok(AgentRetired {
        agent: body.need("agent", name)?,
        incarnation: body.get("incarnation", name)?,
        final_sequence: body.get("final_sequence", whole(0..=LARGEST))?,
    })
}
