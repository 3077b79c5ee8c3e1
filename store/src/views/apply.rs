//! One batch of records on its way to rows: read, settle what counts (E4), then put what follows from it.

use verdict_fold::{intended_at, intent, observed_at};
use verdict_schemas::{
    AsRecorded, Body, DecisionProjection, Event, EventId, Kind, Projection, Rejection, SchemaRef, TenantId, Timestamp,
    check_log, project, schema_of,
};

use super::Committed;
use super::builder::Builder;
use super::dedup::{Candidate, Standing};
use super::flag::{Flag, encode_understood};
use super::index::{self, Place};
use super::keys::{Key, h8_emitter, h16};
use super::source_stats::Spoke;
use super::sources::Slot;
use crate::cut::Late;
use crate::error::StoreError;
use crate::tables::Table;

/// What a value says, as far as views care.
#[expect(
    clippy::large_enum_variant,
    reason = "nearly all are decisions: a box would be an allocation each"
)]
pub(crate) enum What<'a> {
    Decision(DecisionProjection<'a>),
    Event(Box<Event>),
    /// Malformed; the source, where it is known.
    Malformed(Rejection, Option<String>),
    Awaiting(SchemaRef),
}

impl<'a> What<'a> {
    /// What a record of this tenant's log says; of an `_unrouted` log, whatever it says.
    pub(crate) fn read(projection: Projection<'a>, tenant: Option<&TenantId>) -> Self {
        let checked = |checked: Result<(), Rejection>| checked.err();
        match projection {
            Projection::Decision(decision) => match tenant.and_then(|log| checked(decision.check_log(log))) {
                None => Self::Decision(decision),
                Some(rejection) => Self::Malformed(rejection, Some(decision.source.into_owned())),
            },
            Projection::Other(event) => match tenant.and_then(|log| checked(check_log(&event, log))) {
                None => Self::Event(event),
                Some(rejection) => Self::Malformed(rejection, Some(event.meta.source.as_str().to_owned())),
            },
            Projection::Malformed(rejection) => Self::Malformed(rejection, None),
            Projection::AwaitingSchema(reference) => Self::Awaiting(reference),
        }
    }

    /// The source that its statistics go to; empty where a malformed record names none, `None` while it can not be read.
    pub(crate) fn source(&self) -> Option<&str> {
        match self {
            Self::Decision(decision) => Some(&decision.source),
            Self::Event(event) => Some(event.meta.source.as_str()),
            Self::Malformed(_, source) => Some(source.as_deref().unwrap_or_default()),
            Self::Awaiting(_) => None,
        }
    }

    /// The id of a well-formed event, and whether it is intent (E5).
    pub(super) fn identity(&self) -> Option<(EventId, bool)> {
        match self {
            Self::Decision(decision) => Some((decision.event_id, false)),
            Self::Event(event) => Some((event.meta.event_id, event.body.is_intent())),
            Self::Malformed(..) | Self::Awaiting(_) => None,
        }
    }

    /// What it does to the statistics of its source.
    pub(crate) fn spoke(&self, standing: Standing) -> Spoke<'_> {
        match (self, standing) {
            (Self::Malformed(..) | Self::Awaiting(_), _) => Spoke::Malformed,
            (_, Standing::Duplicate(_)) => Spoke::Duplicate,
            (_, Standing::Conflict(_)) => Spoke::Conflict,
            (Self::Decision(decision), Standing::Counts) => Spoke::decision(decision),
            (Self::Event(event), Standing::Counts) => Spoke::event(event),
        }
    }

    fn flag(&self, standing: Standing) -> Option<Flag> {
        match (self, standing) {
            (Self::Malformed(rejection, _), _) => Some(rejection.clone().into()),
            (Self::Awaiting(reference), _) => Some(Flag::AwaitingSchema { reference: *reference }),
            (_, Standing::Duplicate(of)) => Some(Flag::Duplicate { of }),
            (_, Standing::Conflict(of)) => Some(Flag::Conflict { of }),
            (Self::Event(event), Standing::Counts) => match &event.body {
                Body::Unknown(body) => Some(Flag::UnknownKind {
                    kind: body.kind.clone(),
                }),
                _ => None,
            },
            (Self::Decision(_), Standing::Counts) => None,
        }
    }

    /// Its place in the indexes.
    fn place(&self, record: &Committed<'_>) -> Option<Place> {
        let (log, index) = (record.log, record.index.0);
        let recorded = record.recorded;
        match self {
            Self::Decision(decision) => {
                let f = observed_at(decision.event_time, recorded);
                Some(Place {
                    log,
                    index,
                    f,
                    kind: Kind::Decision,
                    outcome: Some(decision.outcome),
                    late: record.late,
                })
            }
            Self::Event(event) => {
                let kind = event.body.kind();
                Some(Place {
                    log,
                    index,
                    f: acts_at(event, recorded),
                    kind,
                    outcome: None,
                    late: record.late,
                })
            }
            Self::Malformed(..) | Self::Awaiting(_) => None,
        }
    }
}

/// When an event acts (E5).
pub(crate) fn acts_at(event: &Event, recorded: Timestamp) -> Timestamp {
    if event.body.is_intent() {
        intended_at(event.meta.event_time, recorded)
    } else {
        observed_at(event.meta.event_time, recorded)
    }
}

pub(super) struct Item<'a> {
    pub(super) what: What<'a>,
    /// Where its source's statistics are; none in an `_unrouted` log.
    source: Option<Slot>,
    pub(super) standing: Standing,
}

