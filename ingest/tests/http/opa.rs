//! OPA's own uploads, as it sent them: what becomes of a decision, of a status, of a repetition, of poison.

use axum::http::StatusCode;
use serde_json::{Value, json};
use verdict_edge::body::BodyLimits;
use verdict_ingest::IntakeLimits;
use verdict_schemas::{ActiveStatus, AgentSeen, Body, Decision, Event, Outcome};
use verdict_store::Flag;

use crate::support::{Node, foreign, gzip, header, sample};

fn decision_of(event: &Event) -> &Decision {
    match &event.body {
        Body::Decision(decision) => decision,
        other => panic!("{other:?}"),
    }
}

fn seen(event: &Event) -> &AgentSeen {
    match &event.body {
        Body::AgentSeen(seen) => seen,
        other => panic!("{other:?}"),
    }
}

/// Sends one sample of a decision log; its only event.
async fn decided(name: &str) -> Event {
    let node = Node::new();
    let answer = node.opa_logs(&sample(name)).await;
    assert_eq!(
        (answer.status, &answer.body["accepted"]),
        (StatusCode::OK, &json!(1)),
        "{name}: {answer:?}"
    );
    node.event(0).1
}

#[tokio::test]
async fn a_decision_is_mapped_and_keeps_the_bytes_received() {
    let node = Node::new();
    let body = sample("decision-masked-erased-rulelabels-trace.json");
    node.opa_logs(&body).await;
    let (record, event) = node.event(0);
    let element = &body[1..body.len() - 1];
    assert_eq!(foreign(&record), element, "the bytes received, not a rendering of them");
    assert_eq!(
        header(&record, "verdict-foreign-type").unwrap(),
        b"application/vnd.openpolicyagent.decision-log-event+json"
    );
    let decision = decision_of(&event);
    assert_eq!(decision.decision_id.as_str(), "c6bb1ef6-d391-421f-b941-cbaff529d60a");
    assert_eq!(event.meta.event_time.to_string(), "2026-11-21T08:39:47.394176Z");
    assert_eq!(event.meta.source.as_str(), "opa://prod/payments");
    assert_eq!(
        event.meta.trace_id.as_ref().unwrap().as_str(),
        "0af7651916cd43dd8448eb211c80319c"
    );
    assert_eq!(event.meta.span_id.as_deref(), Some("bb8f8c5b9dd31c20"));
    assert_eq!(event.meta.environment.as_ref().unwrap().as_str(), "prod");
    assert_eq!(
        (decision.actor.name.r#type.as_str(), decision.actor.name.id.as_str()),
        ("user", "alice")
    );
    assert_eq!(decision.action, "read");
    assert_eq!(
        (
            decision.resource.name.r#type.as_str(),
            decision.resource.name.id.as_str()
        ),
        ("unmapped", "unmapped")
    );
    assert_eq!(decision.outcome, Outcome::Allow);
    assert_eq!(decision.agent.as_ref().unwrap().as_str(), "payments");
    assert_eq!(
        decision.incarnation.as_ref().unwrap().as_str(),
        "934c998f-346c-437f-871b-6dffa31027d8"
    );
    let cited = &decision.policies[0];
    assert_eq!(
        (
            cited.scope.to_string().as_str(),
            cited.policy.as_str(),
            cited.version.as_str()
        ),
        ("tenant acme in prod", "authz", "rev-1")
    );
    assert_eq!(decision.masked, ["/input/ssn"]);
    assert_eq!(decision.erased, ["/input/password"]);
    assert_eq!(decision.determining_rules, ["authz/allow"]);
    assert_eq!(decision.duration_us, Some(370));
    assert_eq!(
        decision.input.as_ref().unwrap().get(),
        r#"{"action":"read","ssn":"***","user":"alice"}"#
    );
    let label = |name: &str| event.meta.labels.get(name).map(String::as_str);
    assert_eq!(label("mapped/actor"), Some("/input/user"));
    assert_eq!(label("mapped/resource"), Some("unmapped"));
    assert_eq!(label("opa/requested_by"), Some("127.0.0.1:41398"));
    assert_eq!(label("version"), Some("1.22.0"));
}

#[tokio::test]
async fn outcomes_are_what_the_result_says_and_no_guess() {
    for (name, outcome, by) in [
        ("decision-no-input.json", Outcome::Deny, "/result"),
        ("decision-log-docs.json", Outcome::Allow, "/result"),
        ("decision-log-real-envoy-0.38.json", Outcome::Allow, "/result/allowed"),
        // `system/main` says nothing about what its `true` means.
        ("decision-log-masked-docs.json", Outcome::Indeterminate, "unmapped"),
        ("decision-error-eval-conflict.json", Outcome::Indeterminate, "/error"),
        ("decision-error-undefined-main.json", Outcome::Indeterminate, "/error"),
        ("decision-undefined-result.json", Outcome::NotApplicable, "(no result)"),
        ("decision-result-erased.json", Outcome::Indeterminate, "unmapped"),
        ("decision-adhoc-query.json", Outcome::Indeterminate, "unmapped"),
        ("decision-nd-cache-rand.json", Outcome::Indeterminate, "unmapped"),
        (
            "decision-log-nd-builtin-cache-changelog.json",
            Outcome::Indeterminate,
            "unmapped",
        ),
    ] {
        let event = decided(name).await;
        assert_eq!(decision_of(&event).outcome, outcome, "{name}");
        assert_eq!(
            event.meta.labels.get("mapped/outcome").map(String::as_str),
            Some(by),
            "{name}"
        );
    }
    let conflict = decided("decision-error-eval-conflict.json").await;
    assert!(decision_of(&conflict).reasons[0].starts_with("eval_conflict_error: rule data.authz.conflict"));
    // Without `bundles` nothing is cited.
    assert!(
        decision_of(&decided("decision-log-masked-docs.json").await)
            .policies
            .is_empty()
    );
}

#[tokio::test]
async fn numbers_and_escapes_stay_as_opa_wrote_them() {
    let event = decided("decision-numbers-unicode-dup.json").await;
    let input = decision_of(&event).input.as_ref().unwrap().get();
    for verbatim in [
        "12345678901234567890.12345678901234567890",
        "1e400",
        "123456789012345678901234567890",
        "\\u003c\\u0026",
    ] {
        assert!(input.contains(verbatim), "{verbatim} in {input}");
    }
    let event = decided("decision-nd-cache-rand.json").await;
    let looked_up = decision_of(&event).nondeterministic_inputs.as_ref().unwrap().get();
    assert_eq!(looked_up, r#"{"rand.intn":{"[\"dice\",6]":3}}"#);
}

/// A console line of Envoy's OPA, one object and not an array, is taken too.
#[tokio::test]
async fn envoys_decisions_are_mapped() {
    let event = decided("decision-log-real-envoy-0.38.json").await;
    let decision = decision_of(&event);
    assert_eq!(decision.action, "POST");
    assert_eq!(
        (
            decision.resource.name.r#type.as_str(),
            decision.resource.name.id.as_str()
        ),
        ("path", "/v2/entities")
    );
    assert_eq!(decision.outcome, Outcome::Allow);
    assert!(
        decision.decision_id.as_str().starts_with("opa-"),
        "{:?}",
        decision.decision_id
    );
    assert_eq!(decision.actor.name.id, "unmapped");
}

#[tokio::test]
async fn a_status_says_what_is_active_and_keeps_its_60_kb() {
    let node = Node::new();
    let body = sample("status-ok-rev-1.json");
    let answer = node.opa_status(&body).await;
    assert_eq!((answer.status, &answer.body["accepted"]), (StatusCode::OK, &json!(1)));
    let (record, event) = node.event(0);
    assert!(
        foreign(&record) == body,
        "the bytes received, the line break at their end too"
    );
    assert!(header(&record, "verdict-foreign").unwrap().len() < 12_000, "compressed");
    let seen = seen(&event);
    assert_eq!((seen.agent.as_str(), seen.lease_ms), ("payments", 300_000));
    assert_eq!(
        seen.incarnation.as_ref().unwrap().as_str(),
        "934c998f-346c-437f-871b-6dffa31027d8"
    );
    assert_eq!(seen.labels.get("tenant").map(String::as_str), Some("acme"));
    let [active] = &seen.active[..] else {
        panic!("{:?}", seen.active)
    };
    assert_eq!(
        (active.policy.as_str(), active.status),
        ("authz", ActiveStatus::Applied)
    );
    assert_eq!(active.version.as_ref().unwrap().as_str(), "rev-1");
    assert_eq!(active.applied_at.unwrap().to_string(), "2026-11-21T08:39:45.130255Z");
    assert_eq!(event.meta.labels["mapped/version"], "2");
    assert!(event.meta.event_time <= record.recorded_time);
    // OPA never sends a status twice: two alike are two sightings.
    assert_eq!(node.opa_status(&body).await.body["accepted"], 1);
    assert_eq!(node.size("acme"), 2);
}

#[tokio::test]
async fn what_failed_is_not_what_runs() {
    for (name, expected) in [
        ("status-first-not-ready.json", &[][..]),
        ("status-never-activated.json", &[(ActiveStatus::Failed, None)][..]),
        (
            "status-rev-2-activated.json",
            &[(ActiveStatus::Applied, Some("rev-2"))][..],
        ),
        (
            "status-bundle-compile-error.json",
            &[(ActiveStatus::Applied, Some("rev-2")), (ActiveStatus::Failed, None)][..],
        ),
        // A long poll that its own shutdown cancelled is no failure of the bundle.
        (
            "status-last-at-sigterm.json",
            &[(ActiveStatus::Applied, Some("rev-1"))][..],
        ),
    ] {
        let node = Node::new();
        assert_eq!(node.opa_status(&sample(name)).await.body["accepted"], 1, "{name}");
        let (_, event) = node.event(0);
        let told: Vec<_> = seen(&event)
            .active
            .iter()
            .map(|a| (a.status, a.version.as_ref().map(|v| v.as_str())))
            .collect();
        assert_eq!(told, expected, "{name}");
        let noted = event
            .meta
            .labels
            .keys()
            .any(|label| label.starts_with("opa/error_at_shutdown/"));
        assert_eq!(noted, name == "status-last-at-sigterm.json", "{name}");
    }
    let node = Node::new();
    node.opa_status(&sample("status-bundle-compile-error.json")).await;
    let (_, event) = node.event(0);
    let error = seen(&event).active[1].error.clone().unwrap();
    assert_eq!(
        error,
        "bundle_error: error(s) occurred while compiling module(s) (undefined function undefined_fn)"
    );
}

/// STANDARDS, rule 3: a source's own drop counters are evidence of what is missing.
#[tokio::test]
async fn what_opa_dropped_is_recorded() {
    let node = Node::new();
    node.opa_status(&sample("status-dropped-counters.json")).await;
    let (_, event) = node.event(0);
    let label = |name: &str| event.meta.labels.get(name).map(String::as_str);
    assert_eq!(
        label("opa/counter_decision_logs_dropped_buffer_size_limit_exceeded"),
        Some("18")
    );
    assert!(label("opa/decision_logs_error").unwrap().contains("HTTP 500"));
}

#[tokio::test]
async fn a_repeated_upload_makes_no_duplicates() {
    let node = Node::new();
    let events: Vec<String> = [
        "decision-no-input.json",
        "decision-nd-cache-rand.json",
        "decision-nd-cache-time.json",
    ]
    .iter()
    .map(|name| {
        String::from_utf8(sample(name))
            .unwrap()
            .trim_matches(['[', ']'])
            .to_owned()
    })
    .collect();
    let upload = format!("[{},\"poison\"]", events.join(","));
    let first = node.opa_logs(upload.as_bytes()).await;
    let told = |a: &Value| {
        (
            a["accepted"].as_u64().unwrap(),
            a["duplicates"].as_u64().unwrap(),
            a["quarantined"].as_u64().unwrap(),
        )
    };
    assert_eq!(told(&first.body), (3, 0, 1));
    for _ in 0..3 {
        assert_eq!(told(&node.opa_logs(upload.as_bytes()).await.body), (0, 4, 0));
    }
    // Cut into chunks differently, as after a change of OPA's limits.
    assert_eq!(
        told(&node.opa_logs(format!("[{}]", events[1]).as_bytes()).await.body),
        (0, 1, 0)
    );
    // Twice within one upload.
    let twice = format!("[{0},{0}]", events[2].replace("1.22.0", "1.22.1"));
    assert_eq!(told(&node.opa_logs(twice.as_bytes()).await.body), (1, 1, 0));
    assert_eq!(node.size("acme"), 5);
    // The same event in another environment is another decision.
    let headers = [("content-encoding", "gzip")];
    let other = node
        .post("/opa/v1/acme/staging/logs", &headers, gzip(upload.as_bytes()))
        .await;
    assert_eq!(other.body["accepted"], 3);
}

/// Whatever is no report is kept as malformed, with its bytes, and answered with success: OPA would repeat a refusal for ever.
#[tokio::test]
async fn poison_is_quarantined_with_a_200() {
    let node = Node::new();
    let good = String::from_utf8(sample("decision-no-input.json")).unwrap();
    let good = good.trim_matches(['[', ']']);
    let deep = format!(
        "{{\"labels\":{{\"id\":\"x\"}},\"timestamp\":\"2026-01-01T00:00:00Z\",\"input\":{}1{}}}",
        "[".repeat(300),
        "]".repeat(300)
    );
    let cases = [
        ("17", "wrong_type"),
        ("{}", "missing_field"),
        (
            r#"{"labels":{"id":7},"timestamp":"2026-01-01T00:00:00Z"}"#,
            "wrong_type",
        ),
        (
            r#"{"labels":{"app":"x"},"timestamp":"2026-01-01T00:00:00Z"}"#,
            "missing_field",
        ),
        (r#"{"labels":{"id":"x"}}"#, "missing_field"),
        (r#"{"labels":{"id":"x"},"timestamp":"yesterday"}"#, "invalid_time"),
        (
            r#"{"labels":{"id":"x"},"timestamp":"0001-01-01T00:00:00Z"}"#,
            "invalid_time",
        ),
        (
            r#"{"labels":{"id":"x"},"timestamp":"2026-01-01T00:00:00Z","bundles":[]}"#,
            "wrong_type",
        ),
        (
            r#"{"labels":{"id":"x"},"timestamp":"2026-01-01T00:00:00Z","masked":[1]}"#,
            "wrong_type",
        ),
        (deep.as_str(), "too_deep"),
    ];
    let upload = format!(
        "[{},{good}]",
        cases.iter().map(|(event, _)| *event).collect::<Vec<_>>().join(",")
    );
    let answer = node.opa_logs(upload.as_bytes()).await;
    assert_eq!(answer.status, StatusCode::OK, "{answer:?}");
    assert_eq!(
        (&answer.body["accepted"], &answer.body["quarantined"]),
        (&json!(1), &json!(cases.len()))
    );
    for (index, (event, rule)) in cases.iter().enumerate() {
        let index = index as u64;
        assert!(matches!(node.flag(index), Some(Flag::Malformed { .. })), "{event}");
        let record = node.record(index);
        assert_eq!(foreign(&record), event.as_bytes());
        let note: Value = serde_json::from_slice(&record.value).unwrap();
        assert_eq!(note["quarantined"]["rule"], *rule, "{note}");
        assert_eq!(note["quarantined"]["element"], index + 1);
    }
    assert!(node.flag(cases.len() as u64).is_none());
}

#[tokio::test]
async fn an_upload_that_can_not_be_read_is_quarantined_whole() {
    let limits = IntakeLimits {
        body: BodyLimits {
            max_body_bytes: 256 << 10,
            max_decoded_bytes: 1 << 20,
            ..BodyLimits::default()
        },
        ..IntakeLimits::default()
    };
    let node = Node::limited(limits);
    let path = "/opa/v1/acme/prod/logs";
    let zipped = [("content-encoding", "gzip")];
    let bomb = gzip(&vec![b' '; 100 << 20]);
    let incompressible: Vec<u8> = (0..100_000_u32)
        .flat_map(|n| n.wrapping_mul(2_654_435_761).to_be_bytes())
        .collect();
    type Headers<'a> = &'a [(&'a str, &'a str)];
    let cases: [(Headers<'_>, Vec<u8>, &str); 7] = [
        (&zipped, b"not gzip at all".to_vec(), "undecodable"),
        (&zipped, bomb, "too_large"),
        (&zipped, gzip(b"[{]"), "invalid_json"),
        (&zipped, gzip(b"\xff\xfe"), "invalid_json"),
        (&[("content-encoding", "br")], b"[]".to_vec(), "undecodable"),
        (&[], incompressible, "too_large"),
        (&[], Vec::new(), "invalid_json"),
    ];
    for (index, (headers, body, rule)) in cases.into_iter().enumerate() {
        let answer = node.post(path, headers, body.clone()).await;
        assert_eq!(
            (answer.status, &answer.body["quarantined"]),
            (StatusCode::OK, &json!(1)),
            "{rule}: {answer:?}"
        );
        let record = node.record(index as u64);
        let note: Value = serde_json::from_slice(&record.value).unwrap();
        assert_eq!(note["quarantined"]["rule"], rule, "{note}");
        let received = if headers == zipped && rule == "invalid_json" {
            note["quarantined"]["bytes"].as_u64().unwrap()
        } else {
            body.len() as u64
        };
        assert_eq!(note["quarantined"]["bytes"], received);
        assert!(
            matches!(node.flag(index as u64), Some(Flag::Malformed { .. })),
            "{rule}"
        );
    }
    // An empty array is an upload of nothing.
    let empty = node.opa_logs(b"[]").await;
    assert_eq!((empty.status, &empty.body["quarantined"]), (StatusCode::OK, &json!(0)));
}

/// What went wrong on one path says nothing about another; what an OPA repeats on the same one is not kept twice.
#[tokio::test]
async fn the_same_poison_on_two_paths_is_kept_for_each_and_on_one_path_once() {
    let node = Node::new();
    for path in [
        "/opa/v1/acme/prod/logs",
        "/opa/v1/acme/prod/status",
        "/opa/v1/acme/staging/logs",
    ] {
        let first = node.post(path, &[], "17").await;
        assert_eq!(
            (first.status, &first.body["quarantined"]),
            (StatusCode::OK, &json!(1)),
            "{path}"
        );
        let again = node.post(path, &[], "17").await;
        assert_eq!(
            (&again.body["duplicates"], &again.body["quarantined"]),
            (&json!(1), &json!(0)),
            "{path}"
        );
    }
    assert_eq!(node.size("acme"), 3);
}
