//! The sweep: one series from all its facts in memory, in O(n log n), with open partials taken out (E10).
//!
//! Each instance is first folded alone into the moments at which it changes ([`instance`]): what it runs, whether it is
//! live, silent or gone, and its labels. All these moments, with those at which a partial opens or closes, are then swept
//! once in the order of time. At each one everything that happens there is applied before anything is read off ("all
//! facts of one instant act together", E5), and the counts of E10 go to a [`Track`] that later questions search.
//!
//! Times are kept in plain microseconds inside: a lease may end past the year 9999, where no question can be asked.

mod count;
mod gather;
mod instance;
mod tally;

use std::collections::HashMap;
use std::convert::Infallible;

use foldhash::fast::RandomState;
use verdict_schemas::{Labels, PolicyName, Quorum, Scope, Timestamp, Version};

use self::count::Sweep;
use self::gather::Gathered;
use self::instance::InstanceHistory;
use self::tally::Track;
use crate::{Instance, Member, Observation, OpenPartial, SeriesHistory, SeriesKey, VersionRun};

/// A version by its number within one sweep.
type VersionId = u32;
/// Microseconds since 1970.
type Micros = i64;
type Map<K, V> = HashMap<K, V, RandomState>;

/// A partial as the sweep reads it.
#[derive(Clone, Debug)]
struct Partial {
    labels: Labels,
    from: Micros,
    until: Micros,
}

/// One series at one cut, swept from its facts.
#[derive(Debug)]
pub struct SweptSeries {
    /// Sorted by bytes of (agent, incarnation); only those with an observation in the series.
    instances: Vec<InstanceHistory>,
    versions: Vec<Version>,
    ids: Map<Version, VersionId>,
    /// The counts of E10.
    main: Track,
    /// Per partial given, in their order, the counts of the members in it while it is open (E19).
    partials: Vec<Track>,
    first_observation: Option<Timestamp>,
    /// Per version, the sorted f of the decisions that cite it (E17).
    exercised: Map<Version, Vec<Timestamp>>,
}

/// The counts of some members at a moment.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Counted {
    /// Live ones with the version asked about.
    pub have: u64,
    /// Live ones.
    pub live: u64,
    /// Silent ones.
    pub silent: u64,
}

