//! An event as an answer gives it: where it is in the log, when it was recorded, who said so, and its JSON form.

use serde::Serialize;
use serde_json::value::RawValue;
use verdict_edge::Answer;
use verdict_fold::{intended_at, observed_at};
use verdict_schemas::{Event, Interpretation, Json, Timestamp, json_form};
use verdict_store::{LeafIndex, Provenance, RawTimeKind, Record, SourcePosition};

use crate::question::Question;

/// An event: `{index, recorded_time, event, provenance, ...}`.
#[derive(Debug, Serialize)]
pub(crate) struct EventItem {
    /// The log it is in.
    pub(crate) tenant: String,
    pub(crate) index: u64,
    pub(crate) recorded_time: Timestamp,
    /// When it acts (E5): what lists are ordered by. The event holds its emitter's time as it was received, in whatever zone, of
    /// however many digits, and of whatever clock.
    pub(crate) acts_at: Timestamp,
    #[serde(flatten)]
    pub(crate) stamp: Option<Stamp>,
    pub(crate) provenance: &'static str,
    /// The name of the token that our intake recognised.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) principal: Option<String>,
    /// Where on Kafka it came from.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) position: Option<PositionItem>,
    pub(crate) event: Json,
}

/// The time of a record that neither the broker nor the intake stamped, and whose it is.
#[derive(Debug, Serialize)]
pub(crate) struct Stamp {
    /// The emitter's time; left out where there is none.
    #[serde(skip_serializing_if = "Option::is_none")]
    raw_time: Option<Timestamp>,
    /// `create_time` or `none`.
    raw_time_kind: &'static str,
}

impl Stamp {
    /// `None` for the usual record.
    pub(crate) fn of(record: &Record) -> Option<Self> {
        let kind = record.raw_time_kind;
        kind.is_foreign().then(|| Self {
            raw_time: (kind == RawTimeKind::Emitter).then_some(record.raw_time),
            raw_time_kind: kind.as_str(),
        })
    }
}

/// Where on Kafka a record came from.
#[derive(Debug, Serialize)]
pub(crate) struct PositionItem {
    cluster: String,
    topic: String,
    partition: u32,
    offset: u64,
}

impl PositionItem {
    pub(crate) fn of(source: &SourcePosition) -> Option<Self> {
        match source {
            SourcePosition::Intake => None,
            SourcePosition::Kafka {
                cluster,
                topic,
                partition,
                offset,
            } => Some(Self {
                cluster: cluster.to_string(),
                topic: topic.to_string(),
                partition: *partition,
                offset: *offset,
            }),
        }
    }
}

/// `claimed`, `authenticated` or `signed`, and by which token.
pub(crate) fn provenance(provenance: &Provenance) -> (&'static str, Option<String>) {
    match provenance {
        Provenance::Claimed => ("claimed", None),
        Provenance::Authenticated { principal } => ("authenticated", principal.as_ref().map(ToString::to_string)),
        Provenance::Signed => ("signed", None),
    }
}

impl EventItem {
    /// The item of a record that was interpreted as `event`.
    pub(crate) fn new(tenant: &str, record: &Record, event: &Event) -> Self {
        let (provenance, principal) = provenance(&record.provenance);
        Self {
            tenant: tenant.to_owned(),
            index: record.index.0,
            recorded_time: record.recorded_time,
            acts_at: acts_at(event, record.recorded_time),
            stamp: Stamp::of(record),
            provenance,
            principal,
            position: PositionItem::of(&record.source),
            event: one_line(json_form(&record.value, record.framing(), event)),
        }
    }
}

/// When an event acts (E5).
fn acts_at(event: &Event, recorded: Timestamp) -> Timestamp {
    if event.body.is_intent() {
        intended_at(event.meta.event_time, recorded)
    } else {
        observed_at(event.meta.event_time, recorded)
    }
}

/// The record at an index of the question's own log, if it is an event.
pub(crate) fn event_at(question: &Question<'_>, index: LeafIndex) -> Answer<Option<(Record, Event)>> {
    let Some(log) = question.cut.own.id else {
        return Ok(None);
    };
    let found = question.snapshot.event(log, index)?;
    Ok(found.and_then(|(record, interpretation)| match interpretation {
        Interpretation::Event(event) => Some((record, event)),
        Interpretation::Malformed(_) | Interpretation::AwaitingSchema(_) => None,
    }))
}

/// JSON as received may span lines; a line of NDJSON must not. White space between tokens is no part of an event.
pub(crate) fn one_line(json: Json) -> Json {
    if !json.get().contains(['\n', '\r']) {
        return json;
    }
    let mut kept = String::with_capacity(json.get().len());
    let (mut in_string, mut escaped) = (false, false);
    for c in json.get().chars() {
        if in_string {
            in_string = escaped || c != '"';
            escaped = !escaped && c == '\\';
        } else if matches!(c, ' ' | '\t' | '\n' | '\r') {
            continue;
        } else {
            in_string = c == '"';
        }
        kept.push(c);
    }
    RawValue::from_string(kept).unwrap_or(json)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_event_over_several_lines_goes_on_one_and_stays_what_it_is() {
        let text = "{ \"a\" :\r\n [1 , \"two  \\\" \\\\\" , \"\\n \"] ,\n\t\"b\": 1.50 }";
        let line = one_line(RawValue::from_string(text.to_owned()).unwrap());
        assert_eq!(line.get(), "{\"a\":[1,\"two  \\\" \\\\\",\"\\n \"],\"b\":1.50}");
        let parse = |text: &str| serde_json::from_str::<serde_json::Value>(text).unwrap();
        assert_eq!(parse(line.get()), parse(text));
    }
}