/// One batch at work.
pub(super) struct Work<'b, 'r> {
    pub(super) builder: &'b mut Builder,
    pub(super) records: &'r [Committed<'r>],
}

impl<'r> Work<'_, 'r> {
    /// Fills the builder's batch, caches and all, but for the watermarks.
    pub(super) fn run(mut self) -> Result<(), StoreError> {
        let mut items = Vec::with_capacity(self.records.len());
        let mut candidates = Vec::with_capacity(self.records.len());
        for (place, record) in self.records.iter().enumerate() {
            let (item, candidate) = self.read(place, record)?;
            items.push(item);
            candidates.extend(candidate);
        }
        self.settle(&mut items, candidates)?;
        for (place, (record, item)) in self.records.iter().zip(&items).enumerate() {
            self.put(place, record, item)?;
        }
        let Builder { observer, views, .. } = &mut *self.builder;
        observer.observe(views, self.records, &items)
    }

    fn read(&mut self, place: usize, record: &'r Committed<'r>) -> Result<(Item<'r>, Option<Candidate>), StoreError> {
        let tenant = record.name.tenant();
        let what = match self.builder.waited_before(record) {
            Some(reference) => What::Awaiting(reference),
            None => {
                let schemas = AsRecorded(&*self.builder.schemas, record.recorded);
                What::read(project(record.value, record.framing, &schemas), tenant)
            }
        };
        let Builder { sources, views, .. } = &mut *self.builder;
        let (slot, hash) = match (tenant, what.source()) {
            (Some(_), Some(source)) => {
                let slot = sources.slot(views, record.log, source)?;
                (Some(slot), sources.hash(slot))
            }
            (None, Some(source)) => (None, h16(source)),
            (_, None) => (None, [0; 16]),
        };
        let candidate = what.identity().map(|(event_id, intent)| Candidate {
            log: record.log,
            event_id,
            source: h8_emitter(&hash, intent),
            place,
        });
        match &what {
            What::Awaiting(reference) => self.builder.wait(record, *reference)?,
            _ => {
                if let Some(reference) = schema_of(record.value, record.framing) {
                    self.builder.meet(record, reference)?;
                }
            }
        }
        Ok((
            Item {
                what,
                source: slot,
                standing: Standing::Counts,
            },
            candidate,
        ))
    }

    /// The rows of one record.
    fn put(&mut self, at: usize, record: &Committed<'_>, item: &Item<'_>) -> Result<(), StoreError> {
        let place = item.what.place(record).filter(|_| item.standing == Standing::Counts);
        if record.name.tenant().is_none() {
            // For display: flagged, found by time and by id.
            self.flag(record, &Flag::Unrouted { reason: record.route });
            place.iter().for_each(|place| place.by_time(&mut self.builder.batch));
            return Ok(());
        }
        if let Some(slot) = item.source {
            let Builder { sources, views, .. } = &mut *self.builder;
            sources.take(views, slot, item.what.spoke(item.standing), record.recorded)?;
        }
        let stamp = record.foreign_time.then_some(Flag::NoAppendTime);
        let flag = item.what.flag(item.standing).or(stamp);
        match (record.late, &flag) {
            (Some(late), flag) => self.understood(record, late, flag.as_ref()),
            (None, Some(flag)) => self.flag(record, flag),
            (None, None) => {}
        }
        match (&item.what, place) {
            (What::Decision(decision), Some(place)) => self.decision(at, record, place, decision),
            (What::Event(event), Some(place)) => self.event(at, record, place, event),
            _ => Ok(()),
        }
    }

    fn flag(&mut self, record: &Committed<'_>, flag: &Flag) {
        let rows = self.builder.batch.of(Table::Flag);
        rows.put(Key::log(record.log).index(record.index.0).as_slice(), &flag.encode());
    }

    /// A record that waited is understood: what was said of it stays beside what is said of it since.
    fn understood(&mut self, record: &Committed<'_>, late: Late, since: Option<&Flag>) {
        if let Some(reference) = self.builder.waited_for(record) {
            let row = encode_understood(&reference, late, since);
            let rows = self.builder.batch.of(Table::Flag);
            rows.put(Key::log(record.log).index(record.index.0).as_slice(), &row);
        }
    }

    fn decision(
        &mut self,
        at: usize,
        record: &Committed<'_>,
        place: Place,
        decision: &DecisionProjection<'_>,
    ) -> Result<(), StoreError> {
        let Builder {
            batch,
            versions,
            observer,
            views,
            ..
        } = &mut *self.builder;
        index::decision(batch, place, decision, |batch, hash, cited| {
            versions.met(batch, record.log, hash, &decision.environment, cited);
        });
        if decision.policies.is_empty() {
            return Ok(());
        }
        observer.expect(views, record.log, &decision.environment, at)
    }

    fn event(&mut self, at: usize, record: &Committed<'_>, place: Place, event: &Event) -> Result<(), StoreError> {
        let Builder {
            batch, observer, views, ..
        } = &mut *self.builder;
        index::event(batch, place, event);
        if let Some(intent) = intent(event, record.place, record.recorded) {
            let row = super::intents::encode(&intent)?;
            batch
                .of(Table::Intent)
                .put(Key::log(record.log).index(record.place.step).as_slice(), &row);
        }
        match (&event.body, &event.meta.environment) {
            (Body::AgentSeen(_) | Body::AgentRetired(_), Some(environment)) => {
                observer.expect(views, record.log, environment.as_str(), at)
            }
            _ => Ok(()),
        }
    }
}
