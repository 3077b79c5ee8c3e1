//! Three nodes over twelve partitions of a real Kafka: whoever asks the wrong one is sent to the right one, an OPA reports to
//! any, and a node that is lost is replaced by an empty directory.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::{Context, Result, bail, ensure};
use reqwest::redirect::Policy;
use reqwest::{Client, StatusCode};
use serde_json::{Value, json};
use sha2::{Digest as _, Sha256};
use tempfile::TempDir;
use verdict_edge::partition_of;
use verdict_tests::authority::Authority;
use verdict_tests::events::{ago, decision, seen, started};
use verdict_tests::kafka::Kafka;
use verdict_tests::node::{self, POLLS};
use verdict_tests::server::{Answer, Server, verdict};
use verdict_tests::tools::free_port;

const PARTITIONS: u32 = 12;
/// What each node reads.
const SHARES: [&str; 3] = ["0-3", "4-7", "8-11"];

/// Three nodes, their addresses and what they share. The third knows nobody who reads the partitions of the second.
struct Cluster {
    kafka: Kafka,
    folder: TempDir,
    authority: Authority,
    client: Client,
    ports: [u16; 3],
    nodes: Vec<Server>,
}

/// A tenant of each node, in their order: acme is in partition 0, globex in 7, and the third is searched for.
fn tenants() -> [String; 3] {
    let third = (0..).map(|n| format!("tenant-{n}"));
    let mut third = third.skip_while(|name| partition_of(name.as_bytes(), PARTITIONS) < 8);
    ["acme".to_owned(), "globex".to_owned(), third.next().unwrap_or_default()]
}

fn tokens(folder: &Path) -> Result<()> {
    let entry = |name: &str, tenants: &str, role: &str| {
        let digest = hex::encode(Sha256::digest(name.as_bytes()));
        format!("[[token]]\nname = '{name}'\nsha256 = '{digest}'\ntenants = ['{tenants}']\nroles = ['{role}']\n")
    };
    let entries = [
        entry("admin", "*", "admin"),
        entry("opa", "acme", "emit"),
        entry("reader", "acme", "read"),
        entry("node", "*", "node"),
    ];
    std::fs::write(folder.join("tokens.toml"), entries.concat())?;
    std::fs::write(folder.join("node.token"), "node\n")?;
    Ok(())
}

impl Cluster {
    async fn start() -> Result<Self> {
        let kafka = Kafka::start().await?;
        node::create_topics(&kafka, PARTITIONS).await?;
        let folder = tempfile::tempdir()?;
        tokens(folder.path())?;
        let authority = Authority::new("the cluster's")?;
        authority.identity()?.write(folder.path(), "node")?;
        // It follows no redirect: what a node answers is what is looked at.
        let client = Client::builder().no_proxy().redirect(Policy::none());
        let roots = reqwest::Certificate::from_pem_bundle(&std::fs::read(authority.file())?)?;
        let shown = ["node.crt", "node.key"].map(|name| std::fs::read(folder.path().join(name)));
        let [cert, key] = shown;
        let client = client.identity(reqwest::Identity::from_pkcs8_pem(&cert?, &key?)?);
        let client = client.tls_certs_only(roots).build()?;
        let mut cluster = Self {
            kafka,
            folder,
            authority,
            client,
            ports: [free_port()?, free_port()?, free_port()?],
            nodes: Vec::new(),
        };
        for number in 0..3 {
            let node = cluster.launch(number)?;
            cluster.nodes.push(node);
        }
        for node in &mut cluster.nodes {
            node.wait_ready().await?;
        }
        Ok(cluster)
    }

