//! What was told stays told: schemas that come late, tokens that were bent, clocks that were ahead (E3).

use std::sync::Arc;
use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde_json::{Value, json};
use sha2::{Digest as _, Sha256};
use verdict_schemas::{
    Interpretation, Kind, KnownSchemas, SchemaRef, Timestamp, WriterSchema, avro_schema, encode_confluent, interpret,
};
use verdict_store::LogName;

use crate::support::{Node, at, decision, seen, started, tenant_scope};

const EFFECTIVE: &str = "/v1/tenants/acme/effective?environment=prod";

/// Every kind of question.
const QUESTIONS: &[&str] = &[
    "effective?environment=prod",
    "effective?environment=prod&at=2026-03-01T00:00:08Z",
    "compare?environment=prod&with=2026-03-01T00:00:02Z",
    "history?environment=prod&layer=tenant_wide&policy=authz",
    "decisions?limit=3",
    "decisions?policy=authz&version=v1",
    "decisions?trace_id=00000000000000000000000000000001",
    "decisions/count?outcome=allow",
    "decisions/d10",
    "events/01a1fd8d-0000-7000-8000-00000000000a",
    "rollouts",
    "rollouts/r1",
    "agents",
    "quarantine",
    "sources",
];

/// The value of an event, in Confluent's framing, under the number of its kind.
fn framed(event: &Value) -> Vec<u8> {
    match interpret(event.to_string().as_bytes(), None, &KnownSchemas) {
        Interpretation::Event(event) => encode_confluent(&event, event.body.kind() as u32).unwrap(),
        other => panic!("{other:?}"),
    }
}

/// Archives the schema of a kind, and waits until so many records of acme were understood late.
async fn archive(node: &Node, kind: Kind, late: u64) {
    let schema = Arc::new(WriterSchema::parse(avro_schema(kind).unwrap()).unwrap());
    node.store
        .archive_schema(&SchemaRef::Confluent(kind as u32), &schema)
        .unwrap();
    let acme: LogName = "acme".parse().unwrap();
    while node.store.snapshot().log(&acme).unwrap().unwrap().visible.late < late {
        tokio::time::sleep(Duration::from_millis(1)).await;
    }
}

fn token(answer: &Value) -> String {
    answer["as_of"].as_str().unwrap().to_owned()
}

#[tokio::test]
async fn a_schema_that_comes_late_changes_nothing_that_was_told() {
    let node = Node::new();
    node.append(&[started(1, 0.0, "acme", "r1", "v1"), decision(9, 5.0, "acme", json!({}))])
        .await;
    // What waits: two agents on another version, and decisions that cite it.
    for event in [
        seen(2, 1.0, "acme", "pdp-2", "v2"),
        seen(3, 1.0, "acme", "pdp-3", "v2"),
        decision(10, 5.0, "acme", json!({})),
        decision(9, 5.0, "acme", json!({"outcome": "deny"})),
    ] {
        node.append_raw("acme", &event.0, &framed(&event.1)).await;
    }
    let newest = node.ask(EFFECTIVE).await;
    let (as_of, known_at) = (token(&newest), newest["known_at"].as_str().unwrap().to_owned());
    let mut told = Vec::new();
    for question in QUESTIONS {
        let join = if question.contains('?') { '&' } else { '?' };
        for pinned in [format!("as_of={as_of}"), format!("known_at={known_at}")] {
            let path = format!("/v1/tenants/acme/{question}{join}{pinned}");
            let reply = node.get(&path).await;
            told.push((path, reply.status, reply.text()));
        }
    }
    async fn same(node: &Node, told: &[(String, axum::http::StatusCode, String)], when: &str) {
        for (path, status, text) in told {
            let reply = node.get(path).await;
            assert_eq!((reply.status, &reply.text()), (*status, text), "{when}: {path}");
        }
    }
    assert_eq!(node.ask(EFFECTIVE).await["policies"][0]["version"], "v1");
    archive(&node, Kind::AgentSeen, 2).await;
    same(&node, &told, "agents are understood").await;
    archive(&node, Kind::Decision, 4).await;
    same(&node, &told, "decisions are understood").await;
    // From now on it is known.
    let later = node.ask(&format!("{EFFECTIVE}&at={}", at(6.0))).await;
    assert_eq!(later["policies"][0]["version"], "v2", "{later:#}");
    assert_eq!(node.get("/v1/tenants/acme/decisions/d10").await.status, 200);
    // It displaces nothing that counted before.
    let conflicts = node.ask("/v1/tenants/acme/quarantine").await;
    assert_eq!(conflicts["items"].as_array().unwrap().len(), 1, "{conflicts:#}");
    assert_eq!(conflicts["items"][0]["flag"], "event_conflict");
    node.store.rebuild_views().await.unwrap();
    same(&node, &told, "rebuilt").await;
    let node = node.reopen();
    same(&node, &told, "opened again").await;
    let again = node.ask(&format!("{EFFECTIVE}&as_of={}", token(&later))).await;
    assert_eq!(again["policies"], later["policies"]);
}

