//! What a text says, by our own grammar: nothing in it is guessed at, and whatever is not in the table is no time.
//!
//! | form | example |
//! |---|---|
//! | an instant | `2026-03-01T14:00:00Z`, `2026-03-01 15:00+01:00`, `2026-03-01 14:00 UTC`, `now` |
//! | a date and time of day | `2026-03-01 14:05`, `2026-03-01T14:05:30.25` |
//! | a day and time of day | `today 14:05`, `yesterday 03:10`, `monday 14:05` |
//! | a time of day | `14:05`, the latest that was |
//! | so long ago | `15m`, `-15m`, `2h`, `1h30m`, `7d`, `10 minutes ago` |
//! | a day | `2026-03-01`, `today`, `yesterday`, `tomorrow`, `monday` (the latest, today included) |
//! | a month, a quarter | `2026-09`, `2026-Q3` |
//!
//! Days and weeks ago are days of the calendar, at the same time of day; hours are hours. Parsers of libraries take more: to
//! one a letter is a time zone of the military, and `Q3` a moment, so that it answers a question that nobody asked.

use jiff::civil::{Date, DateTime, Time, Weekday};
use jiff::{SignedDuration, Span, Timestamp, Zoned};

/// What a text says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Said {
    /// One instant, whatever the zone.
    Instant(Timestamp),
    /// What a clock on the wall shows, and so long before that.
    Local { civil: DateTime, before: SignedDuration },
    /// Whole days, `[from, until)`.
    Days {
        from: Date,
        until: Date,
        what: &'static str,
    },
    /// A time of day that is still to come today, and was on an earlier day.
    ToCome { earlier: DateTime, later: DateTime },
}

impl Said {
    fn local(civil: DateTime) -> Self {
        Self::Local {
            civil,
            before: SignedDuration::ZERO,
        }
    }

    fn day(day: Date) -> Option<Self> {
        Some(Self::Days {
            from: day,
            until: day.tomorrow().ok()?,
            what: "day",
        })
    }
}

/// Reads a text; words are relative to `now`, and in its time zone.
pub(super) fn read(text: &str, now: &Zoned) -> Option<Said> {
    let text = text.to_ascii_lowercase();
    let words: Vec<&str> = text.split_ascii_whitespace().collect();
    if let [first, rest @ ..] = words.as_slice()
        && let Some(date) = first.get(..10).and_then(date)
    {
        return dated(date, first.get(10..)?, rest);
    }
    match words.as_slice() {
        ["now"] => Some(Said::Instant(now.timestamp())),
        [number, unit, "ago"] => ago(&[(number.parse_digits()?, unit_named(unit)?)], now),
        [short, "ago"] if !short.starts_with('-') => ago(&durations(short)?, now),
        [day] => None
            .or_else(|| day_named(day, now).and_then(|(day, _)| Said::day(day)))
            .or_else(|| clock(day).and_then(|time| time_of_day(now.date(), 1, time, now)))
            .or_else(|| month(day))
            .or_else(|| ago(&durations(day.strip_prefix('-').unwrap_or(day))?, now)),
        [day, time] => {
            let (day, again) = day_named(day, now)?;
            let time = clock(time)?;
            match again {
                Some(days) => time_of_day(day, days, time, now),
                None => Some(Said::local(day.to_datetime(time))),
            }
        }
        _ => None,
    }
}

/// Digits alone: no sign, no blank.
trait Digits {
    fn parse_digits(&self) -> Option<i64>;
}

impl Digits for str {
    fn parse_digits(&self) -> Option<i64> {
        let plain = self.bytes().all(|b| b.is_ascii_digit());
        if plain { self.parse().ok() } else { None }
    }
}

/// What stands behind a full date: nothing, a time of day, and an offset.
fn dated(date: Date, behind: &str, words: &[&str]) -> Option<Said> {
    let joined = behind.strip_prefix('t');
    let (time, zone) = match (joined, words) {
        (None, []) if behind.is_empty() => return Said::day(date),
        (Some(time), zone) => (time, zone),
        (None, [time, zone @ ..]) if behind.is_empty() => (*time, zone),
        _ => return None,
    };
    let split = time.find(['z', '+', '-']).unwrap_or(time.len());
    let (time, offset) = time.split_at(split);
    let civil = date.to_datetime(clock(time)?);
    let offset = match (offset, zone) {
        ("", []) => return Some(Said::local(civil)),
        (offset, []) => offset,
        ("", [offset]) => *offset,
        _ => return None,
    };
    let seconds = match offset {
        "z" | "utc" => 0,
        _ => numeric(offset)?,
    };
    let offset = jiff::tz::Offset::from_seconds(seconds).ok()?;
    offset.to_timestamp(civil).ok().map(Said::Instant)
}

/// `+01:00` or `-05:30`, in seconds.
fn numeric(offset: &str) -> Option<i32> {
    let (sign, rest) = match offset.split_at_checked(1)? {
        ("+", rest) => (1, rest),
        ("-", rest) => (-1, rest),
        _ => return None,
    };
    let (hours, minutes) = rest.split_once(':')?;
    if hours.len() != 2 || minutes.len() != 2 {
        return None;
    }
    let (hours, minutes) = (hours.parse_digits()?, minutes.parse_digits()?);
    (hours < 24 && minutes < 60).then(|| i32::try_from(hours * 3600 + minutes * 60).ok().map(|s| sign * s))?
}

