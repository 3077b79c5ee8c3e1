//! What was received can always be got back, byte for byte, whatever became of it.

use axum::http::StatusCode;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Value, json};
use verdict_store::Provenance;

use crate::support::{Node, at, decision, event, uuid};

const BYTES: (&str, &str) = ("accept", "application/octet-stream");

/// A report as OPA sends it, longer than what is kept uncompressed.
fn report() -> Vec<u8> {
    let report = json!({
        "decision_id": "d1", "batch_decision_id": "batch-9", "custom": {"shift": "night"}, "filler": "x".repeat(5000),
        "rule_labels": [{"severity": "high"}], "intermediate_results": {"a": 1}, "requested_by": "10.0.0.7",
    });
    report.to_string().into_bytes()
}

#[tokio::test]
async fn an_event_comes_with_what_it_was_made_of() {
    let node = Node::new();
    let (recorded, ours) = decision(1, 1.0, "acme", json!({}));
    let value = ours.to_string();
    let compressed = zstd::encode_all(&report()[..], 3).unwrap();
    let headers: [(&str, &[u8]); 5] = [
        ("content-type", b"application/json"),
        (
            "verdict-foreign-type",
            b"application/vnd.openpolicyagent.decision-log-event+json",
        ),
        ("verdict-foreign-encoding", b"zstd"),
        ("verdict-foreign", &compressed),
        ("no-text", b"\xff\x00"),
    ];
    node.append_with("acme", &recorded, &headers, value.as_bytes()).await;
    for path in [
        format!("events/{}", uuid(1)),
        "decisions/d1".to_owned(),
        "decision?id=d1".to_owned(),
    ] {
        let path = format!("/v1/tenants/acme/{path}");
        let received = node.ask(&path).await["received"].clone();
        assert_eq!(
            (
                &received["content_type"],
                received["text"].as_str(),
                received["size"].as_u64()
            ),
            (&json!("application/json"), Some(&*value), Some(value.len() as u64)),
            "{path}"
        );
        let foreign = &received["foreign"];
        assert_eq!(foreign["text"].as_str().unwrap().as_bytes(), report());
        assert_eq!(
            foreign["content_type"],
            "application/vnd.openpolicyagent.decision-log-event+json"
        );
        let names: Vec<&str> = headers.iter().map(|(name, _)| *name).collect();
        let given = received["headers"].as_array().unwrap();
        assert_eq!(
            given
                .iter()
                .map(|header| header["name"].as_str().unwrap())
                .collect::<Vec<_>>(),
            names
        );
        assert_eq!(given[3]["bytes"], STANDARD.encode(&compressed));
        assert_eq!(
            (&given[0]["text"], &given[4]["bytes"]),
            (&json!("application/json"), &json!("/wA="))
        );
        assert_eq!(received["key"]["text"], "acme");
        // The bytes alone are what was sent, not our rendering of it.
        let alone = node.send("GET", &path, &[BYTES]).await;
        assert_eq!(
            (alone.status, alone.header("content-type")),
            (StatusCode::OK, "application/octet-stream")
        );
        assert_eq!(
            alone.header("verdict-content-type"),
            "application/vnd.openpolicyagent.decision-log-event+json"
        );
        assert_eq!(alone.header("x-content-type-options"), "nosniff");
        assert!(
            alone.bytes == report() && !alone.header("verdict-as-of").is_empty(),
            "{path}"
        );
    }
}

/// What says that it is compressed and is not, or unpacks without an end, is given as it is.
/// Whoever may write to a topic may write any header: it must not stand for what counts.
#[tokio::test]
async fn what_a_producer_says_its_event_was_made_of_is_a_claim() {
    let node = Node::new();
    let (recorded, ours) = decision(1, 1.0, "acme", json!({"outcome": "allow"}));
    let headers = [("verdict-foreign", &b"{\"result\": false}"[..])];
    let value = ours.to_string();
    node.append_as(Provenance::Claimed, "acme", &recorded, &headers, value.as_bytes())
        .await;
    let path = format!("/v1/tenants/acme/events/{}", uuid(1));
    assert_eq!(node.send("GET", &path, &[BYTES]).await.bytes, value.as_bytes());
    let foreign = node.ask(&path).await["received"]["foreign"].clone();
    assert_eq!(
        (&foreign["claimed"], &foreign["text"]),
        (&json!(true), &json!("{\"result\": false}"))
    );
}

/// Zeros, which JSON would write in six bytes each.
#[tokio::test]
async fn foreign_bytes_that_grow_are_bounded() {
    let node = Node::new();
    let zeros = zstd::encode_all(std::io::Read::take(std::io::repeat(0), 16 << 20), 1).unwrap();
    let (recorded, ours) = decision(1, 1.0, "acme", json!({}));
    let headers = [("verdict-foreign-encoding", &b"zstd"[..]), ("verdict-foreign", &zeros)];
    node.append_with("acme", &recorded, &headers, ours.to_string().as_bytes())
        .await;
    let reply = node.get(&format!("/v1/tenants/acme/events/{}", uuid(1))).await;
    assert!(reply.bytes.len() < 24 << 20, "{}", reply.bytes.len());
}