#[tokio::test]
async fn a_node_that_understood_at_another_time_says_so_and_offers_its_own_token() {
    let (one, other) = (Node::new(), Node::new());
    let event = seen(2, 1.0, "acme", "pdp-2", "v2");
    archive_before(&other).await;
    for node in [&one, &other] {
        node.append(&[started(1, 0.0, "acme", "r1", "v1")]).await;
        node.append_raw("acme", &event.0, &framed(&event.1)).await;
    }
    let asked = token(&one.ask(EFFECTIVE).await);
    let reply = other.get(&format!("{EFFECTIVE}&as_of={asked}")).await;
    assert_eq!(
        (reply.status.as_u16(), reply.problem().as_str()),
        (409, "reinterpreted")
    );
    let own = token(&reply.json());
    let answer = other.ask(&format!("{EFFECTIVE}&as_of={own}")).await;
    assert_eq!(answer["logs"][0]["size"], 2);
    assert_eq!(token(&answer), own);
    // Once it was understood there too, by its own token; the first one stays what it was.
    archive(&one, Kind::AgentSeen, 1).await;
    let before = one.ask(&format!("{EFFECTIVE}&as_of={asked}")).await;
    assert_eq!(before["policies"][0]["certainty"], "declared");
    let foreign = one.get(&format!("{EFFECTIVE}&as_of={own}")).await;
    assert_eq!(foreign.problem(), "reinterpreted");
}

async fn archive_before(node: &Node) {
    let schema = Arc::new(WriterSchema::parse(avro_schema(Kind::AgentSeen).unwrap()).unwrap());
    let reference = SchemaRef::Confluent(Kind::AgentSeen as u32);
    node.store.archive_schema(&reference, &schema).unwrap();
}

/// The token with some of its bytes changed, and the check of them made anew: whoever knows the layout can do that.
fn resealed(token: &str, edit: impl FnOnce(&mut [u8])) -> String {
    let mut bytes = URL_SAFE_NO_PAD.decode(token).unwrap();
    bytes.truncate(bytes.len() - 8);
    edit(&mut bytes);
    let mut check = Sha256::new();
    for part in [&b"check"[..], &bytes] {
        check.update((part.len() as u64).to_be_bytes());
        check.update(part);
    }
    bytes.extend(&check.finalize()[..8]);
    URL_SAFE_NO_PAD.encode(bytes)
}

/// Where the parts of a token stand: known_at, at, horizon, and the size of `_platform`'s log.
const KNOWN_AT: usize = 3;
const HORIZON: usize = 19;
const PLATFORM_SIZE: usize = 27 + 8 + 1 + 56;

fn put(bytes: &mut [u8], place: usize, number: u64) {
    bytes[place..place + 8].copy_from_slice(&number.to_be_bytes());
}

#[tokio::test]
async fn a_token_says_what_was_or_is_refused() {
    let node = Node::new();
    node.append(&[started(1, 0.0, "acme", "r1", "v1"), seen(2, 1.0, "acme", "a", "v1")])
        .await;
    let mut global = started(3, 2.0, "_platform", "g1", "v7");
    global.1["body"]["scope"] = json!({"layer": "global"});
    node.append(&[global, started(4, 90.0, "acme", "r2", "v2")]).await;
    let early = node.ask(&format!("{EFFECTIVE}&known_at={}", at(30.0))).await;
    let micros = |seconds: f64| Timestamp::parse(&at(seconds)).unwrap().as_micros().cast_unsigned();
    let ask = async |token: String, question: &str| node.get(&format!("{EFFECTIVE}&as_of={token}{question}")).await;

    // The records of an earlier `known_at` do not pass for what is known at a later one, be it past or to come.
    for later in [micros(300.0), Timestamp::MAX.as_micros().cast_unsigned()] {
        let later = resealed(&token(&early), |bytes| put(bytes, KNOWN_AT, later));
        assert_eq!(
            ask(later, &format!("&at={}", at(100.0))).await.problem(),
            "invalid_as_of"
        );
    }
    // Where they are all that was recorded until then, they are.
    let same = resealed(&token(&early), |bytes| put(bytes, KNOWN_AT, micros(31.0)));
    assert_eq!(ask(same, "").await.status.as_u16(), 200);
    // With the horizon to match, the records that were there by then are missing.
    let both = resealed(&token(&early), |bytes| {
        put(bytes, KNOWN_AT, micros(300.0));
        put(bytes, HORIZON, micros(300.0));
    });
    assert_eq!(ask(both, "").await.problem(), "invalid_as_of");
    // An earlier one than the last record it pins.
    let before = resealed(&token(&early), |bytes| put(bytes, KNOWN_AT, micros(0.5)));
    assert_eq!(ask(before, "").await.problem(), "invalid_as_of");
    // One that nobody holds yet.
    let future = resealed(&token(&early), |bytes| {
        put(bytes, HORIZON, i64::MAX.cast_unsigned() / 64)
    });
    let reply = ask(future, "").await;
    assert_eq!(
        (reply.status.as_u16(), reply.problem().as_str()),
        (409, "not_yet_known")
    );
    // Nobody hides what the platform intends.
    let hidden = resealed(&token(&early), |bytes| {
        put(bytes, PLATFORM_SIZE, 0);
        bytes[PLATFORM_SIZE + 24..PLATFORM_SIZE + 56].copy_from_slice(&Sha256::digest(b""));
    });
    assert_eq!(ask(hidden, "").await.problem(), "invalid_as_of");
    // What was not bent is answered.
    let reply = ask(resealed(&token(&early), |_| {}), "").await;
    assert_eq!((reply.status.as_u16(), &reply.json()), (200, &early));
}

