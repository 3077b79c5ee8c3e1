//! The parameters of a question, read strictly: an unknown one, a repeated one, an empty one and one that does not
//! parse are each a 400 that names the parameter, the value and the rule. Nothing is ignored: a misspelt filter that is
//! skipped silently is a wrong answer about evidence.

use std::str::FromStr;

use verdict_schemas::Timestamp;

use crate::percent;
use crate::problem::{Answer, Code, Problem};

/// What every question about a tenant takes.
pub const CUT: &[&str] = &["as_of", "known_at", "after"];
/// Names one thing where no path could: ids are whatever their emitters chose, `..` and nothing at all included.
pub const ID: &[&str] = &["id"];
/// What every list takes besides.
pub const LIST: &[&str] = &["limit", "cursor", "order"];

/// The parameters given, each known and at most once.
#[derive(Clone, Debug, Default)]
pub struct Params {
    given: Vec<(String, String)>,
}

impl Params {
    /// Reads a query string for a path that takes the parameters `known` (groups of them).
    ///
    /// # Errors
    /// 400 that names the parameter, for whatever is not taken here.
    pub fn read(query: Option<&str>, known: &[&[&str]]) -> Answer<Self> {
        let mut given: Vec<(String, String)> = Vec::new();
        let mut unknown = Vec::new();
        for pair in query.unwrap_or_default().split('&').filter(|pair| !pair.is_empty()) {
            let (name, value) = pair.split_once('=').unwrap_or((pair, ""));
            let unreadable = || {
                let shown: String = pair.chars().take(120).collect();
                Problem::new(Code::InvalidQuery, format!("`{shown}` is not percent-encoded UTF-8"))
            };
            let name = percent::decode(name).ok_or_else(unreadable)?;
            let value = percent::decode(value).ok_or_else(unreadable)?;
            if !known.iter().any(|group| group.contains(&name.as_str())) {
                unknown.push(name.chars().take(80).collect::<String>());
            } else if given.iter().any(|(earlier, _)| *earlier == name) {
                let detail = format!("`{name}` is given more than once");
                return Err(Problem::new(Code::RepeatedParameter, detail).with("parameter", name));
            } else if value.is_empty() && !ID.contains(&name.as_str()) {
                return Err(Problem::invalid(
                    &name,
                    "",
                    "it must not be empty; leave it out instead",
                ));
            } else {
                given.push((name, value));
            }
        }
        if unknown.is_empty() {
            return Ok(Self { given });
        }
        let mut known: Vec<&str> = known.iter().flat_map(|group| group.iter().copied()).collect();
        known.sort_unstable();
        let later = if unknown.iter().any(|name| name == "finding") {
            "; findings are not part of this release"
        } else {
            ""
        };
        let takes = if known.is_empty() {
            "none".to_owned()
        } else {
            quoted(&known)
        };
        let detail = format!("not taken here: {}{later}; this path takes {takes}", quoted(&unknown));
        Err(Problem::new(Code::UnknownParameter, detail)
            .with("parameters", unknown)
            .with("known", known))
    }

    /// A parameter, if it is given.
    pub fn text(&self, name: &str) -> Option<&str> {
        self.given
            .iter()
            .find(|(given, _)| given == name)
            .map(|(_, value)| value.as_str())
    }

    /// A parameter that must be given.
    ///
    /// # Errors
    /// 400 where it is not.
    pub fn required(&self, name: &str) -> Answer<&str> {
        self.text(name).ok_or_else(|| {
            Problem::new(Code::MissingParameter, format!("`{name}` is required")).with("parameter", name)
        })
    }

    /// A time: RFC 3339 (E1).
    ///
    /// # Errors
    /// 400 for what is none.
    pub fn time(&self, name: &str) -> Answer<Option<Timestamp>> {
        self.text(name).map(|value| parse_time(name, value)).transpose()
    }

    /// A whole number from `least` to `most`.
    ///
    /// # Errors
    /// 400 for what is none, or beyond the bounds.
    pub fn number<N>(&self, name: &str, least: N, most: N) -> Answer<Option<N>>
    where
        N: FromStr + PartialOrd + std::fmt::Display + Copy,
    {
        let Some(value) = self.text(name) else { return Ok(None) };
        match value.parse::<N>() {
            Ok(number) if least <= number && number <= most && value.bytes().all(|b| b.is_ascii_digit()) => {
                Ok(Some(number))
            }
            _ => Err(Problem::invalid(
                name,
                value,
                &format!("it must be a whole number from {least} to {most}"),
            )),
        }
    }

