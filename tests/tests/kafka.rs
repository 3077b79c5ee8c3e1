//! From producers that nobody here wrote, through a real Kafka, to answers.

use std::collections::BTreeSet;

use anyhow::Result;
use serde_json::{Value, json};
use verdict_schemas::{Interpretation, Kind, KnownSchemas, avro_schema, encode_confluent, interpret};
use verdict_tests::clients::{MURMUR2, confluent_produce, kcat_produce, kcat_produce_bytes};
use verdict_tests::events::{ago, decision, seen, started};
use verdict_tests::kafka::Kafka;
use verdict_tests::node::{self, EVENTS, PLATFORM};
use verdict_tests::registry::Registry;
use verdict_tests::server::Server;
use verdict_tests::tools::workspace;

const LOG_APPEND: (&str, &str) = ("message.timestamp.type", "LogAppendTime");

fn text(events: &[Value]) -> Vec<String> {
    events.iter().map(Value::to_string).collect()
}

fn keyed<'a>(tenant: &'a str, texts: &'a [String]) -> Vec<(&'a str, &'a str)> {
    texts.iter().map(|text| (tenant, text.as_str())).collect()
}

/// The actors of decisions, in their order.
fn actors(decisions: &[Value]) -> Vec<&str> {
    let actor = decisions.iter().map(|d| d.pointer("/event/body/actor/id"));
    let named = actor.map(|actor| actor.and_then(Value::as_str));
    named.map(|actor| actor.unwrap_or("(none)")).collect()
}

#[tokio::test]
async fn what_any_producer_sends_is_answered_as_if_it_had_come_over_http() -> Result<()> {
    let kafka = Kafka::start().await?;
    node::create_topics(&kafka, 6).await?;
    let node = node::start(&kafka, &[]).await?;
    let embedded = Server::start::<&str>(&[]).await?;

    let told = [
        started("acme", &ago(30), "r1", "v1"),
        seen("acme", &ago(29), "a1", "v1"),
        seen("acme", &ago(28), "a2", "v1"),
        decision("acme", &ago(20), "a1", "dana", "v1"),
        started("acme", &ago(15), "r2", "v2"),
        seen("acme", &ago(10), "a1", "v2"),
        decision("acme", &ago(9), "a1", "dana", "v2"),
    ];
    embedded.emit("acme", &json!(told)).await?;
    let texts = text(&told);
    let (bootstrap, json_header) = (kafka.bootstrap(), ["content-type=application/json"]);
    kcat_produce(
        &bootstrap,
        EVENTS,
        &keyed("acme", &texts[..3]),
        &json_header,
        &[MURMUR2],
    )
    .await?;
    kafka.console_produce(EVENTS, &keyed("acme", &texts[3..5])).await?;
    let steps: Vec<Value> = texts[5..]
        .iter()
        .map(|text| json!({"key": "acme", "text": text}))
        .collect();
    confluent_produce(&bootstrap, EVENTS, &[], &steps).await?;
    node::wait_for_records(&node, &["acme"], 7).await?;

    for at in [ago(25), ago(18), ago(12), ago(5)] {
        let question = format!("/v1/tenants/acme/effective?environment=prod&at={at}");
        let (ours, theirs) = (node.get_json(&question).await?, embedded.get_json(&question).await?);
        for field in ["policies", "exceptions", "set_digest"] {
            // The order of arrival, and so every index, is the same here.
            assert_eq!(ours[field], theirs[field], "{field} at {at}");
        }
    }
    let question = "/v1/tenants/acme/decisions?actor=user:dana";
    let (ours, theirs) = (
        node::items(&node, question).await?,
        node::items(&embedded, question).await?,
    );
    let events = |items: &[Value]| items.iter().map(|i| i["event"].clone()).collect::<Vec<_>>();
    assert_eq!(events(&ours).len(), 2);
    assert_eq!(events(&ours), events(&theirs));
    Ok(())
}

