//! Polling: its own thread, which does nothing else. What can happen is a closed set, [`Heard`]; it goes to the reader in
//! small chunks over a bounded channel, and where that is full the poller waits, which stops librdkafka's fetching.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{Receiver, RecvTimeoutError, SyncSender};
use std::time::Duration;

use rdkafka::consumer::BaseConsumer;
use rdkafka::error::KafkaError;
use rdkafka::message::Message as _;
use rdkafka::types::RDKafkaErrorCode as Code;
use verdict_store::Incoming;

use super::failing::fail_point;
use super::horizon::{SeenEnds, Watching};
use super::route::Origin;

/// The most events in a chunk.
const CHUNK_EVENTS: usize = 1000;
/// The most bytes of records in a chunk; one that is larger is one by itself.
const CHUNK_BYTES: usize = 1 << 20;
/// How many chunks may wait for the reader.
pub(super) const CHUNKS: usize = 4;
/// How long a poll waits for something to happen, and so how soon it is seen that the end was asked for.
const WAIT: Duration = Duration::from_millis(100);

/// What can happen while a topic is polled.
#[derive(Debug)]
pub(super) enum Heard {
    /// A record came.
    Record(Box<Read>),
    /// The end of a partition was reached: the usual state of a healthy consumer.
    End,
    /// The ends of partitions that librdkafka had seen: every record before them was heard of.
    Ends(SeenEnds),
    /// A batch of the broker's could not be read (its checksum), and was passed over.
    Unreadable(KafkaError),
    /// The offset to be read is gone. Nothing more is polled before the reader has assigned the partitions anew.
    OffsetGone,
    /// There is no such topic any more.
    TopicGone,
    /// librdkafka can not go on.
    Fatal(KafkaError),
    /// Anything else: librdkafka tries again by itself.
    Trouble(KafkaError),
}

/// A record, taken out of librdkafka's buffer.
#[derive(Debug)]
pub(super) struct Read {
    pub(super) partition: u32,
    pub(super) offset: u64,
    pub(super) incoming: Incoming,
}

impl Read {
    /// Its bytes: what it takes of a bound.
    pub(super) fn bytes(&self) -> usize {
        let record = &self.incoming;
        let headers = record.headers.iter();
        let headers: usize = headers
            .map(|(name, value)| name.len() + value.as_ref().map_or(0, bytes::Bytes::len))
            .sum();
        record.value.len() + record.key.as_ref().map_or(0, bytes::Bytes::len) + headers
    }
}

/// Polls one topic.
pub(super) struct Poller {
    pub(super) consumer: Arc<BaseConsumer<Watching>>,
    pub(super) watching: Watching,
    pub(super) origin: Origin,
    pub(super) heard: SyncSender<Vec<Heard>>,
    /// The reader has assigned the partitions.
    pub(super) assigned: Receiver<()>,
}

/// Why a chunk is the last one before something else has to happen.
enum Then {
    Poll,
    WaitForAssignment,
    End,
}

impl Poller {
    /// Until told to stop, or until the reader is gone.
    pub(super) fn run(self, stop: &AtomicBool) -> Result<(), KafkaError> {
        let mut then = Then::WaitForAssignment;
        while !stop.load(Ordering::Relaxed) {
            match then {
                Then::Poll => {}
                Then::End => break,
                Then::WaitForAssignment => match self.assigned.recv_timeout(WAIT) {
                    Ok(()) => {}
                    Err(RecvTimeoutError::Timeout) => continue,
                    Err(RecvTimeoutError::Disconnected) => break,
                },
            }
            let (chunk, next) = self.chunk();
            then = next;
            if !chunk.is_empty() && self.heard.send(chunk).is_err() {
                break;
            }
        }
        Ok(())
    }

    /// What is there, up to a chunk.
    fn chunk(&self) -> (Vec<Heard>, Then) {
        let (mut chunk, mut bytes, mut wait) = (Vec::new(), 0, WAIT);
        while chunk.len() < CHUNK_EVENTS && bytes < CHUNK_BYTES {
            let polled = self.consumer.poll(wait);
            // Statistics are served by the poll: what they say goes in the order in which it was learned.
            if let Some(ends) = self.watching.news() {
                chunk.push(Heard::Ends(ends));
            }
            let Some(polled) = polled else { break };
            wait = Duration::ZERO;
            let heard = match polled {
                Ok(message) => {
                    fail_point(message.topic(), "poll");
                    let read = Box::new(Read {
                        partition: message.partition().cast_unsigned(),
                        offset: message.offset().cast_unsigned(),
                        incoming: self.origin.incoming(&message),
                    });
                    bytes += read.bytes();
                    Heard::Record(read)
                }
                Err(error) => Heard::of(error),
            };
            let then = heard.then();
            chunk.push(heard);
            if !matches!(then, Then::Poll) {
                return (chunk, then);
            }
        }
        (chunk, Then::Poll)
    }
}

impl Heard {
    fn of(error: KafkaError) -> Self {
        match error {
            KafkaError::PartitionEOF(_) => Self::End,
            KafkaError::MessageConsumptionFatal(_) => Self::Fatal(error),
            _ => match error.rdkafka_error_code() {
                Some(Code::AutoOffsetReset | Code::OffsetOutOfRange) => Self::OffsetGone,
                Some(Code::UnknownTopicOrPartition | Code::UnknownTopic) => Self::TopicGone,
                Some(Code::Fatal) => Self::Fatal(error),
                Some(Code::BadMessage | Code::BadCompression | Code::NotImplemented) => Self::Unreadable(error),
                _ => Self::Trouble(error),
            },
        }
    }

    fn then(&self) -> Then {
        match self {
            Self::OffsetGone => Then::WaitForAssignment,
            Self::TopicGone | Self::Fatal(_) => Then::End,
            _ => Then::Poll,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_error_is_one_of_what_can_happen() {
        let heard = |code| Heard::of(KafkaError::MessageConsumption(code));
        assert!(matches!(Heard::of(KafkaError::PartitionEOF(3)), Heard::End));
        assert!(matches!(heard(Code::AutoOffsetReset), Heard::OffsetGone));
        assert!(matches!(heard(Code::UnknownTopicOrPartition), Heard::TopicGone));
        assert!(matches!(heard(Code::BadMessage), Heard::Unreadable(_)));
        assert!(matches!(heard(Code::AllBrokersDown), Heard::Trouble(_)));
        let fatal = Heard::of(KafkaError::MessageConsumptionFatal(Code::Fenced));
        assert!(matches!(fatal, Heard::Fatal(_)));
    }
}
