//! Times as people write them: RFC 3339, a local date and time, or a few words. What was worked out is echoed.
//!
//! | form | example |
//! |---|---|
//! | RFC 3339 | `2026-03-01T14:00:00Z`, `2026-03-01T15:00:00+01:00` |
//! | local date, and time | `2026-03-01`, `2026-03-01 14:00`, `2026-03-01 14:00:30.5` |
//! | day, and time | `now`, `today`, `today 14:00`, `yesterday 14:00`, `tomorrow` |
//! | time of today | `14:00` |
//! | so long ago | `10 minutes ago`, `2 hours ago`, `3 days ago`, `1 week ago` |
//!
//! Nothing else is guessed at: a letter may be a time zone of the military, and what reads `Q3` as a moment answers a
//! question that nobody asked. A local time that its zone had twice, or never, is refused with both instants.

use jiff::civil::{Date, DateTime, Time};
use jiff::tz::{AmbiguousOffset, Offset};
use jiff::{Span, Timestamp, Zoned};

use crate::exit::Failure;

/// An instant as the server wants it, and whether it had to be worked out from words.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Moment {
    /// RFC 3339, UTC, microseconds.
    pub(crate) rfc3339: String,
    /// Was it given in words?
    pub(crate) resolved: bool,
}

/// Reads a time given for `option`, words relative to `now` and in its time zone.
pub(crate) fn read(option: &str, text: &str, now: &Zoned) -> Result<Moment, Failure> {
    // RFC 3339 goes to the server as it is: it knows the rules, and cuts finer digits off.
    if text.parse::<Timestamp>().is_ok() {
        return Ok(Moment {
            rfc3339: text.to_owned(),
            resolved: false,
        });
    }
    let words = text.to_ascii_lowercase();
    let words: Vec<&str> = words.split_ascii_whitespace().collect();
    let found = match words.as_slice() {
        ["now"] => Ok(now.timestamp()),
        [number, unit, "ago"] => ago(number, unit, now).and_then(|local| match local {
            Ago::Instant(instant) => Ok(instant),
            Ago::Local(local) => instant(local, now),
        }),
        [day] => match clock(day) {
            Some(time) => instant(now.date().to_datetime(time), now),
            None => local(day, None, now).and_then(|local| instant(local, now)),
        },
        [day, time] => local(day, Some(time), now).and_then(|local| instant(local, now)),
        _ => Err(Wrong::Form),
    };
    let instant = found.map_err(|wrong| wrong.failure(option, text))?;
    Ok(Moment {
        rfc3339: format!("{instant:.6}"),
        resolved: true,
    })
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
}

impl Wrong {
    fn failure(self, option: &str, text: &str) -> Failure {
        Failure::Usage(match self {
            Self::Form => format!(
                "--{option} `{text}` is not a time: write RFC 3339 (2026-03-01T14:00:00Z), a local time (\"2026-03-01 14:00\", \
                 \"14:00\"), or words (\"yesterday 14:00\", \"10 minutes ago\")"
            ),
            Self::Local {
                how,
                zone,
                instants: [one, other],
            } => format!(
                "--{option} `{text}` {how} in {zone}, where the clocks are changed then: write `{one}` or `{other}`"
            ),
        })
    }
}

/// A local date, with the time of day that stands beside it or behind a `T`; without any it is midnight.
fn local(day: &str, time: Option<&str>, now: &Zoned) -> Result<DateTime, Wrong> {
    let (day, time) = match day.split_once('t') {
        Some((date, behind)) if time.is_none() && is_date(date) => (date, Some(behind)),
        _ => (day, time),
    };
    let today = now.date();
    let date = match day {
        "today" => Some(today),
        "yesterday" => today.yesterday().ok(),
        "tomorrow" => today.tomorrow().ok(),
        date if is_date(date) => date.parse::<Date>().ok(),
        _ => None,
    };
    let time = time.map_or(Some(Time::midnight()), clock);
    Ok(date.ok_or(Wrong::Form)?.to_datetime(time.ok_or(Wrong::Form)?))
}

/// `2026-03-01`, and nothing more.
fn is_date(text: &str) -> bool {
    let lengths = text.split('-').map(str::len);
    lengths.eq([4, 2, 2]) && text.bytes().all(|b| b == b'-' || b.is_ascii_digit())
}

/// `14:00`, `14:00:30` or `14:00:30.5`.
fn clock(text: &str) -> Option<Time> {
    let (whole, fraction) = text.split_once('.').unwrap_or((text, "0"));
    let lengths: Vec<usize> = whole.split(':').map(str::len).collect();
    let formed = match lengths.as_slice() {
        [2, 2] => whole == text,
        [2, 2, 2] => !fraction.is_empty() && fraction.bytes().all(|b| b.is_ascii_digit()),
        _ => false,
    };
    let digits = whole.bytes().all(|b| b == b':' || b.is_ascii_digit());
    (formed && digits).then(|| text.parse().ok())?
}

enum Ago {
    Instant(Timestamp),
    /// Days ago are days of the calendar: the same time of day.
    Local(DateTime),
}

/// So many of a unit ago.
fn ago(number: &str, unit: &str, now: &Zoned) -> Result<Ago, Wrong> {
    if !number.bytes().all(|b| b.is_ascii_digit()) {
        return Err(Wrong::Form);
    }
    let number: i64 = number.parse().map_err(|_| Wrong::Form)?;
    let elapsed = |span: Result<Span, jiff::Error>| {
        let before = span.and_then(|span| now.timestamp().checked_sub(span));
        before.map(Ago::Instant).map_err(|_| Wrong::Form)
    };
    let days = |span: Result<Span, jiff::Error>| {
        let before = span.and_then(|span| now.datetime().checked_sub(span));
        before.map(Ago::Local).map_err(|_| Wrong::Form)
    };
    match unit.strip_suffix('s').unwrap_or(unit) {
        "second" => elapsed(Span::new().try_seconds(number)),
        "minute" => elapsed(Span::new().try_minutes(number)),
        "hour" => elapsed(Span::new().try_hours(number)),
        "day" => days(Span::new().try_days(number)),
        "week" => days(Span::new().try_weeks(number)),
        _ => Err(Wrong::Form),
    }
}

