//! Whether Kafka is being read: what `/readyz` and the metrics ask, and where a thread that ends says so.
//!
//! A reader that can not go on is no reason to refuse questions: what was read stays, and the node says up to when it
//! holds everything. So a failure ends the reading and nothing else.

use std::any::Any;
use std::fmt::Display;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;

use parking_lot::Mutex;

use super::metrics::KafkaMetrics;

/// Whether both topics are being read.
#[derive(Debug, Default)]
pub struct KafkaHealth {
    /// The first failure, which is what is to be mended.
    failure: Mutex<Option<String>>,
    topics: Vec<Arc<KafkaMetrics>>,
}

impl KafkaHealth {
    pub(super) fn new(topics: Vec<Arc<KafkaMetrics>>) -> Self {
        Self {
            failure: Mutex::default(),
            topics,
        }
    }

    /// Why a topic is no longer read, until the node is started again; `None` while both are. What was read before is
    /// answered all the same.
    pub fn failure(&self) -> Option<String> {
        self.failure.lock().clone()
    }

    /// Should the node get requests? Not before it has seen the end of every partition once, and not while a topic is no
    /// longer read. How far it lags later is a number in the metrics, and no reason.
    ///
    /// # Errors
    /// What it waits for, or what is to be mended.
    pub fn check(&self) -> Result<(), String> {
        if let Some(failure) = self.failure() {
            return Err(format!("kafka is no longer read: {failure}"));
        }
        if self.topics.iter().all(|topic| topic.is_caught_up()) {
            return Ok(());
        }
        let behind: u64 = self
            .topics
            .iter()
            .flat_map(|topic| topic.lag())
            .map(|(_, _, lag)| lag)
            .sum();
        Err(format!(
            "reading what kafka holds for the first time since the start: {behind} records behind"
        ))
    }

    pub(super) fn fail(&self, what: &str, why: &dyn Display) {
        tracing::error!(what, %why, "kafka is no longer read; questions are answered from what was");
        self.failure.lock().get_or_insert_with(|| format!("{what}: {why}"));
    }

    /// Runs a thread's work to its end. If that is an error or a panic, it is told.
    pub(super) fn watch<E: Display>(&self, what: &str, work: impl FnOnce() -> Result<(), E>) {
        match catch_unwind(AssertUnwindSafe(work)) {
            Ok(Ok(())) => {}
            Ok(Err(error)) => self.fail(what, &error),
            Err(panic) => self.fail(what, &said(&*panic)),
        }
    }
}

/// What a panic said.
fn said(panic: &(dyn Any + Send)) -> String {
    let text = panic.downcast_ref::<&str>().map(|text| (*text).to_owned());
    let text = text.or_else(|| panic.downcast_ref::<String>().cloned());
    format!("a panic: {}", text.as_deref().unwrap_or("without a word"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn health() -> (Arc<KafkaMetrics>, Arc<KafkaHealth>) {
        let topic = Arc::new(KafkaMetrics::default());
        (Arc::clone(&topic), Arc::new(KafkaHealth::new(vec![topic])))
    }

    #[test]
    fn a_node_is_ready_once_it_has_caught_up_and_lag_does_not_change_that() {
        let (topic, health) = health();
        topic.set_lag(vec![("t".to_owned(), 0, 7)]);
        assert!(health.check().unwrap_err().contains("7 records behind"));
        topic.set_caught_up();
        assert_eq!(health.check(), Ok(()));
        topic.set_lag(vec![("t".to_owned(), 0, 70_000)]);
        assert_eq!(health.check(), Ok(()));
    }

    #[test]
    fn a_thread_that_panics_or_fails_is_told_and_the_first_stands() {
        let (topic, health) = health();
        topic.set_caught_up();
        health.watch("the end", || Ok::<(), String>(()));
        assert_eq!((health.check(), health.failure()), (Ok(()), None));
        let thread = std::thread::spawn({
            let health = Arc::clone(&health);
            move || health.watch("polling t", || -> Result<(), String> { panic!("record {}", 7) })
        });
        thread.join().unwrap();
        assert_eq!(health.failure().as_deref(), Some("polling t: a panic: record 7"));
        health.watch("reading t", || Err("gone".to_owned()));
        let why = health.check().unwrap_err();
        assert!(why.contains("polling t: a panic: record 7"), "{why}");
    }
}
