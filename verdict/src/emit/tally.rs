//! What became of the events, and how that is told: to people line by line and as a sum, to programs as the server tells it.
//!
//! `-o json` has the members of the server's answer, each entry as it came, summed over the requests: whoever reads the one can
//! read the other. Only `line` is that of the input instead of the request. Nothing is left out of it, so it grows with the
//! input; `-o ndjson` prints each entry when it comes.

use std::collections::BTreeMap;
use std::fmt;

use indicatif::ProgressBar;
use serde_json::json;
use verdict_schemas::Rejection;

use crate::cli::Output;
use crate::exit::Failure;
use crate::output;

/// What became of the events.
#[derive(Debug)]
pub(super) struct Tally {
    form: Output,
    pub(super) accepted: u64,
    pub(super) duplicates: u64,
    /// Kept, but of an id that the log has with other bytes.
    pub(super) conflicts: u64,
    rejected: u64,
    /// The entries of the answer, as JSON, where that is what will be printed.
    entries: Entries,
    /// The last positions, with Kafka: what `--after` takes.
    positions: BTreeMap<u64, u64>,
}

#[derive(Debug, Default)]
struct Entries {
    rejected: Vec<String>,
    results: Vec<String>,
    log: Option<String>,
}

/// An event that was rejected, as people are told of it.
#[derive(Debug)]
pub(super) struct Refused {
    /// Line of the input, or element of the array; from 1.
    pub(super) line: u64,
    pub(super) field: Option<String>,
    pub(super) rule: Option<String>,
    pub(super) detail: String,
}

impl Tally {
    /// Nothing yet.
    pub(super) fn new(form: Output) -> Self {
        Self {
            form,
            accepted: 0,
            duplicates: 0,
            conflicts: 0,
            rejected: 0,
            entries: Entries::default(),
            positions: BTreeMap::new(),
        }
    }

    /// So many are in the log, or were before.
    pub(super) fn taken(&self) -> u64 {
        self.accepted + self.duplicates + self.conflicts
    }

    /// Takes note of an event that was rejected; `entry` is the server's word of it.
    pub(super) fn refuse(&mut self, refused: &Refused, entry: String, progress: &ProgressBar) -> Result<(), Failure> {
        self.rejected += 1;
        match self.form {
            Output::Json => self.entries.rejected.push(entry),
            Output::Ndjson => return progress.suspend(|| output::json_line(&entry)),
            Output::Table | Output::Wide | Output::Csv => progress.suspend(|| output::note(&refused.to_string())),
        }
        Ok(())
    }

    /// Takes note of what became of an event that was taken.
    pub(super) fn result(&mut self, entry: &str, progress: &ProgressBar) -> Result<(), Failure> {
        match self.form {
            Output::Json => self.entries.results.push(entry.to_owned()),
            Output::Ndjson => return progress.suspend(|| output::json_line(entry)),
            Output::Table | Output::Wide | Output::Csv => {}
        }
        Ok(())
    }

    /// Takes note of how far the log has come.
    pub(super) fn log(&mut self, log: &str) {
        self.entries.log = Some(log.to_owned());
    }

    /// Takes note of where on Kafka an event is.
    pub(super) fn position(&mut self, partition: u64, offset: u64) {
        let last = self.positions.entry(partition).or_default();
        *last = (*last).max(offset);
    }

    /// Tells it, and whether it is a failure.
    pub(super) fn report(&self) -> Result<(), Failure> {
        match self.form {
            Output::Json => output::json(&self.json())?,
            // The entries are there already.
            Output::Ndjson => output::note(&self.sum()),
            Output::Table | Output::Wide | Output::Csv => {
                self.lines().iter().try_for_each(|line| output::line(line))?
            }
        }
        match self.rejected {
            0 => Ok(()),
            n => Err(Failure::Negative(format!(
                "{n} events were rejected; nothing of them is stored"
            ))),
        }
    }

    fn sum(&self) -> String {
        format!(
            "{} accepted, {} duplicates, {} rejected",
            self.accepted, self.duplicates, self.rejected
        )
    }

    fn after(&self) -> Option<String> {
        let positions: Vec<String> = self.positions.iter().map(|(p, o)| format!("{p}:{o}")).collect();
        (!positions.is_empty()).then(|| positions.join(","))
    }

    fn lines(&self) -> Vec<String> {
        let mut lines = vec![self.sum()];
        if self.conflicts > 0 {
            lines.push(format!(
                "{} conflicts: kept, but the log has other bytes under their ids, and those count",
                self.conflicts
            ));
        }
        if let Some(after) = self.after() {
            lines.push(format!("ask with --after {after} to wait until they are read"));
        }
        lines
    }

    fn json(&self) -> String {
        let Entries { rejected, results, log } = &self.entries;
        let mut text = format!(
            "{{\"accepted\":{},\"duplicates\":{},\"conflicts\":{},\"rejected\":[{}],\"results\":[{}]",
            self.accepted,
            self.duplicates,
            self.conflicts,
            rejected.join(","),
            results.join(",")
        );
        if let Some(log) = log {
            text.push_str(",\"log\":");
            text.push_str(log);
        }
        if let Some(after) = self.after() {
            text.push_str(&format!(",\"after\":\"{after}\""));
        }
        text.push('}');
        text
    }
}

impl Refused {
    /// What this program found itself, before it sent anything.
    pub(super) fn of(line: u64, rejection: &Rejection) -> Self {
        Self {
            line,
            field: rejection.field.clone(),
            rule: Some(rejection.rule.as_str().to_owned()),
            detail: rejection.detail.clone(),
        }
    }

    /// As a server would tell it.
    pub(super) fn entry(&self) -> String {
        let mut problem = json!({
            "type": "/problems/malformed_event", "title": "the event is malformed", "detail": self.detail,
        });
        for (name, value) in [("field", &self.field), ("rule", &self.rule)] {
            if let Some(value) = value {
                problem[name] = value.as_str().into();
            }
        }
        json!({"line": self.line, "problem": problem}).to_string()
    }
}

impl fmt::Display for Refused {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "line {}: ", self.line)?;
        if let Some(field) = &self.field {
            write!(f, "`{field}`: ")?;
        }
        f.write_str(&self.detail)?;
        self.rule.as_ref().map_or(Ok(()), |rule| write!(f, " ({rule})"))
    }
}
