//! Well-formed events of every kind, as JSON documents, with everything optional there or not.

use proptest::collection::{btree_map, vec};
use proptest::option;
use proptest::prelude::*;
use proptest::sample::select;
use serde_json::{Map, Value, json};

/// A well-formed event of any kind.
pub fn document() -> impl Strategy<Value = Value> {
    prop_oneof![
        4 => decision().boxed(),
        7 => other().boxed(),
    ]
}

/// A well-formed decision.
pub fn decision() -> impl Strategy<Value = Value> {
    let actor = object([
        ("type", text()),
        ("id", text()),
        ("properties", maybe(any_json())),
        (
            "credential",
            maybe(object([
                ("id", text()),
                ("issuer", maybe(text())),
                ("expires_at", maybe(time())),
            ])),
        ),
        ("on_behalf_of", maybe(any_json())),
    ]);
    let cited = object([
        ("scope", scope()),
        ("policy", text()),
        ("version", text()),
        ("digest", maybe(digest())),
    ]);
    let peer = object([("spiffe_id", text()), ("cert_digest", maybe(text()))]);
    let cache = object([
        ("hit", any::<bool>().prop_map(Value::from).boxed()),
        ("decided_at", maybe(time())),
    ]);
    let body = object([
        ("decision_id", text()),
        ("actor", actor),
        ("action", text()),
        (
            "resource",
            object([("type", text()), ("id", text()), ("properties", maybe(any_json()))]),
        ),
        ("outcome", word(&["allow", "deny", "not_applicable", "indeterminate"])),
        ("reasons", maybe(list(text()))),
        ("obligations", maybe(any_json())),
        ("policies", maybe(list(cited))),
        ("determining_rules", maybe(list(text()))),
        ("input", maybe(any_json())),
        ("result", maybe(any_json())),
        ("nondeterministic_inputs", maybe(any_json())),
        ("masked", maybe(list(text()))),
        ("erased", maybe(list(text()))),
        ("agent", maybe(text())),
        ("incarnation", maybe(text())),
        ("workload", maybe(text())),
        ("peer", maybe(peer)),
        ("placement", maybe(word(&["local", "remote"]))),
        ("cache", maybe(cache)),
        ("mode", maybe(mode())),
        ("risk_tier", maybe(text())),
        ("duration_us", maybe(count())),
        ("policy_synced_at", maybe(time())),
        ("data_synced_at", maybe(time())),
    ]);
    event("decision", body)
}

fn other() -> impl Strategy<Value = Value> {
    let active = object([
        ("scope", scope()),
        ("policy", text()),
        ("version", text()),
        ("status", word(&["applied", "failed", "removed"])),
        ("applied_at", maybe(time())),
        ("error", maybe(text())),
    ]);
    let labels_given = btree_map(".{1,4}", ".{0,4}", 1..3)
        .prop_map(|labels| json!({ "labels": labels }))
        .boxed();
    let quorum = object([
        ("percent", (1_u64..=100).prop_map(Value::from).boxed()),
        ("min_agents", maybe(window(1))),
    ]);
    let started = object([
        ("rollout_id", text()),
        ("phase", word(&["started"])),
        ("scope", scope()),
        ("policy", text()),
        ("to_version", text()),
        ("from_version", maybe(text())),
        ("activate_at", maybe(time())),
        ("activation_condition", maybe(any_json())),
        ("target", maybe(labels_given)),
        ("quorum", maybe(quorum)),
        ("max_inconsistency_ms", window(0)),
        (
            "rollback_trigger",
            maybe(object([("signal", text()), ("window_ms", window(0))])),
        ),
        ("plan_digest", maybe(digest())),
        ("risk_tier", maybe(text())),
    ]);
    let ended_rollout = object([
        ("rollout_id", text()),
        ("phase", word(&["rolled_back", "completed"])),
        ("reason", maybe(text())),
    ]);
    let artifact = object([
        (
            "artifact",
            word(&["policy_bundle", "template", "rollout_plan", "lexicon"]),
        ),
        ("scope", scope()),
        ("policy", text()),
        ("version", text()),
        ("digest", digest()),
        ("parent_version", maybe(text())),
        ("engine", maybe(text())),
        ("combining", maybe(word(&["all", "override"]))),
        ("signature", maybe(any_json())),
        ("content", maybe(any_json())),
        ("author", typed_id()),
        (
            "approvals",
            maybe(list(object([("type", text()), ("id", text()), ("at", maybe(time()))]))),
        ),
        ("owner", maybe(text())),
    ]);
    let name = object([("kind", text()), ("id", text())]);
    let changed = object([
        ("object", name.clone()),
        ("version", text()),
        ("before", maybe(text())),
        ("after", maybe(text())),
        ("valid_from", maybe(time())),
        ("by", typed_id()),
        ("document", any_json()),
    ]);
    prop_oneof![
        event(
            "effect_recorded",
            object([
                ("decision_id", text()),
                ("object", any_json()),
                ("after", maybe(any_json()))
            ])
        ),
        event(
            "agent_seen",
            object([
                ("agent", text()),
                ("incarnation", maybe(text())),
                ("workload", maybe(text())),
                ("labels", maybe(labels())),
                ("lease_ms", window(1)),
                ("active", maybe(list(active))),
            ])
        ),
        event(
            "agent_retired",
            object([("agent", text()), ("final_sequence", maybe(count()))])
        ),
        event("rollout", started),
        event("rollout", ended_rollout),
        event("artifact_published", artifact),
        event("object_changed", changed),
        event(
            "reconciliation_reported",
            object([
                ("object", name),
                ("generation", count()),
                ("state", text()),
                ("converge_within_ms", maybe(window(0))),
                ("detail", maybe(any_json())),
            ])
        ),
        event(
            "degradation_changed",
            object([
                ("scope", scope()),
                ("agent", maybe(text())),
                ("risk_tier", text()),
                ("before", mode()),
                ("after", mode()),
                ("trigger", text()),
                ("reason", text()),
            ])
        ),
        event(
            "check_recorded",
            object([
                ("check", text()),
                ("subject", any_json()),
                ("outcome", text()),
                ("by", typed_id()),
                ("measurements", maybe(any_json())),
            ])
        ),
        event(
            "subject_erased",
            object([("subject", any_json()), ("by", typed_id()), ("legal_basis", text())])
        ),
    ]
}

