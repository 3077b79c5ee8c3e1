//! The writer: observations in, rows out.

use verdict_schemas::{EventId, Timestamp};

use super::fact_row::{Entry, Fact, What};
use super::frontier::Frontier;
use super::given_up::CELLS;
use super::instance::{counted_in, minute};
use super::key::micros;
use super::names::{Names, Recent, Space, name_instance, name_labels, name_series};
use super::scope::ScopeRef;
use super::space::{OrderedRowsMut, RowsError};
use super::tally::{NOTHING, VersionId};
use crate::{ActiveEntry, Observation, Observed, Understood};

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
    cells: usize,
}

/// The minutes known to be counted: the latest, and a bit for each of the 64 up to it. A minute without its bit may be
/// counted all the same; the rows say so.
#[derive(Clone, Copy, Debug)]
struct Minutes {
    latest: u64,
    counted: u64,
}

impl Minutes {
    fn counted(self, minute: u64) -> bool {
        match self.latest.checked_sub(minute) {
            Some(ago @ 0..64) => self.counted >> ago & 1 == 1,
            _ => false,
        }
    }

    fn with(self, minute: u64) -> Self {
        if minute > self.latest {
            let shift = u32::try_from(minute - self.latest).unwrap_or(u32::MAX);
            return Self {
                latest: minute,
                counted: self.counted.checked_shl(shift).unwrap_or(0) | 1,
            };
        }
        let bit = u32::try_from(self.latest - minute)
            .ok()
            .and_then(|ago| 1u64.checked_shl(ago))
            .unwrap_or(0);
        Self {
            counted: self.counted | bit,
            ..self
        }
    }
}

impl Default for EnvironmentRows {
    fn default() -> Self {
        Self::new()
    }
}

impl EnvironmentRows {
    /// A writer that remembers nothing yet.
    pub fn new() -> Self {
        Self {
            names: Names::new(),
            minutes: Recent::new(CITING),
            frontier: None,
            cells: CELLS,
        }
    }

    /// The same, giving up the steps of a series at fewer cells: every writer of the same rows must be made alike.
    pub fn giving_up_at(cells: usize) -> Self {
        Self { cells, ..Self::new() }
    }

    /// Forgets what it remembers of the rows.
    pub fn drop_cache(&mut self) {
        *self = Self::giving_up_at(self.cells);
    }

    /// Bytes that it remembers, roughly. They grow with those observed at the frontier, and up to a bound with names.
    pub fn cache_bytes(&self) -> usize {
        let minutes = self.minutes.capacity() * (size_of::<((u32, u32, VersionId), Minutes)>() + 1);
        self.names.bytes() + minutes + self.frontier.as_ref().map_or(0, Frontier::bytes)
    }

    /// Takes in an observation.
    ///
    /// # Errors
    /// When the rows can not be read or written, or are damaged.
    pub fn observe<R: OrderedRowsMut>(
        &mut self,
        rows: &mut R,
        observation: &Observation,
    ) -> Result<(), RowsError<R::Error>> {
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
                self.take_citation(rows, &citation).map(drop)
            }
            Observed::Seen { .. } | Observed::Retired => self.take_report(rows, observation),
        };
        if done.is_err() {
            self.drop_cache();
        }
        done
    }

    /// Takes in a citation; true if it is counted (E8). One that is not puts nothing, and if its instance, series and
    /// version were cited in the same minute lately it reads nothing either.
    ///
    /// # Errors
    /// When the rows can not be read or written, or are damaged.
    pub fn cite<R: OrderedRowsMut>(
        &mut self,
        rows: &mut R,
        citation: &CitationRef<'_>,
    ) -> Result<bool, RowsError<R::Error>> {
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
    ) -> Result<bool, RowsError<R::Error>> {
        // A name that is new is of a citation that counts, so nothing is named that is not observed.
        name_instance(&mut self.names.scratch, citation.agent, citation.incarnation);
        let (instance, new) = self.names.intern(rows, Space::Instance)?;
        name_series(&mut self.names.scratch, citation.scope, citation.policy);
        let (series, new_series) = self.names.intern(rows, Space::Series)?;
        let (version, new_version) = self.version(rows, citation.version)?;
        let f = micros(citation.f);
        let minute = minute(f);
        let key = (instance, series, version);
        let known = self.minutes.get(&key);
        if known.is_some_and(|minutes| minutes.counted(minute)) {
            return Ok(false);
        }
        let first = new || new_series || new_version || !counted_in(&*rows, (series, instance), version, minute)?;
        let minutes = known.map_or(
            Minutes {
                latest: minute,
                counted: 1,
            },
            |minutes| minutes.with(minute),
        );
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
        Ok(first)
    }

    fn take_report<R: OrderedRowsMut>(
        &mut self,
        rows: &mut R,
        observation: &Observation,
    ) -> Result<(), RowsError<R::Error>> {
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
        let what = match what {
            Observed::Seen {
                lease_ms,
                labels,
                entries,
            } => {
                name_labels(&mut self.names.scratch, labels);
                let (labels, _) = self.names.intern(rows, Space::Labels)?;
                let entries = entries
                    .iter()
                    .map(|entry| self.entry(rows, entry))
                    .collect::<Result<_, _>>()?;
                What::Seen {
                    lease_ms: *lease_ms,
                    labels,
                    entries,
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
        )
    }

    fn entry<R: OrderedRowsMut>(&mut self, rows: &mut R, entry: &ActiveEntry) -> Result<Entry, RowsError<R::Error>> {
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
        let (series, _) = self.names.intern(rows, Space::Series)?;
        let version = match version {
            Some(version) => self.version(rows, version.as_str())?.0,
            None => NOTHING,
        };
        Ok(Entry {
            series,
            status: *status,
            version,
            position: *position,
        })
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
        let frontier = match &mut self.frontier {
            Some(frontier) => frontier,
            none => none.insert(Frontier::load(&*rows, self.cells)?),
        };
        frontier.observe(rows, fact, new)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn minutes_are_remembered_up_to_an_hour_back_and_never_invented() {
        let minutes = Minutes {
            latest: 100,
            counted: 1,
        }
        .with(98)
        .with(103)
        .with(30);
        let counted: Vec<u64> = (0..200).filter(|minute| minutes.counted(*minute)).collect();
        assert_eq!(counted, [98, 100, 103]);
        assert_eq!(
            (minutes.with(200).counted, minutes.with(103 + 63).counted(103)),
            (1, true)
        );
    }
}
