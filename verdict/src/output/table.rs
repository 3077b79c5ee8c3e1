//! Tables: rows for people, as wide as the terminal, and the same as CSV.
//!
//! No cell is ever broken over lines: half an id is none. Where a table is too wide, the least important of its columns are
//! left out, which is said; `-o wide` has them all. A column of times has as few digits as say every one of them whole.

use std::env;

use console::Term;
use jiff::Timestamp;
use serde_json::Value;
use unicode_width::UnicodeWidthStr as _;

use super::{line, note, print, text};
use crate::cli::Output;
use crate::exit::Failure;
use crate::times::{Digits, Zone, own_zone};
use crate::visible::{visible, visible_cell};

/// A column: its heading, and how much it matters.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Column {
    name: &'static str,
    keep: Keep,
}

/// When a column is shown.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Keep {
    Always,
    /// While there is room: of several the one of the highest number goes first.
    Room(u8),
    /// Likewise, where any of its cells says something.
    Said(u8),
    /// With `-o wide`, and as CSV.
    Wide,
}

/// A column that is always there.
pub(crate) const fn must(name: &'static str) -> Column {
    let keep = Keep::Always;
    Column { name, keep }
}

/// A column that is left out where there is no room: of several the one of the highest number first.
pub(crate) const fn room(name: &'static str, goes: u8) -> Column {
    let keep = Keep::Room(goes);
    Column { name, keep }
}

/// As [`room`], of which there may be nothing to say in any row: then it is left out.
pub(crate) const fn said(name: &'static str, goes: u8) -> Column {
    let keep = Keep::Said(goes);
    Column { name, keep }
}

/// A column that only `-o wide` and CSV have.
pub(crate) const fn wide(name: &'static str) -> Column {
    let keep = Keep::Wide;
    Column { name, keep }
}

/// What stands in a row.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Cell {
    Text(String),
    Time(Timestamp),
    /// Nothing, and what people are shown for it.
    Nothing(&'static str),
}

impl Cell {
    /// Shown so where it says nothing.
    pub(crate) fn or(self, shown: &'static str) -> Self {
        match self {
            Self::Nothing(_) => Self::Nothing(shown),
            said => said,
        }
    }

    fn digits(&self) -> Option<Digits> {
        match self {
            Self::Time(instant) => Some(Digits::of(*instant)),
            _ => None,
        }
    }

    fn shown(&self, digits: Digits, zone: &Zone) -> String {
        match self {
            Self::Text(text) => visible_cell(text),
            Self::Time(instant) => zone.print(*instant, digits),
            Self::Nothing(shown) => (*shown).to_owned(),
        }
    }
}

impl From<String> for Cell {
    fn from(text: String) -> Self {
        Self::Text(text)
    }
}

/// A field as a cell.
pub(crate) fn cell(value: &Value, pointer: &str) -> Cell {
    match value.pointer(pointer) {
        None | Some(Value::Null) => Cell::Nothing("-"),
        Some(_) => Cell::Text(text(value, pointer)),
    }
}

/// A time as a cell.
pub(crate) fn when(value: &Value, pointer: &str) -> Cell {
    match value.pointer(pointer).and_then(Value::as_str).map(str::parse) {
        Some(Ok(instant)) => Cell::Time(instant),
        _ => cell(value, pointer),
    }
}

/// A table under construction.
pub(crate) struct Rows {
    columns: Vec<Column>,
    rows: Vec<Vec<Cell>>,
}

/// A table of these columns.
pub(crate) fn table(columns: &[Column]) -> Rows {
    Rows {
        columns: columns.to_vec(),
        rows: Vec::new(),
    }
}

impl Rows {
    /// Adds a row: a cell for each column.
    pub(crate) fn add_row(&mut self, cells: impl IntoIterator<Item = Cell>) {
        self.rows.push(cells.into_iter().collect());
    }

    /// Is there no row?
    pub(crate) fn is_empty(&self) -> bool {
        self.rows.is_empty()
    }

    /// Prints it, headings and all, in this form.
    pub(crate) fn print(&self, form: Output) -> Result<(), Failure> {
        if form == Output::Csv {
            return self.csv(own_zone()).iter().try_for_each(|row| print(row));
        }
        let room = if form == Output::Wide { None } else { width() };
        let (text, left_out) = self.text(form == Output::Wide, room, own_zone());
        text.lines().try_for_each(print)?;
        if !left_out.is_empty() {
            note(&format!("no room for {}; -o wide shows all", left_out.join(", ")));
        }
        Ok(())
    }

