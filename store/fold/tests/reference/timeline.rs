//! The timeline of a series (E14 to E16).

use super::Micros;
use super::series::{Counts, Series};

/// (state, version, desired, top rollout): what runs are runs of.
pub(crate) type Run = (&'static str, Option<String>, Option<String>, Option<String>);

/// The timeline of a series over its interesting instants; the first entry is before every instant.
pub(crate) struct Timeline(pub(crate) Vec<(Option<Micros>, Run)>);

impl Timeline {
    pub(crate) fn new(series: &Series<'_>) -> Self {
        let counts: Vec<Counts> = series.instants.iter().map(|at| series.counts(*at)).collect();
        let mut runs = vec![(None, ("unobserved", None, None, None))];
        let mut held: Option<Option<String>> = None;
        for (place, at) in series.instants.iter().enumerate() {
            held = counts[place].holder().or(held);
            let (observed, top) = (series.observed_by(*at), series.top(*at));
            let desired = series.desired(*at);
            let version = match &held {
                Some(version) => version.clone(),
                None if !observed => desired.clone(),
                None => None,
            };
            let state = match top {
                _ if !observed => "unobserved",
                None => "effective",
                Some(top) => {
                    let since = series.desired_since(*at).unwrap();
                    let mut within = series
                        .instants
                        .iter()
                        .zip(&counts)
                        .take(place + 1)
                        .filter(|(s, _)| **s >= since);
                    if within.any(|(_, counts)| counts.quorum_holds(top)) {
                        if version == desired { "effective" } else { "drifted" }
                    } else if *at < since + top.window() {
                        "converging"
                    } else {
                        "overdue"
                    }
                }
            };
            runs.push((Some(*at), (state, version, desired, top.map(|top| top.id.clone()))));
        }
        Self(runs)
    }

    pub(crate) fn at(&self, t: Micros) -> &Run {
        &self.0.iter().rfind(|(at, _)| at.is_none_or(|at| at <= t)).unwrap().1
    }

    /// The beginning of the stretch at `t` of what `of` picks.
    pub(crate) fn since<T: PartialEq>(&self, t: Micros, of: impl Fn(&Run) -> T) -> Option<Micros> {
        let now = of(self.at(t));
        let passed = self.0.iter().filter(|(at, _)| at.is_none_or(|at| at <= t));
        let mut since = None;
        for (at, run) in passed.rev() {
            if of(run) != now {
                break;
            }
            since = *at;
        }
        since
    }

    pub(crate) fn until(&self, t: Micros, known_at: Micros) -> Option<Micros> {
        let now = &self.at(t).1;
        let mut later = self.0.iter().filter_map(|(at, run)| Some(((*at)?, run)));
        later
            .find(|(at, run)| *at > t && *at <= known_at && run.1 != *now)
            .map(|(at, _)| at)
    }
}
