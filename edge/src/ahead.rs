//! What is said with every answer when recorded time is ahead of this node's clock.
//!
//! Recorded time never goes back: a clock that was ahead, here or at the broker, leaves a log whose newest records are of
//! the future. Until the clock has caught up, leases run out early and intent acts late, and people must be told. No body
//! says it, for a body is a function of the cut (E3, A6).

use std::time::Duration;

use axum::extract::{Request, State};
use axum::http::{HeaderName, HeaderValue};
use axum::middleware::Next;
use axum::response::Response;
use verdict_store::Store;

/// By how many seconds recorded time is ahead of this node's clock: not there where it is not.
const AHEAD_BY: HeaderName = HeaderName::from_static("verdict-ahead-by");

/// Says with every answer, whatever it is, when recorded time is ahead of this node's clock: leases then run out early,
/// and intent acts late. No body says it, for a body is a function of the cut (E3).
pub(crate) async fn say_ahead(State(store): State<Store>, request: Request, next: Next) -> Response {
    let mut response = next.run(request).await;
    let ahead = store.ahead_by();
    if ahead >= Duration::from_millis(1)
        && let Ok(value) = HeaderValue::try_from(format!("{:.3}", ahead.as_secs_f64()))
    {
        response.headers_mut().insert(AHEAD_BY, value);
    }
    response
}
