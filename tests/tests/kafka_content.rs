//! What a topic may hold, and what a registry may do: none of it stops a node, and none of it is lost.

use std::time::Instant;

use anyhow::{Context, Result};
use serde_json::{Value, json};
use verdict_schemas::{Interpretation, Kind, KnownSchemas, avro_schema, encode_avro, encode_confluent, interpret};
use verdict_tests::clients::{
    MURMUR2, confluent_produce, kcat_consume, kcat_produce, kcat_produce_bytes, kcat_produce_header,
};
use verdict_tests::events::{ago, decision};
use verdict_tests::kafka::Kafka;
use verdict_tests::node::{self, EVENTS, PLATFORM};
use verdict_tests::registry::PlayedRegistry;
use verdict_tests::server::{Server, verdict};

const LOG_APPEND: (&str, &str) = ("message.timestamp.type", "LogAppendTime");
/// 2100-01-01, in milliseconds.
const FAR_AHEAD: i64 = 4_102_444_800_000;

/// Waits until a tenant has decisions of these actors, in their order.
async fn wait_for_actors(node: &Server, tenant: &str, expected: &[&str]) -> Result<Vec<Value>> {
    let mut found = Vec::new();
    for _ in 0..600 {
        let path = format!("/v1/tenants/{tenant}/decisions?order=oldest");
        if let Ok(answer) = node.get(&path).await?.json() {
            found = answer["items"].as_array().cloned().unwrap_or_default();
        }
        let actors: Vec<_> = found
            .iter()
            .map(|item| item.pointer("/event/body/actor/id").and_then(Value::as_str))
            .collect();
        if actors == expected.iter().map(|actor| Some(*actor)).collect::<Vec<_>>() {
            return Ok(found);
        }
        tokio::time::sleep(std::time::Duration::from_millis(100)).await;
    }
    anyhow::bail!("not {expected:?}, but {found:#?}\n{}", node.log())
}

fn from(actor: &str) -> String {
    decision("acme", &ago(5), "a1", actor, "v1").to_string()
}

/// What an intake vouches for is known by its MAC, and everything else is its producer's word; the roots know neither.
#[tokio::test]
async fn who_sent_a_record_counts_where_an_intake_vouches_for_it() -> Result<()> {
    let kafka = Kafka::start().await?;
    node::create_topics(&kafka, 1).await?;
    let folder = tempfile::tempdir()?;
    let (keys, config) = (folder.path().join("intake.keys"), folder.path().join("verdict.toml"));
    std::fs::write(&keys, format!("2026-03 {}\n", "5a".repeat(32)))?;
    std::fs::write(&config, format!("[kafka]\nintake_key_file = {keys:?}\n"))?;
    let node = node::start(&kafka, &["--config", config.to_str().context("a path")?]).await?;
    let answer = node
        .post("/v1/tenants/acme/events", "application/json", from("dana"))
        .await?;
    assert_eq!(answer.status, 202, "{}", answer.text());
    wait_for_actors(&node, "acme", &["dana"]).await?;

    // Its headers with another value, and a sender named by nobody but the producer.
    let bootstrap = kafka.bootstrap();
    let sent = kcat_consume(&bootstrap, EVENTS).await?.remove(0);
    let headers: Vec<&str> = sent["headers"]
        .as_array()
        .context("headers")?
        .iter()
        .filter_map(Value::as_str)
        .collect();
    let copied: Vec<String> = headers.chunks(2).map(|pair| pair.join("=")).collect();
    assert!(
        copied
            .iter()
            .any(|header| header.starts_with("verdict-mac=v1 2026-03 ")),
        "{copied:?}"
    );
    let copied: Vec<&str> = copied.iter().map(String::as_str).collect();
    kcat_produce(&bootstrap, EVENTS, &[("acme", &from("mallory"))], &copied, &[MURMUR2]).await?;
    let named = ["verdict-principal=the auditor"];
    kcat_produce(&bootstrap, EVENTS, &[("acme", &from("trudy"))], &named, &[MURMUR2]).await?;

    let senders = |items: &[Value]| -> Vec<(Value, Value)> {
        let sender = |item: &Value| (item["provenance"].clone(), item["principal"].clone());
        items.iter().map(sender).collect()
    };
    let actors = ["dana", "mallory", "trudy"];
    let claimed = (json!("claimed"), Value::Null);
    let found = senders(&wait_for_actors(&node, "acme", &actors).await?);
    let vouched = (json!("authenticated"), json!("anonymous"));
    assert_eq!(found, [vouched, claimed.clone(), claimed.clone()]);

    // A node that has no key believes nobody, and comes to the same root.
    let without = node::start(&kafka, &[]).await?;
    let found = senders(&wait_for_actors(&without, "acme", &actors).await?);
    assert_eq!(found, [claimed.clone(), claimed.clone(), claimed]);
    assert_eq!(
        node::heads(&node, &["acme"]).await?,
        node::heads(&without, &["acme"]).await?
    );
    Ok(())
}

