//! Intent as it is asked about: rollouts, objects, agents over time.

use serde_json::{Value, json};
use verdict_query::Limits;

use crate::support::{Node, at, decision, event, seen, started, tenant_scope};

#[tokio::test]
async fn a_rollout_is_told_from_its_plan_to_who_is_missing() {
    let node = Node::new();
    let rolled_back = json!({"rollout_id": "r2", "phase": "rolled_back", "reason": "errors"});
    let mut partial = started(7, 60.0, "acme", "canary", "v3");
    partial.1["body"]["target"] = json!({"labels": {"ring": "0"}});
    node.append(&[
        started(1, 0.0, "acme", "r1", "v1"),
        seen(2, 1.0, "acme", "pdp-1", "v1"),
        seen(3, 2.0, "acme", "pdp-2", "v1"),
        started(4, 10.0, "acme", "r2", "v2"),
        seen(5, 12.0, "acme", "pdp-1", "v2"),
        event(6, 30.0, "acme", "rollout", rolled_back),
        partial,
    ])
    .await;
    let states = |list: &Value| -> Vec<(String, String)> {
        let text = |value: &Value| value.as_str().unwrap().to_owned();
        list["items"]
            .as_array()
            .unwrap()
            .iter()
            .map(|item| (text(&item["rollout_id"]), text(&item["state"])))
            .collect()
    };
    let pairs = |pairs: &[(&str, &str)]| -> Vec<(String, String)> {
        pairs
            .iter()
            .map(|(id, state)| ((*id).to_owned(), (*state).to_owned()))
            .collect()
    };
    let list = async |moment: f64| states(&node.ask(&format!("/v1/tenants/acme/rollouts?at={}", at(moment))).await);
    assert_eq!(list(5.0).await, pairs(&[("r1", "active")]));
    assert_eq!(list(20.0).await, pairs(&[("r2", "active"), ("r1", "superseded")]));
    assert_eq!(
        list(90.0).await,
        pairs(&[("canary", "active"), ("r2", "rolled_back"), ("r1", "active")])
    );
    let one = node.ask(&format!("/v1/tenants/acme/rollouts/r2?at={}", at(20.0))).await;
    assert_eq!((&one["started"], &one["since"]), (&json!(at(10.0)), &json!(at(10.0))));
    let prod = &one["environments"][0];
    assert_eq!(
        (&prod["environment"], &prod["state"]),
        (&json!("prod"), &json!("overdue"))
    );
    assert_eq!(prod["applied"], json!({"have": 1, "need": 2, "live": 2, "silent": 0}));
    assert_eq!(
        prod["missing"],
        json!([{"agent": "pdp-2", "incarnation": "i1", "version": "v1"}])
    );
    let first = node.ask(&format!("/v1/tenants/acme/rollouts/r1?at={}", at(5.0))).await;
    // The first agent to be seen was all there was: a majority of one.
    assert_eq!(first["environments"][0]["time_to_quorum_ms"], 1000);
    assert_eq!(
        node.get("/v1/tenants/acme/rollouts/r1?environment=nowhere")
            .await
            .json()["environments"],
        json!([])
    );
}

