//! Straight to Kafka: acks=all, idempotent, key = tenant. Many records are in flight at once, in order.

use bytes::Bytes;
use futures::StreamExt as _;
use futures::stream;
use indicatif::ProgressBar;
use serde_json::json;
use verdict_ingest::Producer;
use verdict_schemas::{KnownSchemas, Projection, Rejection, TenantId, check_log, project};

use super::source::{Item, Items};
use super::tally::{Refused, Tally};
use crate::cli::EmitArgs;
use crate::config::{KafkaConfig, properties};
use crate::exit::Failure;
use crate::serve::kafka_settings;

/// Records waiting for their acknowledgement; librdkafka batches them.
const IN_FLIGHT: usize = 10_000;

enum Sent {
    At {
        line: u64,
        position: (u32, u64),
        bytes: u64,
    },
    Refused(Refused),
}

/// Kafka takes anything, and nobody tells the sender what becomes of it: so it is judged here as the intake would.
fn judge(item: &Item, tenant: &TenantId) -> Result<(), Rejection> {
    match project(&item.bytes, Some("application/json"), &KnownSchemas) {
        Projection::Decision(decision) => decision.check_log(tenant),
        Projection::Other(event) => check_log(&event, tenant),
        Projection::Malformed(rejection) => Err(rejection),
        // JSON has none.
        Projection::AwaitingSchema(_) => Ok(()),
    }
}

pub(super) async fn send(
    args: &EmitArgs,
    items: Items,
    tally: &mut Tally,
    progress: &ProgressBar,
) -> Result<(), Failure> {
    let tenant = TenantId::parse(&args.tenant).map_err(|e| Failure::Usage(e.to_string()))?;
    let config = KafkaConfig {
        properties: properties(&args.property)?,
        events_topic: args.topic.clone(),
        ..KafkaConfig::default()
    };
    if !config.properties.contains_key("bootstrap.servers") {
        return Err(Failure::Usage(
            "say which Kafka: -X bootstrap.servers=HOST:PORT".to_owned(),
        ));
    }
    let settings = kafka_settings(&config)?;
    verdict_ingest::check_events_topic(&settings)
        .await
        .map_err(|e| Failure::unreachable("cannot send to Kafka", e))?;
    let producer = Producer::new(&settings).map_err(|e| Failure::unreachable("cannot produce to Kafka", e))?;
    let sends = stream::iter(items).map(|item| {
        let (producer, tenant) = (&producer, &tenant);
        async move {
            let item = item?;
            if let Err(rejection) = judge(&item, tenant) {
                return Ok(Sent::Refused(Refused::of(item.line, &rejection)));
            }
            let bytes = item.bytes.len() as u64 + 1;
            let headers = vec![("content-type".to_owned(), Some(Bytes::from_static(b"application/json")))];
            let sent = producer.send(tenant, Bytes::from(item.bytes), headers).await;
            let position = sent.map_err(|e| Failure::unreachable(format!("line {}", item.line), e))?;
            let line = item.line;
            Ok::<_, Failure>(Sent::At { line, position, bytes })
        }
    });
    let mut sends = std::pin::pin!(sends.buffered(IN_FLIGHT));
    while let Some(sent) = sends.next().await {
        let (line, (partition, offset), bytes) = match sent? {
            Sent::At { line, position, bytes } => (line, position, bytes),
            Sent::Refused(refused) => {
                tally.refuse(&refused, refused.entry(), progress)?;
                continue;
            }
        };
        tally.accepted += 1;
        tally.position(u64::from(partition), offset);
        let position = json!({"partition": partition, "offset": offset});
        let entry = json!({"line": line, "status": "accepted", "position": position});
        tally.result(&entry.to_string(), progress)?;
        progress.inc(bytes);
        progress.set_message(format!("{} events", tally.accepted));
    }
    Ok(())
}
