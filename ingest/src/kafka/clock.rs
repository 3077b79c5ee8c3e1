//! The clock of this machine, which the horizon goes by, and the time at which an intake vouches for a record.

use verdict_schemas::Timestamp;

/// The clock, in whole microseconds.
pub(super) fn now() -> Timestamp {
    let since = std::time::SystemTime::now()
        .duration_since(std::time::UNIX_EPOCH)
        .unwrap_or_default();
    i64::try_from(since.as_micros())
        .ok()
        .and_then(Timestamp::from_micros)
        .unwrap_or(Timestamp::MIN)
}
