//! kill -9 in a loop under load: nothing acknowledged missing, nothing twice, the same roots as a node that was never
//! disturbed (A2, A4, A5), and an audit that finds nothing (A1, A3, A6).
#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::collections::BTreeSet;
use std::time::Duration;

use anyhow::Result;
use serde_json::{Value, json};
use verdict_tests::clients::{MURMUR2, kcat_produce};
use verdict_tests::events::{ago, decision, seen};
use verdict_tests::kafka::Kafka;
use verdict_tests::node::{self, EVENTS};
use verdict_tests::server::Server;

const TENANTS: [&str; 3] = ["acme", "globex", "initech"];

/// A fixed sequence, so that a failure can be played again: when to kill.
fn pauses() -> impl Iterator<Item = Duration> {
    [37u64, 211, 5, 120, 64, 333, 18, 90]
        .into_iter()
        .map(Duration::from_millis)
}

fn event_ids(items: &[Value]) -> Vec<String> {
    items
        .iter()
        .map(|i| i.pointer("/event/meta/event_id").unwrap().as_str().unwrap().to_owned())
        .collect()
}

#[tokio::test]
async fn over_http_nothing_acknowledged_is_lost_and_nothing_is_there_twice() -> Result<()> {
    let mut node = Server::start::<&str>(&[]).await?;
    let mut acknowledged = BTreeSet::new();
    for (round, pause) in pauses().enumerate() {
        let killed = tokio::time::sleep(pause);
        tokio::pin!(killed);
        // Emit without end until the kill; a batch that was not answered is sent again after the restart, as services do.
        let mut unanswered: Option<Value> = None;
        for batch in 0.. {
            let events: Vec<Value> = (0..20)
                .map(|i| match i % 10 {
                    0 => seen("acme", &ago(0), &format!("a{i}"), "v1"),
                    _ => decision("acme", &ago(0), "a1", &format!("u{round}-{batch}-{i}"), "v1"),
                })
                .collect();
            let ids: Vec<String> = events
                .iter()
                .map(|e| e["meta"]["event_id"].as_str().unwrap().to_owned())
                .collect();
            let events = json!(events);
            let answered = tokio::select! {
                answered = node.emit("acme", &events) => answered,
                () = &mut killed => { unanswered = Some(events); break }
            };
            assert_eq!(answered?["accepted"], 20);
            acknowledged.extend(ids);
        }
        node.kill().await?;
        node.restart().await?;
        let again = unanswered.unwrap();
        let answer = node.emit("acme", &again).await?;
        let counted = answer["accepted"].as_u64().unwrap() + answer["duplicates"].as_u64().unwrap();
        assert_eq!(counted, 20, "{answer}");
        acknowledged.extend(
            again
                .as_array()
                .unwrap()
                .iter()
                .map(|e| e["meta"]["event_id"].as_str().unwrap().to_owned()),
        );
    }
    let held = event_ids(&node::items(&node, "/v1/tenants/acme/decisions?limit=1000").await?);
    let distinct: BTreeSet<&String> = held.iter().collect();
    assert_eq!(distinct.len(), held.len(), "some decisions are there twice");
    for id in &acknowledged {
        let found = node.get(&format!("/v1/tenants/acme/events/{id}")).await?;
        assert_eq!(found.status, 200, "{id} was acknowledged and is lost");
    }
    let (size, _) = node::heads(&node, &["acme"]).await?["acme"].clone();
    assert_eq!(
        size,
        acknowledged.len() as u64,
        "the log holds what was acknowledged, and nothing else"
    );
    node.stop().await?;
    node::audit(&node.data()).await
}

#[tokio::test]
async fn from_kafka_a_node_killed_again_and_again_ends_with_the_roots_of_one_that_was_not() -> Result<()> {
    let mut kafka = Kafka::start().await?;
    node::create_topics(&kafka, 6).await?;
    let mut disturbed = node::start(&kafka, &[]).await?;
    let mut sent = 0;
    for (round, pause) in pauses().enumerate() {
        let texts: Vec<(&str, String)> = (0..600)
            .map(|i| {
                let tenant = TENANTS[i % TENANTS.len()];
                let event = match i % 20 {
                    0 => seen(tenant, &ago(0), &format!("a{i}"), "v1"),
                    _ => decision(tenant, &ago(0), "a1", &format!("u{round}-{i}"), "v1"),
                };
                (tenant, event.to_string())
            })
            .collect();
        let mut records: Vec<(&str, &str)> = texts.iter().map(|(tenant, text)| (*tenant, text.as_str())).collect();
        // Every tenth once more, as a producer that retries would.
        let again: Vec<_> = records.iter().copied().step_by(10).collect();
        records.extend(again);
        sent += records.len() as u64;
        let bootstrap = kafka.bootstrap();
        let produced = kcat_produce(&bootstrap, EVENTS, &records, &[], &[MURMUR2]);
        let killed = async {
            tokio::time::sleep(pause).await;
            disturbed.kill().await
        };
        let (produced, killed) = tokio::join!(produced, killed);
        produced.and(killed)?;
        if round == 3 {
            kafka.kill().await?;
            kafka.restart().await?;
        }
        disturbed.restart().await?;
    }
    node::wait_for_records(&disturbed, &TENANTS, sent).await?;
    let undisturbed = node::start(&kafka, &[]).await?;
    node::wait_for_records(&undisturbed, &TENANTS, sent).await?;
    assert_eq!(
        node::heads(&disturbed, &TENANTS).await?,
        node::heads(&undisturbed, &TENANTS).await?
    );
    for tenant in TENANTS {
        let path = format!("/v1/tenants/{tenant}/decisions?limit=1000");
        let (ours, theirs) = (
            node::items(&disturbed, &path).await?,
            node::items(&undisturbed, &path).await?,
        );
        assert_eq!(event_ids(&ours), event_ids(&theirs), "{tenant}");
        let ids = event_ids(&ours);
        assert_eq!(
            ids.iter().collect::<BTreeSet<_>>().len(),
            ids.len(),
            "{tenant}: something is there twice"
        );
    }
    for mut node in [disturbed, undisturbed] {
        node.stop().await?;
        node::audit(&node.data()).await?;
    }
    Ok(())
}
