//! Times as people write them ([`grammar`] has the forms), and as they are printed ([`zone`]).
//!
//! A time without an offset is one of the zone of `--tz`, UTC unless set, which also rules the printing: what is copied out
//! of a table is read as what it was. What had to be worked out is echoed.
//!
//! A day, a month or a quarter is more than a moment, and means by its option what it says there: `--from` its start, `--to`
//! its end, so that `--from 2026-09 --to 2026-09` is September. `--at` and its like take of a day its midnight, and no month:
//! which moment of it is meant nobody can tell. So it is with a local time that its zone had twice, or never, and with a time
//! of day that is still to come today: each is refused with both that may be meant.

mod grammar;
mod zone;

use std::sync::OnceLock;

use jiff::civil::{Date, DateTime};
use jiff::tz::{AmbiguousOffset, Offset};
use jiff::{SignedDuration, Timestamp, Zoned};

use self::grammar::Said;
pub(crate) use self::zone::{Digits, Zone};
use crate::exit::Failure;

/// The zone of this run.
static ZONE: OnceLock<Zone> = OnceLock::new();

/// Sets the zone of this run, once, before anything is read or printed.
pub(crate) fn use_zone(zone: Zone) {
    // Whoever comes second had the first to print with.
    let _kept = ZONE.set(zone);
}

/// The zone of this run.
pub(crate) fn own_zone() -> &'static Zone {
    ZONE.get_or_init(|| Zone::UTC)
}

/// The present moment, in the zone of this run.
pub(crate) fn now() -> Zoned {
    Timestamp::now().to_zoned(own_zone().zone().clone())
}

/// An instant as the server wants it, and what it was taken to mean where it had to be worked out.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Given {
    /// RFC 3339.
    pub(crate) rfc3339: String,
    /// What is to be echoed: the instant, and what of a range it is.
    pub(crate) echo: Option<String>,
}

/// Reads a time given for `option`, words relative to `now` and in its time zone.
pub(crate) fn read(option: &str, text: &str, now: &Zoned) -> Result<Given, Failure> {
    let said = grammar::read(text, now).ok_or(Wrong::Form);
    let found = said.and_then(|said| resolve(option, &said, now));
    let (instant, of) = found.map_err(|wrong| wrong.failure(option, text))?;
    // RFC 3339 goes to the server as it is: it knows the rules, and cuts finer digits off.
    if is_whole_rfc3339(text) {
        return Ok(Given {
            rfc3339: text.to_owned(),
            echo: None,
        });
    }
    // The server knows microseconds: words are of no finer time.
    let instant = Timestamp::from_microsecond(instant.as_microsecond()).unwrap_or(instant);
    let shown = Zone::of(now.time_zone()).print(instant, Digits::of(instant));
    Ok(Given {
        rfc3339: format!("{instant:.6}"),
        echo: Some(format!("{shown}{of}")),
    })
}

/// RFC 3339 with all that it demands: `T`, the seconds, an offset.
fn is_whole_rfc3339(text: &str) -> bool {
    let at = |index| text.as_bytes().get(index).copied();
    at(10) == Some(b'T') && at(16) == Some(b':') && text.parse::<Timestamp>().is_ok()
}

/// The instant that is said, and what of a range it is.
fn resolve(option: &str, said: &Said, now: &Zoned) -> Result<(Timestamp, &'static str), Wrong> {
    let start_of = |day: &Date| {
        let zoned = day.to_zoned(now.time_zone().clone());
        zoned.map(|zoned| zoned.timestamp()).map_err(|_| Wrong::Form)
    };
    match said {
        Said::Instant(instant) => Ok((*instant, "")),
        Said::Local { civil, before } => instant(*civil, *before, now).map(|found| (found, "")),
        Said::ToCome { earlier, later } => Err(Wrong::ToCome([*earlier, *later])),
        Said::Days { from, until, what } => match option {
            "from" | "since" => Ok((start_of(from)?, ", its start")),
            "to" => Ok((start_of(until)?, ", its end")),
            _ if *what == "day" => Ok((start_of(from)?, "")),
            _ => Err(Wrong::Wide {
                what,
                days: [*from, *until],
            }),
        },
    }
}

/// Why a text is no moment.
enum Wrong {
    /// In none of the forms.
    Form,
    /// The zone's clocks showed it twice, or never: both instants that may be meant.
    Local {
        how: &'static str,
        zone: String,
        instants: [String; 2],
    },
    /// A time of day that was on an earlier day, and is still to come.
    ToCome([DateTime; 2]),
    /// A month or a quarter where a moment is asked for: its first day, and the day behind it.
    Wide { what: &'static str, days: [Date; 2] },
}

impl Wrong {
    fn failure(self, option: &str, text: &str) -> Failure {
        Failure::Usage(match self {
            Self::Form => format!(
                "--{option} `{text}` is not a time: write RFC 3339 (2026-03-01T14:00:00Z), a date or time \
                 (2026-03-01, \"2026-03-01 14:05\", 14:05, \"yesterday 03:10\", \"monday 14:05\"), so long ago (15m, 2h, 7d, \
                 \"10 minutes ago\"), now{}",
                match option {
                    "from" | "since" | "to" => ", or a month or quarter (2026-09, 2026-Q3)",
                    _ => "",
                }
            ),
            Self::Local {
                how,
                zone,
                instants: [one, other],
            } => format!(
                "--{option} `{text}` {how} in {zone}, where the clocks are changed then: write `{one}` or `{other}`"
            ),
            Self::ToCome([earlier, later]) => format!(
                "--{option} `{text}` is still to come: write `{}` or `{}`",
                written(earlier),
                written(later)
            ),
            Self::Wide {
                what,
                days: [from, until],
            } => format!(
                "--{option} takes one moment, and `{text}` is a {what}: write `{from}` for its start, `{until}` for its end, or \
                 a moment between"
            ),
        })
    }
}

/// A local time as it can be given again.
fn written(civil: DateTime) -> String {
    civil.to_string().replace('T', " ")
}

/// The instant so long before a local time.
fn instant(civil: DateTime, before: SignedDuration, now: &Zoned) -> Result<Timestamp, Wrong> {
    let zone = now.time_zone();
    let both = |one: Offset, other: Offset, how| {
        let of = |offset: Offset| {
            let seconds = offset.seconds().abs();
            let sign = if offset.is_negative() { '-' } else { '+' };
            format!("{civil}{sign}{:02}:{:02}", seconds / 3600, seconds / 60 % 60)
        };
        Wrong::Local {
            how,
            zone: Zone::of(zone).name().to_owned(),
            instants: [of(one), of(other)],
        }
    };
    let found = match zone.to_ambiguous_timestamp(civil).offset() {
        AmbiguousOffset::Unambiguous { offset } => offset.to_timestamp(civil),
        AmbiguousOffset::Fold { before, after } => return Err(both(before, after, "is there twice")),
        AmbiguousOffset::Gap { before, after } => return Err(both(before, after, "never was")),
    };
    found
        .and_then(|found| found.checked_sub(before))
        .map_err(|_| Wrong::Form)
}

#[cfg(test)]
mod tests;