#[tokio::test]
async fn what_does_not_belong_is_kept_apart_and_never_stops_the_stream() -> Result<()> {
    let kafka = Kafka::start().await?;
    node::create_topics(&kafka, 6).await?;
    let node = node::start(&kafka, &[]).await?;
    let bootstrap = kafka.bootstrap();
    let good = text(&[
        decision("acme", &ago(3), "a1", "dana", "v1"),
        decision("acme", &ago(2), "a1", "erin", "v1"),
    ]);
    let foreign = decision("globex", &ago(1), "a1", "mallory", "v1").to_string();

    kcat_produce(&bootstrap, EVENTS, &keyed("acme", &good[..1]), &[], &[MURMUR2]).await?;
    // Another tenant's event under this key; nothing at all; truncated; not JSON; another schema's frame.
    kcat_produce(
        &bootstrap,
        EVENTS,
        &[("acme", &foreign), ("acme", "{}"), ("acme", &good[1][..80])],
        &[],
        &[MURMUR2],
    )
    .await?;
    kcat_produce_bytes(&bootstrap, EVENTS, "acme", b"\x00\x00\x00\x00\x63garbage", &[]).await?;
    kcat_produce_bytes(&bootstrap, EVENTS, "acme", b"\xc3\x01garbage", &[]).await?;
    // A duplicate, byte for byte, stays in the log and counts once.
    kcat_produce(&bootstrap, EVENTS, &keyed("acme", &good[..1]), &[], &[MURMUR2]).await?;
    // librdkafka's own partitioner, and a key that is no tenant.
    let crc32 = ["partitioner=consistent_random"];
    kcat_produce(&bootstrap, EVENTS, &[("Not A Tenant", "{}")], &[], &crc32).await?;
    kcat_produce(&bootstrap, EVENTS, &keyed("acme", &good[1..]), &[], &[MURMUR2]).await?;
    node::wait_for_records(&node, &["acme"], 8).await?;

    let decisions = node::items(&node, "/v1/tenants/acme/decisions?order=oldest").await?;
    assert_eq!(actors(&decisions), ["dana", "erin"]);
    let quarantine = node::items(&node, "/v1/tenants/acme/quarantine").await?;
    assert!(quarantine.len() >= 5, "{quarantine:#?}");
    let shown = json!(quarantine).to_string();
    for rule in ["tenant_mismatch", "missing_field"] {
        assert!(shown.contains(rule), "no `{rule}` in {shown}");
    }
    let metrics = node.get("/metrics").await?.text();
    assert!(metrics.contains("verdict_kafka_records_total"), "{metrics}");
    Ok(())
}

#[tokio::test]
async fn aborted_records_are_never_seen_and_markers_do_not_hold_the_horizon_back() -> Result<()> {
    let kafka = Kafka::start().await?;
    node::create_topics(&kafka, 6).await?;
    let node = node::start(&kafka, &[]).await?;
    let send = |actor: &str| json!({"key": "acme", "text": decision("acme", &ago(1), "a1", actor, "v1").to_string()});
    let steps = [
        json!({"transaction": "begin"}),
        send("committed-1"),
        send("committed-2"),
        json!({"transaction": "commit"}),
        json!({"transaction": "begin"}),
        send("aborted-1"),
        send("aborted-2"),
        json!({"flush": true}),
        json!({"transaction": "abort"}),
        json!({"transaction": "begin"}),
        send("committed-3"),
        json!({"transaction": "commit"}),
    ];
    confluent_produce(&kafka.bootstrap(), EVENTS, &["--transactional-id", "t1"], &steps).await?;
    node::wait_for_records(&node, &["acme"], 3).await?;
    let decisions = node::items(&node, "/v1/tenants/acme/decisions?order=oldest").await?;
    assert_eq!(actors(&decisions), ["committed-1", "committed-2", "committed-3"]);
    // Markers after the last record do not keep the horizon back.
    let known = json!(ago(4));
    for _ in 0..node::POLLS {
        let answer = node.get_json("/v1/tenants/acme/effective?environment=prod").await?;
        if answer["known_at"].as_str() >= known.as_str() {
            return Ok(());
        }
        tokio::time::sleep(std::time::Duration::from_millis(100)).await;
    }
    panic!("the horizon stands still: {}", node.log());
}