impl SweptSeries {
    /// Sweeps `facts`: the observations of one tenant and environment in index order, of the cut, all that matter to
    /// `series` (others are passed over). `partials` are those of the series that open at or before the last moment
    /// that will be asked about.
    pub fn new(series: &SeriesKey, facts: &[Observation], partials: &[OpenPartial<'_>]) -> Self {
        let mut gathered = Gathered::default();
        for fact in facts {
            gathered.take(series, fact);
        }
        let Gathered {
            instances,
            versions,
            ids,
            mut exercised,
            ..
        } = gathered;
        exercised.values_mut().for_each(|times| times.sort_unstable());
        let mut instances: Vec<_> = instances
            .into_iter()
            .filter_map(|(who, facts)| InstanceHistory::fold(who, facts))
            .collect();
        instances.sort_unstable_by(|one, other| one.instance.cmp(&other.instance));
        let first_observation = instances.iter().map(|instance| instance.first_observation).min();
        let partials: Vec<_> = partials.iter().map(Partial::new).collect();
        let (main, partials) = Sweep::new(&instances, &partials, versions.len()).run();
        Self {
            instances,
            versions,
            ids,
            main,
            partials,
            first_observation,
            exercised,
        }
    }

    /// A series that nobody observed, with its partials.
    pub fn empty(partials: &[OpenPartial<'_>]) -> Self {
        let nothing = SeriesKey {
            scope: Scope::Global,
            policy: PolicyName::new(""),
        };
        Self::new(&nothing, &[], partials)
    }

    fn named(&self, id: Option<VersionId>) -> Option<Version> {
        id.and_then(|id| self.versions.get(usize::try_from(id).ok()?)).cloned()
    }

    fn run(&self, place: usize, known_at: Timestamp) -> Option<VersionRun> {
        let (since, version) = self.main.runs.get(place)?;
        let until = self.main.runs.get(place + 1).and_then(|(next, _)| instant(*next));
        Some(VersionRun {
            version: self.named(*version),
            since: instant(*since)?,
            until: until.filter(|until| *until <= known_at),
        })
    }

    /// The first instant in `[from, to]` at which `quorum` of `version` holds, counting only the members in the partial
    /// at `place` of those given (E19). Its counts are kept while it is open.
    pub fn partial_quorum_since(
        &self,
        place: usize,
        version: &Version,
        quorum: Quorum,
        from: Timestamp,
        to: Timestamp,
    ) -> Option<Timestamp> {
        let track = self.partials.get(place)?;
        track
            .quorum_since(*self.ids.get(version)?, quorum, from.as_micros(), to.as_micros())
            .and_then(instant)
    }

    /// The counts of E10 for `version`, or those of the partial at `place`, wherever they change in `[from, to]`,
    /// with those at `from` first.
    pub fn curve(
        &self,
        place: Option<usize>,
        version: &Version,
        from: Timestamp,
        to: Timestamp,
    ) -> Vec<(Timestamp, Counted)> {
        let track = place.map_or(Some(&self.main), |place| self.partials.get(place));
        let id = self.ids.get(version).copied();
        track.map_or_else(Vec::new, |track| track.curve(id, from.as_micros(), to.as_micros()))
    }

    /// The first instant in `[from, to]` at which each instance that ran `version` there did so.
    pub fn first_ran(&self, version: &Version, from: Timestamp, to: Timestamp) -> Vec<(&Instance, Timestamp)> {
        let Some(id) = self.ids.get(version).copied() else {
            return Vec::new();
        };
        let ran = |history: &InstanceHistory| {
            history
                .first_ran(id, from.as_micros(), to.as_micros())
                .and_then(instant)
        };
        self.instances
            .iter()
            .filter_map(|history| Some((&history.instance, ran(history)?)))
            .collect()
    }
}

/// Back from plain microseconds; `None` past the year 9999.
fn instant(micros: Micros) -> Option<Timestamp> {
    Timestamp::from_micros(micros)
}

impl Partial {
    fn new(open: &OpenPartial<'_>) -> Self {
        Self {
            labels: open.target().cloned().unwrap_or_default(),
            from: open.rollout.a.as_micros(),
            until: open.until.map_or(Micros::MAX, Timestamp::as_micros),
        }
    }

    fn is_open(&self, at: Micros) -> bool {
        self.from <= at && at < self.until
    }

    /// In it iff the labels of the latest `agent_seen` hold all of its own (E19).
    fn selects(&self, labels: Option<&Labels>) -> bool {
        labels.is_some_and(|labels| self.labels.iter().all(|(name, value)| labels.get(name) == Some(value)))
    }
}

impl SeriesHistory for SweptSeries {
    type Error = Infallible;

    fn first_observation(&self) -> Result<Option<Timestamp>, Infallible> {
        Ok(self.first_observation)
    }

    fn members(&self, t: Timestamp) -> Result<Vec<Member>, Infallible> {
        Ok(self
            .instances
            .iter()
            .filter_map(|history| history.member(t, |id| self.named(id)))
            .collect())
    }

    fn holder(&self, t: Timestamp) -> Result<Option<Option<Version>>, Infallible> {
        Ok(self.main.holder(t.as_micros()).map(|version| self.named(version)))
    }

    fn version_run(&self, t: Timestamp, known_at: Timestamp) -> Result<Option<VersionRun>, Infallible> {
        let begun = self.main.runs.partition_point(|(since, _)| *since <= t.as_micros());
        Ok(begun.checked_sub(1).and_then(|place| self.run(place, known_at)))
    }

    fn version_runs(&self, from: Timestamp, known_at: Timestamp) -> Result<Vec<VersionRun>, Infallible> {
        let begun = |t: Timestamp| self.main.runs.partition_point(|(since, _)| *since <= t.as_micros());
        let first = begun(from).saturating_sub(1);
        Ok((first..begun(known_at))
            .filter_map(|place| self.run(place, known_at))
            .collect())
    }

    fn quorum_since(
        &self,
        version: &Version,
        quorum: Quorum,
        from: Timestamp,
        to: Timestamp,
    ) -> Result<Option<Timestamp>, Infallible> {
        let Some(id) = self.ids.get(version) else {
            return Ok(None);
        };
        Ok(self
            .main
            .quorum_since(*id, quorum, from.as_micros(), to.as_micros())
            .and_then(instant))
    }

    fn last_exercised(&self, version: &Version, t: Timestamp) -> Result<Option<Timestamp>, Infallible> {
        let times = self.exercised.get(version).map_or(&[][..], Vec::as_slice);
        Ok(times.iter().rev().find(|f| **f <= t).copied())
    }
}
