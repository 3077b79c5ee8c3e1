//! Ids are whatever their emitters chose: each can be found, and what `find` refers to is what was sent.

use serde_json::{Value, json};

use crate::support::{Node, decision, started};

/// Ids that a path can not carry, or that look like another path; and plain ones.
const IDS: [&str; 9] = ["d1", "count", "", ".", "..", "a/b", "a b?c#d%2F&e=f", "ü", "%63ount"];

/// Where `find` says that the id is, as `what`.
async fn href(node: &Node, id: &str, what: &str) -> String {
    let encoded: String = id.bytes().map(|byte| format!("%{byte:02X}")).collect();
    let found = node.ask(&format!("/v1/find?id={encoded}")).await;
    let items = found["items"].as_array().unwrap();
    let item = items.iter().find(|item| item["what"] == what);
    item.unwrap_or_else(|| panic!("no {what} `{id}` in {found}"))["href"]
        .as_str()
        .unwrap()
        .to_owned()
}

#[tokio::test]
async fn what_find_refers_to_is_the_decision_or_the_rollout_of_that_id() {
    let node = Node::new();
    let numbered = || IDS.iter().zip(1_u64..);
    let decisions: Vec<_> = numbered()
        .map(|(id, n)| decision(n, 1.0, "acme", json!({"decision_id": id})))
        .collect();
    let rollouts: Vec<_> = numbered()
        .map(|(id, n)| started(100 + n, 2.0, "acme", id, "v1"))
        .collect();
    node.append(&decisions).await;
    node.append(&rollouts).await;
    for (id, n) in numbered() {
        let shown = node.ask(&href(&node, id, "decision").await).await;
        assert_eq!(
            (&shown["index"], &shown["event"]["body"]["decision_id"]),
            (&json!(n - 1), &json!(id))
        );
        let shown = node.ask(&href(&node, id, "rollout").await).await;
        assert_eq!(shown["rollout_id"], *id, "{shown}");
    }
    // The two ways of asking are one question, and a path that means something else goes on meaning it.
    let (acme, pin) = ("/v1/tenants/acme", "known_at=2026-03-01T00:01:00Z");
    for (path, by_id) in [
        ("decisions/a%2Fb?", "decision?id=a/b&"),
        ("rollouts/d1?", "rollout?id=d1&"),
    ] {
        let (one, other) = (
            node.ask(&format!("{acme}/{path}{pin}")).await,
            node.ask(&format!("{acme}/{by_id}{pin}")).await,
        );
        assert_eq!(one, other, "{path}");
    }
    assert_eq!(node.ask(&format!("{acme}/decisions/count")).await["count"], IDS.len());
    assert_eq!(
        node.ask(&format!("{acme}/decisions/%63ount")).await["event"]["body"]["decision_id"],
        "count"
    );
    for (path, problem) in [
        ("decision", "missing_parameter"),
        ("decision?id=d99", "not_found"),
        ("decisions/d1?id=d1", "unknown_parameter"),
        ("rollout?id=d1&id=d1", "repeated_parameter"),
        ("rollout?id=d1&at=", "invalid_parameter"),
        ("object?id=d1", "missing_parameter"),
        ("decisions/", "unknown_route"),
    ] {
        assert_eq!(node.get(&format!("{acme}/{path}")).await.problem(), problem, "{path}");
    }
}

#[tokio::test]
async fn an_object_of_any_id_can_be_asked_for() {
    let node = Node::new();
    let change = json!({
        "object": {"kind": "lease", "id": ".."}, "version": "1", "after": "1", "by": {"type": "human", "id": "ops"},
        "document": {},
    });
    node.append(&[crate::support::event(1, 1.0, "acme", "object_changed", change)])
        .await;
    let shown = node.ask("/v1/tenants/acme/object?kind=lease&id=..").await;
    assert_eq!(shown["object"], json!({"kind": "lease", "id": ".."}));
}

#[tokio::test]
async fn what_was_kept_as_malformed_is_shown_as_json_where_it_is_json() {
    let node = Node::new();
    let note = "{\"quarantined\":\n {\"rule\": \"missing_field\", \"n\": 1e999}}";
    let at = crate::support::at(1.0);
    node.append_raw("acme", &at, note.as_bytes()).await;
    node.append_raw("acme", &at, b"no json").await;
    node.append_raw("acme", &at, format!("{{\"long\":\"{}\"}}", "x".repeat(2000)).as_bytes())
        .await;
    let reply = node.get("/v1/tenants/acme/quarantine?order=oldest").await.text();
    assert!(
        reply.contains(r#""json":{"quarantined":{"rule":"missing_field","n":1e999}}"#),
        "{reply}"
    );
    assert_eq!(reply.matches("\"json\":").count(), 1, "{reply}");
    let lines = node
        .send(
            "GET",
            "/v1/tenants/acme/quarantine",
            &[("accept", "application/x-ndjson")],
        )
        .await
        .text();
    assert_eq!(lines.lines().count(), 3, "{lines}");
    let last: Value = serde_json::from_str(lines.lines().next().unwrap()).unwrap();
    assert_eq!(last["value"].as_str().unwrap().len(), 1024_usize.div_ceil(3) * 4);
}
