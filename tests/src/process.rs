//! A running program: its output goes to a file, it dies with the value that holds it, and whoever waits for it learns
//! at once, with the end of its output, when it has died instead.

use std::fs::File;
use std::path::{Path, PathBuf};
use std::process::{ExitStatus, Output, Stdio};
use std::time::Duration;

use anyhow::{Context, Result, anyhow, bail};
use tokio::io::AsyncWriteExt;
use tokio::process::{Child, Command};
use tokio::time::{Instant, sleep, timeout};

/// Longer than anything takes, on whatever machine: what has not ended by then hangs.
const LONG: Duration = Duration::from_secs(300);

/// A program that was started and is killed when this is dropped.
#[derive(Debug)]
pub struct Program {
    name: String,
    log: PathBuf,
    child: Child,
}

impl Program {
    /// Starts a command with its output appended to the file `log`.
    ///
    /// # Errors
    /// When the file cannot be opened or the program not started.
    pub fn start(name: &str, mut command: Command, log: &Path) -> Result<Self> {
        let file = File::options()
            .create(true)
            .append(true)
            .open(log)
            .with_context(|| format!("opening `{}`", log.display()))?;
        let child = command
            .stdin(Stdio::null())
            .stdout(file.try_clone()?)
            .stderr(file)
            .kill_on_drop(true)
            .spawn()
            .with_context(|| format!("starting {name}: `{:?}`", command.as_std()))?;
        Ok(Self {
            name: name.to_owned(),
            log: log.to_path_buf(),
            child,
        })
    }

    /// Its process id, while it runs.
    #[must_use]
    pub fn id(&self) -> Option<u32> {
        self.child.id()
    }

    /// All that it has said, in every life that logged to the same file.
    #[must_use]
    pub fn log(&self) -> String {
        std::fs::read(&self.log)
            .map(|bytes| String::from_utf8_lossy(&bytes).into_owned())
            .unwrap_or_default()
    }

    /// The exit status if it is no longer running.
    ///
    /// # Errors
    /// When the system cannot say.
    pub fn exited(&mut self) -> Result<Option<ExitStatus>> {
        Ok(self.child.try_wait()?)
    }

    /// Waits until `ready` says so.
    ///
    /// # Errors
    /// When the program exits first, or the time is over; both with the end of its output.
    pub async fn wait_until(
        &mut self,
        limit: Duration,
        what: &str,
        mut ready: impl AsyncFnMut() -> bool,
    ) -> Result<()> {
        let end = Instant::now() + limit;
        loop {
            if let Some(status) = self.exited()? {
                bail!("{} ended ({status}) before {what}:\n{}", self.name, tail(&self.log()));
            }
            if ready().await {
                return Ok(());
            }
            if Instant::now() > end {
                bail!("{}: not {what} within {limit:?}:\n{}", self.name, tail(&self.log()));
            }
            sleep(Duration::from_millis(30)).await;
        }
    }

    /// Asks it to stop (SIGTERM) and waits.
    ///
    /// # Errors
    /// When it has not ended after five minutes.
    pub async fn stop(&mut self) -> Result<ExitStatus> {
        self.stop_by("TERM").await
    }

    /// Sends a signal by its name that is to end it, and waits.
    ///
    /// # Errors
    /// When it has not ended after five minutes.
    pub async fn stop_by(&mut self, signal: &str) -> Result<ExitStatus> {
        self.signal(signal).await?;
        let ended = timeout(LONG, self.child.wait()).await;
        let ignored = || {
            anyhow!(
                "{} ignored SIG{signal} for five minutes:\n{}",
                self.name,
                tail(&self.log())
            )
        };
        Ok(ended.map_err(|_| ignored())??)
    }

    /// Ends it as a crash would (SIGKILL).
    ///
    /// # Errors
    /// When the system refuses.
    pub async fn kill(&mut self) -> Result<()> {
        self.child
            .kill()
            .await
            .with_context(|| format!("killing {}", self.name))
    }

    /// Sends a signal by its name, such as `STOP` or `CONT`; does nothing when it has ended.
    ///
    /// # Errors
    /// When the signal cannot be sent.
    pub async fn signal(&self, name: &str) -> Result<()> {
        let Some(id) = self.id() else { return Ok(()) };
        let sent = Command::new("kill")
            .arg(format!("-{name}"))
            .arg(id.to_string())
            .status()
            .await?;
        if sent.success() {
            Ok(())
        } else {
            bail!("could not send SIG{name} to {}", self.name)
        }
    }
}

/// Runs a command to its end, with `input` on its standard input.
///
/// # Errors
/// When it fails, with what it said; or when it takes longer than five minutes.
pub async fn run(mut command: Command, input: &[u8]) -> Result<String> {
    let output = output_of(&mut command, input).await?;
    if !output.status.success() {
        bail!(
            "`{:?}` failed ({}):\n{}{}",
            command.as_std(),
            output.status,
            tail(&String::from_utf8_lossy(&output.stdout)),
            tail(&String::from_utf8_lossy(&output.stderr))
        );
    }
    Ok(String::from_utf8_lossy(&output.stdout).into_owned())
}

/// Runs a command to its end and returns how it ended, success or not.
///
/// # Errors
/// When it cannot be started or takes longer than five minutes.
pub async fn output_of(command: &mut Command, input: &[u8]) -> Result<Output> {
    let mut child = command
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .kill_on_drop(true)
        .spawn()
        .with_context(|| format!("starting `{:?}`", command.as_std()))?;
    let mut stdin = child.stdin.take().context("no standard input")?;
    let input = input.to_vec();
    // On its own task: a program that writes before it has read everything must not block both.
    let feeding = tokio::spawn(async move {
        let _closed_early = stdin.write_all(&input).await;
    });
    let output = timeout(LONG, child.wait_with_output())
        .await
        .map_err(|_| anyhow!("`{:?}` did not end within five minutes", command.as_std()))??;
    feeding.await?;
    Ok(output)
}

/// The last thirty lines.
fn tail(text: &str) -> String {
    let lines: Vec<&str> = text.lines().collect();
    lines[lines.len().saturating_sub(30)..].join("\n")
}