#[tokio::test]
async fn no_content_of_a_topic_stops_a_node() -> Result<()> {
    let kafka = Kafka::start().await?;
    // Made with Kafka's defaults, and mended as the node says.
    kafka.create_topic(PLATFORM, 1, &[LOG_APPEND]).await?;
    let any_time = ("message.timestamp.after.max.ms", "9223372036854775807");
    kafka.create_topic(EVENTS, 1, &[any_time]).await?;
    let bootstrap = kafka.bootstrap();
    let before = [
        json!({"key": "acme", "text": from("past"), "timestamp": 1_500_000_000_000_i64}),
        json!({"key": "acme", "text": from("future"), "timestamp": FAR_AHEAD}),
        json!({"key": "acme", "text": from("beyond"), "timestamp": i64::MAX}),
    ];
    confluent_produce(&bootstrap, EVENTS, &[], &before).await?;
    let configuration = format!("bootstrap.servers={bootstrap}");
    let said = Server::launch(&["-X", configuration.as_str()])?.refused().await?;
    assert!(said.contains("kafka-configs --alter"), "{said}");
    kafka.alter_topic(EVENTS, &[LOG_APPEND]).await?;
    let mut node = node::start(&kafka, &[]).await?;
    wait_for_actors(&node, "acme", &["past", "future", "beyond"]).await?;

    // What else producers send. The text is good each time, or is none at all.
    let bom = format!("\u{feff}{}", from("bom"));
    let odd = [
        json!({"key": "acme", "tombstone": true}),
        json!({"key": "acme", "text": ""}),
        json!({"key": "acme", "hex": "00"}),
        json!({"key": "acme", "hex": "c3"}),
        json!({"key": "acme", "text": from("odd header"), "hex_headers": {"__value_schema_id": "0102", "": "00ff"}}),
        json!({"key": "acme", "text": from("said to be json"), "headers": {"content-type": "application/json"},
               "hex_headers": {"__value_schema_id": format!("01{}", "07".repeat(16))}}),
        json!({"key": "acme", "text": bom}),
        json!({"key": "acme", "text": bom, "headers": {"content-type": "application/json"}}),
    ];
    confluent_produce(&bootstrap, EVENTS, &[], &odd).await?;
    kcat_produce_header(&bootstrap, EVENTS, "acme", &from("odd name"), b"caf\xe9").await?;
    let twice = ["content-type=application/json", "content-type=nonsense", "x=1", "x=2"];
    kcat_produce(
        &bootstrap,
        EVENTS,
        &[("acme", &from("headers twice"))],
        &twice,
        &[MURMUR2],
    )
    .await?;
    kcat_produce(&bootstrap, EVENTS, &[("acme", &from("last"))], &[], &[MURMUR2]).await?;
    // By the times of their events.
    let actors = [
        "past",
        "future",
        "beyond",
        "bom",
        "odd header",
        "said to be json",
        "odd name",
        "headers twice",
        "last",
    ];
    let decisions = wait_for_actors(&node, "acme", &actors).await?;
    node::wait_for_records(&node, &["acme"], 14).await?;

    // An emitter's clock never became the log's: those records were there before the broker gave any time.
    for (item, (kind, raw)) in decisions.iter().zip([
        ("create_time", json!("2017-07-14T02:40:00.000000Z")),
        ("create_time", json!("2100-01-01T00:00:00.000000Z")),
        ("none", Value::Null),
    ]) {
        assert_eq!(
            (item["raw_time_kind"].as_str(), &item["raw_time"]),
            (Some(kind), &raw),
            "{item:#}"
        );
        assert_eq!(item["recorded_time"], "1970-01-01T00:00:00.000000Z", "{item:#}");
    }
    assert_eq!(decisions[8]["raw_time_kind"], Value::Null, "{:#}", decisions[8]);
    let flagged = node::items(&node, "/v1/tenants/acme/quarantine?flag=no_append_time").await?;
    assert_eq!(flagged.len(), 3, "{flagged:#?}");
    let quarantine = node::items(&node, "/v1/tenants/acme/quarantine?flag=malformed").await?;
    assert_eq!(quarantine.len(), 4, "{quarantine:#?}");
    let duplicates = node::items(&node, "/v1/tenants/acme/quarantine?flag=duplicate").await?;
    assert_eq!(
        duplicates.len(),
        1,
        "the same bytes, whatever their content type: {duplicates:#?}"
    );

    // The same after a restart, and nothing of it is an error: not the end of a partition either.
    let heads = node::heads(&node, &["acme"]).await?;
    node.stop().await?;
    node.restart().await?;
    assert_eq!(node::heads(&node, &["acme"]).await?, heads);
    let metrics = node.get("/metrics").await?.text();
    assert!(metrics.contains("verdict_kafka_errors_total 0"), "{metrics}");
    assert!(metrics.contains("verdict_kafka_reading 1"), "{metrics}");
    let errors: Vec<_> = node
        .log()
        .lines()
        .filter(|line| line.contains("ERROR"))
        .map(str::to_owned)
        .collect();
    assert_eq!(errors, Vec::<String>::new());
    node.stop().await?;
    node::audit(&node.data()).await
}

