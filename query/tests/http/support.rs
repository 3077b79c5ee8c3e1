//! A store, a router over it, and events to put in.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use axum::Router;
use axum::body::Body;
use axum::http::{HeaderMap, Request, StatusCode};
use serde_json::{Value, json};
use tempfile::TempDir;
use tower::ServiceExt as _;
use verdict_edge::access::Access;
use verdict_edge::{Edge, finish};
use verdict_query::{Limits, QueryState, router};
use verdict_schemas::Timestamp;
use verdict_store::{Incoming, LogName, Options, Provenance, RawTime, SourcePosition, Store};

/// A node in a temporary directory.
pub(crate) struct Node {
    pub(crate) store: Store,
    pub(crate) app: Router,
    pub(crate) dir: TempDir,
    offset: AtomicU64,
}

/// An answer.
#[derive(Debug)]
pub(crate) struct Reply {
    pub(crate) status: StatusCode,
    pub(crate) headers: HeaderMap,
    pub(crate) bytes: Vec<u8>,
}

impl Reply {
    pub(crate) fn json(&self) -> Value {
        serde_json::from_slice(&self.bytes).unwrap_or_else(|e| panic!("{e}: {}", String::from_utf8_lossy(&self.bytes)))
    }

    pub(crate) fn text(&self) -> String {
        String::from_utf8(self.bytes.clone()).unwrap()
    }

    pub(crate) fn header(&self, name: &str) -> &str {
        self.headers.get(name).map_or("", |value| value.to_str().unwrap())
    }

    /// The code of the problem that it is.
    pub(crate) fn problem(&self) -> String {
        assert_eq!(
            self.header("content-type"),
            "application/problem+json",
            "{}",
            self.text()
        );
        let json = self.json();
        assert_eq!(json["status"], self.status.as_u16());
        json["type"]
            .as_str()
            .unwrap()
            .strip_prefix("/problems/")
            .unwrap()
            .to_owned()
    }
}

impl Node {
    pub(crate) fn new() -> Self {
        Self::with(Access::open(), |edge| edge)
    }

    pub(crate) fn with(access: Access, configure: impl Fn(Edge) -> Edge) -> Self {
        Self::configured(access, configure, Limits::default())
    }

    fn configured(access: Access, configure: impl Fn(Edge) -> Edge, limits: Limits) -> Self {
        let dir = tempfile::tempdir().unwrap();
        let store = Store::open(dir.path(), options()).unwrap();
        let app = app(&store, access, configure, limits);
        Self {
            store,
            app,
            dir,
            offset: AtomicU64::new(0),
        }
    }

    /// With bounds so small that a test meets them.
    pub(crate) fn with_limits(limits: Limits) -> Self {
        Self::configured(Access::open(), |edge| edge, limits)
    }

    /// Closes the store and opens it again, as after a restart.
    pub(crate) fn reopen(self) -> Self {
        let Self {
            store,
            app,
            dir,
            offset,
        } = self;
        drop(app);
        store.close().unwrap();
        let store = Store::open(dir.path(), options()).unwrap();
        let app = app_of(&store);
        Self {
            store,
            app,
            dir,
            offset,
        }
    }

    /// Appends events to their tenants' logs, each recorded at the time beside it.
    pub(crate) async fn append(&self, events: &[(String, Value)]) {
        let batch = events.iter().map(|(recorded, event)| {
            let tenant = event["meta"]["tenant"].as_str().unwrap();
            self.incoming(tenant, recorded, event.to_string().into_bytes())
        });
        self.keep(batch.collect()).await;
    }

    /// Appends raw bytes.
    pub(crate) async fn append_raw(&self, tenant: &str, recorded: &str, value: &[u8]) {
        self.keep(vec![self.incoming(tenant, recorded, value.to_vec())]).await;
    }

    /// Appends raw bytes with headers, as an intake of ours does.
    pub(crate) async fn append_with(&self, tenant: &str, recorded: &str, headers: &[(&str, &[u8])], value: &[u8]) {
        let provenance = Provenance::Authenticated { principal: None };
        self.append_as(provenance, tenant, recorded, headers, value).await;
    }

