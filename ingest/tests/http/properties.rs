//! Whatever bytes arrive: no panic, no 5xx, and only what was acknowledged is in the log.

use std::sync::OnceLock;

use proptest::prelude::*;
use proptest::test_runner::{Config, TestRunner};
use tokio::runtime::Runtime;

use crate::support::{Node, decision, gzip, sample};

fn runtime() -> &'static Runtime {
    static RUNTIME: OnceLock<Runtime> = OnceLock::new();
    RUNTIME.get_or_init(|| Runtime::new().unwrap())
}

/// A seed with bytes changed, cut, or put in: near enough to the real thing to get past the first check.
fn damaged(seed: Vec<u8>) -> impl Strategy<Value = Vec<u8>> {
    let length = seed.len();
    let change = (0..length, any::<u8>(), 0..3_u8);
    (prop::collection::vec(change, 0..6), prop::option::of(0..length)).prop_map(move |(changes, cut)| {
        let mut bytes = seed.clone();
        for (place, byte, how) in changes {
            let place = place.min(bytes.len().saturating_sub(1));
            match how {
                0 if !bytes.is_empty() => bytes[place] = byte,
                1 => bytes.insert(place, byte),
                _ if !bytes.is_empty() => drop(bytes.remove(place)),
                _ => {}
            }
        }
        bytes.truncate(cut.unwrap_or(bytes.len()));
        bytes
    })
}

fn bodies() -> impl Strategy<Value = Vec<u8>> {
    let event = decision(1).to_string();
    let lines = format!("{event}\n{}\n", decision(2));
    prop_oneof![
        prop::collection::vec(any::<u8>(), 0..200),
        damaged(event.into_bytes()),
        damaged(lines.clone().into_bytes()),
        damaged(format!("[{}]", lines.trim().replace('\n', ",")).into_bytes()),
        damaged(gzip(lines.as_bytes())),
        damaged(sample("decision-numbers-unicode-dup.json")),
        damaged(sample("status-last-at-sigterm.json")),
    ]
}

fn headers() -> impl Strategy<Value = (Option<&'static str>, Option<&'static str>)> {
    const TYPES: &[&str] = &[
        "application/json",
        "application/x-ndjson",
        "application/cloudevents+json",
        "avro/binary",
        "x/y",
    ];
    const ENCODINGS: &[&str] = &["gzip", "zstd", "br", "identity"];
    (
        prop::option::of(prop::sample::select(TYPES)),
        prop::option::of(prop::sample::select(ENCODINGS)),
    )
}

#[test]
fn arbitrary_bytes_are_answered_and_what_is_acknowledged_is_there() {
    let node = Node::new();
    let mut runner = TestRunner::new(Config {
        cases: 600,
        ..Config::default()
    });
    runner
        .run(&(bodies(), headers()), |(body, (content_type, encoding))| {
            let before = node.size("acme");
            let given: Vec<(&str, &str)> = content_type
                .map(|v| ("content-type", v))
                .into_iter()
                .chain(encoding.map(|v| ("content-encoding", v)))
                .collect();
            let answer = runtime().block_on(node.post("/v1/tenants/acme/events", &given, body));
            let taken = match answer.status.as_u16() {
                200 => {
                    let count = |name: &str| answer.body[name].as_u64().unwrap();
                    count("accepted") + count("conflicts")
                }
                400 | 413 | 415 | 422 => {
                    prop_assert!(!answer.problem().is_empty());
                    0
                }
                other => return Err(TestCaseError::fail(format!("{other}: {answer:?}"))),
            };
            prop_assert_eq!(node.size("acme"), before + taken);
            Ok(())
        })
        .unwrap();
}

#[test]
fn an_opa_is_always_answered_with_success_and_everything_is_kept() {
    let node = Node::new();
    let mut runner = TestRunner::new(Config {
        cases: 600,
        ..Config::default()
    });
    let paths = prop::sample::select(&["/opa/v1/acme/prod/logs", "/opa/v1/acme/prod/status"][..]);
    runner
        .run(&(bodies(), headers(), paths), |(body, (_, encoding), path)| {
            let before = node.size("acme");
            let given: Vec<(&str, &str)> = encoding.map(|v| ("content-encoding", v)).into_iter().collect();
            let answer = runtime().block_on(node.post(path, &given, body));
            prop_assert_eq!(answer.status.as_u16(), 200, "{:?}", answer);
            let count = |name: &str| answer.body[name].as_u64().unwrap();
            prop_assert_eq!(node.size("acme"), before + count("accepted") + count("quarantined"));
            Ok(())
        })
        .unwrap();
}
