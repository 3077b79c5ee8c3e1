//! How much one body may be, and all bodies in flight together.

use std::time::Duration;

/// Bounds of bodies. All are hard: beyond them a request is refused, never buffered.
#[derive(Clone, Debug)]
pub struct BodyLimits {
    /// Bytes of a body as sent, compressed or not.
    pub max_body_bytes: u64,
    /// Bytes of a body decompressed.
    pub max_decoded_bytes: u64,
    /// Bytes of all bodies held at once, as sent, decompressed and mapped together. One largest request always fits.
    pub max_in_flight_bytes: u64,
    /// How long a request waits for memory before it is answered 503.
    pub patience: Duration,
    /// How long a body may pause before it is answered 408.
    pub idle: Duration,
}

impl Default for BodyLimits {
    fn default() -> Self {
        Self {
            max_body_bytes: 16 << 20,
            max_decoded_bytes: 64 << 20,
            max_in_flight_bytes: 256 << 20,
            patience: Duration::from_secs(5),
            idle: Duration::from_secs(30),
        }
    }
}

impl BodyLimits {
    /// Bytes of a body as sent.
    pub fn body(&self) -> usize {
        size(self.max_body_bytes)
    }

    /// Bytes of a body decompressed.
    pub fn decoded(&self) -> usize {
        size(self.max_decoded_bytes)
    }
}

fn size(bytes: u64) -> usize {
    usize::try_from(bytes).unwrap_or(usize::MAX)
}
