//! The rows against an obvious evaluation, at every moment and every cut.
#![expect(clippy::unwrap_used, reason = "a test may stop at the first surprise")]
#![expect(
    clippy::indexing_slicing,
    reason = "of constants, by what was generated within their bounds"
)]

#[path = "../bound/mod.rs"]
mod bound;
mod damage;
mod histories;
mod linear;
mod steady;
mod wide;

use std::collections::BTreeSet;

use proptest::prelude::*;
use verdict_fold::rows::{Beyond, Bounds, Cut, EnvironmentRows, MemoryRows};
use verdict_fold::{Member, Observation, Observed, SeriesHistory, SeriesKey, SweptSeries, VersionRun};
use verdict_schemas::{Quorum, Timestamp};

use crate::histories::{SECOND, records, series, steps, version};
use crate::linear::{Linear, at, counted, runs};

/// The cut after each record, in steps.
fn size_after(record: &[Observation]) -> u64 {
    record[0].place.step + 1
}

/// Moments around every turn.
fn moments(turns: &BTreeSet<i64>) -> Vec<i64> {
    let last = turns
        .iter()
        .copied()
        .filter(|x| *x < Timestamp::MAX.as_micros())
        .max()
        .unwrap_or(0);
    let around = turns.iter().flat_map(|x| [x - 1, *x]).chain([0, last + SECOND]);
    let within: BTreeSet<i64> = around.filter(|x| (0..Timestamp::MAX.as_micros()).contains(x)).collect();
    within.into_iter().collect()
}

const QUORUMS: [Quorum; 5] = [
    Quorum {
        percent: None,
        min_agents: None,
    },
    Quorum {
        percent: Some(50),
        min_agents: Some(1),
    },
    Quorum {
        percent: Some(100),
        min_agents: None,
    },
    Quorum {
        percent: None,
        min_agents: Some(2),
    },
    Quorum {
        percent: Some(67),
        min_agents: Some(3),
    },
];

/// All that a history can be asked, so that two can be compared.
struct Answers {
    first: Option<Timestamp>,
    members: Vec<Vec<Member>>,
    holders: Vec<Option<Option<verdict_schemas::Version>>>,
    runs: Vec<Option<VersionRun>>,
    ranges: Vec<Vec<VersionRun>>,
    quorums: Vec<Option<Timestamp>>,
}

/// Pairs (from, to) of moments, near and far apart.
fn pairs(moments: &[i64]) -> Vec<(i64, i64)> {
    let far = [moments[moments.len() / 2], moments[moments.len() - 1]];
    let near = moments.windows(2).map(|pair| (pair[0], pair[1]));
    let wide = moments.iter().flat_map(|from| far.map(|to| (*from.min(&to), to)));
    near.chain(wide).chain(moments.iter().map(|t| (*t, *t))).collect()
}

impl Answers {
    /// The first answer that differs, in words.
    fn difference(&self, other: &Self, moments: &[i64]) -> Option<String> {
        fn first<T: PartialEq + std::fmt::Debug, P: std::fmt::Debug>(
            what: &str,
            (one, other): (&[T], &[T]),
            places: &[P],
        ) -> Option<String> {
            let place = one.iter().zip(other).position(|(one, other)| one != other)?;
            let at = &places[place / (one.len() / places.len())];
            Some(format!("{what} at {at:?}: {:?}, not {:?}", one[place], other[place]))
        }
        let pairs = pairs(moments);
        first("first", (&[self.first], &[other.first]), &[0])
            .or_else(|| first("members", (&self.members, &other.members), moments))
            .or_else(|| first("holder", (&self.holders, &other.holders), moments))
            .or_else(|| first("run", (&self.runs, &other.runs), &pairs))
            .or_else(|| first("runs", (&self.ranges, &other.ranges), &pairs))
            .or_else(|| first("quorum", (&self.quorums, &other.quorums), &pairs))
    }
}

