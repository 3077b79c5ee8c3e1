//! What a binding changes, from when on, and what it never changes afterwards.

use serde_json::json;
use verdict_schemas::{Body, Event};

use crate::support::{Node, binding, sample};

fn told(event: &Event) -> (String, String, String) {
    let Body::Decision(decision) = &event.body else {
        panic!("{event:?}")
    };
    let cited = &decision.policies[0];
    (
        format!("{}/{}", cited.scope, cited.policy),
        decision.actor.name.id.clone(),
        decision.action.clone(),
    )
}

fn text(text: &str) -> String {
    text.to_owned()
}

#[tokio::test]
async fn a_binding_maps_from_its_recording_on_and_changes_nothing_kept() {
    let node = Node::new();
    let upload = String::from_utf8(sample("decision-masked-erased-rulelabels-trace.json")).unwrap();
    let again = |n: u32| upload.replace("c6bb1ef6", &format!("c6bb1e{n:02}"));
    node.opa_logs(again(1).as_bytes()).await;
    let bound = json!({"actor": "/requested_by", "action": "/input/nothing", "lease_ms": 60_000});
    assert_eq!(
        node.send(binding(1, "authz", &bound).to_string()).await.body["accepted"],
        1
    );
    node.opa_logs(again(2).as_bytes()).await;
    // What was taken before the binding is not taken again under it: no duplicate, no conflict.
    assert_eq!(node.opa_logs(again(1).as_bytes()).await.body["duplicates"], 1);
    let changed = json!({"actor": "/input/user", "policy": "renamed"});
    node.send(binding(2, "authz", &changed).to_string()).await;
    node.opa_logs(again(3).as_bytes()).await;

    assert_eq!(
        told(&node.event(0).1),
        (text("tenant acme in prod/authz"), text("alice"), text("read"))
    );
    assert_eq!(
        told(&node.event(2).1),
        (
            text("tenant acme everywhere/access"),
            text("127.0.0.1:41398"),
            text("unmapped")
        )
    );
    assert_eq!(
        told(&node.event(4).1),
        (text("tenant acme everywhere/renamed"), text("alice"), text("read"))
    );
    assert_eq!(
        node.event(2).1.meta.labels.get("mapped/bindings").map(String::as_str),
        Some("b-authz@1")
    );
    assert_eq!(node.size("acme"), 5);
}

#[tokio::test]
async fn a_binding_sets_the_lease_and_ends() {
    let node = Node::new();
    let lease = |index| match node.event(index).1.body {
        Body::AgentSeen(seen) => (seen.lease_ms, seen.active[0].policy.to_string()),
        other => panic!("{other:?}"),
    };
    node.send(binding(1, "authz", &json!({"lease_ms": 60_000})).to_string())
        .await;
    node.opa_status(&sample("status-rev-2-activated.json")).await;
    assert_eq!(lease(1), (60_000, text("access")));
    let mut ended = binding(2, "authz", &json!({}));
    ended["body"]["after"] = json!(null);
    assert_eq!(node.send(ended.to_string()).await.body["accepted"], 1);
    node.opa_status(&sample("status-rev-2-activated.json")).await;
    assert_eq!(lease(3), (300_000, text("authz")));
}

/// A binding that can not be used must not turn every decision into a malformed one.
#[tokio::test]
async fn a_binding_that_can_not_be_used_is_left_aside() {
    let node = Node::new();
    for (n, more) in [
        (
            1,
            json!({"scope": {"layer": "tenant", "tenant": "globex", "environment": "prod"}}),
        ),
        (2, json!({"scope": {"layer": "nowhere"}})),
        (3, json!({"actor": "input.user"})),
    ] {
        assert_eq!(
            node.send(binding(n, "authz", &more).to_string()).await.body["accepted"],
            1
        );
        let upload = String::from_utf8(sample("decision-no-input.json")).unwrap();
        let answer = node
            .opa_logs(upload.replace("7da21975", &format!("7da2197{n}")).as_bytes())
            .await;
        assert_eq!(
            (&answer.body["accepted"], &answer.body["quarantined"]),
            (&json!(1), &json!(0)),
            "{more}"
        );
        assert_eq!(told(&node.event(2 * n - 1).1).0, "tenant acme in prod/authz");
    }
}
