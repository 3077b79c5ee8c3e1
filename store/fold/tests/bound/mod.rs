//! The bound of an instance, read plainly: what is observed of all that was said (E9).

use std::collections::{BTreeMap, BTreeSet};

use verdict_fold::{Instance, Observation, Observed, SeriesKey};

/// What of `facts`, which come in the order of steps, is observed where an instance is observed in the first `most` series
/// alone; and of each fact the positions of what is not.
pub(crate) fn observed(facts: &[Observation], most: usize) -> (Vec<Observation>, Vec<Vec<u32>>) {
    let mut series: BTreeMap<Instance, BTreeSet<SeriesKey>> = BTreeMap::new();
    let (mut observed, mut beyond) = (Vec::new(), Vec::new());
    for fact in facts {
        let of = series.entry(fact.instance.clone()).or_default();
        let mut admits = |one: &SeriesKey| of.contains(one) || (of.len() < most && of.insert(one.clone()));
        let mut not = Vec::new();
        match &fact.what {
            Observed::Seen {
                lease_ms,
                labels,
                entries,
            } => {
                let (within, others): (Vec<_>, Vec<_>) = entries.iter().cloned().partition(|e| admits(&e.series));
                not.extend(others.iter().map(|entry| entry.position));
                let what = Observed::Seen {
                    lease_ms: *lease_ms,
                    labels: labels.clone(),
                    entries: within.into(),
                };
                observed.push(Observation { what, ..fact.clone() });
            }
            Observed::Cited { series, .. } if !admits(series) => not.push(fact.at.position),
            Observed::Cited { .. } | Observed::Retired => observed.push(fact.clone()),
        }
        beyond.push(not);
    }
    (observed, beyond)
}
