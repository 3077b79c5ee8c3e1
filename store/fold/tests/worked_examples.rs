//! The twenty worked examples of the rules (`examples/`, answers worked out by hand), asked of the public interface.
//!
//! Every question is asked but `why`: findings on decisions (F1 to F11) are no part of the fold yet.

#![expect(clippy::unwrap_used, clippy::panic, reason = "a test may stop at the first surprise")]

mod histories;

use std::fs;
use std::path::Path;

use histories::{Held, Record};
use serde_json::Value;
use verdict_fold::{Question, ScopeForm, SeriesKey, effective, history};
use verdict_schemas::{
    Environment, EnvironmentPattern, Interpretation, KnownSchemas, PolicyName, Scope, TenantId, Timestamp, WorkloadId,
    interpret,
};

fn text<'v>(value: &'v Value, field: &str) -> Option<&'v str> {
    value.get(field).and_then(Value::as_str)
}

fn time(value: &Value, field: &str) -> Option<Timestamp> {
    text(value, field).map(|time| Timestamp::parse(time).unwrap())
}

fn records(example: &Value) -> Vec<Record> {
    let mut records: Vec<_> = example["records"].as_array().unwrap().iter().map(record).collect();
    records.sort_by_key(|record| record.recorded);
    records
}

fn record(record: &Value) -> Record {
    let value = record["event"].to_string();
    let Interpretation::Event(event) = interpret(value.as_bytes(), None, &KnownSchemas) else {
        panic!("malformed: {value}");
    };
    let log = TenantId::parse(text(record, "log").unwrap()).unwrap();
    Record {
        log,
        place: verdict_fold::Understood::at_once(record["index"].as_u64().unwrap()),
        recorded: time(record, "recorded_time").unwrap(),
        understood: time(record, "recorded_time").unwrap(),
        event,
    }
}

/// The name of the layer of an entry, as `history?layer=` has it.
fn layer(scope: &Value) -> &str {
    match (text(scope, "layer"), text(scope, "environment")) {
        (Some("tenant"), Some("*")) => "tenant_wide",
        (layer, _) => layer.unwrap(),
    }
}

fn scope(question: &Question, layer: &str) -> Scope {
    let (tenant, environment) = (question.tenant.clone(), question.environment.clone());
    match layer {
        "global" => Scope::Global,
        "environment" => Scope::Environment(environment),
        "tenant_wide" => Scope::Tenant(tenant, EnvironmentPattern::Every),
        "tenant" => Scope::Tenant(tenant, EnvironmentPattern::One(environment)),
        "workload" => Scope::Workload(tenant, environment, question.workload.clone().unwrap()),
        other => panic!("no layer {other}"),
    }
}

/// Is every field expected as it must be? In what is expected null says null or left out; evidence is given as event ids.
fn holds(expected: &Value, actual: &Value) -> bool {
    let fields = expected.as_object().unwrap().iter();
    fields.clone().all(|(name, expected)| {
        let actual = &actual[name];
        if name == "evidence" {
            let ids: Vec<_> = actual
                .as_array()
                .unwrap()
                .iter()
                .map(|record| record["event_id"].clone())
                .collect();
            return *expected == Value::Array(ids);
        }
        expected == actual
    })
}

fn ask_effective(expected: &Value, answer: &Value) -> bool {
    let entries = answer["policies"].as_array().unwrap();
    let expected = expected["policies"].as_array().unwrap();
    if expected.is_empty() {
        return entries.is_empty();
    }
    expected.iter().all(|policy| {
        let named = |entry: &&Value| {
            entry["policy"] == policy["policy"] && text(policy, "layer").is_none_or(|it| it == layer(&entry["scope"]))
        };
        let entry = entries.iter().find(named);
        if policy.get("listed") == Some(&Value::Bool(false)) {
            return entry.is_none();
        }
        entry.is_some_and(|entry| holds(&policy["fields"], entry))
    })
}

fn ask_history(asked: &Value, question: &Question, held: &Held) -> (bool, Value) {
    let policy = PolicyName::new(text(asked, "policy").unwrap());
    let series = SeriesKey {
        scope: scope(question, text(asked, "layer").unwrap()),
        policy,
    };
    let runs = history(question, held, &series, time(asked, "from"), time(asked, "to")).unwrap();
    let runs = serde_json::to_value(runs).unwrap();
    let expected = asked["expect"]["runs"].as_array().unwrap();
    let actual = runs.as_array().unwrap();
    let scope = serde_json::to_value(ScopeForm(&series.scope)).unwrap();
    let all = expected.len() == actual.len()
        && expected.iter().zip(actual).all(|(run, actual)| {
            let optional = ["desired", "rollout_id"]
                .iter()
                .all(|it| run.get(*it) == actual.get(*it));
            holds(run, actual) && optional && actual["scope"] == scope
        });
    (all, runs)
}

fn ask(asked: &Value, records: &[Record]) -> (bool, Value) {
    let last = records.iter().map(|record| record.recorded).max().unwrap();
    let known_at = time(asked, "known_at").unwrap_or(last);
    let question = Question {
        tenant: TenantId::parse(text(asked, "tenant").unwrap()).unwrap(),
        environment: Environment::new(text(asked, "environment").unwrap()),
        workload: text(asked, "workload").map(WorkloadId::new),
        at: time(asked, "at").unwrap_or(known_at),
        known_at,
    };
    let held = Held::new(records, &question.tenant, &question.environment, known_at);
    match text(asked, "ask").unwrap() {
        "effective" => {
            let answer = serde_json::to_value(effective(&question, &held).unwrap()).unwrap();
            (ask_effective(&asked["expect"], &answer), answer)
        }
        "exceptions" => {
            let answer = effective(&question, &held).unwrap().exceptions;
            let ids: Vec<_> = answer
                .iter()
                .map(|exception| Value::from(exception.id.as_str()))
                .collect();
            (
                asked["expect"] == Value::Array(ids),
                serde_json::to_value(answer).unwrap(),
            )
        }
        "history" => ask_history(asked, &question, &held),
        other => panic!("no ask {other}"),
    }
}

#[test]
fn every_worked_example_is_answered_as_it_must_be() {
    let mut asked = 0;
    let examples = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/examples");
    let mut paths: Vec<_> = fs::read_dir(examples)
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .collect();
    paths.sort();
    for path in paths
        .iter()
        .filter(|path| path.extension().is_some_and(|it| it == "json"))
    {
        let example: Value = serde_json::from_slice(&fs::read(path).unwrap()).unwrap();
        let records = records(&example);
        for question in example["questions"]
            .as_array()
            .unwrap()
            .iter()
            .filter(|it| it["ask"] != "why")
        {
            let (right, answer) = ask(question, &records);
            assert!(right, "{}\nasked: {question:#}\nanswered: {answer:#}", path.display());
            asked += 1;
        }
    }
    assert_eq!(asked, 82, "questions asked");
}
