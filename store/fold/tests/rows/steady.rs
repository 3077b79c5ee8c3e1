//! What a question costs, in rows read: it depends on who is observed then, not on how long anyone was.

use std::sync::Arc;

use uuid::Uuid;
use verdict_fold::rows::{CitationRef, CountedRows, Cut, EnvironmentRows, MemoryRows, ScopeRef, Taken};
use verdict_fold::{ActiveEntry, FactTime, Instance, Observation, Observed, RecordRef, SeriesHistory, Understood};
use verdict_schemas::{ActiveStatus, AgentId, EventId, Incarnation, Kind, Labels, Quorum};

use crate::histories::{SECOND, series, version};
use crate::linear::at;

const FLEET: i64 = 50;

fn agent(number: i64) -> Instance {
    Instance {
        agent: AgentId::new(format!("agent-{number}")),
        incarnation: Incarnation::new("1"),
    }
}

/// A heartbeat that reports `v` in one series, with a lease of 60 s.
fn heartbeat(index: u64, f: i64, instance: Instance, v: u8) -> Observation {
    let (event_id, kind) = (EventId(Uuid::from_u128(u128::from(index))), Kind::AgentSeen);
    let status = ActiveStatus::Applied;
    let entries = Arc::new([ActiveEntry {
        series: series(0),
        status,
        version: Some(version(v)),
        position: 0,
    }]);
    Observation {
        at: FactTime {
            f: at(f),
            index,
            position: 0,
        },
        place: Understood::at_once(index),
        record: RecordRef { index, event_id, kind },
        instance,
        what: Observed::Seen {
            lease_ms: 60_000,
            labels: Arc::new(Labels::new()),
            entries,
        },
    }
}

/// A fleet whose agents each send a heartbeat every 30 s, some of them a little late.
fn fleet(rounds: i64) -> Vec<Observation> {
    let beat = |round: i64, n: i64| {
        let late = if n % 7 == 0 { SECOND * 2 } else { 0 };
        let f = 3_600 * SECOND + round * 30 * SECOND + n * SECOND / 2 - late;
        heartbeat(u64::try_from(round * FLEET + n).unwrap(), f, agent(n), 1)
    };
    (0..rounds)
        .flat_map(|round| (0..FLEET).map(move |n| beat(round, n)))
        .collect()
}

fn written(facts: &[Observation]) -> MemoryRows {
    let (mut rows, mut writer) = (MemoryRows::default(), EnvironmentRows::new());
    for fact in facts {
        writer.observe(&mut rows, fact).unwrap();
        writer.seal(&mut rows).unwrap();
    }
    rows
}

/// Rows read by the questions of an effective answer at `t`, in the cut of `size`.
fn read(rows: &MemoryRows, size: usize, t: i64, known_at: i64) -> u64 {
    let counted = CountedRows::new(rows);
    let cut = Cut::new(&counted, u64::try_from(size).unwrap()).unwrap();
    let (t, known_at) = (at(t), at(known_at));
    assert_eq!(cut.series_observed(t).unwrap(), [series(0)]);
    let history = cut.series(&series(0), |_, _| Ok(None)).unwrap();
    let run = history.version_run(t, known_at).unwrap().unwrap();
    assert_eq!((run.version, run.until), (Some(version(1)), None));
    assert_eq!(history.members(t).unwrap().len(), usize::try_from(FLEET).unwrap());
    let quorum = Quorum {
        percent: Some(100),
        min_agents: Some(60),
    };
    assert_eq!(history.quorum_since(&version(1), quorum, run.since, t).unwrap(), None);
    counted.read()
}

#[test]
fn a_question_reads_as_many_rows_after_a_hundred_thousand_observations_as_after_a_thousand() {
    let facts = fleet(2000);
    let (few, many) = (written(&facts[..1000]), written(&facts));
    let moment = |fact: usize| facts[fact].at.f.as_micros();
    let early = read(&few, 1000, moment(500), moment(999));
    let questions = [
        (
            "at the same moment, with much behind it",
            read(&many, 1000, moment(500), moment(999)),
        ),
        (
            "at the end",
            read(&many, facts.len(), moment(facts.len() - 1), moment(facts.len() - 1)),
        ),
        (
            "in the middle",
            read(&many, facts.len(), moment(50_000), moment(facts.len() - 1)),
        ),
        (
            "after the end of a cut long ago",
            read(&many, 50_000, moment(49_999) + 10 * SECOND, moment(99_999)),
        ),
    ];
    for (what, rows) in questions {
        assert!(rows <= 2 * early, "{what}: {rows} rows, of few {early}");
    }
}

