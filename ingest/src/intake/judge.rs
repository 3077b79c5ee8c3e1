//! Each event of a request, judged by itself: may this caller say it, here, and is it well-formed?

use std::sync::Arc;

use bytes::Bytes;
use serde::Deserialize;
use serde_json::value::RawValue;
use verdict_edge::Code;
use verdict_schemas::{EventId, Kind, Projection, Rejection, check_log, project, rule};
use verdict_store::DedupKey;

use super::Item;
use super::form::Form;
use crate::outgoing::{Headers, Outgoing};
use crate::sender::Sender;
use crate::state::Shared;

/// An event that was refused.
#[derive(Debug)]
pub(crate) struct Refused {
    pub(crate) line: usize,
    /// Its event id, as far as that could be read.
    pub(crate) event_id: Option<EventId>,
    pub(crate) code: Code,
    pub(crate) rejection: Rejection,
}

/// A request's events, told apart; each part in the order of the request.
#[derive(Debug, Default)]
pub(crate) struct Judged {
    pub(crate) taken: Vec<Outgoing>,
    pub(crate) rejected: Vec<Refused>,
}

impl Judged {
    /// The ids of the events taken.
    pub(crate) fn ids(&self) -> Vec<EventId> {
        self.taken.iter().filter_map(Outgoing::event_id).collect()
    }
}

/// Judges all.
pub(crate) fn judge(shared: &Shared, sender: &Sender, form: &Form, items: Vec<Item>) -> Judged {
    let content_type = Bytes::from(form.content_type.clone());
    let headers: Headers = vec![("content-type".to_owned(), Some(content_type))];
    let mut judged = Judged::default();
    for item in items {
        match one(shared, sender, form, &item) {
            Ok(dedup) => {
                judged.taken.push(Outgoing {
                    value: item.bytes,
                    headers: headers.clone(),
                    dedup: Some(dedup),
                });
            }
            Err((code, rejection)) => {
                let event_id = named(&item.bytes);
                judged.rejected.push(Refused {
                    line: item.line,
                    event_id,
                    code,
                    rejection,
                });
            }
        }
    }
    judged
}

fn one(shared: &Shared, sender: &Sender, form: &Form, item: &Item) -> Result<DedupKey, (Code, Rejection)> {
    let (length, most) = (item.bytes.len(), shared.max_record());
    if length > most {
        let detail = format!("the event has {length} bytes, and {most} are taken");
        return Err((Code::EventTooLarge, Rejection::new(rule::TOO_LARGE, detail)));
    }
    let malformed = |rejection| (Code::MalformedEvent, rejection);
    // The projection accepts what the whole reading does, and of a decision it is five times as fast.
    let ((kind, intent), event_id, source) = match project(
        &item.bytes,
        Some(form.content_type.as_str()),
        &*shared.state.edge.store().schemas(),
    ) {
        Projection::Decision(decision) => {
            decision.check_log(&sender.tenant).map_err(malformed)?;
            ((Kind::Decision, false), decision.event_id, Arc::from(&*decision.source))
        }
        Projection::Other(event) => {
            check_log(&event, &sender.tenant).map_err(malformed)?;
            let source = Arc::from(event.meta.source.as_str());
            ((event.body.kind(), event.body.is_intent()), event.meta.event_id, source)
        }
        Projection::Malformed(rejection) => return Err(malformed(rejection)),
        Projection::AwaitingSchema(reference) => {
            let detail = format!("{reference} is not known here; send JSON, or Avro of a schema that is");
            return Err(malformed(Rejection::new(rule::UNKNOWN_SCHEMA, detail)));
        }
    };
    if !sender.may_send(intent) {
        let role = if intent { "control" } else { "emit" };
        let detail = format!(
            "sending `{}` into `{}` needs the role `{role}`",
            kind.as_str(),
            sender.tenant
        );
        return Err((Code::NotAllowed, Rejection::at(rule::NOT_ALLOWED, "/kind", detail)));
    }
    Ok(DedupKey {
        source,
        event_id,
        intent,
    })
}

/// The event id of a value that is at least JSON, so that its sender finds it again.
fn named(value: &[u8]) -> Option<EventId> {
    /// Longer values are not searched: their line says enough.
    const MOST: usize = 1 << 20;
    #[derive(Deserialize)]
    struct Outer<'a> {
        #[serde(borrow)]
        meta: Option<&'a RawValue>,
    }
    #[derive(Deserialize)]
    struct Meta {
        event_id: Option<uuid::Uuid>,
    }
    let value = value
        .get(..value.len().min(MOST))
        .filter(|head| head.len() == value.len())?;
    let meta = serde_json::from_slice::<Outer<'_>>(value).ok()?.meta?;
    serde_json::from_str::<Meta>(meta.get()).ok()?.event_id.map(EventId)
}

/// The one code that says why all were refused.
pub(crate) fn common_code(rejected: &[Refused]) -> Code {
    let all = |code| rejected.iter().all(|refused| refused.code == code);
    [Code::NotAllowed, Code::EventTooLarge]
        .into_iter()
        .find(|code| all(*code))
        .unwrap_or(Code::AllRefused)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_event_is_named_when_it_can_be() {
        let id = "0190c0de-0000-7000-8000-000000000001";
        let named = |text: &str| named(text.as_bytes()).map(|id| id.to_string());
        assert_eq!(
            named(&format!(r#"{{"meta":{{"event_id":"{id}","tenant":7}},"kind":3}}"#)).as_deref(),
            Some(id)
        );
        assert_eq!(named(r#"{"meta":{"event_id":"nonsense"}}"#), None);
        assert_eq!(named(r#"{"meta":"#), None);
    }
}
