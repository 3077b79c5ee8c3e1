//! Access: what a caller may not read, it can not tell from what does not exist (A7).

use std::collections::BTreeMap;

use serde_json::json;
use sha2::{Digest as _, Sha256};
use verdict_edge::Owners;
use verdict_edge::access::Access;
use verdict_schemas::TenantId;

use crate::support::{Node, Reply, decision, event, started};

/// A node with two tenants, and tokens: `one` reads acme, `all` administers, `emitter` only sends to acme.
async fn node() -> Node {
    let token = |name: &str, tenants: &str, role: &str| {
        let digest = hex::encode(Sha256::digest(name.as_bytes()));
        format!("[[token]]\nname = '{name}'\nsha256 = '{digest}'\ntenants = ['{tenants}']\nroles = ['{role}']\n")
    };
    let tokens = [
        token("one", "acme", "read"),
        token("all", "*", "admin"),
        token("emitter", "acme", "emit"),
    ]
    .concat();
    let access = Access::parse(&tokens, "tokens.toml").unwrap();
    let owners = BTreeMap::from([(TenantId::parse("elsewhere").unwrap(), "https://b.example".to_owned())]);
    let node = Node::with(access, move |edge| edge.with_owners(Owners::of_tenants(owners.clone())));
    node.append(&[
        started(1, 0.0, "acme", "shared", "v1"),
        started(2, 0.0, "globex", "shared", "v2"),
        decision(3, 1.0, "globex", json!({"decision_id": "secret"})),
        event(4, 1.0, "_platform", "rollout", json!({
            "rollout_id": "g1", "phase": "started", "scope": {"layer": "global"}, "policy": "base", "to_version": "b1",
            "max_inconsistency_ms": 0,
        })),
    ])
    .await;
    node
}

async fn get(node: &Node, token: &str, path: &str) -> Reply {
    node.send("GET", path, &[("authorization", &format!("Bearer {token}"))])
        .await
}

/// What a reply gives away: status, headers, body.
fn seen(reply: &Reply, tenant: &str) -> (u16, Vec<(String, String)>, String) {
    let headers = reply
        .headers
        .iter()
        .map(|(name, value)| (name.to_string(), value.to_str().unwrap().to_owned()));
    // Lengths differ with the name asked for and nothing else.
    let headers = headers.filter(|(name, _)| name != "content-length").collect();
    (reply.status.as_u16(), headers, reply.text().replace(tenant, "TENANT"))
}

#[tokio::test]
async fn a_tenant_that_may_not_be_read_is_one_that_does_not_exist() {
    let node = node().await;
    for rest in [
        "effective?environment=prod",
        "effective",
        "effective?environment=prod&nonsense=1",
        "effective?environment=prod&as_of=AAAA",
        "effective?environment=prod&known_at=9999-01-01T00:00:00Z",
        "history",
        "compare?at=1&at=2",
        "decisions",
        "decisions?cursor=x",
        "decisions/count",
        "decisions/secret",
        "decision?id=secret",
        "rollout?id=shared",
        "object?kind=exception&id=x",
        "events/01a1fd8d-0000-7000-8000-000000000003",
        "events/none",
        "rollouts",
        "rollouts/shared",
        "agents",
        "objects/exception/x",
        "quarantine",
        "sources",
    ] {
        let hidden = get(&node, "one", &format!("/v1/tenants/globex/{rest}")).await;
        let absent = get(&node, "one", &format!("/v1/tenants/nobody/{rest}")).await;
        assert_eq!(hidden.problem(), "unknown_tenant", "{rest}");
        assert_eq!(seen(&hidden, "globex"), seen(&absent, "nobody"), "{rest}");
        // To send is not to read.
        assert_eq!(
            get(&node, "emitter", &format!("/v1/tenants/acme/{rest}"))
                .await
                .problem(),
            "unknown_tenant"
        );
    }
    assert_eq!(
        get(&node, "all", "/v1/tenants/globex/decisions/secret").await.status,
        200
    );
}

