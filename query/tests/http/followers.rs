//! Where the views of logs stand, and what is answered where they do not hold what is asked.

use serde_json::json;

use crate::support::{Node, decision};

#[tokio::test]
async fn administrators_see_where_views_stand_and_have_them_made_anew() {
    let node = Node::new();
    node.append(&[
        decision(1, 0.0, "acme", json!({"decision_id": "d1"})),
        decision(2, 1.0, "globex", json!({"decision_id": "d2"})),
    ])
    .await;
    let before = node.get("/v1/tenants/acme/decisions/d1").await;
    let all = node.get("/v1/node/followers").await;
    assert_eq!((all.status.as_u16(), &all.json()["following"]), (200, &json!(2)));
    assert_eq!(all.json()["items"], json!([]));

    let asked = node.send("POST", "/v1/node/followers/acme/rebuild", &[]).await;
    assert_eq!(asked.status.as_u16(), 202, "{}", asked.text());
    assert_eq!(
        (&asked.json()["log"], &asked.json()["size"]),
        (&json!("acme"), &json!(1))
    );
    // What was answered is answered meanwhile and afterwards.
    let again = node.get("/v1/tenants/acme/decisions/d1").await;
    assert_eq!(again.json()["event"], before.json()["event"]);
    node.store.rebuild_views().await.unwrap();
    let again = node.get("/v1/tenants/acme/decisions/d1").await;
    assert_eq!(again.json()["event"], before.json()["event"]);

    let unknown = node.send("POST", "/v1/node/followers/nobody/rebuild", &[]).await;
    assert_eq!(unknown.status.as_u16(), 404);
    let parameter = node.get("/v1/node/followers?all=1").await;
    assert_eq!(parameter.status.as_u16(), 400);
}
