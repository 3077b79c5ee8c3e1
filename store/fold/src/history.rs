//! A range of the timeline, and two points of it (E24).

use std::collections::BTreeMap;

use verdict_schemas::Timestamp;

use crate::answer::{Comparison, ExceptionDifference, ExceptionEntry, PolicyDifference, PolicyEntry, Run};
use crate::evidence::Known;
use crate::timeline::Timeline;
use crate::{Evidence, Question, SeriesKey, effective};

/// The runs of `series` that meet `[from, to)` up to `question.known_at`, oldest first, not clipped; without a bound it
/// is open on that side. `question.at` and `question.workload` are not read.
///
/// # Errors
/// When the cut can not be read.
pub fn history<E: Evidence>(
    question: &Question,
    evidence: &E,
    series: &SeriesKey,
    from: Option<Timestamp>,
    to: Option<Timestamp>,
) -> Result<Vec<Run>, E::Error> {
    let intents = evidence.intents(&series.scope.log())?;
    let desired = intents.desired(series);
    let known = Known::read(evidence, &question.tenant, series, &desired, question.known_at)?;
    Timeline::new(&desired, &known, question.known_at)?.runs(series, from, to)
}

/// What differs between `question.at` and `with`.
///
/// # Errors
/// When the cut can not be read.
pub fn compare<E: Evidence>(question: &Question, evidence: &E, with: Timestamp) -> Result<Comparison, E::Error> {
    let one = effective(question, evidence)?;
    let other = effective(
        &Question {
            at: with,
            ..question.clone()
        },
        evidence,
    )?;
    // The order of E21 is that of (scope, policy): both sides in one map keep it.
    let mut policies: BTreeMap<SeriesKey, PolicyDifference> = BTreeMap::new();
    let mut policy = |entry: PolicyEntry, side: fn(&mut PolicyDifference) -> &mut Option<PolicyEntry>| {
        let (scope, policy) = (entry.scope.clone(), entry.policy.clone());
        let nothing = PolicyDifference {
            scope: scope.clone(),
            policy: policy.clone(),
            at: None,
            with: None,
        };
        *side(policies.entry(SeriesKey { scope, policy }).or_insert(nothing)) = Some(entry);
    };
    one.policies
        .into_iter()
        .for_each(|entry| policy(entry, |difference| &mut difference.at));
    other
        .policies
        .into_iter()
        .for_each(|entry| policy(entry, |difference| &mut difference.with));
    let mut exceptions: BTreeMap<String, ExceptionDifference> = BTreeMap::new();
    let mut exception = |entry: ExceptionEntry, side: fn(&mut ExceptionDifference) -> &mut Option<ExceptionEntry>| {
        let id = entry.id.clone();
        let nothing = ExceptionDifference {
            id: id.clone(),
            at: None,
            with: None,
        };
        *side(exceptions.entry(id).or_insert(nothing)) = Some(entry);
    };
    one.exceptions
        .into_iter()
        .for_each(|entry| exception(entry, |difference| &mut difference.at));
    other
        .exceptions
        .into_iter()
        .for_each(|entry| exception(entry, |difference| &mut difference.with));
    Ok(Comparison {
        policies: policies.into_values().filter(differs).collect(),
        exceptions: exceptions
            .into_values()
            .filter(|exception| exception.at != exception.with)
            .collect(),
    })
}

/// On one side only, or another state, version, desired, digest or `overridden_by`.
fn differs(policy: &PolicyDifference) -> bool {
    let compared = |entry: &PolicyEntry| {
        (
            entry.state,
            entry.version.clone(),
            entry.desired.clone(),
            entry.digest,
            entry.overridden_by.clone(),
        )
    };
    policy.at.as_ref().map(compared) != policy.with.as_ref().map(compared)
}
