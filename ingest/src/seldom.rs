//! A line of the log that does not drown the others: what every request meets alike is said once a minute, with how many
//! met it since.

use std::time::{Duration, Instant};

use parking_lot::Mutex;

/// How often it is said.
const EVERY: Duration = Duration::from_secs(60);

/// When it was said last, and how often it happened since.
#[derive(Debug)]
pub(crate) struct Seldom(Mutex<(Option<Instant>, u64)>);

impl Seldom {
    pub(crate) const fn new() -> Self {
        Self(Mutex::new((None, 0)))
    }

    /// It happened again. If it is to be said: how often it happened since that was said last, this time included.
    pub(crate) fn again(&self, now: Instant) -> Option<u64> {
        let (said, times) = &mut *self.0.lock();
        *times += 1;
        if said.is_some_and(|said| now.duration_since(said) < EVERY) {
            return None;
        }
        *said = Some(now);
        Some(std::mem::take(times))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_is_said_at_once_and_then_once_a_minute() {
        let (seldom, begun) = (Seldom::new(), Instant::now());
        let said: Vec<_> = [0, 1, 59, 60, 61, 200]
            .map(|seconds| seldom.again(begun + Duration::from_secs(seconds)))
            .into();
        assert_eq!(said, [Some(1), None, None, Some(3), None, Some(2)]);
    }
}
