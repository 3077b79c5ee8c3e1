//! What was observed in one environment of a log, at a cut: the fold's rows, read through a snapshot.

use verdict_fold::rows::{Cut, OrderedRows, RowSeries, RowsError, Visit};
use verdict_fold::{Observation, SeriesKey};
use verdict_schemas::{Environment, Timestamp, Version};

use super::index::{Index, Order, TimeRange};
use super::snapshot::Snapshot;
use crate::cut::LogCut;
use crate::error::StoreError;
use crate::names::LogId;
use crate::tables::Table;
use crate::views::CitedVersion;
use crate::views::fold_rows::{EnvironmentSpace, Pending};
use crate::views::observed::{names_prefix, number_of};

/// The fold's rows of one environment, as a snapshot has them.
pub struct ObservedRows<'s>(Option<EnvironmentSpace<'s, Snapshot<'s>>>);

impl OrderedRows for ObservedRows<'_> {
    type Error = StoreError;

    fn get(&self, key: &[u8]) -> Result<Option<Vec<u8>>, StoreError> {
        self.0.as_ref().map_or(Ok(None), |space| space.get(key))
    }

    fn scan(
        &self,
        from: &[u8],
        to: &[u8],
        direction: verdict_fold::rows::Direction,
        visit: &mut Visit<'_>,
    ) -> Result<(), StoreError> {
        self.0
            .as_ref()
            .map_or(Ok(()), |space| space.scan(from, to, direction, visit))
    }
}

/// One environment of a log at a cut. Make one per question: it remembers nothing, but [`ObservedAt::cut`] does.
pub struct ObservedAt<'s> {
    snapshot: &'s Snapshot<'s>,
    log: LogId,
    environment: Environment,
    cut: LogCut,
    rows: ObservedRows<'s>,
}

impl Snapshot<'_> {
    /// The environments in which anything was observed in a cut, by name.
    ///
    /// # Errors
    /// When the rows can not be read or are damaged.
    pub fn environments(&self, log: LogId, cut: LogCut) -> Result<Vec<Environment>, RowsError<StoreError>> {
        let mut found = self.environments_named(log).map_err(RowsError::Storage)?;
        let mut failed = None;
        found.retain(|environment| {
            let observed = self.observed(log, environment, cut).map_err(RowsError::Storage);
            match observed.and_then(|observed| Ok(observed.cut()?.frontier().is_some())) {
                Ok(any) => any,
                Err(error) => {
                    failed.get_or_insert(error);
                    false
                }
            }
        });
        failed.map_or(Ok(found), Err)
    }

    /// The environments that any record ever named, whatever the cut.
    fn environments_named(&self, log: LogId) -> Result<Vec<Environment>, StoreError> {
        let prefix = names_prefix(self.view(log)?);
        let mut found = Vec::new();
        self.each(Table::Observed, &prefix, |key, _| {
            let name = key.get(prefix.len()..).and_then(|name| std::str::from_utf8(name).ok());
            let name =
                name.ok_or_else(|| StoreError::corrupt(Table::Observed, "an environment's name is not UTF-8"))?;
            found.push(Environment::new(name));
            Ok(true)
        })?;
        Ok(found)
    }

    /// What was observed in an environment, in a cut.
    ///
    /// # Errors
    /// When the rows can not be read.
    pub fn observed(&self, log: LogId, environment: &Environment, cut: LogCut) -> Result<ObservedAt<'_>, StoreError> {
        let view = self.view(log)?;
        let number = number_of(self, view, environment.as_str())?;
        let rows = ObservedRows(number.map(|number| EnvironmentSpace::new(self, view, number, Pending::new())));
        Ok(ObservedAt {
            snapshot: self,
            log,
            environment: environment.clone(),
            cut,
            rows,
        })
    }
}

impl Snapshot<'_> {
    /// What was observed in an environment by a log that there is not: nothing.
    pub fn nothing_observed(&self, environment: &Environment) -> ObservedAt<'_> {
        ObservedAt {
            snapshot: self,
            // No log has it: it is that of the last there can be.
            log: LogId(u32::MAX),
            environment: environment.clone(),
            cut: LogCut::default(),
            rows: ObservedRows(None),
        }
    }
}

impl<'s> ObservedAt<'s> {
    /// The reader of the fold: series, members, facts.
    ///
    /// # Errors
    /// When the rows can not be read or are damaged.
    pub fn cut(&self) -> Result<Cut<'_, ObservedRows<'s>>, RowsError<StoreError>> {
        Cut::new(&self.rows, self.cut.steps())
    }

    /// One series: `cut` is what [`ObservedAt::cut`] gave.
    ///
    /// # Errors
    /// When the rows can not be read or are damaged.
    pub fn series<'c, 'r>(
        &'c self,
        cut: &'c Cut<'r, ObservedRows<'s>>,
        series: &SeriesKey,
    ) -> Result<RowSeries<'c, 'r, ObservedRows<'s>>, RowsError<StoreError>> {
        let key = series.clone();
        cut.series(series, move |version, t| self.last_exercised(&key, version, t))
    }

    /// The observations that bear on a series, in index order, for the sweep.
    ///
    /// # Errors
    /// When the rows can not be read or are damaged.
    pub fn facts(&self, series: &SeriesKey) -> Result<Vec<Observation>, RowsError<StoreError>> {
        self.cut()?.facts(Some(series), (Timestamp::MIN, Timestamp::MAX))
    }

    /// The greatest f at or before `t` of a decision of the cut, counted or not, that cites this version (E17).
    ///
    /// # Errors
    /// When the rows can not be read.
    pub fn last_exercised(
        &self,
        series: &SeriesKey,
        version: &Version,
        t: Timestamp,
    ) -> Result<Option<Timestamp>, StoreError> {
        let cited = CitedVersion {
            environment: self.environment.clone(),
            scope: series.scope.clone(),
            policy: series.policy.clone(),
            version: version.clone(),
        };
        let range = TimeRange {
            from: None,
            until: t.plus_micros(1),
        };
        let index = Index::Versions(vec![cited]);
        let mut scan = self
            .snapshot
            .scan(self.log, &index, range, Order::NewestFirst, None, self.cut)?;
        Ok(scan.next().transpose()?.map(|entry| entry.f))
    }
}
