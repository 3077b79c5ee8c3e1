//! The questions, each of them one request, or one and those that page on, and a table.
//!
//! An answer that holds nothing may be the answer to a name that is misspelt: so what is not there is looked up among the
//! [`names`] that are, and told with its own exit code.

mod decisions;
mod find;
mod listing;
mod lists;
mod names;
mod objects;
mod pages;
mod policies;
mod readable;
mod single;

use jiff::{Timestamp, Zoned};
use serde_json::Value;

pub(crate) use decisions::decisions;
pub(crate) use find::find;
pub(crate) use lists::{agents, quarantine, rollouts, sources};
pub(crate) use objects::objects;
pub(crate) use policies::{compare, effective, history};
pub(crate) use single::{events, show};

use crate::cli::{CutArgs, KnownArgs, RangeArgs, SinceArgs};
use crate::exit::Failure;
use crate::output::{line, text};
use crate::{output, times};

/// Query parameters under construction: absent ones are left out, times are resolved and echoed.
struct Query {
    now: Zoned,
    pairs: Vec<(&'static str, String)>,
}

impl Query {
    fn new() -> Self {
        Self {
            now: times::now(),
            pairs: Vec::new(),
        }
    }

    fn with(mut self, name: &'static str, value: Option<&String>) -> Self {
        self.pairs.extend(value.map(|v| (name, v.clone())));
        self
    }

    fn time(mut self, name: &'static str, value: Option<&String>) -> Result<Self, Failure> {
        if let Some(text) = value {
            self.pairs.push((name, resolved(name, text, &self.now)?));
        }
        Ok(self)
    }

    fn range(self, range: &RangeArgs) -> Result<Self, Failure> {
        let mut ranged = self.time("from", range.from.as_ref())?;
        if let Some(since) = &range.since {
            ranged.pairs.push(("from", resolved("since", since, &ranged.now)?));
        }
        ranged.time("to", range.to.as_ref())
    }

    fn known(self, known: &KnownArgs) -> Result<Self, Failure> {
        Ok(self
            .time("known_at", known.known_at.as_ref())?
            .with("as_of", known.as_of.as_ref())
            .with("after", known.after.as_ref()))
    }

    fn cut(self, cut: &CutArgs) -> Result<Self, Failure> {
        self.time("at", cut.at.as_ref())?.known(&cut.known)
    }

    /// Since when, where the server does not cut by time.
    fn since(&self, since: &SinceArgs) -> Result<Option<Timestamp>, Failure> {
        let Some(text) = &since.since else { return Ok(None) };
        let found = resolved("since", text, &self.now)?;
        let found = found
            .parse()
            .map_err(|_| Failure::Usage(format!("--since `{text}` is not a time")));
        found.map(Some)
    }
}

/// A time as the server wants it; what it was taken to mean is echoed.
fn resolved(name: &str, text: &str, now: &Zoned) -> Result<String, Failure> {
    let option = name.replace('_', "-");
    let given = times::read(&option, text, now)?;
    if let Some(echo) = given.echo {
        output::note(&format!("--{option} `{text}` is {echo}"));
    }
    Ok(given.rfc3339)
}

/// The elements of a member that is a list; none where it is not there.
fn list<'a>(value: &'a Value, field: &str) -> &'a [Value] {
    value.get(field).and_then(Value::as_array).map_or(&[], Vec::as_slice)
}

/// Below a table: what it was computed from, and the token of that where it is asked for.
fn footline(value: &Value, known: &KnownArgs) -> Result<(), Failure> {
    let logs: Vec<String> = list(value, "logs")
        .iter()
        .map(|log| {
            let root = text(log, "/root");
            format!(
                "{} {} ({}...)",
                text(log, "/tenant"),
                text(log, "/size"),
                root.get(..12).unwrap_or(&root)
            )
        })
        .collect();
    line(&format!("from {}", logs.join(", ")))?;
    token(value, known)
}

/// Below a table: the token of what it was computed from, where it is asked for.
fn token(value: &Value, known: &KnownArgs) -> Result<(), Failure> {
    if !known.show_as_of {
        return Ok(());
    }
    line(&format!(
        "the same bytes again, for ever: --as-of {}",
        text(value, "/as_of")
    ))
}