fn ask<H: SeriesHistory>(history: &H, moments: &[i64]) -> Answers
where
    H::Error: std::fmt::Debug,
{
    let pairs = pairs(moments);
    let mut quorums = Vec::new();
    for (place, (from, to)) in pairs.iter().enumerate() {
        for (number, quorum) in QUORUMS.iter().enumerate() {
            let version = version(u8::try_from((place + number) % 4).unwrap());
            quorums.push(history.quorum_since(&version, *quorum, at(*from), at(*to)).unwrap());
        }
    }
    Answers {
        first: history.first_observation().unwrap(),
        members: moments.iter().map(|t| history.members(at(*t)).unwrap()).collect(),
        holders: moments.iter().map(|t| history.holder(at(*t)).unwrap()).collect(),
        runs: pairs
            .iter()
            .map(|(t, known)| history.version_run(at(*t), at(*known)).unwrap())
            .collect(),
        ranges: pairs
            .iter()
            .map(|(from, known)| history.version_runs(at(*from), at(*known)).unwrap())
            .collect(),
        quorums,
    }
}

fn expect(linear: &Linear, moments: &[i64]) -> Answers {
    let pairs = pairs(moments);
    let begins = linear.begins();
    let turns: Vec<i64> = linear.turns().into_iter().collect();
    // What holds changes at turns only: evaluate each quorum once per turn.
    let known: Vec<(i64, Vec<bool>)> = [i64::MIN]
        .into_iter()
        .chain(turns)
        .map(|x| {
            let all = (0..4u8).flat_map(|v| QUORUMS.iter().map(move |quorum| (version(v), *quorum)));
            (
                x,
                all.map(|(v, quorum)| x != i64::MIN && linear.quorum_holds(x, &v, quorum))
                    .collect(),
            )
        })
        .collect();
    let mut quorums = Vec::new();
    for (place, (from, to)) in pairs.iter().enumerate() {
        for number in 0..QUORUMS.len() {
            let which = (place + number) % 4 * QUORUMS.len() + number;
            let first = known.partition_point(|(x, _)| x <= from) - 1;
            let mut later = known[first..].iter().take_while(|(x, _)| x <= to);
            quorums.push(later.find(|(_, held)| held[which]).map(|(x, _)| at(*x.max(from))));
        }
    }
    Answers {
        first: linear.first_observation(),
        members: moments.iter().map(|t| linear.members(*t)).collect(),
        holders: moments.iter().map(|t| linear.holder(*t)).collect(),
        runs: pairs
            .iter()
            .map(|(t, known)| {
                let all = runs(&begins, 0, *t.max(known));
                let found = all.into_iter().rfind(|run| run.since <= at(*t))?;
                Some(VersionRun {
                    until: found.until.filter(|until| *until <= at(*known)),
                    ..found
                })
            })
            .collect(),
        ranges: pairs.iter().map(|(from, known)| runs(&begins, *from, *known)).collect(),
        quorums,
    }
}

/// Writes records, dropping the cache before those that `drops` names.
fn write(rows: &mut MemoryRows, records: &[Vec<Observation>], drops: &[bool]) {
    write_by(EnvironmentRows::new(), rows, records, drops);
}

/// Gives what was told of each observation.
fn write_by(
    mut writer: EnvironmentRows,
    rows: &mut MemoryRows,
    records: &[Vec<Observation>],
    drops: &[bool],
) -> Vec<Option<Beyond>> {
    let mut told = Vec::new();
    for (place, record) in records.iter().enumerate() {
        if drops.get(place) == Some(&true) {
            writer.drop_cache();
        }
        for observation in record {
            told.push(writer.observe(rows, observation).unwrap());
        }
        writer.seal(rows).unwrap();
    }
    told
}

