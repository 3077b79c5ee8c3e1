//! Events of long ago, which a history that is moved in from elsewhere is made of. Observation counts for the time at which
//! it happened, however late it is recorded; intent can not be backdated (E5), and reads as intent of today.

use std::io::IsTerminal as _;

use jiff::Timestamp as Now;
use verdict_schemas::{KnownSchemas, Projection, Timestamp, project};

use super::source::{Item, Items};
use crate::exit::Failure;
use crate::output;

/// How long after its event time intent may be recorded and still act from it on.
const LATE_US: i64 = 60_000_000;

/// What an event is in all of this.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum What {
    Intent(Timestamp),
    Observation(Timestamp),
    /// The server says why.
    Malformed,
}

fn what(item: &Item) -> What {
    match project(&item.bytes, Some("application/json"), &KnownSchemas) {
        Projection::Decision(decision) => What::Observation(decision.event_time),
        Projection::Other(event) if event.body.is_intent() => What::Intent(event.meta.event_time),
        Projection::Other(event) => What::Observation(event.meta.event_time),
        Projection::Malformed(_) | Projection::AwaitingSchema(_) => What::Malformed,
    }
}

/// Was this more than a minute ago?
fn is_late(event_time: Timestamp, now: Timestamp) -> bool {
    now.as_micros() - event_time.as_micros() > LATE_US
}

fn now() -> Timestamp {
    Timestamp::from_micros(Now::now().as_microsecond()).unwrap_or(Timestamp::MIN)
}

/// Events of one sort, and how old the oldest is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct Count {
    events: u64,
    oldest: Option<Timestamp>,
}

impl Count {
    fn add(&mut self, event_time: Timestamp) {
        self.events += 1;
        self.oldest = Some(self.oldest.map_or(event_time, |oldest| oldest.min(event_time)));
    }

    fn since(&self) -> String {
        self.oldest
            .map_or_else(String::new, |oldest| format!(", the oldest of {oldest}"))
    }
}

/// Warns of intent that comes too late to act from its event time on: of the first before it is sent, of all at the end.
#[derive(Debug, Default)]
pub(super) struct Warning {
    late: Count,
}

impl Warning {
    /// Looks at an event that is about to be sent, and says what is to be said of it.
    pub(super) fn look(&mut self, item: &Item) -> Option<String> {
        // Most events are decisions: only what names a kind of intent is read.
        const KINDS: [&[u8]; 5] = [
            b"\"rollout\"",
            b"\"artifact_published\"",
            b"\"object_changed\"",
            b"\"subject_erased\"",
            b"\"check_recorded\"",
        ];
        let names = |kind: &[u8]| item.bytes.windows(kind.len()).any(|part| part == kind);
        if !KINDS.into_iter().any(names) {
            return None;
        }
        let What::Intent(event_time) = what(item) else {
            return None;
        };
        if !is_late(event_time, now()) {
            return None;
        }
        self.late.add(event_time);
        let said = || {
            format!(
                "line {}: intent of {event_time} is more than a minute old, and can not be backdated (E5): it acts from a minute \
                 before it is recorded, as if it was meant today. `emit --backfill` explains this before it sends",
                item.line
            )
        };
        (self.late.events == 1).then(said)
    }

    /// How much there was, where the one that was told of was not the only one.
    pub(super) fn end(&self) {
        if self.late.events > 1 {
            output::note(&format!(
                "{} events of intent were more than a minute old{}: they act from when they were recorded",
                self.late.events,
                self.late.since()
            ));
        }
    }
}

/// What a whole input holds.
#[derive(Debug, Default, PartialEq, Eq)]
struct Survey {
    prompt: u64,
    observation: Count,
    intent: Count,
    malformed: u64,
}

impl Survey {
    fn of(items: Items, now: Timestamp) -> Result<Self, Failure> {
        let mut survey = Self::default();
        for item in items {
            match what(&item?) {
                What::Malformed => survey.malformed += 1,
                What::Intent(time) if is_late(time, now) => survey.intent.add(time),
                What::Observation(time) if is_late(time, now) => survey.observation.add(time),
                What::Intent(_) | What::Observation(_) => survey.prompt += 1,
            }
        }
        Ok(survey)
    }

