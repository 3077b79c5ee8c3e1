//! What is malformed, rule by rule: the rule and the field that a rejection names, the same for JSON and Avro.
#![expect(clippy::unwrap_used, reason = "a test may stop at the first surprise")]

mod oracle;

use oracle::{apache_datum, event, rejection};
use serde_json::{Value, json};
use verdict_schemas::{
    Interpretation, Kind, KnownSchemas, Rejection, Rule, SchemaRef, TenantId, check_log, fingerprint, interpret, rule,
    to_json,
};

fn golden(kind: &str) -> Value {
    let file = format!("{}/golden/v1/{kind}.json", env!("CARGO_MANIFEST_DIR"));
    serde_json::from_str(&std::fs::read_to_string(file).unwrap()).unwrap()
}

/// The golden event of a kind with one thing changed; null removes it.
fn with(kind: &str, pointer: &str, value: Value) -> Value {
    let mut document = golden(kind);
    match document.pointer_mut(pointer) {
        Some(at) => *at = value,
        None => {
            let (parent, field) = pointer.rsplit_once('/').unwrap();
            document.pointer_mut(parent).unwrap()[field] = value;
        }
    }
    document
}

fn single(document: &Value) -> Vec<u8> {
    let kind = Kind::parse(document["kind"].as_str().unwrap()).unwrap();
    [
        &[0xC3, 1],
        fingerprint(kind).unwrap().to_le_bytes().as_slice(),
        &apache_datum(document),
    ]
    .concat()
}

/// Found in both forms alike.
fn malformed(document: &Value, rule: Rule, field: &str) {
    for value in [document.to_string().into_bytes(), single(document)] {
        let found = rejection(&value);
        assert_eq!(
            (found.rule, found.field.as_deref()),
            (rule, Some(field)),
            "{found} of {document}"
        );
    }
}

/// Found in JSON; the Avro schema does not let it be written.
fn malformed_json(document: &Value, rule: Rule, field: &str) {
    let found = rejection(document.to_string().as_bytes());
    assert_eq!(
        (found.rule, found.field.as_deref()),
        (rule, Some(field)),
        "{found} of {document}"
    );
}

#[test]
fn missing_fields() {
    for (kind, field) in [
        ("decision", "/meta/event_id"),
        ("decision", "/meta/source"),
        ("decision", "/body/decision_id"),
        ("decision", "/body/actor"),
        ("decision", "/body/actor/id"),
        ("decision", "/body/policies/1/version"),
        ("decision", "/body/outcome"),
        ("agent_seen", "/body/lease_ms"),
        ("agent_seen", "/body/active/0/status"),
        ("object_changed", "/body/document/approver"),
        ("effect_recorded", "/body/object"),
        ("check_recorded", "/body/subject"),
        ("degradation_changed", "/body/reason"),
    ] {
        malformed_json(&with(kind, field, Value::Null), rule::MISSING_FIELD, field);
    }
    for kind in ["decision", "agent_seen", "agent_retired"] {
        malformed(
            &with(kind, "/meta/environment", Value::Null),
            rule::MISSING_FIELD,
            "/meta/environment",
        );
    }
    for field in [
        "/body/scope",
        "/body/policy",
        "/body/to_version",
        "/body/max_inconsistency_ms",
    ] {
        malformed(&with("rollout", field, Value::Null), rule::MISSING_FIELD, field);
    }
    malformed(
        &with("agent_seen", "/body/active/0/version", Value::Null),
        rule::MISSING_FIELD,
        "/body/active/0/version",
    );
    malformed(
        &with("decision", "/body/policies/2/scope/environment", Value::Null),
        rule::MISSING_FIELD,
        "/body/policies/2/scope/environment",
    );
    for field in ["/body/valid_from", "/body/valid_until", "/body/document"] {
        malformed(&with("object_changed", field, Value::Null), rule::MISSING_FIELD, field);
    }
}