fn check(rows: &MemoryRows, size: u64, facts: &[Observation]) -> Result<(), TestCaseError> {
    let cut = Cut::new(rows, size).unwrap();
    let mut observed: Vec<(SeriesKey, Timestamp)> = Vec::new();
    let mut all = BTreeSet::new();
    for series in (0..4).map(series) {
        let linear = Linear::new(facts, &series);
        let moments = moments(&linear.turns());
        let history = cut.series(&series, |_, _| Ok(None)).unwrap();
        let (found, expected) = (ask(&history, &moments), expect(&linear, &moments));
        prop_assert_eq!(
            found.difference(&expected, &moments),
            None,
            "{:?} in the cut of {}",
            series,
            size
        );
        let (from, to) = (moments[moments.len() / 3], moments[moments.len() - 1]);
        let mut curve: Vec<_> = moments
            .iter()
            .filter(|t| **t >= from)
            .map(|t| (at(*t), linear.counts(*t, &version(1))))
            .collect();
        curve.dedup_by(|later, earlier| later.1 == earlier.1);
        if cut.frontier().is_some() && history.first_observation().unwrap().is_some() {
            prop_assert_eq!(history.curve(&version(1), at(from), at(to)).unwrap(), curve);
        }
        observed.extend(linear.first_observation().map(|first| (series, first)));
        all.extend(moments);
    }
    for t in all.into_iter().map(at) {
        let mut expected: Vec<_> = observed
            .iter()
            .filter(|(_, first)| *first <= t)
            .map(|(series, _)| series.clone())
            .collect();
        expected.sort();
        prop_assert_eq!(cut.series_observed(t).unwrap(), expected);
    }
    Ok(())
}

/// A hundred histories, or `PROPTEST_CASES`.
fn cases() -> ProptestConfig {
    if std::env::var_os("PROPTEST_CASES").is_some() {
        ProptestConfig::default()
    } else {
        ProptestConfig::with_cases(100)
    }
}