    /// Prints it, or what its emptiness means.
    pub(crate) fn print_or(&self, form: Output, if_empty: &str) -> Result<(), Failure> {
        if self.is_empty() && form != Output::Csv {
            line(if_empty)
        } else {
            self.print(form)
        }
    }

    /// The table within so many columns of characters, and the headings of what there was no room for.
    fn text(&self, all: bool, room: Option<usize>, zone: &Zone) -> (String, Vec<&'static str>) {
        let mut kept: Vec<usize> = (0..self.columns.len())
            .filter(|index| self.is_shown(*index, all))
            .collect();
        let shown = self.shown(zone);
        let mut left_out = Vec::new();
        loop {
            let text = self.drawn(&kept, &shown);
            let widest = text.lines().map(str::width).max().unwrap_or(0);
            let least = kept
                .iter()
                .enumerate()
                .filter_map(|(place, index)| self.goes(*index).map(|goes| (goes, place)))
                .max();
            match least {
                Some((_, place)) if room.is_some_and(|room| widest > room) => {
                    left_out.push(self.columns[kept.remove(place)].name);
                }
                _ => return (text, left_out),
            }
        }
    }

    fn is_shown(&self, index: usize, all: bool) -> bool {
        match self.columns[index].keep {
            Keep::Always | Keep::Room(_) => true,
            Keep::Wide => all,
            Keep::Said(_) => self
                .rows
                .iter()
                .any(|row| row.get(index).is_some_and(|cell| !matches!(cell, Cell::Nothing(_)))),
        }
    }

    fn goes(&self, index: usize) -> Option<u8> {
        match self.columns[index].keep {
            Keep::Always => None,
            Keep::Room(goes) | Keep::Said(goes) => Some(goes),
            Keep::Wide => Some(u8::MAX),
        }
    }

    /// Every cell as it is shown.
    fn shown(&self, zone: &Zone) -> Vec<Vec<String>> {
        let digits: Vec<Digits> = (0..self.columns.len())
            .map(|index| {
                let cells = self.rows.iter().filter_map(|row| row.get(index));
                cells.filter_map(Cell::digits).max().unwrap_or(Digits::Seconds)
            })
            .collect();
        let show = |row: &Vec<Cell>| {
            let cells = row.iter().zip(&digits);
            cells.map(|(cell, digits)| cell.shown(*digits, zone)).collect()
        };
        self.rows.iter().map(show).collect()
    }