/// Each agent reports three series every 30 s and cites each of them every minute.
fn reporting_and_citing(rounds: i64) -> Vec<Observation> {
    let mut facts = Vec::new();
    for (round, n) in (0..rounds).flat_map(|round| (0..FLEET).map(move |n| (round, n))) {
        let f = 3_600 * SECOND + round * 30 * SECOND + n * SECOND / 2;
        let mut beat = heartbeat(0, f, agent(n), 1);
        if let Observed::Seen { entries, .. } = &mut beat.what {
            let entry = |policy: u8| ActiveEntry {
                series: series(policy.into()),
                position: u32::from(policy),
                ..entries[0].clone()
            };
            *entries = (0..3).map(entry).collect();
        }
        facts.push(beat);
        if round % 2 == 0 {
            facts.extend((0..3u8).map(|policy| {
                let mut cited = heartbeat(0, f + SECOND, agent(n), 1);
                cited.record.kind = Kind::Decision;
                cited.what = Observed::Cited {
                    series: series(policy.into()),
                    version: version(1),
                };
                cited
            }));
        }
    }
    facts.sort_by_key(|fact| fact.at.f);
    for (fact, index) in facts.iter_mut().zip(0..) {
        (fact.at.index, fact.record.index) = (index, index);
    }
    facts
}

#[test]
fn what_is_known_of_an_agent_is_read_once_for_all_its_series() {
    let facts = reporting_and_citing(40);
    let rows = written(&facts);
    let last = facts[facts.len() - 1].at.f.as_micros();
    let read = |asked: u8, t: i64| {
        let counted = CountedRows::new(&rows);
        let cut = Cut::new(&counted, u64::MAX).unwrap();
        for policy in 0..asked {
            let history = cut.series(&series(policy.into()), |_, _| Ok(None)).unwrap();
            let run = history.version_run(at(t), at(t)).unwrap().unwrap();
            assert_eq!(run.version, Some(version(1)));
            assert_eq!(history.members(at(t)).unwrap().len(), usize::try_from(FLEET).unwrap());
        }
        counted.read()
    };
    for t in [last, last + 5 * SECOND, last - 300 * SECOND] {
        let (one, three) = (read(1, t), read(3, t));
        let fleet = u64::try_from(FLEET).unwrap();
        // Of each agent two marks, its sightings, its first observation in each of three series, and its name; in each
        // series two marks more, and what gave the version, back to a citation.
        assert!(one <= fleet * 12, "{one} keys for one series");
        assert!(
            three - one <= 2 * (fleet * 4 + 10),
            "{one} keys for one series, {three} for three"
        );
    }
}

#[test]
fn a_citation_keeps_its_agent_however_many_short_reports_came_after_it() {
    for reports in [1, 7, 8, 9, 30] {
        let begun = 3_600 * SECOND;
        let mut cited = heartbeat(0, begun, agent(1), 1);
        cited.record.kind = Kind::Decision;
        cited.what = Observed::Cited {
            series: series(0),
            version: version(1),
        };
        let mut facts = vec![cited];
        for n in 1..=reports {
            let mut beat = heartbeat(u64::try_from(n).unwrap(), begun + n, agent(1), 2);
            if let Observed::Seen { lease_ms, .. } = &mut beat.what {
                *lease_ms = 1_000;
            }
            facts.push(beat);
        }
        let rows = written(&facts);
        let cut = Cut::new(&rows, u64::MAX).unwrap();
        let history = cut.series(&series(0), |_, _| Ok(None)).unwrap();
        let members = |t: i64| history.members(at(t)).unwrap();
        let [member] = &members(begun + 10 * SECOND)[..] else {
            panic!("after {reports} reports it is gone")
        };
        assert_eq!((member.live, &member.version), (true, &Some(version(2))));
        assert!(members(begun + 3_600 * SECOND).is_empty());
    }
}

#[test]
fn agents_that_come_and_go_cost_a_question_only_while_they_are_there() {
    // Each lives five minutes; there are some fifty at a time, ten thousand in all.
    let mut facts: Vec<(i64, i64)> = Vec::new();
    for n in 0..10_000 {
        facts.extend((0..10).map(|beat| (3_600 * SECOND + n * 6 * SECOND + beat * 30 * SECOND, n)));
    }
    facts.sort_unstable();
    let facts: Vec<_> = facts
        .into_iter()
        .zip(0u64..)
        .map(|((f, n), index)| heartbeat(index, f, agent(n), 1))
        .collect();
    let rows = written(&facts);
    let reads: Vec<u64> = [facts.len() / 100, facts.len() / 2, facts.len() - 1000]
        .into_iter()
        .map(|place| {
            let counted = CountedRows::new(&rows);
            let cut = Cut::new(&counted, u64::try_from(place + 1).unwrap()).unwrap();
            let history = cut.series(&series(0), |_, _| Ok(None)).unwrap();
            let members = history.members(facts[place].at.f).unwrap().len();
            assert!((45..80).contains(&members), "{members} members");
            counted.read()
        })
        .collect();
    assert!(reads.iter().all(|read| *read <= 2 * reads[0]), "{reads:?}");
}