    /// As [`Self::append_with`], by whoever this is.
    pub(crate) async fn append_as(
        &self,
        provenance: Provenance,
        tenant: &str,
        recorded: &str,
        headers: &[(&str, &[u8])],
        value: &[u8],
    ) {
        let mut incoming = self.incoming(tenant, recorded, value.to_vec());
        incoming.provenance = provenance;
        incoming.headers = headers
            .iter()
            .map(|(name, value)| ((*name).to_owned(), Some(value.to_vec().into())))
            .collect();
        self.keep(vec![incoming]).await;
    }

    /// Takes an event as the intake does, recorded now.
    pub(crate) async fn take(&self, event: Value) {
        let mut incoming = self.incoming(
            event["meta"]["tenant"].as_str().unwrap(),
            &at(0.0),
            event.to_string().into_bytes(),
        );
        (incoming.source, incoming.raw_time, incoming.key) = (SourcePosition::Intake, RawTime::Now, None);
        self.store.append(vec![incoming]).await.unwrap();
    }

    /// As the consumer says, everything recorded in the partition up to a time is held; `None`: nothing is known of it.
    pub(crate) fn whole_up_to(&self, time: Option<&str>) {
        let partition = verdict_store::KafkaPartition {
            cluster: "test".into(),
            topic: "verdict.events.v1".into(),
            partition: 0,
        };
        let time = time.map_or(Timestamp::MIN, |time| Timestamp::parse(time).unwrap());
        self.store.set_horizon(&partition, time);
    }

    /// Appends events without waiting for them to be visible.
    pub(crate) async fn append_unseen(&self, events: &[(String, Value)]) {
        let batch = events.iter().map(|(recorded, event)| {
            let tenant = event["meta"]["tenant"].as_str().unwrap();
            self.incoming(tenant, recorded, event.to_string().into_bytes())
        });
        let pending = self
            .store
            .append_kafka(batch.collect(), Vec::new(), Vec::new())
            .unwrap();
        tokio::task::spawn_blocking(|| pending.wait().unwrap()).await.unwrap();
    }

    /// As the consumer of a partition does: what a broker recorded keeps the broker's time.
    async fn keep(&self, batch: Vec<Incoming>) {
        let pending = self.store.append_kafka(batch, Vec::new(), Vec::new()).unwrap();
        let receipt = tokio::task::spawn_blocking(|| pending.wait().unwrap()).await.unwrap();
        for head in receipt.logs {
            let visible = self.store.wait_visible(&head.name, head.size, Duration::from_secs(60));
            assert!(visible.await, "it becomes visible");
        }
    }

    fn incoming(&self, tenant: &str, recorded: &str, value: Vec<u8>) -> Incoming {
        Incoming {
            log: tenant.parse::<LogName>().unwrap(),
            source: SourcePosition::Kafka {
                cluster: "test".into(),
                topic: "verdict.events.v1".into(),
                partition: 0,
                offset: self.offset.fetch_add(1, Ordering::Relaxed),
            },
            key: Some(tenant.as_bytes().to_vec().into()),
            headers: Vec::new(),
            value: value.into(),
            raw_time: RawTime::Broker(Timestamp::parse(recorded).unwrap()),
            provenance: Provenance::Claimed,
            dedup: None,
            route: None,
        }
    }

    pub(crate) async fn get(&self, path: &str) -> Reply {
        self.send("GET", path, &[]).await
    }

    /// Asks, and expects an answer.
    pub(crate) async fn ask(&self, path: &str) -> Value {
        let reply = self.get(path).await;
        assert_eq!(reply.status, StatusCode::OK, "{path}: {}", reply.text());
        reply.json()
    }

    pub(crate) async fn send(&self, method: &str, path: &str, headers: &[(&str, &str)]) -> Reply {
        send(&self.app, method, path, headers).await
    }
}

pub(crate) fn options() -> Options {
    Options {
        fsync: false,
        memory_bytes: 128 << 20,
        // The same in every node: the same records then have the same roots.
        salt_key: Some([7; 32]),
        ..Options::default()
    }
}

fn app_of(store: &Store) -> Router {
    app(store, Access::open(), |edge| edge, Limits::default())
}

