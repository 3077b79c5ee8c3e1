//! Bad input of every sort: a clear answer, nothing of it stored, and what was good beside it kept.

use axum::http::StatusCode;
use serde_json::{Value, json};

use crate::support::{Node, decision, gzip, id};

/// What one event alone is answered with.
async fn refused(node: &Node, event: impl Into<String>) -> Vec<(String, String)> {
    let answer = node.send_lines(event.into()).await;
    assert_eq!(answer.status, StatusCode::UNPROCESSABLE_ENTITY, "{answer:?}");
    assert_eq!(answer.problem(), "all_refused");
    answer
        .rejected()
        .into_iter()
        .map(|(_, rule, field)| (rule, field))
        .collect()
}

fn with(path: &str, value: Value) -> String {
    let mut event = decision(1);
    *event.pointer_mut(path).unwrap() = value;
    event.to_string()
}

#[tokio::test]
async fn each_rule_names_its_field() {
    let node = Node::new();
    let deep = format!("{}{}", "[".repeat(5000), "]".repeat(5000));
    let duplicate = decision(1)
        .to_string()
        .replacen("\"action\":", "\"action\":\"x\",\"action\":", 1);
    let truncated = &decision(1).to_string()[..200];
    for (event, rule, field) in [
        (with("/meta/tenant", json!("globex")), "tenant_mismatch", "/meta/tenant"),
        (
            with("/meta/tenant", json!("No Tenant")),
            "invalid_tenant",
            "/meta/tenant",
        ),
        (with("/meta/event_id", json!("17")), "invalid_uuid", "/meta/event_id"),
        (
            with("/meta/event_time", json!("1869-01-01T00:00:00Z")),
            "out_of_range",
            "/meta/event_time",
        ),
        (
            with("/meta/event_time", json!("10000-01-01T00:00:00Z")),
            "invalid_time",
            "/meta/event_time",
        ),
        (
            with("/meta/event_time", json!(1_700_000_000)),
            "wrong_type",
            "/meta/event_time",
        ),
        (
            with("/meta/environment", json!("*")),
            "wildcard_environment",
            "/meta/environment",
        ),
        (
            with("/body/outcome", json!("perhaps")),
            "unknown_value",
            "/body/outcome",
        ),
        (with("/body/actor", json!([])), "wrong_type", "/body/actor"),
        (with("/body/action", Value::Null), "missing_field", "/body/action"),
        (
            with("/body/policies/0/scope/tenant", json!("globex")),
            "foreign_scope",
            "/body/policies/0/scope",
        ),
        (with("/body", json!(17)), "wrong_type", "/body"),
        (duplicate, "duplicate_key", "/body/action"),
        (truncated.to_owned(), "truncated", ""),
        (deep, "too_deep", ""),
        ("17".to_owned(), "wrong_type", ""),
        ("{}".to_owned(), "missing_field", "/kind"),
    ] {
        let shown: String = event.chars().take(300).collect();
        assert_eq!(
            refused(&node, event).await,
            [(rule.to_owned(), field.to_owned())],
            "{shown}"
        );
    }
    assert_eq!(node.size("acme"), 0);
}

/// The far future and the distant past are times: kept, and judged by the rules of time.
#[tokio::test]
async fn future_and_ancient_times_are_kept() {
    let node = Node::new();
    for (n, time) in [
        (1, "9999-12-31T23:59:59.999999Z"),
        (2, "1970-01-01T00:00:00Z"),
        (3, "1971-02-03T04:05:06+14:00"),
    ] {
        let mut event = decision(n);
        event["meta"]["event_time"] = json!(time);
        assert_eq!(node.send(event.to_string()).await.status, StatusCode::OK, "{time}");
    }
    assert_eq!(node.size("acme"), 3);
}

#[tokio::test]
async fn a_bad_line_does_not_take_the_good_ones_with_it() {
    let node = Node::new();
    let mut body = format!("{}\n", decision(1)).into_bytes();
    body.extend(b"{\"kind\":\"decision\",\"meta\":{\"event_id\":\"");
    body.extend(id(2).bytes());
    body.extend(b"\"},\"body\":{}}\n\xff\xfe not text\n\n");
    body.extend(decision(3).to_string().bytes());
    let answer = node.send_lines(body).await;
    assert_eq!(answer.status, StatusCode::OK);
    assert_eq!(
        answer.results(),
        [("accepted".to_owned(), 0), ("accepted".to_owned(), 1)]
    );
    let rejected = answer.rejected();
    assert_eq!(
        rejected
            .iter()
            .map(|(line, rule, _)| (*line, rule.as_str()))
            .collect::<Vec<_>>(),
        [(2, "missing_field"), (3, "not_utf8"),]
    );
    assert_eq!(answer.body["rejected"][0]["event_id"], id(2));
    assert_eq!(
        answer.body["rejected"][0]["problem"]["type"],
        "/problems/malformed_event"
    );
    assert!(answer.body["rejected"][1].get("event_id").is_none());
    assert_eq!(node.size("acme"), 2);
    // In an array the place counts.
    let array = json!([decision(4), {"kind": 1}, decision(5)]).to_string();
    assert_eq!(
        node.send(array).await.rejected(),
        [(2, "wrong_type".to_owned(), "/kind".to_owned())]
    );
}