#[tokio::test]
async fn an_open_transaction_holds_the_horizon_until_it_ends() -> Result<()> {
    let kafka = Kafka::start().await?;
    node::create_topics(&kafka, 6).await?;
    let node = node::start(&kafka, &[]).await?;
    let bootstrap = kafka.bootstrap();
    let told = |actor: &str| decision("acme", &ago(1), "a1", actor, "v1").to_string();
    let send = |actor: &str| json!({"key": "acme", "text": told(actor)});
    let plain = [told("before"), told("behind")];
    kcat_produce(&bootstrap, EVENTS, &keyed("acme", &plain[..1]), &[], &[MURMUR2]).await?;
    node::wait_for_records(&node, &["acme"], 1).await?;

    // Its producer ends without a word: the transaction stays open, and what came behind it in the partition waits.
    let open = [json!({"transaction": "begin"}), send("never"), json!({"flush": true})];
    confluent_produce(&bootstrap, EVENTS, &["--transactional-id", "t1"], &open).await?;
    kcat_produce(&bootstrap, EVENTS, &keyed("acme", &plain[1..]), &[], &[MURMUR2]).await?;
    let behind = jiff::Timestamp::now().to_string();
    // Nothing may happen now, and only time can show it: without the transaction it would in well under a second.
    tokio::time::sleep(std::time::Duration::from_secs(4)).await;
    let held = node.get_json("/v1/tenants/acme/decisions").await?;
    assert_eq!(held["items"].as_array().map(Vec::len), Some(1), "{held:#}");
    assert!(held["known_at"].as_str() < Some(behind.as_str()), "{held:#}");
    let refused = node
        .get(&format!(
            "/v1/tenants/acme/effective?environment=prod&known_at={behind}"
        ))
        .await?;
    assert_eq!(refused.status, 409, "{}", refused.text());
    assert!(refused.text().contains("not_yet_known"), "{}", refused.text());

    // The same producer comes back; the broker aborts what it left open.
    let again = [
        json!({"transaction": "begin"}),
        send("after"),
        json!({"transaction": "commit"}),
    ];
    confluent_produce(&bootstrap, EVENTS, &["--transactional-id", "t1"], &again).await?;
    node::wait_for_records(&node, &["acme"], 3).await?;
    let decisions = node::items(&node, "/v1/tenants/acme/decisions").await?;
    let heard: BTreeSet<&str> = actors(&decisions).into_iter().collect();
    assert_eq!(heard, BTreeSet::from(["before", "behind", "after"]));
    let question = format!("/v1/tenants/acme/effective?environment=prod&known_at={behind}");
    for _ in 0..node::POLLS {
        if node.get(&question).await?.status == 200 {
            return Ok(());
        }
        tokio::time::sleep(std::time::Duration::from_millis(100)).await;
    }
    panic!("the horizon stands still: {}", node.log());
}

