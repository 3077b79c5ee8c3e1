//! An instance is observed in at most 2,000 series of its environment (E9).

use serde_json::{Value, json};

use crate::support::{Node, decision, event, tenant_scope};

/// An `agent_seen` of the gateway that reports these policies.
fn reports(number: u64, policies: impl Iterator<Item = u64>) -> (String, Value) {
    let active: Vec<Value> = policies
        .map(|n| {
            json!({"scope": tenant_scope("acme"), "policy": format!("p{n:04}"), "status": "applied", "version": "v1"})
        })
        .collect();
    let body = json!({
        "agent": "gateway", "incarnation": "i1", "labels": {}, "lease_ms": 600_000, "active": active,
    });
    #[expect(clippy::cast_precision_loss, reason = "small")]
    event(number, number as f64, "acme", "agent_seen", body)
}

#[tokio::test]
async fn what_is_said_of_more_series_is_flagged_and_no_observation() {
    let node = Node::new();
    let cites = |policy: &str| json!({"scope": tenant_scope("acme"), "policy": policy, "version": "v2"});
    let by_gateway = json!({
        "agent": "gateway", "incarnation": "i1", "policies": [cites("p0001"), cites("p7777"), cites("p8888")],
    });
    node.append(&[
        reports(1, 0..1_000),
        reports(2, 1_000..2_000),
        reports(3, [5, 9_999, 6, 8_888].into_iter()),
        decision(4, 4.0, "acme", by_gateway),
        decision(
            5,
            5.0,
            "acme",
            json!({"agent": "another", "policies": [cites("p7777")]}),
        ),
    ])
    .await;
    let list = node.ask("/v1/tenants/acme/quarantine?flag=instance_bound").await;
    let flagged: Vec<Value> = list["items"]
        .as_array()
        .unwrap()
        .iter()
        .map(|it| json!([it["index"], it["field"]]))
        .collect();
    assert_eq!(flagged, [json!([3, "/body/policies/1"]), json!([2, "/body/active/1"])]);
    assert_eq!(
        list["items"][0]["detail"],
        "it counts, but its instance is observed in 2000 series of its environment, as many as one may be: 2 of its entries, \
         this one first, are of others, and no observations"
    );
    let effective = node
        .ask("/v1/tenants/acme/effective?environment=prod&at=2026-03-01T00:00:06Z")
        .await;
    let policies = effective["policies"].as_array().unwrap();
    let of = |policy: &str| policies.iter().find(|entry| entry["policy"] == policy);
    assert_eq!(policies.len(), 2_001, "and what the other instance cites");
    assert!(of("p9999").is_none() && of("p8888").is_none());
    assert_eq!(of("p0001").unwrap()["version"], "v2");
    let cited = of("p7777").unwrap();
    assert_eq!(
        (&cited["applied"]["live"], &cited["version"]),
        (&json!(1), &json!("v2"))
    );
    // It counts: it is found, and a second one of its id is another's.
    let decisions = node.ask("/v1/tenants/acme/decisions?policy=p8888").await;
    assert_eq!(decisions["items"].as_array().unwrap().len(), 1);
}
