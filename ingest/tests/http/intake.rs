//! Good input: what is kept, what is a duplicate, what the sender is told.

use axum::http::StatusCode;
use futures::future::join_all;
use serde_json::json;
use verdict_store::Provenance;

use crate::support::{Node, decision, gzip, id, rollout};

#[tokio::test]
async fn one_event_an_array_and_lines_are_taken_alike() {
    let node = Node::new();
    let one = node.send(decision(1).to_string()).await;
    assert_eq!(one.status, StatusCode::OK, "{one:?}");
    assert_eq!(one.results(), [("accepted".to_owned(), 0)]);
    assert_eq!(one.body["results"][0]["event_id"], id(1));
    assert_eq!((&one.body["accepted"], &one.body["duplicates"]), (&json!(1), &json!(0)));
    assert_eq!(one.body["rejected"], json!([]));
    assert_eq!(
        (&one.body["log"]["tenant"], &one.body["log"]["size"]),
        (&json!("acme"), &json!(1))
    );
    assert_eq!(one.body["log"]["root"].as_str().unwrap().len(), 64);

    let array = node.send(json!([decision(2), rollout(3)]).to_string()).await;
    assert_eq!(
        array.results(),
        [("accepted".to_owned(), 1), ("accepted".to_owned(), 2)]
    );
    let lines = format!("{}\n\n{}\r\n", decision(4), decision(5));
    assert_eq!(
        node.send_lines(lines).await.results(),
        [("accepted".to_owned(), 3), ("accepted".to_owned(), 4)]
    );
    // Without a content type, and as JSON that turns out to be lines.
    let lines = format!("{}\n{}", decision(6), decision(7));
    let sniffed = node.post("/v1/tenants/acme/events", &[], lines).await;
    assert_eq!(
        sniffed.results(),
        [("accepted".to_owned(), 5), ("accepted".to_owned(), 6)]
    );
    assert_eq!(node.size("acme"), 7);
}

#[tokio::test]
async fn the_bytes_of_the_element_are_the_value() {
    let node = Node::new();
    let pretty = serde_json::to_string_pretty(&decision(1)).unwrap();
    let body = format!("[  {pretty} ,\n {} ]", decision(2));
    assert_eq!(node.send(body).await.status, StatusCode::OK);
    let (record, event) = node.event(0);
    assert_eq!(record.value, pretty.as_bytes());
    assert_eq!(event.meta.event_id.to_string(), id(1));
    assert_eq!(
        record.provenance,
        Provenance::Authenticated {
            principal: Some("anonymous".into())
        }
    );
    assert_eq!(
        record.headers,
        [
            ("content-type".to_owned(), Some("application/json".into())),
            ("verdict-principal".to_owned(), Some("anonymous".into()))
        ]
    );
    assert_eq!(node.record(1).value, decision(2).to_string().as_bytes());
}

#[tokio::test]
async fn compressed_bodies_are_taken() {
    let node = Node::new();
    let path = "/v1/tenants/acme/events";
    let zipped = node
        .post(
            path,
            &[("content-encoding", "gzip")],
            gzip(decision(1).to_string().as_bytes()),
        )
        .await;
    assert_eq!(zipped.results(), [("accepted".to_owned(), 0)]);
    let zstd = zstd::encode_all(decision(2).to_string().as_bytes(), 3).unwrap();
    let zipped = node.post(path, &[("content-encoding", "zstd")], zstd).await;
    assert_eq!(zipped.results(), [("accepted".to_owned(), 1)]);
    // Two gzip members after each other are one stream (RFC 1952).
    let mut members = gzip(format!("{}\n", decision(3)).as_bytes());
    members.extend(gzip(decision(4).to_string().as_bytes()));
    let headers = [("content-encoding", "gzip"), ("content-type", "application/x-ndjson")];
    assert_eq!(node.post(path, &headers, members).await.body["accepted"], 2);
}