#[tokio::test]
async fn a_topic_that_is_gone_leaves_a_node_that_answers_and_says_so() -> Result<()> {
    let kafka = Kafka::start().await?;
    node::create_topics(&kafka, 1).await?;
    let mut node = node::start(&kafka, &["-X", "topic.metadata.refresh.interval.ms=500"]).await?;
    kcat_produce(&kafka.bootstrap(), EVENTS, &[("acme", &from("dana"))], &[], &[MURMUR2]).await?;
    wait_for_actors(&node, "acme", &["dana"]).await?;
    kafka.delete_topic(EVENTS).await?;
    let said = node.wait_unready("the topic is gone").await?;
    assert!(said.contains(EVENTS), "{said}");
    wait_for_actors(&node, "acme", &["dana"]).await?;
    let metrics = node.get("/metrics").await?.text();
    assert!(metrics.contains("verdict_kafka_reading 0"), "{metrics}");
    node.stop().await
}

#[tokio::test]
async fn neither_a_hung_registry_nor_many_unknown_names_hold_up_a_record() -> Result<()> {
    let kafka = Kafka::start().await?;
    node::create_topics(&kafka, 1).await?;
    let bootstrap = kafka.bootstrap();
    let noise = |from: u32, count: u32| -> Vec<Value> {
        let values = (from..from + count).map(|id| format!("00{id:08x}0a0474696465"));
        values.map(|hex| json!({"key": "noise", "hex": hex})).collect()
    };
    let hung = PlayedRegistry::hung().await?;
    let node = node::start(&kafka, &["--registry", &hung.url()]).await?;
    confluent_produce(&bootstrap, EVENTS, &[], &noise(700_000, 20)).await?;
    kcat_produce(&bootstrap, EVENTS, &[("acme", &from("behind them"))], &[], &[MURMUR2]).await?;
    wait_for_actors(&node, "acme", &["behind them"]).await?;
    let asked = hung.asked().len();
    assert!((1..20).contains(&asked), "the record did not wait for {asked} look-ups");
    let waiting = node::items(&node, "/v1/tenants/noise/quarantine").await?;
    assert_eq!(waiting.len(), 20);
    assert!(
        waiting.iter().all(|item| item["flag"] == "awaiting_schema"),
        "{waiting:#?}"
    );
    drop(node);

    // One that answers 404 at once: bounded in number by time, and one line of the log a minute.
    let empty = PlayedRegistry::with([]).await?;
    let begun = Instant::now();
    let node = node::start(&kafka, &["--registry", &empty.url()]).await?;
    confluent_produce(&bootstrap, EVENTS, &[], &noise(800_000, 2000)).await?;
    kcat_produce(&bootstrap, EVENTS, &[("acme", &from("behind more"))], &[], &[MURMUR2]).await?;
    wait_for_actors(&node, "acme", &["behind them", "behind more"]).await?;
    node::wait_for_records(&node, &["acme", "noise"], 2022).await?;
    while empty.asked().len() < 33 {
        tokio::time::sleep(std::time::Duration::from_millis(50)).await;
    }
    let (asked, seconds) = (empty.asked().len() as u64, begun.elapsed().as_secs() + 1);
    assert!(asked <= 32 + 4 + 10 * seconds, "{asked} in {seconds} s");
    let lines = node.log().matches("no schema from the registry").count() as u64;
    assert!(
        (1..=1 + seconds / 60).contains(&lines),
        "{lines} lines in {seconds} s:\n{}",
        node.log()
    );
    Ok(())
}

