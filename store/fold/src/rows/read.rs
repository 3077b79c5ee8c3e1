//! The reader: one tenant and environment at one cut.

use std::cell::RefCell;
use std::rc::Rc;
use std::sync::Arc;

use foldhash::HashMap;
use verdict_schemas::{Kind, Labels, Timestamp, Version};

use super::around::{Around, MemberRow};
use super::fact_row::{Entry, Fact, What, range};
use super::frontier::{Place, first_observations, frontier_at};
use super::key::{collect, instant, micros};
use super::names;
use super::scope::ScopeRef;
use super::space::{OrderedRows, RowsError};
use super::tally::{NOTHING, VersionId};
use crate::{ActiveEntry, FactTime, Instance, Observation, Observed, RecordRef, SeriesKey, Understood};

/// Moments remembered at a time: a question asks about its own and the frontier.
const MOMENTS: usize = 8;

/// What was observed in one tenant and environment by the records of a cut. It remembers who was observed at the moments
/// asked about, so that a question about all series enumerates them once; make one per question.
#[derive(Debug)]
pub struct Cut<'r, R> {
    pub(super) rows: &'r R,
    /// Number of steps: what was understood before is seen.
    pub(super) size: u64,
    /// The greatest f in the cut: nothing is known later.
    pub(super) frontier: Option<Place>,
    around: RefCell<HashMap<u64, Rc<Around>>>,
    named: RefCell<Named>,
}

/// Names met so far.
#[derive(Debug, Default)]
struct Named {
    instances: HashMap<u32, Instance>,
    series: HashMap<u32, SeriesKey>,
    versions: HashMap<u32, Version>,
    labels: HashMap<u32, Arc<Labels>>,
}

/// A name met before, or read now.
fn recall<T: Clone, E>(known: &mut HashMap<u32, T>, id: u32, read: impl FnOnce() -> Result<T, E>) -> Result<T, E> {
    if let Some(name) = known.get(&id) {
        return Ok(name.clone());
    }
    let name = read()?;
    known.insert(id, name.clone());
    Ok(name)
}

impl<'r, R: OrderedRows> Cut<'r, R> {
    /// The tenant's log as understood by its first `size` steps.
    ///
    /// # Errors
    /// When the rows can not be read or are damaged.
    pub fn new(rows: &'r R, size: u64) -> Result<Self, RowsError<R::Error>> {
        let frontier = frontier_at(rows, size)?;
        Ok(Self {
            rows,
            size,
            frontier,
            around: RefCell::default(),
            named: RefCell::default(),
        })
    }

    /// The greatest f of an observation in the cut.
    pub fn frontier(&self) -> Option<Timestamp> {
        self.frontier.and_then(|place| instant(place.at))
    }

    /// Each series with an observation at or before `t` (E21), sorted.
    ///
    /// # Errors
    /// When the rows can not be read or are damaged.
    pub fn series_observed(&self, t: Timestamp) -> Result<Vec<SeriesKey>, RowsError<R::Error>> {
        let mut observed = Vec::new();
        for (series, first) in first_observations(self.rows, self.size)? {
            if first <= micros(t) {
                observed.push(self.series_named(series)?);
            }
        }
        observed.sort_unstable();
        Ok(observed)
    }

    /// The observations of the cut with f in `[from, to]`, in index order: what [`crate::SweptSeries`] is made from. With
    /// a `series`, citations and entries of others are left out. Only counted citations are among them (E8).
    ///
    /// # Errors
    /// When the rows can not be read or are damaged.
    pub fn facts(
        &self,
        series: Option<&SeriesKey>,
        (from, to): (Timestamp, Timestamp),
    ) -> Result<Vec<Observation>, RowsError<R::Error>> {
        let only = match series {
            None => None,
            // A series never named has no facts of its own; sightings by `agent_seen` alone make no member.
            Some(series) => match self.series_id(series)? {
                None => return Ok(Vec::new()),
                id => id,
            },
        };
        let (from, to) = range(micros(from), micros(to));
        let mut facts = collect(self.rows, from, to, |key, value| {
            let fact = Fact::decode(key, value)?;
            let wanted = match fact.what {
                What::Cited { series, .. } => only.is_none_or(|only| only == series),
                What::Seen { .. } | What::Retired => true,
            };
            Ok((fact.step < self.size && wanted).then_some(fact))
        })?;
        facts.sort_by_key(|fact| (fact.index, fact.position));
        facts.into_iter().map(|fact| self.observation(fact, only)).collect()
    }

