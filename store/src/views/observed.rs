//! Feeding the fold: the observations of a slice, in index order, each to its environment.

use std::collections::HashMap;

use foldhash::fast::RandomState;
use verdict_fold::observations;
use verdict_fold::observed_at;
use verdict_fold::rows::{Beyond, CitationRef, EnvironmentRows, RowsError, Taken};
use verdict_schemas::{Body, DecisionProjection};

use super::Committed;
use super::apply::{Item, What};
use super::context::Budget;
use super::dedup::Standing;
use super::fold_rows::{EnvironmentSpace, Pending, prefix};
use super::mark::ViewId;
use super::rows::Batch;
use crate::database::{Database, Rows};
use crate::error::StoreError;
use crate::tables::Table;

type Map<K, V> = HashMap<K, V, RandomState>;

/// The number that no environment has: rows under it name the environments.
const NAMES: u32 = 0;

/// One environment.
struct Seat {
    id: u32,
    rows: EnvironmentRows,
    pending: Pending,
    /// Does the slice at hand say something about it?
    touched: bool,
    /// The slice that last did.
    used: u64,
}

/// The environments of a log that were met lately.
#[derive(Default)]
pub(crate) struct Observer {
    places: Map<Box<str>, usize>,
    seats: Vec<Seat>,
    /// Names given in this slice.
    named: Vec<(Vec<u8>, u32)>,
    /// Seats that this slice says something about.
    touched: Vec<usize>,
    slices: u64,
    /// Bytes remembered when they were last counted, and the records taken in since: to count is not free.
    counted: usize,
    since: usize,
}

/// Records taken in between two counts of the bytes remembered.
const COUNT_EVERY: usize = 20_000;

/// What a record adds to the bytes remembered, as long as they are not counted.
const A_RECORD: usize = 64;

impl Observer {
    fn seat(&mut self, views: &Database, view: ViewId, environment: &str) -> Result<usize, StoreError> {
        if let Some(seat) = self.places.get(environment) {
            return Ok(*seat);
        }
        let id = self.number(views, view, environment)?;
        self.seats.push(Seat {
            id,
            rows: EnvironmentRows::new(),
            pending: Pending::new(),
            touched: false,
            used: 0,
        });
        let seat = self.seats.len() - 1;
        self.places.insert(environment.into(), seat);
        Ok(seat)
    }

    /// The number of an environment, given now if it is new.
    fn number(&mut self, views: &Database, view: ViewId, environment: &str) -> Result<u32, StoreError> {
        let key = name_key(view, environment);
        if let Some(id) = number_of(views, view, environment)? {
            return Ok(id);
        }
        let count_key = count_key(view);
        let count = match self.named.iter().rfind(|(key, _)| *key == count_key) {
            Some((_, count)) => *count,
            None => views
                .row(Table::Observed, &count_key)?
                .map_or(Ok(0), |row| decode_number(&row))?,
        };
        let id = count
            .checked_add(1)
            .ok_or_else(|| StoreError::corrupt(Table::Observed, "too many environments"))?;
        self.named.retain(|(key, _)| *key != count_key);
        self.named.extend([(count_key, id), (key, id)]);
        Ok(id)
    }

