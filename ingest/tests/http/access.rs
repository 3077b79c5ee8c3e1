//! Who may send what, where.

use std::collections::BTreeMap;

use axum::http::StatusCode;
use serde_json::json;
use sha2::{Digest as _, Sha256};
use verdict_edge::Owners;
use verdict_edge::access::Access;
use verdict_ingest::IntakeLimits;
use verdict_schemas::TenantId;
use verdict_store::Provenance;

use crate::support::{Answer, Node, decision, gzip, rollout, sample};

/// One token per role, named like it, in `acme`.
fn tokens() -> Access {
    let tokens: String = ["emit", "control", "read"]
        .iter()
        .map(|role| {
            let digest = hex::encode(Sha256::digest(role.as_bytes()));
            format!(
                "[[token]]\nname = \"the {role}\"\nsha256 = \"{digest}\"\ntenants = [\"acme\"]\nroles = [\"{role}\"]\n"
            )
        })
        .collect();
    Access::parse(&tokens, "tokens.toml").unwrap()
}

fn node() -> Node {
    Node::with(IntakeLimits::default(), tokens())
}

async fn as_role(node: &Node, role: &str, tenant: &str, body: String) -> Answer {
    let authorization = format!("Bearer {role}");
    node.post(
        &format!("/v1/tenants/{tenant}/events"),
        &[("authorization", &authorization)],
        body,
    )
    .await
}

#[tokio::test]
async fn strangers_are_a_401_and_other_tenants_a_404() {
    let node = node();
    let stranger = node.post("/v1/tenants/acme/events", &[], decision(1).to_string()).await;
    assert_eq!(
        (stranger.status, stranger.problem().as_str()),
        (StatusCode::UNAUTHORIZED, "unauthenticated")
    );
    // A tenant that exists for others, one that nobody has, and a name that is none: the same answer.
    for tenant in ["globex", "nobody", "No%20Tenant", "%ff"] {
        let answer = as_role(&node, "emit", tenant, decision(1).to_string()).await;
        assert_eq!(
            (answer.status, answer.problem().as_str()),
            (StatusCode::NOT_FOUND, "unknown_tenant"),
            "{tenant}"
        );
    }
    let reader = as_role(&node, "read", "acme", decision(1).to_string()).await;
    assert_eq!(
        (reader.status, reader.problem().as_str()),
        (StatusCode::FORBIDDEN, "not_allowed")
    );
}

#[tokio::test]
async fn intent_needs_control_and_observation_needs_emit() {
    let node = node();
    let emitted = as_role(&node, "emit", "acme", json!([decision(1), rollout(2)]).to_string()).await;
    assert_eq!(emitted.status, StatusCode::OK);
    assert_eq!(emitted.rejected(), [(2, "not_allowed".to_owned(), "/kind".to_owned())]);
    assert_eq!(emitted.body["rejected"][0]["problem"]["type"], "/problems/not_allowed");
    let alone = as_role(&node, "emit", "acme", rollout(2).to_string()).await;
    assert_eq!(
        (alone.status, alone.problem().as_str()),
        (StatusCode::FORBIDDEN, "not_allowed")
    );
    let controlled = as_role(&node, "control", "acme", json!([decision(3), rollout(2)]).to_string()).await;
    assert_eq!(controlled.results(), [("accepted".to_owned(), 1)]);
    assert_eq!(controlled.rejected()[0].1, "not_allowed");
    let principal = |index| node.record(index).provenance;
    assert_eq!(
        principal(0),
        Provenance::Authenticated {
            principal: Some("the emit".into())
        }
    );
    assert_eq!(
        principal(1),
        Provenance::Authenticated {
            principal: Some("the control".into())
        }
    );
}

/// Who sent a record is what the intake found out, under the leaf: no request says it.
#[tokio::test]
async fn a_request_names_no_sender() {
    let node = node();
    let headers = [
        ("authorization", "Bearer emit"),
        ("verdict-principal", "the auditor"),
        ("verdict-mac", "v1 a 0 00"),
    ];
    let sent = node
        .post("/v1/tenants/acme/events", &headers, decision(1).to_string())
        .await;
    assert_eq!(sent.status, StatusCode::OK);
    let ours: Vec<_> = node
        .record(0)
        .headers
        .into_iter()
        .filter(|(name, _)| name.starts_with("verdict-"))
        .collect();
    assert_eq!(ours, [("verdict-principal".to_owned(), Some("the emit".into()))]);
}

