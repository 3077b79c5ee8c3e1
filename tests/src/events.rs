//! Events as services would send them, and a fleet that reports what it runs.

use serde_json::{Value, json};
use uuid::Uuid;

/// The environment that all of them are of.
pub const ENVIRONMENT: &str = "prod";

/// The present moment, `seconds` ago.
#[must_use]
pub fn ago(seconds: i64) -> String {
    let then = jiff::Timestamp::now() - jiff::SignedDuration::from_secs(seconds);
    format!("{then:.6}")
}

/// The scope `{layer: tenant}` of a tenant in [`ENVIRONMENT`].
#[must_use]
pub fn scope(tenant: &str) -> Value {
    json!({"layer": "tenant", "tenant": tenant, "environment": ENVIRONMENT})
}

/// Any event: `body` under a new event id.
#[must_use]
pub fn event(tenant: &str, kind: &str, event_time: &str, body: Value) -> Value {
    json!({
        "kind": kind,
        "meta": {
            "event_id": Uuid::now_v7(), "tenant": tenant, "source": "urn:verdict:tests", "event_time": event_time,
            "environment": ENVIRONMENT,
        },
        "body": body,
    })
}

/// A decision of `actor`, made by `agent` under `version` of the policy `authz`.
#[must_use]
pub fn decision(tenant: &str, event_time: &str, agent: &str, actor: &str, version: &str) -> Value {
    let body = json!({
        "decision_id": Uuid::now_v7(), "actor": {"type": "user", "id": actor}, "action": "read",
        "resource": {"type": "document", "id": "d1"}, "outcome": "allow", "agent": agent, "incarnation": "i1",
        "policies": [{"scope": scope(tenant), "policy": "authz", "version": version}],
    });
    event(tenant, "decision", event_time, body)
}

/// A report of `agent`: it runs `version` of the policy `authz`, and says so again within a minute.
#[must_use]
pub fn seen(tenant: &str, event_time: &str, agent: &str, version: &str) -> Value {
    let body = json!({
        "agent": agent, "incarnation": "i1", "lease_ms": 60_000,
        "active": [{"scope": scope(tenant), "policy": "authz", "version": version, "status": "applied"}],
    });
    event(tenant, "agent_seen", event_time, body)
}

/// A rollout of `version` of the policy `authz`.
#[must_use]
pub fn started(tenant: &str, event_time: &str, rollout: &str, version: &str) -> Value {
    let body = json!({
        "rollout_id": rollout, "phase": "started", "scope": scope(tenant), "policy": "authz", "to_version": version,
        "max_inconsistency_ms": 10_000,
    });
    event(tenant, "rollout", event_time, body)
}