#[test]
fn ranges() {
    let day = 86_400_000_u64;
    for (kind, field, value) in [
        ("agent_seen", "/body/lease_ms", json!(0)),
        ("agent_seen", "/body/lease_ms", json!(3650 * day + 1)),
        ("agent_seen", "/body/lease_ms", json!(-5)),
        ("rollout", "/body/max_inconsistency_ms", json!(3650 * day + 1)),
        ("rollout", "/body/quorum/percent", json!(0)),
        ("rollout", "/body/quorum/percent", json!(101)),
        ("rollout", "/body/quorum/min_agents", json!(0)),
        ("rollout", "/body/target/labels", json!({})),
        (
            "reconciliation_reported",
            "/body/converge_within_ms",
            json!(3650 * day + 1),
        ),
        ("decision", "/meta/source_sequence", json!(-1)),
    ] {
        malformed(&with(kind, field, value), rule::OUT_OF_RANGE, field);
    }
    let trigger = with("rollout", "/body/rollback_trigger/window_ms", json!(-1));
    malformed(&trigger, rule::OUT_OF_RANGE, "/body/rollback_trigger/window_ms");
    for time in [
        "1969-12-31T23:59:59.999999Z",
        "0001-01-01T00:00:00Z",
        "9999-12-31T23:59:59-00:01",
    ] {
        malformed_json(
            &with("decision", "/meta/event_time", json!(time)),
            rule::OUT_OF_RANGE,
            "/meta/event_time",
        );
    }
    let bounds = with("object_changed", "/body/valid_until", json!("2026-03-01T12:00:00Z"));
    malformed(&bounds, rule::OUT_OF_RANGE, "/body/valid_until");
    // The ends of the ranges are in them.
    for (kind, field, value) in [
        ("agent_seen", "/body/lease_ms", json!(3650 * day)),
        ("rollout", "/body/max_inconsistency_ms", json!(0)),
        ("rollout", "/body/quorum/percent", json!(100)),
        ("decision", "/meta/event_time", json!("9999-12-31T23:59:59.999999999Z")),
    ] {
        event(with(kind, field, value.clone()).to_string().as_bytes());
        event(&single(&with(kind, field, value)));
    }
}

#[test]
fn closed_sets_and_open_ones() {
    for (kind, field) in [
        ("rollout", "/body/phase"),
        ("agent_seen", "/body/active/1/status"),
        ("decision", "/body/outcome"),
        ("decision", "/body/mode"),
        ("decision", "/body/placement"),
        ("decision", "/body/policies/0/scope/layer"),
        ("artifact_published", "/body/combining"),
        ("object_changed", "/body/document/effect"),
        ("degradation_changed", "/body/before"),
        ("degradation_changed", "/body/after"),
    ] {
        malformed(&with(kind, field, json!("sideways")), rule::UNKNOWN_VALUE, field);
    }
    for (kind, field) in [
        ("artifact_published", "/body/artifact"),
        ("artifact_published", "/body/engine"),
        ("artifact_published", "/body/author/type"),
        ("check_recorded", "/body/check"),
        ("check_recorded", "/body/outcome"),
        ("reconciliation_reported", "/body/state"),
        ("object_changed", "/body/object/kind"),
    ] {
        let document = with(kind, field, json!("sideways"));
        let kept: Value = serde_json::from_str(&to_json(&event(document.to_string().as_bytes()))).unwrap();
        assert_eq!(kept, document);
    }
}

#[test]
fn scopes_and_environments() {
    malformed(
        &with("decision", "/meta/environment", json!("*")),
        rule::WILDCARD_ENVIRONMENT,
        "/meta/environment",
    );
    for i in [1, 4] {
        let field = format!("/body/policies/{i}/scope/environment");
        malformed(
            &with("decision", &field, json!("*")),
            rule::WILDCARD_ENVIRONMENT,
            &field,
        );
    }
    let field = "/body/policies/3/scope/tenant";
    malformed(
        &with("decision", field, json!("_platform")),
        rule::PLATFORM_SCOPE,
        field,
    );
    malformed(&with("decision", field, json!("Acme")), rule::INVALID_TENANT, field);
    malformed(
        &with("decision", "/meta/tenant", json!("a".repeat(64))),
        rule::INVALID_TENANT,
        "/meta/tenant",
    );
    let document = with("object_changed", "/body/document/scope", json!({"layer": "global"}));
    malformed(&document, rule::WRONG_LAYER, "/body/document/scope/layer");
}

#[test]
fn types_and_formats() {
    for (field, value) in [
        ("/body/actor", json!("alice")),
        ("/body/actor", json!(["user", "alice"])),
        ("/body/actor/id", json!(7)),
        ("/body/policies", json!({})),
        ("/body/reasons/1", json!(null)),
        ("/body/cache/hit", json!("true")),
        ("/body/duration_us", json!("183")),
        ("/body/duration_us", json!(1.5)),
        ("/meta/event_time", json!(1_772_366_400)),
        ("/meta/labels/region", json!(1)),
        ("/meta", json!([])),
        ("/body", json!("x")),
    ] {
        malformed_json(&with("decision", field, value), rule::WRONG_TYPE, field);
    }
    malformed_json(
        &with("decision", "/meta/event_time", json!("noon")),
        rule::INVALID_TIME,
        "/meta/event_time",
    );
    for id in [
        "018f2d5c7b2e7c4a9d3e012345678901",
        "{018f2d5c-7b2e-7c4a-9d3e-012345678901}",
        "",
    ] {
        malformed(
            &with("decision", "/meta/event_id", json!(id)),
            rule::INVALID_UUID,
            "/meta/event_id",
        );
    }
    let field = "/body/digest";
    malformed(
        &with("artifact_published", field, json!(format!("sha256:{}", "A".repeat(64)))),
        rule::INVALID_DIGEST,
        field,
    );
    // A whole number is one however it is written.
    for number in ["3e5", "300000.0", "3.0E+5"] {
        let text = golden("agent_seen").to_string().replace("300000", number);
        assert!(
            to_json(&event(text.as_bytes())).contains("\"lease_ms\":300000"),
            "{number}"
        );
    }
}

