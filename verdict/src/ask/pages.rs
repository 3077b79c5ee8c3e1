//! A list or a count that takes more than one answer: each answer says where to go on, and all are of one cut.
//!
//! An answer is no end because it holds nothing: a filter that no index knows is read ten thousand records at a time,
//! and of those none may match. The end is an answer without `next`.

use indicatif::ProgressBar;
use serde_json::Value;
use tokio::signal::unix::{Signal, SignalKind, signal};

use crate::answer::Answer;
use crate::client::Client;
use crate::exit::Failure;

/// The answers to one question, one after the other.
pub(super) struct Pages<'a> {
    client: Client,
    segments: Vec<&'a str>,
    pairs: Vec<(&'static str, String)>,
    /// How many there have been.
    pub(super) read: u64,
    more: bool,
    /// On a terminal, from the second answer on.
    progress: ProgressBar,
    /// Ctrl-C, also one that came between two answers.
    interrupts: Signal,
}

impl<'a> Pages<'a> {
    /// A question that has not been asked yet.
    pub(super) fn new(
        client: Client,
        segments: &[&'a str],
        pairs: Vec<(&'static str, String)>,
    ) -> Result<Self, Failure> {
        Ok(Self {
            client,
            segments: segments.to_vec(),
            pairs,
            read: 0,
            more: true,
            progress: ProgressBar::new_spinner(),
            interrupts: signal(SignalKind::interrupt())?,
        })
    }

    /// Is there anything left to ask for?
    pub(super) fn more(&self) -> bool {
        self.more
    }

    /// The next answer, of at most so many items; `None` if Ctrl-C came first.
    pub(super) async fn next(&mut self, limit: Option<u64>) -> Result<Option<Answer>, Failure> {
        self.pairs.retain(|(name, _)| *name != "limit");
        self.pairs.extend(limit.map(|limit| ("limit", limit.to_string())));
        let answer = tokio::select! {
            answer = self.client.get(&self.segments, &self.pairs) => answer?,
            _ = self.interrupts.recv() => {
                self.progress.finish_and_clear();
                return Ok(None);
            }
        };
        self.read += 1;
        self.go_on(&answer.value)?;
        Ok(Some(answer))
    }

    fn go_on(&mut self, answer: &Value) -> Result<(), Failure> {
        let next = answer.get("next").and_then(Value::as_str);
        self.more = next.is_some();
        let Some(next) = next else {
            self.progress.finish_and_clear();
            if answer.get("complete") == Some(&Value::Bool(false)) {
                let text = "the answer is not complete, and does not say where it goes on";
                return Err(Failure::Unreachable(text.to_owned()));
            }
            return Ok(());
        };
        let asked = self.pairs.iter().find(|(name, _)| *name == "cursor");
        if asked.is_some_and(|(_, cursor)| cursor == next) {
            let text = "the answer goes on where it began: this server can not be followed to the end";
            return Err(Failure::Unreachable(text.to_owned()));
        }
        // A cursor pins the cut; the filters are repeated, and must be the same.
        self.pairs
            .retain(|(name, _)| !matches!(*name, "cursor" | "as_of" | "known_at" | "after"));
        self.pairs.push(("cursor", next.to_owned()));
        Ok(())
    }

    /// Shows how far it came, where someone looks.
    pub(super) fn tell(&self, found: u64) {
        if self.more {
            let read = self.read;
            self.progress
                .set_message(format!("{found} found in {read} answers, going on (Ctrl-C stops)"));
            self.progress.tick();
        }
    }

    /// Ends the telling: what is printed next is the answer.
    pub(super) fn stop_telling(&self) {
        self.progress.finish_and_clear();
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::cli::ServerArgs;

    fn pages() -> Pages<'static> {
        let server = ServerArgs::at("http://127.0.0.1:1".to_owned());
        let client = Client::new(&server).unwrap();
        Pages::new(client, &["v1"], vec![("known_at", "2026".to_owned())]).unwrap()
    }

    #[tokio::test]
    async fn an_empty_answer_is_no_end_and_the_cursor_takes_the_place_of_the_cut() {
        let mut pages = pages();
        let empty = json!({"items": [], "complete": false, "next": "a"});
        pages.go_on(&empty).unwrap();
        assert!(pages.more());
        assert_eq!(pages.pairs, [("cursor", "a".to_owned())]);
        let again = pages.go_on(&empty).unwrap_err();
        assert!(again.to_string().contains("goes on where it began"), "{again}");
        pages.go_on(&json!({"items": [], "complete": true})).unwrap();
        assert!(!pages.more());
        let broken = pages.go_on(&json!({"complete": false})).unwrap_err();
        assert!(broken.to_string().contains("not complete"), "{broken}");
    }
}
