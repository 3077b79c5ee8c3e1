//! The questions: `effective`, `history`, `compare`, `decisions`, `show`, `find`. Each is one request, and a table.

mod decisions;
mod pages;
mod policies;
mod single;

use jiff::Zoned;
use serde_json::Value;

pub(crate) use decisions::decisions;
pub(crate) use policies::{compare, effective, history};
pub(crate) use single::{find, show};

use crate::cli::CutArgs;
use crate::exit::Failure;
use crate::{moment, output};

/// Query parameters under construction: absent ones are left out, times are resolved and echoed.
struct Query {
    now: Zoned,
    pairs: Vec<(&'static str, String)>,
}

impl Query {
    fn new() -> Self {
        Self {
            now: Zoned::now(),
            pairs: Vec::new(),
        }
    }

    fn with(mut self, name: &'static str, value: Option<&String>) -> Self {
        self.pairs.extend(value.map(|v| (name, v.clone())));
        self
    }

    fn time(mut self, name: &'static str, value: Option<&String>) -> Result<Self, Failure> {
        if let Some(text) = value {
            let option = name.replace('_', "-");
            let moment = moment::read(&option, text, &self.now)?;
            if moment.resolved {
                output::note(&format!("--{option} `{text}` is {}", moment.rfc3339));
            }
            self.pairs.push((name, moment.rfc3339));
        }
        Ok(self)
    }

    fn cut(self, cut: &CutArgs) -> Result<Self, Failure> {
        let timed = self
            .time("at", cut.at.as_ref())?
            .time("known_at", cut.known_at.as_ref())?;
        Ok(timed
            .with("as_of", cut.as_of.as_ref())
            .with("after", cut.after.as_ref()))
    }
}

/// The elements of a member that is a list; none where it is not there.
pub(crate) fn list<'a>(value: &'a Value, field: &str) -> &'a [Value] {
    value.get(field).and_then(Value::as_array).map_or(&[], Vec::as_slice)
}
