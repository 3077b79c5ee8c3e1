//! The writer: observations in, rows out.

use verdict_schemas::{EventId, Timestamp};

use super::admit::{Admission, Beyond};
use super::fact_row::{Entry, Fact, What};
use super::frontier::Frontier;
use super::given_up::CELLS;
use super::instance::{counted_in, minute};
use super::key::micros;
use super::minutes::Minutes;
use super::names::{Names, Recent, Space, name_instance, name_labels, name_series};
use super::scope::ScopeRef;
use super::space::{OrderedRows, OrderedRowsMut, RowsError};
use super::tally::{NOTHING, VersionId};
use crate::{ActiveEntry, INSTANCE_SERIES, Observation, Observed, Understood};

/// (instance, series, version) whose counted minutes are kept, per half: some 4 MB when full.
const CITING: usize = 1 << 16;

/// A citation without owning its strings (E7): one entry of a decision's `policies` whose scope covers its tenant and
/// environment.
#[derive(Clone, Copy, Debug)]
pub struct CitationRef<'a> {
    /// min(event time, recorded time) (E5).
    pub f: Timestamp,
    /// Where the decision stands in its log.
    pub place: Understood,
    /// Position in `policies`.
    pub position: u32,
    /// Id of the decision's event.
    pub event_id: EventId,
    /// Agent of the citing instance (E7).
    pub agent: &'a str,
    /// Incarnation of the citing instance (E7).
    pub incarnation: &'a str,
    /// Scope cited.
    pub scope: ScopeRef<'a>,
    /// Policy cited.
    pub policy: &'a str,
    /// Version cited.
    pub version: &'a str,
}

/// Keeps the rows of one tenant and environment. It holds nothing but caches of them: dropping it loses nothing, and one
/// that is made anew over the same rows puts the same ones from there on.
///
/// Facts are given in the order of steps, and [`Self::seal`] is called after those of each record. What one call puts belongs together: if the caller abandons what it has collected, it
/// calls [`Self::drop_cache`]. After an error the cache is dropped already, and what was put is to be abandoned.
#[derive(Debug)]
pub struct EnvironmentRows {
    names: Names,
    minutes: Recent<(u32, u32, VersionId), Minutes>,
    frontier: Option<Frontier>,
    bounds: Bounds,
}

/// What bounds one environment. They decide what is put, so every writer of the same rows must be made with the same.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Bounds {
    /// The most series that an instance is observed in (E9).
    pub series: u32,
    /// Rows of steps, and versions within them, that one fact may have to read of a series before its steps end.
    pub cells: usize,
}

impl Default for Bounds {
    fn default() -> Self {
        Self {
            series: INSTANCE_SERIES,
            cells: CELLS,
        }
    }
}

/// What became of a citation.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Taken {
    /// It is counted (E8).
    Counted,
    /// Another of the same minute is (E8).
    NotCounted,
    /// Its instance is observed in as many series as one may be, and not in this one: it is no observation (E9).
    Beyond,
}

impl Default for EnvironmentRows {
    fn default() -> Self {
        Self::new()
    }
}

impl EnvironmentRows {
    /// A writer that remembers nothing yet.
    pub fn new() -> Self {
        Self::within(Bounds::default())
    }

    /// The same, within other bounds.
    pub fn within(bounds: Bounds) -> Self {
        Self {
            names: Names::new(),
            minutes: Recent::new(CITING),
            frontier: None,
            bounds,
        }
    }

    /// Forgets what it remembers of the rows.
    pub fn drop_cache(&mut self) {
        *self = Self::within(self.bounds);
    }

    /// Bytes that it remembers, roughly. They grow with those observed at the frontier, and up to a bound with names.
    pub fn cache_bytes(&self) -> usize {
        let minutes = self.minutes.capacity() * (size_of::<((u32, u32, VersionId), Minutes)>() + 1);
        self.names.bytes() + minutes + self.frontier.as_ref().map_or(0, Frontier::bytes)
    }

