//! One instance in thousands of series, and thousands of versions in one: what a citation costs does not grow with them.
//!
//! Each test takes a second; where a citation looks at every series of its instance, it takes hours.

use std::sync::Arc;

use uuid::Uuid;
use verdict_fold::rows::{CitationRef, CountedRows, Cut, EnvironmentRows, MemoryRows, ScopeRef, Taken};
use verdict_fold::{FactTime, Instance, Observation, Observed, RecordRef, SeriesHistory, SeriesKey, Understood};
use verdict_schemas::{AgentId, EventId, Incarnation, Kind, Labels, PolicyName, Scope};

use crate::histories::SECOND;
use crate::linear::at;

/// Series of an instance: with one more, as many as it may be observed in (E9).
const SERIES: u64 = 1_999;
const VERSIONS: u64 = 20_000;
const HOUR: i64 = 3_600 * SECOND;

fn event_id(index: u64) -> EventId {
    EventId(Uuid::from_u128(u128::from(index)))
}

/// The writer of one environment, and what it has read.
struct Written {
    rows: CountedRows<MemoryRows>,
    writer: EnvironmentRows,
    index: u64,
}

impl Written {
    fn new() -> Self {
        Self {
            rows: CountedRows::new(MemoryRows::default()),
            writer: EnvironmentRows::new(),
            index: 0,
        }
    }

    /// Rows read by a decision of the gateway at `f` with these (policy, version).
    fn decide(&mut self, f: i64, cited: impl Iterator<Item = (String, String)>) -> u64 {
        self.decide_as("gateway", f, cited)
    }

    fn decide_as(&mut self, agent: &str, f: i64, cited: impl Iterator<Item = (String, String)>) -> u64 {
        let before = self.rows.read();
        for ((policy, version), position) in cited.zip(0..) {
            let citation = CitationRef {
                f: at(f),
                place: Understood::at_once(self.index),
                position,
                event_id: event_id(self.index),
                agent,
                incarnation: "1",
                scope: ScopeRef::Global,
                policy: &policy,
                version: &version,
            };
            assert_eq!(self.writer.cite(&mut self.rows, &citation).unwrap(), Taken::Counted);
        }
        self.writer.seal(&mut self.rows).unwrap();
        self.index += 1;
        self.rows.read() - before
    }

    /// Rows read by a report at `f` that says only that the instance is there.
    fn report(&mut self, f: i64) -> u64 {
        let before = self.rows.read();
        let (index, kind) = (self.index, Kind::AgentSeen);
        let observation = Observation {
            at: FactTime {
                f: at(f),
                index,
                position: 0,
            },
            place: Understood::at_once(index),
            record: RecordRef {
                index,
                event_id: event_id(index),
                kind,
            },
            instance: Instance {
                agent: AgentId::new("gateway"),
                incarnation: Incarnation::new("1"),
            },
            what: Observed::Seen {
                lease_ms: 60_000,
                labels: Arc::new(Labels::new()),
                entries: Arc::new([]),
            },
        };
        self.writer.observe(&mut self.rows, &observation).unwrap();
        self.writer.seal(&mut self.rows).unwrap();
        self.index += 1;
        self.rows.read() - before
    }
}

fn policies(version: &str) -> impl Iterator<Item = (String, String)> {
    (0..SERIES).map(move |n| (format!("policy-{n}"), version.to_owned()))
}

fn versions(of: std::ops::Range<u64>) -> impl Iterator<Item = (String, String)> {
    of.map(|n| ("authz".to_owned(), format!("v{n}")))
}

#[test]
fn a_decision_that_cites_thousands_of_policies_reads_a_few_rows_for_each() {
    let mut written = Written::new();
    for (what, f, version) in [
        ("new ones", 10 * HOUR, "v1"),
        ("again, later", 10 * HOUR + 90 * SECOND, "v2"),
        ("when all have expired", 12 * HOUR, "v3"),
    ] {
        let read = written.decide(f, policies(version));
        assert!(read <= 30 * SERIES, "{what}: {read} rows");
    }
    written.decide(20 * HOUR, [("other".to_owned(), "v1".to_owned())].into_iter());
    let read = written.decide(11 * HOUR, policies("v0"));
    assert!(read <= 60 * SERIES, "out of order, and forgotten since: {read} rows");
}

#[test]
fn an_instance_in_thousands_of_series_that_is_gone_costs_a_late_citation_a_few_rows() {
    let mut written = Written::new();
    written.decide(10 * HOUR, policies("v1"));
    written.decide(20 * HOUR, [("other".to_owned(), "v1".to_owned())].into_iter());
    for n in 0..100 {
        let f = 11 * HOUR + n * 60 * SECOND;
        let read = written.decide(f, [("policy-7".to_owned(), "v2".to_owned())].into_iter());
        assert!(read <= 40, "{read} rows");
    }
}

#[test]
fn a_heartbeat_of_an_instance_in_thousands_of_series_reads_nothing_while_it_stays() {
    let mut written = Written::new();
    written.decide(10 * HOUR, policies("v1"));
    written.report(10 * HOUR + SECOND);
    for n in 2..100 {
        let read = written.report(10 * HOUR + n * SECOND);
        assert!(read <= 8, "{read} rows");
    }
}

#[test]
fn thousands_of_versions_of_one_policy_in_a_minute_read_a_few_rows_each() {
    let mut written = Written::new();
    let first = written.decide(10 * HOUR, versions(0..VERSIONS));
    let again = written.decide(10 * HOUR + 60 * SECOND, versions(0..VERSIONS));
    assert!(
        first <= 20 * VERSIONS && again <= 20 * VERSIONS,
        "{first} and {again} rows"
    );
}

#[test]
fn thousands_of_instances_that_come_late_end_the_steps_of_their_series_and_of_no_other() {
    let mut written = Written::new();
    written.decide(20 * HOUR, policies("v1").take(2));
    for n in 0..4_000 {
        // Each with a version of its own, within ten minutes of an hour ago, in no order.
        let f = 19 * HOUR + n * 7_919 % 600 * SECOND + n;
        let cited = ("policy-0".to_owned(), format!("v{n}"));
        let read = written.decide_as(&format!("pod-{n}"), f, [cited].into_iter());
        assert!(read <= 2 << 16, "{read} rows for the late one number {n}");
    }
    let cut = Cut::new(&written.rows, written.index).unwrap();
    let has_steps = |policy: &str| {
        let series = SeriesKey {
            scope: Scope::Global,
            policy: PolicyName::new(policy),
        };
        let history = cut.series(&series, |_, _| Ok(None)).unwrap();
        (
            history.has_steps().unwrap(),
            history.members(at(19 * HOUR + 300 * SECOND)).unwrap().len(),
        )
    };
    let (kept, members) = has_steps("policy-0");
    assert!(!kept && members > 1_500, "{kept}, {members} members");
    assert_eq!(has_steps("policy-1"), (true, 0));
}
