//! Cuts: an answer asked again with its `as_of` is the same bytes, whatever was recorded, restarted or rebuilt since.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use serde_json::json;
use verdict_merkle_check::verify;

use crate::support::{Node, at, decision, seen, started};

mod verdict_merkle_check {
    //! An inclusion proof, followed by RFC 9162, 2.1.3.2, from the text of an answer alone.

    use base64::Engine as _;
    use serde_json::Value;
    use sha2::{Digest as _, Sha256};

    fn hash(parts: &[&[u8]]) -> Vec<u8> {
        let mut hash = Sha256::new();
        parts.iter().for_each(|part| hash.update(part));
        hash.finalize().to_vec()
    }

    pub(crate) fn verify(proof: &Value) -> bool {
        let hex = |value: &Value| hex::decode(value.as_str().unwrap()).unwrap();
        let leaf = base64::engine::general_purpose::STANDARD
            .decode(proof["leaf"].as_str().unwrap())
            .unwrap();
        let mut root = hash(&[&[0], &leaf]);
        if root != hex(&proof["leaf_hash"]) {
            return false;
        }
        let (mut node, mut last) = (proof["index"].as_u64().unwrap(), proof["size"].as_u64().unwrap() - 1);
        for sibling in proof["hashes"].as_array().unwrap() {
            let sibling = hex(sibling);
            if node % 2 == 1 || node == last {
                root = hash(&[&[1], &sibling, &root]);
                while node.is_multiple_of(2) && node != 0 {
                    (node, last) = (node >> 1, last >> 1);
                }
            } else {
                root = hash(&[&[1], &root, &sibling]);
            }
            (node, last) = (node >> 1, last >> 1);
        }
        last == 0 && root == hex(&proof["root"])
    }
}

/// Every kind of question, to be asked with an `as_of`.
const QUESTIONS: &[&str] = &[
    "effective?environment=prod",
    "effective?environment=prod&at=2026-03-01T00:00:08Z",
    "compare?environment=prod&with=2026-03-01T00:00:02Z",
    "history?environment=prod&layer=tenant_wide&policy=authz",
    "decisions?limit=3",
    "decisions?policy=authz&version=v1",
    "decisions/count?outcome=allow",
    "decisions/d10",
    "decision?id=d10",
    "events/01a1fd8d-0000-7000-8000-00000000000a",
    "rollouts",
    "rollouts/r1",
    "rollout?id=r1",
    "agents",
    "quarantine",
    "sources",
];

#[tokio::test]
async fn the_same_as_of_gives_the_same_bytes_after_more_events_a_restart_and_a_rebuild() {
    let node = Node::new();
    let mut events = vec![started(1, 0.0, "acme", "r1", "v1"), seen(2, 1.0, "acme", "pdp-1", "v1")];
    events.extend((10..15).map(|n| decision(n, 5.0, "acme", json!({}))));
    node.append(&events).await;
    node.append_raw("acme", &at(6.0), b"{").await;
    let pinned = node
        .ask(&format!(
            "/v1/tenants/acme/effective?environment=prod&known_at={}",
            at(100.0)
        ))
        .await;
    let as_of = pinned["as_of"].as_str().unwrap().to_owned();
    let path = |question: &str| {
        let join = if question.contains('?') { '&' } else { '?' };
        format!("/v1/tenants/acme/{question}{join}as_of={as_of}")
    };
    let mut before = Vec::new();
    for question in QUESTIONS {
        before.push(node.get(&path(question)).await.text());
    }
    assert!(
        before[0].contains("\"version\":\"v1\",\"state\":\"effective\""),
        "{}",
        before[0]
    );
    // Late, out of order, in conflict, malformed: everything that could change a past that is not pinned.
    let mut later = vec![
        started(3, 101.0, "acme", "r2", "v2"),
        seen(4, 3.0, "acme", "pdp-2", "v2"),
        seen(5, 3.0, "acme", "pdp-3", "v2"),
        started(6, 101.0, "_platform", "g1", "v7"),
    ];
    later.extend((20..40).map(|n| decision(n, 4.0, "acme", json!({"outcome": "deny"}))));
    later.push(decision(10, 4.0, "acme", json!({"action": "conflict"})));
    for (recorded, event) in &mut later {
        *recorded = at(101.0);
        if event["meta"]["tenant"] == "_platform" {
            event["body"]["scope"] = json!({"layer": "global"});
        }
    }
    node.append(&later).await;
    node.append_raw("acme", &at(102.0), b"[]").await;
    let changed = node
        .ask("/v1/tenants/acme/effective?environment=prod&at=2026-03-01T00:00:08Z")
        .await;
    assert_eq!(
        changed["policies"].as_array().unwrap()[0]["distribution"][0]["version"],
        "v2",
        "what is not pinned moved"
    );
    async fn same(node: &Node, when: &str, before: &[String], path: impl Fn(&str) -> String) {
        for (question, before) in QUESTIONS.iter().zip(before) {
            assert_eq!(&node.get(&path(question)).await.text(), before, "{question} {when}");
        }
    }
    same(&node, "after more events", &before, path).await;
    node.store.rebuild_views().await.unwrap();
    same(&node, "after a rebuild", &before, path).await;
    let node = node.reopen();
    same(&node, "after a restart", &before, path).await;
}

