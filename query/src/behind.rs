//! What is said where the views of a log do not hold what an answer needs.
//!
//! A cut is never made smaller than what was asked for without a word (A6): a time, or what is pinned, that the views have not
//! come to is answered 503, with how far they are; so is a question about now, as long as rows that another version made are
//! not made anew. Views that lag otherwise are answered from up to where both logs are whole, which `known_at` says. Where rows
//! can not be made, that is before the record that they broke at, and every answer says so in a header: no body does, for a
//! body is a function of the cut.

use tokio::time::Instant;
use verdict_edge::{Code, Problem};
use verdict_store::{LogName, State, Store};

/// The problem of a question about a log whose views do not hold it; `None` where they do. `anew`: is it enough that what
/// another version held is made anew?
pub(crate) fn behind(store: &Store, log: &LogName, anew: bool) -> Option<Problem> {
    let standing = store.standing(log)?;
    let is_behind = if anew {
        !standing.is_whole
    } else {
        standing.made < standing.size
    };
    if !is_behind {
        return None;
    }
    let (made, size) = (standing.made, standing.size);
    let detail = match standing.state {
        State::Broken { index, .. } => {
            format!(
                "the views of the log `{log}` are broken at index {index}, of {size} records: its node's log says why"
            )
        }
        State::Following | State::Rebuilding { .. } => {
            format!("the views of the log `{log}` are made of {made} of {size} records so far: ask again")
        }
    };
    let problem = Problem::new(Code::ViewsBehind, detail);
    Some(
        problem
            .with("log", log.to_string())
            .with("made", made.0)
            .with("size", size.0),
    )
}

/// Where the views of a log are broken, if they are.
pub(crate) fn broken(store: &Store, log: &LogName) -> Option<(String, u64)> {
    match store.standing(log)?.state {
        State::Broken { index, .. } => Some((log.to_string(), index)),
        State::Following | State::Rebuilding { .. } => None,
    }
}

/// Waits until everything that is held of a log now is visible; `false` if it is not in time.
pub(crate) async fn wait_for_all(store: &Store, log: &LogName, until: Instant) -> bool {
    let Some(standing) = store.standing(log) else {
        return true;
    };
    let left = until.saturating_duration_since(Instant::now());
    store.wait_visible(log, standing.size, left).await
}
