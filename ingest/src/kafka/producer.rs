//! The intake's producer, and that of `verdict emit`: acks=all, idempotent, keyed by tenant.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use rdkafka::error::KafkaError;
use rdkafka::message::{Header, OwnedHeaders};
use rdkafka::producer::{FutureProducer, FutureRecord, Producer as _};
use verdict_schemas::TenantId;
use verdict_store::{IntakeKeys, MAC_HEADER};

use super::KafkaSettings;
use super::clock::now;

/// Sends events to Kafka.
#[derive(Clone)]
pub struct Producer {
    inner: FutureProducer,
    events_topic: String,
    platform_topic: String,
    intake_keys: Option<Arc<IntakeKeys>>,
}

/// A record that Kafka did not take.
#[derive(Debug, thiserror::Error)]
#[error("kafka did not take the event: {0}")]
pub struct ProduceError(KafkaError);

impl ProduceError {
    /// Might it be taken when sent again? Not if the record itself is at fault.
    pub fn retryable(&self) -> bool {
        use rdkafka::types::RDKafkaErrorCode as Code;
        !matches!(
            self.0.rdkafka_error_code(),
            Some(Code::MessageSizeTooLarge | Code::InvalidMessage | Code::InvalidMessageSize | Code::InvalidRecord)
        )
    }
}

impl Producer {
    /// How long a send waits for room in the producer's queue.
    const QUEUE: Duration = Duration::from_secs(30);

    /// Connects lazily.
    ///
    /// # Errors
    /// When a property is not one of librdkafka's.
    pub fn new(settings: &KafkaSettings) -> Result<Self, ProduceError> {
        let inner = settings.producer().create().map_err(ProduceError)?;
        Ok(Self {
            inner,
            events_topic: settings.events_topic.clone(),
            platform_topic: settings.platform_topic.clone(),
            intake_keys: settings.intake_keys.clone(),
        })
    }

    /// Sends one event that an intake of ours took, and vouches for it where there is a key to do so.
    ///
    /// # Errors
    /// As [`Producer::send`].
    pub(crate) async fn send_vouched(
        &self,
        tenant: &TenantId,
        value: Bytes,
        mut headers: Vec<(String, Option<Bytes>)>,
    ) -> Result<(u32, u64), ProduceError> {
        let keys = self.intake_keys.as_ref();
        if let Some(mac) = keys.and_then(|keys| keys.sign(tenant.as_str().as_bytes(), &headers, &value, now())) {
            headers.push((MAC_HEADER.to_owned(), Some(mac)));
        }
        self.send(tenant, value, headers).await
    }

    /// Sends one event, keyed by its tenant, and waits until every in-sync replica has it. Returns (partition, offset).
    ///
    /// # Errors
    /// When it was not acknowledged. It may have been taken nevertheless; sent again, it is a duplicate by its event id.
    pub async fn send(
        &self,
        tenant: &TenantId,
        value: Bytes,
        headers: Vec<(String, Option<Bytes>)>,
    ) -> Result<(u32, u64), ProduceError> {
        let topic = if tenant.is_platform() {
            &self.platform_topic
        } else {
            &self.events_topic
        };
        let headers = headers
            .iter()
            .fold(OwnedHeaders::new_with_capacity(headers.len()), |all, (key, value)| {
                all.insert(Header {
                    key,
                    value: value.as_deref(),
                })
            });
        let record = FutureRecord::to(topic)
            .key(tenant.as_str())
            .payload(&value[..])
            .headers(headers);
        let delivered = self
            .inner
            .send(record, Self::QUEUE)
            .await
            .map_err(|(error, _)| ProduceError(error))?;
        Ok((delivered.partition.cast_unsigned(), delivered.offset.cast_unsigned()))
    }

    /// Waits until everything sent is acknowledged.
    ///
    /// # Errors
    /// When it is not within `timeout`.
    pub fn flush(&self, timeout: Duration) -> Result<(), ProduceError> {
        self.inner.flush(timeout).map_err(ProduceError)
    }
}