fn app(store: &Store, access: Access, configure: impl Fn(Edge) -> Edge, limits: Limits) -> Router {
    let edge = configure(Edge::new(store.clone(), access));
    let questions = router(QueryState::new(edge.clone()).with_limits(limits));
    finish(questions.merge(verdict_edge::router(edge.clone())), &edge)
}

async fn send(app: &Router, method: &str, path: &str, headers: &[(&str, &str)]) -> Reply {
    let mut request = Request::builder().method(method).uri(path);
    for (name, value) in headers {
        request = request.header(*name, *value);
    }
    let response = app.clone().oneshot(request.body(Body::empty()).unwrap()).await.unwrap();
    let (parts, body) = response.into_parts();
    let bytes = axum::body::to_bytes(body, usize::MAX).await.unwrap().to_vec();
    Reply {
        status: parts.status,
        headers: parts.headers,
        bytes,
    }
}

/// `2026-03-01T00:00:00Z` plus so many seconds.
pub(crate) fn at(seconds: f64) -> String {
    let start = Timestamp::parse("2026-03-01T00:00:00Z").unwrap().as_micros();
    #[expect(clippy::cast_possible_truncation, reason = "tests stay within a day")]
    let micros = (seconds * 1e6).round() as i64;
    Timestamp::from_micros(start + micros).unwrap().to_string()
}

/// A UUID of a number.
pub(crate) fn uuid(number: u64) -> String {
    format!("01a1fd8d-0000-7000-8000-{number:012x}")
}

/// An event that happened and was recorded so many seconds after the start.
pub(crate) fn event(number: u64, seconds: f64, tenant: &str, kind: &str, body: Value) -> (String, Value) {
    let intent = matches!(kind, "rollout" | "artifact_published" | "object_changed");
    let mut meta = json!({
        "event_id": uuid(number), "tenant": tenant, "source": "urn:test:emitter", "event_time": at(seconds), "labels": {},
    });
    if !intent {
        meta["environment"] = "prod".into();
    }
    (at(seconds), json!({"kind": kind, "meta": meta, "body": body}))
}

pub(crate) fn tenant_scope(tenant: &str) -> Value {
    json!({"layer": "tenant", "tenant": tenant, "environment": "*"})
}

pub(crate) fn started(number: u64, seconds: f64, tenant: &str, id: &str, version: &str) -> (String, Value) {
    let body = json!({
        "rollout_id": id, "phase": "started", "scope": tenant_scope(tenant), "policy": "authz", "to_version": version,
        "max_inconsistency_ms": 5000,
    });
    event(number, seconds, tenant, "rollout", body)
}

pub(crate) fn seen(number: u64, seconds: f64, tenant: &str, agent: &str, version: &str) -> (String, Value) {
    let body = json!({
        "agent": agent, "incarnation": "i1", "labels": {}, "lease_ms": 600_000,
        "active": [{"scope": tenant_scope(tenant), "policy": "authz", "status": "applied", "version": version}],
    });
    event(number, seconds, tenant, "agent_seen", body)
}

/// A decision; `fields` are put over what it has otherwise.
pub(crate) fn decision(number: u64, seconds: f64, tenant: &str, fields: Value) -> (String, Value) {
    let mut body = json!({
        "decision_id": format!("d{number}"), "actor": {"type": "user", "id": "alice"}, "action": "read",
        "resource": {"type": "album", "id": "a1"}, "outcome": "allow", "reasons": [], "determining_rules": [],
        "policies": [{"scope": tenant_scope(tenant), "policy": "authz", "version": "v1"}],
        "masked": [], "erased": [], "agent": "pdp-1", "incarnation": "i1", "mode": "normal",
    });
    for (name, value) in fields.as_object().unwrap() {
        body[name] = value.clone();
    }
    event(number, seconds, tenant, "decision", body)
}

/// Puts `{name}` of each entry into a template.
pub(crate) fn fill(template: &str, values: &BTreeMap<String, String>) -> String {
    values.iter().fold(template.to_owned(), |text, (name, value)| {
        text.replace(&format!("{{{name}}}"), value)
    })
}
