//! A stock OPA, told nothing but where to report: its own decision count equals ours, the actors are mapped, and
//! `effective` says which revision was in effect when.

use std::time::Duration;

use anyhow::{Result, bail};
use serde_json::{Value, json};
use verdict_tests::node;
use verdict_tests::opa::{Opa, OpaSetup};
use verdict_tests::server::Server;

fn module(who: &str) -> String {
    format!("package authz\n\ndefault allow := false\n\nallow if input.user == \"{who}\"\n")
}

/// Decisions about `authz/allow` that we hold, oldest first. OPA logs a decision for whatever document it is asked for,
/// the harness's own look at its revision among them.
async fn held(server: &Server) -> Result<Vec<Value>> {
    let mut items = node::items(server, "/v1/tenants/acme/decisions?order=oldest&limit=1000").await?;
    items.retain(|d| d.pointer("/event/meta/labels/opa~1path") == Some(&json!("authz/allow")));
    Ok(items)
}

/// The same, once there are `count` of them.
async fn decisions(server: &Server, count: usize) -> Result<Vec<Value>> {
    let mut last = 0;
    for _ in 0..node::POLLS {
        // Until the first report the tenant is not there.
        let items = held(server).await.unwrap_or_default();
        last = items.len();
        match last {
            n if n == count => return Ok(items),
            n if n > count => break,
            _ => tokio::time::sleep(Duration::from_millis(100)).await,
        }
    }
    bail!("{last} decisions, not {count}:\n{}", server.log())
}

/// The entry of the only policy, once it shows this version and so many live instances.
async fn effective(server: &Server, version: &str, live: u64) -> Result<Value> {
    let answer = answered(server, version, live).await?;
    Ok(answer["policies"][0].clone())
}

