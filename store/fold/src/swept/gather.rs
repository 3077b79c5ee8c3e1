//! Facts sorted by the instance they are of, and citations counted (E8).

use std::collections::HashSet;

use foldhash::fast::RandomState;
use verdict_schemas::{Timestamp, Version};

use super::instance::InstanceFacts;
use super::{Map, Micros, VersionId};
use crate::{Instance, Observation, Observed, SeriesKey};

/// Facts sorted by the instance they are of, while they are read.
#[derive(Default)]
pub(super) struct Gathered {
    pub(super) instances: Map<Instance, InstanceFacts>,
    pub(super) versions: Vec<Version>,
    pub(super) ids: Map<Version, VersionId>,
    /// (instance, version, UTC minute of f) of the citations counted so far (E8).
    counted: HashSet<(Instance, VersionId, Micros), RandomState>,
    pub(super) exercised: Map<Version, Vec<Timestamp>>,
}

impl Gathered {
    fn id(&mut self, version: &Version) -> VersionId {
        if let Some(id) = self.ids.get(version) {
            return *id;
        }
        let id = VersionId::try_from(self.versions.len()).unwrap_or(VersionId::MAX);
        self.versions.push(version.clone());
        self.ids.insert(version.clone(), id);
        id
    }

    pub(super) fn take(&mut self, series: &SeriesKey, fact: &Observation) {
        const MINUTE: Micros = 60_000_000;
        match &fact.what {
            Observed::Retired => self.of(fact).retired(fact.at.f),
            Observed::Seen {
                lease_ms,
                labels,
                entries,
            } => {
                let ours: Vec<_> = entries.iter().filter(|entry| entry.series == *series).collect();
                let named: Vec<_> = ours
                    .iter()
                    .map(|entry| entry.version.as_ref().map(|version| self.id(version)))
                    .collect();
                let facts = self.of(fact);
                facts.seen(fact.at, *lease_ms, labels);
                for (entry, version) in ours.into_iter().zip(named) {
                    facts.entry(fact, entry, version);
                }
            }
            Observed::Cited { series: cited, version } if cited == series => {
                self.exercised.entry(version.clone()).or_default().push(fact.at.f);
                let id = self.id(version);
                let minute = fact.at.f.as_micros().div_euclid(MINUTE);
                if self.counted.insert((fact.instance.clone(), id, minute)) {
                    self.of(fact).cited(fact, id);
                }
            }
            Observed::Cited { .. } => {}
        }
    }

    fn of(&mut self, fact: &Observation) -> &mut InstanceFacts {
        self.instances.entry(fact.instance.clone()).or_default()
    }
}
