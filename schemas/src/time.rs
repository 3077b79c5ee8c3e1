//! Time as the rules count it (E1): whole microseconds, UTC, years 1970 to 9999.

use std::fmt;

use serde::{Deserialize, Serialize};

/// An instant: microseconds since 1970-01-01T00:00:00Z, never negative, never past the year 9999.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Timestamp(u64);

/// The last microsecond of the year 9999.
const LAST: u64 = 253_402_300_799_999_999;

/// Why something is not a time in the range of the rules (E1).
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum InvalidTime {
    /// Not RFC 3339.
    #[error("`{0}` is not a time: expected RFC 3339 with an offset, such as `2026-03-01T12:00:00Z`")]
    Syntax(String),
    /// A time, but outside the years 1970 to 9999.
    #[error("`{0}` lies outside the years 1970 to 9999")]
    Range(String),
}

impl Timestamp {
    /// 1970-01-01T00:00:00Z.
    pub const MIN: Self = Self(0);
    /// The last microsecond of the year 9999.
    pub const MAX: Self = Self(LAST);

    /// From microseconds since 1970; `None` outside the range.
    pub fn from_micros(micros: i64) -> Option<Self> {
        u64::try_from(micros).ok().filter(|m| *m <= LAST).map(Self)
    }

    /// Microseconds since 1970.
    pub fn as_micros(self) -> i64 {
        // In range by construction: LAST is far below i64::MAX.
        self.0.cast_signed()
    }

    /// Parses RFC 3339; digits finer than a microsecond are cut off (E1).
    ///
    /// # Errors
    /// [`InvalidTime`] when it is no RFC 3339 time or lies outside the range.
    pub fn parse(text: &str) -> Result<Self, InvalidTime> {
        let shown = || text.chars().take(64).collect::<String>();
        let micros = rfc3339(text.as_bytes()).ok_or_else(|| InvalidTime::Syntax(shown()))?;
        Self::from_micros(micros).ok_or_else(|| InvalidTime::Range(shown()))
    }

    /// Later by `micros`; `None` past the year 9999 ("a result beyond is null", E1).
    pub fn plus_micros(self, micros: u64) -> Option<Self> {
        self.0.checked_add(micros).filter(|m| *m <= LAST).map(Self)
    }

    /// Later by whole milliseconds; `None` past the year 9999.
    pub fn plus_millis(self, millis: u64) -> Option<Self> {
        millis.checked_mul(1000).and_then(|m| self.plus_micros(m))
    }

    /// Earlier by `micros`, but no earlier than 1970.
    pub fn minus_micros(self, micros: u64) -> Self {
        Self(self.0.saturating_sub(micros))
    }
}

/// RFC 3339 section 5.6 to microseconds since 1970. Several times sit in each event, which makes a general parser of
/// dates the dearest part of reading one; and general parsers take more than RFC 3339.
fn rfc3339(text: &[u8]) -> Option<i64> {
    let (date_time, rest) = text.split_first_chunk::<19>()?;
    let [
        y0,
        y1,
        y2,
        y3,
        b'-',
        m0,
        m1,
        b'-',
        d0,
        d1,
        b'T' | b't',
        h0,
        h1,
        b':',
        i0,
        i1,
        b':',
        s0,
        s1,
    ] = *date_time
    else {
        return None;
    };
    let year = two(y0, y1)? * 100 + two(y2, y3)?;
    let (month, day) = (two(m0, m1)?, two(d0, d1)?);
    let (hour, minute, second) = (two(h0, h1)?, two(i0, i1)?, two(s0, s1)?);
    if !(1..=12).contains(&month)
        || !(1..=month_days(year, month)).contains(&day)
        || hour > 23
        || minute > 59
        || second > 60
    {
        return None;
    }
    let (fraction, zone) = match rest.strip_prefix(b".") {
        None => (0, rest),
        Some(rest) => {
            let digits = rest.iter().take_while(|b| b.is_ascii_digit()).count();
            let (digits, zone) = rest.split_at(digits);
            // Six digits are kept, missing ones are zeros; at least one is required.
            digits.first()?;
            (
                (0..6).fold(0, |f, i| f * 10 + digits.get(i).map_or(0, |b| i64::from(b - b'0'))),
                zone,
            )
        }
    };
    let offset_minutes = match *zone {
        [b'Z' | b'z'] => 0,
        [sign @ (b'+' | b'-'), h0, h1, b':', m0, m1] => {
            let (hours, minutes) = (two(h0, h1)?, two(m0, m1)?);
            if hours > 23 || minutes > 59 {
                return None;
            }
            (hours * 60 + minutes) * if sign == b'-' { -1 } else { 1 }
        }
        _ => return None,
    };
    // A leap second counts as the second before it: UTC as computers keep it has none.
    let seconds =
        days_since_1970(year, month, day) * 86_400 + hour * 3600 + (minute - offset_minutes) * 60 + second.min(59);
    Some(seconds * 1_000_000 + fraction)
}

/// Two decimal digits.
fn two(tens: u8, ones: u8) -> Option<i64> {
    (tens.is_ascii_digit() && ones.is_ascii_digit()).then(|| i64::from(tens - b'0') * 10 + i64::from(ones - b'0'))
}

