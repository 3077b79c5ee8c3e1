//! Lists: every filter against a plain reading of the same events, page by page, in both orders, within small bounds.

use serde_json::{Value, json};
use verdict_query::Limits;

use crate::support::{Node, at, decision, event, seen, tenant_scope};

/// Decisions that differ in everything a filter can ask for; some are recorded late, some happen at one instant.
fn decisions() -> Vec<(String, Value)> {
    let pick = |n: u64, of: &[&str]| of[usize::try_from(n).unwrap() % of.len()].to_owned();
    let mut events = Vec::new();
    for n in 0..180 {
        let version = pick(n / 7, &["v1", "v2", "v3"]);
        let mut policies =
            vec![json!({"scope": tenant_scope("acme"), "policy": pick(n, &["authz", "rates"]), "version": version})];
        if n % 5 == 0 {
            policies.push(json!({"scope": {"layer": "global"}, "policy": "authz", "version": "v2"}));
        }
        let mut fields = json!({
            "actor": {"type": pick(n, &["user", "urn:svc"]), "id": pick(n / 2, &["alice", "bob", "pay:eu"])},
            "action": pick(n / 3, &["read", "write"]),
            "resource": {"type": "album", "id": pick(n / 4, &["a1", "a2", "a3"])},
            "outcome": pick(n / 5, &["allow", "deny", "not_applicable"]),
            "policies": policies,
            "workload": pick(n, &["api", "web"]),
        });
        if n % 4 == 0 {
            fields["agent"] = Value::Null;
            fields["incarnation"] = Value::Null;
        }
        // Three happen at each instant, and every fourth a while before it is recorded.
        #[expect(clippy::cast_precision_loss, reason = "small numbers")]
        let seconds = (n / 3) as f64;
        let (_, mut event) = decision(n, seconds, "acme", fields);
        event["meta"]["environment"] = pick(n / 6, &["prod", "test"]).into();
        if n % 3 == 0 {
            event["meta"]["trace_id"] = pick(n / 3, &["t1", "t2"]).into();
        }
        if n % 4 == 0 {
            event["meta"]["correlation_id"] = pick(n / 4, &["batch-1", "t1"]).into();
        }
        #[expect(clippy::cast_precision_loss, reason = "small numbers")]
        let recorded = at(n as f64 + if n % 4 == 0 { 100.0 } else { 0.0 });
        events.push((recorded, event));
        if n % 10 == 0 {
            events.push(seen(10_000 + n, seconds, "acme", "pdp-1", "v1"));
        }
    }
    events
}

/// Does a decision have what a filter asks for?
fn has(event: &Value, name: &str, value: &str) -> bool {
    let (meta, body) = (&event["meta"], &event["body"]);
    let named = |name: &Value| {
        let (kind, id) = (name["type"].as_str().unwrap(), name["id"].as_str().unwrap());
        if value.contains(':') {
            format!("{kind}:{id}") == value
        } else {
            id == value
        }
    };
    match name {
        "actor" => named(&body["actor"]),
        "resource" => named(&body["resource"]),
        "action" | "outcome" | "workload" => body[name] == value,
        "environment" | "trace_id" | "correlation_id" => meta[name] == value,
        "agent" => body["agent"].as_str().or(meta["source"].as_str()) == Some(value),
        "from" => meta["event_time"].as_str().unwrap() >= value,
        "to" => meta["event_time"].as_str().unwrap() < value,
        _ => panic!("no filter `{name}`"),
    }
}

