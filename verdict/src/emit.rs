//! `verdict emit`: events from a file or standard input, over HTTP or straight to Kafka.
//!
//! What is sent is what stands in the file, line by line: nothing is parsed and printed again, so the bytes that are
//! hashed are the emitter's own. A JSON array is split into its elements, byte for byte.

mod http;
mod kafka;
mod late;
mod source;

use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;

use indicatif::{ProgressBar, ProgressStyle};
use parking_lot::Mutex;
use serde::Serialize;
use serde_json::json;
use verdict_schemas::Rejection;

use self::source::Items;
use crate::cli::{EmitArgs, Output};
use crate::exit::Failure;
use crate::output;

/// What became of the events.
#[derive(Debug, Default)]
pub(crate) struct Tally {
    accepted: u64,
    duplicates: u64,
    /// Kept, but of an id that the log has with other bytes.
    conflicts: u64,
    rejected: u64,
    /// The rejected ones, where the report is to be JSON; for people each is printed when it happens.
    refused: Vec<Refused>,
    /// The last positions, with Kafka: what `--after` takes.
    positions: BTreeMap<u64, u64>,
}

/// An event that was rejected.
#[derive(Debug, Serialize)]
struct Refused {
    /// Line of the input, or element of the array; from 1.
    line: u64,
    #[serde(skip_serializing_if = "Option::is_none")]
    event_id: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    field: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    rule: Option<String>,
    detail: String,
}

impl Tally {
    /// Takes note of an event that was rejected; for people it is printed at once.
    fn refuse(&mut self, refused: Refused, output: Output, progress: &ProgressBar) {
        self.rejected += 1;
        if output == Output::Table {
            progress.suspend(|| output::note(&refused.to_string()));
        } else {
            self.refused.push(refused);
        }
    }
}

impl Refused {
    fn of(line: u64, rejection: &Rejection) -> Self {
        Self {
            line,
            event_id: None,
            field: rejection.field.clone(),
            rule: Some(rejection.rule.as_str().to_owned()),
            detail: rejection.detail.clone(),
        }
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

/// `verdict emit`
pub(crate) async fn run(args: &EmitArgs) -> Result<(), Failure> {
    if args.backfill {
        if args.file.as_os_str() == "-" {
            let text = "--backfill reads the input twice, first to say what will count: give it as a file";
            return Err(Failure::Usage(text.to_owned()));
        }
        late::explain(source::open(&args.file)?.0, args.yes)?;
    }
    let (source, bytes) = source::open(&args.file)?;
    let mut source = source.peekable();
    if source.peek().is_none() {
        let shown = args.file.display();
        return Err(Failure::Usage(format!(
            "`{shown}` holds no event: give one, an array of them, or one a line"
        )));
    }
    let progress = bar(args.quiet, bytes);
    let warning = Arc::new(Mutex::new(late::Warning::default()));
    let source: Items = if args.backfill {
        Box::new(source)
    } else {
        let (warning, progress) = (Arc::clone(&warning), progress.clone());
        Box::new(source.inspect(move |item| {
            let said = item.as_ref().ok().and_then(|item| warning.lock().look(item));
            if let Some(said) = said {
                progress.suspend(|| output::note(&said));
            }
        }))
    };
    let mut tally = Tally::default();
    let sent = if args.property.is_empty() {
        http::send(args, source, &mut tally, &progress).await
    } else {
        kafka::send(args, source, &mut tally, &progress).await
    };
    progress.finish_and_clear();
    warning.lock().end();
    let taken = tally.accepted + tally.duplicates + tally.conflicts;
    if sent.is_err() && taken > 0 {
        output::note(&format!(
            "{taken} events were taken before this failed. Send the whole input again: over HTTP what is there already is \
             recognised as a duplicate, and in Kafka each is kept once more and counts once"
        ));
    }
    sent?;
    report(&tally, args.server.output)
}

/// A bar over the bytes read, where the input has a size; a spinner where it has none; nothing where no one looks.
fn bar(quiet: bool, bytes: Option<u64>) -> ProgressBar {
    let styled = |bar: ProgressBar, template: &str| match ProgressStyle::with_template(template) {
        Ok(style) => bar.with_style(style),
        Err(_) => bar,
    };
    match (quiet, bytes) {
        (true, _) => ProgressBar::hidden(),
        (false, Some(total)) => styled(
            ProgressBar::new(total),
            "{bar:30} {bytes}/{total_bytes} {bytes_per_sec} {msg} eta {eta}",
        ),
        (false, None) => styled(ProgressBar::new_spinner(), "{spinner} {bytes} {bytes_per_sec} {msg}"),
    }
}

fn report(tally: &Tally, output: Output) -> Result<(), Failure> {
    let positions: Vec<String> = tally.positions.iter().map(|(p, o)| format!("{p}:{o}")).collect();
    let after = positions.join(",");
    if output == Output::Table {
        output::line(&format!(
            "{} accepted, {} duplicates, {} rejected",
            tally.accepted, tally.duplicates, tally.rejected
        ))?;
        if tally.conflicts > 0 {
            output::line(&format!(
                "{} conflicts: kept, but the log has other bytes under their ids, and those count",
                tally.conflicts
            ))?;
        }
        if !after.is_empty() {
            output::line(&format!("ask with --after {after} to wait until they are read"))?;
        }
    } else {
        let mut summary = json!({
            "accepted": tally.accepted,
            "duplicates": tally.duplicates,
            "conflicts": tally.conflicts,
            "rejected": tally.refused,
        });
        if !after.is_empty() {
            summary["after"] = after.into();
        }
        output::json(&summary.to_string())?;
    }
    match tally.rejected {
        0 => Ok(()),
        n => Err(Failure::Negative(format!(
            "{n} events were rejected; nothing of them is stored"
        ))),
    }
}
