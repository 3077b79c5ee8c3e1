//! Bundles that OPA names seldom or not at all: the single one of an old configuration, and one without a revision.

use axum::http::StatusCode;
use serde_json::{Value, json};
use verdict_schemas::{ActiveStatus, Body, Event, Version};

use crate::support::{Node, binding, sample};

/// Policy and version of what an event cites or reports, with the label that names its bundle.
fn told(event: &Event) -> (Vec<(String, String)>, Option<String>) {
    let named = match &event.body {
        Body::Decision(decision) => decision
            .policies
            .iter()
            .map(|cited| (cited.policy.to_string(), cited.version.to_string()))
            .collect(),
        Body::AgentSeen(seen) => seen
            .active
            .iter()
            .map(|active| {
                assert_eq!(active.status, ActiveStatus::Applied);
                (active.policy.to_string(), active.version.as_ref().unwrap().to_string())
            })
            .collect(),
        other => panic!("{other:?}"),
    };
    (named, event.meta.labels.get("opa/bundle").cloned())
}

fn one(policy: &str, version: &str) -> Vec<(String, String)> {
    vec![(policy.to_owned(), version.to_owned())]
}

fn changed(name: &str, change: impl Fn(&mut Value)) -> Vec<u8> {
    let mut json: Value = serde_json::from_slice(&sample(name)).unwrap();
    change(&mut json);
    json.to_string().into_bytes()
}

async fn send(node: &Node, name: &str) -> Event {
    let (index, body) = (node.size("acme"), sample(name));
    let answer = match name.starts_with("status") {
        true => node.opa_status(&body).await,
        false => node.opa_logs(&body).await,
    };
    assert_eq!(
        (answer.status, &answer.body["accepted"]),
        (StatusCode::OK, &json!(1)),
        "{answer:?}"
    );
    node.event(index).1
}

#[tokio::test]
async fn a_single_bundle_has_the_name_and_the_revision_of_its_status() {
    let node = Node::new();
    let status = send(&node, "status-single-bundle.json").await;
    assert_eq!(
        told(&status),
        (one("with.tar.gz", "tide-7"), Some("with.tar.gz".to_owned()))
    );
    // A decision says the revision alone.
    let decision = send(&node, "decision-single-bundle.json").await;
    assert_eq!(told(&decision), told(&status));
    assert_eq!(decision.meta.labels["opa/revision"], "tide-7");
    assert_eq!(decision.meta.labels.get("mapped/policy"), None);
    // Known from the log, too, after a restart of the node; of another incarnation nothing is known.
    let node = node.restarted();
    let later = changed("decision-single-bundle.json", |json| {
        json[0]["decision_id"] = "later".into()
    });
    node.opa_logs(&later).await;
    assert_eq!(told(&node.event(2).1), told(&status));
    let other = changed("decision-single-bundle.json", |json| {
        json[0]["labels"]["id"] = "another start".into()
    });
    node.opa_logs(&other).await;
    let (_, other) = node.event(3);
    assert_eq!(told(&other), (one("bundle", "tide-7"), None));
    assert_eq!(other.meta.labels["mapped/policy"], "unmapped");
}

#[tokio::test]
async fn a_binding_maps_a_single_bundle_as_any_other() {
    let node = Node::new();
    node.send(binding(1, "with.tar.gz", &json!({"lease_ms": 60_000})).to_string())
        .await;
    let status = send(&node, "status-single-bundle.json").await;
    assert_eq!(told(&status).0, one("access", "tide-7"));
    let decision = send(&node, "decision-single-bundle.json").await;
    assert_eq!(told(&decision).0, one("access", "tide-7"));
    assert_eq!(decision.meta.labels["mapped/bindings"], "b-with.tar.gz@1");
}

/// That it runs is known; which version it is, nobody can tell, and everybody is told that.
#[tokio::test]
async fn a_bundle_without_a_revision_is_of_the_version_unversioned() {
    for (kind, name) in [
        ("no-revision", "berth"),
        ("single-bundle-no-revision", "without.tar.gz"),
    ] {
        let node = Node::new();
        let status = send(&node, &format!("status-{kind}.json")).await;
        assert_eq!(told(&status).0, one(name, Version::UNVERSIONED), "{kind}");
        assert_eq!(status.meta.labels["opa/unversioned_bundles"], name);
        let Body::AgentSeen(seen) = &status.body else {
            panic!("{status:?}")
        };
        assert!(seen.active[0].applied_at.is_some());
        let decision = send(&node, &format!("decision-{kind}.json")).await;
        assert_eq!(told(&decision).0, one(name, Version::UNVERSIONED), "{kind}");
        assert_eq!(decision.meta.labels["opa/unversioned_bundles"], name);
    }
    // Never activated is not active without a revision.
    let node = Node::new();
    let never = changed("status-no-revision.json", |json| {
        json["bundles"]["berth"]["last_successful_activation"] = "0001-01-01T00:00:00Z".into();
    });
    node.opa_status(&never).await;
    assert_eq!(told(&node.event(0).1).0, []);
    // An OPA that says nothing of any bundle cites none.
    let alone = send(&node, "decision-single-bundle-no-revision.json").await;
    assert_eq!(told(&alone), (vec![], None));
}
