//! Printing answers: a table for people, the bytes for programs. The only module that writes to standard output.

use std::io::{self, Write};

use comfy_table::{ContentArrangement, LineStyle, Table, TableStyle};
use serde_json::Value;

use crate::cli::Output;
use crate::client::Answer;
use crate::exit::Failure;
use crate::faithful::{Members, one_line};

/// Writes a line; a reader that went away (`| head`) is no failure.
pub(crate) fn line(text: &str) -> Result<(), Failure> {
    quiet_if_closed(writeln!(io::stdout().lock(), "{text}"))
}

/// Writes a line to standard error: progress, and what words were taken to mean.
pub(crate) fn note(text: &str) {
    // Nothing can be done, nor said, if standard error is gone.
    let _gone = writeln!(io::stderr().lock(), "{text}");
}

fn quiet_if_closed(result: io::Result<()>) -> Result<(), Failure> {
    match result {
        Err(e) if e.kind() == io::ErrorKind::BrokenPipe => Ok(()),
        other => other.map_err(Failure::from),
    }
}

/// Prints an answer: as JSON the bytes that came, as NDJSON the elements of its member `items`, as a table by `table`.
pub(crate) fn answer(
    output: Output,
    answer: &Answer,
    items: &str,
    table: impl FnOnce(&Value) -> Result<(), Failure>,
) -> Result<(), Failure> {
    match output {
        Output::Json => line(answer.text.trim_end()),
        Output::Ndjson => match Members::read(&answer.text).and_then(|members| members.elements(items)) {
            Some(rows) => rows.iter().try_for_each(|row| line(&one_line(row.get()))),
            None => line(&one_line(answer.text.trim())),
        },
        Output::Table => table(&answer.value),
    }
}

/// A table with these headings; printed with [`print_table`].
pub(crate) fn table(headings: &[&str]) -> Table {
    // One line under the headings; a line under every row would drown them.
    let style = TableStyle::new().header_separator(LineStyle::none().fill('─').junction('─'));
    let mut table = Table::new();
    table
        .load_style(style)
        .set_content_arrangement(ContentArrangement::Dynamic)
        .set_header(headings);
    table
}

/// Prints a table, or what its emptiness means.
pub(crate) fn print_table(table: &Table, if_empty: &str) -> Result<(), Failure> {
    if table.is_empty() {
        line(if_empty)
    } else {
        line(&table.to_string())
    }
}

/// A field as text: strings bare, null and absent as `-`.
pub(crate) fn text(value: &Value, pointer: &str) -> String {
    match value.pointer(pointer) {
        None | Some(Value::Null) => "-".to_owned(),
        Some(Value::String(s)) => s.clone(),
        Some(other) => other.to_string(),
    }
}

/// A time without the digits that say nothing: `2026-03-01 12:00:00.25`.
pub(crate) fn time(value: &Value, pointer: &str) -> String {
    let text = text(value, pointer);
    match text.strip_suffix('Z').and_then(|t| t.split_once('T')) {
        Some((date, clock)) => {
            let clock = if clock.contains('.') {
                clock.trim_end_matches('0').trim_end_matches('.')
            } else {
                clock
            };
            format!("{date} {clock}")
        }
        None => text,
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
