//! The zone that times without an offset are in, and that all times are printed in: UTC, or what `--tz` names.
//!
//! What is printed carries its offset, and is read back as the same instant: it holds as many digits of the second as that
//! instant has, none, three or six, and never fewer.

use jiff::Timestamp;
use jiff::tz::{Offset, TimeZone};

use crate::exit::Failure;

/// A time zone.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Zone(TimeZone);

impl Zone {
    /// Coordinated Universal Time.
    pub(crate) const UTC: Self = Self(TimeZone::UTC);

    /// The zone of a name of the IANA (`Europe/Berlin`), of `UTC`, or of this machine (`local`).
    pub(crate) fn named(name: &str) -> Result<Self, Failure> {
        let zone = match name {
            "UTC" | "utc" | "Z" => Ok(TimeZone::UTC),
            "local" => TimeZone::try_system(),
            _ => TimeZone::get(name),
        };
        zone.map(Self).map_err(|_| {
            Failure::Usage(format!(
                "--tz `{name}` is no time zone known here: write UTC, local, or a name such as Europe/Berlin"
            ))
        })
    }

    /// One that is at hand.
    pub(super) fn of(zone: &TimeZone) -> Self {
        Self(zone.clone())
    }

    /// As it is.
    pub(super) fn zone(&self) -> &TimeZone {
        &self.0
    }

    /// What it is called in a message.
    pub(super) fn name(&self) -> &str {
        self.0.iana_name().unwrap_or("the time zone of this machine")
    }

    /// An instant: `2026-03-01T14:00:00Z`, `2026-03-01T15:00:00.250+01:00`.
    pub(crate) fn print(&self, instant: Timestamp, digits: Digits) -> String {
        let offset = self.0.to_offset(instant);
        // An offset of so many seconds, as some zones had until 1972, can not be written.
        let (civil, offset) = if self.0 == TimeZone::UTC || offset.seconds() % 60 != 0 {
            (Offset::UTC.to_datetime(instant), "Z".to_owned())
        } else {
            let minutes = offset.seconds().abs() / 60;
            let sign = if offset.is_negative() { '-' } else { '+' };
            let shown = format!("{sign}{:02}:{:02}", minutes / 60, minutes % 60);
            (offset.to_datetime(instant), shown)
        };
        let places = digits.places();
        format!("{civil:.places$}{offset}")
    }
}

/// How many digits of the second are shown.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Digits {
    /// None.
    Seconds,
    /// Three.
    Millis,
    /// Six: as many as an answer has.
    Micros,
}

impl Digits {
    /// As few as say all of it.
    pub(crate) fn of(instant: Timestamp) -> Self {
        match instant.subsec_nanosecond() {
            0 => Self::Seconds,
            nanos if nanos % 1_000_000 == 0 => Self::Millis,
            _ => Self::Micros,
        }
    }

    fn places(self) -> usize {
        match self {
            Self::Seconds => 0,
            Self::Millis => 3,
            Self::Micros => 6,
        }
    }
}
