//! Every shape in which the ecosystem of OPA says what it decided, by the default mapping: `samples/opa/shapes.json` holds
//! events and what is made of them, and each shape has a line in the table of `docs/opa.md`.

use std::collections::BTreeSet;

use axum::http::StatusCode;
use serde_json::{Value, json};
use verdict_schemas::{Body, Decision, Event};
use verdict_store::Record;

use crate::support::{Node, binding, foreign, sample};

const DOCUMENT: &str = include_str!("../../../docs/opa.md");

fn decision_of(event: &Event) -> &Decision {
    match &event.body {
        Body::Decision(decision) => decision,
        other => panic!("{other:?}"),
    }
}

/// The outcome, as the record has it.
fn outcome_of(record: &Record) -> Value {
    let event: Value = serde_json::from_slice(&record.value).unwrap();
    event["body"]["outcome"].clone()
}

fn shapes() -> Vec<Value> {
    serde_json::from_slice(&sample("shapes.json")).unwrap()
}

/// What was made of an event, in the form of `expected`; only what is asked for there.
fn made_of((record, event): (&Record, &Event), expected: &Value) -> Value {
    let decision = decision_of(event);
    let label = |name: &str| event.meta.labels[name].clone();
    let mut made = json!({
        "outcome": outcome_of(record), "by": label("mapped/outcome"), "reasons": decision.reasons,
    });
    if !expected["actor"].is_null() {
        let name = &decision.actor.name;
        made["actor"] = json!([name.r#type, name.id, label("mapped/actor")]);
    }
    if !expected["action"].is_null() {
        made["action"] = json!([decision.action, label("mapped/action")]);
    }
    if !expected["resource"].is_null() {
        let name = &decision.resource.name;
        made["resource"] = json!([name.r#type, name.id, label("mapped/resource")]);
    }
    made
}

#[tokio::test]
async fn every_shape_is_read_as_it_is_meant_or_not_at_all() {
    let shapes = shapes();
    let node = Node::new();
    let mut events: Vec<Value> = shapes.iter().map(|shape| shape["event"].clone()).collect();
    for (n, event) in events.iter_mut().enumerate() {
        event["decision_id"] = format!("shape-{n}").into();
    }
    let answer = node.opa_logs(serde_json::to_vec(&events).unwrap().as_slice()).await;
    assert_eq!(
        (answer.status, &answer.body["accepted"]),
        (StatusCode::OK, &json!(shapes.len())),
        "{answer:?}"
    );
    let mut wrong = Vec::new();
    for ((shape, sent), index) in shapes.iter().zip(&events).zip(0..) {
        let (record, event) = node.event(index);
        let made = made_of((&record, &event), &shape["expected"]);
        if made != shape["expected"] {
            wrong.push(format!(
                "{}\n  made {made}\n  not  {}",
                shape["event"], shape["expected"]
            ));
        }
        assert_eq!(serde_json::from_slice::<Value>(&foreign(&record)).unwrap(), *sent);
        assert_eq!(event.meta.labels["mapped/version"], "2");
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn every_shape_has_a_line_in_the_document() {
    let shapes: BTreeSet<String> = shapes()
        .iter()
        .map(|shape| shape["shape"].as_str().unwrap().to_owned())
        .collect();
    for shape in shapes {
        assert!(
            DOCUMENT.contains(&format!("| {shape} |")),
            "`{shape}` is not in the table"
        );
    }
}

/// A binding says where the outcome is decided: what does not refuse there allows.
#[tokio::test]
async fn a_bound_outcome_is_the_whole_outcome() {
    for (pointer, path, result, expected) in [
        (
            "/result/verdict",
            "app/authz",
            json!({"verdict": true, "deny": true}),
            "allow",
        ),
        ("/result/verdict", "app/authz", json!({"verdict": "denied"}), "deny"),
        ("/result/verdict", "app/authz", json!({"allow": true}), "indeterminate"),
        ("/result", "app/authz/user_is_admin", json!(true), "allow"),
        ("/result", "system/main", json!(false), "deny"),
        ("/result", "app/authz/deny", json!(true), "deny"),
        ("/result", "app/authz/deny", json!([]), "allow"),
        ("/result/deny", "app/authz", json!({"deny": ["no"]}), "deny"),
        ("/result/deny", "app/authz", json!({"deny": false}), "allow"),
        (
            "/result/verdict",
            "app/authz",
            json!({"verdict": "not_applicable"}),
            "not_applicable",
        ),
    ] {
        let node = Node::new();
        let bound = binding(1, "authz", &json!({"outcome": pointer}));
        assert_eq!(node.send(bound.to_string()).await.body["accepted"], 1);
        let event = json!([{
            "labels": {"id": "i1"}, "decision_id": "d", "timestamp": "2026-03-01T12:00:00Z",
            "bundles": {"authz": {"revision": "r1"}}, "path": path, "result": result,
        }]);
        node.opa_logs(event.to_string().as_bytes()).await;
        assert_eq!(outcome_of(&node.record(1)), expected, "{pointer} of {path} {result}");
    }
}

/// What an emitter calls its labels can not look like what the mapping says.
#[tokio::test]
async fn a_label_of_opa_is_never_taken_for_one_of_ours() {
    let node = Node::new();
    let event = json!([{
        "labels": {"id": "i1", "mapped/bindings": "b@1", "mapped/outcome": "/result", "opa/path": "x", "team/name": "t"},
        "decision_id": "d", "timestamp": "2026-03-01T12:00:00Z", "path": "a/b", "result": true,
    }]);
    node.opa_logs(event.to_string().as_bytes()).await;
    let (_, event) = node.event(0);
    let label = |name: &str| event.meta.labels.get(name).map(String::as_str);
    assert_eq!(label("mapped/bindings"), None);
    assert_eq!(
        (label("mapped/outcome"), label("opa/path")),
        (Some("unmapped"), Some("a/b"))
    );
    assert_eq!(label("team/name"), Some("t"));
}
