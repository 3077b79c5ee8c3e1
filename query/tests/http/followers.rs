//! Where the views of logs stand, and what is answered where they do not hold what is asked.

use serde_json::json;
use verdict_query::Limits;

use crate::support::{Node, decision, started};

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

/// E3: however far the views of either log are when it is asked, a `known_at` that was told is told again with the same records.
#[tokio::test]
async fn what_is_told_while_views_lag_is_what_is_told_later() {
    // A time that the partition's end was not seen after is waited for: not here.
    let node = Node::with_limits(Limits {
        wait: std::time::Duration::from_millis(1),
        ..Limits::default()
    });
    let mut told = Vec::new();
    node.whole_up_to(None);
    for round in 0..6_u32 {
        let at = |number: u32| f64::from(round * 1000 + number);
        let mut events = Vec::new();
        for number in 0..400 {
            let id = round * 1000 + number;
            events.push(decision(
                u64::from(id),
                at(number),
                "acme",
                json!({"decision_id": format!("d{id}")}),
            ));
            if number % 50 == 7 {
                events.push(started(
                    u64::from(id + 500_000),
                    at(number),
                    "_platform",
                    "base",
                    &format!("b{id}"),
                ));
            }
        }
        node.append_unseen(&events).await;
        if round % 2 == 1 {
            node.whole_up_to(events.last().map(|(recorded, _)| recorded.as_str()));
        }
        for _ in 0..4 {
            let now = node.get("/v1/tenants/acme/decisions?limit=1").await;
            assert_eq!(now.status.as_u16(), 200, "{}", now.text());
            let now = now.json();
            told.push((
                now["known_at"].as_str().unwrap().to_owned(),
                now["logs"].clone(),
                now["items"].clone(),
            ));
        }
        for log in ["acme", "_platform"] {
            let log = log.parse().unwrap();
            let size = node
                .store
                .standing(&log)
                .map(|standing| standing.size)
                .unwrap_or_default();
            assert!(
                node.store
                    .wait_visible(&log, size, std::time::Duration::from_secs(600))
                    .await
            );
        }
        for (known_at, logs, items) in &told {
            let again = node
                .get(&format!("/v1/tenants/acme/decisions?limit=1&known_at={known_at}"))
                .await
                .json();
            assert_eq!((&again["logs"], &again["items"]), (logs, items), "{known_at}");
        }
    }
}
