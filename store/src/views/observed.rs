//! Feeding the fold: the observations of a batch, environment by environment, in index order within each.

use std::collections::HashMap;

use foldhash::fast::RandomState;
use verdict_fold::observations;
use verdict_fold::observed_at;
use verdict_fold::rows::{CitationRef, EnvironmentRows, RowsError, ScopeRef as FoldScope};
use verdict_schemas::{DecisionProjection, ScopeRef};

use super::Committed;
use super::apply::{Item, What};
use super::fold_rows::{EnvironmentSpace, Pending, prefix};
use super::rows::Batch;
use crate::database::{Database, Rows};
use crate::error::StoreError;
use crate::names::LogId;
use crate::tables::Table;

type Map<K, V> = HashMap<K, V, RandomState>;

/// The number that no environment has: rows under it name the environments.
const NAMES: u32 = 0;

/// One environment of one log.
struct Seat {
    log: LogId,
    id: u32,
    rows: EnvironmentRows,
    pending: Pending,
    /// Places in the batch of the records that say something about it.
    expected: Vec<usize>,
    /// The batch that last did.
    used: u64,
}

/// The environments met lately.
#[derive(Default)]
pub(crate) struct Observer {
    places: Map<LogId, Map<Box<str>, usize>>,
    seats: Vec<Seat>,
    /// Names given in this batch.
    named: Vec<(Vec<u8>, u32)>,
    /// Seats that this batch says something about.
    touched: Vec<usize>,
    batches: u64,
    /// Bytes that may be remembered between batches.
    memory: usize,
    /// Records taken in since the bytes remembered were last counted.
    uncounted: usize,
}

/// Records taken in between two counts of the bytes remembered: to count is not free.
const COUNT_EVERY: usize = 20_000;

impl Observer {
    pub(crate) fn new(memory: usize) -> Self {
        Self {
            memory,
            ..Self::default()
        }
    }

    /// Takes note that the record at `place` of the batch says something about an environment.
    pub(crate) fn expect(
        &mut self,
        views: &Database,
        log: LogId,
        environment: &str,
        place: usize,
    ) -> Result<(), StoreError> {
        let known = self
            .places
            .get(&log)
            .and_then(|places| places.get(environment))
            .copied();
        let seat = match known {
            Some(seat) => seat,
            None => {
                let id = self.number(views, log, environment)?;
                let rows = EnvironmentRows::new();
                self.seats.push(Seat {
                    log,
                    id,
                    rows,
                    pending: Pending::new(),
                    expected: Vec::new(),
                    used: 0,
                });
                let seat = self.seats.len() - 1;
                self.places.entry(log).or_default().insert(environment.into(), seat);
                seat
            }
        };
        if let Some(there) = self.seats.get_mut(seat) {
            if there.expected.is_empty() {
                self.touched.push(seat);
            }
            there.expected.push(place);
            self.uncounted += 1;
        }
        Ok(())
    }