fn event(kind: &'static str, body: BoxedStrategy<Value>) -> BoxedStrategy<Value> {
    let meta = object([
        (
            "event_id",
            any::<u128>()
                .prop_map(|id| uuid::Uuid::from_u128(id).to_string().into())
                .boxed(),
        ),
        ("tenant", word(&["acme", "t-1", "_platform"])),
        ("source", text()),
        ("source_sequence", maybe(count())),
        ("event_time", time()),
        ("environment", word(&["prod", "stage", ""])),
        ("trace_id", maybe(text())),
        ("span_id", maybe(text())),
        ("correlation_id", maybe(text())),
        ("causation_id", maybe(text())),
        ("labels", maybe(labels())),
    ]);
    (meta, body)
        .prop_map(move |(meta, body)| json!({ "kind": kind, "meta": meta, "body": body }))
        .boxed()
}

fn object<const N: usize>(fields: [(&'static str, BoxedStrategy<Value>); N]) -> BoxedStrategy<Value> {
    let (names, values): (Vec<_>, Vec<_>) = fields.into_iter().unzip();
    // A field that is null is left out, so that null and absent are both tried (`maybe` gives either).
    let build = move |values: Vec<Value>| {
        let fields = names.iter().zip(values).filter(|(_, value)| *value != "absent!");
        Value::Object(
            fields
                .map(|(name, value)| ((*name).to_owned(), value))
                .collect::<Map<_, _>>(),
        )
    };
    values.prop_map(build).boxed()
}

fn maybe(value: BoxedStrategy<Value>) -> BoxedStrategy<Value> {
    prop_oneof![3 => value, 2 => Just(Value::from("absent!")), 1 => Just(Value::Null)].boxed()
}

fn list(item: BoxedStrategy<Value>) -> BoxedStrategy<Value> {
    vec(item, 0..4).prop_map(Value::Array).boxed()
}

fn text() -> BoxedStrategy<Value> {
    prop_oneof![3 => "[a-z0-9-]{1,12}", 1 => ".{0,6}", 1 => "[\\\\\"/\n\u{0}-\u{1f}é]{0,4}"]
        .prop_map(Value::from)
        .boxed()
}

fn word(words: &'static [&'static str]) -> BoxedStrategy<Value> {
    select(words).prop_map(Value::from).boxed()
}

fn mode() -> BoxedStrategy<Value> {
    word(&["normal", "stale_allowed", "fail_open", "fail_closed"])
}

fn labels() -> BoxedStrategy<Value> {
    btree_map(".{0,4}", ".{0,4}", 0..3)
        .prop_map(|labels| json!(labels))
        .boxed()
}

fn time() -> BoxedStrategy<Value> {
    (0_i64..253_402_300_800_000_000)
        .prop_map(|micros| {
            verdict_schemas::Timestamp::from_micros(micros)
                .map(|time| time.to_string())
                .into()
        })
        .boxed()
}

fn count() -> BoxedStrategy<Value> {
    prop_oneof![0..1000_u64, 0..=i64::MAX.unsigned_abs()]
        .prop_map(Value::from)
        .boxed()
}

fn window(least: u64) -> BoxedStrategy<Value> {
    (least..=3650 * 86_400_000).prop_map(Value::from).boxed()
}

fn digest() -> BoxedStrategy<Value> {
    "sha256:[0-9a-f]{64}".prop_map(Value::from).boxed()
}

fn typed_id() -> BoxedStrategy<Value> {
    object([("type", text()), ("id", text())])
}

fn scope() -> BoxedStrategy<Value> {
    prop_oneof![
        Just(json!({ "layer": "global" })),
        Just(json!({ "layer": "environment", "environment": "prod" })),
        Just(json!({ "layer": "tenant", "tenant": "acme", "environment": "*" })),
        Just(json!({ "layer": "tenant", "tenant": "t-1", "environment": "stage" })),
        text().prop_map(|w| json!({ "layer": "workload", "tenant": "acme", "environment": "prod", "workload": w })),
    ]
    .boxed()
}

/// Any JSON but null.
fn any_json() -> BoxedStrategy<Value> {
    let leaf = prop_oneof![
        any::<bool>().prop_map(Value::from),
        any::<i64>().prop_map(Value::from),
        (-1e6..1e6_f64).prop_map(Value::from),
        ".{0,6}".prop_map(Value::from),
    ];
    leaf.prop_recursive(3, 12, 3, |inner| {
        prop_oneof![
            vec(option::of(inner.clone()), 0..3).prop_map(|list| json!(list)),
            btree_map(".{0,3}", inner, 0..3).prop_map(|map| json!(map)),
        ]
    })
    .boxed()
}