#[tokio::test]
async fn schemas_by_guid_by_reference_and_of_another_language() -> Result<()> {
    const GUID: &str = "7d3f6f0a-5b1e-4c9d-8a77-0123456789ab";
    let kafka = Kafka::start().await?;
    node::create_topics(&kafka, 1).await?;
    let whole = avro_schema(Kind::Decision).context("the schema of decisions")?;
    // The type of `meta` stands under a subject of its own, and in that a type of another.
    let mut schema: Value = serde_json::from_str(whole)?;
    let mut meta = schema["fields"][0]["type"].take();
    schema["fields"][0]["type"] = json!("io.verdict.v1.Meta");
    meta["namespace"] = json!("io.verdict.v1");
    let answer = |schema: &Value| json!({"schema": schema.to_string()});
    let mut root = answer(&schema);
    root["references"] = json!([{"name": "io.verdict.v1.Meta", "subject": "meta/v1", "version": 1}]);
    let registry = PlayedRegistry::with([
        ("/base/schemas/ids/3".to_owned(), root),
        ("/base/subjects/meta%2Fv1/versions/1".to_owned(), answer(&meta)),
        (format!("/base/schemas/guids/{GUID}"), json!({"schema": whole})),
        (
            "/base/schemas/ids/9".to_owned(),
            json!({"schemaType": "PROTOBUF", "schema": "syntax = \"proto3\";"}),
        ),
    ])
    .await?;
    let url = format!("{}/base/", registry.url());
    let mut node = node::start(&kafka, &["--registry", &url]).await?;
    let event = |actor: &str| {
        let text = from(actor);
        match interpret(text.as_bytes(), None, &KnownSchemas) {
            Interpretation::Event(event) => Ok(event),
            other => Err(anyhow::anyhow!("{other:?}")),
        }
    };
    let bare = encode_avro(&event("by header")?).context("a datum")?;
    let guid = format!("01{}", GUID.replace('-', ""));
    let framed = encode_confluent(&event("by reference")?, 3).context("a framed datum")?;
    let steps = [
        json!({"key": "acme", "hex": hex::encode(bare), "hex_headers": {"__value_schema_id": guid}}),
        json!({"key": "acme", "hex": hex::encode(framed)}),
    ];
    confluent_produce(&kafka.bootstrap(), EVENTS, &[], &steps).await?;
    for value in [b"\x00\x00\x00\x00\x09one", b"\x00\x00\x00\x00\x09two"] {
        kcat_produce_bytes(&kafka.bootstrap(), EVENTS, "acme", value, &[]).await?;
    }
    wait_for_actors(&node, "acme", &["by header", "by reference"]).await?;
    // What is not Avro says so, once, and waits for nothing.
    let mut malformed = Vec::new();
    for _ in 0..600 {
        malformed = node::items(&node, "/v1/tenants/acme/quarantine").await?;
        if malformed.len() == 2 && malformed.iter().all(|item| item["rule"] == "unsupported_schema") {
            break;
        }
        tokio::time::sleep(std::time::Duration::from_millis(100)).await;
    }
    assert!(
        malformed.iter().all(|item| item["rule"] == "unsupported_schema"),
        "{malformed:#?}"
    );
    assert!(json!(malformed).to_string().contains("PROTOBUF"), "{malformed:#?}");
    let asked = registry.asked();
    for path in [
        "/base/schemas/ids/9",
        "/base/schemas/ids/3",
        "/base/subjects/meta%2Fv1/versions/1",
    ] {
        assert_eq!(asked.iter().filter(|asked| *asked == path).count(), 1, "{asked:?}");
    }
    assert_eq!(node.log().matches("is not Avro").count(), 1, "{}", node.log());

    // The schemas live with the evidence: without the registry everything is understood as before.
    drop(registry);
    node.stop().await?;
    node.restart().await?;
    wait_for_actors(&node, "acme", &["by header", "by reference"]).await?;
    node.stop().await?;
    node::audit(&node.data()).await
}

/// A sender who is told "accepted" believes it.
#[tokio::test]
async fn what_is_sent_straight_to_kafka_is_judged_before_and_goes_to_no_topic_of_the_brokers_making() -> Result<()> {
    let kafka = Kafka::start().await?;
    let bootstrap = format!("bootstrap.servers={}", kafka.bootstrap());
    let lines = format!("{}\n{{\"kind\": \"decision\"}}\n{}\n", from("ann"), from("ben"));
    let emit = async || verdict(&["emit", "acme", "-", "-o", "json", "-X", &bootstrap], lines.as_bytes()).await;
    let none = emit().await?;
    let said = String::from_utf8_lossy(&none.stderr).into_owned();
    assert_eq!(none.status.code(), Some(3), "{said}");
    assert!(said.contains("verdict topics create"), "{said}");

    kafka.create_topic(EVENTS, 1, &[]).await?;
    let wrong = emit().await?;
    let said = String::from_utf8_lossy(&wrong.stderr).into_owned();
    assert_eq!(wrong.status.code(), Some(3), "{said}");
    assert!(said.contains("message.timestamp.type"), "{said}");

    kafka.alter_topic(EVENTS, &[LOG_APPEND]).await?;
    let judged = emit().await?;
    assert_eq!(judged.status.code(), Some(1));
    let report: Value = serde_json::from_slice(&judged.stdout)?;
    assert_eq!(
        (&report["accepted"], &report["rejected"][0]["line"]),
        (&json!(2), &json!(2))
    );
    assert_eq!(report["rejected"][0]["problem"]["rule"], "missing_field");
    Ok(())
}