#[tokio::test]
async fn a_record_in_the_wrong_partition_is_kept_under_that_partition() -> Result<()> {
    const PARTITIONS: u32 = 6;
    const STRAYED: &str = "the key's tenant belongs to another partition";
    let kafka = Kafka::start().await?;
    node::create_topics(&kafka, PARTITIONS).await?;
    let mut node = node::start(&kafka, &[]).await?;
    // The same key into every partition: it is at home in one of them.
    let mut steps: Vec<Value> = (0..PARTITIONS)
        .map(|partition| {
            let event = decision("acme", &ago(1), "a1", &format!("through-{partition}"), "v1");
            json!({"key": "acme", "text": event.to_string(), "partition": partition})
        })
        .collect();
    steps.push(json!({"key": "Not A Tenant", "text": "{}", "partition": 0}));
    steps.push(json!({"text": decision("acme", &ago(1), "a1", "keyless", "v1").to_string(), "partition": 0}));
    confluent_produce(&kafka.bootstrap(), EVENTS, &[], &steps).await?;
    let logs: Vec<String> = (0..PARTITIONS)
        .map(|partition| format!("_unrouted.{partition}"))
        .collect();
    let mut kept: Vec<Vec<Value>> = Vec::new();
    for _ in 0..node::POLLS {
        kept.clear();
        for log in &logs {
            let page = node.get(&format!("/v1/tenants/{log}/quarantine")).await?;
            kept.push(match page.json() {
                Ok(page) => page["items"].as_array().cloned().unwrap_or_default(),
                Err(_) => Vec::new(),
            });
        }
        if kept.iter().map(Vec::len).sum::<usize>() == 7 {
            break;
        }
        tokio::time::sleep(std::time::Duration::from_millis(100)).await;
    }
    node::wait_for_records(&node, &["acme"], 1).await?;
    let own = node::items(&node, "/v1/tenants/acme/decisions").await?;
    let home: usize = actors(&own)[0].trim_start_matches("through-").parse()?;
    for (partition, items) in kept.iter().enumerate() {
        let shown = json!(items).to_string();
        let (extra, strayed) = (2 * usize::from(partition == 0), usize::from(partition != home));
        assert_eq!(
            items.len(),
            extra + strayed,
            "partition {partition}, home {home}: {shown}"
        );
        assert_eq!(shown.matches(STRAYED).count(), strayed, "{shown}");
        if partition == 0 {
            assert!(
                shown.contains("the key names no valid tenant") && shown.contains("the record has no key"),
                "{shown}"
            );
        }
    }
    // Nobody else's answers hold them, and the node says that they are there.
    assert_eq!(node::items(&node, "/v1/tenants/acme/quarantine").await?.len(), 0);
    let metrics = node.get("/metrics").await?.text();
    assert!(metrics.contains("verdict_kafka_unrouted_total 7"), "{metrics}");
    node.stop().await?;
    node::audit(&node.data()).await
}

