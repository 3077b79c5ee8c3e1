//! Times as people write them: RFC 3339, or words such as "yesterday 14:00". What a word was taken to mean is echoed.

use jiff::Zoned;
use parse_datetime::{ParsedDateTime, parse_datetime_at_date};

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
    if text.parse::<jiff::Timestamp>().is_ok() {
        return Ok(Moment {
            rfc3339: text.to_owned(),
            resolved: false,
        });
    }
    let wrong = || {
        Failure::Usage(format!(
            "--{option} `{text}` is not a time: write RFC 3339 (2026-03-01T14:00:00Z) or words (\"yesterday 14:00\", \
             \"10 minutes ago\")"
        ))
    };
    // What reads words takes none for midnight.
    if text.trim().is_empty() {
        return Err(wrong());
    }
    if text == "now" {
        return Ok(Moment {
            rfc3339: format!("{:.6}", now.timestamp()),
            resolved: true,
        });
    }
    match parse_datetime_at_date(now.clone(), text) {
        Ok(ParsedDateTime::InRange(zoned)) => Ok(Moment {
            rfc3339: format!("{:.6}", zoned.timestamp()),
            resolved: true,
        }),
        Ok(ParsedDateTime::Extended(_)) | Err(_) => Err(wrong()),
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
        let said = |text| read("at", text, &now()).unwrap();
        assert_eq!(said("yesterday 14:00").rfc3339, "2026-03-01T14:00:00.000000Z");
        assert_eq!(said("10 minutes ago").rfc3339, "2026-03-02T09:20:00.000000Z");
        assert!(said("10 minutes ago").resolved);
        let given = said("2026-03-01T14:00:00.1234567Z");
        assert_eq!(
            (given.rfc3339.as_str(), given.resolved),
            ("2026-03-01T14:00:00.1234567Z", false)
        );
    }

    #[test]
    fn what_is_no_time_is_named() {
        let failure = read("at", "whenever", &now()).unwrap_err();
        for nothing in ["", " "] {
            assert!(read("at", nothing, &now()).is_err(), "{nothing:?}");
        }
        assert!(
            failure.to_string().starts_with("--at `whenever` is not a time"),
            "{failure}"
        );
    }
}
