//! The fold's rows, as kept and read, say what the sweep over all observations of the cut says.

use proptest::prelude::*;
use verdict_fold::{Observation, Observed, SeriesHistory, SeriesKey, SweptSeries, Understood, observations};
use verdict_schemas::{Body, Environment, Timestamp};
use verdict_store::{LogCut, TreeSize};

use crate::fixture::feed;
use crate::stream::{LOGS, coming, seconds};

fn series_of(observation: &Observation) -> Vec<SeriesKey> {
    match &observation.what {
        Observed::Seen { entries, .. } => entries.iter().map(|entry| entry.series.clone()).collect(),
        Observed::Cited { series, .. } => vec![series.clone()],
        Observed::Retired => Vec::new(),
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 16, ..ProptestConfig::default() })]

    #[test]
    fn rows_say_what_the_sweep_says(
        stream in prop::collection::vec(coming(), 40..200),
        batch in 1usize..60,
        cut_at in 1u64..60,
        moments in prop::collection::vec(-400i64..4000, 6),
    ) {
        let fed = feed(&stream, batch);
        let snapshot = fed.store.snapshot();
        for name in &LOGS[..2] {
            let Some(log) = fed.log(name) else { continue };
            let cut = LogCut { size: TreeSize(cut_at.min(log.size.0)), late: 0 };
            let counted = fed.counted(&log);
            for environment in snapshot.environments(log.id, log.visible).unwrap() {
                let facts: Vec<Observation> = counted
                    .iter()
                    .filter(|it| cut.size.contains(it.index))
                    .filter_map(|it| observations(&it.event, Understood::at_once(it.index.0), it.recorded))
                    .filter(|(of, _)| *of == environment)
                    .flat_map(|(_, observations)| observations)
                    .collect();
                let mut series: Vec<SeriesKey> = facts.iter().flat_map(series_of).collect();
                series.sort_unstable();
                series.dedup();

                let kept = snapshot.observed(log.id, &environment, cut).unwrap();
                let reader = kept.cut().unwrap();
                prop_assert_eq!(&reader.series_observed(Timestamp::MAX).unwrap(), &series);
                for key in &series {
                    let swept = SweptSeries::new(key, &facts, &[]);
                    let rows = kept.series(&reader, key).unwrap();
                    prop_assert_eq!(rows.first_observation().unwrap(), swept.first_observation().unwrap());
                    let known_at = seconds(5_000_000);
                    prop_assert_eq!(
                        rows.version_runs(Timestamp::MIN, known_at).unwrap(),
                        swept.version_runs(Timestamp::MIN, known_at).unwrap()
                    );
                    for t in moments.iter().copied().map(seconds) {
                        prop_assert_eq!(rows.members(t).unwrap(), swept.members(t).unwrap());
                        prop_assert_eq!(rows.holder(t).unwrap(), swept.holder(t).unwrap());
                        for version in ["v0", "v1", "v2"].map(verdict_schemas::Version::new) {
                            let exercised = counted
                                .iter()
                                .filter(|it| cut.size.contains(it.index) && it.event.meta.environment.as_ref() == Some(&environment))
                                .filter(|it| matches!(&it.event.body, Body::Decision(decision) if decision.policies.iter().any(
                                    |cited| (&cited.scope, &cited.policy, &cited.version) == (&key.scope, &key.policy, &version))))
                                .map(|it| it.event.meta.event_time.min(it.recorded))
                                .filter(|f| *f <= t)
                                .max();
                            prop_assert_eq!(rows.last_exercised(&version, t).unwrap(), exercised);
                        }
                    }
                }
            }
            // Nothing is known of an environment of which nothing was said.
            let nowhere = snapshot.observed(log.id, &Environment::new("nowhere"), cut).unwrap();
            prop_assert_eq!(nowhere.cut().unwrap().series_observed(Timestamp::MAX).unwrap(), &[]);
        }
    }
}