#[tokio::test]
async fn a_token_of_rules_1_gets_one_of_today_for_the_same_sizes() {
    let node = Node::new();
    node.append(&[started(1, 0.0, "acme", "r1", "v1"), started(2, 5.0, "acme", "r2", "v2")])
        .await;
    let early = node.ask(&format!("{EFFECTIVE}&known_at={}", at(1.0))).await;
    let bytes = URL_SAFE_NO_PAD.decode(token(&early)).unwrap();
    // As the first release wrote it: no horizon, no view position.
    let pin = |start: usize| [&bytes[start..start + 8], &bytes[start + 24..start + 56]].concat();
    let first = [&[1, 0, 1], &bytes[3..19], &bytes[27..36], &pin(36), &pin(92), &[0; 8]].concat();
    let first = resealed(&URL_SAFE_NO_PAD.encode(first), |_| {});
    let reply = node.get(&format!("{EFFECTIVE}&as_of={first}")).await;
    assert_eq!(
        (reply.status.as_u16(), reply.problem().as_str()),
        (409, "reinterpreted")
    );
    let now = node.ask(&format!("{EFFECTIVE}&as_of={}", token(&reply.json()))).await;
    assert_eq!(now, early);
}

#[tokio::test]
async fn a_clock_that_was_ahead_does_not_make_now_false_and_is_told_of() {
    let node = Node::new();
    let now = || Timestamp::parse(&jiff_now()).unwrap();
    node.append(&[started(1, 0.0, "acme", "r1", "v1"), seen(2, 1.0, "acme", "pdp-1", "v1")])
        .await;
    let calm = node.get(EFFECTIVE).await;
    assert_eq!(calm.header("verdict-ahead-by"), "");
    assert_eq!(node.get("/readyz").await.text(), "ready\n");
    // The broker's clock was an hour ahead, for one record.
    let ahead = now().plus_micros(3_600_000_000).unwrap().to_string();
    let body = json!({
        "agent": "pdp-2", "incarnation": "i1", "labels": {}, "lease_ms": 1000,
        "active": [{"scope": tenant_scope("acme"), "policy": "authz", "status": "applied", "version": "v1"}],
    });
    let (_, mut event) = seen(3, 0.0, "acme", "pdp-2", "v1");
    event["body"] = body;
    event["meta"]["event_time"] = now().to_string().into();
    node.append(&[(ahead.clone(), event)]).await;
    let reply = node.get(EFFECTIVE).await;
    let seconds: f64 = reply.header("verdict-ahead-by").parse().unwrap();
    assert!((3000.0..=3600.0).contains(&seconds), "{seconds}");
    let answer = reply.json();
    let at = Timestamp::parse(answer["at"].as_str().unwrap()).unwrap();
    assert!(at <= now(), "{answer:#}");
    assert_eq!(answer["known_at"].as_str(), Some(&*ahead));
    // The agent that was seen a moment ago is live now, not an hour past its lease.
    assert_eq!(answer["policies"][0]["applied"]["live"], 1, "{answer:#}");
    assert!(node.get("/readyz").await.text().starts_with("ready; recorded time is"));
    assert!(
        !node
            .get("/v1/tenants/nobody/sources")
            .await
            .header("verdict-ahead-by")
            .is_empty()
    );
}

fn jiff_now() -> String {
    verdict_store::Store::machine_time().to_string()
}