/// The whole answer.
async fn answered(server: &Server, version: &str, live: u64) -> Result<Value> {
    let mut last = Value::Null;
    for _ in 0..node::POLLS {
        // Until the first report the tenant is not there.
        if let Ok(answer) = server.get_json("/v1/tenants/acme/effective?environment=prod").await {
            last = answer;
        }
        let entry = &last["policies"][0];
        if entry["version"] == version && entry["applied"]["live"] == live {
            return Ok(last);
        }
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
    bail!("the policy is not at {version} with {live} live: {last:#}")
}

#[tokio::test]
async fn a_stock_opa_is_understood_with_nothing_but_its_own_configuration() -> Result<()> {
    let server = Server::start::<&str>(&[]).await?;
    let report_to = server.url("/opa/v1/acme/prod");
    let first = module("ann");
    let setup = OpaSetup {
        bundle: ("authz", "r1", &first),
        labels: &[("app", "payments"), ("tenant", "acme"), ("agent", "payments-1")],
        report_to: Some(&report_to),
        ..OpaSetup::default()
    };
    let mut opa = Opa::start(&setup).await?;
    opa.wait_revision("authz", "r1").await?;
    for user in ["ann", "bob", "ann"] {
        opa.decide(
            "authz/allow",
            &json!({"user": user, "action": "read", "resource": "doc-1"}),
        )
        .await?;
    }
    let entry = effective(&server, "r1", 1).await?;
    assert_eq!(
        (&entry["policy"], &entry["state"], &entry["certainty"]),
        (&json!("authz"), &json!("effective"), &json!("observed"))
    );

    opa.publish("r2", &module("bob")).await?;
    opa.wait_revision("authz", "r2").await?;
    for user in ["ann", "bob"] {
        opa.decide(
            "authz/allow",
            &json!({"user": user, "action": "read", "resource": "doc-1"}),
        )
        .await?;
    }
    effective(&server, "r2", 1).await?;

    let held = decisions(&server, 5).await?;
    let told: Vec<(String, String, String)> = held
        .iter()
        .map(|d| {
            let text = |pointer: &str| d.pointer(pointer).and_then(Value::as_str).unwrap_or("-").to_owned();
            (
                text("/event/body/actor/id"),
                text("/event/body/outcome"),
                text("/event/body/policies/0/version"),
            )
        })
        .collect();
    let expected = [
        ("ann", "allow", "r1"),
        ("bob", "deny", "r1"),
        ("ann", "allow", "r1"),
        ("ann", "deny", "r2"),
        ("bob", "allow", "r2"),
    ];
    let expected = expected.map(|(a, o, v)| (a.to_owned(), o.to_owned(), v.to_owned()));
    assert_eq!(told, expected);
    assert_eq!(held[0].pointer("/event/body/agent"), Some(&json!("payments-1")));
    assert_eq!(held[0].pointer("/event/body/action"), Some(&json!("read")));

    // `history` shows the change; a restart is another incarnation of the same agent.
    let history = server
        .get_json("/v1/tenants/acme/history?environment=prod&layer=tenant&policy=authz")
        .await?;
    let versions: Vec<&str> = history["runs"]
        .as_array()
        .unwrap()
        .iter()
        .filter_map(|r| r["version"].as_str())
        .collect();
    assert_eq!(versions, ["r1", "r2"], "{history:#}");
    let incarnation = |d: &Value| d.pointer("/event/body/incarnation").unwrap().clone();
    opa.stop().await?;
    opa.restart().await?;
    opa.wait_revision("authz", "r2").await?;
    opa.decide("authz/allow", &json!({"user": "ann"})).await?;
    let held = decisions(&server, 6).await?;
    assert_ne!(incarnation(&held[4]), incarnation(&held[5]));
    Ok(())
}

#[tokio::test]
async fn what_opa_sends_again_after_an_outage_makes_no_duplicate_and_loses_nothing() -> Result<()> {
    let mut server = Server::start::<&str>(&[]).await?;
    let report_to = server.url("/opa/v1/acme/prod");
    let first = module("ann");
    let setup = OpaSetup {
        bundle: ("authz", "r1", &first),
        report_to: Some(&report_to),
        ..OpaSetup::default()
    };
    let mut opa = Opa::start(&setup).await?;
    opa.wait_revision("authz", "r1").await?;
    for i in 0..30 {
        if i == 10 {
            server.kill().await?;
        }
        if i == 20 {
            // Longer than OPA's delay between uploads, so that several of them fail.
            tokio::time::sleep(Duration::from_secs(3)).await;
            server.restart().await?;
        }
        opa.decide("authz/allow", &json!({"user": format!("u{i}")})).await?;
    }
    let held = decisions(&server, 30).await?;
    let actors: Vec<&str> = held
        .iter()
        .map(|d| d.pointer("/event/body/actor/id").unwrap().as_str().unwrap())
        .collect();
    let expected: Vec<String> = (0..30).map(|i| format!("u{i}")).collect();
    assert_eq!(actors, expected);
    opa.stop().await?;
    server.stop().await?;
    node::audit(&server.data()).await
}

/// With the old key OPA names its bundle in its statuses alone, and only the revision in its decisions.
#[tokio::test]
async fn a_stock_opa_with_the_old_bundle_key_is_understood_too() -> Result<()> {
    let server = Server::start::<&str>(&[]).await?;
    let report_to = server.url("/opa/v1/acme/prod");
    let module = module("ann");
    let setup = OpaSetup {
        bundle: ("", "tide-7", &module),
        old_key: true,
        labels: &[("agent", "quay-1")],
        report_to: Some(&report_to),
        ..OpaSetup::default()
    };
    let mut opa = Opa::start(&setup).await?;
    let entry = effective(&server, "tide-7", 1).await?;
    assert_eq!(
        (&entry["policy"], &entry["certainty"]),
        (&json!("bundle.tar.gz"), &json!("observed"))
    );
    opa.decide("authz/allow", &json!({"user": "ann", "action": "moor"}))
        .await?;
    let held = decisions(&server, 1).await?;
    let cited = held[0].pointer("/event/body/policies/0").unwrap();
    assert_eq!(
        (&cited["policy"], &cited["version"]),
        (&json!("bundle.tar.gz"), &json!("tide-7"))
    );
    let agents = node::items(&server, "/v1/tenants/acme/agents?environment=prod").await?;
    assert_eq!(
        (agents.len(), &agents[0]["agent"]),
        (1, &json!("quay-1")),
        "{agents:#?}"
    );
    opa.stop().await
}

/// Without a revision it is known that a bundle runs, and everybody is told that nobody knows which.
#[tokio::test]
async fn a_stock_opa_whose_bundle_has_no_revision_is_listed_with_a_warning() -> Result<()> {
    let server = Server::start::<&str>(&[]).await?;
    let report_to = server.url("/opa/v1/acme/prod");
    let module = format!("{}\ndeny contains \"no ann\" if input.user == \"ann\"\n", module("ann"));
    let setup = OpaSetup {
        bundle: ("authz", "", &module),
        labels: &[("agent", "quay-2")],
        report_to: Some(&report_to),
        ..OpaSetup::default()
    };
    let mut opa = Opa::start(&setup).await?;
    let answer = answered(&server, "unversioned", 1).await?;
    assert_eq!(answer["policies"][0]["policy"], "authz");
    assert!(
        answer["warnings"][0].as_str().unwrap().contains("opa build --revision"),
        "{answer:#}"
    );
    assert!(server.log().contains("opa build --revision"), "{}", server.log());
    let agents = node::items(&server, "/v1/tenants/acme/agents?environment=prod").await?;
    assert_eq!(
        (&agents[0]["agent"], &agents[0]["running"][0]["version"]),
        (&json!("quay-2"), &json!("unversioned")),
        "{agents:#?}"
    );
    // What the rules say is read by their names: the set that refuses wins over the permission beside it.
    opa.decide("authz/allow", &json!({"user": "ann"})).await?;
    let held = decisions(&server, 1).await?;
    assert_eq!(
        held[0].pointer("/event/body/policies/0/version"),
        Some(&json!("unversioned"))
    );
    let both = opa.decide("authz", &json!({"user": "ann"})).await?;
    let refused = opa.decide("authz/deny", &json!({"user": "ann"})).await?;
    for answer in [both, refused] {
        let id = answer["decision_id"].as_str().unwrap().to_owned();
        let path = format!("/v1/tenants/acme/decisions/{id}");
        let mut shown = Value::Null;
        for _ in 0..200 {
            match server.get_json(&path).await {
                Ok(found) => {
                    shown = found;
                    break;
                }
                Err(_) => tokio::time::sleep(Duration::from_millis(100)).await,
            }
        }
        let body = &shown["event"]["body"];
        assert_eq!(
            (&body["outcome"], &body["reasons"]),
            (&json!("deny"), &json!(["no ann"])),
            "{shown:#}"
        );
        // What OPA sent comes with it.
        let sent: Value = serde_json::from_str(shown["received"]["foreign"]["text"].as_str().unwrap())?;
        assert_eq!((&sent["decision_id"], &sent["result"]), (&json!(id), &answer["result"]));
    }
    opa.stop().await
}