fn month_days(year: i64, month: i64) -> i64 {
    match month {
        2 if year % 4 == 0 && (year % 100 != 0 || year % 400 == 0) => 29,
        2 => 28,
        4 | 6 | 9 | 11 => 30,
        _ => 31,
    }
}

/// Days of the proleptic Gregorian calendar, years counted from March so that the leap day comes last.
fn days_since_1970(year: i64, month: i64, day: i64) -> i64 {
    let year = if month <= 2 { year - 1 } else { year };
    let day_of_year = (153 * ((month + 9) % 12) + 2) / 5 + day - 1;
    year * 365 + year.div_euclid(4) - year.div_euclid(100) + year.div_euclid(400) + day_of_year - 719_468
}

impl fmt::Display for Timestamp {
    /// RFC 3339, UTC, six digits of fraction. Written here because jiff ends two days before the year 9999 does.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (seconds, micros) = (self.0 / 1_000_000, self.0 % 1_000_000);
        let (year, month, day) = date(seconds / 86_400);
        let (hour, minute, second) = (seconds / 3600 % 24, seconds / 60 % 60, seconds % 60);
        write!(
            f,
            "{year:04}-{month:02}-{day:02}T{hour:02}:{minute:02}:{second:02}.{micros:06}Z"
        )
    }
}

/// The date of a day counted from 1970: the inverse of [`days_since_1970`].
fn date(days: u64) -> (u64, u64, u64) {
    // Days counted from 0000-03-01, in eras of 400 years, which all have the same length.
    let days = days + 719_468;
    let (era, day_of_era) = (days / 146_097, days % 146_097);
    let year_of_era = (day_of_era - day_of_era / 1460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
    let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let month_from_march = (5 * day_of_year + 2) / 153;
    let day = day_of_year - (153 * month_from_march + 2) / 5 + 1;
    let month = if month_from_march < 10 {
        month_from_march + 3
    } else {
        month_from_march - 9
    };
    (era * 400 + year_of_era + u64::from(month <= 2), month, day)
}

impl fmt::Debug for Timestamp {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl Serialize for Timestamp {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for Timestamp {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = std::borrow::Cow::<'_, str>::deserialize(deserializer)?;
        Self::parse(&text).map_err(serde::de::Error::custom)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn finer_digits_are_cut_off_and_six_are_printed() {
        assert_eq!(
            Timestamp::parse("2026-03-01T00:00:00.1234569Z").unwrap().to_string(),
            "2026-03-01T00:00:00.123456Z"
        );
        assert_eq!(
            Timestamp::parse("2026-03-01T01:00:00+01:00").unwrap().to_string(),
            "2026-03-01T00:00:00.000000Z"
        );
    }

    #[test]
    fn the_range_is_1970_to_9999() {
        assert!(matches!(
            Timestamp::parse("1969-12-31T23:59:59.999999Z"),
            Err(InvalidTime::Range(_))
        ));
        assert_eq!(Timestamp::MAX.to_string(), "9999-12-31T23:59:59.999999Z");
        assert_eq!(Timestamp::MAX.plus_micros(1), None);
        assert!(matches!(Timestamp::parse("yesterday"), Err(InvalidTime::Syntax(_))));
    }

    #[test]
    fn only_rfc_3339_is_a_time() {
        for text in [
            "2026-03-01",
            "2026-03-01T00:00:00",
            "2026-03-01 00:00:00Z",
            "2026-02-29T00:00:00Z",
            "2026-03-01T24:00:00Z",
            "2026-03-01T00:00Z",
            "2026-03-01T00:00:00.Z",
            "2026-03-01T00:00:00+0100",
            "2026-03-01T00:00:00+24:00",
            "2026-03-01T00:00:00Zulu",
            "+2026-03-01T00:00:00Z",
            "",
        ] {
            assert!(matches!(Timestamp::parse(text), Err(InvalidTime::Syntax(_))), "{text}");
        }
        assert_eq!(
            Timestamp::parse("2016-12-31T23:59:60Z").unwrap().to_string(),
            "2016-12-31T23:59:59.000000Z"
        );
        assert_eq!(
            Timestamp::parse("2024-02-29t00:00:00.1z").unwrap().to_string(),
            "2024-02-29T00:00:00.100000Z"
        );
    }

    proptest::proptest! {
        /// jiff is the oracle: what it prints, with any offset, is read back as the same instant, and printed alike.
        #[test]
        fn what_jiff_prints_is_read(micros in 0..LAST - 2 * 86_400_000_000, minutes in -1439_i32..=1439) {
            let instant = jiff::Timestamp::from_microsecond(micros.cast_signed()).unwrap();
            let offset = jiff::tz::Offset::from_seconds(minutes * 60).unwrap();
            let expected = Timestamp::from_micros(micros.cast_signed()).unwrap();
            proptest::prop_assert_eq!(Timestamp::parse(&instant.to_string()), Ok(expected));
            proptest::prop_assert_eq!(expected.to_string(), format!("{instant:.6}"));
            let text = instant.display_with_offset(offset).to_string();
            // Near the ends of the range an offset leads to a year that has no four digits.
            if text.len() <= 32 && !text.starts_with(['-', '+']) {
                proptest::prop_assert_eq!(Timestamp::parse(&text), Ok(expected), "{}", text);
            }
        }
    }
}