/// The ids of the decisions that all filters accept, newest first: by f, then by index.
fn expected(events: &[(String, Value)], filters: &[(&str, &str)]) -> Vec<String> {
    let of = |name: &str| {
        filters
            .iter()
            .find(|(given, _)| *given == name)
            .map(|(_, value)| *value)
    };
    let mut found: Vec<(&str, usize, &Value)> = Vec::new();
    for (index, (_, event)) in events.iter().enumerate() {
        let rest = filters.iter().filter(|(name, _)| !["policy", "version"].contains(name));
        let cites = |cited: &Value| {
            of("policy").is_none_or(|policy| cited["policy"] == policy)
                && of("version").is_none_or(|version| cited["version"] == version)
        };
        if event["kind"] == "decision"
            && rest.into_iter().all(|(name, value)| has(event, name, value))
            && event["body"]["policies"].as_array().unwrap().iter().any(cites)
        {
            found.push((event["meta"]["event_time"].as_str().unwrap(), index, event));
        }
    }
    found.sort_by_key(|(f, index, _)| std::cmp::Reverse((*f, *index)));
    found
        .into_iter()
        .map(|(_, _, event)| event["body"]["decision_id"].as_str().unwrap().to_owned())
        .collect()
}

const ASKED: &[&[(&str, &str)]] = &[
    &[],
    &[("actor", "user:alice")],
    &[("actor", "urn:svc:pay:eu")],
    &[("actor", "bob")],
    &[("resource", "album:a2"), ("outcome", "deny")],
    &[("action", "write")],
    &[("policy", "authz")],
    &[("policy", "authz"), ("version", "v2")],
    &[("version", "v3"), ("environment", "test")],
    &[("environment", "prod"), ("workload", "web")],
    &[("agent", "pdp-1"), ("actor", "user:alice"), ("outcome", "allow")],
    &[("agent", "urn:test:emitter")],
    &[("trace_id", "t1")],
    &[("trace_id", "t2"), ("version", "v2")],
    &[("correlation_id", "batch-1")],
    &[("correlation_id", "t1"), ("trace_id", "t1")],
    &[("correlation_id", "t1"), ("outcome", "deny")],
    &[("correlation_id", "t2")],
    &[
        ("from", "2026-03-01T00:00:10.000000Z"),
        ("to", "2026-03-01T00:00:20.000000Z"),
    ],
    &[("actor", "user:alice"), ("from", "2026-03-01T00:00:30.000000Z")],
    &[("actor", "user:nobody")],
    &[("version", "v9")],
];

/// Follows `next` to the end; gives the ids and the number of pages.
async fn follow(node: &Node, query: &str) -> (Vec<String>, usize) {
    let limit = query.split_once("limit=").map_or(100, |(_, rest)| {
        rest.split('&').next().unwrap().parse::<usize>().unwrap()
    });
    let (mut ids, mut pages, mut cursor) = (Vec::new(), 0, String::new());
    loop {
        let page = node.ask(&format!("/v1/tenants/acme/decisions?{query}{cursor}")).await;
        pages += 1;
        for item in page["items"].as_array().unwrap() {
            ids.push(item["event"]["body"]["decision_id"].as_str().unwrap().to_owned());
        }
        let found = page["items"].as_array().unwrap().len();
        match page["next"].as_str() {
            Some(next) => cursor = format!("&cursor={next}"),
            None => {
                assert_eq!(page["complete"], true);
                return (ids, pages);
            }
        }
        // A page that goes on is full, or it met the bound and says so.
        assert_eq!(page["complete"], found >= limit, "{query}");
    }
}

#[tokio::test]
async fn every_filter_finds_what_a_plain_reading_finds() {
    let events = decisions();
    let node = Node::with_limits(Limits {
        examined: 40,
        counted: 1000,
        ..Limits::default()
    });
    node.append(&events).await;
    for filters in ASKED {
        let query: Vec<String> = filters.iter().map(|(name, value)| format!("{name}={value}")).collect();
        let query = query.join("&");
        let mut wanted = expected(&events, filters);
        let (newest, pages) = follow(&node, &format!("{query}&limit=7")).await;
        assert_eq!(newest, wanted, "{query}");
        assert!(pages >= wanted.len().div_ceil(7), "{pages} pages of {query}");
        let count = count_all(&node, &query).await;
        assert_eq!(count, wanted.len() as u64, "count of {query}");
        wanted.reverse();
        let (oldest, _) = follow(&node, &format!("{query}&limit=1000&order=oldest")).await;
        assert_eq!(oldest, wanted, "{query} oldest first");
    }
}