#[test]
fn keys_twice() {
    let text = golden("agent_seen").to_string();
    for (found, doubled, field) in [
        ("\"lease_ms\":", "\"lease_ms\":1,\"lease_ms\":", "/body/lease_ms"),
        ("\"lease_ms\":", "\"lease_ms\":null,\"lease_ms\":", "/body/lease_ms"),
        (
            "\"tenant\":\"acme\",\"trace_id\"",
            "\"tenant\":\"acme\",\"t\\u0065nant\":\"acme\",\"trace_id\"",
            "/meta/tenant",
        ),
        (
            "\"status\":\"removed\"",
            "\"status\":\"removed\",\"status\":\"removed\"",
            "/body/active/2/status",
        ),
        (
            "\"pool\":\"blue\"",
            "\"pool\":\"blue\",\"pool\":\"green\"",
            "/body/labels/pool",
        ),
        ("\"kind\":", "\"kind\":\"x\",\"kind\":", "/kind"),
    ] {
        let text = text.replace(found, doubled);
        let rejection = rejection(text.as_bytes());
        assert_eq!(
            (rejection.rule, rejection.field.as_deref()),
            (rule::DUPLICATE_KEY, Some(field)),
            "{text}"
        );
    }
    // Where nobody interprets, nobody minds.
    for (found, doubled) in [
        ("\"kind\":", "\"x\":1,\"x\":2,\"kind\":"),
        ("\"labels\":{", "\"y\":{\"z\":1,\"z\":1},\"labels\":{"),
    ] {
        event(text.replacen(found, doubled, 1).as_bytes());
    }
}

#[test]
fn null_is_absent_and_unknown_is_kept() {
    let mut document = golden("object_changed");
    for field in ["before", "after", "document", "valid_until", "reason"] {
        document["body"][field] = Value::Null;
    }
    document["body"]["later"] = json!({"a": [1]});
    let read = to_json(&event(document.to_string().as_bytes()));
    assert!(!read.contains("null") && !read.contains("later"), "{read}");
    let unknown = json!({"kind": "agent_promoted", "meta": golden("rollout")["meta"], "body": {"n": 1.50, "m": null}});
    let read: Value = serde_json::from_str(&to_json(&event(unknown.to_string().as_bytes()))).unwrap();
    assert_eq!(read, unknown);
}

#[test]
fn encodings() {
    for (value, content_type, rule) in [
        (&b""[..], None, rule::UNKNOWN_ENCODING),
        (b"  \n", None, rule::UNKNOWN_ENCODING),
        (b"hello", None, rule::UNKNOWN_ENCODING),
        (b"[1]", None, rule::UNKNOWN_ENCODING),
        (b"", Some("application/json"), rule::TRUNCATED),
        (b"[]", Some("application/json"), rule::WRONG_TYPE),
        (b"{\"a\":1}}", None, rule::TRAILING_BYTES),
        (b"{\"a\":01}", None, rule::INVALID_JSON),
        (b"{\"a\":\"\xff\"}", None, rule::NOT_UTF8),
        (b"{}", Some("avro/binary"), rule::UNKNOWN_ENCODING),
        (b"\x00\x00\x00", None, rule::TRUNCATED),
        (b"\xc3", None, rule::TRUNCATED),
        (
            b"{}",
            Some("application/cloudevents-batch+json"),
            rule::UNKNOWN_ENCODING,
        ),
        (
            b"{\"specversion\":\"1.0\"}",
            Some("application/cloudevents+json"),
            rule::MISSING_FIELD,
        ),
        (
            b"{\"specversion\":\"1.0\",\"data_base64\":\"AA==\"}",
            None,
            rule::UNKNOWN_ENCODING,
        ),
    ] {
        let Interpretation::Malformed(found) = interpret(value, content_type, &KnownSchemas) else {
            panic!("{value:?}")
        };
        assert_eq!(found.rule, rule, "{found} of {}", String::from_utf8_lossy(value));
    }
    let awaiting = interpret(&[0xC3, 1, 1, 2, 3, 4, 5, 6, 7, 8, 9], None, &KnownSchemas);
    assert!(matches!(
        awaiting,
        Interpretation::AwaitingSchema(SchemaRef::Fingerprint(0x0807_0605_0403_0201))
    ));
}

