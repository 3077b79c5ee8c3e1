//! Problems: each of the catalogue is documented, and its `type` leads to it.

use std::time::Duration;
use verdict_edge::Code;
use verdict_query::Limits;

use crate::support::{Node, started};

#[tokio::test]
async fn the_catalogue_is_documented_and_served() {
    let node = Node::new();
    let docs = include_str!("../../../docs/problems.md");
    for code in Code::ALL {
        let entry = format!("### `{}` — {}", code.as_str(), code.status().as_u16());
        assert!(docs.contains(&entry), "docs/problems.md has no `{entry}`");
        let reply = node.get(&format!("/problems/{}", code.as_str())).await;
        assert_eq!(
            (reply.status.as_u16(), reply.json()["title"].as_str()),
            (200, Some(code.title()))
        );
        let described = reply.json()["description"].as_str().unwrap().to_owned();
        assert!(
            docs.contains(&format!("{entry}\n{described}\n")) && !described.contains('#'),
            "{described}"
        );
    }
    assert_eq!(node.get("/problems/none").await.problem(), "unknown_route");
}

#[tokio::test]
async fn a_position_that_does_not_come_is_waited_for_and_then_said() {
    let node = Node::with_limits(Limits {
        wait: Duration::from_millis(50),
        ..Limits::default()
    });
    node.append(&[started(1, 0.0, "acme", "r1", "v1")]).await;
    // A node that reads no Kafka can not wait for it.
    let reply = node.get("/v1/tenants/acme/effective?environment=prod&after=7:12").await;
    assert_eq!(
        (reply.status.as_u16(), reply.problem().as_str()),
        (400, "invalid_parameter")
    );
    node.store.bind_topic("test", "verdict.events.v1", 8).unwrap();
    assert_eq!(
        node.get("/v1/tenants/acme/effective?environment=prod&after=0:0")
            .await
            .status,
        200
    );
    let reply = node
        .get("/v1/tenants/acme/effective?environment=prod&after=0:0,7:12")
        .await;
    assert_eq!((reply.status.as_u16(), reply.problem().as_str()), (503, "not_reached"));
    assert_eq!(
        (&reply.json()["partition"], &reply.json()["offset"]),
        (&7.into(), &12.into())
    );
    assert_eq!(reply.header("retry-after"), "1");
}

#[tokio::test]
async fn a_node_that_is_not_ready_says_why() {
    let node = Node::with(verdict_edge::access::Access::open(), |edge| {
        edge.with_part("kafka", || Err("still reading partition 3".to_owned()))
    });
    let reply = node.get("/readyz").await;
    assert_eq!((reply.status.as_u16(), reply.problem().as_str()), (503, "not_ready"));
    assert_eq!(reply.json()["detail"], "still reading partition 3");
    assert_eq!(node.get("/healthz").await.status, 200);
}