/// Counts, going on where the bound was met.
async fn count_all(node: &Node, query: &str) -> u64 {
    let (mut count, mut cursor) = (0, String::new());
    loop {
        let part = node
            .ask(&format!("/v1/tenants/acme/decisions/count?{query}{cursor}"))
            .await;
        count += part["count"].as_u64().unwrap();
        match part["next"].as_str() {
            Some(next) => cursor = format!("&cursor={next}"),
            None => return count,
        }
    }
}

#[tokio::test]
async fn a_list_that_meets_its_bound_says_so_and_goes_on() {
    let events = decisions();
    let node = Node::with_limits(Limits {
        examined: 40,
        ..Limits::default()
    });
    node.append(&events).await;
    let page = node.ask("/v1/tenants/acme/decisions?workload=nowhere").await;
    assert_eq!(
        (page["items"].as_array().unwrap().len(), &page["complete"]),
        (0, &json!(false))
    );
    assert!(page["next"].is_string());
    let (ids, pages) = follow(&node, "workload=nowhere").await;
    assert!(
        ids.is_empty() && pages == 5,
        "{pages} pages for 180 decisions, 40 a page"
    );
    // By an index alone nothing is read, so no bound is met.
    let counted = node.ask("/v1/tenants/acme/decisions/count?actor=user:alice").await;
    assert_eq!(
        (&counted["complete"], counted["count"].as_u64()),
        (&json!(true), Some(30))
    );
}

#[tokio::test]
async fn a_cursor_keeps_to_its_cut_while_the_log_grows() {
    let node = Node::new();
    let first: Vec<_> = (0..6).map(|n| decision(n, 1.0, "acme", json!({}))).collect();
    node.append(&first).await;
    let page = node.ask("/v1/tenants/acme/decisions?limit=4").await;
    for n in 6..12 {
        node.take(decision(n, 0.5, "acme", json!({})).1).await;
    }
    let rest = node
        .ask(&format!(
            "/v1/tenants/acme/decisions?cursor={}",
            page["next"].as_str().unwrap()
        ))
        .await;
    let ids = |page: &Value| -> Vec<String> {
        let id = |item: &Value| item["event"]["body"]["decision_id"].as_str().unwrap().to_owned();
        page["items"].as_array().unwrap().iter().map(id).collect()
    };
    assert_eq!([ids(&page), ids(&rest)].concat(), ["d5", "d4", "d3", "d2", "d1", "d0"]);
    assert_eq!(
        (&rest["as_of"], &rest["logs"], &rest["complete"]),
        (&page["as_of"], &page["logs"], &json!(true))
    );
}

#[tokio::test]
async fn a_count_keeps_to_its_cut_while_the_log_grows() {
    let events = decisions();
    let node = Node::with_limits(Limits {
        examined: 40,
        counted: 50,
        ..Limits::default()
    });
    node.append(&events).await;
    for query in ["outcome=allow", "action=read", "outcome=deny&from=2026-03-01T00:00:10Z"] {
        let path = format!("/v1/tenants/acme/decisions/count?{query}");
        let mut part = node.ask(&path).await;
        let (as_of, mut count, mut parts) = (part["as_of"].clone(), part["count"].as_u64().unwrap(), 1);
        let wanted = count_all(&node, query).await;
        while let Some(next) = part["next"].as_str().map(str::to_owned) {
            assert_eq!(part["complete"], false);
            // Decisions that every filter accepts, between two answers: none of them is of the cut.
            let (number, made) = (9000 + parts, json!({"action": "read", "outcome": "deny"}));
            let seconds = 900.0 + 0.001 * f64::from(u32::try_from(number).unwrap());
            node.take(decision(number, seconds, "acme", made).1).await;
            part = node.ask(&format!("{path}&cursor={next}")).await;
            assert_eq!(part["as_of"], as_of, "{query}");
            count += part["count"].as_u64().unwrap();
            parts += 1;
        }
        assert!(parts > 2, "{query} is one of several answers");
        assert_eq!((count, &part["complete"]), (wanted, &json!(true)), "{query}");
        let other = node
            .get(&format!(
                "{path}&actor=user:bob&cursor={}",
                cursor_of(&node, &path).await
            ))
            .await;
        assert_eq!(other.problem(), "invalid_cursor");
    }
}

