//! Where the fold reads from: a cut, as one question about one environment sees it.

use std::convert::Infallible;

use verdict_schemas::{Environment, EnvironmentPattern, Quorum, Scope, TenantId, Timestamp, Version, WorkloadId};

use crate::{Desired, IntentCut, Member, Observation, SeriesHistory, SeriesKey, SweptSeries, VersionRun};

/// What is asked (E3, E21).
#[derive(Clone, Debug)]
pub struct Question {
    /// Tenant; `_platform` asks of its own log alone.
    pub tenant: TenantId,
    /// Environment; never `*`.
    pub environment: Environment,
    /// Workload; without it its layer and exceptions are left out.
    pub workload: Option<WorkloadId>,
    /// The moment.
    pub at: Timestamp,
    /// Up to where `until` is searched; that of the cut.
    pub known_at: Timestamp,
}

impl Question {
    /// The scopes in force, from the least to the most specific (E21).
    pub fn scopes(&self) -> Vec<Scope> {
        let mut scopes = vec![Scope::Global, Scope::Environment(self.environment.clone())];
        if self.tenant.is_platform() {
            return scopes;
        }
        scopes.push(Scope::Tenant(self.tenant.clone(), EnvironmentPattern::Every));
        scopes.push(Scope::Tenant(
            self.tenant.clone(),
            EnvironmentPattern::One(self.environment.clone()),
        ));
        let workload = self.workload.clone();
        scopes.extend(workload.map(|it| Scope::Workload(self.tenant.clone(), self.environment.clone(), it)));
        scopes
    }
}

/// Everything in one cut about the instances of one tenant and environment, and the intent that bears on them.
///
/// Asked of `_platform` only [`Self::intents`] is called: its entries have no instances (E21).
pub trait Evidence {
    /// What reading can fail with.
    type Error;
    /// A series as it is kept: what [`Self::kept`] gives.
    type Kept<'a>: SeriesHistory<Error = Self::Error>
    where
        Self: 'a;

    /// The intent of a log in the cut: of the tenant asked, or of `_platform`.
    ///
    /// # Errors
    /// When it can not be read.
    fn intents(&self, log: &TenantId) -> Result<IntentCut<'_>, Self::Error>;

    /// The series with an observation at or before `t`; those of scopes that were not asked for may be among them.
    ///
    /// # Errors
    /// When the rows can not be read.
    fn observed(&self, t: Timestamp) -> Result<Vec<SeriesKey>, Self::Error>;

    /// A series counted over all its members, as if no partial ever opened: so rows kept of it can answer. Of one in which
    /// a partial has opened, or that has no steps, only [`SeriesHistory::last_exercised`] is asked.
    ///
    /// # Errors
    /// When the rows can not be read.
    fn kept(&self, series: &SeriesKey) -> Result<Self::Kept<'_>, Self::Error>;

    /// The facts of the environment that bear on a series, in index order: every `agent_seen` and `agent_retired`, and
    /// the counted citations of it; others may be among them. Asked where partials have opened, and by
    /// [`crate::rollout_status`].
    ///
    /// # Errors
    /// When the log can not be read.
    fn facts(&self, series: &SeriesKey) -> Result<Vec<Observation>, Self::Error>;
}

/// A series as read for one question: from rows, or swept because partials have opened in it or it has no steps.
pub(crate) enum Known<K> {
    Kept(K),
    /// With the rows, which know of all decisions; `None` where nobody is observed.
    Swept(Box<SweptSeries>, Option<K>),
}

impl<K> Known<K> {
    /// Reads a series, given what is desired of it. `last` is the last moment that will be asked about.
    pub(crate) fn read<'e, E: Evidence<Kept<'e> = K>>(
        evidence: &'e E,
        tenant: &TenantId,
        series: &SeriesKey,
        desired: &Desired<'_>,
        last: Timestamp,
    ) -> Result<Self, E::Error>
    where
        K: SeriesHistory<Error = E::Error>,
    {
        let opened = desired.opened(last);
        if tenant.is_platform() {
            return Ok(Self::Swept(Box::new(SweptSeries::empty(opened)), None));
        }
        let kept = evidence.kept(series)?;
        if opened.is_empty() && kept.has_steps()? {
            Ok(Self::Kept(kept))
        } else {
            let swept = SweptSeries::new(series, &evidence.facts(series)?, opened);
            Ok(Self::Swept(Box::new(swept), Some(kept)))
        }
    }

    /// See [`SweptSeries::partial_quorum_since`]; a series that is kept has no partials.
    pub(crate) fn partial_quorum_since(
        &self,
        place: usize,
        version: &Version,
        quorum: Quorum,
        from: Timestamp,
        to: Timestamp,
    ) -> Option<Timestamp> {
        match self {
            Self::Kept(_) => None,
            Self::Swept(swept, _) => swept.partial_quorum_since(place, version, quorum, from, to),
        }
    }
}

/// The sweep is in memory and can not fail.
fn never<T, E>(result: Result<T, Infallible>) -> Result<T, E> {
    result.map_err(|never| match never {})
}

impl<K: SeriesHistory> SeriesHistory for Known<K> {
    type Error = K::Error;

    fn first_observation(&self) -> Result<Option<Timestamp>, K::Error> {
        match self {
            Self::Kept(kept) => kept.first_observation(),
            Self::Swept(swept, _) => never(swept.first_observation()),
        }
    }

    fn members(&self, t: Timestamp) -> Result<Vec<Member>, K::Error> {
        match self {
            Self::Kept(kept) => kept.members(t),
            Self::Swept(swept, _) => never(swept.members(t)),
        }
    }

    fn holder(&self, t: Timestamp) -> Result<Option<Option<Version>>, K::Error> {
        match self {
            Self::Kept(kept) => kept.holder(t),
            Self::Swept(swept, _) => never(swept.holder(t)),
        }
    }

    fn version_run(&self, t: Timestamp, known_at: Timestamp) -> Result<Option<VersionRun>, K::Error> {
        match self {
            Self::Kept(kept) => kept.version_run(t, known_at),
            Self::Swept(swept, _) => never(swept.version_run(t, known_at)),
        }
    }

    fn version_runs(&self, from: Timestamp, known_at: Timestamp) -> Result<Vec<VersionRun>, K::Error> {
        match self {
            Self::Kept(kept) => kept.version_runs(from, known_at),
            Self::Swept(swept, _) => never(swept.version_runs(from, known_at)),
        }
    }

    fn quorum_since(
        &self,
        version: &Version,
        quorum: Quorum,
        from: Timestamp,
        to: Timestamp,
    ) -> Result<Option<Timestamp>, K::Error> {
        match self {
            Self::Kept(kept) => kept.quorum_since(version, quorum, from, to),
            Self::Swept(swept, _) => never(swept.quorum_since(version, quorum, from, to)),
        }
    }

    fn last_exercised(&self, version: &Version, t: Timestamp) -> Result<Option<Timestamp>, K::Error> {
        match self {
            Self::Kept(kept) => kept.last_exercised(version, t),
            Self::Swept(_, kept) => kept.as_ref().map_or(Ok(None), |kept| kept.last_exercised(version, t)),
        }
    }
}
