//! The harness itself: the real programs start, and say what they should, before any test of ours leans on them.
#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use anyhow::Result;
use serde_json::{Value, json};
use verdict_tests::clients::{MURMUR2, confluent_produce, kcat_consume, kcat_produce, kcat_produce_bytes};
use verdict_tests::kafka::Kafka;
use verdict_tests::opa::{Opa, OpaSetup};
use verdict_tests::registry::Registry;

const DECISION: &str = r#"{"type": "record", "name": "Decision", "fields": [{"name": "actor", "type": "string"}]}"#;

/// The partition and value of every record that a consumer sees, in the order of partitions and offsets.
fn values(consumed: &[Value]) -> Vec<(u64, String)> {
    let place = |record: &Value| {
        (
            record["partition"].as_u64().unwrap(),
            record["offset"].as_u64().unwrap(),
        )
    };
    let mut records: Vec<&Value> = consumed.iter().collect();
    records.sort_by_key(|record| place(record));
    records
        .iter()
        .map(|record| (place(record).0, record["payload"].as_str().unwrap().to_owned()))
        .collect()
}

#[tokio::test]
async fn kafka_keeps_what_foreign_producers_send_across_a_crash() -> Result<()> {
    let mut kafka = Kafka::start().await?;
    let bootstrap = kafka.bootstrap();
    kafka
        .create_topic("t", 12, &[("message.timestamp.type", "LogAppendTime")])
        .await?;
    kcat_produce(
        &bootstrap,
        "t",
        &[("acme", r#"{"from": "kcat"}"#)],
        &["content-type=application/json"],
        &[MURMUR2],
    )
    .await?;
    kafka
        .console_produce("t", &[("acme", r#"{"from": "console"}"#)])
        .await?;
    kcat_produce_bytes(&bootstrap, "t", "globex", b"bytes\nof any kind", &[]).await?;
    let steps = [
        json!({"transaction": "begin"}),
        json!({"key": "acme", "text": "committed"}),
        json!({"transaction": "commit"}),
        json!({"transaction": "begin"}),
        json!({"key": "acme", "text": "aborted"}),
        json!({"flush": true}),
        json!({"transaction": "abort"}),
    ];
    let sent = confluent_produce(&bootstrap, "t", &["--transactional-id", "harness"], &steps).await?;
    assert_eq!(
        sent,
        [
            json!({"partition": 0, "offset": 2}),
            json!({"partition": 0, "offset": 4})
        ]
    );

    // Java's and murmur2_random's partition of `acme` among 12 is 0, of `globex` 7.
    let expected = [
        (0, r#"{"from": "kcat"}"#.to_owned()),
        (0, r#"{"from": "console"}"#.to_owned()),
        (0, "committed".to_owned()),
        (7, "bytes\nof any kind".to_owned()),
    ];
    assert_eq!(values(&kcat_consume(&bootstrap, "t").await?), expected);
    // Two markers: after the commit and after the abort.
    assert_eq!(kafka.end_offsets("t").await?[0], 6);

    kafka.kill().await?;
    kafka.restart().await?;
    assert_eq!(values(&kcat_consume(&bootstrap, "t").await?), expected);
    kafka.delete_records("t", 0, 2).await?;
    assert_eq!(values(&kcat_consume(&bootstrap, "t").await?), expected[2..]);
    kafka.stop().await
}

#[tokio::test]
async fn opa_decides_by_the_revision_that_was_published() -> Result<()> {
    let module = |who: &str| format!("package authz\n\nallow if input.user == \"{who}\"\n");
    let setup = OpaSetup {
        bundle: ("authz", "r1", &module("ann")),
        labels: &[("agent", "harness")],
        ..OpaSetup::default()
    };
    let mut opa = Opa::start(&setup).await?;
    opa.wait_revision("authz", "r1").await?;
    assert_eq!(
        opa.decide("authz/allow", &json!({"user": "ann"})).await?["result"],
        true
    );

    opa.publish("r2", &module("bob")).await?;
    opa.wait_revision("authz", "r2").await?;
    assert_eq!(
        opa.decide("authz/allow", &json!({"user": "bob"})).await?["result"],
        true
    );
    assert_eq!(
        opa.decide("authz/allow", &json!({"user": "ann"})).await?.get("result"),
        None
    );

    opa.stop().await?;
    opa.restart().await?;
    opa.wait_revision("authz", "r2").await
}

#[tokio::test]
async fn registry_gives_back_what_confluents_client_registered() -> Result<()> {
    let kafka = Kafka::start().await?;
    kafka.create_topic("t", 1, &[]).await?;
    let registry = Registry::start().await?;
    let file = tempfile::NamedTempFile::new()?;
    std::fs::write(file.path(), DECISION)?;
    let schema = file.path().display().to_string();
    let arguments = ["--schema", schema.as_str(), "--registry", &registry.url()];
    let sent = confluent_produce(
        &kafka.bootstrap(),
        "t",
        &arguments,
        &[json!({"key": "acme", "avro": {"actor": "ann"}})],
    )
    .await?;
    assert_eq!(sent, [json!({"partition": 0, "offset": 0})]);

    // The same schema has the same id, so registering it again tells the id that the client was given.
    let id = registry.register("t-value", DECISION).await?;
    let parsed: Value = serde_json::from_str(&registry.schema(id).await?)?;
    assert_eq!(parsed["fields"][0]["name"], "actor");
    Ok(())
}
