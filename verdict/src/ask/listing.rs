//! A list to its limit or its end, page by page, in whatever form; every page is of the same cut.

use jiff::Timestamp;
use serde_json::Value;

use super::pages::Pages;
use super::token;
use crate::cli::{KnownArgs, Output};
use crate::exit::Failure;
use crate::faithful::{Members, lossy};
use crate::output::{Rows, json, json_line, note};

/// The most that one request asks for.
const PAGE: u64 = 1000;

/// How a list is read and printed.
pub(super) struct Listing<'a> {
    pub(super) output: Output,
    pub(super) limit: u64,
    pub(super) known: &'a KnownArgs,
    /// Only items whose time is this or later, where the server does not cut by time.
    pub(super) since: Option<Since>,
    pub(super) table: fn(&[Value]) -> Rows,
}

/// Since when, and which member of an item says when it was.
pub(super) struct Since {
    pub(super) time: Timestamp,
    pub(super) of: &'static str,
    /// The newest come first: behind an item that is older there is none that is not.
    pub(super) newest_first: bool,
}

impl Since {
    fn holds(&self, item: &Value) -> bool {
        let time = item
            .pointer(self.of)
            .and_then(Value::as_str)
            .map(str::parse::<Timestamp>);
        matches!(time, Some(Ok(time)) if time >= self.time)
    }
}

impl Listing<'_> {
    /// Asks and prints; returns how many there were.
    pub(super) async fn print(&self, pages: &mut Pages<'_>) -> Result<u64, Failure> {
        let (mut items, mut found, mut last, mut ended) = (Vec::new(), 0, None, false);
        while pages.more() && found < self.limit && !ended {
            // Never more than are wanted: the cursor behind a page knows nothing of what was not printed of it.
            let Some(page) = pages.next(Some((self.limit - found).clamp(1, PAGE))).await? else {
                if !self.output.is_json() && found > 0 {
                    self.rows(&items).print(self.output)?;
                }
                return Err(Failure::Interrupted(format!(
                    "stopped after {} answers, before the end: {found} were found so far",
                    pages.read
                )));
            };
            let members = Members::read(&page.text).unwrap_or_default();
            for item in members.elements("items").unwrap_or_default() {
                if self
                    .since
                    .as_ref()
                    .is_some_and(|since| !since.holds(&lossy(item.get())))
                {
                    ended |= self.since.as_ref().is_some_and(|since| since.newest_first);
                    continue;
                }
                found += 1;
                match self.output {
                    Output::Ndjson => {
                        pages.stop_telling();
                        json_line(item.get())?;
                    }
                    _ => items.push(item.get().to_owned()),
                }
            }
            if found < self.limit && !ended {
                pages.tell(found);
            }
            last = Some(page);
        }
        pages.stop_telling();
        match (self.output, &last) {
            // The server's own where one page held all; else its last page, around the items of all.
            (Output::Json, Some(page)) if pages.read == 1 && self.since.is_none() => json(&page.text)?,
            (Output::Json, Some(page)) => {
                let members = Members::read(&page.text).unwrap_or_default();
                json(&members.with("items", &format!("[{}]", items.join(","))))?;
            }
            (Output::Csv, _) => self.rows(&items).print(self.output)?,
            (Output::Table | Output::Wide, Some(page)) if found > 0 => {
                self.rows(&items).print(self.output)?;
                token(&page.value, self.known)?;
            }
            _ => {}
        }
        if pages.more() && !ended && self.output != Output::Json {
            let limit = self.limit;
            note(&format!("there are more; ask for them with --limit above {limit}"));
        }
        Ok(found)
    }

    fn rows(&self, items: &[String]) -> Rows {
        let items: Vec<Value> = items.iter().map(|item| lossy(item)).collect();
        (self.table)(&items)
    }
}