#[test]
fn a_late_heartbeat_of_a_steady_fleet_puts_its_own_rows_and_no_other() {
    let facts = fleet(20);
    let mut rows = written(&facts);
    let mut writer = EnvironmentRows::new();
    let before: Vec<_> = rows.iter().map(|(key, _)| key.to_vec()).collect();
    let f = facts[facts.len() - 60].at.f.as_micros() + 1;
    writer
        .observe(&mut rows, &heartbeat(1_000_000, f, agent(3), 1))
        .unwrap();
    writer.seal(&mut rows).unwrap();
    let new: Vec<u8> = rows
        .iter()
        .filter(|(key, _)| !before.contains(&key.to_vec()))
        .map(|(key, _)| key[0])
        .collect();
    // A fact, its presence, and what gave the version: tags of the catalogue of keys.
    assert_eq!(new, [0x11, 0x20, 0x30]);
}

#[test]
fn a_citation_that_is_not_counted_puts_and_reads_nothing() {
    let (mut rows, mut writer) = (MemoryRows::default(), EnvironmentRows::new());
    let mut cite = |rows: &mut MemoryRows, index: u64, f: i64, version: &str| {
        let citation = CitationRef {
            f: at(f),
            place: Understood::at_once(index),
            position: 0,
            event_id: EventId(Uuid::from_u128(u128::from(index))),
            agent: "gateway",
            incarnation: "1",
            scope: ScopeRef::Tenant("acme", None),
            policy: "authz",
            version,
        };
        let counted = writer.cite(rows, &citation).unwrap() == Taken::Counted;
        writer.seal(rows).unwrap();
        counted
    };
    assert!(cite(&mut rows, 0, 60 * SECOND, "v1"));
    assert!(cite(&mut rows, 1, 119 * SECOND, "v2"));
    assert!(cite(&mut rows, 2, 120 * SECOND, "v1"));
    let kept = rows.clone();
    assert!(!cite(&mut rows, 3, 61 * SECOND, "v1"));
    assert!(!cite(&mut rows, 4, 60 * SECOND, "v2"));
    assert!(!cite(&mut rows, 5, 179 * SECOND, "v1"));
    assert_eq!(rows, kept);
    // With nothing in the rows to read, what is remembered must be enough.
    let mut nothing = MemoryRows::default();
    assert!(!cite(&mut nothing, 6, 100 * SECOND, "v1"));
    assert!(nothing.is_empty());
    assert!(cite(&mut rows, 7, 59 * SECOND, "v1"));
}

/// Rounds in which two agents with a lease of `lease_s` send heartbeats 15 s apart that arrive just after one of a third,
/// which runs another version: until they do, they are past their lease, and for a short one the third is alone.
fn late_rounds(rounds: u64, lease_ms: u64) -> Vec<Observation> {
    let mut facts = Vec::new();
    for round in 0..rounds {
        let f = 3_600 * SECOND + i64::try_from(round).unwrap() * 15 * SECOND;
        let mut beat = |f: i64, n: i64, v: u8, lease: u64| {
            let mut fact = heartbeat(u64::try_from(facts.len()).unwrap(), f, agent(n), v);
            if let Observed::Seen { lease_ms, .. } = &mut fact.what {
                *lease_ms = lease;
            }
            facts.push(fact);
        };
        beat(f + 1, 3, 2, 60_000);
        beat(f, 1, 1, lease_ms);
        beat(f, 2, 1, lease_ms);
    }
    facts
}

#[test]
fn what_was_taken_back_is_not_passed_one_by_one() {
    for lease_ms in [10_000, 15_000] {
        let ask = |rounds: u64| {
            let facts = late_rounds(rounds, lease_ms);
            let rows = written(&facts);
            let counted = CountedRows::new(&rows);
            let cut = Cut::new(&counted, u64::MAX).unwrap();
            let history = cut.series(&series(0), |_, _| Ok(None)).unwrap();
            let (early, last) = (facts[10].at.f, facts[facts.len() - 1].at.f);
            let mut reads = vec![counted.read()];
            let run = history.version_run(last, last).unwrap().unwrap();
            assert_eq!((run.version, run.since), (Some(version(1)), facts[1].at.f));
            reads.push(counted.read());
            assert_eq!(history.version_run(early, last).unwrap().unwrap().until, None);
            reads.push(counted.read());
            assert_eq!(history.version_runs(early, last).unwrap().len(), 1);
            reads.push(counted.read());
            assert_eq!(history.holder(last).unwrap(), Some(Some(version(1))));
            reads.push(counted.read());
            assert_eq!(
                history
                    .quorum_since(&version(2), Quorum::default(), early, last)
                    .unwrap(),
                None
            );
            reads.push(counted.read());
            reads.windows(2).map(|pair| pair[1] - pair[0]).collect::<Vec<_>>()
        };
        let (few, many) = (ask(100), ask(4000));
        assert!(
            few.iter().zip(&many).all(|(few, many)| *many <= 2 * few + 8),
            "{few:?}, then {many:?}"
        );
    }
}
