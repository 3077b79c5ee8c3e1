//! Printing answers: a [`table`](mod@table) for people, JSON for programs. The only module that writes to standard output, and to
//! standard error but for the server's log: whatever goes out is made [`visible`] here, whoever wrote it.

mod table;

use std::io::{self, Write};

use serde_json::Value;

use crate::answer::Answer;
use crate::cli::Output;
use crate::exit::Failure;
use crate::faithful::{Members, one_line};
pub(crate) use crate::output::table::{Cell, Rows, cell, must, room, said, table, when, wide};
use crate::times::{Digits, own_zone};
use crate::visible::{visible, visible_json};

/// Writes one line, and never more: a line break in the text is shown as such. A reader that went away (`| head`) is no
/// failure.
pub(crate) fn line(text: &str) -> Result<(), Failure> {
    print(&visible(text))
}

/// Writes one line to standard error: progress, and what words were taken to mean.
pub(crate) fn note(text: &str) {
    // Nothing can be done, nor said, if standard error is gone.
    let _gone = writeln!(io::stderr().lock(), "{}", visible(text));
}

/// Writes lines to standard error, of text that was made visible already.
pub(crate) fn notes(text: &str) {
    let _gone = writeln!(io::stderr().lock(), "{}", visible_json(text));
}

/// Writes JSON: the same value, on as many lines as it has.
pub(crate) fn json(text: &str) -> Result<(), Failure> {
    print(&visible_json(text.trim_end()))
}

/// Writes JSON on one line.
pub(crate) fn json_line(text: &str) -> Result<(), Failure> {
    json(&one_line(text))
}

/// Writes a text of this program's own, of several lines.
pub(crate) fn own(text: &'static str) -> Result<(), Failure> {
    text.lines().try_for_each(line)
}

/// Writes a text that a program of this machine reads, and that is this program's own: as it is.
pub(crate) fn whole(text: &[u8]) -> Result<(), Failure> {
    quiet_if_closed(io::stdout().lock().write_all(text))
}

fn print(text: &str) -> Result<(), Failure> {
    quiet_if_closed(writeln!(io::stdout().lock(), "{text}"))
}

fn quiet_if_closed(result: io::Result<()>) -> Result<(), Failure> {
    match result {
        Err(e) if e.kind() == io::ErrorKind::BrokenPipe => Ok(()),
        other => other.map_err(Failure::from),
    }
}

/// Prints an answer: as JSON what came, as NDJSON the elements of its member `items`, otherwise by `table`. What the
/// answer warns of goes to standard error in every form, for nobody reads JSON that goes into a file.
pub(crate) fn answer(
    output: Output,
    answer: &Answer,
    items: &str,
    table: impl FnOnce(&Value) -> Result<(), Failure>,
) -> Result<(), Failure> {
    match output {
        Output::Json => json(&answer.text)?,
        Output::Ndjson => match Members::read(&answer.text).and_then(|members| members.elements(items)) {
            Some(rows) => rows.iter().try_for_each(|row| json_line(row.get()))?,
            None => json_line(&answer.text)?,
        },
        Output::Table | Output::Wide | Output::Csv => table(&answer.value)?,
    }
    let warnings = answer.value.get("warnings").and_then(Value::as_array);
    for warning in warnings.into_iter().flatten().filter_map(Value::as_str) {
        note(&format!("warning: {warning}"));
    }
    Ok(())
}

/// A field as text: strings bare, null and absent as `-`.
pub(crate) fn text(value: &Value, pointer: &str) -> String {
    match value.pointer(pointer) {
        None | Some(Value::Null) => "-".to_owned(),
        Some(Value::String(s)) => s.clone(),
        Some(other) => other.to_string(),
    }
}

/// A time in a sentence, whole, in the zone of this run.
pub(crate) fn time(value: &Value, pointer: &str) -> String {
    let text = text(value, pointer);
    match text.parse() {
        Ok(instant) => own_zone().print(instant, Digits::of(instant)),
        Err(_) => text,
    }
}

/// A scope in a few words.
pub(crate) fn scope(value: &Value) -> String {
    match value.get("layer").and_then(Value::as_str) {
        Some("global") => "global".to_owned(),
        Some("environment") => format!("environment {}", text(value, "/environment")),
        Some("tenant") => match value.get("environment").and_then(Value::as_str) {
            Some("*") => "tenant, everywhere".to_owned(),
            _ => format!("tenant, {}", text(value, "/environment")),
        },
        Some("workload") => format!("workload {}", text(value, "/workload")),
        _ => text(value, ""),
    }
}
