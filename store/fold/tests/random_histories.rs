//! The fold against the slow, obvious version of the rules, on random histories: out of order, ties, late, churn,
//! superseded, rolled back, partial, voided. `effective`, `history` and `compare` must be the same in every field.

#![expect(clippy::unwrap_used, clippy::panic, reason = "a test may stop at the first surprise")]

mod histories;
mod kept_rows;
mod random;
mod reference;

use std::collections::BTreeSet;

use histories::{Held, Record};
use kept_rows::Rows;
use proptest::prelude::*;
use proptest::sample::Index;
use random::{START, environment, history, policy, scope, tenant};
use reference::answers::Reference;
use serde_json::{Value, json};
use sha2::{Digest as _, Sha256};
use verdict_fold::{Evidence, Question, SeriesKey, compare, effective};
use verdict_schemas::{Body, TenantId, Timestamp, WorkloadId};

/// Moments at which something may change, each with the microsecond before and after it, and some from anywhere.
fn moments(records: &[Record]) -> Vec<i64> {
    let mut at = BTreeSet::from([0, START, START + 400_000_000]);
    for record in records {
        let f = reference::acts(record);
        at.insert(f);
        match &record.event.body {
            Body::AgentSeen(seen) => {
                let lease = i64::try_from(seen.lease_ms).unwrap() * 1000;
                at.extend([f + lease, f + lease + lease / 2]);
            }
            Body::Decision(_) => at.extend([f + 300_000_000, f + 450_000_000]),
            Body::Rollout(rollout) => {
                if let verdict_schemas::Phase::Started(plan) = &rollout.phase {
                    let a = plan.activate_at.map_or(f, |at| at.as_micros().max(f));
                    at.extend([a, a + i64::try_from(plan.max_inconsistency_ms).unwrap() * 1000]);
                }
            }
            _ => {}
        }
    }
    let around: BTreeSet<i64> = at.into_iter().flat_map(|at| [at - 1, at, at + 1]).collect();
    around
        .into_iter()
        .filter(|at| Timestamp::from_micros(*at).is_some())
        .collect()
}

/// `set_digest` from the answer: the keys of a `serde_json` object are sorted, and its strings are written as RFC 8785
/// has them.
fn digest(answer: &Value) -> String {
    let entries = answer["policies"].as_array().unwrap().iter();
    let in_force = entries.filter(|it| !it["version"].is_null() && it.get("overridden_by").is_none());
    let element = |it: &Value| json!({ "scope": it["scope"], "policy": it["policy"], "version": it["version"], "digest": it["digest"] });
    let mut elements: Vec<String> = in_force.map(|it| element(it).to_string()).collect();
    elements.sort();
    format!(
        "sha256:{}",
        hex::encode(Sha256::digest(format!("[{}]", elements.join(","))))
    )
}

struct Asked {
    tenant: TenantId,
    test_environment: bool,
    workload: Option<WorkloadId>,
    cut: Timestamp,
    moments: Vec<i64>,
    /// The most series that an instance is observed in (E9).
    most: usize,
}

/// E9.
const MOST: usize = 2_000;

/// Asked of the facts, and of the rows kept of all of them at the same cut.
fn ask(records: &[Record], asked: &Asked, seen: &mut Seen) -> Result<(), TestCaseError> {
    let environment = environment(asked.test_environment);
    let held = Held::new(records, &asked.tenant, &environment, asked.cut);
    if asked.most >= MOST {
        // What is held is all that was said.
        ask_of(&held, records, asked, seen)?;
    }
    let rows = Rows::new(records, &asked.tenant, &environment, asked.most);
    ask_of(&rows.at(held, records, &asked.tenant, asked.cut), records, asked, seen)
}

fn ask_of<E>(held: &E, records: &[Record], asked: &Asked, seen: &mut Seen) -> Result<(), TestCaseError>
where
    E: Evidence<Error: std::fmt::Debug>,
{
    let environment = environment(asked.test_environment);
    let reference = Reference::new(
        records,
        &asked.tenant,
        &environment,
        asked.cut.as_micros(),
        &asked.moments,
        asked.most,
    );
    if !reference.beyond().is_empty() {
        seen.0.insert("beyond the bound".to_owned());
    }
    let question = |at: i64| Question {
        tenant: asked.tenant.clone(),
        environment: environment.clone(),
        workload: asked.workload.clone(),
        at: Timestamp::from_micros(at).unwrap(),
        known_at: asked.cut,
    };
    for at in &asked.moments {
        let mut answer = serde_json::to_value(effective(&question(*at), held).unwrap()).unwrap();
        let set_digest = answer.as_object_mut().unwrap().remove("set_digest");
        prop_assert_eq!(set_digest, Some(json!(digest(&answer))));
        let expected = reference.effective(asked.workload.as_ref(), *at);
        prop_assert_eq!(&answer, &expected, "at {} known at {}", question(*at).at, asked.cut);
        seen.note(&answer);
    }
    let (one, other) = (asked.moments[0], asked.moments[1]);
    let with = Timestamp::from_micros(other).unwrap();
    let answer = serde_json::to_value(compare(&question(one), held, with).unwrap()).unwrap();
    prop_assert_eq!(answer, reference.compare(asked.workload.as_ref(), one, other));
    let bounds = [
        (None, None),
        (Some(one.min(other)), Some(one.max(other))),
        (Some(one), None),
        (None, Some(other)),
    ];
    for (from, to) in bounds {
        // `_platform` has the global and environment layers alone.
        for of in if asked.tenant.is_platform() {
            [1, 3, 3]
        } else {
            [0, 1, 2]
        } {
            let series = SeriesKey {
                scope: scope(of),
                policy: policy(0),
            };
            let time = |at: Option<i64>| at.and_then(Timestamp::from_micros);
            let runs = verdict_fold::history(&question(one), held, &series, time(from), time(to)).unwrap();
            let expected = reference.history(&series.scope, series.policy.as_str(), from, to);
            prop_assert_eq!(
                serde_json::to_value(runs).unwrap(),
                expected,
                "from {:?} to {:?}",
                time(from),
                time(to)
            );
        }
    }
    Ok(())
}