    /// Takes in an observation; what it says beyond the bound of its instance is left out, and told (E9).
    ///
    /// # Errors
    /// When the rows can not be read or written, or are damaged.
    pub fn observe<R: OrderedRowsMut>(
        &mut self,
        rows: &mut R,
        observation: &Observation,
    ) -> Result<Option<Beyond>, RowsError<R::Error>> {
        let Observation {
            at,
            place,
            record,
            instance,
            what,
        } = observation;
        let (agent, incarnation) = (instance.agent.as_str(), instance.incarnation.as_str());
        let done = match what {
            Observed::Cited { series, version } => {
                let citation = CitationRef {
                    f: at.f,
                    place: *place,
                    position: at.position,
                    event_id: record.event_id,
                    agent,
                    incarnation,
                    scope: ScopeRef::from(&series.scope),
                    policy: series.policy.as_str(),
                    version: version.as_str(),
                };
                let taken = self.take_citation(rows, &citation);
                taken.map(|taken| (taken == Taken::Beyond).then(|| Beyond::and(None, at.position)))
            }
            Observed::Seen { .. } | Observed::Retired => self.take_report(rows, observation),
        };
        if done.is_err() {
            self.drop_cache();
        }
        done
    }

    /// Takes in a citation. One that is not counted puts nothing, and if its instance, series and version were cited in the
    /// same minute lately it reads nothing either.
    ///
    /// # Errors
    /// When the rows can not be read or written, or are damaged.
    pub fn cite<R: OrderedRowsMut>(
        &mut self,
        rows: &mut R,
        citation: &CitationRef<'_>,
    ) -> Result<Taken, RowsError<R::Error>> {
        let counted = self.take_citation(rows, citation);
        if counted.is_err() {
            self.drop_cache();
        }
        counted
    }

    /// Ends a record: whoever gave its observations or citations calls this, before those of the next.
    ///
    /// # Errors
    /// When the rows can not be written.
    pub fn seal<R: OrderedRowsMut>(&mut self, rows: &mut R) -> Result<(), RowsError<R::Error>> {
        let sealed = self.frontier.as_mut().map_or(Ok(()), |frontier| frontier.seal(rows));
        if sealed.is_err() {
            self.drop_cache();
        }
        sealed
    }

    fn take_citation<R: OrderedRowsMut>(
        &mut self,
        rows: &mut R,
        citation: &CitationRef<'_>,
    ) -> Result<Taken, RowsError<R::Error>> {
        // A name that is new is of a citation that counts, so nothing is named that is not observed.
        name_instance(&mut self.names.scratch, citation.agent, citation.incarnation);
        let (instance, new) = self.names.intern(rows, Space::Instance)?;
        name_series(&mut self.names.scratch, citation.scope, citation.policy);
        let mut admission = Admission::new(instance, new);
        let Some((series, new_series)) = self.admit(rows, &mut admission)? else {
            return Ok(Taken::Beyond);
        };
        admission.put(rows)?;
        let (version, new_version) = self.version(rows, citation.version)?;
        let f = micros(citation.f);
        let minute = minute(f);
        let key = (instance, series, version);
        let known = self.minutes.get(&key);
        if known.is_some_and(|minutes| minutes.counted(minute)) {
            return Ok(Taken::NotCounted);
        }
        let first = new || new_series || new_version || !counted_in(&*rows, (series, instance), version, minute)?;
        let minutes = known.map_or(Minutes::only(minute), |minutes| minutes.with(minute));
        self.minutes.put(key, minutes);
        if first {
            let what = What::Cited { series, version };
            let CitationRef {
                place,
                position,
                event_id,
                ..
            } = *citation;
            self.apply(
                rows,
                &Fact {
                    f,
                    index: place.index,
                    step: place.step,
                    late: place.late,
                    position,
                    event_id,
                    instance,
                    what,
                },
                new,
            )?;
        }
        Ok(if first { Taken::Counted } else { Taken::NotCounted })
    }

