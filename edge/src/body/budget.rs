//! The memory that all bodies in flight may hold together.

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use super::{BodyError, BodyLimits};

/// One permit, in bytes: fine enough, and the largest sensible budget fits the semaphore's count.
const UNIT: usize = 4 << 10;

/// What all requests share. A request that wants more than is left waits, and is answered 503 when it waited too long;
/// so two large ones that wait for each other end too.
#[derive(Clone, Debug)]
pub struct Budget {
    permits: Arc<Semaphore>,
    patience: Duration,
}

impl Budget {
    /// A budget within these limits.
    pub fn new(limits: &BodyLimits) -> Self {
        // A largest request must fit, or it could never be taken: as sent, decompressed, mapped (twice that), roundings.
        let least = limits
            .body()
            .saturating_add(limits.decoded().saturating_mul(3))
            .saturating_add(8 * UNIT);
        let bytes = usize::try_from(limits.max_in_flight_bytes)
            .unwrap_or(usize::MAX)
            .max(least);
        let most = usize::try_from(u32::MAX)
            .unwrap_or(usize::MAX)
            .min(Semaphore::MAX_PERMITS);
        Self {
            permits: Arc::new(Semaphore::new((bytes / UNIT).min(most))),
            patience: limits.patience,
        }
    }

    /// A request's share, nothing in it yet.
    pub fn share(&self) -> Share {
        Share {
            budget: self.clone(),
            held: None,
        }
    }
}

/// What one request holds. Given back when dropped.
#[derive(Debug)]
pub struct Share {
    budget: Budget,
    held: Option<OwnedSemaphorePermit>,
}

impl Share {
    /// Takes `bytes` more, rounded up.
    ///
    /// # Errors
    /// `Busy` when that much does not become free in time.
    pub async fn take(&mut self, bytes: usize) -> Result<(), BodyError> {
        let units = u32::try_from(bytes.div_ceil(UNIT)).map_err(|_| BodyError::Busy)?;
        let waited = Arc::clone(&self.budget.permits).acquire_many_owned(units);
        let taken = tokio::time::timeout(self.budget.patience, waited).await;
        let taken = taken.map_err(|_| BodyError::Busy)?.map_err(|_| BodyError::Busy)?;
        match &mut self.held {
            Some(held) => held.merge(taken),
            None => self.held = Some(taken),
        }
        Ok(())
    }

    /// Makes room in `buffer` for `more` bytes, within `most`, and pays for what that allocates.
    ///
    /// # Errors
    /// `Busy` as of [`Share::take`].
    pub async fn room(&mut self, buffer: &mut Vec<u8>, more: usize, most: usize) -> Result<(), BodyError> {
        let needed = buffer.len() + more;
        if needed > buffer.capacity() {
            // Doubling keeps the copying linear; the first step fits most requests.
            let capacity = needed.max(buffer.capacity() * 2).max(16 << 10).min(most.max(needed));
            self.take(capacity - buffer.capacity()).await?;
            buffer.reserve_exact(capacity - buffer.len());
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn what_does_not_fit_waits_and_is_refused_and_fits_again_later() {
        let limits = BodyLimits {
            max_body_bytes: 8 << 10,
            max_decoded_bytes: 8 << 10,
            max_in_flight_bytes: 0,
            patience: Duration::from_millis(5),
            ..BodyLimits::default()
        };
        let budget = Budget::new(&limits);
        let mut first = budget.share();
        first.take(60 << 10).await.unwrap();
        let mut second = budget.share();
        assert!(matches!(second.take(8 << 10).await, Err(BodyError::Busy)));
        drop(first);
        second.take(8 << 10).await.unwrap();
    }
}
