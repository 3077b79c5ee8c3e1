//! `/healthz`, `/readyz`, `/problems/{code}`: about the node, nothing of any tenant.

use axum::extract::{Path, State};
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Response};
use axum::routing::{Router, get};
use serde::Serialize;

use crate::Edge;
use crate::problem::{Code, Problem, documented};

/// `GET /healthz`: the process runs and answers.
pub(crate) async fn healthz() -> Response {
    (
        StatusCode::OK,
        [(header::CONTENT_TYPE, "text/plain; charset=utf-8")],
        "ok\n",
    )
        .into_response()
}

/// `GET /readyz`: it should get requests. Not before the store has checked itself and, with Kafka, caught up.
pub(crate) async fn readyz(State(edge): State<Edge>) -> Response {
    match edge.readiness.check() {
        Ok(()) => {
            let mut said = "ready".to_owned();
            let followers = edge.store.followers();
            for (logs, are) in [(followers.rebuilding, "being made anew"), (followers.broken, "broken")] {
                if logs > 0 {
                    said += &format!("; the views of {logs} logs are {are}");
                }
            }
            let ahead = edge.store.ahead_by();
            if ahead.as_millis() > 0 {
                let seconds = ahead.as_secs_f64();
                said += &format!("; recorded time is {seconds:.3} s ahead of this node's clock");
            }
            said.push('\n');
            let content_type = [(header::CONTENT_TYPE, "text/plain; charset=utf-8")];
            (StatusCode::OK, content_type, said).into_response()
        }
        Err(reason) => Problem::new(Code::NotReady, reason).into_response(),
    }
}

/// What a node answers before its store is open: it listens first, so that whoever starts it sees how far it is, and
/// nobody takes it for one that is not there.
pub fn opening(progress: impl Fn() -> String + Clone + Send + Sync + 'static) -> Router {
    Router::new()
        .route("/healthz", get(healthz))
        .fallback(move || std::future::ready(Problem::new(Code::NotReady, progress())))
}

/// `GET /problems/{code}`: what a problem's `type` refers to.
pub(crate) async fn problem(Path(code): Path<String>) -> Response {
    #[derive(Serialize)]
    struct Entry {
        r#type: String,
        title: &'static str,
        status: u16,
        /// Markdown.
        #[serde(skip_serializing_if = "Option::is_none")]
        description: Option<&'static str>,
    }
    match Code::ALL.iter().find(|known| known.as_str() == code) {
        Some(known) => axum::Json(Entry {
            r#type: known.type_uri(),
            title: known.title(),
            status: known.status().as_u16(),
            description: documented(known.as_str()),
        })
        .into_response(),
        None => Problem::new(Code::UnknownRoute, "there is no problem of that name").into_response(),
    }
}
