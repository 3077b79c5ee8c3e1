//! Printing answers: a table for people, JSON for programs. The only module that writes to standard output, and to
//! standard error but for the server's log: whatever goes out is made [`visible`] here, whoever wrote it.

use std::io::{self, Write};

use comfy_table::{ContentArrangement, LineStyle, Table, TableStyle};
use serde_json::Value;

use crate::cli::Output;
use crate::client::Answer;
use crate::exit::Failure;
use crate::faithful::{Members, one_line};
use crate::visible::{visible, visible_cell, visible_json};

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

fn print(text: &str) -> Result<(), Failure> {
    quiet_if_closed(writeln!(io::stdout().lock(), "{text}"))
}

fn quiet_if_closed(result: io::Result<()>) -> Result<(), Failure> {
    match result {
        Err(e) if e.kind() == io::ErrorKind::BrokenPipe => Ok(()),
        other => other.map_err(Failure::from),
    }
}

/// Prints an answer: as JSON what came, as NDJSON the elements of its member `items`, as a table by `table`. What the
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
        Output::Table => table(&answer.value)?,
    }
    let warnings = answer.value.get("warnings").and_then(Value::as_array);
    for warning in warnings.into_iter().flatten().filter_map(Value::as_str) {
        note(&format!("warning: {warning}"));
    }
    Ok(())
}

/// A table; every cell is one line of visible text.
pub(crate) struct Rows(Table);

/// A table with these headings.
pub(crate) fn table(headings: &[&str]) -> Rows {
    // One line under the headings; a line under every row would drown them.
    let style = TableStyle::new().header_separator(LineStyle::none().fill('─').junction('─'));
    let mut table = Table::new();
    table
        .load_style(style)
        .set_content_arrangement(ContentArrangement::Dynamic)
        .set_header(headings);
    Rows(table)
}

impl Rows {
    /// Adds a row of cells.
    pub(crate) fn add_row(&mut self, cells: impl IntoIterator<Item = String>) {
        self.0.add_row(cells.into_iter().map(|cell| visible_cell(&cell)));
    }

    /// Is there no row?
    pub(crate) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Prints it, headings and all.
    pub(crate) fn print(&self) -> Result<(), Failure> {
        self.text().lines().try_for_each(print)
    }

    /// Prints it, or what its emptiness means.
    pub(crate) fn print_or(&self, if_empty: &str) -> Result<(), Failure> {
        if self.is_empty() { line(if_empty) } else { self.print() }
    }

    fn text(&self) -> String {
        self.0.to_string()
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

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::visible::is_hidden;

    proptest! {
        #[test]
        fn a_cell_is_one_line_whatever_stands_in_it(cell in ".{0,20}[\\x00-\\x1f\\x7f-\\u{9f}\\u{202e}\\u{2028}].{0,20}") {
            let mut rows = table(&["actor"]);
            rows.add_row([cell]);
            let text = rows.text();
            prop_assert_eq!(text.lines().count(), 3, "{}", &text);
            prop_assert!(!text.contains(|c| is_hidden(c) && c != '\n'), "{:?}", &text);
        }
    }
}