    /// A node with an empty directory.
    fn launch(&self, number: usize) -> Result<Server> {
        let mut config = format!(
            "tokens = {:?}\n[tls]\ncert = {:?}\nkey = {:?}\nclient_ca = {:?}\nclient_required = true\n[kafka]\npartitions = {:?}\n[kafka.properties]\n\"bootstrap.servers\" = {:?}\n[node]\ntoken_file = {:?}\nca_file = {:?}\ncert_file = {:?}\nkey_file = {:?}\n[owners]\n",
            self.file("tokens.toml"),
            self.file("node.crt"),
            self.file("node.key"),
            self.authority.file(),
            SHARES[number],
            self.kafka.bootstrap(),
            self.file("node.token"),
            self.authority.file(),
            self.file("node.crt"),
            self.file("node.key"),
        );
        for (share, port) in SHARES.iter().zip(self.ports) {
            if number != 2 || *share != SHARES[1] {
                config.push_str(&format!("{share:?} = \"https://127.0.0.1:{port}\"\n"));
            }
        }
        let path = self.file(&format!("node-{number}.toml"));
        std::fs::write(&path, config)?;
        let mut node = Server::launch_on(self.ports[number], &["--config", &path.display().to_string()])?;
        node.use_token("admin");
        // Whoever shows no certificate is not let in: neither a caller nor another node.
        node.trust_as(
            &self.authority.file(),
            Some((&self.file("node.crt"), &self.file("node.key"))),
        )?;
        Ok(node)
    }

