//! How it arrives: over HTTP as our own events or as OPA's reports, and from Kafka.
//!
//! Everything here ends in one of two places: [`verdict_store::Store::append`], or Kafka and from there the consumer. What
//! is sent over HTTP is judged before it is kept, and its sender is told; what comes from Kafka, or from an OPA (which
//! would repeat a refusal for ever), is kept first and judged by the views. Bad input never stops either.

mod deliver;
mod intake;
mod kafka;
mod limits;
mod opa;
mod outgoing;
mod seldom;
mod sender;
mod state;
mod stats;

use std::sync::Arc;

use axum::Router;
use axum::routing::post;
use verdict_edge::{Code, Problem};

pub use intake::{Found, Splitter};
pub use kafka::{
    Consumer, KafkaHealth, KafkaMetrics, KafkaSettings, ProduceError, Producer, StartError, TopicsError,
    check_events_topic, cluster_id, create_topics,
};
pub use limits::IntakeLimits;
pub use opa::OpaSettings;
pub use state::{IntakeState, Sink};
pub use stats::{IntakeCounts, stats};

/// The paths of the intake. It sets no fallbacks, so that it can be merged with the paths of the questions.
pub fn router(state: IntakeState) -> Router {
    Router::new()
        .route("/v1/tenants/{tenant}/events", post(intake::events))
        .route("/opa/v1/{tenant}/{environment}/logs", post(opa::logs))
        .route("/opa/v1/{tenant}/{environment}/logs/{partition}", post(opa::logs))
        .route("/opa/v1/{tenant}/{environment}/status", post(opa::status))
        .route("/opa/v1/{tenant}/{environment}/status/{partition}", post(opa::status))
        .with_state(Arc::new(state::Shared::new(state)))
}

/// Runs work that takes the processor for a while where it holds no other request up. Little work is done at once.
///
/// # Errors
/// 503 when the runtime is going down.
async fn blocking<T: Send + 'static>(bytes: usize, work: impl FnOnce() -> T + Send + 'static) -> Result<T, Problem> {
    /// A fraction of a millisecond of work.
    const LITTLE: usize = 64 << 10;
    if bytes <= LITTLE {
        return Ok(work());
    }
    tokio::task::spawn_blocking(work).await.map_err(|error| {
        tracing::error!(%error, "a request's work did not end");
        Problem::new(Code::Busy, "this node is going down; send it again")
    })
}