    fn told(&self) -> Vec<String> {
        let mut told = vec![format!(
            "{} events are of the last minute: they count for the time at which they happened",
            self.prompt
        )];
        told.push(format!(
            "{} of observation (decisions, reports) are older{}: they count for the time at which they happened",
            self.observation.events,
            self.observation.since()
        ));
        told.push(format!(
            "{} of intent (rollouts, publications, objects) are older{}",
            self.intent.events,
            self.intent.since()
        ));
        if self.intent.events > 0 {
            told.extend(
                [
                    "  Intent can not be backdated (E5): they act from a minute before they are recorded, and say nothing of the",
                    "  time that they are of. A rollout of then reads as one of today: `converging`, and `overdue` once its window is",
                    "  over, unless agents report its version now; of several, the last is what is desired. Before today a policy",
                    "  reads as what was observed, with nothing desired. `history` and `rollouts` mark them (`recorded_late_by_ms`).",
                    "  To move in, send the observation, and of intent only what is meant today.",
                ]
                .map(str::to_owned),
            );
        }
        if self.malformed > 0 {
            told.push(format!(
                "{} are no events as they stand: they will be rejected, each with its line",
                self.malformed
            ));
        }
        told
    }
}

/// Tells what will count and what will not, and asks whether to go on.
pub(super) fn explain(items: Items, yes: bool) -> Result<(), Failure> {
    let survey = Survey::of(items, now())?;
    survey.told().iter().for_each(|line| output::note(line));
    if yes {
        return Ok(());
    }
    if !(std::io::stdin().is_terminal() && std::io::stderr().is_terminal()) {
        let text = "nothing was sent: to send it give --yes, which is asked for here only on a terminal";
        return Err(Failure::Usage(text.to_owned()));
    }
    output::note("Send all of this? [y/N]");
    let mut answer = String::new();
    std::io::stdin().read_line(&mut answer)?;
    if matches!(answer.trim(), "y" | "Y" | "yes") {
        Ok(())
    } else {
        Err(Failure::Usage("nothing was sent".to_owned()))
    }
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;

    fn event(kind: &str, event_time: &str, body: Value) -> Item {
        let meta = json!({
            "event_id": "01a1fd8d-0000-7000-8000-000000000001", "tenant": "acme", "source": "urn:test",
            "event_time": event_time, "environment": "prod",
        });
        let bytes = json!({"kind": kind, "meta": meta, "body": body})
            .to_string()
            .into_bytes();
        Item { line: 1, bytes }
    }

    fn seen(event_time: &str) -> Item {
        event(
            "agent_seen",
            event_time,
            json!({"agent": "a", "lease_ms": 1000, "active": []}),
        )
    }

    fn rolled_back(event_time: &str) -> Item {
        event(
            "rollout",
            event_time,
            json!({"rollout_id": "r", "phase": "rolled_back"}),
        )
    }

    #[test]
    fn what_counts_for_its_own_time_and_what_does_not_is_counted() {
        let now = Timestamp::parse("2026-03-01T00:01:00Z").unwrap();
        let items = [
            seen("2026-03-01T00:00:00Z"),
            rolled_back("2026-03-01T00:00:00Z"),
            seen("2019-05-01T00:00:00Z"),
            seen("2019-06-01T00:00:00Z"),
            rolled_back("2026-02-28T23:59:59.999999Z"),
            rolled_back("2027-01-01T00:00:00Z"),
            Item {
                line: 7,
                bytes: b"{}".to_vec(),
            },
        ];
        let survey = Survey::of(Box::new(items.into_iter().map(Ok)), now).unwrap();
        assert_eq!((survey.prompt, survey.malformed), (3, 1));
        assert_eq!((survey.observation.events, survey.intent.events), (2, 1));
        let told = survey.told().join("\n");
        for expected in [
            "2 of observation (decisions, reports) are older, the oldest of 2019-05-01T00:00:00.000000Z",
            "1 of intent (rollouts, publications, objects) are older, the oldest of 2026-02-28T23:59:59.999999Z",
            "can not be backdated (E5)",
            "1 are no events",
        ] {
            assert!(told.contains(expected), "{told}");
        }
    }

    #[test]
    fn only_late_intent_is_warned_of() {
        let mut warning = Warning::default();
        for item in [seen("2019-05-01T00:00:00Z"), rolled_back("9998-01-01T00:00:00Z")] {
            assert_eq!(warning.look(&item), None);
        }
        let old = rolled_back("2019-05-01T00:00:00Z");
        let said = warning.look(&old).unwrap();
        assert!(
            said.starts_with("line 1: intent of 2019-05-01T00:00:00.000000Z"),
            "{said}"
        );
        // One is told at once, the others are counted.
        assert_eq!((warning.look(&old), warning.late.events), (None, 2));
    }
}