proptest! {
    #![proptest_config(cases())]

    #[test]
    fn every_cut_and_moment_is_as_if_evaluated_plainly(steps in steps(22), drops in prop::collection::vec(prop::bool::weighted(0.2), 22)) {
        let records = records(&steps);
        let mut rows = MemoryRows::default();
        write(&mut rows, &records, &drops);
        let last = records.last().map_or(0, |record| size_after(record));
        for size in 0..=last {
            let facts: Vec<_> = records.iter().flatten().filter(|fact| fact.place.step < size).cloned().collect();
            check(&rows, size, &facts)?;
        }
    }

    #[test]
    fn what_the_writer_remembers_changes_no_row(steps in steps(60), drops in prop::collection::vec(any::<bool>(), 60)) {
        let records = records(&steps);
        let (mut kept, mut dropped) = (MemoryRows::default(), MemoryRows::default());
        write(&mut kept, &records, &[]);
        write(&mut dropped, &records, &drops);
        prop_assert_eq!(&kept, &dropped);
        // And every cut answers as it did when it was the last.
        let mut rows = MemoryRows::default();
        let mut writer = EnvironmentRows::new();
        for record in &records {
            for observation in record {
                writer.observe(&mut rows, observation).unwrap();
            }
            writer.seal(&mut rows).unwrap();
            let size = size_after(record);
            let (then, now) = (Cut::new(&rows, size).unwrap(), Cut::new(&kept, size).unwrap());
            let moments: Vec<i64> = records.iter().flatten().map(|fact| fact.at.f.as_micros()).collect();
            for series in (0..3).map(series) {
                let then = ask(&then.series(&series, |_, _| Ok(None)).unwrap(), &moments);
                let now = ask(&now.series(&series, |_, _| Ok(None)).unwrap(), &moments);
                prop_assert_eq!(now.difference(&then, &moments), None);
            }
        }
    }

    #[test]
    fn the_sweep_over_the_facts_kept_says_the_same(steps in steps(60)) {
        let records = records(&steps);
        let mut rows = MemoryRows::default();
        write(&mut rows, &records, &[]);
        let facts: Vec<_> = records.iter().flatten().cloned().collect();
        let cut = Cut::new(&rows, u64::MAX).unwrap();
        let mut expected: Vec<_> =
            facts.iter().zip(counted(&facts)).filter(|(_, counted)| *counted).map(|(fact, _)| fact.clone()).collect();
        // Whether it was understood late matters to the writer alone, and is not kept.
        expected.iter_mut().for_each(|fact| fact.place.late = false);
        expected.sort_by_key(|fact| (fact.at.index, fact.at.position));
        prop_assert_eq!(&cut.facts(None, (Timestamp::MIN, Timestamp::MAX)).unwrap(), &expected);
        let middle = facts[facts.len() / 2].at.f;
        expected.retain(|fact| fact.at.f <= middle);
        prop_assert_eq!(cut.facts(None, (Timestamp::MIN, middle)).unwrap(), expected);
        for series in (0..3).map(series) {
            let kept = cut.facts(Some(&series), (Timestamp::MIN, Timestamp::MAX)).unwrap();
            let moments = moments(&Linear::new(&facts, &series).turns());
            let history = cut.series(&series, |_, _| Ok(None)).unwrap();
            let found = ask(&history, &moments);
            for facts in [&kept, &facts] {
                let swept = ask(&SweptSeries::new(&series, facts, &[]), &moments);
                prop_assert_eq!(found.difference(&swept, &moments), None);
            }
        }
    }

    #[test]
    fn an_instance_is_observed_in_the_first_series_that_came_up_to_the_bound(
        steps in steps(24), drops in prop::collection::vec(prop::bool::weighted(0.3), 24), most in 0_usize..3
    ) {
        let records = records(&steps);
        let bounds = Bounds { series: u32::try_from(most).unwrap(), ..Bounds::default() };
        let (mut rows, mut dropped) = (MemoryRows::default(), MemoryRows::default());
        let told = write_by(EnvironmentRows::within(bounds), &mut rows, &records, &[]);
        write_by(EnvironmentRows::within(bounds), &mut dropped, &records, &drops);
        prop_assert_eq!(&rows, &dropped);
        let all: Vec<_> = records.iter().flatten().cloned().collect();
        let (observed, beyond) = bound::observed(&all, most);
        let beyond = beyond.iter().map(|positions| {
            positions.first().map(|first| Beyond { first: *first, entries: u32::try_from(positions.len()).unwrap() })
        });
        prop_assert_eq!(told, beyond.collect::<Vec<_>>());
        for record in &records {
            let size = size_after(record);
            let facts: Vec<_> = observed.iter().filter(|fact| fact.place.step < size).cloned().collect();
            check(&rows, size, &facts)?;
        }
        let swept = Cut::new(&rows, u64::MAX).unwrap().facts(None, (Timestamp::MIN, Timestamp::MAX)).unwrap();
        let entries = |facts: &[Observation]| facts.iter().filter(|fact| matches!(fact.what, Observed::Seen { .. })).count();
        prop_assert_eq!(entries(&swept), entries(&all), "a report is a sighting all the same");
    }

    #[test]
    fn a_series_given_up_is_swept_and_its_earlier_cuts_keep_their_steps(
        steps in steps(24), drops in prop::collection::vec(prop::bool::weighted(0.3), 24), cells in 2_usize..9
    ) {
        let records = records(&steps);
        let (mut rows, mut dropped) = (MemoryRows::default(), MemoryRows::default());
        let bounds = Bounds { cells, ..Bounds::default() };
        write_by(EnvironmentRows::within(bounds), &mut rows, &records, &[]);
        write_by(EnvironmentRows::within(bounds), &mut dropped, &records, &drops);
        prop_assert_eq!(&rows, &dropped);
        for series in (0..3).map(series) {
            let mut kept = true;
            for record in &records {
                let size = size_after(record);
                let facts: Vec<_> = records.iter().flatten().filter(|fact| fact.place.step < size).cloned().collect();
                let linear = Linear::new(&facts, &series);
                let moments = moments(&linear.turns());
                let cut = Cut::new(&rows, size).unwrap();
                let history = cut.series(&series, |_, _| Ok(None)).unwrap();
                let has_steps = history.has_steps().unwrap();
                prop_assert!(kept || !has_steps, "a series once given up has steps again");
                kept = has_steps;
                let found = if kept {
                    ask(&history, &moments)
                } else {
                    let facts = cut.facts(Some(&series), (Timestamp::MIN, Timestamp::MAX)).unwrap();
                    let swept = ask(&SweptSeries::new(&series, &facts, &[]), &moments);
                    // These need no steps.
                    let members: Vec<_> = moments.iter().map(|t| history.members(at(*t)).unwrap()).collect();
                    prop_assert_eq!(&members, &swept.members);
                    prop_assert_eq!(history.first_observation().unwrap(), swept.first);
                    swept
                };
                prop_assert_eq!(found.difference(&expect(&linear, &moments), &moments), None);
            }
        }
    }
}