#[tokio::test]
async fn an_object_is_what_it_last_became_and_drifts_from_what_is_reported() {
    let node = Node::new();
    let change = |number, seconds, version: &str, after: Value| {
        event(
            number,
            seconds,
            "acme",
            "object_changed",
            json!({
                "object": {"kind": "workload", "id": "api"}, "version": version, "before": null, "after": after,
                "by": {"type": "human", "id": "ops"}, "reason": "scale", "document": {"replicas": number},
            }),
        )
    };
    let report = |number, seconds, observed: &str| {
        event(
            number,
            seconds,
            "acme",
            "reconciliation_reported",
            json!({
                "object": {"kind": "workload", "id": "api"}, "generation": number, "observed_version": observed,
                "state": "converged", "detail": {},
            }),
        )
    };
    node.append(&[
        change(1, 0.0, "1", json!("sha-1")),
        report(2, 5.0, "sha-1"),
        change(3, 10.0, "2", json!("sha-2")),
        report(4, 15.0, "sha-2"),
        change(5, 20.0, "3", Value::Null),
    ])
    .await;
    let ask = async |moment: f64| {
        node.ask(&format!("/v1/tenants/acme/objects/workload/api?at={}", at(moment)))
            .await
    };
    let told = |answer: &Value| (answer["desired"]["version"].clone(), answer["drift"].clone());
    assert_eq!(told(&ask(1.0).await), (json!("1"), Value::Null));
    assert_eq!(told(&ask(5.0).await), (json!("1"), json!(false)));
    assert_eq!(told(&ask(10.0).await), (json!("2"), json!(true)));
    assert_eq!(told(&ask(15.0).await), (json!("2"), json!(false)));
    let ended = ask(20.0).await;
    assert_eq!(
        (&ended["desired"]["ended"], &ended["desired"]["in_force"]),
        (&json!(true), &json!(false))
    );
    assert_eq!(ask(12.0).await["desired"]["document"], json!({"replicas": 3}));
    let before = node
        .get(&format!("/v1/tenants/acme/objects/workload/api?at={}", at(-1.0)))
        .await;
    assert_eq!(before.problem(), "not_found");
}

/// What reconciliation reports is said over and over; what is desired was said once, long before.
#[tokio::test]
async fn no_number_of_reports_hides_what_is_desired_of_an_object() {
    let node = Node::with_limits(Limits {
        examined: 2,
        counted: 2,
        ..Limits::default()
    });
    let object = json!({"kind": "workload", "id": "api"});
    let by = json!({"type": "human", "id": "ops"});
    let change = json!({"object": object, "version": "1", "before": null, "after": "sha-1", "by": by, "document": {}});
    let mut events = vec![event(1, 0.0, "acme", "object_changed", change)];
    for number in 2..40 {
        let report =
            json!({"object": object, "generation": number, "observed_version": "sha-0", "state": "progressing"});
        let seconds = number as f64;
        events.push(event(number, seconds, "acme", "reconciliation_reported", report));
    }
    node.append(&events).await;
    let answer = node.ask("/v1/tenants/acme/objects/workload/api").await;
    assert_eq!(
        (
            &answer["desired"]["version"],
            &answer["observed"]["generation"],
            &answer["drift"]
        ),
        (&json!("1"), &json!(39), &json!(true))
    );
    assert_eq!(answer["evidence"].as_array().unwrap().len(), 2);
}

/// Other incarnations of an agent may be heard of so often that not all they sent is looked at: then it is said.
#[tokio::test]
async fn an_instance_among_many_of_its_name_was_seen_then_or_later() {
    let node = Node::new();
    let first = |number, seconds: f64| decision(number, seconds, "acme", json!({"incarnation": "i0"}));
    let asked = async |others: u64| {
        let list = node.ask(&format!("/v1/tenants/acme/agents?at={}", at(30.0))).await;
        let of = |incarnation: &str| {
            let items = list["items"].as_array().unwrap();
            let item = items.iter().find(|item| item["incarnation"] == incarnation).unwrap();
            (item["last_seen"].clone(), item.get("last_seen_or_later").cloned())
        };
        assert_eq!(of("i1"), (json!(at(10.0 + others as f64 / 10.0)), None));
        of("i0")
    };
    // Of one minute the first decision is the one that counts as a sighting (E8); the latest is found all the same.
    node.append(&[first(1, 5.0), first(2, 8.0), seen(3, 10.1, "acme", "pdp-1", "v1")])
        .await;
    assert_eq!(asked(1).await, (json!(at(8.0)), None));
    let others: Vec<_> = (2..50)
        .map(|number| seen(number + 2, 10.0 + number as f64 / 10.0, "acme", "pdp-1", "v1"))
        .collect();
    node.append(&others).await;
    assert_eq!(asked(49).await, (json!(at(5.0)), Some(json!(true))));
}

