//! Which index rows a record that counts has.
//!
//! ```text
//! value of v_time, v_actor, v_resource, v_agent, v_version, v_kind, v_object    kind u8 | outcome u8 (0: no decision)
//! value of v_trace, v_decision                                                  kind u8 | outcome u8 | f u64
//! ```
//!
//! v_trace holds correlation ids too, under a hash of two parts, so that no trace id is ever taken for one. So does v_decision
//! the effects of a decision, and v_object the reports about an object: however many there are of the one, the other is
//! found at once.
//!
//! So a scan can leave out a kind or an outcome without reading a record. Where the record was understood late, the step
//! stands behind that: step u64 | passed u64.

use verdict_schemas::{Body, Cited, DecisionProjection, Event, Kind, Outcome, Timestamp, TraceId};

use super::keys::{self, H16, Key, h16, h16_correlation, h16_effects, h16_reports, h16_typed, h16_version};
use super::mark::ViewId;
use super::rows::Batch;
use crate::cut::Late;
use crate::tables::Table;

/// Where a record stands in every index.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Place {
    pub(crate) view: ViewId,
    pub(crate) index: u64,
    /// When it acts (E5).
    pub(crate) f: Timestamp,
    pub(crate) kind: Kind,
    /// Of a decision.
    pub(crate) outcome: Option<Outcome>,
    /// The step by which it was understood, if it was not when it came.
    pub(crate) late: Option<Late>,
}

impl Place {
    /// What a row says beside its key: `f` where the key does not.
    fn note(&self, f: bool) -> Note {
        let mut note = Note::default();
        note.push(&[self.kind as u8, self.outcome.map_or(0, |outcome| outcome as u8)]);
        if f {
            note.push(&keys::time_bytes(self.f));
        }
        if let Some(late) = self.late {
            note.push(&late.encode());
        }
        note
    }

    /// v_time: the only index of what is in an `_unrouted` log.
    pub(crate) fn by_time(&self, batch: &mut Batch) {
        batch.of(Table::Time).put(
            Key::view(self.view).at(self.f, self.index).as_slice(),
            self.note(false).as_slice(),
        );
    }

    fn by_name(&self, batch: &mut Batch, table: Table, name: &H16) {
        batch.of(table).put(
            Key::view(self.view).with(name).at(self.f, self.index).as_slice(),
            self.note(false).as_slice(),
        );
    }

    fn by_id(&self, batch: &mut Batch, table: Table, id: &H16) {
        let key = Key::view(self.view).with(id).index(self.index);
        batch.of(table).put(key.as_slice(), self.note(true).as_slice());
    }

    fn by_kind(&self, batch: &mut Batch) {
        let key = Key::view(self.view).with(&[self.kind as u8]).at(self.f, self.index);
        batch.of(Table::Kind).put(key.as_slice(), self.note(false).as_slice());
    }
}

/// The value of an index row, on the stack.
#[derive(Clone, Copy, Default)]
struct Note {
    bytes: [u8; 2 + 8 + Late::BYTES],
    len: usize,
}

impl Note {
    fn push(&mut self, part: &[u8]) {
        // The parts that there are fit.
        if let Some(room) = self.bytes.get_mut(self.len..self.len + part.len()) {
            room.copy_from_slice(part);
            self.len += part.len();
        }
    }

    fn as_slice(&self) -> &[u8] {
        self.bytes.get(..self.len).unwrap_or_default()
    }
}

/// The rows of a decision. `each_version` is called with the hash of each version that it cites.
pub(crate) fn decision(
    batch: &mut Batch,
    place: Place,
    decision: &DecisionProjection<'_>,
    mut each_version: impl FnMut(&mut Batch, &H16, &Cited<'_>),
) {
    place.by_time(batch);
    place.by_name(
        batch,
        Table::Actor,
        &h16_typed(&decision.actor_type, &decision.actor_id),
    );
    place.by_name(
        batch,
        Table::Resource,
        &h16_typed(&decision.resource_type, &decision.resource_id),
    );
    // A decision that names no agent is its source's (E7).
    place.by_name(
        batch,
        Table::Agent,
        &h16(decision.agent.as_deref().unwrap_or(&decision.source)),
    );
    for cited in &decision.policies {
        let version = h16_version(&decision.environment, &cited.scope, &cited.policy, &cited.version);
        place.by_name(batch, Table::Version, &version);
        each_version(batch, &version, cited);
    }
    if let Some(trace) = &decision.trace_id {
        place.by_id(batch, Table::Trace, &h16(&TraceId::normal_form(trace)));
    }
    if let Some(correlation) = &decision.correlation_id {
        place.by_id(batch, Table::Trace, &h16_correlation(correlation));
    }
    place.by_id(batch, Table::Decision, &h16(&decision.decision_id));
}

/// The rows of any other event.
pub(crate) fn event(batch: &mut Batch, place: Place, event: &Event) {
    place.by_time(batch);
    if place.kind != Kind::AgentSeen {
        place.by_kind(batch);
    }
    if let Some(trace) = &event.meta.trace_id {
        place.by_id(batch, Table::Trace, &h16(&TraceId::normal_form(trace.as_str())));
    }
    if let Some(correlation) = &event.meta.correlation_id {
        place.by_id(batch, Table::Trace, &h16_correlation(correlation));
    }
    match &event.body {
        Body::AgentSeen(seen) => place.by_name(batch, Table::Agent, &h16(seen.agent.as_str())),
        Body::AgentRetired(retired) => place.by_name(batch, Table::Agent, &h16(retired.agent.as_str())),
        Body::DegradationChanged(changed) => {
            if let Some(agent) = &changed.agent {
                place.by_name(batch, Table::Agent, &h16(agent.as_str()));
            }
        }
        Body::ObjectChanged(changed) => {
            place.by_name(
                batch,
                Table::Object,
                &h16_typed(&changed.object.kind, &changed.object.id),
            );
        }
        Body::ReconciliationReported(report) => {
            place.by_name(
                batch,
                Table::Object,
                &h16_reports(&report.object.kind, &report.object.id),
            );
        }
        Body::EffectRecorded(effect) => {
            place.by_id(batch, Table::Decision, &h16_effects(effect.decision_id.as_str()));
        }
        Body::Decision(_)
        | Body::Rollout(_)
        | Body::ArtifactPublished(_)
        | Body::CheckRecorded(_)
        | Body::SubjectErased(_)
        | Body::Unknown(_) => {}
    }
}
