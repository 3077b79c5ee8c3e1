//! What the handlers share.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use axum::http::StatusCode;
use tokio::sync::Semaphore;
use verdict_schemas::TenantId;
use verdict_store::Store;
use verdict_store::access::Access;

use crate::metrics::Metrics;

/// Bounds on what one question may cost.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Limits {
    /// How many questions are computed at once; more wait their turn.
    pub concurrent: usize,
    /// The longest wait for what `after` names, or for a `known_at` whose records are being committed.
    pub wait: Duration,
    /// Items of a list when `limit` is not given.
    pub items: usize,
    /// The greatest `limit`.
    pub most_items: usize,
    /// Records that one request may read to check the filters that have no index.
    pub examined: usize,
    /// Index entries that one `count` may walk.
    pub counted: usize,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            concurrent: 64,
            wait: Duration::from_secs(5),
            items: 100,
            most_items: 1000,
            examined: 10_000,
            counted: 1_000_000,
        }
    }
}

/// The topics that the node reads, for `after=partition:offset`.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Topics {
    /// The tenants' events.
    pub events: String,
    /// The platform's.
    pub platform: String,
}

impl Default for Topics {
    fn default() -> Self {
        Self {
            events: "verdict.events.v1".to_owned(),
            platform: "verdict.platform.v1".to_owned(),
        }
    }
}

/// An entry of a catalogue of problems: the last segment of its `type`, its status, its title.
pub type ProblemEntry = (&'static str, StatusCode, &'static str);

/// Why the node should get no requests yet; `Ok` once it should.
pub type Readiness = Arc<dyn Fn() -> Result<(), String> + Send + Sync>;

/// Everything a question is answered from. Clones share it.
#[derive(Clone)]
pub struct QueryState {
    pub(crate) store: Store,
    pub(crate) access: Access,
    pub(crate) owners: Arc<BTreeMap<TenantId, String>>,
    pub(crate) topics: Arc<Topics>,
    pub(crate) limits: Limits,
    pub(crate) metrics: Metrics,
    pub(crate) ready: Readiness,
    pub(crate) turns: Arc<Semaphore>,
    /// Problems of other rooms, for `/problems/{code}`.
    pub(crate) problems: Arc<Vec<ProblemEntry>>,
}

impl QueryState {
    /// Answers from this store, to these callers, within the default limits.
    pub fn new(store: Store, access: Access) -> Self {
        let limits = Limits::default();
        Self {
            store,
            access,
            owners: Arc::default(),
            topics: Arc::default(),
            limits,
            metrics: Metrics::default(),
            ready: Arc::new(|| Ok(())),
            turns: Arc::new(Semaphore::new(limits.concurrent)),
            problems: Arc::default(),
        }
    }

    /// With tenants that other nodes hold: a question about one is answered 307 to its base URL (without a trailing `/`).
    #[must_use]
    pub fn with_owners(mut self, owners: BTreeMap<TenantId, String>) -> Self {
        self.owners = Arc::new(owners);
        self
    }

    /// With topics of other names.
    #[must_use]
    pub fn with_topics(mut self, topics: Topics) -> Self {
        self.topics = Arc::new(topics);
        self
    }

    /// With other limits.
    #[must_use]
    pub fn with_limits(mut self, limits: Limits) -> Self {
        self.limits = limits;
        self.turns = Arc::new(Semaphore::new(limits.concurrent.max(1)));
        self
    }

    /// With problems of other rooms, so that `/problems/{code}` knows every `type` of this server.
    #[must_use]
    pub fn with_problems(mut self, problems: impl IntoIterator<Item = ProblemEntry>) -> Self {
        self.problems = Arc::new(problems.into_iter().collect());
        self
    }

    /// With a condition for `/readyz`; until it holds, that answers 503 with the reason.
    #[must_use]
    pub fn with_readiness(mut self, ready: Readiness) -> Self {
        self.ready = ready;
        self
    }

    /// What the questions cost, to be registered for `/metrics`.
    pub fn metrics(&self) -> &Metrics {
        &self.metrics
    }
}