    /// The id of the series named in the scratch, if the instance is observed in it or may be from now on; the second is
    /// true where the name is new.
    fn admit<R: OrderedRowsMut>(
        &mut self,
        rows: &mut R,
        admission: &mut Admission,
    ) -> Result<Option<(u32, bool)>, RowsError<R::Error>> {
        let known = self.names.known(&*rows, Space::Series)?;
        if let Some(series) = known
            && admission.is_observed(&*rows, frontier(&mut self.frontier, &*rows, self.bounds)?, series)?
        {
            return Ok(Some((series, false)));
        }
        if !admission.has_room(&*rows, self.bounds.series)? {
            return Ok(None);
        }
        // What is not observed gets no name.
        let series = match known {
            Some(series) => series,
            None => self.names.name(rows, Space::Series)?,
        };
        admission.add(series);
        Ok(Some((series, known.is_none())))
    }

    fn take_report<R: OrderedRowsMut>(
        &mut self,
        rows: &mut R,
        observation: &Observation,
    ) -> Result<Option<Beyond>, RowsError<R::Error>> {
        let Observation {
            at,
            place,
            record,
            instance,
            what,
        } = observation;
        name_instance(
            &mut self.names.scratch,
            instance.agent.as_str(),
            instance.incarnation.as_str(),
        );
        let (instance, new) = self.names.intern(rows, Space::Instance)?;
        let mut beyond = None;
        let what = match what {
            Observed::Seen {
                lease_ms,
                labels,
                entries,
            } => {
                name_labels(&mut self.names.scratch, labels);
                let (labels, _) = self.names.intern(rows, Space::Labels)?;
                let mut admission = Admission::new(instance, new);
                let mut admitted = Vec::with_capacity(entries.len());
                for entry in entries.iter() {
                    match self.entry(rows, entry, &mut admission)? {
                        Some(entry) => admitted.push(entry),
                        None => beyond = Some(Beyond::and(beyond, entry.position)),
                    }
                }
                admission.put(rows)?;
                What::Seen {
                    lease_ms: *lease_ms,
                    labels,
                    entries: admitted,
                }
            }
            Observed::Retired | Observed::Cited { .. } => What::Retired,
        };
        let (f, position, event_id) = (micros(at.f), at.position, record.event_id);
        self.apply(
            rows,
            &Fact {
                f,
                index: place.index,
                step: place.step,
                late: place.late,
                position,
                event_id,
                instance,
                what,
            },
            new,
        )?;
        Ok(beyond)
    }

    /// An entry, unless it is beyond the bound.
    fn entry<R: OrderedRowsMut>(
        &mut self,
        rows: &mut R,
        entry: &ActiveEntry,
        admission: &mut Admission,
    ) -> Result<Option<Entry>, RowsError<R::Error>> {
        let ActiveEntry {
            series,
            status,
            version,
            position,
        } = entry;
        name_series(
            &mut self.names.scratch,
            ScopeRef::from(&series.scope),
            series.policy.as_str(),
        );
        let Some((series, _)) = self.admit(rows, admission)? else {
            return Ok(None);
        };
        let version = match version {
            Some(version) => self.version(rows, version.as_str())?.0,
            None => NOTHING,
        };
        Ok(Some(Entry {
            series,
            status: *status,
            version,
            position: *position,
        }))
    }

    fn version<R: OrderedRowsMut>(
        &mut self,
        rows: &mut R,
        version: &str,
    ) -> Result<(VersionId, bool), RowsError<R::Error>> {
        self.names.scratch.clear();
        self.names.scratch.extend_from_slice(version.as_bytes());
        self.names.intern(rows, Space::Version)
    }

    fn apply<R: OrderedRowsMut>(&mut self, rows: &mut R, fact: &Fact, new: bool) -> Result<(), RowsError<R::Error>> {
        frontier(&mut self.frontier, &*rows, self.bounds)?.observe(rows, fact, new)
    }
}

/// The frontier, read from the rows where it is not remembered.
fn frontier<'f, R: OrderedRows>(
    remembered: &'f mut Option<Frontier>,
    rows: &R,
    bounds: Bounds,
) -> Result<&'f mut Frontier, RowsError<R::Error>> {
    match remembered {
        Some(frontier) => Ok(frontier),
        none => Ok(none.insert(Frontier::load(rows, bounds.cells)?)),
    }
}