/// E4: the same bytes are a duplicate and not stored; others are a conflict with an index of its own.
#[tokio::test]
async fn duplicates_are_the_first_and_conflicts_are_kept() {
    let node = Node::new();
    let twice = node
        .send(json!([decision(1), decision(2), decision(1)]).to_string())
        .await;
    let told = |list: &[(&str, u64)]| list.iter().map(|(s, i)| ((*s).to_owned(), *i)).collect::<Vec<_>>();
    assert_eq!(
        twice.results(),
        told(&[("accepted", 0), ("accepted", 1), ("duplicate", 0)])
    );
    assert_eq!(
        (&twice.body["accepted"], &twice.body["duplicates"]),
        (&json!(2), &json!(1))
    );
    let again = node.send(decision(2).to_string()).await;
    assert_eq!(again.results(), told(&[("duplicate", 1)]));
    assert_eq!(again.status, StatusCode::OK);
    assert_eq!(again.body["log"], twice.body["log"], "nothing was added");
    let mut other = decision(2);
    other["body"]["outcome"] = json!("deny");
    assert_eq!(node.send(other.to_string()).await.results(), told(&[("conflict", 2)]));
    // White space is bytes too, within the element but not around it.
    let spaced = decision(1).to_string().replacen('{', "{ ", 1);
    let answer = node.send(format!("  {} \n", decision(1))).await;
    assert_eq!(answer.results(), told(&[("duplicate", 0)]));
    assert_eq!(node.send(spaced).await.results(), told(&[("conflict", 3)]));
    assert_eq!(node.size("acme"), 4);
}

#[tokio::test]
async fn the_platform_takes_intent_only() {
    let node = Node::new();
    let mut global = rollout(1);
    global["meta"]["tenant"] = json!("_platform");
    global["body"]["scope"] = json!({"layer": "global"});
    let path = "/v1/tenants/_platform/events";
    let taken = node.post(path, &[], global.to_string()).await;
    assert_eq!(taken.results(), [("accepted".to_owned(), 0)]);
    assert_eq!(taken.body["log"]["tenant"], "_platform");
    let mut observed = decision(2);
    observed["meta"]["tenant"] = json!("_platform");
    let refused = node.post(path, &[], observed.to_string()).await;
    assert_eq!(refused.status, StatusCode::UNPROCESSABLE_ENTITY);
    assert_eq!(
        refused.rejected(),
        [(1, "observation_in_platform".to_owned(), "/kind".to_owned())]
    );
}

#[tokio::test]
async fn cloud_events_are_taken_in_their_own_form() {
    let node = Node::new();
    let event =
        json!({"specversion": "1.0", "id": "1", "source": "https://pdp.example", "type": "t", "data": decision(1)});
    let path = "/v1/tenants/acme/events";
    let one = node
        .post(
            path,
            &[("content-type", "application/cloudevents+json")],
            event.to_string(),
        )
        .await;
    assert_eq!(one.results(), [("accepted".to_owned(), 0)]);
    let batch = json!([{"specversion": "1.0", "id": "2", "source": "s", "type": "t", "data": decision(2)}]);
    let headers = [("content-type", "application/cloudevents-batch+json")];
    assert_eq!(
        node.post(path, &headers, batch.to_string()).await.results(),
        [("accepted".to_owned(), 1)]
    );
    assert_eq!(node.event(1).1.meta.event_id.to_string(), id(2));
}

#[tokio::test]
async fn many_senders_at_once_each_get_their_own_answer() {
    let node = Node::new();
    let sends = (0..40_u64).map(|n| node.send(json!([decision(2 * n), decision(2 * n + 1)]).to_string()));
    let mut indexes = Vec::new();
    for answer in join_all(sends).await {
        let own = answer.results();
        assert!(own[0].1 < own[1].1, "the order of a request is kept");
        indexes.extend(own.into_iter().map(|(_, index)| index));
    }
    indexes.sort_unstable();
    assert_eq!(indexes, (0..80).collect::<Vec<_>>());
}
