//! Turns: work that touches the store runs on the blocking pool, a bounded number at a time.

use std::sync::Arc;

use tokio::sync::Semaphore;

use crate::problem::{Answer, Problem};

/// How many may compute at once; more wait their turn. Clones share it.
#[derive(Clone, Debug)]
pub struct Turns(Arc<Semaphore>);

impl Turns {
    /// So many at once; at least one.
    pub fn new(concurrent: usize) -> Self {
        Self(Arc::new(Semaphore::new(concurrent.clamp(1, Semaphore::MAX_PERMITS))))
    }

    /// Does this when its turn comes.
    ///
    /// # Errors
    /// What the work ends in; 500 when it does not end.
    pub async fn take<T: Send + 'static>(&self, work: impl FnOnce() -> Answer<T> + Send + 'static) -> Answer<T> {
        // The semaphore is never closed; were it, the work would only lack its turn.
        let turn = Arc::clone(&self.0).acquire_owned().await.ok();
        let done = tokio::task::spawn_blocking(move || {
            let _turn = turn;
            work()
        });
        done.await.unwrap_or_else(|failed| Err(Problem::unreadable(&failed)))
    }
}