#[tokio::test]
async fn foreign_bytes_that_can_not_be_read_are_given_as_they_are_kept() {
    let node = Node::new();
    let bomb = zstd::encode_all(std::io::Read::take(std::io::repeat(0), (16 << 20) + 1), 1).unwrap();
    for (n, kept) in [(1, &b"no zstd"[..]), (2, &bomb)] {
        let (recorded, ours) = decision(n, 1.0, "acme", json!({}));
        let headers = [("verdict-foreign-encoding", &b"zstd"[..]), ("verdict-foreign", kept)];
        node.append_with("acme", &recorded, &headers, ours.to_string().as_bytes())
            .await;
        let path = format!("/v1/tenants/acme/events/{}", uuid(n));
        let foreign = node.ask(&path).await["received"]["foreign"].clone();
        assert_eq!(
            (&foreign["encoding"], foreign["size"].as_u64()),
            (&json!("zstd"), Some(kept.len() as u64))
        );
        assert!(node.send("GET", &path, &[BYTES]).await.bytes == kept);
    }
}

#[tokio::test]
async fn what_is_in_quarantine_can_be_got_back() {
    let node = Node::new();
    let poison = b"\xff\xfe no event \x1b[2K";
    node.append_raw("acme", &at(1.0), poison).await;
    let why = json!({"rule": "invalid_json", "detail": "it ends too early", "from": "opa decision log"});
    let note = json!({"quarantined": why}).to_string();
    let line = b"{\"labels\": {\"id\": ";
    node.append_with("acme", &at(2.0), &[("verdict-foreign", line)], note.as_bytes())
        .await;
    let (recorded, good) = decision(1, 3.0, "acme", json!({}));
    node.append(&[(recorded.clone(), good.clone()), (recorded, good)]).await;
    let ask = async |index: &str| node.get(&format!("/v1/tenants/acme/quarantine/{index}")).await;

    let whole = ask("0").await.json();
    assert_eq!((&whole["flag"], &whole["index"]), (&json!("malformed"), &json!(0)));
    assert_eq!(whole["received"]["bytes"], STANDARD.encode(poison));
    assert_eq!(whole["proof"]["index"], 0);
    assert_eq!(whole["logs"][0]["root"], whole["proof"]["root"]);
    let bytes = async |index: u64| {
        node.send("GET", &format!("/v1/tenants/acme/quarantine/{index}"), &[BYTES])
            .await
            .bytes
    };
    assert_eq!(bytes(0).await, poison);
    let made = ask("1").await.json();
    // The reason is the one that the note gives, not that a note is no event.
    assert_eq!(
        (&made["flag"], &made["rule"], &made["field"], &made["detail"]),
        (&json!("malformed"), &why["rule"], &Value::Null, &why["detail"])
    );
    assert_eq!(made["received"]["foreign"]["text"].as_str().unwrap().as_bytes(), line);
    assert_eq!(made["received"]["text"], note);
    assert_eq!(bytes(1).await, line);
    // A duplicate has bytes of its own; what counts is not in quarantine, nor is what is not there.
    assert_eq!(ask("3").await.json()["flag"], "duplicate");
    for index in ["2", "4", "18446744073709551615"] {
        assert_eq!(ask(index).await.problem(), "not_found", "{index}");
    }
    for index in ["-1", "one", "1.0"] {
        assert_eq!(ask(index).await.problem(), "invalid_parameter", "{index}");
    }
    // As of a cut that does not have it yet.
    let early = ask(&format!("1?known_at={}", at(1.5))).await;
    assert_eq!(early.problem(), "not_found");
}

/// The caller of a batch holds one id for all of its decisions.
#[tokio::test]
async fn a_correlation_id_finds_all_that_it_is_of() {
    let node = Node::new();
    let mut events = Vec::new();
    for n in 0..5 {
        let (recorded, mut event) = decision(n, 1.0, "acme", json!({}));
        event["meta"]["correlation_id"] = if n < 3 { "batch-9" } else { "batch-8" }.into();
        events.push((recorded, event));
    }
    let (recorded, mut other) = event(
        9,
        2.0,
        "acme",
        "effect_recorded",
        json!({"decision_id": "d1", "object": {"id": 1}}),
    );
    other["meta"]["correlation_id"] = "batch-9".into();
    events.push((recorded, other));
    // A trace id that is spelled the same is another thing.
    let (recorded, mut traced) = decision(10, 3.0, "acme", json!({}));
    traced["meta"]["trace_id"] = "batch-9".into();
    events.push((recorded, traced));
    node.append(&events).await;
    let found = node.ask("/v1/find?id=batch-9").await;
    let items: Vec<(&str, &Value)> = found["items"]
        .as_array()
        .unwrap()
        .iter()
        .map(|item| (item["what"].as_str().unwrap(), &item["href"]))
        .collect();
    let acme = |path: &str| json!(format!("/v1/tenants/acme/{path}"));
    assert_eq!(
        items,
        [
            ("trace", &acme("decisions?trace_id=batch-9")),
            ("correlation", &acme("decisions?correlation_id=batch-9")),
            ("decision", &acme("decisions/d0")),
            ("decision", &acme("decisions/d1")),
            ("decision", &acme("decisions/d2")),
            ("event", &acme(&format!("events/{}", uuid(9)))),
        ]
    );
    let list = node.ask("/v1/tenants/acme/decisions?correlation_id=batch-9").await;
    assert_eq!(
        (list["items"].as_array().unwrap().len(), &list["complete"]),
        (3, &json!(true))
    );
}