async fn cursor_of(node: &Node, path: &str) -> String {
    node.ask(path).await["next"].as_str().unwrap().to_owned()
}

#[tokio::test]
async fn lines_and_the_link_lead_through_a_list_as_well() {
    let node = Node::new();
    let events: Vec<_> = (0..5).map(|n| decision(n, 1.0, "acme", json!({}))).collect();
    node.append(&events).await;
    // Sent over several lines: its line of NDJSON is one all the same.
    let (recorded, pretty) = decision(5, 2.0, "acme", json!({}));
    node.append_raw(
        "acme",
        &recorded,
        serde_json::to_string_pretty(&pretty).unwrap().as_bytes(),
    )
    .await;
    let (mut path, mut ids) = (
        "/v1/tenants/acme/decisions?limit=4&actor=user:alice".to_owned(),
        Vec::new(),
    );
    loop {
        let reply = node.send("GET", &path, &[("accept", "application/x-ndjson")]).await;
        assert_eq!(reply.header("content-type"), "application/x-ndjson");
        for line in reply.text().lines() {
            let item: Value = serde_json::from_str(line).unwrap();
            ids.push(item["event"]["body"]["decision_id"].as_str().unwrap().to_owned());
        }
        let link = reply.header("link");
        if link.is_empty() {
            assert_eq!(reply.header("verdict-complete"), "true");
            break;
        }
        path = link
            .strip_prefix('<')
            .unwrap()
            .strip_suffix(">; rel=\"next\"")
            .unwrap()
            .to_owned();
    }
    assert_eq!(ids, ["d5", "d4", "d3", "d2", "d1", "d0"]);
}

#[tokio::test]
async fn who_runs_a_bundle_without_a_revision_is_listed_and_warned_of() {
    let node = Node::new();
    node.append(&[
        seen(1, 1.0, "acme", "pdp-1", "unversioned"),
        seen(2, 2.0, "acme", "pdp-2", "v1"),
        seen(3, 3.0, "acme", "pdp-3", "unversioned"),
    ])
    .await;
    let effective = node
        .ask(&format!("/v1/tenants/acme/effective?environment=prod&at={}", at(5.0)))
        .await;
    let entry = &effective["policies"][0];
    assert_eq!(
        (&entry["version"], &entry["certainty"]),
        (&json!("unversioned"), &json!("observed"))
    );
    let warnings = effective["warnings"].as_array().unwrap();
    assert!(
        warnings.len() == 1 && warnings[0].as_str().unwrap().contains("`authz`"),
        "{effective:#}"
    );
    assert!(warnings[0].as_str().unwrap().contains("opa build --revision"));
    let agents = node
        .ask(&format!("/v1/tenants/acme/agents?environment=prod&at={}", at(5.0)))
        .await;
    let warned: Vec<(&str, bool)> = agents["items"]
        .as_array()
        .unwrap()
        .iter()
        .map(|item| {
            (
                item["agent"].as_str().unwrap(),
                item["warnings"] == effective["warnings"],
            )
        })
        .collect();
    assert_eq!(warned, [("pdp-1", true), ("pdp-2", false), ("pdp-3", true)]);
    assert!(agents["items"][1].get("warnings").is_none());
}

