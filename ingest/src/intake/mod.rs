//! `POST /v1/tenants/{tenant}/events`: one event, an array, or several, a line each or end to end.
//!
//! ```text
//! caller (401, 404, 403) -> held elsewhere? (307) -> form (415) -> body (413, 415, 400, 503) -> split (400, 413) -> judge, each by itself
//!     -> deliver the good ones (503) -> 200 / 202, or 422 when there were none
//! ```
//! The bytes of an event or of an array's element, exactly as received, are the record's value (E4): they are slices of the
//! body, never written anew. What is judged malformed is told to its sender and not stored; the rest of the request is
//! (A5: 200 only once durable and visible).

mod answer;
mod form;
mod judge;
mod scan;
mod split;
mod values;

use std::sync::Arc;

use axum::body::Body;
use axum::extract::State;
use axum::http::{HeaderMap, Uri};
use axum::response::{IntoResponse, Response};
use verdict_edge::{Admitted, Problem, Sending, body};

pub(crate) use answer::Log;
pub(crate) use split::{Item, Unreadable, array};
pub use values::{Found, Splitter};

use crate::blocking;
use crate::deliver::deliver;
use crate::sender::Sender;
use crate::state::Shared;
use crate::stats::{IntakeCounts, count};

/// The handler.
pub(crate) async fn events(
    State(shared): State<Arc<Shared>>,
    sender: Result<Admitted<Sending>, Problem>,
    uri: Uri,
    headers: HeaderMap,
    body: Body,
) -> Response {
    match take(shared, sender, &uri, &headers, body).await {
        Ok(response) => response,
        Err(problem) => {
            count(IntakeCounts {
                requests: 1,
                refused: 1,
                ..IntakeCounts::default()
            });
            problem.into_response()
        }
    }
}

async fn take(
    shared: Arc<Shared>,
    sender: Result<Admitted<Sending>, Problem>,
    uri: &Uri,
    headers: &HeaderMap,
    body: Body,
) -> Result<Response, Problem> {
    let sender = Sender::from(sender?);
    if let Some(redirect) = shared.elsewhere(&sender, uri) {
        return Ok(redirect);
    }
    let form = form::of(headers)?;
    let received = body::read(body, headers, &shared.state.limits.body, &shared.budget).await?;
    // The share of memory lives until the answer is made: the records are slices of the body.
    let (bytes, sent, _share) = (received.bytes, received.sent, received.share);
    let judged = {
        let (shared, sender) = (Arc::clone(&shared), sender.clone());
        blocking(bytes.len(), move || {
            let items = split::split(&bytes, form.shape, shared.state.limits.max_events)?;
            Ok::<_, Problem>(judge::judge(&shared, &sender, &form, items))
        })
        .await??
    };
    let counts = IntakeCounts {
        requests: 1,
        bytes: sent as u64,
        ..IntakeCounts::default()
    };
    if judged.taken.is_empty() {
        count(IntakeCounts {
            refused: 1,
            rejected: judged.rejected.len() as u64,
            ..counts
        });
        return Err(answer::all_refused(judged.rejected));
    }
    let ids = judged.ids();
    let delivered = deliver(&shared, &sender, judged.taken).await?;
    let answer = answer::of(&sender.tenant, &ids, judged.rejected, delivered);
    count(answer.counts(counts));
    Ok(answer.into_response())
}
