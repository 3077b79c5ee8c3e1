//! `verdict emit`: events from a file or standard input, over HTTP or straight to Kafka.
//!
//! What is sent is what stands in the file, line by line: nothing is parsed and printed again, so the bytes that are
//! hashed are the emitter's own. A JSON array is split into its elements, byte for byte.

mod http;
mod kafka;
mod late;
mod source;
mod tally;

use std::sync::Arc;

use indicatif::{ProgressBar, ProgressStyle};
use parking_lot::Mutex;

use self::source::Items;
use self::tally::Tally;
use crate::cli::EmitArgs;
use crate::exit::Failure;
use crate::output;

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
    let mut tally = Tally::new(args.server.output);
    let sent = if args.property.is_empty() {
        http::send(args, source, &mut tally, &progress).await
    } else {
        kafka::send(args, source, &mut tally, &progress).await
    };
    progress.finish_and_clear();
    warning.lock().end();
    let taken = tally.taken();
    if sent.is_err() && taken > 0 {
        output::note(&format!(
            "{taken} events were taken before this failed. Send the whole input again: over HTTP what is there already is \
             recognised as a duplicate, and in Kafka each is kept once more and counts once"
        ));
    }
    sent?;
    tally.report()
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
