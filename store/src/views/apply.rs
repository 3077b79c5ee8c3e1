//! One slice of a log on its way to rows: read, settle what counts (E4), observe, then put what follows from it.

use verdict_fold::rows::Beyond;
use verdict_fold::{intended_at, intent, observed_at};
use verdict_schemas::{
    AsRecorded, Body, DecisionProjection, Event, EventId, Kind, Projection, Rejection, SchemaRef, TenantId, Timestamp,
    check_log, project, schema_of,
};

use super::Committed;
use super::context::{Budget, Context};
use super::dedup::{Candidate, Standing};
use super::flag::{Entries, Flag, encode_understood};
use super::index::{self, Place};
use super::keys::{Key, h8_emitter, h16};
use super::maker::Maker;
use super::mark::ViewId;
use super::rows::Batch;
use super::source_stats::Spoke;
use super::sources::Slot;
use crate::cut::Late;
use crate::error::StoreError;
use crate::guard::fail_point_at;
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
    /// To make rows of it breaks the code of a view.
    PassedOver,
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
            Self::Awaiting(_) | Self::PassedOver => None,
        }
    }

    /// The id of a well-formed event, and whether it is intent (E5).
    pub(super) fn identity(&self) -> Option<(EventId, bool)> {
        match self {
            Self::Decision(decision) => Some((decision.event_id, false)),
            Self::Event(event) => Some((event.meta.event_id, event.body.is_intent())),
            Self::Malformed(..) | Self::Awaiting(_) | Self::PassedOver => None,
        }
    }

    /// What it does to the statistics of its source.
    pub(crate) fn spoke(&self, standing: Standing) -> Spoke<'_> {
        match (self, standing) {
            (Self::Malformed(..) | Self::Awaiting(_) | Self::PassedOver, _) => Spoke::Malformed,
            (_, Standing::Duplicate(_)) => Spoke::Duplicate,
            (_, Standing::Conflict(_)) => Spoke::Conflict,
            (Self::Decision(decision), Standing::Counts) => Spoke::decision(decision),
            (Self::Event(event), Standing::Counts) => Spoke::event(event),
        }
    }

    /// What is to be said of it as it stands; `beyond` is what is beyond the bound of its instance (E9).
    fn flag(&self, standing: Standing, beyond: Option<Beyond>) -> Option<Flag> {
        let bound = |list| beyond.map(|Beyond { first, entries }| Flag::InstanceBound { list, first, entries });
        match (self, standing) {
            (Self::Malformed(rejection, _), _) => Some(rejection.clone().into()),
            (Self::Awaiting(reference), _) => Some(Flag::AwaitingSchema { reference: *reference }),
            (Self::PassedOver, _) => Some(Flag::PassedOver),
            (_, Standing::Duplicate(of)) => Some(Flag::Duplicate { of }),
            (_, Standing::Conflict(of)) => Some(Flag::Conflict { of }),
            (Self::Event(event), Standing::Counts) => match &event.body {
                Body::Unknown(body) => Some(Flag::UnknownKind {
                    kind: body.kind.clone(),
                }),
                _ => bound(Entries::Active),
            },
            (Self::Decision(_), Standing::Counts) => bound(Entries::Policies),
        }
    }

    /// Its place in the indexes.
    fn place(&self, view: ViewId, record: &Committed<'_>) -> Option<Place> {
        let index = record.index.0;
        let recorded = record.recorded;
        match self {
            Self::Decision(decision) => {
                let f = observed_at(decision.event_time, recorded);
                Some(Place {
                    view,
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
                    view,
                    index,
                    f: acts_at(event, recorded),
                    kind,
                    outcome: None,
                    late: record.late,
                })
            }
            Self::Malformed(..) | Self::Awaiting(_) | Self::PassedOver => None,
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
    /// What it says beyond the bound of its instance (E9).
    pub(super) beyond: Option<Beyond>,
}

/// One slice at work.
pub(super) struct Work<'b, 'r> {
    pub(super) maker: &'b mut Maker,
    pub(super) context: &'b Context,
    pub(super) batch: &'b mut Batch,
    pub(super) records: &'r [Committed<'r>],
}

