//! Exit codes that scripts can use, and the one place where an error becomes one.

use std::fmt;
use std::process::ExitCode;

/// Printed under `--help`.
pub(crate) const HELP: &str = "Exit codes:
  0  done, and there is something to show (`compare`: also when nothing differs)
  1  the answer is no: nothing was found, events were rejected, an audit failed
  2  the command line, a file or a parameter is wrong
  3  the server, Kafka or the data directory can not be reached
  4  not allowed
  5  a name that nothing recorded has: an unknown tenant, environment or policy
  130  stopped by Ctrl-C before the end: what was printed is not all";

/// How a command fails.
#[derive(Debug)]
pub(crate) enum Failure {
    /// The evidence says no.
    Negative(String),
    /// What was asked is wrong.
    Usage(String),
    /// What is needed can not be reached.
    Unreachable(String),
    /// Not allowed.
    Forbidden(String),
    /// What was asked about is not there: no such tenant, environment or policy. Not the answer no, which is about what is.
    Unknown(String),
    /// Stopped by Ctrl-C, as far as it says.
    Interrupted(String),
}

impl Failure {
    /// Its exit code.
    pub(crate) fn code(&self) -> ExitCode {
        ExitCode::from(match self {
            Self::Negative(_) => 1,
            Self::Usage(_) => 2,
            Self::Unreachable(_) => 3,
            Self::Forbidden(_) => 4,
            Self::Unknown(_) => 5,
            // What a shell makes of SIGINT.
            Self::Interrupted(_) => 130,
        })
    }

    /// The data directory, Kafka or another thing on this machine that failed, with what was being done.
    pub(crate) fn unreachable(doing: impl fmt::Display, why: impl fmt::Display) -> Self {
        Self::Unreachable(format!("{doing}: {why}"))
    }
}

/// The words of a parser's error, on one line: without its picture of the place, which takes several.
pub(crate) fn sentence(error: impl fmt::Display) -> String {
    let text = error.to_string();
    let picture = |line: &&str| {
        line.trim_start_matches(|c: char| c.is_ascii_digit() || c == ' ')
            .starts_with('|')
    };
    let words: Vec<&str> = text
        .lines()
        .filter(|line| !picture(line))
        .map(str::trim)
        .filter(|line| !line.is_empty())
        .collect();
    words.join("; ")
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (Self::Negative(text)
        | Self::Usage(text)
        | Self::Unreachable(text)
        | Self::Forbidden(text)
        | Self::Unknown(text)
        | Self::Interrupted(text)) = self;
        f.write_str(text)
    }
}

impl std::error::Error for Failure {}

impl From<std::io::Error> for Failure {
    fn from(error: std::io::Error) -> Self {
        Self::Unreachable(error.to_string())
    }
}