/// `2026-03-01`, and nothing more.
fn date(text: &str) -> Option<Date> {
    let lengths = text.split('-').map(str::len);
    let formed = lengths.eq([4, 2, 2]) && text.bytes().all(|b| b == b'-' || b.is_ascii_digit());
    if formed { text.parse().ok() } else { None }
}

/// `14:05`, `14:05:30` or `14:05:30.5`.
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

/// `2026-09` or `2026-Q3`.
fn month(text: &str) -> Option<Said> {
    let (year, part) = text.split_once('-')?;
    if year.len() != 4 || part.len() != 2 {
        return None;
    }
    let year = i16::try_from(year.parse_digits()?).ok()?;
    let (month, months, what) = match part.strip_prefix('q') {
        Some(quarter) => {
            let quarter = quarter.parse_digits().filter(|q| (1..=4).contains(q))?;
            (quarter * 3 - 2, 3, "quarter")
        }
        None => (part.parse_digits()?, 1, "month"),
    };
    let from = Date::new(year, i8::try_from(month).ok()?, 1).ok()?;
    let until = from.checked_add(Span::new().try_months(months).ok()?).ok()?;
    Some(Said::Days { from, until, what })
}

/// A day by its name, and for a weekday after how many days its name comes again.
fn day_named(word: &str, now: &Zoned) -> Option<(Date, Option<i64>)> {
    let today = now.date();
    let weekday = match word {
        "today" => return Some((today, None)),
        "yesterday" => return today.yesterday().ok().map(|day| (day, None)),
        "tomorrow" => return today.tomorrow().ok().map(|day| (day, None)),
        "monday" | "mon" => Weekday::Monday,
        "tuesday" | "tue" => Weekday::Tuesday,
        "wednesday" | "wed" => Weekday::Wednesday,
        "thursday" | "thu" => Weekday::Thursday,
        "friday" | "fri" => Weekday::Friday,
        "saturday" | "sat" => Weekday::Saturday,
        "sunday" | "sun" => Weekday::Sunday,
        _ => return None,
    };
    let back = Span::new().try_days(today.weekday().since(weekday)).ok()?;
    Some((today.checked_sub(back).ok()?, Some(7)))
}

/// A time of a day that may be today: where it is still to come, the same so many `days` earlier may be meant as well.
fn time_of_day(day: Date, days: i64, time: Time, now: &Zoned) -> Option<Said> {
    let later = day.to_datetime(time);
    if later <= now.datetime() {
        return Some(Said::local(later));
    }
    let earlier = later.checked_sub(Span::new().try_days(days).ok()?).ok()?;
    Some(Said::ToCome { earlier, later })
}

/// Units of time, the largest first.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Unit {
    Weeks,
    Days,
    Hours,
    Minutes,
    Seconds,
}

fn unit_named(word: &str) -> Option<Unit> {
    Some(match word.strip_suffix('s').unwrap_or(word) {
        "week" => Unit::Weeks,
        "day" => Unit::Days,
        "hour" => Unit::Hours,
        "minute" | "min" => Unit::Minutes,
        "second" => Unit::Seconds,
        _ => return None,
    })
}

/// `15m`, `1h30m`: each unit at most once, the larger first.
fn durations(text: &str) -> Option<Vec<(i64, Unit)>> {
    let mut found: Vec<(i64, Unit)> = Vec::new();
    let mut rest = text;
    while !rest.is_empty() {
        let digits = rest.find(|c: char| !c.is_ascii_digit()).filter(|digits| *digits > 0)?;
        let (number, behind) = rest.split_at(digits);
        let letters = behind.find(|c: char| c.is_ascii_digit()).unwrap_or(behind.len());
        let (unit, behind) = behind.split_at(letters);
        let unit = match unit {
            "w" => Unit::Weeks,
            "d" => Unit::Days,
            "h" => Unit::Hours,
            "m" | "min" => Unit::Minutes,
            "s" => Unit::Seconds,
            _ => return None,
        };
        if found.last().is_some_and(|(_, last)| *last >= unit) {
            return None;
        }
        found.push((number.parse_digits()?, unit));
        rest = behind;
    }
    (!found.is_empty()).then_some(found)
}

/// So long before now.
fn ago(parts: &[(i64, Unit)], now: &Zoned) -> Option<Said> {
    let (mut days, mut before) = (0_i64, SignedDuration::ZERO);
    for (number, unit) in parts {
        let seconds = match unit {
            Unit::Weeks => {
                days = days.checked_add(number.checked_mul(7)?)?;
                continue;
            }
            Unit::Days => {
                days = days.checked_add(*number)?;
                continue;
            }
            Unit::Hours => number.checked_mul(3600)?,
            Unit::Minutes => number.checked_mul(60)?,
            Unit::Seconds => *number,
        };
        before = before.checked_add(SignedDuration::from_secs(seconds))?;
    }
    if days == 0 {
        return now.timestamp().checked_sub(before).ok().map(Said::Instant);
    }
    let civil = now.datetime().checked_sub(Span::new().try_days(days).ok()?).ok()?;
    Some(Said::Local { civil, before })
}