#[test]
fn deep_and_large() {
    let nested = |depth| format!("{}1{}", "[".repeat(depth), "]".repeat(depth));
    let of = |json: String| {
        golden("effect_recorded")
            .to_string()
            .replace("{\"balance\":\"10.00\"}", &json)
    };
    event(of(nested(125)).as_bytes());
    assert_eq!(rejection(of(nested(126)).as_bytes()).rule, rule::TOO_DEEP);
    assert_eq!(rejection(of(nested(1_000_000)).as_bytes()).rule, rule::TOO_DEEP);
    assert_eq!(rejection("{\"a\":".repeat(1_000_000).as_bytes()).rule, rule::TOO_DEEP);
    // Brackets in strings and side by side nest nothing.
    event(of(format!("[{}0]", "[\"[{\\\"\"],".repeat(100_000))).as_bytes());
    // A datum cannot claim more than it holds: here, 2^40 reasons.
    let mut datum = single(&golden("agent_seen"));
    let lists = datum.len() - 1;
    datum.truncate(lists);
    datum.extend([0x80, 0x80, 0x80, 0x80, 0x80, 0x40]);
    assert_eq!(rejection(&datum).rule, rule::TRUNCATED);
}

fn refused(document: &Value, log: &str) -> Option<Rejection> {
    check_log(&event(document.to_string().as_bytes()), &TenantId::parse(log).unwrap()).err()
}

#[test]
fn logs() {
    let found = |document: &Value, log: &str| refused(document, log).map(|r| (r.rule, r.field.unwrap()));
    let at = |rule: Rule, field: &str| Some((rule, field.to_owned()));
    for kind in Kind::ALL {
        let mut document = golden(kind.as_str());
        assert_eq!(found(&document, "acme"), None, "{kind:?}");
        assert_eq!(
            found(&document, "other"),
            at(rule::TENANT_MISMATCH, "/meta/tenant"),
            "{kind:?}"
        );
        document["meta"]["tenant"] = json!("_platform");
        let expected = match kind {
            // A check of the kinds that waive or validate is intent (E5).
            Kind::SubjectErased | Kind::CheckRecorded => None,
            Kind::Rollout | Kind::ArtifactPublished => at(rule::SCOPE_NOT_IN_LOG, "/body/scope"),
            Kind::ObjectChanged => at(rule::SCOPE_NOT_IN_LOG, "/body/document/scope"),
            _ => at(rule::OBSERVATION_IN_PLATFORM, "/kind"),
        };
        assert_eq!(found(&document, "_platform"), expected, "{kind:?}");
    }
    for (check, intent) in [
        ("review", true),
        ("signature", true),
        ("impact", true),
        ("drill", false),
        ("replay", false),
    ] {
        let mut document = with("check_recorded", "/body/check", json!(check));
        document["meta"]["tenant"] = json!("_platform");
        assert_eq!(found(&document, "_platform").is_none(), intent, "{check}");
    }
    for scope in [
        json!({"layer": "global"}),
        json!({"layer": "environment", "environment": "prod"}),
    ] {
        let mut document = with("rollout", "/body/scope", scope.clone());
        assert_eq!(found(&document, "acme"), at(rule::SCOPE_NOT_IN_LOG, "/body/scope"));
        document["meta"]["tenant"] = json!("_platform");
        assert_eq!(found(&document, "_platform"), None);
        // Observations may name every scope that covers their tenant.
        assert_eq!(found(&with("degradation_changed", "/body/scope", scope), "acme"), None);
    }
    let foreign = json!({"layer": "tenant", "tenant": "other", "environment": "*"});
    for (kind, field) in [
        ("decision", "/body/policies/3/scope"),
        ("agent_seen", "/body/active/1/scope"),
        ("degradation_changed", "/body/scope"),
    ] {
        assert_eq!(
            found(&with(kind, field, foreign.clone()), "acme"),
            at(rule::FOREIGN_SCOPE, field)
        );
    }
    let rolled_back = with("rollout", "/body/phase", json!("rolled_back"));
    assert_eq!(
        found(&with("rollout", "/body/scope", foreign), "acme"),
        at(rule::SCOPE_NOT_IN_LOG, "/body/scope")
    );
    assert_eq!(found(&rolled_back, "acme"), None);
}
