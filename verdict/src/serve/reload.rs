//! Files that are read again while the node runs: certificates, tokens.
//!
//! They live shorter than nodes do. What they hold is compared every few seconds (a mounted secret is a link that is turned, so
//! that times of files say nothing), and at SIGHUP. What can not be used is told of once, and the node goes on with what it had:
//! files are seen half replaced, and a node that let nobody in for that would be worse than one that is a little behind.

use std::time::Duration;

use tokio::signal::unix::{SignalKind, signal};

/// How often files are compared.
const COMPARED_EVERY: Duration = Duration::from_secs(2);

/// Reads files again, for as long as the process lives. `read` gives what they hold, and `take` has the node use it and says
/// so; `tried` is what they held first.
pub(super) fn watch<T: PartialEq + Send + 'static>(
    what: &'static str,
    mut tried: T,
    read: impl Fn() -> Result<T, String> + Send + 'static,
    take: impl Fn(&T) -> Result<(), String> + Send + 'static,
) {
    tokio::spawn(async move {
        let mut last_failure = String::new();
        loop {
            wait().await;
            let outcome = match read() {
                Ok(now) if now == tried => continue,
                Ok(now) => {
                    let taken = take(&now);
                    tried = now;
                    taken
                }
                Err(reason) => Err(reason),
            };
            match outcome {
                Ok(()) => last_failure.clear(),
                Err(reason) if reason == last_failure => {}
                Err(reason) => {
                    tracing::error!(%reason, "the new {what} can not be used: what was before stays in use");
                    last_failure = reason;
                }
            }
        }
    });
}

async fn wait() {
    let told = async {
        match signal(SignalKind::hangup()) {
            Ok(mut hangup) => hangup.recv().await,
            Err(_) => std::future::pending().await,
        }
    };
    // Of either, and what woke it does not matter.
    let _woken = tokio::time::timeout(COMPARED_EVERY, told).await;
}

/// From now on a hangup ends nothing, whether there is anything to read again or not: it is what operators send to have that done.
pub(super) fn outlive_hangups() {
    match signal(SignalKind::hangup()) {
        // The handler stays for the life of the process.
        Ok(_registered) => {}
        Err(error) => tracing::warn!(%error, "a hangup would end this node"),
    }
}
