//! The rules, evaluated as they are written: for a moment, look at every fact. Slow, and meant to be obvious; it shares
//! no code with the fold and reads events, not the fold's facts. Who is observed and what is desired is in `series`,
//! what is in effect in `timeline`, the answers in `answers`.
//!
//! Nothing changes but at an *interesting instant*: where a fact acts, a lease or half of another ends, a rollout
//! activates, or a window runs out. What lasts is found by walking over all of them.

pub(crate) mod answers;
mod forms;
pub(crate) mod series;
mod timeline;

use verdict_schemas::{Body, Event, EventId, RolloutPlan, Timestamp};

use crate::histories::Record;

pub(crate) type Micros = i64;

pub(crate) const FIRST: Micros = 0;
const LATE: Micros = 60_000_000;

/// f of a record (E5).
pub(crate) fn acts(record: &Record) -> Micros {
    let (event, recorded) = (record.event.meta.event_time.as_micros(), record.recorded.as_micros());
    let f = if event < recorded { event } else { recorded };
    let intent = matches!(
        record.event.body,
        Body::Rollout(_) | Body::ArtifactPublished(_) | Body::ObjectChanged(_)
    );
    if intent && f < recorded - LATE {
        (recorded - LATE).max(0)
    } else {
        f
    }
}

pub(crate) fn when(micros: Micros) -> Timestamp {
    Timestamp::from_micros(micros).unwrap()
}

/// A rollout that stands (E4).
#[derive(Clone)]
pub(crate) struct Rolled<'a> {
    pub(crate) id: String,
    pub(crate) index: u64,
    pub(crate) event_id: EventId,
    pub(crate) a: Micros,
    pub(crate) plan: &'a RolloutPlan,
    /// f, index and event id of every `rolled_back`.
    pub(crate) backs: Vec<(Micros, u64, EventId)>,
}

impl Rolled<'_> {
    pub(crate) fn order(&self) -> (Micros, u64) {
        (self.a, self.index)
    }

    /// E11: "at or before its a, it is never pushed (a partial: never opened)".
    pub(crate) fn never(&self) -> bool {
        self.backs.iter().any(|(f, _, _)| *f <= self.a)
    }

    /// Pushed (or opened) at or before `t`.
    pub(crate) fn started_by(&self, t: Micros) -> bool {
        self.a <= t && !self.never()
    }

    pub(crate) fn taken_by(&self, t: Micros) -> bool {
        self.backs.iter().any(|(f, _, _)| *f <= t)
    }

    pub(crate) fn window(&self) -> Micros {
        i64::try_from(self.plan.max_inconsistency_ms).unwrap() * 1000
    }

    pub(crate) fn version(&self) -> &str {
        self.plan.to_version.as_str()
    }
}

/// Every rollout that stands in the log of `records`, in the order in which they are understood.
pub(crate) fn rollouts<'a>(records: &[&'a Record]) -> Vec<Rolled<'a>> {
    let mut all: Vec<Rolled<'a>> = Vec::new();
    for record in records {
        let Body::Rollout(rollout) = &record.event.body else {
            continue;
        };
        let verdict_schemas::Phase::Started(plan) = &rollout.phase else {
            continue;
        };
        let id = rollout.rollout_id.as_str().to_owned();
        if all.iter().any(|other| other.id == id) {
            continue;
        }
        let f = acts(record);
        let a = plan.activate_at.map_or(f, |at| at.as_micros().max(f));
        let backs = records
            .iter()
            .filter(|other| is_back(&other.event, &id))
            .map(|other| (acts(other), other.place.index, other.event.meta.event_id))
            .collect();
        let event_id = record.event.meta.event_id;
        all.push(Rolled {
            id,
            index: record.place.index,
            event_id,
            a,
            plan,
            backs,
        });
    }
    all
}

fn is_back(event: &Event, id: &str) -> bool {
    let Body::Rollout(rollout) = &event.body else {
        return false;
    };
    matches!(rollout.phase, verdict_schemas::Phase::RolledBack { .. }) && rollout.rollout_id.as_str() == id
}