/// The instant of a local time.
fn instant(local: DateTime, now: &Zoned) -> Result<Timestamp, Wrong> {
    let zone = now.time_zone();
    let both = |before: Offset, after: Offset, how| {
        let of = |offset: Offset| {
            let seconds = offset.seconds().abs();
            let sign = if offset.is_negative() { '-' } else { '+' };
            format!("{local}{sign}{:02}:{:02}", seconds / 3600, seconds / 60 % 60)
        };
        Wrong::Local {
            how,
            zone: zone.iana_name().unwrap_or("the local time zone").to_owned(),
            instants: [of(before), of(after)],
        }
    };
    match zone.to_ambiguous_timestamp(local).offset() {
        AmbiguousOffset::Unambiguous { offset } => offset.to_timestamp(local).map_err(|_| Wrong::Form),
        AmbiguousOffset::Fold { before, after } => Err(both(before, after, "is there twice")),
        AmbiguousOffset::Gap { before, after } => Err(both(before, after, "never was")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn now() -> Zoned {
        "2026-03-02T09:30:00[UTC]".parse().unwrap()
    }

    #[test]
    fn words_are_resolved_and_rfc_3339_is_passed_on() {
        for (text, expected) in [
            ("yesterday 14:00", "2026-03-01T14:00:00.000000Z"),
            ("Yesterday", "2026-03-01T00:00:00.000000Z"),
            ("today 08:15:30.25", "2026-03-02T08:15:30.250000Z"),
            ("tomorrow 00:00", "2026-03-03T00:00:00.000000Z"),
            ("14:00", "2026-03-02T14:00:00.000000Z"),
            ("now", "2026-03-02T09:30:00.000000Z"),
            ("10 minutes ago", "2026-03-02T09:20:00.000000Z"),
            ("1 hour ago", "2026-03-02T08:30:00.000000Z"),
            (" 2  days ago ", "2026-02-28T09:30:00.000000Z"),
            ("1 week ago", "2026-02-23T09:30:00.000000Z"),
            ("2026-03-01", "2026-03-01T00:00:00.000000Z"),
            ("2026-03-01 14:00", "2026-03-01T14:00:00.000000Z"),
            ("2026-03-01T14:00:05", "2026-03-01T14:00:05.000000Z"),
        ] {
            let said = read("at", text, &now()).unwrap();
            assert_eq!((said.rfc3339.as_str(), said.resolved), (expected, true), "{text}");
        }
        let given = read("at", "2026-03-01T14:00:00.1234567Z", &now()).unwrap();
        assert_eq!(
            (given.rfc3339.as_str(), given.resolved),
            ("2026-03-01T14:00:00.1234567Z", false)
        );
    }

    #[test]
    fn nothing_is_guessed_at() {
        for text in [
            "",
            " ",
            "whenever",
            "Q3",
            "v7",
            "15m",
            "1h",
            "m",
            "z",
            "12",
            "1234",
            "14",
            "14:0",
            "2 pm",
            "-5 minutes ago",
            "+5 minutes ago",
            "5 minutes",
            "minutes ago",
            "1e3 minutes ago",
            "5 months ago",
            "99999999999 weeks ago",
            "2026-3-1",
            "2026-02-30",
            "2026-03-01 25:00",
            "2026-03-01 14:00 q",
            "20260301",
            "03/01/2026",
            "yesterday q3",
            "last monday",
            "2026-03-01T14:00:00.Z",
            "14:00.5",
        ] {
            let failure = read("at", text, &now()).map(|m| m.rfc3339).unwrap_err().to_string();
            assert!(
                failure.starts_with(&format!("--at `{text}` is not a time")),
                "{failure}"
            );
            assert!(failure.contains("10 minutes ago"), "{failure}");
        }
    }

    #[test]
    fn a_local_time_that_was_there_twice_or_never_is_refused_with_both_instants() {
        let berlin: Zoned = "2026-10-26T09:30:00[Europe/Berlin]".parse().unwrap();
        let said = |text: &str| {
            read("from", text, &berlin)
                .map(|m| m.rfc3339)
                .map_err(|e| e.to_string())
        };
        assert_eq!(said("2026-10-25 01:59").unwrap(), "2026-10-24T23:59:00.000000Z");
        let twice = said("yesterday 02:30").unwrap_err();
        assert_eq!(
            twice,
            said("2026-10-25 02:30")
                .unwrap_err()
                .replace("2026-10-25 02:30", "yesterday 02:30")
        );
        for expected in [
            "is there twice in Europe/Berlin",
            "`2026-10-25T02:30:00+02:00`",
            "`2026-10-25T02:30:00+01:00`",
        ] {
            assert!(twice.contains(expected), "{twice}");
        }
        let never = said("2026-03-29 02:30").unwrap_err();
        assert!(
            never.contains("never was in Europe/Berlin") && never.contains("+02:00"),
            "{never}"
        );
        // What is offered is taken.
        assert!(read("from", "2026-10-25T02:30:00+02:00", &berlin).is_ok());
        // Days are days of the calendar, hours are hours.
        assert_eq!(said("2 days ago").unwrap(), "2026-10-24T07:30:00.000000Z");
        assert_eq!(said("48 hours ago").unwrap(), "2026-10-24T08:30:00.000000Z");
    }
}
