//! Histories: records of two logs, and the cut of them that the fold is given. [`Held`] sweeps every series from its facts.

use std::convert::Infallible;

use verdict_fold::{
    Evidence, IntentCut, IntentLog, Observation, SeriesHistory, SeriesKey, SweptSeries, Understood, intent,
    observations,
};
use verdict_schemas::{Environment, Event, TenantId, Timestamp};

/// A record: where it is, when it was recorded, since when it is understood, and what it says. Records come in the order
/// in which they are understood: mostly that of recorded time.
#[derive(Clone, Debug)]
pub(crate) struct Record {
    pub(crate) log: TenantId,
    pub(crate) place: Understood,
    pub(crate) recorded: Timestamp,
    pub(crate) understood: Timestamp,
    pub(crate) event: Event,
}

/// How many steps of a log are in the cut up to `known_at`.
pub(crate) fn steps_at(records: &[Record], log: &TenantId, known_at: Timestamp) -> u64 {
    let of_log = records.iter().filter(|record| record.log == *log);
    let in_cut = of_log.filter(|record| record.understood <= known_at);
    in_cut.map(|record| record.place.step + 1).max().unwrap_or_default()
}

/// The records of a cut, read as the store would: intent indexed once, observations in the order of steps.
pub(crate) struct Held {
    logs: Vec<(IntentLog, u64)>,
    observations: Vec<Observation>,
}

impl Held {
    /// All `records` go into the intent logs; the cut is up to `known_at`.
    pub(crate) fn new(records: &[Record], tenant: &TenantId, environment: &Environment, known_at: Timestamp) -> Self {
        let mut logs = Vec::new();
        for log in [tenant.clone(), TenantId::platform()] {
            let mut intents = IntentLog::new(log.clone());
            let of_log = || records.iter().filter(|record| record.log == log);
            of_log()
                .filter_map(|r| intent(&r.event, r.place, r.recorded))
                .for_each(|fact| intents.push(fact));
            logs.push((intents, steps_at(records, &log, known_at)));
        }
        let in_cut = records
            .iter()
            .filter(|record| record.log == *tenant && record.understood <= known_at);
        let read = in_cut.filter_map(|record| observations(&record.event, record.place, record.recorded));
        let observations = read
            .filter(|(at, _)| at == environment)
            .flat_map(|(_, facts)| facts)
            .collect();
        Self { logs, observations }
    }

    fn series(&self) -> Vec<SeriesKey> {
        let mut series = Vec::new();
        for fact in &self.observations {
            match &fact.what {
                verdict_fold::Observed::Seen { entries, .. } => series.extend(entries.iter().map(|e| e.series.clone())),
                verdict_fold::Observed::Cited { series: cited, .. } => series.push(cited.clone()),
                verdict_fold::Observed::Retired => {}
            }
        }
        series.sort();
        series.dedup();
        series
    }
}

impl Evidence for Held {
    type Error = Infallible;
    type Kept<'a> = SweptSeries;

    fn intents(&self, log: &TenantId) -> Result<IntentCut<'_>, Infallible> {
        let (intents, size) = self.logs.iter().find(|(intents, _)| intents.tenant() == log).unwrap();
        Ok(intents.cut(*size))
    }

    fn observed(&self, t: Timestamp) -> Result<Vec<SeriesKey>, Infallible> {
        let mut series = self.series();
        series.retain(|key| {
            self.kept(key)
                .unwrap()
                .first_observation()
                .unwrap()
                .is_some_and(|first| first <= t)
        });
        Ok(series)
    }

    fn kept(&self, series: &SeriesKey) -> Result<SweptSeries, Infallible> {
        Ok(SweptSeries::new(series, &self.observations, &[]))
    }

    fn facts(&self, _: &SeriesKey) -> Result<Vec<Observation>, Infallible> {
        Ok(self.observations.clone())
    }
}