/// Nobody waives a finding about himself (E5): what a check is decides, not that it is one.
#[tokio::test]
async fn a_check_that_can_waive_needs_control_and_a_measurement_does_not() {
    let node = node();
    let check = |n, check: &str| {
        let mut event = decision(n);
        event["kind"] = json!("check_recorded");
        event["body"] = json!({
            "check": check, "subject": {"digest": "sha256:00"}, "outcome": "pass", "by": {"type": "service", "id": "ci"},
        });
        event
    };
    for (n, kind) in (1..).zip(["review", "validation", "signature", "impact"]) {
        let event = check(n, kind).to_string();
        let emitted = as_role(&node, "emit", "acme", event.clone()).await;
        assert_eq!(
            (emitted.status, emitted.problem().as_str()),
            (StatusCode::FORBIDDEN, "not_allowed")
        );
        let controlled = as_role(&node, "control", "acme", event).await;
        assert_eq!(controlled.results(), [("accepted".to_owned(), n - 1)], "{kind}");
    }
    for (n, kind) in (5..).zip(["signal", "drill", "replay"]) {
        let event = check(n, kind).to_string();
        let emitted = as_role(&node, "emit", "acme", event).await;
        assert_eq!(emitted.results(), [("accepted".to_owned(), n - 1)], "{kind}");
    }
}

#[tokio::test]
async fn an_opa_needs_emit() {
    let node = node();
    let logs = |role: &'static str, path: &'static str| {
        let (node, authorization) = (&node, format!("Bearer {role}"));
        async move {
            let headers = [("authorization", authorization.as_str()), ("content-encoding", "gzip")];
            node.post(path, &headers, gzip(&sample("decision-no-input.json")))
                .await
                .status
                .as_u16()
        }
    };
    assert_eq!(logs("wrong", "/opa/v1/acme/prod/logs").await, 401);
    assert_eq!(logs("emit", "/opa/v1/globex/prod/logs").await, 404);
    assert_eq!(logs("emit", "/opa/v1/acme/*/logs").await, 404);
    assert_eq!(logs("read", "/opa/v1/acme/prod/logs").await, 403);
    assert_eq!(logs("control", "/opa/v1/acme/prod/logs").await, 403);
    assert_eq!(logs("emit", "/opa/v1/_platform/prod/logs").await, 404);
    assert_eq!(logs("emit", "/opa/v1/acme/prod/logs").await, 200);
    assert_eq!(logs("emit", "/opa/v1/acme/prod/logs/partition-7").await, 200);
}

/// Whoever may only report can not smuggle intent past the checks through OPA's path.
#[tokio::test]
async fn an_event_of_ours_sent_to_opas_path_is_never_one() {
    let node = node();
    let headers = [("authorization", "Bearer emit")];
    let answer = node
        .post("/opa/v1/acme/prod/logs", &headers, format!("[{}]", rollout(1)))
        .await;
    assert_eq!((answer.status.as_u16(), &answer.body["quarantined"]), (200, &json!(1)));
    assert!(
        matches!(node.flag(0), Some(verdict_store::Flag::Malformed { .. })),
        "{:?}",
        node.flag(0)
    );
}

/// What another node keeps is sent there, by whoever may send it, and by nobody else (A7).
#[tokio::test]
async fn events_of_a_tenant_that_another_node_keeps_are_sent_there() {
    let owners = BTreeMap::from([(TenantId::parse("acme").unwrap(), "https://b.example/".to_owned())]);
    let node = Node::configured(IntakeLimits::default(), tokens(), move |edge| {
        edge.with_owners(Owners::of_tenants(owners.clone()))
    });
    let sent = as_role(&node, "emit", "acme", decision(1).to_string()).await;
    assert_eq!(sent.status, StatusCode::TEMPORARY_REDIRECT);
    assert_eq!(
        sent.location.as_deref(),
        Some("https://b.example/v1/tenants/acme/events")
    );
    for (role, status) in [("read", 403), ("nobody", 401)] {
        let refused = as_role(&node, role, "acme", decision(1).to_string()).await;
        assert_eq!((refused.status.as_u16(), refused.location), (status, None), "{role}");
    }
    assert_eq!(node.size("acme"), 0);
}

/// Which of two tokens was meant is nobody's to guess.
#[tokio::test]
async fn two_tokens_are_none() {
    let node = node();
    let headers = [("authorization", "Bearer emit"), ("authorization", "Bearer control")];
    let answer = node
        .post("/v1/tenants/acme/events", &headers, decision(1).to_string())
        .await;
    assert_eq!(answer.problem(), "unauthenticated");
}
