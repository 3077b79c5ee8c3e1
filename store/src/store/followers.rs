//! What is asked of the followers of logs: where they stand, and to be made anew.

use std::time::Duration;

use tokio::sync::watch;
use verdict_merkle::TreeSize;

use super::Store;
use crate::error::StoreError;
use crate::follow::{Followers, Standing};
use crate::names::LogName;

impl Store {
    /// Where the views of all logs stand, in numbers.
    pub fn followers(&self) -> Followers {
        self.open.shared.schedule.followers()
    }

    /// The names of all logs, in order.
    pub fn log_names(&self) -> Vec<LogName> {
        self.open.shared.schedule.names()
    }

    /// Where the views of a log stand; `None` for a log that there is not.
    pub fn standing(&self, log: &LogName) -> Option<Standing> {
        self.open.shared.schedule.standing(log)
    }

    /// Asks for the views of a log to be made anew, beside those that there are; [`Store::standing`] says how far they are.
    pub fn rebuild_log(&self, log: &LogName) {
        // Nobody waits for it: what it came to is logged.
        drop(self.open.shared.schedule.rebuild(std::slice::from_ref(log)));
    }

    /// Makes the views of all logs anew, one after the other, while appends and questions go on. Resolves when they are made.
    ///
    /// # Errors
    /// The first failure: those views stay as they were.
    pub async fn rebuild_views(&self) -> Result<(), StoreError> {
        let schedule = &self.open.shared.schedule;
        for rebuilt in schedule.rebuild(&schedule.names()) {
            let closing = |_| StoreError::Views("the store is closing".to_owned());
            rebuilt.await.map_err(closing)??;
        }
        Ok(())
    }

    /// Waits until the views of a log are made up to `size`, or, of 0, of all that it held when the store was opened; `false`
    /// if they are not within `timeout`, or will not be for now.
    pub async fn wait_visible(&self, log: &LogName, size: TreeSize, timeout: Duration) -> bool {
        self.open.shared.schedule.wait(log, size, timeout).await
    }

    /// Ticks whenever something became visible.
    pub fn subscribe_visible(&self) -> watch::Receiver<u64> {
        self.open.shared.schedule.subscribe()
    }
}