#[tokio::test]
async fn a_body_that_can_not_be_read_stores_nothing() {
    let node = Node::new();
    let broken = format!("[{},\n{{\"kind\":]", decision(1));
    let answer = node.send(broken).await;
    assert_eq!(
        (answer.status, answer.problem().as_str()),
        (StatusCode::BAD_REQUEST, "unreadable_body")
    );
    assert_eq!((&answer.body["line"], &answer.body["column"]), (&json!(2), &json!(9)));
    for body in ["{\"kind\":\"decision\"", "nonsense", "[1,2", "\"\u{1}\"", "[]]"] {
        let answer = node.send(body).await;
        assert_eq!(
            (answer.status, answer.problem().as_str()),
            (StatusCode::BAD_REQUEST, "unreadable_body"),
            "{body}"
        );
    }
    for body in ["", "  \n ", "[]", " [ ] "] {
        let answer = node.send(body).await;
        assert_eq!(
            (answer.status, answer.problem().as_str()),
            (StatusCode::BAD_REQUEST, "empty_body"),
            "{body:?}"
        );
    }
    assert_eq!(node.size("acme"), 0);
}

#[tokio::test]
async fn what_is_not_what_its_headers_say_is_told_so() {
    let node = Node::new();
    let path = "/v1/tenants/acme/events";
    for (name, value, status, problem) in [
        ("content-type", "text/plain", 415, "unsupported_media_type"),
        ("content-type", "application/x-protobuf", 415, "unsupported_media_type"),
        ("content-encoding", "br", 415, "unsupported_encoding"),
        ("content-encoding", "gzip, gzip", 415, "unsupported_encoding"),
        ("content-encoding", "gzip", 400, "unreadable_body"),
        ("content-encoding", "zstd", 400, "unreadable_body"),
    ] {
        let answer = node.post(path, &[(name, value)], decision(1).to_string()).await;
        assert_eq!(
            (answer.status.as_u16(), answer.problem().as_str()),
            (status, problem),
            "{value}: {answer:?}"
        );
    }
    let whole = gzip(decision(1).to_string().as_bytes());
    let cut = node
        .post(path, &[("content-encoding", "gzip")], whole[..whole.len() - 9].to_vec())
        .await;
    assert_eq!(cut.problem(), "unreadable_body");
    let avro = node
        .post(
            path,
            &[("content-type", "avro/binary")],
            vec![0xC3, 0x01, 1, 2, 3, 4, 5, 6, 7, 8, 9],
        )
        .await;
    assert_eq!(avro.rejected()[0].1, "unknown_schema");
    let avro = node
        .post(path, &[("content-type", "avro/binary")], vec![0xC3, 0x01, 1, 2])
        .await;
    assert_eq!(avro.rejected()[0].1, "truncated");
    assert_eq!(node.size("acme"), 0);
}

/// A byte order mark belongs to the text, not to the event: what is kept begins with the event's own bytes.
#[tokio::test]
async fn a_byte_order_mark_is_ignored_and_a_foreign_charset_named() {
    let node = Node::new();
    let event = decision(1).to_string();
    let marked = format!("\u{feff}{event}");
    assert_eq!(node.send(marked.clone()).await.results(), [("accepted".to_owned(), 0)]);
    assert_eq!(
        node.send_lines(marked.clone()).await.results(),
        [("duplicate".to_owned(), 0)]
    );
    assert_eq!(node.record(0).value, event.as_bytes());

    let utf16: Vec<u8> = marked.encode_utf16().flat_map(u16::to_le_bytes).collect();
    let answer = node.send(utf16).await;
    assert_eq!(answer.problem(), "unreadable_body");
    assert!(answer.body["detail"].as_str().unwrap().contains("UTF-16"), "{answer:?}");

    let post = async |charset: &str| {
        let content_type = format!("application/json; charset={charset}");
        node.post(
            "/v1/tenants/acme/events",
            &[("content-type", &content_type)],
            event.clone(),
        )
        .await
    };
    let foreign = post("iso-8859-1").await;
    assert_eq!(
        (foreign.status, foreign.problem().as_str()),
        (StatusCode::UNSUPPORTED_MEDIA_TYPE, "unsupported_media_type")
    );
    assert!(
        foreign.body["detail"].as_str().unwrap().contains("`iso-8859-1`"),
        "{foreign:?}"
    );
    assert_eq!(post("UTF-8").await.status, StatusCode::OK);
}