#[tokio::test]
async fn a_given_moment_wins_over_the_pinned_one_and_is_pinned_in_turn() {
    let node = Node::new();
    node.append(&[started(1, 0.0, "acme", "r1", "v1")]).await;
    let base = "/v1/tenants/acme/effective?environment=prod";
    let known = node.ask(&format!("{base}&known_at={}", at(10.0))).await;
    assert_eq!(
        (known["at"].as_str(), known["known_at"].as_str()),
        (Some(&*at(10.0)), Some(&*at(10.0)))
    );
    assert_eq!(known["settled"], false);
    let as_of = known["as_of"].as_str().unwrap();
    let later = node.ask(&format!("{base}&as_of={as_of}&at={}", at(500.0))).await;
    assert_eq!(
        (later["at"].as_str(), later["known_at"].as_str()),
        (Some(&*at(500.0)), Some(&*at(10.0)))
    );
    assert_eq!(later["policies"][0]["certainty"], "declared");
    let again = node
        .ask(&format!("{base}&as_of={}", later["as_of"].as_str().unwrap()))
        .await;
    assert_eq!(again, later);
    let settled = node.ask(&format!("{base}&known_at={}&at={}", at(70.0), at(10.0))).await;
    assert_eq!(settled["settled"], true);
    let just_not = node
        .ask(&format!("{base}&known_at={}&at={}", at(70.0), at(10.000_001)))
        .await;
    assert_eq!(just_not["settled"], false);
}

#[tokio::test]
async fn known_at_takes_what_was_recorded_up_to_it_and_no_more() {
    let node = Node::new();
    node.append(&[
        started(1, 1.0, "acme", "r1", "v1"),
        started(2, 2.0, "acme", "r2", "v2"),
        started(3, 2.0, "acme", "r3", "v3"),
    ])
    .await;
    for (known_at, size) in [(0.5, 0), (1.0, 1), (1.999_999, 1), (2.0, 3), (9.0, 3)] {
        let answer = node
            .ask(&format!(
                "/v1/tenants/acme/effective?environment=prod&known_at={}",
                at(known_at)
            ))
            .await;
        assert_eq!(answer["logs"][0]["size"], size, "at {known_at}");
        assert_eq!(answer["known_at"].as_str(), Some(&*at(known_at)));
    }
    // Without it, everything that is held.
    let newest = node.ask("/v1/tenants/acme/effective?environment=prod").await;
    assert_eq!(newest["logs"][0]["size"], 3);
    assert_eq!(newest["at"], newest["known_at"]);
}

#[tokio::test]
async fn a_token_of_more_or_other_records_names_the_log_that_differs() {
    let (one, other) = (Node::new(), Node::new());
    one.append(&[started(1, 0.0, "acme", "r1", "v1"), started(2, 1.0, "acme", "r2", "v2")])
        .await;
    other.append(&[started(1, 0.0, "acme", "r1", "v9")]).await;
    let base = "/v1/tenants/acme/effective?environment=prod";
    let two = one.ask(base).await["as_of"].as_str().unwrap().to_owned();
    let first = one.ask(&format!("{base}&known_at={}", at(0.0))).await["as_of"]
        .as_str()
        .unwrap()
        .to_owned();
    let ahead = other.get(&format!("{base}&as_of={two}")).await;
    assert_eq!(
        (ahead.status.as_u16(), ahead.problem().as_str()),
        (409, "not_yet_known")
    );
    assert_eq!(
        (&ahead.json()["log"], &ahead.json()["held"]),
        (&json!("acme"), &json!(1))
    );
    let differs = other.get(&format!("{base}&as_of={first}")).await;
    assert_eq!(
        (differs.status.as_u16(), differs.problem().as_str()),
        (409, "root_mismatch")
    );
    assert_eq!(differs.json()["log"], "acme");
    assert_ne!(differs.json()["root"], differs.json()["pinned_root"]);
}

#[tokio::test]
async fn a_proof_needs_nothing_but_the_answer() {
    let node = Node::new();
    let events: Vec<_> = (0..9).map(|n| decision(n, 1.0, "acme", json!({}))).collect();
    node.append(&events).await;
    for n in 0..9 {
        let answer = node.ask(&format!("/v1/tenants/acme/decisions/d{n}")).await;
        assert_eq!(answer["proof"]["root"], answer["logs"][0]["root"]);
        assert!(verify(&answer["proof"]), "{:#}", answer["proof"]);
        let mut wrong = answer["proof"].clone();
        wrong["index"] = ((n + 1) % 9).into();
        assert!(!verify(&wrong), "{wrong:#}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn a_known_at_that_was_answered_never_gets_another_record() {
    let node = Arc::new(Node::new());
    node.take(decision(0, 0.0, "acme", json!({})).1).await;
    // The emitters go on until enough was seen of what they do, however slowly either side comes along.
    let enough = Arc::new(AtomicBool::new(false));
    let mut emitters = Vec::new();
    for emitter in 1..4_u64 {
        let (node, enough) = (Arc::clone(&node), Arc::clone(&enough));
        emitters.push(tokio::spawn(async move {
            let mut sent = 0;
            while !enough.load(Ordering::Relaxed) {
                node.take(decision((emitter << 32) + sent, 0.0, "acme", json!({})).1)
                    .await;
                sent += 1;
            }
            sent
        }));
    }
    let path = "/v1/tenants/acme/effective?environment=prod";
    let (mut answered, mut sizes) = (Vec::new(), BTreeSet::new());
    while sizes.len() < 20 {
        assert!(!emitters.iter().any(tokio::task::JoinHandle::is_finished), "one broke");
        let newest = node.ask(path).await;
        sizes.insert(newest["logs"][0]["size"].as_u64());
        answered.push((newest["known_at"].as_str().unwrap().to_owned(), newest["logs"].clone()));
    }
    enough.store(true, Ordering::Relaxed);
    let mut size = 1;
    for emitter in emitters {
        size += emitter.await.unwrap();
    }
    assert_eq!(node.ask(path).await["logs"][0]["size"], size);
    for (known_at, logs) in answered {
        assert_eq!(
            node.ask(&format!("{path}&known_at={known_at}")).await["logs"],
            logs,
            "at {known_at}"
        );
    }
}