#[tokio::test]
async fn avro_framed_by_a_registry_is_read_and_waits_for_its_schema_if_it_must() -> Result<()> {
    let kafka = Kafka::start().await?;
    node::create_topics(&kafka, 6).await?;
    let mut registry = Registry::start().await?;
    let url = registry.url();
    let node = node::start(&kafka, &["--registry", &url]).await?;
    let schema = workspace().join("schemas/avro/agent_seen.avsc");
    let micros = |seconds: i64| (jiff::Timestamp::now() - jiff::SignedDuration::from_secs(seconds)).as_microsecond();
    let seen = |agent: &str| {
        json!({"key": "acme", "avro": {
            "meta": {"event_id": uuid::Uuid::now_v7(), "tenant": "acme", "source": "urn:verdict:avro",
                     "source_sequence": null, "event_time": micros(5), "environment": "prod", "trace_id": null,
                     "span_id": null, "correlation_id": null, "causation_id": null, "labels": {}},
            "agent": agent, "incarnation": "i1", "workload": null, "labels": {}, "lease_ms": 60_000,
            "active": [{"scope": {"layer": "tenant", "tenant": "acme", "environment": "prod", "workload": null},
                        "policy": "authz", "version": "v7", "status": "applied", "applied_at": null, "error": null}],
        }})
    };
    let arguments = ["--schema", schema.to_str().unwrap(), "--registry", &url];
    confluent_produce(&kafka.bootstrap(), EVENTS, &arguments, &[seen("a1"), seen("a2")]).await?;
    node::wait_for_records(&node, &["acme"], 2).await?;
    // They are kept before the registry has answered, and understood as soon as it has.
    let mut answer = Value::Null;
    for _ in 0..600 {
        answer = node.get_json("/v1/tenants/acme/effective?environment=prod").await?;
        if answer["policies"][0]["applied"]["live"] == 2 {
            break;
        }
        tokio::time::sleep(std::time::Duration::from_millis(100)).await;
    }
    assert_eq!(answer["policies"][0]["version"], "v7", "{answer:#}");
    assert_eq!(answer["policies"][0]["applied"]["live"], 2, "{answer:#}");

    // A node without a registry keeps them, and says what they wait for.
    let blind = node::start(&kafka, &[]).await?;
    node::wait_for_records(&blind, &["acme"], 2).await?;
    let waiting = node::items(&blind, "/v1/tenants/acme/quarantine").await?;
    assert_eq!(waiting.len(), 2, "{waiting:#?}");
    assert!(json!(waiting).to_string().contains("awaiting_schema"), "{waiting:#?}");
    let (with, without) = (
        node::heads(&node, &["acme"]).await?,
        node::heads(&blind, &["acme"]).await?,
    );
    assert_eq!(with, without, "what is understood changes no root");

    // A schema that refers to a type under a subject of its own, as the registry keeps it.
    let mut schema: Value = serde_json::from_str(avro_schema(Kind::Decision).unwrap())?;
    let mut meta = schema["fields"][0]["type"].take();
    meta["namespace"] = json!("io.verdict.v1");
    schema["fields"][0]["type"] = json!("io.verdict.v1.Meta");
    registry.register("meta", &meta.to_string()).await?;
    let others = [("io.verdict.v1.Meta", "meta")];
    let id = registry
        .register_with("by-reference", &schema.to_string(), &others)
        .await?;
    let text = decision("acme", &ago(1), "a1", "dana", "v7").to_string();
    let Interpretation::Event(event) = interpret(text.as_bytes(), None, &KnownSchemas) else {
        panic!("not an event: {text}")
    };
    let framed = encode_confluent(&event, u32::try_from(id)?).unwrap();
    let step = json!({"key": "acme", "hex": hex::encode(framed)});
    confluent_produce(&kafka.bootstrap(), EVENTS, &[], &[step]).await?;
    let mut held = Vec::new();
    for _ in 0..600 {
        held = node::items(&node, "/v1/tenants/acme/decisions").await?;
        if actors(&held) == ["dana"] {
            break;
        }
        tokio::time::sleep(std::time::Duration::from_millis(100)).await;
    }
    assert_eq!(actors(&held), ["dana"], "{}", node.log());
    registry.kill().await
}

#[tokio::test]
async fn topics_that_would_damage_evidence_are_refused_with_what_to_do() -> Result<()> {
    let kafka = Kafka::start().await?;
    let bootstrap = format!("bootstrap.servers={}", kafka.bootstrap());
    let arguments = ["-X", bootstrap.as_str()];
    let said = Server::launch(&arguments)?.refused().await?;
    assert!(said.contains("verdict topics create"), "{said}");

    kafka.create_topic(PLATFORM, 1, &[LOG_APPEND]).await?;
    kafka.create_topic(EVENTS, 3, &[]).await?;
    let said = Server::launch(&arguments)?.refused().await?;
    assert!(
        said.contains("message.timestamp.type=CreateTime") && said.contains("kafka-configs --alter"),
        "{said}"
    );

    kafka.delete_topic(EVENTS).await?;
    kafka
        .create_topic(EVENTS, 3, &[LOG_APPEND, ("cleanup.policy", "compact")])
        .await?;
    let said = Server::launch(&arguments)?.refused().await?;
    assert!(said.contains("cleanup.policy=compact"), "{said}");

    kafka.delete_topic(EVENTS).await?;
    kafka.create_topic(EVENTS, 3, &[LOG_APPEND]).await?;
    let mut node = Server::start(&arguments).await?;
    let sent = text(&[decision("acme", &ago(1), "a1", "dana", "v1")]);
    kcat_produce(&kafka.bootstrap(), EVENTS, &keyed("acme", &sent), &[], &[MURMUR2]).await?;
    node::wait_for_records(&node, &["acme"], 1).await?;
    node.stop().await?;
    kafka.add_partitions(EVENTS, 5).await?;
    let said = node.restart().await.unwrap_err().to_string();
    assert!(
        said.contains("5") && said.contains("3") && said.contains("partition"),
        "{said}"
    );

    // The same name, made anew: its records are not a continuation.
    kafka.delete_topic(EVENTS).await?;
    kafka.create_topic(EVENTS, 3, &[LOG_APPEND]).await?;
    let other = text(&[
        decision("acme", &ago(1), "a1", "erin", "v1"),
        decision("acme", &ago(1), "a1", "finn", "v1"),
    ]);
    kcat_produce(&kafka.bootstrap(), EVENTS, &keyed("acme", &other), &[], &[MURMUR2]).await?;
    // It is seen by its first record, which is no longer the one that was read: nothing is appended, and what was read is
    // answered.
    node.relaunch()?;
    node.wait_unready("made anew").await?;
    let held = node.get_json("/v1/tenants/acme/decisions").await?;
    assert_eq!(actors(held["items"].as_array().unwrap()), ["dana"], "{held:#}");
    let metrics = node.get("/metrics").await?.text();
    assert!(metrics.contains("verdict_kafka_reading 0"), "{metrics}");
    node.stop().await?;
    node::audit(&node.data()).await
}

