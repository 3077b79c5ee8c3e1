//! What queries may see: the size up to which the views of each log are made, published after the rows are written.

use std::collections::HashMap;
use std::time::Duration;

use foldhash::fast::RandomState;
use parking_lot::RwLock;
use tokio::sync::watch;
use verdict_merkle::TreeSize;

use crate::names::LogName;
use crate::read::IntentCache;
use crate::views::waiting::Waiting;

/// The watermarks in memory, and a way to wait for them.
#[derive(Debug)]
pub(crate) struct Visible {
    sizes: RwLock<HashMap<LogName, TreeSize, RandomState>>,
    /// How often anything was published.
    rounds: watch::Sender<u64>,
    /// What questions remember of the intent of logs.
    pub(crate) intents: IntentCache,
    /// The schemas that records wait for.
    pub(crate) waiting: Waiting,
}

impl Visible {
    pub(crate) fn new() -> Self {
        Self {
            sizes: RwLock::default(),
            rounds: watch::Sender::new(0),
            intents: IntentCache::default(),
            waiting: Waiting::default(),
        }
    }

    /// The size up to which this log's views are made; 0 for a log that there is not.
    pub(crate) fn size(&self, log: &LogName) -> TreeSize {
        self.sizes.read().get(log).copied().unwrap_or_default()
    }

    /// Publishes the watermarks that a write has made durable enough to be read.
    pub(crate) fn publish<'a>(&self, sizes: impl IntoIterator<Item = (&'a LogName, TreeSize)>) {
        {
            let mut held = self.sizes.write();
            for (log, size) in sizes {
                match held.get_mut(log) {
                    Some(place) => *place = size,
                    None => {
                        held.insert(log.clone(), size);
                    }
                }
            }
        }
        self.rounds.send_modify(|rounds| *rounds += 1);
    }

    /// Ticks whenever something became visible.
    pub(crate) fn subscribe(&self) -> watch::Receiver<u64> {
        self.rounds.subscribe()
    }

    /// Waits until the views of `log` are made up to `size`; `false` if they are not within `timeout`.
    pub(crate) async fn wait(&self, log: &LogName, size: TreeSize, timeout: Duration) -> bool {
        let mut rounds = self.subscribe();
        let seen = async {
            // Subscribed before the first look, so that nothing published in between is missed.
            while self.size(log) < size {
                if rounds.changed().await.is_err() {
                    return false;
                }
            }
            true
        };
        tokio::time::timeout(timeout, seen).await.unwrap_or(false)
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;

    #[test]
    fn waiting_ends_when_the_size_is_reached_and_not_before() {
        let runtime = tokio::runtime::Builder::new_multi_thread()
            .worker_threads(1)
            .enable_time()
            .build()
            .unwrap();
        let visible = Arc::new(Visible::new());
        let log: LogName = "acme".parse().unwrap();
        runtime.block_on(async {
            assert!(!visible.wait(&log, TreeSize(1), Duration::from_millis(1)).await);
            let waiting = tokio::spawn({
                let (visible, log) = (Arc::clone(&visible), log.clone());
                async move { visible.wait(&log, TreeSize(3), Duration::from_secs(60)).await }
            });
            visible.publish([(&log, TreeSize(2))]);
            visible.publish([(&log, TreeSize(3))]);
            assert!(waiting.await.unwrap());
            assert!(visible.wait(&log, TreeSize(3), Duration::ZERO).await);
            assert_eq!(visible.size(&log), TreeSize(3));
        });
    }
}
