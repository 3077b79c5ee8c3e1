//! Decision logs as others than OPA send them: lines, arrays, single objects, objects end to end, whatever the content type.

use axum::http::StatusCode;
use serde_json::{Value, json};
use verdict_ingest::IntakeLimits;
use verdict_schemas::Body;

use crate::support::{Node, foreign, gzip};

fn event(id: &str) -> String {
    json!({
        "labels": {"id": "i1", "app": "buoy", "type": "eopa"}, "decision_id": id, "batch_decision_id": "batch-9",
        "timestamp": "2026-03-01T07:00:01.5+01:00", "path": "buoy/allow", "bundles": {"buoy": {"revision": "b3"}},
        "input": {"user": "ada", "action": "light"}, "result": true,
    })
    .to_string()
}

/// The decisions of `acme`, by index.
fn decided(node: &Node) -> Vec<String> {
    (0..node.size("acme"))
        .filter(|index| node.flag(*index).is_none())
        .map(|index| match node.event(index).1.body {
            Body::Decision(decision) => decision.decision_id.to_string(),
            other => panic!("{other:?}"),
        })
        .collect()
}

#[tokio::test]
async fn every_form_of_a_decision_log_is_read_whatever_its_content_type() {
    let (one, two, three) = (event("d-1"), event("d-2"), event("d-3"));
    let pretty = serde_json::to_string_pretty(&serde_json::from_str::<Value>(&two).unwrap()).unwrap();
    let forms = [
        format!("{one}\n{two}\n{three}\n"),
        format!("{one}\r\n\r\n{two}\r\n{three}"),
        format!("{one}{two}{three}"),
        format!("[{one},{two},{three}]"),
        format!("[\n  {one},\n  {two},\n  {three}\n]\n"),
        format!("[{one}]\n[{two},{three}]\n"),
        format!("\u{feff}{one}\n{two}\n{three}"),
        format!("{one}\n{pretty}\n{three}\n"),
    ];
    for form in forms {
        for content_type in [
            "application/json",
            "application/x-ndjson",
            "text/plain",
            "application/octet-stream",
        ] {
            let node = Node::new();
            let headers = [("content-type", content_type), ("content-encoding", "gzip")];
            let answer = node
                .post("/opa/v1/acme/prod/logs", &headers, gzip(form.as_bytes()))
                .await;
            assert_eq!(
                (answer.status, &answer.body["accepted"], &answer.body["quarantined"]),
                (StatusCode::OK, &json!(3), &json!(0)),
                "{content_type}: {form}"
            );
            assert_eq!(decided(&node), ["d-1", "d-2", "d-3"], "{content_type}: {form}");
            let (record, event) = node.event(0);
            assert_eq!(foreign(&record), one.as_bytes(), "its own bytes and no others");
            assert_eq!(event.meta.correlation_id.as_deref(), Some("batch-9"));
            // As an array or as lines, the same bytes are the same events.
            let again = node.opa_logs(format!("[{one},{two},{three}]").as_bytes()).await;
            let same = if form.contains(&two) { 3 } else { 2 };
            assert_eq!(again.body["duplicates"], same, "{form}");
        }
    }
}

#[tokio::test]
async fn a_bad_line_is_quarantined_alone_with_its_number() {
    let node = Node::new();
    let body = format!("{}\n{{\"broken\": \n\n{}\nnonsense\n17\n", event("d-1"), event("d-2"));
    let answer = node
        .post(
            "/opa/v1/acme/prod/logs",
            &[("content-type", "application/x-ndjson")],
            body,
        )
        .await;
    assert_eq!(
        (&answer.body["accepted"], &answer.body["quarantined"]),
        (&json!(2), &json!(3)),
        "{answer:?}"
    );
    assert_eq!(decided(&node), ["d-1", "d-2"]);
    let notes: Vec<(Value, Value, String)> = (0..node.size("acme"))
        .filter(|index| node.flag(*index).is_some())
        .map(|index| {
            let record = node.record(index);
            let note: Value = serde_json::from_slice(&record.value).unwrap();
            let note = &note["quarantined"];
            (
                note["line"].clone(),
                note["rule"].clone(),
                String::from_utf8(foreign(&record)).unwrap(),
            )
        })
        .collect();
    let expected = [
        (2, "invalid_json", "{\"broken\":"),
        (5, "invalid_json", "nonsense"),
        (6, "wrong_type", "17"),
    ];
    assert_eq!(
        notes,
        expected.map(|(line, rule, bytes)| (json!(line), json!(rule), bytes.to_owned()))
    );
}

