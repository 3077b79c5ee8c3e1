//! A node listens before its store is open: after a crash the log of a busy hour is replayed first, and the ends of all logs
//! are checked.

use std::sync::{Arc, OnceLock};

use axum::Router;
use axum::extract::Request;
use tower::ServiceExt as _;

/// The routes of a node, once it has them; until then it says how far it is.
#[derive(Clone, Default)]
pub(super) struct Opening {
    opened: Arc<OnceLock<()>>,
    routes: Arc<OnceLock<Router>>,
}

impl Opening {
    /// The store is open, and the rest is being started.
    pub(super) fn store_is_open(&self) {
        let _before = self.opened.set(());
    }

    /// Every request from now on goes to these.
    pub(super) fn finish(&self, routes: Router) {
        let _before = self.routes.set(routes);
    }

    /// What is served from the beginning.
    pub(super) fn router(&self) -> Router {
        let opening = self.clone();
        let meanwhile = verdict_edge::opening(move || match opening.opened.get() {
            None => "the store is being opened".to_owned(),
            Some(()) => "the store is open, and Kafka is being asked for its topics".to_owned(),
        });
        let routes = Arc::clone(&self.routes);
        Router::new().fallback(move |request: Request| {
            let routes = routes.get().unwrap_or(&meanwhile).clone();
            async move { routes.oneshot(request).await }
        })
    }
}