impl<'b, 'r> Work<'b, 'r> {
    pub(super) fn new(
        maker: &'b mut Maker,
        context: &'b Context,
        batch: &'b mut Batch,
        records: &'r [Committed<'r>],
    ) -> Self {
        Self {
            maker,
            context,
            batch,
            records,
        }
    }

    /// Fills the batch and the maker's caches with what the records say, until the budget is spent. Gives how many records
    /// it took.
    pub(super) fn run(mut self, budget: &Budget) -> Result<usize, StoreError> {
        let mut items = Vec::with_capacity(self.records.len());
        let mut candidates = Vec::with_capacity(self.records.len());
        for (place, record) in self.records.iter().enumerate() {
            let (item, candidate) = self.read(place, record)?;
            items.push(item);
            candidates.extend(candidate);
        }
        let before = self.batch.savepoint();
        self.settle(&mut items, &mut candidates)?;
        let view = (&*self.context.views, self.maker.view);
        let taken = self.maker.observer.observe(view, self.records, &mut items, budget)?;
        if let Some(next) = self.records.get(taken) {
            // The rest is for another slice: it is settled then.
            self.batch.rewind(&before);
            self.maker.not_taken(next.index);
            self.records = self.records.get(..taken).unwrap_or_default();
            items.truncate(taken);
            items.iter_mut().for_each(|item| item.standing = Standing::Counts);
            candidates.retain(|candidate| candidate.place < taken);
            self.settle(&mut items, &mut candidates)?;
        }
        for (record, item) in self.records.iter().zip(&items) {
            self.put(record, item)?;
        }
        Ok(taken)
    }

    fn read(&mut self, place: usize, record: &'r Committed<'r>) -> Result<(Item<'r>, Option<Candidate>), StoreError> {
        let tenant = record.name.tenant();
        let what = match self.maker.waited_before(record) {
            _ if self.maker.passed_over == Some(record.index) => What::PassedOver,
            Some(reference) => What::Awaiting(reference),
            None => {
                fail_point_at(self.context.store, "read", record.index.0);
                let schemas = AsRecorded(&*self.context.schemas, record.recorded);
                What::read(project(record.value, record.framing, &schemas), tenant)
            }
        };
        let view = self.maker.view;
        let (slot, hash) = match (tenant, what.source()) {
            (Some(_), Some(source)) => {
                let slot = self.maker.sources.slot(&self.context.views, view, source)?;
                (Some(slot), self.maker.sources.hash(slot))
            }
            (None, Some(source)) => (None, h16(source)),
            (_, None) => (None, [0; 16]),
        };
        let candidate = what.identity().map(|(event_id, intent)| Candidate {
            event_id,
            source: h8_emitter(&hash, intent),
            place,
        });
        match &what {
            What::Awaiting(reference) => self.maker.wait(record, *reference)?,
            What::PassedOver => {}
            _ => {
                if let Some(reference) = schema_of(record.value, record.framing) {
                    self.maker.meet(self.context, record, reference)?;
                }
            }
        }
        let standing = Standing::Counts;
        let item = Item {
            what,
            source: slot,
            standing,
            beyond: None,
        };
        Ok((item, candidate))
    }

    /// The rows of one record.
    fn put(&mut self, record: &Committed<'_>, item: &Item<'_>) -> Result<(), StoreError> {
        let view = self.maker.view;
        let place = item.what.place(view, record);
        let place = place.filter(|_| item.standing == Standing::Counts);
        if record.name.tenant().is_none() {
            // For display: flagged, found by time and by id.
            self.flag(record, &Flag::Unrouted { reason: record.route });
            place.iter().for_each(|place| place.by_time(self.batch));
            return Ok(());
        }
        if let Some(slot) = item.source {
            let spoke = item.what.spoke(item.standing);
            let views = (&*self.context.views, view);
            let at = (record.recorded, record.place.step);
            self.maker.sources.take(views, self.batch, slot, spoke, at)?;
        }
        let stamp = record.foreign_time.then_some(Flag::NoAppendTime);
        let flag = item.what.flag(item.standing, item.beyond).or(stamp);
        match (record.late, &flag) {
            (Some(late), flag) => self.understood(record, late, flag.as_ref()),
            (None, Some(flag)) => self.flag(record, flag),
            (None, None) => {}
        }
        match (&item.what, place) {
            (What::Decision(decision), Some(place)) => self.decision(place, decision),
            (What::Event(event), Some(place)) => self.event(record, place, event)?,
            _ => {}
        }
        Ok(())
    }

    fn flag(&mut self, record: &Committed<'_>, flag: &Flag) {
        let key = Key::view(self.maker.view).index(record.index.0);
        self.batch.of(Table::Flag).put(key.as_slice(), &flag.encode());
    }

    /// A record that waited is understood: what was said of it stays beside what is said of it since.
    fn understood(&mut self, record: &Committed<'_>, late: Late, since: Option<&Flag>) {
        if let Some(reference) = self.maker.waited_for(record) {
            let row = encode_understood(&reference, late, since);
            let key = Key::view(self.maker.view).index(record.index.0);
            self.batch.of(Table::Flag).put(key.as_slice(), &row);
        }
    }

    fn decision(&mut self, place: Place, decision: &DecisionProjection<'_>) {
        let versions = &mut self.maker.versions;
        index::decision(self.batch, place, decision, |batch, hash, cited| {
            versions.met(batch, place.view, hash, &decision.environment, cited);
        });
    }

    fn event(&mut self, record: &Committed<'_>, place: Place, event: &Event) -> Result<(), StoreError> {
        index::event(self.batch, place, event);
        if let Some(intent) = intent(event, record.place, record.recorded) {
            let row = super::intents::encode(&intent)?;
            let key = Key::view(place.view).index(record.place.step);
            self.batch.of(Table::Intent).put(key.as_slice(), &row);
        }
        Ok(())
    }
}