#[tokio::test]
async fn nobody_is_told_anything_without_a_token() {
    let node = node().await;
    for path in [
        "/v1/tenants/acme/effective?environment=prod",
        "/v1/tenants/nobody/effective",
        "/v1/find?id=shared",
    ] {
        for (headers, why) in [
            (&[][..], "no token was sent"),
            (&[("authorization", "Bearer wrong")], "none of this server's"),
            (&[("authorization", "Basic b25l")], "no bearer token"),
        ] {
            let reply = node.send("GET", path, headers).await;
            assert_eq!(reply.problem(), "unauthenticated", "{path}");
            assert!(reply.text().contains(why), "{}", reply.text());
            assert_eq!(reply.header("www-authenticate"), "Bearer realm=\"verdict\"");
        }
    }
    // Two are as good as none: which of them spoke could not be said.
    let two = [("authorization", "Bearer one"), ("authorization", "Bearer all")];
    let reply = node.send("GET", "/v1/find?id=shared", &two).await;
    assert!(
        reply.status == 401 && reply.text().contains("more than once"),
        "{}",
        reply.text()
    );
    for path in ["/healthz", "/readyz", "/problems/unauthenticated"] {
        assert_eq!(node.get(path).await.status, 200, "{path}");
    }
}

#[tokio::test]
async fn any_reader_of_a_tenant_may_read_what_the_platform_intends() {
    let node = node().await;
    let platform = get(&node, "one", "/v1/tenants/_platform/effective?environment=prod")
        .await
        .json();
    assert_eq!(platform["policies"][0]["policy"], "base");
    let own = get(&node, "one", "/v1/tenants/acme/effective?environment=prod")
        .await
        .json();
    let policies: Vec<_> = own["policies"]
        .as_array()
        .unwrap()
        .iter()
        .map(|entry| &entry["policy"])
        .collect();
    assert_eq!(policies, ["base", "authz"]);
    assert_eq!(own["policies"][0]["evidence"][0]["tenant"], "_platform");
}

#[tokio::test]
async fn find_looks_into_no_tenant_that_the_caller_may_not_read() {
    let node = node().await;
    let tenants = |found: &serde_json::Value| -> Vec<String> {
        found["items"]
            .as_array()
            .unwrap()
            .iter()
            .map(|item| item["tenant"].as_str().unwrap().to_owned())
            .collect()
    };
    assert_eq!(tenants(&get(&node, "one", "/v1/find?id=shared").await.json()), ["acme"]);
    assert_eq!(
        tenants(&get(&node, "all", "/v1/find?id=shared").await.json()),
        ["acme", "globex"]
    );
    assert_eq!(
        tenants(&get(&node, "one", "/v1/find?id=secret").await.json()),
        Vec::<String>::new()
    );
    assert_eq!(
        tenants(&get(&node, "one", "/v1/find?id=g1").await.json()),
        ["_platform"]
    );
    let found = get(&node, "all", "/v1/find?id=secret").await.json();
    let href = found["items"][0]["href"].as_str().unwrap().to_owned();
    assert_eq!(
        get(&node, "all", &href).await.json()["event"]["body"]["decision_id"],
        "secret"
    );
}

#[tokio::test]
async fn a_tenant_held_elsewhere_is_answered_with_where() {
    let node = node().await;
    let path = "/v1/tenants/elsewhere/effective?environment=prod&at=2026-03-01T00:00:00%2B01:00";
    let reply = get(&node, "all", path).await;
    assert_eq!(
        (reply.status.as_u16(), reply.header("location")),
        (307, &*format!("https://b.example{path}"))
    );
    assert_eq!(
        get(&node, "one", path).await.problem(),
        "unknown_tenant",
        "not even where"
    );
}

#[tokio::test]
async fn what_belongs_to_no_tenant_is_the_administrators() {
    let node = node().await;
    node.append_raw("_unrouted.3", "2026-03-01T00:00:00Z", b"whose?").await;
    let list = get(&node, "all", "/v1/tenants/_unrouted.3/quarantine").await.json();
    assert_eq!(
        (&list["items"][0]["flag"], &list["logs"][0]["tenant"]),
        (&json!("unrouted"), &json!("_unrouted.3"))
    );
    assert_eq!(
        get(&node, "one", "/v1/tenants/_unrouted.3/quarantine").await.problem(),
        "unknown_tenant"
    );
    assert_eq!(
        get(&node, "all", "/v1/tenants/_unrouted.4/quarantine").await.problem(),
        "unknown_tenant"
    );
    assert_eq!(
        get(&node, "all", "/v1/tenants/_unrouted.3/decisions").await.problem(),
        "unknown_tenant"
    );
}

#[tokio::test]
async fn where_views_stand_is_for_administrators() {
    let node = node().await;
    for token in ["one", "emitter"] {
        let reply = get(&node, token, "/v1/node/followers").await;
        assert_eq!(
            (reply.status.as_u16(), reply.problem()),
            (403, "not_allowed".to_owned())
        );
    }
    assert_eq!(get(&node, "all", "/v1/node/followers").await.status.as_u16(), 200);
    assert_eq!(get(&node, "nobody", "/v1/node/followers").await.status.as_u16(), 401);
}