    /// The headings, one line under them (a line under every row would drown them), and the rows.
    fn drawn(&self, kept: &[usize], shown: &[Vec<String>]) -> String {
        /// Cells hold no two blanks in a row: two of them are a new column.
        const GAP: &str = "  ";
        let headings: Vec<&str> = self.columns.iter().map(|column| column.name).collect();
        let rows = shown.iter().map(|row| row.iter().map(String::as_str).collect());
        let all: Vec<Vec<&str>> = std::iter::once(headings).chain(rows).collect();
        let cell = |row: &[&'_ str], index: usize| row.get(index).map_or(0, |cell| cell.width());
        let widths: Vec<usize> = kept
            .iter()
            .map(|index| all.iter().map(|row| cell(row, *index)).max().unwrap_or(0))
            .collect();
        let mut lines: Vec<String> = Vec::with_capacity(all.len() + 1);
        for row in &all {
            let mut drawn = String::new();
            for (index, width) in kept.iter().zip(&widths) {
                let text = row.get(*index).copied().unwrap_or_default();
                drawn.push_str(text);
                drawn.extend(std::iter::repeat_n(' ', width.saturating_sub(text.width())));
                drawn.push_str(GAP);
            }
            lines.push(drawn.trim_end().to_owned());
        }
        let widest = widths.iter().sum::<usize>() + GAP.len() * widths.len().saturating_sub(1);
        lines.insert(1, "─".repeat(widest));
        lines.join("\n")
    }

    /// RFC 4180, all columns, times whole; where there is nothing, nothing.
    fn csv(&self, zone: &Zone) -> Vec<String> {
        let headings = self.columns.iter().map(|column| column.name.replace(' ', "_"));
        let headings: Vec<String> = headings.collect();
        let rows = self.rows.iter().map(|row| {
            let cells = row.iter().map(|cell| match cell {
                Cell::Text(text) => field(text),
                Cell::Time(instant) => zone.print(*instant, Digits::Micros),
                Cell::Nothing(_) => String::new(),
            });
            cells.collect::<Vec<_>>().join(",")
        });
        std::iter::once(headings.join(",")).chain(rows).collect()
    }
}

/// A field of CSV. What a spreadsheet would compute is text there, by the quote in front that it knows: whoever named an actor
/// `=1+1` is no one to write formulas.
fn field(text: &str) -> String {
    let text = visible(text);
    let formula = if text.starts_with(['=', '+', '-', '@']) {
        "'"
    } else {
        ""
    };
    if text.contains(['"', ',']) || text.trim() != text {
        format!("\"{formula}{}\"", text.replace('"', "\"\""))
    } else {
        format!("{formula}{text}")
    }
}

/// How wide a table may be: what `COLUMNS` says, or the terminal; no bound where there is none.
fn width() -> Option<usize> {
    let said = env::var("COLUMNS").ok().and_then(|columns| columns.parse().ok());
    said.filter(|columns| *columns > 0).or_else(|| {
        let terminal = Term::stdout();
        let size = terminal.is_term().then(|| terminal.size_checked()).flatten();
        size.map(|(_, columns)| usize::from(columns))
    })
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde_json::json;

    use super::*;
    use crate::visible::is_hidden;

    proptest! {
        #[test]
        fn a_cell_is_one_line_whatever_stands_in_it(cell in ".{0,20}[\\x00-\\x1f\\x7f-\\u{9f}\\u{202e}\\u{2028}].{0,20}") {
            let mut rows = table(&[must("actor")]);
            rows.add_row([cell.into()]);
            let (text, _) = rows.text(false, Some(10), &Zone::UTC);
            prop_assert_eq!(text.lines().count(), 3, "{}", &text);
            prop_assert!(!text.contains(|c| is_hidden(c) && c != '\n'), "{:?}", &text);
            let csv = rows.csv(&Zone::UTC);
            prop_assert!(csv.len() == 2 && !csv[1].contains(is_hidden), "{:?}", &csv);
        }

        #[test]
        fn no_id_is_broken_and_nothing_goes_that_has_room(id in "[a-z0-9-]{1,60}", other in "[a-z]{1,60}", room in 1..200_usize) {
            let mut rows = table(&[must("id"), super::room("other", 1), super::room("least", 2), wide("more")]);
            rows.add_row([id.clone().into(), other.into(), "x".to_owned().into(), "y".to_owned().into()]);
            let (text, left_out) = rows.text(false, Some(room), &Zone::UTC);
            prop_assert!(text.lines().any(|line| line.contains(&id)), "{}", text);
            let widest = text.lines().map(|line| line.trim_end().width()).max().unwrap_or(0);
            prop_assert!(widest <= room || left_out == ["least", "other"], "{} {:?}", text, left_out);
            prop_assert!(left_out.first().is_none_or(|first| *first == "least"));
            let (whole, none) = rows.text(true, None, &Zone::UTC);
            prop_assert!(none.is_empty() && whole.contains("more"));
        }
    }

    #[test]
    fn times_have_as_few_digits_as_say_them_whole() {
        let shown = |times: &[&str]| {
            let mut rows = table(&[must("time")]);
            for time in times {
                rows.add_row([when(&json!({ "t": time }), "/t")]);
            }
            rows.shown(&Zone::UTC).concat()
        };
        let (whole, millis) = ("2026-03-01T00:00:15.000000Z", "2026-03-01T00:00:15.250000Z");
        assert_eq!(shown(&[whole]), ["2026-03-01T00:00:15Z"]);
        assert_eq!(
            shown(&[whole, millis]),
            ["2026-03-01T00:00:15.000Z", "2026-03-01T00:00:15.250Z"]
        );
        assert_eq!(
            shown(&[millis, "2026-03-01T00:00:15.250001Z"]),
            ["2026-03-01T00:00:15.250000Z", "2026-03-01T00:00:15.250001Z"]
        );
    }

    #[test]
    fn csv_is_quoted_and_computes_nothing() {
        let mut rows = table(&[must("a b"), wide("c"), said("d", 1)]);
        rows.add_row([
            "x, \"y\"".to_owned().into(),
            "=1+1".to_owned().into(),
            Cell::Nothing("-"),
        ]);
        assert_eq!(rows.csv(&Zone::UTC), ["a_b,c,d", "\"x, \"\"y\"\"\",'=1+1,"]);
    }

    #[test]
    fn a_column_of_which_nothing_is_said_is_left_out() {
        let mut rows = table(&[must("a"), said("late", 1)]);
        rows.add_row(["x".to_owned().into(), Cell::Nothing("")]);
        assert!(!rows.text(true, None, &Zone::UTC).0.contains("late"));
        rows.add_row(["y".to_owned().into(), "1 hour".to_owned().into()]);
        assert!(rows.text(false, None, &Zone::UTC).0.contains("late"));
    }
}