    fn observation(&self, fact: Fact, only: Option<u32>) -> Result<Observation, RowsError<R::Error>> {
        let (what, kind) = match fact.what {
            What::Seen {
                lease_ms,
                labels,
                entries,
            } => {
                let entries = entries
                    .iter()
                    .filter(|entry| only.is_none_or(|only| only == entry.series));
                let entries = entries.map(|entry| self.entry(entry)).collect::<Result<_, _>>()?;
                (
                    Observed::Seen {
                        lease_ms,
                        labels: self.labels_named(labels)?,
                        entries,
                    },
                    Kind::AgentSeen,
                )
            }
            What::Cited { series, version } => {
                let series = self.series_named(series)?;
                (
                    Observed::Cited {
                        series,
                        version: self.version_named(version)?,
                    },
                    Kind::Decision,
                )
            }
            What::Retired => (Observed::Retired, Kind::AgentRetired),
        };
        let f = instant(fact.f).ok_or(super::Corrupt("facts"))?;
        Ok(Observation {
            at: FactTime {
                f,
                index: fact.index,
                position: fact.position,
            },
            place: Understood {
                index: fact.index,
                step: fact.step,
                late: fact.late,
            },
            record: RecordRef {
                index: fact.index,
                event_id: fact.event_id,
                kind,
            },
            instance: self.instance_named(fact.instance)?,
            what,
        })
    }

    fn entry(&self, entry: &Entry) -> Result<ActiveEntry, RowsError<R::Error>> {
        let version = if entry.version == NOTHING {
            None
        } else {
            Some(self.version_named(entry.version)?)
        };
        let series = self.series_named(entry.series)?;
        Ok(ActiveEntry {
            series,
            status: entry.status,
            version,
            position: entry.position,
        })
    }

    pub(super) fn series_id(&self, series: &SeriesKey) -> Result<Option<u32>, RowsError<R::Error>> {
        let mut name = Vec::new();
        names::name_series(&mut name, ScopeRef::from(&series.scope), series.policy.as_str());
        names::id_of(self.rows, names::Space::Series, &name)
    }

    pub(super) fn version_id(&self, version: &Version) -> Result<Option<VersionId>, RowsError<R::Error>> {
        names::id_of(self.rows, names::Space::Version, version.as_str().as_bytes())
    }

    pub(super) fn instance_named(&self, id: u32) -> Result<Instance, RowsError<R::Error>> {
        recall(&mut self.named.borrow_mut().instances, id, || {
            names::instance(self.rows, id)
        })
    }

    fn series_named(&self, id: u32) -> Result<SeriesKey, RowsError<R::Error>> {
        recall(&mut self.named.borrow_mut().series, id, || names::series(self.rows, id))
    }

    pub(super) fn version_named(&self, id: VersionId) -> Result<Version, RowsError<R::Error>> {
        recall(&mut self.named.borrow_mut().versions, id, || {
            names::version(self.rows, id)
        })
    }

    pub(super) fn labels_named(&self, id: u32) -> Result<Arc<Labels>, RowsError<R::Error>> {
        recall(&mut self.named.borrow_mut().labels, id, || {
            names::labels(self.rows, id).map(Arc::new)
        })
    }

    /// What is known around `x`, which is not after the frontier.
    fn around(&self, x: u64) -> Result<Rc<Around>, RowsError<R::Error>> {
        if let Some(around) = self.around.borrow().get(&x) {
            return Ok(Rc::clone(around));
        }
        let around = Rc::new(Around::read(self.rows, x, self.size)?);
        let mut known = self.around.borrow_mut();
        if known.len() >= MOMENTS {
            known.clear();
        }
        known.insert(x, Rc::clone(&around));
        Ok(around)
    }

    /// The members of a series at `t`, by id.
    pub(super) fn members(&self, series: u32, t: u64) -> Result<Vec<MemberRow>, RowsError<R::Error>> {
        let Some(frontier) = self.frontier else {
            return Ok(Vec::new());
        };
        // No fact of the cut lies past the frontier: a search from there meets no rows of later records, and who is a
        // member later is one there.
        let members = self.around(t.min(frontier.at))?.members(self.rows, series)?;
        Ok(members
            .iter()
            .copied()
            .filter(|member| t < member.ends.silent)
            .collect())
    }
}
