//! How a rollout goes: its state at each moment of a small story, the curve, the lag, and who is missing.

#![expect(clippy::unwrap_used, clippy::panic, reason = "a test may stop at the first surprise")]

mod histories;

use histories::{Held, Record};
use serde_json::{Value, json};
use verdict_fold::{Evidence, Question, rollout_status};
use verdict_schemas::{Environment, Interpretation, KnownSchemas, RolloutId, TenantId, Timestamp, interpret};

const DAY: &str = "2026-03-01T00:";

fn time(minute_second: &str) -> Timestamp {
    Timestamp::parse(&format!("{DAY}{minute_second}Z")).unwrap()
}

fn record(index: u64, kind: &str, at: &str, body: &Value) -> Record {
    let value = json!({ "kind": kind, "body": body, "meta": {
        "event_id": format!("01a1fd8d-963b-71cd-9b3c-{index:012}"), "tenant": "acme", "source": "urn:test",
        "event_time": time(at).to_string(), "labels": {}, "environment": "prod",
    } });
    let Interpretation::Event(event) = interpret(value.to_string().as_bytes(), None, &KnownSchemas) else {
        panic!("malformed: {value}");
    };
    Record {
        log: TenantId::parse("acme").unwrap(),
        place: verdict_fold::Understood::at_once(index),
        recorded: time(at),
        understood: time(at),
        event,
    }
}

fn scope() -> Value {
    json!({ "layer": "tenant", "tenant": "acme", "environment": "*" })
}

fn seen(index: u64, at: &str, agent: &str, version: &str, lease_ms: u64) -> Record {
    let active = json!([{ "scope": scope(), "policy": "authz", "status": "applied", "version": version }]);
    let labels = json!({ "tier": if agent == "a" { "canary" } else { "main" } });
    let body = json!({ "agent": agent, "labels": labels, "lease_ms": lease_ms, "active": active });
    record(index, "agent_seen", at, &body)
}

fn started(index: u64, at: &str, id: &str, version: &str, target: Option<&str>) -> Record {
    let mut body = json!({ "rollout_id": id, "phase": "started", "scope": scope(), "policy": "authz",
        "to_version": version, "max_inconsistency_ms": 10_000 });
    if let Some(tier) = target {
        body["target"] = json!({ "labels": { "tier": tier } });
    }
    record(index, "rollout", at, &body)
}

fn story() -> Vec<Record> {
    let rolled_back = json!({ "rollout_id": "r2", "phase": "rolled_back", "reason": "slow" });
    vec![
        started(0, "00:00", "r1", "v1", None),
        seen(1, "00:01", "a", "v1", 600_000),
        seen(2, "00:01", "b", "v1", 600_000),
        seen(3, "00:01", "c", "v1", 60_000),
        started(4, "00:10", "p1", "v2", Some("canary")),
        seen(5, "00:14", "a", "v2", 600_000),
        started(6, "00:20", "r2", "v2", None),
        seen(7, "00:26", "b", "v2", 600_000),
        record(8, "rollout", "02:00", &rolled_back),
        started(9, "03:00", "r3", "v3", None),
    ]
}

/// The fields named of a rollout at a moment.
fn at(moment: &str, id: &str, fields: &[&str]) -> Value {
    let records = story();
    let tenant = TenantId::parse("acme").unwrap();
    let environment = Environment::new("prod");
    let known_at = time("10:00");
    let held = Held::new(&records, &tenant, &environment, known_at);
    let question = Question {
        tenant: tenant.clone(),
        environment,
        workload: None,
        at: time(moment),
        known_at,
    };
    let intents = held.intents(&tenant).unwrap();
    let status = rollout_status(&question, &held, intents, &RolloutId::new(id)).unwrap();
    let status = serde_json::to_value(status).unwrap();
    fields.iter().map(|field| status[*field].clone()).collect()
}

#[test]
fn the_state_is_that_of_the_moment() {
    for (moment, id, state) in [
        ("00:01", "r1", "reached"),
        ("00:00", "r2", "planned"),
        ("00:12", "p1", "converging"),
        ("00:14", "p1", "reached"),
        ("00:20", "p1", "superseded"),
        ("00:21", "r1", "superseded"),
        ("00:21", "r2", "converging"),
        ("00:26", "r2", "reached"),
        ("02:00", "r2", "rolled_back"),
        ("03:05", "r3", "converging"),
        ("03:10", "r3", "overdue"),
    ] {
        assert_eq!(at(moment, id, &["state"]), json!([state]), "{id} at {moment}");
    }
    assert_eq!(at("05:00", "nobody", &["state"]), json!([null]));
}

#[test]
fn the_curve_counts_who_runs_it_and_the_lag_is_from_its_start() {
    let answer = at("01:30", "r2", &["curve", "time_to_quorum_ms", "lag"]);
    let point = |at: &str, have: u64, need: u64, live: u64, silent: u64| json!({ "at": time(at).to_string(), "have": have, "need": need, "live": live, "silent": silent });
    // From 01:01 on `c` is silent, until it is forgotten half a lease later at 01:31.
    let expected = json!([
        point("00:20", 1, 2, 3, 0),
        point("00:26", 2, 2, 3, 0),
        point("01:01", 2, 2, 2, 1)
    ]);
    let lag = json!({ "count": 2, "p50_ms": 0, "p95_ms": 6000, "p99_ms": 6000 });
    assert_eq!(answer, json!([expected, 6000, lag]));
}

#[test]
fn who_is_missing_or_silent_is_named() {
    let agent = |agent: &str| json!([{ "agent": agent, "incarnation": "", "version": "v1" }]);
    assert_eq!(at("00:30", "r2", &["missing", "silent"]), json!([agent("c"), []]));
    assert_eq!(at("01:30", "r2", &["missing", "silent"]), json!([[], agent("c")]));
    assert_eq!(at("00:12", "p1", &["missing", "silent"]), json!([agent("a"), []]));
}

#[test]
fn a_partial_counts_those_in_it_alone() {
    let applied = at("00:14", "p1", &["applied", "reached_at", "target"]);
    let counts = json!({ "have": 1, "need": 1, "live": 1, "silent": 0 });
    assert_eq!(
        applied,
        json!([counts, time("00:14").to_string(), { "labels": { "tier": "canary" } }])
    );
}