    /// One of a closed set.
    ///
    /// # Errors
    /// 400 for one that is not in it.
    pub fn one_of<T: Copy>(&self, name: &str, choices: &[(&str, T)]) -> Answer<Option<T>> {
        let Some(value) = self.text(name) else { return Ok(None) };
        let chosen = choices
            .iter()
            .find(|(choice, _)| *choice == value)
            .map(|(_, chosen)| *chosen);
        chosen.map(Some).ok_or_else(|| {
            let names: Vec<&str> = choices.iter().map(|(choice, _)| *choice).collect();
            Problem::invalid(name, value, &format!("it must be one of {}", quoted(&names)))
        })
    }

    /// What was given, sorted by name, less `except`: what a cursor is bound to, and what a `Link` repeats.
    pub fn others(&self, except: &[&str]) -> Vec<(&str, &str)> {
        let mut others: Vec<(&str, &str)> = self
            .given
            .iter()
            .map(|(name, value)| (name.as_str(), value.as_str()))
            .filter(|(name, _)| !except.contains(name))
            .collect();
        others.sort_unstable();
        others
    }
}

/// Parses a time. A `+` that its sender did not encode arrives as a space: before the offset nothing else can be meant.
///
/// # Errors
/// 400 for what is none.
fn parse_time(name: &str, value: &str) -> Answer<Timestamp> {
    let repaired = value
        .rsplit_once(' ')
        .filter(|(time, offset)| time.contains(':') && offset.contains(':'));
    let parsed = match repaired {
        Some((time, offset)) => Timestamp::parse(&format!("{time}+{offset}")),
        None => Timestamp::parse(value),
    };
    parsed.map_err(|wrong| {
        let rule = match wrong {
            verdict_schemas::InvalidTime::Syntax(_) => {
                "it must be RFC 3339 with an offset, such as `2026-03-01T12:00:00Z`"
            }
            verdict_schemas::InvalidTime::Range(_) => "it must lie within the years 1970 to 9999",
        };
        Problem::invalid(name, value, rule)
    })
}

fn quoted(names: &[impl AsRef<str>]) -> String {
    names
        .iter()
        .map(|name| format!("`{}`", name.as_ref()))
        .collect::<Vec<_>>()
        .join(", ")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn code(query: &str) -> Code {
        Params::read(Some(query), &[CUT, &["at", "limit"]]).unwrap_err().code()
    }

    #[test]
    fn nothing_is_ignored() {
        assert_eq!(code("at=1&known_ta=2"), Code::UnknownParameter);
        assert_eq!(code("at=1&at=1"), Code::RepeatedParameter);
        assert_eq!(code("%61t=1&at=1"), Code::RepeatedParameter);
        assert_eq!(code("at="), Code::InvalidParameter);
        assert_eq!(code("at"), Code::InvalidParameter);
        assert_eq!(code("at=%zz"), Code::InvalidQuery);
        assert!(Params::read(None, &[]).unwrap().given.is_empty());
        assert!(Params::read(Some("&&"), &[]).unwrap().given.is_empty());
    }

    #[test]
    fn an_offset_survives_a_plus_that_was_not_encoded() {
        let read = |query| {
            Params::read(Some(query), &[&["at"]])
                .unwrap()
                .time("at")
                .map(|t| t.unwrap().to_string())
        };
        for query in [
            "at=2026-03-01T02:00:00+02:00",
            "at=2026-03-01T02:00:00%2B02:00",
            "at=2026-03-01T00:00:00Z",
        ] {
            assert_eq!(read(query).unwrap(), "2026-03-01T00:00:00.000000Z", "{query}");
        }
        assert_eq!(read("at=2026-03-01").unwrap_err().code(), Code::InvalidParameter);
        assert_eq!(
            read("at=1969-12-31T23:59:59Z").unwrap_err().code(),
            Code::InvalidParameter
        );
    }

    #[test]
    fn numbers_have_bounds_and_no_signs() {
        let read = |query| {
            Params::read(Some(query), &[&["limit"]])
                .unwrap()
                .number::<u32>("limit", 1, 1000)
        };
        assert_eq!(read("limit=1000").unwrap(), Some(1000));
        for query in [
            "limit=0",
            "limit=1001",
            "limit=%2B5",
            "limit=-1",
            "limit=1e2",
            "limit=99999999999",
        ] {
            assert_eq!(read(query).unwrap_err().code(), Code::InvalidParameter, "{query}");
        }
    }
}
