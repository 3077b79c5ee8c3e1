//! `verdict emit`: events from a file or standard input, over HTTP or straight to Kafka.
//!
//! What is sent is what stands in the file, line by line: nothing is parsed and printed again, so the bytes that are
//! hashed are the emitter's own. A JSON array is split into its elements, byte for byte.

mod http;
mod kafka;
mod source;

use indicatif::{ProgressBar, ProgressStyle};

use crate::cli::EmitArgs;
use crate::exit::Failure;
use crate::output;

/// What became of the events.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct Tally {
    accepted: u64,
    duplicates: u64,
    rejected: u64,
    /// The last positions, with Kafka: what `--after` takes.
    positions: std::collections::BTreeMap<u64, u64>,
}

/// `verdict emit`
pub(crate) async fn run(args: &EmitArgs) -> Result<(), Failure> {
    let (source, bytes) = source::open(&args.file)?;
    let progress = bar(args.quiet, bytes);
    let tally = if args.property.is_empty() {
        http::send(args, source, &progress).await?
    } else {
        kafka::send(args, source, &progress).await?
    };
    progress.finish_and_clear();
    report(&tally)
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

fn report(tally: &Tally) -> Result<(), Failure> {
    output::line(&format!(
        "{} accepted, {} duplicates, {} rejected",
        tally.accepted, tally.duplicates, tally.rejected
    ))?;
    if !tally.positions.is_empty() {
        let positions: Vec<String> = tally.positions.iter().map(|(p, o)| format!("{p}:{o}")).collect();
        output::line(&format!(
            "ask with --after {} to wait until they are read",
            positions.join(",")
        ))?;
    }
    match tally.rejected {
        0 => Ok(()),
        n => Err(Failure::Negative(format!(
            "{n} events were rejected; nothing of them is stored"
        ))),
    }
}
