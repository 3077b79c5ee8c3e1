//! Records on their way to the store or to Kafka, and what became of them.

use bytes::Bytes;
use verdict_schemas::EventId;
use verdict_store::{Appended, DedupKey, LogHead};

/// Headers of a record.
pub(crate) type Headers = Vec<(String, Option<Bytes>)>;

/// A record to keep.
#[derive(Clone, Debug)]
pub(crate) struct Outgoing {
    pub(crate) value: Bytes,
    pub(crate) headers: Headers,
    /// What makes it a duplicate; `None` for what is kept as malformed.
    pub(crate) dedup: Option<DedupKey>,
}

impl Outgoing {
    /// Its event id, if it is an event.
    pub(crate) fn event_id(&self) -> Option<EventId> {
        self.dedup.as_ref().map(|key| key.event_id)
    }

    /// Bytes of the value and the headers.
    pub(crate) fn bytes(&self) -> usize {
        let headers = self
            .headers
            .iter()
            .map(|(name, value)| name.len() + value.as_ref().map_or(0, Bytes::len));
        self.value.len() + headers.sum::<usize>()
    }
}

/// What became of the records, in their order.
#[derive(Debug)]
pub(crate) enum Delivered {
    /// Durable; visible to queries too, unless the views lag or are broken.
    Stored {
        results: Vec<Appended>,
        head: Option<LogHead>,
        visible: bool,
    },
    /// Acknowledged by Kafka: (partition, offset).
    Sent(Vec<(u32, u64)>),
}