#[tokio::test]
async fn what_does_not_count_is_in_quarantine_with_its_reason() {
    let node = Node::new();
    let (recorded, good) = decision(1, 1.0, "acme", json!({}));
    let mut other = good.clone();
    other["body"]["action"] = "write".into();
    let (_, wrong) = event(2, 2.0, "acme", "decision", json!({"decision_id": "d2"}));
    node.append(&[
        (recorded.clone(), good.clone()),
        (recorded.clone(), good),
        (recorded, other),
        (at(3.0), wrong),
    ])
    .await;
    node.append_raw("acme", &at(4.0), b"\xff\xfe no event").await;
    let list = node.ask("/v1/tenants/acme/quarantine").await;
    let flags = |list: &Value| -> Vec<(u64, String)> {
        let item = |item: &Value| {
            (
                item["index"].as_u64().unwrap(),
                item["flag"].as_str().unwrap().to_owned(),
            )
        };
        list["items"].as_array().unwrap().iter().map(item).collect()
    };
    let named = |pairs: &[(u64, &str)]| {
        pairs
            .iter()
            .map(|(index, flag)| (*index, (*flag).to_owned()))
            .collect::<Vec<_>>()
    };
    assert_eq!(
        flags(&list),
        named(&[(4, "malformed"), (3, "malformed"), (2, "event_conflict")])
    );
    assert_eq!(
        (list["items"][2]["of"].as_u64(), list["items"][0]["size"].as_u64()),
        (Some(0), Some(11))
    );
    assert!(
        list["items"][1]["rule"].is_string() && list["items"][1]["field"].is_string(),
        "{:#}",
        list["items"][1]
    );
    // The sentence is that of the record, interpreted again: of the list, of the one, and where nothing is JSON.
    let why = |item: &Value| json!([item["rule"], item["field"], item["detail"]]);
    let meta = json!(["missing_field", "/body/actor", "the field `actor` is required"]);
    let detail = "the value begins with `fffe206e`, which is neither Confluent's framing (00), nor Avro's single-object \
                  encoding (c301), nor a JSON object (7b)";
    let bytes = json!(["unknown_encoding", null, detail]);
    assert_eq!([why(&list["items"][1]), why(&list["items"][0])], [meta.clone(), bytes]);
    assert_eq!(why(&node.ask("/v1/tenants/acme/quarantine/3").await), meta);
    let duplicates = node.ask("/v1/tenants/acme/quarantine?flag=duplicate").await;
    assert_eq!(flags(&duplicates), named(&[(1, "duplicate")]));
    let first = node.ask("/v1/tenants/acme/quarantine?order=oldest&limit=1").await;
    assert_eq!(flags(&first), named(&[(2, "event_conflict")]));
    let next = format!(
        "/v1/tenants/acme/quarantine?order=oldest&limit=9&cursor={}",
        first["next"].as_str().unwrap()
    );
    assert_eq!(
        flags(&node.ask(&next).await),
        named(&[(3, "malformed"), (4, "malformed")])
    );
    let sources = node.ask("/v1/tenants/acme/sources").await;
    let of = |name: &str| {
        sources["items"]
            .as_array()
            .unwrap()
            .iter()
            .find(|item| item["source"] == name)
            .cloned()
    };
    let emitter = of("urn:test:emitter").unwrap();
    assert_eq!(
        (&emitter["events"], &emitter["duplicates"], &emitter["conflicts"]),
        (&json!(1), &json!(1), &json!(1))
    );
    // The event as the log holds it, and the record that is in conflict with it.
    let event = node
        .ask("/v1/tenants/acme/events/01a1fd8d-0000-7000-8000-000000000001")
        .await;
    assert_eq!((&event["index"], &event["status"]), (&json!(0), &json!("counts")));
    assert_eq!(event["others"], json!([{"index": 2, "status": "event_conflict"}]));
}