    fn file(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    /// A GET, whoever asks.
    async fn raw(&self, number: usize, token: &str, path: &str) -> Result<reqwest::Response> {
        let request = self.client.get(self.nodes[number].url(path)).bearer_auth(token);
        Ok(request.send().await?)
    }

    /// What `find` finds, once it finds so much.
    async fn found(&self, number: usize, id: &str, places: usize) -> Result<Value> {
        for _ in 0..POLLS {
            let found = self.nodes[number].get_json(&format!("/v1/find?id={id}")).await?;
            if found["items"].as_array().is_some_and(|items| items.len() >= places) {
                return Ok(found);
            }
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
        bail!("`{id}` is not found in {places} places:\n{}", self.nodes[number].log())
    }

    /// An OPA's upload of one decision.
    async fn report(&self, number: usize, id: &str) -> Result<Answer> {
        report(&self.client, &self.nodes[number], id).await
    }
}

/// An OPA's upload of one decision to any node.
async fn report(client: &Client, node: &Server, id: &str) -> Result<Answer> {
    let event = json!([{
        "decision_id": id, "timestamp": "2026-03-01T12:00:00Z", "path": "authz/allow", "result": true, "input": {},
        "labels": {"id": "opa-1", "version": "1.0.0"}, "bundles": {"authz": {"revision": "r1"}},
    }]);
    let path = node.url("/opa/v1/acme/prod/logs");
    let request = client.post(path).bearer_auth("opa");
    let request = request.header("content-type", "application/json");
    let answer = request.body(event.to_string()).send().await?;
    Ok(Answer {
        status: answer.status(),
        content_type: String::new(),
        body: answer.bytes().await?.to_vec(),
    })
}

fn events(tenant: &str) -> Value {
    json!([
        started(tenant, &ago(30), "r1", "v1"),
        seen(tenant, &ago(29), "a1", "v1"),
        decision(tenant, &ago(20), "a1", "dana", "v1"),
    ])
}

/// The position of the last of some events, for `after`.
fn last(answer: &Value) -> Result<String> {
    let results = answer["results"].as_array().context("results")?;
    let position = &results.last().context("a result")?["position"];
    Ok(format!("{}:{}", position["partition"], position["offset"]))
}

#[tokio::test]
async fn three_nodes_are_one_service_and_one_of_them_can_be_lost() -> Result<()> {
    let mut cluster = Cluster::start().await?;
    let tenants = tenants();
    // All sent to the first node, which holds one of them.
    let mut after = BTreeMap::new();
    for tenant in &tenants {
        let sent = cluster.nodes[0].emit(tenant, &events(tenant)).await?;
        after.insert(tenant, last(&sent)?);
    }
    let question = |tenant: &String| format!("/v1/tenants/{tenant}/decisions?after={}", after[tenant]);

    // Each is answered by its holder, and by nobody else denied.
    for (holder, tenant) in tenants.iter().enumerate() {
        for number in 0..3 {
            let answer = cluster.raw(number, "admin", &question(tenant)).await?;
            let location = answer.headers().get("location").map(|l| l.to_str().map(str::to_owned));
            let location = location.transpose()?;
            match (number, holder) {
                (2, 1) => {
                    assert_eq!((answer.status(), location), (StatusCode::MISDIRECTED_REQUEST, None));
                    let problem: Value = serde_json::from_slice(&answer.bytes().await?)?;
                    assert_eq!(
                        (&problem["type"], &problem["partition"]),
                        (&json!("/problems/misdirected"), &json!(7))
                    );
                }
                _ if number == holder => {
                    let answer: Value = serde_json::from_slice(&answer.bytes().await?)?;
                    assert_eq!(answer["items"].as_array().map(Vec::len), Some(1), "{answer}");
                }
                _ => {
                    assert_eq!(answer.status(), StatusCode::TEMPORARY_REDIRECT);
                    assert_eq!(location, Some(cluster.nodes[holder].url(&question(tenant))));
                }
            }
            // Who may not read it is told what he is told of a tenant that is nowhere (A7).
            let hidden = cluster.raw(number, "reader", &question(tenant)).await?;
            ensure!(
                tenant == "acme" || hidden.status() == StatusCode::NOT_FOUND,
                "{}",
                hidden.status()
            );
        }
    }

    // Our own client takes its token to the nodes that it was named, and to no others.
    let (first, second) = (cluster.nodes[0].url(""), cluster.nodes[1].url(""));
    let ca = cluster.authority.file().display().to_string();
    let [cert, key] = ["node.crt", "node.key"].map(|name| cluster.file(name).display().to_string());
    let asked = [
        "decisions",
        "acme",
        "-o",
        "ndjson",
        "--token",
        "admin",
        "--ca-file",
        &ca,
        "--cert-file",
        &cert,
        "--key-file",
        &key,
        "--server",
    ];
    let named = format!("{second},{first}");
    let told = verdict(&[&asked[..], &[&named]].concat(), b"").await?;
    ensure!(told.status.success(), "{}", String::from_utf8_lossy(&told.stderr));
    ensure!(String::from_utf8_lossy(&told.stdout).contains("dana"));
    let told = verdict(&[&asked[..], &[&second]].concat(), b"").await?;
    assert_eq!(told.status.code(), Some(2));
    ensure!(String::from_utf8_lossy(&told.stderr).contains(&first));

    // `find` looks everywhere, and says where it could not.
    let everywhere = cluster.found(0, "a1", 3).await?;
    let of = |found: &Value| -> Vec<String> {
        let items = found["items"].as_array().cloned().unwrap_or_default();
        items
            .iter()
            .map(|item| item["tenant"].as_str().unwrap_or_default().to_owned())
            .collect()
    };
    let mut sorted = tenants.to_vec();
    sorted.sort();
    assert_eq!((of(&everywhere), &everywhere["complete"]), (sorted, &json!(true)));
    ensure!(everywhere.get("not_asked").is_none(), "{everywhere}");
    let partly = cluster.found(2, "a1", 2).await?;
    assert_eq!(partly["complete"], false);
    assert_eq!(partly["not_asked"][0]["partitions"], SHARES[1]);
    let hers = cluster.raw(1, "reader", "/v1/find?id=a1").await?;
    assert_eq!(of(&serde_json::from_slice(&hers.bytes().await?)?), ["acme"]);

    // An OPA reports to whichever node, and its reports are read where its bindings are.
    let sent = cluster.report(1, "opa-decision-1").await?;
    assert_eq!(sent.status, StatusCode::ACCEPTED, "{}", sent.text());
    cluster.found(0, "opa-decision-1", 1).await?;
    let forged = cluster.nodes[0]
        .request(
            reqwest::Method::GET,
            "/v1/find?id=a1",
            &[("verdict-on-behalf-of", "%7B%7D")],
            Vec::new(),
        )
        .await?;
    assert_eq!(forged.status, StatusCode::FORBIDDEN, "an admin is no node");

    // The first node is lost. What it held is asked for in vain, and so it is said.
    let pinned = cluster.nodes[0].get_json("/v1/tenants/acme/decisions").await?;
    let effective = cluster.nodes[0]
        .get_json("/v1/tenants/acme/effective?environment=prod")
        .await?;
    cluster.nodes[0].kill().await?;
    let sent = cluster.report(1, "opa-decision-2").await?;
    assert_eq!(sent.status, StatusCode::SERVICE_UNAVAILABLE, "{}", sent.text());
    assert_eq!(sent.json()?["type"], "/problems/owner_unreachable");
    let without = cluster.found(1, "a1", 2).await?;
    assert_eq!(
        (&without["complete"], &without["not_asked"][0]["owner"]),
        (&json!(false), &json!(first))
    );

    // An empty directory takes its place, and gives the same answers.
    let mut fresh = cluster.launch(0)?;
    fresh.wait_ready().await?;
    cluster.nodes[0] = fresh;
    for (question, before) in [
        ("/v1/tenants/acme/decisions?", &pinned),
        ("/v1/tenants/acme/effective?environment=prod&", &effective),
    ] {
        let token = before["as_of"].as_str().context("as_of")?;
        let again = cluster.nodes[0].get_json(&format!("{question}as_of={token}")).await?;
        assert_eq!(&again, before, "{question}");
    }
    let sent = cluster.report(1, "opa-decision-2").await?;
    assert_eq!(sent.status, StatusCode::ACCEPTED, "{}", sent.text());
    cluster.found(2, "opa-decision-2", 1).await?;
    for mut node in cluster.nodes {
        node.stop().await?;
        node::audit(&node.data()).await?;
    }
    Ok(())
}

/// Without Kafka there is no partition that a tenant would belong to: it is named.
#[tokio::test]
async fn without_kafka_tenants_are_named_and_nodes_that_disagree_say_so() -> Result<()> {
    let folder = tempfile::tempdir()?;
    tokens(folder.path())?;
    let ports = [free_port()?, free_port()?];
    // Both are asked for acme; the second keeps it. Of globex each says that the other does.
    let launch = |number: usize, owners: &[(&str, u16)]| -> Result<Server> {
        let (tokens, token) = (folder.path().join("tokens.toml"), folder.path().join("node.token"));
        let mut config = format!("tokens = {tokens:?}\n[node]\ntoken_file = {token:?}\n[owners]\n");
        for (tenant, port) in owners {
            config.push_str(&format!("{tenant} = \"http://127.0.0.1:{port}\"\n"));
        }
        let path = folder.path().join(format!("{number}.toml"));
        std::fs::write(&path, config)?;
        let mut node = Server::launch_on(ports[number], &["--config", &path.display().to_string()])?;
        node.use_token("admin");
        Ok(node)
    };
    let mut first = launch(0, &[("acme", ports[1]), ("globex", ports[1])])?;
    let mut second = launch(1, &[("globex", ports[0])])?;
    first.wait_ready().await?;
    second.wait_ready().await?;
    let client = Client::builder().no_proxy().redirect(Policy::none()).build()?;

    // What an OPA reports to the first is kept by the second, as that OPA's.
    let sent = report(&client, &first, "opa-decision-1").await?;
    assert_eq!(sent.status, StatusCode::OK, "{}", sent.text());
    let kept = second.get_json("/v1/tenants/acme/decision?id=opa-decision-1").await?;
    assert_eq!(kept["principal"], "opa", "{kept}");
    let found = first.get_json("/v1/find?id=opa-decision-1").await?;
    assert_eq!(found["items"].as_array().map(Vec::len), Some(1), "{found}");
    // Nobody has looked for it in globex.
    let unseen = &found["not_asked"];
    assert_eq!(
        (&found["complete"], &unseen[0]["tenants"]),
        (&json!(false), &json!(["globex"])),
        "{found}"
    );
    assert_eq!(unseen.as_array().map(Vec::len), Some(1), "{found}");

    // Events are sent where they are kept; a sender goes there himself.
    let path = "/v1/tenants/acme/events";
    let events = events("acme").to_string();
    let redirected = client
        .post(first.url(path))
        .bearer_auth("admin")
        .body(events.clone())
        .send()
        .await?;
    assert_eq!(redirected.status(), StatusCode::TEMPORARY_REDIRECT);
    assert_eq!(redirected.headers()["location"], second.url(path));
    let servers = format!("{},{}", first.url(""), second.url(""));
    let emitted = ["emit", "acme", "-", "--quiet", "--token", "admin", "--server", &servers];
    let emitted = verdict(&emitted, events.as_bytes()).await?;
    ensure!(emitted.status.success(), "{}", String::from_utf8_lossy(&emitted.stderr));
    assert_eq!(node::items(&second, "/v1/tenants/acme/decisions").await?.len(), 2);

    let globex = client
        .post(first.url("/opa/v1/globex/prod/status"))
        .bearer_auth("admin");
    let lost = globex.body("{}").send().await?;
    assert_eq!(lost.status(), StatusCode::MISDIRECTED_REQUEST, "{}", lost.text().await?);
    first.stop().await?;
    second.stop().await
}
