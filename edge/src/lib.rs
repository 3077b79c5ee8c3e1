//! The edge: what every door of a node shares, whatever comes in through it.
//!
//! A door is a package with routes: the intake, the questions, and whatever else will be served. Each would otherwise bring its
//! own way to tell who calls ([`access`]), to refuse ([`Problem`]), to read parameters strictly ([`Params`]) and bodies within
//! bounds ([`body`]), to send its caller to the node that holds a tenant ([`Owners`]) and to say whether it is ready
//! ([`Readiness`]); and they would come to differ. What a route needs of its caller and of the log in its path it *declares*,
//! as a type of its handler's arguments ([`Need`]), so that nobody finds it out from a path.
//!
//! What is deliberately absent: any route about a tenant, any rule about what an answer says, any write.

pub mod access;
pub mod body;

mod accept;
mod ahead;
mod followers;
mod health;
mod metrics;
mod need;
mod owners;
mod params;
mod partition;
mod peers;
pub mod percent;
mod problem;
mod readiness;
mod turns;

use axum::Router;
use axum::http::{Method, Uri};
use axum::middleware::from_fn_with_state;
use axum::routing::{get, post};
use verdict_store::Store;

pub use accept::Accept;
pub use health::opening;
pub use metrics::Metrics;
pub use need::{Admitted, Answerable, AnyLog, Need, NoLog, Policies, Reporting, Sending, Tenant, caller};
pub use owners::{Holder, Owners, Part, Share};
pub use params::{CUT, ID, LIST, Params};
pub use partition::partition_of;
pub use peers::{Peers, Sent, Shown};
pub use problem::{Answer, Code, Problem, documented};
pub use readiness::Readiness;
pub use turns::Turns;

use crate::access::Access;

/// What the doors of one node share. Clones share it.
#[derive(Clone, Debug)]
pub struct Edge {
    store: Store,
    access: Access,
    owners: Owners,
    peers: Option<Peers>,
    readiness: Readiness,
    metrics: Metrics,
}

/// State of a router that stands on an edge.
pub trait HasEdge {
    /// The edge.
    fn edge(&self) -> &Edge;
}

impl<T: HasEdge> HasEdge for std::sync::Arc<T> {
    fn edge(&self) -> &Edge {
        self.as_ref().edge()
    }
}

impl Edge {
    /// Lets these callers in to what this store holds. It is ready as long as the store is.
    pub fn new(store: Store, access: Access) -> Self {
        Self {
            readiness: Readiness::default().with("store", readiness::of_store(&store)),
            store,
            access,
            owners: Owners::default(),
            peers: None,
            metrics: Metrics::default(),
        }
    }

    /// With what other nodes hold.
    #[must_use]
    pub fn with_owners(mut self, owners: Owners) -> Self {
        self.owners = owners;
        self
    }

    /// With a way to them, for what is sent on from node to node.
    #[must_use]
    pub fn with_peers(mut self, peers: Peers) -> Self {
        self.peers = Some(peers);
        self
    }

    /// With another part of the node that has a say in whether it is ready: until it is, `/readyz` gives its reason.
    #[must_use]
    pub fn with_part(
        mut self,
        name: &'static str,
        ready: impl Fn() -> Result<(), String> + Send + Sync + 'static,
    ) -> Self {
        self.readiness = self.readiness.with(name, ready);
        self
    }

    /// What is kept here.
    pub fn store(&self) -> &Store {
        &self.store
    }

    /// Who may do what.
    pub fn access(&self) -> &Access {
        &self.access
    }

    /// What other nodes hold.
    pub fn owners(&self) -> &Owners {
        &self.owners
    }

    /// The way to them, if there is one.
    pub fn peers(&self) -> Option<&Peers> {
        self.peers.as_ref()
    }

    /// What requests cost, to be registered for `/metrics`.
    pub fn metrics(&self) -> &Metrics {
        &self.metrics
    }
}

/// The routes about the node itself. It has no fallbacks, so that it can be merged with those of the doors; [`finish`] adds them.
pub fn router(edge: Edge) -> Router {
    Router::new()
        .route("/healthz", get(health::healthz))
        .route("/readyz", get(health::readyz))
        .route("/problems/{code}", get(health::problem))
        .route("/v1/node/followers", get(followers::list))
        .route("/v1/node/followers/{log}/rebuild", post(followers::rebuild))
        .with_state(edge)
}

/// Puts around the doors, merged, what must be there once: problems for unknown paths and methods, and the counting of
/// requests.
pub fn finish(doors: Router, edge: &Edge) -> Router {
    let not_found = |uri: Uri| async move { Problem::unknown_route(&uri) };
    let not_allowed = |method: Method, uri: Uri| async move {
        let path: String = uri.path().chars().take(120).collect();
        Problem::new(
            Code::MethodNotAllowed,
            format!("`{path}` does not take `{method}`; `Allow` says what it takes"),
        )
    };
    doors
        .fallback(not_found)
        .method_not_allowed_fallback(not_allowed)
        .layer(from_fn_with_state(edge.store.clone(), ahead::say_ahead))
        .layer(from_fn_with_state(edge.metrics.clone(), metrics::measure))
}
