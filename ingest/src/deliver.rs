//! The last step of every request: events that were judged go into the store, or to Kafka.

use std::sync::Arc;
use std::time::Instant;

use bytes::Bytes;
use futures::StreamExt as _;
use futures::stream;
use verdict_edge::{Code, Problem};
use verdict_store::{AppendError, Incoming, LogName, PRINCIPAL_HEADER, Provenance, RawTime, SourcePosition, Store};

use crate::Producer;
use crate::outgoing::{Delivered, Headers, Outgoing};
use crate::seldom::Seldom;
use crate::sender::Sender;
use crate::state::{Shared, Sink};

/// Records of one request that Kafka may still owe an acknowledgement for.
const IN_FLIGHT: usize = 4_096;

/// Delivers the records of one request, all into the caller's tenant.
///
/// # Errors
/// 503 when they are not known to be kept; sent again, those that are will be recognised as duplicates.
pub(crate) async fn deliver(shared: &Shared, sender: &Sender, records: Vec<Outgoing>) -> Result<Delivered, Problem> {
    match &shared.state.sink {
        Sink::Store => store(shared.state.edge.store(), sender, records).await,
        Sink::Kafka(producer) => send(producer, sender, records).await,
    }
}

async fn store(store: &Store, sender: &Sender, records: Vec<Outgoing>) -> Result<Delivered, Problem> {
    let log = LogName::Tenant(sender.tenant.clone());
    let principal = sender.name();
    let provenance = Provenance::Authenticated {
        principal: Some(Arc::clone(&principal)),
    };
    let incoming = records.into_iter().map(|record| Incoming {
        log: log.clone(),
        source: SourcePosition::Intake,
        key: None,
        headers: sent_by(record.headers, &principal),
        value: record.value,
        raw_time: RawTime::Now,
        provenance: provenance.clone(),
        dedup: record.dedup,
        route: None,
    });
    let receipt = store
        .append(incoming.collect())
        .await
        .map_err(|error| not_kept(&error))?;
    Ok(Delivered::Stored {
        results: receipt.results,
        head: receipt.logs.into_iter().find(|head| head.name == log),
        visible: receipt.visible,
    })
}

/// The headers of a record, with who sent it. The intake makes all headers of its records itself: nothing of a request
/// becomes one but its content type, so that none is there that only an intake may set.
fn sent_by(mut headers: Headers, principal: &str) -> Headers {
    let name = Bytes::copy_from_slice(principal.as_bytes());
    headers.push((PRINCIPAL_HEADER.to_owned(), Some(name)));
    headers
}

/// What a store that stopped does to every request. The store itself said so when it happened.
static REFUSED: Seldom = Seldom::new();

fn not_kept(error: &AppendError) -> Problem {
    match error {
        AppendError::Refused(_) | AppendError::Closing => tracing::error!(%error, "events could not be kept"),
        AppendError::NotWritable(_) | AppendError::WriteFailed(_) => {
            if let Some(requests) = REFUSED.again(Instant::now()) {
                tracing::error!(%error, requests, "no events can be kept: every request is refused until this node is restarted");
            }
        }
    }
    match error {
        AppendError::NotWritable(_) => Problem::new(
            Code::NotWritable,
            "nothing of this request was kept, and nothing is until this node is restarted; its log and `/readyz` say why",
        ),
        AppendError::WriteFailed(_) => Problem::new(
            Code::NotWritable,
            "nothing of this was acknowledged, and this node takes no more until it is restarted; its log and `/readyz` \
             say why. Then send the same bytes again: what was kept of them all the same is recognised as a duplicate",
        ),
        AppendError::Closing => Problem::new(Code::NotWritable, "this node is going down; nothing of this was kept"),
        AppendError::Refused(_) => Problem::new(Code::NotWritable, "nothing of this was kept; the node's log says why"),
    }
}

/// In order, many at a time: librdkafka batches them and the idempotent producer keeps their order.
async fn send(producer: &Producer, sender: &Sender, records: Vec<Outgoing>) -> Result<Delivered, Problem> {
    let principal = sender.name();
    let sends = stream::iter(records).map(|record| {
        let headers = sent_by(record.headers, &principal);
        producer.send_vouched(&sender.tenant, record.value, headers)
    });
    let mut sends = std::pin::pin!(sends.buffered(IN_FLIGHT));
    let mut positions = Vec::new();
    while let Some(sent) = sends.next().await {
        positions.push(sent.map_err(|error| {
            tracing::warn!(%error, "kafka did not take an event of the intake");
            let detail = "send the request again: what Kafka did take is then recognised as a duplicate";
            Problem::new(Code::NotAcknowledged, detail).with("acknowledged", positions.len())
        })?);
    }
    Ok(Delivered::Sent(positions))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_store_that_stopped_is_not_sent_to_again_before_a_restart() {
        for error in [
            AppendError::NotWritable("no space".to_owned()),
            AppendError::WriteFailed("no space".to_owned()),
        ] {
            let problem = not_kept(&error);
            assert_eq!(problem.code(), Code::NotWritable);
            let said = format!("{problem:?}");
            assert!(said.contains("is restarted"), "{said}");
            // What failed is the node's own affair.
            assert!(!said.contains("no space"), "{said}");
        }
    }
}
