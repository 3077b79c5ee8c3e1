//! Sources: what each emitter sent, page by page.

use serde_json::{Value, json};
use verdict_query::Limits;

use crate::support::{Node, at, decision};

/// Sources are read by name, a page at a time: of the cut of the first page, whoever speaks meanwhile.
#[tokio::test]
async fn pages_of_sources_keep_to_their_cut_while_sources_join() {
    let node = Node::with_limits(Limits {
        examined: 3,
        ..Limits::default()
    });
    let spoken = |number: u64, source: &str| {
        let seconds = number as f64 / 10.0;
        let (recorded, mut value) = decision(number, seconds, "acme", json!({}));
        value["meta"]["source"] = source.into();
        (recorded, value)
    };
    node.append(&[
        spoken(1, "urn:b"),
        spoken(2, "urn:d"),
        spoken(3, "urn:b"),
        spoken(4, "urn:z"),
    ])
    .await;
    let told = |page: &Value| -> Vec<(String, u64)> {
        let item = |item: &Value| {
            (
                item["source"].as_str().unwrap().to_owned(),
                item["events"].as_u64().unwrap(),
            )
        };
        page["items"].as_array().unwrap().iter().map(item).collect()
    };
    let named = |pairs: &[(&str, u64)]| -> Vec<(String, u64)> {
        pairs
            .iter()
            .map(|(name, events)| ((*name).to_owned(), *events))
            .collect()
    };
    let first = node.ask("/v1/tenants/acme/sources?limit=1").await;
    assert_eq!(told(&first), named(&[("urn:b", 2)]));
    for n in 0..8 {
        node.take(spoken(10 + n, &format!("urn:c{n}")).1).await;
    }
    node.take(spoken(30, "urn:d").1).await;
    let (mut rest, mut cursor) = (Vec::new(), first["next"].clone());
    while let Some(next) = cursor.as_str() {
        let page = node
            .ask(&format!("/v1/tenants/acme/sources?limit=9&cursor={next}"))
            .await;
        assert_eq!(page["as_of"], first["as_of"]);
        // It ends early only where it says so.
        assert_eq!(page["complete"] == json!(true), page.get("next").is_none());
        rest.extend(told(&page));
        cursor = page["next"].clone();
    }
    assert_eq!(rest, named(&[("urn:d", 1), ("urn:z", 1)]));
    let (all, mut pages, mut path) = (10, Vec::new(), "/v1/tenants/acme/sources?limit=2".to_owned());
    loop {
        let page = node.ask(&path).await;
        pages.extend(told(&page));
        let Some(next) = page["next"].as_str() else { break };
        path = format!("/v1/tenants/acme/sources?limit=2&cursor={next}");
    }
    assert!(pages.is_sorted());
    assert_eq!(
        (pages.len(), pages.iter().map(|(_, events)| events).sum::<u64>()),
        (all + 1, 13)
    );
    assert_eq!(
        node.get("/v1/tenants/acme/sources?cursor=AAAA").await.problem(),
        "invalid_cursor"
    );
}

/// Partitions with lost offsets come first, and fill pages like sources do.
#[tokio::test]
async fn partitions_that_lost_offsets_are_paged_before_sources() {
    let node = Node::new();
    node.append(&[decision(1, 1.0, "acme", json!({}))]).await;
    let lost = |partition| verdict_store::Gap {
        partition: verdict_store::KafkaPartition {
            cluster: "test".into(),
            topic: "verdict.events.v1".into(),
            partition,
        },
        from: 0,
        to: 5,
        reason: "retention".to_owned(),
        noticed_at: verdict_schemas::Timestamp::parse(&at(1.0)).unwrap(),
    };
    let gaps = (7..10).map(lost).collect();
    let pending = node.store.append_kafka(Vec::new(), Vec::new(), gaps).unwrap();
    tokio::task::spawn_blocking(|| pending.wait().unwrap()).await.unwrap();
    let expected = [7, 8, 9].map(|partition| format!("kafka:verdict.events.v1/{partition}"));
    for limit in 1..6 {
        let (mut told, mut path) = (Vec::new(), format!("/v1/tenants/acme/sources?limit={limit}"));
        loop {
            let page = node.ask(&path).await;
            let items = page["items"].as_array().unwrap();
            assert!(items.len() <= limit);
            told.extend(items.iter().map(|item| item["source"].as_str().unwrap().to_owned()));
            let Some(next) = page["next"].as_str() else { break };
            path = format!("/v1/tenants/acme/sources?limit={limit}&cursor={next}");
        }
        assert_eq!(
            told,
            [&expected[..], &["urn:test:emitter".to_owned()]].concat(),
            "{limit} a page"
        );
    }
}
