//! A node in a temporary folder, and events to send to it.

use std::io::Write as _;
use std::sync::Arc;

use axum::Router;
use axum::body::Body;
use axum::http::{Request, StatusCode};
use http_body_util::BodyExt as _;
use serde_json::{Value, json};
use tempfile::TempDir;
use tower::ServiceExt as _;
use verdict_edge::Edge;
use verdict_edge::access::Access;
use verdict_ingest::{IntakeLimits, IntakeState, OpaSettings, Sink, router};
use verdict_schemas::{Event, Interpretation, TenantId};
use verdict_store::{Flag, LeafIndex, LogName, Options, Record, Store, TreeSize};

/// A node without Kafka.
pub(crate) struct Node {
    pub(crate) store: Store,
    router: Router,
    folder: TempDir,
}

/// An answer.
#[derive(Debug)]
pub(crate) struct Answer {
    pub(crate) status: StatusCode,
    pub(crate) content_type: String,
    pub(crate) retry_after: Option<String>,
    pub(crate) location: Option<String>,
    pub(crate) body: Value,
}

impl Answer {
    /// The code of a problem: the last segment of its `type`, after its shape was checked.
    pub(crate) fn problem(&self) -> String {
        assert_eq!(self.content_type, "application/problem+json", "{self:?}");
        assert_eq!(self.body["status"], self.status.as_u16(), "{self:?}");
        assert!(
            self.body["title"].is_string() && self.body["detail"].is_string(),
            "{self:?}"
        );
        self.body["type"]
            .as_str()
            .unwrap()
            .strip_prefix("/problems/")
            .unwrap()
            .to_owned()
    }

    /// `rule` and `field` of each event refused, with its line.
    pub(crate) fn rejected(&self) -> Vec<(u64, String, String)> {
        let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
        let list = self.body["rejected"].as_array().unwrap();
        let one = |r: &Value| {
            let problem = &r["problem"];
            assert!(problem["type"].as_str().unwrap().starts_with("/problems/"), "{r}");
            assert!(
                !text(&problem["title"]).is_empty() && !text(&problem["detail"]).is_empty(),
                "{r}"
            );
            (
                r["line"].as_u64().unwrap(),
                text(&problem["rule"]),
                text(&problem["field"]),
            )
        };
        list.iter().map(one).collect()
    }

    /// `status` and `index` of each event taken.
    pub(crate) fn results(&self) -> Vec<(String, u64)> {
        let list = self.body["results"].as_array().unwrap();
        list.iter()
            .map(|r| (r["status"].as_str().unwrap().to_owned(), r["index"].as_u64().unwrap()))
            .collect()
    }
}

impl Node {
    pub(crate) fn new() -> Self {
        Self::with(IntakeLimits::default(), Access::open())
    }

    pub(crate) fn limited(limits: IntakeLimits) -> Self {
        Self::with(limits, Access::open())
    }

    pub(crate) fn with(limits: IntakeLimits, access: Access) -> Self {
        Self::configured(limits, access, |edge| edge)
    }

    pub(crate) fn configured(limits: IntakeLimits, access: Access, configure: impl Fn(Edge) -> Edge) -> Self {
        Self::over(tempfile::tempdir().unwrap(), limits, access, configure)
    }

    /// The same node after a restart, without access control.
    pub(crate) fn restarted(self) -> Self {
        let Self { store, router, folder } = self;
        drop(router);
        store.close().unwrap();
        Self::over(folder, IntakeLimits::default(), Access::open(), |edge| edge)
    }

    fn over(folder: TempDir, limits: IntakeLimits, access: Access, configure: impl Fn(Edge) -> Edge) -> Self {
        let options = Options {
            memory_bytes: 128 << 20,
            fsync: false,
            ..Options::default()
        };
        let store = Store::open(folder.path(), options).unwrap();
        let opa = Arc::new(OpaSettings::default());
        let state = IntakeState {
            edge: configure(Edge::new(store.clone(), access)),
            sink: Sink::Store,
            limits,
            opa,
        };
        Self {
            store,
            router: router(state),
            folder,
        }
    }

    pub(crate) async fn request(&self, request: Request<Body>) -> Answer {
        let response = self.router.clone().oneshot(request).await.unwrap();
        let header = |name| response.headers().get(name).map(|v| v.to_str().unwrap().to_owned());
        let (status, content_type, retry_after, location) = (
            response.status(),
            header("content-type").unwrap_or_default(),
            header("retry-after"),
            header("location"),
        );
        let bytes = response.into_body().collect().await.unwrap().to_bytes();
        let body = if bytes.is_empty() {
            Value::Null
        } else {
            serde_json::from_slice(&bytes).unwrap()
        };
        Answer {
            status,
            content_type,
            retry_after,
            location,
            body,
        }
    }

    /// POSTs with headers.
    pub(crate) async fn post(&self, path: &str, headers: &[(&str, &str)], body: impl Into<Body>) -> Answer {
        let builder = Request::post(path);
        let builder = headers
            .iter()
            .fold(builder, |builder, (name, value)| builder.header(*name, *value));
        self.request(builder.body(body.into()).unwrap()).await
    }

    /// POSTs events as `application/json` into `acme`.
    pub(crate) async fn send(&self, body: impl Into<Body>) -> Answer {
        self.post("/v1/tenants/acme/events", &[("content-type", "application/json")], body)
            .await
    }

    /// POSTs events a line each into `acme`.
    pub(crate) async fn send_lines(&self, body: impl Into<Body>) -> Answer {
        self.post(
            "/v1/tenants/acme/events",
            &[("content-type", "application/x-ndjson")],
            body,
        )
        .await
    }

