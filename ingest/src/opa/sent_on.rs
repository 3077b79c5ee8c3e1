//! A report for a tenant that another node holds: sent on to that node, with its bindings, whichever node the OPA reports to.
//!
//! It is no redirect, for OPA follows one without its token; and not read here, for the bindings that say what it means are in
//! the tenant's log. The OPA is answered what the owner answers.

use axum::body::Body;
use axum::http::{HeaderMap, Method, Uri};
use axum::response::Response;
use verdict_edge::{Code, Holder, Problem, Sent};

use crate::sender::Sender;
use crate::state::Shared;
use crate::stats::{IntakeCounts, count};

/// Sends it on to its holder, which is not this node.
///
/// # Errors
/// 421 where no node is known that holds it, or none may be asked; 503 where it does not answer: OPA will send it again.
pub(super) async fn sent_on(
    shared: &Shared,
    holder: Holder<'_>,
    sender: &Sender,
    uri: &Uri,
    headers: &HeaderMap,
    body: Body,
) -> Result<Response, Problem> {
    let (tenant, caller) = (sender.tenant.as_str(), &sender.principal);
    let owner = match holder {
        Holder::Owner(owner) if !caller.is_forwarded() => owner,
        Holder::Here | Holder::Owner(_) | Holder::Unknown(_) => return Err(holder.misdirected(tenant)),
    };
    let Some(peers) = shared.state.edge.peers() else {
        let detail = format!("`{tenant}` is held by `{owner}`, and this node has no token to send it on with");
        return Err(Problem::new(Code::Misdirected, detail).with("owner", owner));
    };
    let answer = peers
        .send(Sent {
            owner,
            caller,
            method: Method::POST,
            target: uri.path_and_query().map_or("/", |target| target.as_str()),
            headers,
            body: Some(body),
        })
        .await?;
    count(IntakeCounts {
        requests: 1,
        ..IntakeCounts::default()
    });
    Ok(answer)
}
