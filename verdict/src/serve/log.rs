//! The server's log: one event a line on standard error, every character of which can be seen.
//!
//! What a field holds may be an id that an emitter chose, or the words of a server elsewhere: it is made
//! [`visible`], so that nobody writes a line of his own into the log, or over one.

use std::io::IsTerminal as _;

use tracing_subscriber::fmt::FormatFields;
use tracing_subscriber::fmt::format::debug_fn;
use tracing_subscriber::prelude::*;

use crate::visible::visible;

/// Structured log lines on standard error; `VERDICT_LOG` takes `tracing` filters, such as `verdict_ingest=debug`.
pub(super) fn to_stderr() {
    let filter = tracing_subscriber::EnvFilter::try_from_env("VERDICT_LOG")
        .unwrap_or_else(|_| tracing_subscriber::EnvFilter::new("info"));
    // A second call (a demonstration inside a test) finds a subscriber there already, and that is fine.
    let _already = tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_ansi(std::io::stderr().is_terminal())
        .fmt_fields(fields())
        .with_writer(std::io::stderr)
        .try_init();
}

/// Fields as `name=value`, the message bare.
fn fields() -> impl for<'writer> FormatFields<'writer> + Send + Sync + 'static {
    debug_fn(|writer, field, value| {
        let value = format!("{value:?}");
        match field.name() {
            "message" => write!(writer, "{}", visible(&value)),
            name => write!(writer, "{name}={}", visible(&value)),
        }
    })
    .delimited(" ")
}

#[cfg(test)]
mod tests {
    use std::io::{self, Write};
    use std::sync::{Arc, Mutex};

    use super::*;
    use crate::visible::is_hidden;

    #[derive(Clone, Default)]
    struct Kept(Arc<Mutex<Vec<u8>>>);

    impl Write for Kept {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            self.0.lock().unwrap().extend_from_slice(bytes);
            Ok(bytes.len())
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    #[test]
    fn a_line_of_the_log_is_one_line_whatever_stands_in_its_fields() {
        let kept = Kept::default();
        let writer = kept.clone();
        let subscriber = tracing_subscriber::fmt()
            .with_ansi(false)
            .fmt_fields(fields())
            .with_writer(move || writer.clone())
            .finish();
        let nasty = "\u{1b}[2K\r\n2026 INFO forged \u{202e}";
        tracing::subscriber::with_default(subscriber, || {
            let span = tracing::info_span!("request", path = %nasty);
            let _within = span.enter();
            tracing::warn!(source = %nasty, quoted = nasty, number = 7, "refused {nasty}");
        });
        let said = String::from_utf8(kept.0.lock().unwrap().clone()).unwrap();
        assert_eq!(said.lines().count(), 1, "{said}");
        assert!(!said.trim_end().contains(is_hidden), "{said:?}");
        let expected = "refused \\u{1b}[2K\\u{d}\\u{a}2026 INFO forged \\u{202e} source=\\u{1b}[2K";
        assert!(said.contains(expected) && said.contains(" number=7"), "{said}");
    }
}