#[tokio::test]
async fn agents_say_who_runs_what_since_when_and_how_stale_that_is() {
    let node = Node::new();
    let citing = json!({
        "decision_id": "d", "actor": {"type": "user", "id": "a"}, "action": "read", "resource": {"type": "r", "id": "1"},
        "outcome": "allow", "reasons": [], "determining_rules": [], "masked": [], "erased": [], "mode": "normal",
        "policies": [{"scope": tenant_scope("acme"), "policy": "authz", "version": "v1"}],
    });
    node.append(&[
        seen(1, 0.0, "acme", "pdp-1", "v1"),
        seen(2, 10.0, "acme", "pdp-2", "v2"),
        seen(3, 20.0, "acme", "pdp-1", "v1"),
        event(4, 25.0, "acme", "decision", citing),
    ])
    .await;
    let list = node.ask(&format!("/v1/tenants/acme/agents?at={}", at(30.0))).await;
    let items = list["items"].as_array().unwrap();
    let told: Vec<_> = items
        .iter()
        .map(|item| {
            (
                item["agent"].clone(),
                item["incarnation"].clone(),
                item["stale_ms"].clone(),
            )
        })
        .collect();
    assert_eq!(
        told,
        [
            (json!("pdp-1"), json!("i1"), json!(10_000)),
            (json!("pdp-2"), json!("i1"), json!(20_000)),
            // A decision that names neither agent nor incarnation is its source's, per version (E7).
            (json!("urn:test:emitter"), json!("v1"), json!(5_000)),
        ]
    );
    assert_eq!(items[0]["running"][0]["version"], "v1");
    assert_eq!(items[0]["running"][0]["evidence"]["kind"], "agent_seen");
    let narrowed = node
        .ask(&format!(
            "/v1/tenants/acme/agents?at={}&policy=authz&version=v2",
            at(30.0)
        ))
        .await;
    assert_eq!(narrowed["items"].as_array().unwrap().len(), 1);
    let first = node
        .ask(&format!("/v1/tenants/acme/agents?at={}&limit=2", at(30.0)))
        .await;
    let rest = format!(
        "/v1/tenants/acme/agents?at={}&limit=2&cursor={}",
        at(30.0),
        first["next"].as_str().unwrap()
    );
    assert_eq!(node.ask(&rest).await["items"], json!([items[2]]));
}

#[tokio::test]
async fn every_use_of_a_version_is_a_use_whether_a_partial_is_open_or_not() {
    let node = Node::new();
    let mut partial = started(5, 40.0, "acme", "canary", "v2");
    partial.1["body"]["target"] = json!({"labels": {"ring": "0"}});
    // Of one instance's citations in one minute the first is counted (E8); the last use is the last of all (E17).
    node.append(&[
        started(1, 0.0, "acme", "r1", "v1"),
        decision(2, 10.0, "acme", json!({})),
        decision(3, 20.0, "acme", json!({})),
        decision(4, 30.0, "acme", json!({})),
        partial,
    ])
    .await;
    for (moment, used) in [(15.0, 10.0), (25.0, 20.0), (35.0, 30.0), (50.0, 30.0)] {
        let answer = node
            .ask(&format!(
                "/v1/tenants/acme/effective?environment=prod&at={}",
                at(moment)
            ))
            .await;
        assert_eq!(answer["policies"][0]["last_exercised"], at(used), "at {moment}");
        assert_eq!(
            answer["policies"][0]["partials"].as_array().unwrap().len(),
            usize::from(moment > 40.0)
        );
    }
    let compared = node
        .ask(&format!(
            "/v1/tenants/acme/compare?environment=prod&at={}&with={}",
            at(-1.0),
            at(25.0)
        ))
        .await;
    assert_eq!(compared["policies"][0]["with"]["last_exercised"], at(20.0));
}

