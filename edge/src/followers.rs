//! Where the views of each log stand, for administrators: the state of single logs is not everybody's to see.

use axum::extract::{Path, State};
use axum::http::{HeaderMap, StatusCode, Uri, header};
use axum::response::{IntoResponse, Response};
use serde::Serialize;
use verdict_store::{LogName, Standing};

use crate::Edge;
use crate::need::caller;
use crate::params::Params;
use crate::problem::{Answer, Code, Problem};

/// The views of one log.
#[derive(Debug, Serialize)]
struct Item {
    log: String,
    #[serde(flatten)]
    state: verdict_store::State,
    /// How many records the log has, and of how many views are made.
    size: u64,
    made: u64,
}

/// Those of all logs.
#[derive(Debug, Serialize)]
struct Document {
    following: u64,
    rebuilding: u64,
    broken: u64,
    records_behind: u64,
    records_passed_over: u64,
    items: Vec<Item>,
}

impl Item {
    fn of(log: &LogName, standing: Standing) -> Self {
        Self {
            log: log.to_string(),
            state: standing.state,
            size: standing.size.0,
            made: standing.made.0,
        }
    }
}

/// `GET /v1/node/followers`: how many logs are followed, rebuilt and broken; those that are not simply followed, or behind, by
/// name.
pub(crate) async fn list(State(edge): State<Edge>, headers: HeaderMap, uri: Uri) -> Response {
    let list = || {
        admin(&edge, &headers)?;
        Params::read(uri.query(), &[])?;
        let all = edge.store.followers();
        let items = edge.store.log_names().into_iter().filter_map(|log| {
            let standing = edge.store.standing(&log)?;
            let simply = standing.state == verdict_store::State::Following && standing.made == standing.size;
            (!simply).then(|| Item::of(&log, standing))
        });
        Ok(Document {
            following: all.following,
            rebuilding: all.rebuilding,
            broken: all.broken,
            records_behind: all.behind,
            records_passed_over: all.passed_over,
            items: items.collect(),
        })
    };
    answered(StatusCode::OK, list())
}

/// `POST /v1/node/followers/{log}/rebuild`: makes the views of a log anew, beside those that there are. Answered at once.
pub(crate) async fn rebuild(
    State(edge): State<Edge>,
    Path(log): Path<String>,
    headers: HeaderMap,
    uri: Uri,
) -> Response {
    let rebuild = || {
        admin(&edge, &headers)?;
        Params::read(uri.query(), &[])?;
        let unknown = || Problem::new(Code::NotFound, "this node has no log of that name");
        let name: LogName = log.parse().map_err(|_| unknown())?;
        edge.store.rebuild_log(&name);
        let standing = edge.store.standing(&name).ok_or_else(unknown)?;
        Ok(Item::of(&name, standing))
    };
    answered(StatusCode::ACCEPTED, rebuild())
}

fn admin(edge: &Edge, headers: &HeaderMap) -> Answer<()> {
    if caller(&edge.access, headers)?.is_admin() {
        return Ok(());
    }
    Err(Problem::new(
        Code::NotAllowed,
        "this is for the role `admin` of every tenant",
    ))
}

fn answered(status: StatusCode, answer: Answer<impl Serialize>) -> Response {
    match answer {
        Ok(document) => (status, [(header::CACHE_CONTROL, "no-store")], axum::Json(document)).into_response(),
        Err(problem) => problem.into_response(),
    }
}
