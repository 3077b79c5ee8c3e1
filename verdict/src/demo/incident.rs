//! The incident: a rollout that stalls, refunds that are refused, an exception that runs out, a rollback, and instances
//! that come and go meanwhile.

use jiff::{SignedDuration, Timestamp};
use serde_json::{Value, json};
use uuid::Uuid;

/// One thing that happened.
pub(crate) struct Act {
    /// How long ago.
    pub(crate) seconds_ago: i64,
    /// In words.
    pub(crate) told: &'static str,
    /// Whose log takes it.
    pub(crate) tenant: &'static str,
    /// As events.
    pub(crate) events: Vec<Value>,
}

const POLICY: &str = "payments-authz";
const GUARD: &str = "no-secrets";

/// The acts, oldest first.
pub(crate) fn acts(now: Timestamp) -> Vec<Act> {
    let stage = Stage { now };
    let act = |seconds_ago, told, events| Act {
        seconds_ago,
        told,
        tenant: "acme",
        events,
    };
    vec![
        Act {
            seconds_ago: 55,
            told: "the platform team has `no-secrets` g7 in force everywhere",
            tenant: "_platform",
            events: vec![
                stage.published(55, "_platform", &global(), GUARD, "g7", "all"),
                stage.started(55, "_platform", "guard-7", &global(), GUARD, "g7", 30_000, None),
            ],
        },
        act(
            54,
            "v41 is published and rolled out; five checkout pods report it applied",
            [
                vec![
                    stage.published(54, "acme", &prod(), POLICY, "v41", "all"),
                    stage.started(54, "acme", "pay-41", &prod(), POLICY, "v41", 20_000, None),
                ],
                (1..=5).map(|n| stage.seen(53, n, &[("v41", "applied")])).collect(),
            ]
            .concat(),
        ),
        act(
            48,
            "dana's refunds are allowed",
            (0..3)
                .map(|i| stage.decision(48 - i, 1 + i, "dana", "refund", "v41", "allow"))
                .collect(),
        ),
        act(
            42,
            "v42 is published and rolled out: 80 % of the pods should run it within 8 seconds",
            vec![
                stage.published(42, "acme", &prod(), POLICY, "v42", "all"),
                stage.started(42, "acme", "pay-42", &prod(), POLICY, "v42", 8_000, Some(80)),
            ],
        ),
        act(
            40,
            "three pods apply it; on pods 4 and 5 the bundle does not load",
            vec![
                stage.seen(40, 1, &[("v42", "applied")]),
                stage.seen(39, 2, &[("v42", "applied")]),
                stage.seen(39, 3, &[("v42", "applied")]),
                stage.seen(39, 4, &[("v42", "failed")]),
                stage.seen(38, 5, &[("v42", "failed")]),
            ],
        ),
        act(
            36,
            "refunds are now refused where v42 runs",
            (0..4)
                .map(|i| stage.decision(36 - i, 1 + i % 3, "dana", "refund", "v42", "deny"))
                .collect(),
        ),
        act(
            31,
            "pod 5 is replaced: it retires, pod 6 comes up on v41",
            vec![stage.retired(31, 5), stage.seen(30, 6, &[("v41", "applied")])],
        ),
        act(
            28,
            "the on-call lead approves an exception: checkout may use v41 for 20 seconds",
            vec![stage.exception(28, 20)],
        ),
        act(
            24,
            "refunds go through again under the exception",
            (0..3)
                .map(|i| stage.decision(24 - i, 4 + (i % 2) * 2, "dana", "refund", "v41", "allow"))
                .collect(),
        ),
        act(
            16,
            "the rollout of v42 is rolled back",
            vec![stage.rolled_back(16, "pay-42", "refunds refused")],
        ),
        act(
            14,
            "pods 1 to 4 and 6 run v41",
            [1, 2, 3, 4, 6]
                .map(|n| stage.seen(14 - n % 3, n, &[("v41", "applied")]))
                .to_vec(),
        ),
        act(
            5,
            "dana's refunds are allowed again",
            (0..2)
                .map(|i| stage.decision(5 - i, 1 + i, "dana", "refund", "v41", "allow"))
                .collect(),
        ),
    ]
}

fn global() -> Value {
    json!({"layer": "global"})
}

fn prod() -> Value {
    json!({"layer": "tenant", "tenant": "acme", "environment": "prod"})
}

fn checkout() -> Value {
    json!({"layer": "workload", "tenant": "acme", "environment": "prod", "workload": "checkout"})
}

struct Stage {
    now: Timestamp,
}

