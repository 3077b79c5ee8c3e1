//! How much one request may be, and all requests in flight together.

use verdict_edge::body::BodyLimits;

/// Bounds of the HTTP intake, OPA's paths included. All are hard: beyond them a request is refused, never buffered.
#[derive(Clone, Debug)]
pub struct IntakeLimits {
    /// Of its body.
    pub body: BodyLimits,
    /// Bytes of one event, headers included.
    pub max_event_bytes: u64,
    /// Events in one request.
    pub max_events: usize,
}

impl Default for IntakeLimits {
    fn default() -> Self {
        Self {
            body: BodyLimits::default(),
            max_event_bytes: 1 << 20,
            max_events: 100_000,
        }
    }
}

impl IntakeLimits {
    pub(crate) fn event(&self) -> usize {
        usize::try_from(self.max_event_bytes).unwrap_or(usize::MAX)
    }
}
