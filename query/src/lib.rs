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
//! use verdict_edge::{Edge, access::Access, finish};
//! use verdict_query::{QueryState, router};
//! let edge = Edge::new(store, Access::open());
//! finish(router(QueryState::new(edge.clone())), &edge)
//! # }
//! ```

mod ask;
mod asked;
mod behind;
mod cut;
mod evidence;
mod filters;
mod item;
mod late;
mod question;
mod received;
mod reply;
mod routes;
mod state;
mod token;
mod walk;
mod warnings;

use axum::Router;
use axum::routing::get;

pub use state::{Limits, QueryState, Topics};
pub use token::RULES;

use crate::routes::{agents, decisions, effective, events, find, names, objects, quarantine, rollouts, sources};

/// Every route of this room. It has no fallbacks, so that it can be merged with another room's;
/// [`verdict_edge::finish`] adds them.
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
        .with_state(state)
}