#[tokio::test]
async fn what_retention_took_is_a_recorded_gap() -> Result<()> {
    let kafka = Kafka::start().await?;
    node::create_topics(&kafka, 1).await?;
    let mut node = node::start(&kafka, &[]).await?;
    let sent = text(
        &(0..10)
            .map(|i| decision("acme", &ago(1), "a1", &format!("u{i}"), "v1"))
            .collect::<Vec<_>>(),
    );
    kcat_produce(&kafka.bootstrap(), EVENTS, &keyed("acme", &sent[..4]), &[], &[MURMUR2]).await?;
    node::wait_for_records(&node, &["acme"], 4).await?;
    node.stop().await?;
    kcat_produce(&kafka.bootstrap(), EVENTS, &keyed("acme", &sent[4..]), &[], &[MURMUR2]).await?;
    kafka.delete_records(EVENTS, 0, 7).await?;
    node.restart().await?;
    node::wait_for_records(&node, &["acme"], 7).await?;
    assert!(node.log().contains("recorded as a gap"), "{}", node.log());
    // It was noticed after the last record, and so is known once the horizon is past that.
    let mut sources = String::new();
    for _ in 0..node::POLLS {
        sources = node.get_json("/v1/tenants/acme/sources").await?.to_string();
        if sources.contains("kafka:verdict.events.v1/0") {
            break;
        }
        tokio::time::sleep(std::time::Duration::from_millis(100)).await;
    }
    assert!(
        sources.contains("\"from\":4,\"until\":7"),
        "the gap is not in {sources}"
    );
    node.stop().await?;
    node::audit(&node.data()).await
}

#[tokio::test]
async fn the_intake_in_front_of_kafka_answers_positions_that_questions_wait_for() -> Result<()> {
    let kafka = Kafka::start().await?;
    node::create_topics(&kafka, 6).await?;
    let node = node::start(&kafka, &[]).await?;
    let events = json!([
        decision("acme", &ago(1), "a1", "dana", "v1"),
        decision("acme", &ago(1), "a1", "erin", "v1")
    ]);
    let answer = node
        .post("/v1/tenants/acme/events", "application/json", events.to_string())
        .await?;
    assert_eq!(answer.status, 202, "{}", answer.text());
    let results = answer.json()?["results"].clone();
    let last = results.as_array().unwrap().last().unwrap();
    let after = format!("{}:{}", last["position"]["partition"], last["position"]["offset"]);
    let found = node
        .get_json(&format!("/v1/tenants/acme/decisions?after={after}"))
        .await?;
    assert_eq!(found["items"].as_array().unwrap().len(), 2, "{found:#}");
    Ok(())
}