    /// Hands what a slice says to the fold, record by record until the budget is spent. Gives how many records it took.
    pub(super) fn observe(
        &mut self,
        (views, view): (&Database, ViewId),
        records: &[Committed<'_>],
        items: &mut [Item<'_>],
        budget: &Budget,
    ) -> Result<usize, StoreError> {
        self.slices += 1;
        // The space of each environment stays open for the slice: to open one costs more than to observe something in it.
        let mut spaces: Map<usize, EnvironmentSpace<'_, Database>> = Map::default();
        let mut taken = 0;
        for (record, item) in records.iter().zip(items) {
            if taken > 0 && budget.is_spent() {
                break;
            }
            taken += 1;
            let Some(environment) = observed_in(record, item) else {
                continue;
            };
            let seat = self.seat(views, view, environment)?;
            let Some(there) = self.seats.get_mut(seat) else {
                continue;
            };
            there.used = self.slices;
            if !std::mem::replace(&mut there.touched, true) {
                self.touched.push(seat);
            }
            let space = spaces.entry(seat).or_insert_with(|| {
                let pending = std::mem::take(&mut there.pending);
                EnvironmentSpace::new(views, view, there.id, pending)
            });
            self.since += 1;
            let beyond = match &item.what {
                What::Decision(decision) => cite(&mut there.rows, space, record, decision)?,
                What::Event(event) => {
                    let observed = observations(event, record.place, record.recorded);
                    let mut beyond = None;
                    for observation in observed.iter().flat_map(|(_, observations)| observations) {
                        beyond = there.rows.observe(space, observation).map_err(damaged)?;
                    }
                    beyond
                }
                What::Malformed(..) | What::Awaiting(_) | What::PassedOver => None,
            };
            item.beyond = beyond;
            there.rows.seal(space).map_err(damaged)?;
        }
        for (seat, space) in spaces {
            if let Some(seat) = self.seats.get_mut(seat) {
                seat.pending = space.into_pending();
            }
        }
        Ok(taken)
    }

    /// Puts the rows collected.
    pub(crate) fn write(&mut self, batch: &mut Batch, view: ViewId) {
        let rows = batch.of(Table::Observed);
        for (key, id) in self.named.drain(..) {
            rows.put(&key, &id.to_be_bytes());
        }
        let mut whole = Vec::new();
        for seat in self.touched.drain(..) {
            let Some(seat) = self.seats.get_mut(seat) else { continue };
            seat.touched = false;
            for (key, value) in std::mem::take(&mut seat.pending) {
                whole.clear();
                whole.extend_from_slice(&prefix(view, seat.id));
                whole.extend_from_slice(&key);
                rows.put(&whole, &value);
            }
        }
        if self.since >= COUNT_EVERY {
            self.since = 0;
            self.counted = self.seats.iter().map(|seat| seat.rows.cache_bytes()).sum();
        }
    }

    /// Bytes remembered, roughly.
    pub(crate) fn cache_bytes(&self) -> usize {
        const SEAT: usize = 512;
        self.counted + self.since * A_RECORD + self.seats.len() * SEAT
    }

    /// Forgets everything.
    pub(crate) fn clear(&mut self) {
        *self = Self::default();
    }
}

/// The environment that a record says something about, if it counts.
fn observed_in<'a>(record: &Committed<'_>, item: &'a Item<'_>) -> Option<&'a str> {
    if item.standing != Standing::Counts || record.name.tenant().is_none() {
        return None;
    }
    match &item.what {
        What::Decision(decision) if !decision.policies.is_empty() => Some(&decision.environment),
        What::Event(event) => match (&event.body, &event.meta.environment) {
            (Body::AgentSeen(_) | Body::AgentRetired(_), Some(environment)) => Some(environment.as_str()),
            _ => None,
        },
        _ => None,
    }
}

/// Hands the citations of a decision to the fold: those of scopes that cover its environment (E9). Gives what is beyond
/// the bound of its instance.
fn cite(
    rows: &mut EnvironmentRows,
    space: &mut EnvironmentSpace<'_, Database>,
    record: &Committed<'_>,
    decision: &DecisionProjection<'_>,
) -> Result<Option<Beyond>, StoreError> {
    let f = observed_at(decision.event_time, record.recorded);
    let mut beyond = None;
    for (cited, position) in decision.policies.iter().zip(0u32..) {
        if !cited.scope.covers(&decision.tenant, &decision.environment) {
            continue;
        }
        // The instance of E7.
        let (agent, incarnation) = match (&decision.agent, &decision.incarnation) {
            (None, None) => (&*decision.source, &*cited.version),
            (agent, incarnation) => (
                agent.as_deref().unwrap_or(&decision.source),
                incarnation.as_deref().unwrap_or_default(),
            ),
        };
        let citation = CitationRef {
            f,
            place: record.place,
            position,
            event_id: decision.event_id,
            agent,
            incarnation,
            scope: (&cited.scope).into(),
            policy: &cited.policy,
            version: &cited.version,
        };
        if rows.cite(space, &citation).map_err(damaged)? == Taken::Beyond {
            beyond = Some(Beyond::and(beyond, position));
        }
    }
    Ok(beyond)
}

/// The fold's failure, as the store's.
pub(crate) fn damaged(error: RowsError<StoreError>) -> StoreError {
    match error {
        RowsError::Storage(error) => error,
        RowsError::Corrupt(damage) => StoreError::corrupt(Table::Observed, damage.to_string()),
    }
}

fn count_key(view: ViewId) -> Vec<u8> {
    let mut key = prefix(view, NAMES).to_vec();
    key.push(0);
    key
}

/// Where the names of a log's environments begin.
pub(crate) fn names_prefix(view: ViewId) -> Vec<u8> {
    let mut key = prefix(view, NAMES).to_vec();
    key.push(1);
    key
}

fn name_key(view: ViewId, environment: &str) -> Vec<u8> {
    let mut key = names_prefix(view);
    key.extend_from_slice(environment.as_bytes());
    key
}

/// The number of an environment; `None` where nothing was observed in it.
pub(crate) fn number_of(rows: &impl Rows, view: ViewId, environment: &str) -> Result<Option<u32>, StoreError> {
    rows.row(Table::Observed, &name_key(view, environment))?
        .map(|row| decode_number(&row))
        .transpose()
}

fn decode_number(row: &[u8]) -> Result<u32, StoreError> {
    let number = row.try_into().map(u32::from_be_bytes);
    number.map_err(|_| StoreError::corrupt(Table::Observed, "an environment's number has four bytes"))
}