    /// POSTs decision events the way OPA does.
    pub(crate) async fn opa_logs(&self, array: &[u8]) -> Answer {
        let headers = [("content-type", "application/json"), ("content-encoding", "gzip")];
        self.post("/opa/v1/acme/prod/logs", &headers, gzip(array)).await
    }

    /// POSTs a status the way OPA does.
    pub(crate) async fn opa_status(&self, status: &[u8]) -> Answer {
        self.post(
            "/opa/v1/acme/prod/status",
            &[("content-type", "application/json")],
            status.to_vec(),
        )
        .await
    }

    /// How many records a tenant's log has.
    pub(crate) fn size(&self, tenant: &str) -> u64 {
        let name = LogName::Tenant(TenantId::parse(tenant).unwrap());
        self.store.snapshot().log(&name).unwrap().map_or(0, |log| {
            assert_eq!(log.size, log.visible.size, "what was answered is visible");
            log.size.0
        })
    }

    /// The record and event at an index of `acme`.
    pub(crate) fn event(&self, index: u64) -> (Record, Event) {
        let snapshot = self.store.snapshot();
        let log = snapshot
            .log(&LogName::Tenant(TenantId::parse("acme").unwrap()))
            .unwrap()
            .unwrap();
        match snapshot.event(log.id, LeafIndex(index)).unwrap().unwrap() {
            (record, Interpretation::Event(event)) => (record, event),
            (_, other) => panic!("{other:?}"),
        }
    }

    /// The flag of an index of `acme`.
    pub(crate) fn flag(&self, index: u64) -> Option<Flag> {
        let snapshot = self.store.snapshot();
        let log = snapshot
            .log(&LogName::Tenant(TenantId::parse("acme").unwrap()))
            .unwrap()
            .unwrap();
        assert!(TreeSize(index) < log.visible.size);
        snapshot.flag(log.id, LeafIndex(index), log.visible).unwrap()
    }

    /// The record at an index of `acme`.
    pub(crate) fn record(&self, index: u64) -> Record {
        let snapshot = self.store.snapshot();
        let log = snapshot
            .log(&LogName::Tenant(TenantId::parse("acme").unwrap()))
            .unwrap()
            .unwrap();
        snapshot.record(log.id, LeafIndex(index)).unwrap().unwrap()
    }
}

/// The value of a header kept with a record.
pub(crate) fn header(record: &Record, name: &str) -> Option<Vec<u8>> {
    record
        .headers
        .iter()
        .find(|(key, _)| key == name)
        .and_then(|(_, value)| value.as_ref().map(|v| v.to_vec()))
}

/// The foreign bytes kept with a record, as received.
pub(crate) fn foreign(record: &Record) -> Vec<u8> {
    let bytes = header(record, "verdict-foreign").unwrap();
    match header(record, "verdict-foreign-encoding").as_deref() {
        Some(b"zstd") => zstd::decode_all(&bytes[..]).unwrap(),
        None => bytes,
        Some(other) => panic!("{other:?}"),
    }
}

pub(crate) fn gzip(bytes: &[u8]) -> Vec<u8> {
    let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::default());
    encoder.write_all(bytes).unwrap();
    encoder.finish().unwrap()
}

/// A UUID out of a number.
pub(crate) fn id(n: u64) -> String {
    format!("0190c0de-0000-7000-8000-{n:012x}")
}

fn meta(n: u64) -> Value {
    json!({
        "event_id": id(n), "tenant": "acme", "source": "https://pdp.example", "environment": "prod",
        "event_time": "2026-03-01T12:00:00Z"
    })
}

/// A decision.
pub(crate) fn decision(n: u64) -> Value {
    json!({"kind": "decision", "meta": meta(n), "body": {
        "decision_id": format!("d-{n}"), "actor": {"type": "user", "id": "alice"}, "action": "read",
        "resource": {"type": "document", "id": "42"}, "outcome": "allow",
        "policies": [{"scope": {"layer": "tenant", "tenant": "acme", "environment": "prod"}, "policy": "authz", "version": "v1"}]
    }})
}

/// A rollout: intent.
pub(crate) fn rollout(n: u64) -> Value {
    json!({"kind": "rollout", "meta": meta(n), "body": {
        "rollout_id": format!("r-{n}"), "phase": "started", "policy": "authz", "to_version": "v2",
        "scope": {"layer": "tenant", "tenant": "acme", "environment": "prod"}, "max_inconsistency_ms": 60000
    }})
}

/// A binding of the bundle `name`; `more` is merged into its document.
pub(crate) fn binding(n: u64, name: &str, more: &Value) -> Value {
    let mut document = json!({"name": name, "policy": "access",
        "scope": {"layer": "tenant", "tenant": "acme", "environment": "*"}});
    document
        .as_object_mut()
        .unwrap()
        .extend(more.as_object().unwrap().clone());
    json!({"kind": "object_changed", "meta": meta(n), "body": {
        "object": {"kind": "binding", "id": format!("b-{name}")}, "version": format!("{n}"), "after": format!("{n}"),
        "by": {"type": "human", "id": "ops"}, "document": document
    }})
}

/// A sample of OPA.
pub(crate) fn sample(name: &str) -> Vec<u8> {
    let path = std::path::Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("tests/samples/opa")
        .join(name);
    std::fs::read(&path).unwrap_or_else(|e| panic!("{}: {e}", path.display()))
}
