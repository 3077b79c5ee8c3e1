//! Size: bodies, bombs, single events, many events, many requests at once.

use std::time::Duration;

use axum::body::{Body, Bytes};
use axum::http::StatusCode;
use futures::stream::{self, FuturesUnordered, StreamExt as _};
use verdict_edge::body::BodyLimits;
use verdict_ingest::IntakeLimits;

use crate::support::{Node, decision, gzip};

const EVENTS: &str = "/v1/tenants/acme/events";

fn small() -> IntakeLimits {
    IntakeLimits {
        body: BodyLimits {
            max_body_bytes: 64 << 10,
            max_decoded_bytes: 256 << 10,
            max_in_flight_bytes: 0,
            patience: Duration::from_millis(20),
            idle: Duration::from_millis(50),
        },
        max_event_bytes: 8 << 10,
        max_events: 100,
    }
}

#[tokio::test]
async fn a_body_beyond_the_limit_is_a_413_whether_it_says_so_or_not() {
    let node = Node::limited(small());
    let large = "x".repeat((64 << 10) + 1);
    let told = node
        .post(EVENTS, &[("content-length", &large.len().to_string())], large.clone())
        .await;
    assert_eq!(
        (told.status, told.problem().as_str()),
        (StatusCode::PAYLOAD_TOO_LARGE, "body_too_large")
    );
    let pieces: Vec<Result<Bytes, std::io::Error>> = (0..1000).map(|_| Ok(Bytes::from(vec![b' '; 4096]))).collect();
    let untold = node.post(EVENTS, &[], Body::from_stream(stream::iter(pieces))).await;
    assert_eq!(
        (untold.status, untold.problem().as_str()),
        (StatusCode::PAYLOAD_TOO_LARGE, "body_too_large")
    );
}

/// A megabyte that unpacks to a gigabyte costs a 413, and no more memory than the limit.
#[tokio::test]
async fn bombs_are_a_413() {
    let node = Node::new();
    let bomb = gzip(&vec![b' '; 200 << 20]);
    assert!(bomb.len() < 1 << 20);
    let answer = node.post(EVENTS, &[("content-encoding", "gzip")], bomb).await;
    assert_eq!(
        (answer.status, answer.problem().as_str()),
        (StatusCode::PAYLOAD_TOO_LARGE, "body_too_large")
    );
    let bomb = zstd::encode_all(&vec![b' '; 200 << 20][..], 1).unwrap();
    let answer = node.post(EVENTS, &[("content-encoding", "zstd")], bomb).await;
    assert_eq!(answer.problem(), "body_too_large");
    // A window that would need 128 MiB by itself.
    let mut encoder = zstd::stream::write::Encoder::new(Vec::new(), 1).unwrap();
    encoder.window_log(27).unwrap();
    std::io::Write::write_all(&mut encoder, &vec![b' '; 9 << 20]).unwrap();
    let answer = node
        .post(EVENTS, &[("content-encoding", "zstd")], encoder.finish().unwrap())
        .await;
    assert_eq!(
        (answer.status, answer.problem().as_str()),
        (StatusCode::BAD_REQUEST, "unreadable_body")
    );
}

#[tokio::test]
async fn ten_megabytes_of_one_event_are_a_413_and_beside_others_one_rejected_line() {
    let node = Node::new();
    let mut huge = decision(1);
    huge["body"]["input"] = serde_json::json!("x".repeat(10 << 20));
    let alone = node.send(huge.to_string()).await;
    assert_eq!(
        (alone.status, alone.problem().as_str()),
        (StatusCode::PAYLOAD_TOO_LARGE, "event_too_large")
    );
    assert_eq!(alone.rejected(), [(1, "too_large".to_owned(), String::new())]);
    let beside = node.send_lines(format!("{huge}\n{}", decision(2))).await;
    assert_eq!(beside.status, StatusCode::OK);
    assert_eq!((beside.rejected().len(), beside.results().len()), (1, 1));
    assert_eq!(node.size("acme"), 1);
}

#[tokio::test]
async fn too_many_events_are_a_413_and_none_of_them_is_stored() {
    let node = Node::limited(small());
    for body in [format!("[{}]", vec!["1"; 101].join(",")), "{}\n".repeat(101)] {
        let answer = node.send(body).await;
        assert_eq!(
            (answer.status, answer.problem().as_str()),
            (StatusCode::PAYLOAD_TOO_LARGE, "too_many_events")
        );
    }
    assert_eq!(node.size("acme"), 0);
}

/// Bodies that never end hold memory until they are given up; meanwhile others wait, and are told when to come back.
#[tokio::test]
async fn without_memory_a_request_waits_and_is_told_to_come_back() {
    let mut limits = small();
    limits.body.idle = Duration::from_secs(60);
    let node = Node::limited(limits);
    let stalled = || {
        let first = stream::iter([Ok::<_, std::io::Error>(Bytes::from(vec![b' '; 60 << 10]))]);
        Body::from_stream(first.chain(stream::pending()))
    };
    // Together more than the least memory there is (864 KiB): some hold theirs, the others are answered.
    let mut requests: FuturesUnordered<_> = (0..20).map(|_| node.post(EVENTS, &[], stalled())).collect();
    let busy = requests.next().await.unwrap();
    assert_eq!(
        (busy.status, busy.problem().as_str()),
        (StatusCode::SERVICE_UNAVAILABLE, "busy")
    );
    assert_eq!(busy.retry_after.as_deref(), Some("1"));
    // Given back, there is room again.
    drop(requests);
    assert_eq!(node.send(decision(1).to_string()).await.status, StatusCode::OK);
}

#[tokio::test]
async fn a_body_that_stops_arriving_is_given_up() {
    let node = Node::limited(small());
    let body = Body::from_stream(stream::pending::<Result<Bytes, std::io::Error>>());
    let answer = node.post(EVENTS, &[], body).await;
    assert_eq!(
        (answer.status, answer.problem().as_str()),
        (StatusCode::REQUEST_TIMEOUT, "slow_body")
    );
    let broken = stream::iter([Ok(Bytes::from_static(b"[{")), Err(std::io::Error::other("reset"))]);
    let answer = node.post(EVENTS, &[], Body::from_stream(broken)).await;
    assert_eq!(
        (answer.status, answer.problem().as_str()),
        (StatusCode::BAD_REQUEST, "unreadable_body")
    );
}
