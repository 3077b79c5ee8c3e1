//! What is asked: the HTTP interface over one store.
//!
//! How a question is answered: [`ask`](crate) authenticates its caller, reads its parameters strictly, waits (bounded)
//! for what it names, and resolves the *cut*: the prefixes of two logs that it is answered from (SEMANTICS, E3). A
//! handler then computes the answer from one snapshot of the store and that cut alone, so that the same `as_of` gives
//! the same bytes for ever (A6). Which rules say what the answer is lives in `verdict_fold`; here is only what HTTP
//! needs: parameters, tokens, lists, problems.
//!
//! What is deliberately absent: a clock in any answer, any unordered map in a body, any write to a tenant's log.
//! `docs/http-api.md` is the reference, `docs/problems.md` the catalogue of what goes wrong.
//!
//! ```no_run
//! # fn example(store: verdict_store::Store) -> axum::Router {
//! use verdict_query::{QueryState, finish, router};
//! let state = QueryState::new(store, verdict_store::access::Access::open());
//! finish(router(state.clone()), &state)
//! # }
//! ```

mod ahead;
mod ask;
mod asked;
mod cut;
mod evidence;
mod filters;
mod item;
mod late;
mod metrics;
mod params;
mod percent;
mod problem;
mod question;
mod received;
mod reply;
mod routes;
mod state;
mod token;
mod walk;
mod warnings;

use axum::Router;
use axum::http::{Method, Uri};
use axum::middleware::from_fn_with_state;
use axum::routing::get;

pub use metrics::Metrics;
pub use problem::{Code, Problem, documented};
pub use routes::health::opening;
pub use state::{Limits, ProblemEntry, QueryState, Readiness, Topics};
pub use token::RULES;

use crate::routes::{
    agents, decisions, effective, events, find, health, names, objects, quarantine, rollouts, sources,
};

/// Every route of this room. It has no fallbacks, so that it can be merged with another room's; [`finish`] adds them.
pub fn router(state: QueryState) -> Router {
    // Written out, not nested: a nested handler would see the rest of the path only, and redirects and links repeat it.
    let of = |rest: &str| format!("/v1/tenants/{{tenant}}/{rest}");
    Router::new()
        .route(&of("effective"), get(effective::effective))
        .route(&of("history"), get(effective::history))
        .route(&of("compare"), get(effective::compare))
        .route(&of("decisions"), get(decisions::list))
        .route(&of("decisions/count"), get(decisions::count))
        .route(&of("decisions/{id}"), get(decisions::one))
        .route(&of("decision"), get(decisions::named))
        .route(&of("events/{event_id}"), get(events::one))
        .route(&of("rollouts"), get(rollouts::list))
        .route(&of("rollouts/{id}"), get(rollouts::one))
        .route(&of("rollout"), get(rollouts::named))
        .route(&of("agents"), get(agents::list))
        .route(&of("objects/{kind}/{id}"), get(objects::one))
        .route(&of("object"), get(objects::named))
        .route(&of("quarantine"), get(quarantine::list))
        .route(&of("quarantine/{index}"), get(quarantine::one))
        .route(&of("sources"), get(sources::list))
        .route(&of("names"), get(names::names))
        .route("/v1/find", get(find::find))
        .route("/healthz", get(health::healthz))
        .route("/readyz", get(health::readyz))
        .route("/problems/{code}", get(health::problem))
        .with_state(state)
}

/// Puts around a router, this one merged with others, what must be there once: problems for unknown paths and methods,
/// and the counting of requests.
pub fn finish(router: Router, state: &QueryState) -> Router {
    let not_found = |uri: Uri| async move { ask::unknown_route(&uri) };
    let not_allowed = |method: Method, uri: Uri| async move {
        let path: String = uri.path().chars().take(120).collect();
        Problem::new(
            Code::MethodNotAllowed,
            format!("`{path}` does not take `{method}`; `Allow` says what it takes"),
        )
    };
    router
        .fallback(not_found)
        .method_not_allowed_fallback(not_allowed)
        .layer(from_fn_with_state(state.store.clone(), ahead::say_ahead))
        .layer(from_fn_with_state(state.metrics.clone(), metrics::measure))
}