/// What the answers held: a test of random histories that never meets a state proves nothing of it.
#[derive(Default)]
struct Seen(BTreeSet<String>);

impl Seen {
    fn note(&mut self, answer: &Value) {
        for entry in answer["policies"].as_array().unwrap() {
            self.0.insert(entry["state"].to_string());
            self.0.insert(entry["certainty"].to_string());
            self.0.extend(
                entry["partials"]
                    .as_array()
                    .unwrap()
                    .iter()
                    .map(|it| format!("partial {}", it["state"])),
            );
            for field in ["admissible", "overridden_by", "last_exercised", "digest"] {
                self.0.extend(entry.get(field).map(|_| field.to_owned()));
            }
            for field in ["until", "since", "state_since", "version"] {
                self.0.insert(format!(
                    "{field} {}",
                    if entry[field].is_null() { "null" } else { "given" }
                ));
            }
        }
        self.0.extend(
            answer["exceptions"]
                .as_array()
                .unwrap()
                .iter()
                .map(|it| it["effect"].to_string()),
        );
    }
}

fn run(cases: u32, records: usize, crowded: bool) -> Seen {
    run_within(MOST, cases, records, crowded)
}

fn run_within(most: usize, cases: u32, records: usize, crowded: bool) -> Seen {
    let seen = std::cell::RefCell::new(Seen::default());
    let strategy = (
        history(records, crowded),
        prop::collection::vec(any::<Index>(), 4),
        prop::option::of(any::<Index>()),
        prop::option::weighted(0.8, Just("api")),
        prop::bool::weighted(0.05),
        prop::bool::weighted(0.05),
    );
    let config = ProptestConfig {
        cases,
        max_shrink_iters: 4000,
        failure_persistence: None,
        ..ProptestConfig::default()
    };
    let mut runner = proptest::test_runner::TestRunner::new(config);
    let result = runner.run(&strategy, |(records, at, cut, workload, test_environment, platform)| {
        let all = moments(&records);
        let last = records.last().unwrap().understood;
        let asked = Asked {
            tenant: if platform { TenantId::platform() } else { tenant() },
            test_environment,
            workload: workload.map(WorkloadId::new),
            cut: cut.map_or(last, |cut| records[cut.index(records.len())].understood),
            moments: at.iter().map(|at| all[at.index(all.len())]).collect(),
            most,
        };
        ask(&records, &asked, &mut seen.borrow_mut())
    });
    if let Err(failure) = result {
        panic!("{failure}");
    }
    seen.into_inner()
}

/// A store keeps intent in its JSON form.
#[test]
fn what_is_kept_of_intent_reads_back_as_it_was() {
    let config = ProptestConfig {
        cases: 200,
        failure_persistence: None,
        ..ProptestConfig::default()
    };
    proptest!(config, |(records in history(20, false))| {
        for record in records {
            if let Some(intent) = verdict_fold::intent(&record.event, record.place, record.recorded) {
                let kept = serde_json::to_string(&intent).unwrap();
                let read: verdict_fold::Intent = serde_json::from_str(&kept).unwrap();
                prop_assert_eq!(format!("{read:?}"), format!("{intent:?}"));
            }
        }
    });
}

#[test]
fn short_histories_are_answered_as_the_rules_say() {
    run(3000, 12, false);
}

#[test]
fn crowded_histories_of_one_series_are_answered_as_the_rules_say() {
    // The short ones meet ties of what is understood late with what was understood at once.
    run(12_000, 10, true);
    run(1200, 20, true);
}

#[test]
fn an_instance_is_observed_in_the_first_series_that_came_and_in_no_more_than_the_bound() {
    for most in [1, 2] {
        let seen = run_within(most, 600, 14, false);
        assert!(seen.0.contains("beyond the bound"));
    }
}

#[test]
fn longer_histories_are_answered_as_the_rules_say_and_meet_every_state() {
    let seen = run(600, 50, false);
    let expected = [
        "\"converging\"",
        "\"declared\"",
        "\"drifted\"",
        "\"effective\"",
        "\"lapsed\"",
        "\"none\"",
        "\"observed\"",
        "\"overdue\"",
        "\"replace\"",
        "\"split\"",
        "\"suspend\"",
        "\"unobserved\"",
        "admissible",
        "digest",
        "last_exercised",
        "overridden_by",
        "partial \"converging\"",
        "partial \"overdue\"",
        "partial \"reached\"",
        "since given",
        "since null",
        "state_since given",
        "state_since null",
        "until given",
        "until null",
        "version given",
        "version null",
    ];
    let missing: Vec<_> = expected.iter().filter(|it| !seen.0.contains(**it)).collect();
    assert!(missing.is_empty(), "never met: {missing:?}");
}