/// An environment that comes later is not in an answer that was given before.
#[tokio::test]
async fn a_rollout_shown_again_names_the_environments_of_its_cut() {
    let node = Node::new();
    let staging = |number, seconds| {
        let mut report = seen(number, seconds, "acme", "pdp-1", "v1");
        report.1["meta"]["environment"] = json!("staging");
        report
    };
    node.append(&[started(1, 0.0, "acme", "r1", "v1"), staging(2, 1.0)])
        .await;
    let path = "/v1/tenants/acme/rollouts/r1";
    let then = async |path: &str| node.ask(&format!("{path}?known_at={}", at(1.5))).await;
    let before = then(path).await;
    let agents = then("/v1/tenants/acme/agents").await;
    let names = |answer: &Value| -> Vec<String> {
        let environments = answer["environments"].as_array().unwrap();
        environments
            .iter()
            .map(|one| one["environment"].as_str().unwrap().to_owned())
            .collect()
    };
    assert_eq!(names(&before), ["staging"]);
    node.append(&[seen(3, 2.0, "acme", "pdp-2", "v1"), decision(4, 3.0, "acme", json!({}))])
        .await;
    assert_eq!(names(&node.ask(path).await), ["prod", "staging"]);
    for (path, before) in [(path, &before), ("/v1/tenants/acme/agents", &agents)] {
        let pinned = before["as_of"].as_str().unwrap();
        assert_eq!(&node.ask(&format!("{path}?as_of={pinned}")).await, before, "{path}");
    }
}

/// What Kafka did not stamp is recorded at 1970 where nothing better is known, and acts then: that must not pass for a fact.
#[tokio::test]
async fn a_policy_that_runs_since_1970_is_warned_of() {
    let node = Node::new();
    let mut report = seen(1, 0.0, "acme", "pdp-1", "v1");
    report.0 = "1970-01-01T00:00:00Z".to_owned();
    node.append(&[report]).await;
    let effective = "/v1/tenants/acme/effective?environment=prod&at=";
    let warned = node.ask(&format!("{effective}{}", at(5.0))).await;
    assert_eq!(warned["policies"][0]["since"], "1970-01-01T00:00:00.000000Z");
    let warning = warned["warnings"][0].as_str().unwrap();
    assert!(
        warning.contains("`authz`") && warning.contains("LogAppendTime"),
        "{warning}"
    );
    node.append(&[seen(2, 10.0, "acme", "pdp-1", "v2")]).await;
    assert_eq!(
        node.ask(&format!("{effective}{}", at(15.0))).await.get("warnings"),
        None
    );
}

#[tokio::test]
async fn what_the_platform_intends_holds_for_a_tenant_that_never_sent_a_record() {
    let node = Node::new();
    let mut global = started(1, 0.0, "_platform", "g1", "v7");
    global.1["body"]["scope"] = json!({"layer": "global", "environment": "*"});
    node.append(&[global]).await;
    let effective = node
        .ask(&format!("/v1/tenants/silent/effective?environment=prod&at={}", at(5.0)))
        .await;
    let policy = &effective["policies"][0];
    assert_eq!(
        (&policy["policy"], &policy["version"], &policy["certainty"]),
        (&json!("authz"), &json!("v7"), &json!("declared")),
        "{policy}"
    );
    // The cut that it was given for is answered on every path.
    let pinned = effective["as_of"].as_str().unwrap();
    for (path, found) in [
        ("decisions", 0),
        ("rollouts", 1),
        ("agents", 0),
        ("quarantine", 0),
        ("sources", 0),
    ] {
        let list = node.ask(&format!("/v1/tenants/silent/{path}?as_of={pinned}")).await;
        assert_eq!(list["items"].as_array().map(Vec::len), Some(found), "{path}");
        assert_eq!(
            node.get(&format!("/v1/tenants/silent/{path}")).await.problem(),
            "unknown_tenant"
        );
    }
    let range = format!("environment=prod&from={}&to={}", at(0.0), at(5.0));
    let history = node
        .ask(&format!("/v1/tenants/silent/history?layer=global&policy=authz&{range}"))
        .await;
    assert_eq!(history["runs"][0]["version"], "v7", "{history}");
    let moments = format!("environment=prod&at={}&with={}", at(-1.0), at(5.0));
    let compare = node.ask(&format!("/v1/tenants/silent/compare?{moments}")).await;
    assert_eq!(compare["policies"][0]["policy"], "authz", "{compare}");
}
