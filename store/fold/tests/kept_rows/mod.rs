//! The same histories, kept as rows: those of all records are written, and a cut of them is asked.

use std::convert::Infallible;

use verdict_fold::rows::{Bounds, Cut, EnvironmentRows, MemoryRows, RowSeries, RowsError};
use verdict_fold::{Evidence, IntentCut, Observation, Observed, SeriesKey, observations};
use verdict_schemas::{Environment, TenantId, Timestamp};

use crate::histories::{Held, Record, steps_at};

/// The rows of one tenant and environment.
pub(crate) struct Rows {
    rows: MemoryRows,
    facts: Vec<Observation>,
}

impl Rows {
    pub(crate) fn new(records: &[Record], tenant: &TenantId, environment: &Environment, most: usize) -> Self {
        let of_log = records.iter().filter(|record| record.log == *tenant);
        let read = of_log.filter_map(|record| observations(&record.event, record.place, record.recorded));
        let facts: Vec<_> = read
            .filter(|(of, _)| of == environment)
            .flat_map(|(_, facts)| facts)
            .collect();
        let series = u32::try_from(most).unwrap();
        let bounds = Bounds {
            series,
            ..Bounds::default()
        };
        let (mut rows, mut writer) = (MemoryRows::default(), EnvironmentRows::within(bounds));
        for record in facts.chunk_by(|one, next| one.place == next.place) {
            for fact in record {
                writer.observe(&mut rows, fact).unwrap();
            }
            writer.seal(&mut rows).unwrap();
        }
        Self { rows, facts }
    }

    /// The cut up to `known_at`, with the intent of `held`.
    pub(crate) fn at(&self, held: Held, records: &[Record], tenant: &TenantId, known_at: Timestamp) -> RowsAt<'_> {
        let size = steps_at(records, tenant, known_at);
        RowsAt {
            facts: &self.facts,
            size,
            cut: Cut::new(&self.rows, size).unwrap(),
            held,
        }
    }
}

/// Rows at a cut.
pub(crate) struct RowsAt<'r> {
    facts: &'r [Observation],
    size: u64,
    cut: Cut<'r, MemoryRows>,
    held: Held,
}

impl<'r> Evidence for RowsAt<'r> {
    type Error = RowsError<Infallible>;
    type Kept<'a>
        = RowSeries<'a, 'r, MemoryRows>
    where
        Self: 'a;

    fn intents(&self, log: &TenantId) -> Result<IntentCut<'_>, Self::Error> {
        let Ok(intents) = self.held.intents(log);
        Ok(intents)
    }

    fn observed(&self, t: Timestamp) -> Result<Vec<SeriesKey>, Self::Error> {
        self.cut.series_observed(t)
    }

    fn kept(&self, series: &SeriesKey) -> Result<Self::Kept<'_>, Self::Error> {
        let of = series.clone();
        // The index of decisions by version: every citation, counted or not.
        self.cut.series(series, move |version, t| {
            let cites = |fact: &&Observation| {
                let Observed::Cited { series, version: cited } = &fact.what else {
                    return false;
                };
                *series == of && cited == version && fact.place.step < self.size && fact.at.f <= t
            };
            Ok(self.facts.iter().filter(cites).map(|fact| fact.at.f).max())
        })
    }

    fn facts(&self, series: &SeriesKey) -> Result<Vec<Observation>, Self::Error> {
        self.cut.facts(Some(series), (Timestamp::MIN, Timestamp::MAX))
    }
}