/// A body that broke off, or is longer than what is taken, loses nothing of what it held before.
#[tokio::test]
async fn what_can_be_read_of_a_broken_upload_is_read() {
    let cut = format!("[{},{},{{\"labels\":{{\"id\":\"i", event("d-1"), event("d-2"));
    let node = Node::new();
    let answer = node.opa_logs(cut.as_bytes()).await;
    assert_eq!(
        (&answer.body["accepted"], &answer.body["quarantined"]),
        (&json!(2), &json!(1))
    );
    assert_eq!(decided(&node), ["d-1", "d-2"]);

    let limits = IntakeLimits {
        max_events: 2,
        ..IntakeLimits::default()
    };
    let node = Node::limited(limits);
    let answer = node
        .opa_logs(format!("[{},{},{}]", event("d-1"), event("d-2"), event("d-3")).as_bytes())
        .await;
    assert_eq!(
        (&answer.body["accepted"], &answer.body["quarantined"]),
        (&json!(2), &json!(1))
    );
    let note: Value = serde_json::from_slice(&node.record(2).value).unwrap();
    assert_eq!(note["quarantined"]["rule"], "too_many");
    assert_eq!(foreign(&node.record(2)), format!("{}]", event("d-3")).as_bytes());
}

/// An event that no record can hold is kept in parts, and none of its bytes is lost.
#[tokio::test]
async fn what_is_too_long_for_a_record_is_kept_in_parts() {
    let limits = IntakeLimits {
        max_event_bytes: 64 << 10,
        ..IntakeLimits::default()
    };
    let node = Node::limited(limits);
    // Nothing that compresses away.
    let long: String = (0..40_000_u32)
        .map(|n| format!("{:08x}", n.wrapping_mul(2_654_435_761)))
        .collect();
    let large = event("d-1").replace("\"ada\"", &format!("\"{long}\""));
    let answer = node.opa_logs(format!("[{large},{}]", event("d-2")).as_bytes()).await;
    assert_eq!(
        (&answer.body["accepted"], &answer.body["quarantined"]),
        (&json!(1), &json!(1)),
        "{answer:?}"
    );
    let (mut kept, mut parts) = (Vec::new(), Vec::new());
    for index in (0..node.size("acme")).filter(|index| node.flag(*index).is_some()) {
        let record = node.record(index);
        let note: Value = serde_json::from_slice(&record.value).unwrap();
        let note = &note["quarantined"];
        assert_eq!(
            (&note["rule"], &note["bytes"]),
            (&json!("too_large"), &json!(large.len()))
        );
        parts.push((
            note["part"]["number"].as_u64().unwrap(),
            note["part"]["of"].as_u64().unwrap(),
        ));
        kept.extend(foreign(&record));
    }
    let of = large.len().div_ceil(32 << 10) as u64;
    assert_eq!(parts, (1..=of).map(|number| (number, of)).collect::<Vec<_>>());
    assert!(kept == large.as_bytes(), "{} of {} bytes", kept.len(), large.len());
    // Sent again it is known.
    let again = node.opa_logs(format!("[{large}]").as_bytes()).await;
    assert_eq!(
        (&again.body["duplicates"], &again.body["quarantined"]),
        (&json!(1), &json!(0))
    );
}

/// Statuses, too, as a collector passes them on.
#[tokio::test]
async fn statuses_as_lines_are_so_many_statuses() {
    let status = |id: &str| {
        let bundle =
            json!({"name": "b", "active_revision": "r1", "last_successful_activation": "2026-03-01T07:00:00Z"});
        json!({"labels": {"id": id, "app": "buoy"}, "bundles": {"b": bundle}}).to_string()
    };
    let node = Node::new();
    let answer = node
        .opa_status(format!("{}\n{}\n", status("i1"), status("i2")).as_bytes())
        .await;
    assert_eq!(
        (&answer.body["accepted"], &answer.body["quarantined"]),
        (&json!(2), &json!(0))
    );
}
