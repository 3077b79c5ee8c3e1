//! The fold's view of a cut: intent of two logs and the rows of one environment, read through one snapshot.

use std::collections::BTreeSet;
use std::sync::Arc;

use verdict_edge::Answer;
use verdict_fold::rows::{Cut as RowsCut, RowSeries, RowsError};
use verdict_fold::{Evidence, IntentCut, IntentLog, Observation, Observed, SeriesKey, Understood, observations};
use verdict_schemas::{Environment, Interpretation, TenantId, Timestamp, Version};
use verdict_store::{CitedVersion, Index, ObservedAt, ObservedRows, Order, StoreError, TimeRange};

use crate::cut::CutLog;
use crate::question::Question;

/// What reading the rows can fail with.
type Failed = RowsError<StoreError>;

/// The intent of the logs in a cut.
pub(crate) struct Intents {
    own: (Arc<IntentLog>, u64),
    /// `None` where `_platform` itself is asked.
    platform: Option<(Arc<IntentLog>, u64)>,
}

impl Intents {
    /// Of the logs of a question.
    pub(crate) fn of(question: &Question<'_>) -> Answer<Self> {
        let read = |log: &CutLog, tenant: &TenantId| -> Answer<(Arc<IntentLog>, u64)> {
            let kept = match log.id {
                Some(id) if log.cut.size.0 > 0 => question.snapshot.intents(id, log.cut)?,
                _ => None,
            };
            Ok((
                kept.unwrap_or_else(|| Arc::new(IntentLog::new(tenant.clone()))),
                log.cut.steps(),
            ))
        };
        let platform = question
            .cut
            .platform
            .as_ref()
            .map(|log| read(log, &TenantId::platform()))
            .transpose()?;
        Ok(Self {
            own: read(&question.cut.own, &question.tenant)?,
            platform,
        })
    }

    /// Each log's intent at the cut, the tenant's own first.
    pub(crate) fn logs(&self) -> Vec<IntentCut<'_>> {
        [Some(&self.own), self.platform.as_ref()]
            .into_iter()
            .flatten()
            .map(|(log, size)| log.cut(*size))
            .collect()
    }

    /// The intent of the log of `tenant`.
    pub(crate) fn cut(&self, tenant: &TenantId) -> IntentCut<'_> {
        match &self.platform {
            Some((log, size)) if tenant.is_platform() => log.cut(*size),
            _ => self.own.0.cut(self.own.1),
        }
    }
}

/// What a question about one environment is answered from.
pub(crate) struct CutEvidence<'e, 's> {
    question: &'e Question<'e>,
    intents: &'e Intents,
    environment: &'e Environment,
    observed: &'e ObservedAt<'s>,
    cut: &'e RowsCut<'e, ObservedRows<'s>>,
    /// The moments that will be asked about.
    moments: &'e [Timestamp],
}

/// Reads the evidence of one environment and answers from it. `moments` are those at which the last use of a version
/// will be asked for (E17).
pub(crate) fn with_evidence<T>(
    question: &Question<'_>,
    environment: &Environment,
    moments: &[Timestamp],
    answer: impl FnOnce(&CutEvidence<'_, '_>) -> Answer<T>,
) -> Answer<T> {
    let intents = &Intents::of(question)?;
    let observed = match question.cut.own.id {
        Some(log) => question.snapshot.observed(log, environment, question.cut.own.cut)?,
        None => question.snapshot.nothing_observed(environment),
    };
    let cut = observed.cut()?;
    answer(&CutEvidence {
        question,
        intents,
        environment,
        observed: &observed,
        cut: &cut,
        moments,
    })
}

impl<'e, 's> CutEvidence<'e, 's> {
    /// The decision that last cited a version at or before `t`, as an observation. The rows keep only those that count
    /// (E8), but any of them was a use (E17).
    fn last_citation(
        &self,
        series: &SeriesKey,
        version: &Version,
        t: Timestamp,
    ) -> Result<Option<Observation>, StoreError> {
        let own = &self.question.cut.own;
        let Some(log) = own.id else { return Ok(None) };
        let index = Index::Versions(vec![CitedVersion {
            environment: self.environment.clone(),
            scope: series.scope.clone(),
            policy: series.policy.clone(),
            version: version.clone(),
        }]);
        let range = TimeRange {
            from: None,
            until: t.plus_micros(1),
        };
        let mut scan = self
            .question
            .snapshot
            .scan(log, &index, range, Order::NewestFirst, None, own.cut)?;
        let Some(entry) = scan.next().transpose()? else {
            return Ok(None);
        };
        let Some((record, Interpretation::Event(event))) = self.question.snapshot.event(log, entry.index)? else {
            return Ok(None);
        };
        let found =
            observations(&event, Understood::at_once(record.index.0), record.recorded_time).map(|(_, found)| found);
        let is_it = |observation: &Observation| matches!(&observation.what, Observed::Cited { series: of, version: cited } if of == series && cited == version);
        Ok(found.into_iter().flatten().find(is_it))
    }
}

impl<'e, 's> Evidence for CutEvidence<'e, 's> {
    type Error = Failed;
    type Kept<'a>
        = RowSeries<'e, 'e, ObservedRows<'s>>
    where
        Self: 'a;

    fn intents(&self, log: &TenantId) -> Result<IntentCut<'_>, Failed> {
        Ok(self.intents.cut(log))
    }

    fn observed(&self, t: Timestamp) -> Result<Vec<SeriesKey>, Failed> {
        self.cut.series_observed(t)
    }

    fn kept(&self, series: &SeriesKey) -> Result<Self::Kept<'_>, Failed> {
        self.observed.series(self.cut, series)
    }

    fn facts(&self, series: &SeriesKey) -> Result<Vec<Observation>, Failed> {
        let mut facts = self.cut.facts(Some(series), (Timestamp::MIN, Timestamp::MAX))?;
        let mut cited = BTreeSet::new();
        for fact in &facts {
            if let Observed::Cited { series: of, version } = &fact.what
                && of == series
            {
                cited.insert(version.clone());
            }
        }
        for version in cited {
            for moment in self.moments {
                let Some(last) = self.last_citation(series, &version, *moment).map_err(Failed::Storage)? else {
                    continue;
                };
                let place = facts.partition_point(|fact| fact_place(fact) < fact_place(&last));
                if facts
                    .get(place)
                    .is_none_or(|fact| fact_place(fact) != fact_place(&last))
                {
                    facts.insert(place, last);
                }
            }
        }
        Ok(facts)
    }
}

/// Facts come in index order; of one event in the order of its parts.
fn fact_place(fact: &Observation) -> (u64, u32) {
    (fact.at.index, fact.at.position)
}