    /// The number of an environment, given now if it is new.
    fn number(&mut self, views: &Database, log: LogId, environment: &str) -> Result<u32, StoreError> {
        let key = name_key(log, environment);
        if let Some(id) = number_of(views, log, environment)? {
            return Ok(id);
        }
        let count_key = count_key(log);
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

    /// Hands what the batch says to the fold.
    pub(super) fn observe(
        &mut self,
        views: &Database,
        records: &[Committed<'_>],
        items: &[Item<'_>],
    ) -> Result<(), StoreError> {
        self.batches += 1;
        for seat in &self.touched {
            let Some(seat) = self.seats.get_mut(*seat) else {
                continue;
            };
            seat.used = self.batches;
            let mut space = EnvironmentSpace::new(views, seat.log, seat.id, std::mem::take(&mut seat.pending));
            for place in seat.expected.drain(..) {
                let (Some(record), Some(item)) = (records.get(place), items.get(place)) else {
                    continue;
                };
                match &item.what {
                    What::Decision(decision) => cite(&mut seat.rows, &mut space, record, decision)?,
                    What::Event(event) => {
                        let observed = observations(event, record.place, record.recorded);
                        for observation in observed.iter().flat_map(|(_, observations)| observations) {
                            seat.rows.observe(&mut space, observation).map_err(damaged)?;
                        }
                    }
                    What::Malformed(..) | What::Awaiting(_) => {}
                }
                seat.rows.seal(&mut space).map_err(damaged)?;
            }
            seat.pending = space.into_pending();
        }
        Ok(())
    }

    /// Puts the rows collected, and forgets whom nobody has spoken of for long if too much is remembered.
    pub(crate) fn write(&mut self, batch: &mut Batch) {
        let rows = batch.of(Table::Observed);
        for (key, id) in self.named.drain(..) {
            rows.put(&key, &id.to_be_bytes());
        }
        let mut whole = Vec::new();
        for seat in self.touched.drain(..) {
            let Some(seat) = self.seats.get_mut(seat) else { continue };
            for (key, value) in std::mem::take(&mut seat.pending) {
                whole.clear();
                whole.extend_from_slice(&prefix(seat.log, seat.id));
                whole.extend_from_slice(&key);
                rows.put(&whole, &value);
            }
        }
        if self.uncounted >= COUNT_EVERY {
            self.uncounted = 0;
            self.shrink();
        }
    }

    fn shrink(&mut self) {
        let used: usize = self.seats.iter().map(|seat| seat.rows.cache_bytes()).sum();
        if used <= self.memory {
            return;
        }
        // Whoever was not spoken of in the latest batches goes; if that is not enough, everyone.
        let idle = self.batches.saturating_sub(8);
        let mut left = used;
        for seat in self.seats.iter_mut().filter(|seat| seat.used < idle) {
            left -= seat.rows.cache_bytes();
            seat.rows.drop_cache();
        }
        if left > self.memory {
            self.clear();
        }
    }

    /// Forgets everything.
    pub(crate) fn clear(&mut self) {
        self.places.clear();
        self.seats.clear();
        self.named.clear();
        self.touched.clear();
    }
}

/// Hands the citations of a decision to the fold: those of scopes that cover its environment (E9).
fn cite(
    rows: &mut EnvironmentRows,
    space: &mut EnvironmentSpace<'_, Database>,
    record: &Committed<'_>,
    decision: &DecisionProjection<'_>,
) -> Result<(), StoreError> {
    let f = observed_at(decision.event_time, record.recorded);
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
            scope: fold_scope(&cited.scope),
            policy: &cited.policy,
            version: &cited.version,
        };
        rows.cite(space, &citation).map_err(damaged)?;
    }
    Ok(())
}

fn fold_scope<'a>(scope: &'a ScopeRef<'_>) -> FoldScope<'a> {
    match scope {
        ScopeRef::Global => FoldScope::Global,
        ScopeRef::Environment(environment) => FoldScope::Environment(environment),
        ScopeRef::Tenant(tenant, environment) => {
            FoldScope::Tenant(tenant, Some(&**environment).filter(|environment| *environment != "*"))
        }
        ScopeRef::Workload(tenant, environment, workload) => FoldScope::Workload(tenant, environment, workload),
    }
}

/// The fold's failure, as the store's.
pub(crate) fn damaged(error: RowsError<StoreError>) -> StoreError {
    match error {
        RowsError::Storage(error) => error,
        RowsError::Corrupt(damage) => StoreError::corrupt(Table::Observed, damage.to_string()),
    }
}

fn count_key(log: LogId) -> Vec<u8> {
    let mut key = prefix(log, NAMES).to_vec();
    key.push(0);
    key
}

/// Where the names of a log's environments begin.
pub(crate) fn names_prefix(log: LogId) -> Vec<u8> {
    let mut key = prefix(log, NAMES).to_vec();
    key.push(1);
    key
}

fn name_key(log: LogId, environment: &str) -> Vec<u8> {
    let mut key = names_prefix(log);
    key.extend_from_slice(environment.as_bytes());
    key
}

/// The number of an environment; `None` where nothing was observed in it.
pub(crate) fn number_of(rows: &impl Rows, log: LogId, environment: &str) -> Result<Option<u32>, StoreError> {
    rows.row(Table::Observed, &name_key(log, environment))?
        .map(|row| decode_number(&row))
        .transpose()
}

fn decode_number(row: &[u8]) -> Result<u32, StoreError> {
    let number = row.try_into().map(u32::from_be_bytes);
    number.map_err(|_| StoreError::corrupt(Table::Observed, "an environment's number has four bytes"))
}