impl Stage {
    fn event(&self, ago: i64, tenant: &str, kind: &str, source: &str, body: Value) -> Value {
        let mut meta = json!({
            "event_id": Uuid::now_v7(),
            "tenant": tenant,
            "source": source,
            "event_time": self.time(ago),
        });
        if matches!(kind, "decision" | "agent_seen" | "agent_retired") {
            meta["environment"] = json!("prod");
        }
        json!({"kind": kind, "meta": meta, "body": body})
    }

    fn time(&self, ago: i64) -> String {
        let then = self.now.checked_sub(SignedDuration::from_secs(ago)).unwrap_or(self.now);
        format!("{then:.6}")
    }

    fn published(&self, ago: i64, tenant: &str, scope: &Value, policy: &str, version: &str, combining: &str) -> Value {
        use sha2::Digest as _;
        let digest = format!(
            "sha256:{}",
            hex::encode(sha2::Sha256::digest(format!("{policy} {version}")))
        );
        let body = json!({
            "artifact": "policy_bundle", "scope": scope, "policy": policy, "version": version, "digest": digest,
            "engine": "rego", "combining": combining, "author": {"type": "human", "id": "alice"},
        });
        self.event(ago, tenant, "artifact_published", "https://ci.example/policies", body)
    }

    #[expect(
        clippy::too_many_arguments,
        reason = "a rollout has that many parts, and each call names them in a row"
    )]
    fn started(
        &self,
        ago: i64,
        tenant: &str,
        rollout: &str,
        scope: &Value,
        policy: &str,
        version: &str,
        window_ms: u64,
        percent: Option<u8>,
    ) -> Value {
        let mut body = json!({
            "rollout_id": rollout, "phase": "started", "scope": scope, "policy": policy, "to_version": version,
            "max_inconsistency_ms": window_ms,
        });
        if let Some(percent) = percent {
            body["quorum"] = json!({"percent": percent});
        }
        self.event(ago, tenant, "rollout", "https://deploy.example", body)
    }

    fn rolled_back(&self, ago: i64, rollout: &str, reason: &str) -> Value {
        let body = json!({"rollout_id": rollout, "phase": "rolled_back", "reason": reason});
        self.event(ago, "acme", "rollout", "https://deploy.example", body)
    }

    fn seen(&self, ago: i64, pod: i64, payments: &[(&str, &str)]) -> Value {
        let mut active: Vec<Value> = payments
            .iter()
            .map(|(version, status)| json!({"scope": prod(), "policy": POLICY, "version": version, "status": status}))
            .collect();
        active.push(json!({"scope": global(), "policy": GUARD, "version": "g7", "status": "applied"}));
        let body = json!({
            "agent": format!("checkout-{pod}"), "incarnation": format!("pod-{pod}"), "workload": "checkout",
            "labels": {"app": "checkout"}, "lease_ms": 45_000, "active": active,
        });
        self.event(
            ago,
            "acme",
            "agent_seen",
            &format!("https://checkout.example/pod-{pod}"),
            body,
        )
    }

    fn retired(&self, ago: i64, pod: i64) -> Value {
        let body = json!({"agent": format!("checkout-{pod}"), "incarnation": format!("pod-{pod}")});
        self.event(
            ago,
            "acme",
            "agent_retired",
            &format!("https://checkout.example/pod-{pod}"),
            body,
        )
    }

    fn decision(&self, ago: i64, pod: i64, actor: &str, action: &str, version: &str, outcome: &str) -> Value {
        let body = json!({
            "decision_id": Uuid::now_v7(), "actor": {"type": "user", "id": actor}, "action": action,
            "resource": {"type": "payment", "id": format!("pay-{}", 7000 + ago)}, "outcome": outcome,
            "policies": [{"scope": prod(), "policy": POLICY, "version": version},
                         {"scope": global(), "policy": GUARD, "version": "g7"}],
            "agent": format!("checkout-{pod}"), "incarnation": format!("pod-{pod}"), "workload": "checkout",
            "input": {"amount": 120, "currency": "EUR"}, "result": {"allow": outcome == "allow"},
        });
        self.event(
            ago,
            "acme",
            "decision",
            &format!("https://checkout.example/pod-{pod}"),
            body,
        )
    }

    fn exception(&self, ago: i64, lasts: i64) -> Value {
        let body = json!({
            "object": {"kind": "exception", "id": "exc-77"}, "version": "1", "before": null, "after": "exc-77-1",
            "valid_from": self.time(ago), "valid_until": self.time(ago - lasts),
            "by": {"type": "human", "id": "lee"}, "reason": "refunds refused by v42",
            "document": {"scope": checkout(), "policy": POLICY, "effect": "replace", "version": "v41",
                         "approver": "lee", "reason": "refunds refused by v42, rollback under way"},
        });
        self.event(ago, "acme", "object_changed", "https://tickets.example", body)
    }
}
