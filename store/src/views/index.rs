//! Which index rows a record that counts has.
//!
//! ```text
//! value of v_time, v_actor, v_resource, v_agent, v_version, v_kind, v_object    kind u8 | outcome u8 (0: no decision)
//! value of v_trace, v_decision                                                  kind u8 | outcome u8 | f u64
//! ```
//!
//! So a scan can leave out a kind or an outcome without reading a record.

use verdict_schemas::{Body, Cited, DecisionProjection, Event, Kind, Outcome, Timestamp, TraceId};

use super::keys::{self, H16, Key, h16, h16_typed, h16_version};
use super::rows::Batch;
use crate::names::LogId;
use crate::tables::Table;

/// Where a record stands in every index.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Place {
    pub(crate) log: LogId,
    pub(crate) index: u64,
    /// When it acts (E5).
    pub(crate) f: Timestamp,
    pub(crate) kind: Kind,
    /// Of a decision.
    pub(crate) outcome: Option<Outcome>,
}

impl Place {
    fn note(&self) -> [u8; 2] {
        [self.kind as u8, self.outcome.map_or(0, |outcome| outcome as u8)]
    }

    /// v_time: the only index of what is in an `_unrouted` log.
    pub(crate) fn by_time(&self, batch: &mut Batch) {
        batch
            .of(Table::Time)
            .put(Key::log(self.log).at(self.f, self.index).as_slice(), &self.note());
    }

    fn by_name(&self, batch: &mut Batch, table: Table, name: &H16) {
        batch.of(table).put(
            Key::log(self.log).with(name).at(self.f, self.index).as_slice(),
            &self.note(),
        );
    }

    fn by_id(&self, batch: &mut Batch, table: Table, id: &str) {
        let [kind, outcome] = self.note();
        let mut value = [kind, outcome, 0, 0, 0, 0, 0, 0, 0, 0];
        if let Some(f) = value.last_chunk_mut() {
            *f = keys::time_bytes(self.f);
        }
        batch
            .of(table)
            .put(Key::log(self.log).with(&h16(id)).index(self.index).as_slice(), &value);
    }

    fn by_kind(&self, batch: &mut Batch) {
        let key = Key::log(self.log).with(&[self.kind as u8]).at(self.f, self.index);
        batch.of(Table::Kind).put(key.as_slice(), &self.note());
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
        place.by_id(batch, Table::Trace, &TraceId::normal_form(trace));
    }
    place.by_id(batch, Table::Decision, &decision.decision_id);
}

/// The rows of any other event.
pub(crate) fn event(batch: &mut Batch, place: Place, event: &Event) {
    place.by_time(batch);
    if place.kind != Kind::AgentSeen {
        place.by_kind(batch);
    }
    if let Some(trace) = &event.meta.trace_id {
        place.by_id(batch, Table::Trace, &TraceId::normal_form(trace.as_str()));
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
            place.by_name(batch, Table::Object, &h16_typed(&report.object.kind, &report.object.id));
        }
        // Under the decision whose effect it is, told apart by its kind.
        Body::EffectRecorded(effect) => place.by_id(batch, Table::Decision, effect.decision_id.as_str()),
        Body::Decision(_)
        | Body::Rollout(_)
        | Body::ArtifactPublished(_)
        | Body::CheckRecorded(_)
        | Body::SubjectErased(_)
        | Body::Unknown(_) => {}
    }
}
