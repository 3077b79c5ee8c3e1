//! How one rollout goes in one environment: its state, the curve of acknowledgements, the lag, who is missing. The rules
//! of quorum are those of E12, E15 and E19; the state here is that of the rollout, not of its series.

mod course;

use serde::Serialize;
use verdict_schemas::{AgentId, Incarnation, Labels, PolicyName, RolloutId, Scope, Timestamp, Version};

use self::course::{Course, millis};
use crate::answer::{Applied, EvidenceRef, Target};
use crate::effective::applied;
use crate::{Counted, Evidence, Held, IntentCut, Member, Question, SeriesHistory, SweptSeries, need};

/// At most so many points of the curve, evenly thinned, the first and the last kept.
const CURVE_POINTS: usize = 200;
/// At most so many agents are named as missing, and as silent.
const NAMED: usize = 100;

/// How a rollout goes, at a moment.
#[derive(Clone, PartialEq, Eq, Debug, Serialize)]
pub struct RolloutStatus {
    /// Id within the log.
    pub rollout_id: RolloutId,
    /// Scope.
    #[serde(with = "crate::scope_json")]
    pub scope: Scope,
    /// Policy.
    pub policy: PolicyName,
    /// The version asked for.
    pub to_version: Version,
    /// Whom it selects, if it is partial.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub target: Option<Target>,
    /// State.
    pub state: RolloutState,
    /// Its a: when it acts (E11).
    pub since: Timestamp,
    /// When its window ends, counted from `since`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub overdue_from: Option<Timestamp>,
    /// When its quorum first held while it was top, or open.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub reached_at: Option<Timestamp>,
    /// From `since` to `reached_at`, in whole milliseconds.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub time_to_quorum_ms: Option<u64>,
    /// When it was taken away, if by now.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub rolled_back_at: Option<Timestamp>,
    /// When it was claimed complete, if by now; a claim, nothing more.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub completed_claim_at: Option<Timestamp>,
    /// Progress (E18, E19).
    pub applied: Applied,
    /// Counts since it acts, wherever they change.
    pub curve: Vec<CurvePoint>,
    /// From `since` until an instance ran the version, over those that did.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub lag: Option<Lag>,
    /// Live ones that count and do not run it.
    pub missing: Vec<Straggler>,
    /// How many more are missing.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub missing_more: Option<u64>,
    /// Silent ones that count.
    pub silent: Vec<Straggler>,
    /// How many more are silent.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub silent_more: Option<u64>,
    /// Its `started`, and what took it away.
    pub evidence: Vec<EvidenceRef>,
}

/// The state of a rollout.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum RolloutState {
    /// It acts later.
    Planned,
    /// Top, or open; its quorum has not held, within the window.
    Converging,
    /// The same past the window.
    Overdue,
    /// Top, or open; its quorum held.
    Reached,
    /// Another was pushed past it.
    Superseded,
    /// Taken away.
    RolledBack,
}

/// A point of the curve.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize)]
pub struct CurvePoint {
    /// From here on.
    pub at: Timestamp,
    /// Live ones that run the version.
    pub have: u64,
    /// How many its quorum takes.
    pub need: u64,
    /// Live ones.
    pub live: u64,
    /// Silent ones.
    pub silent: u64,
}

/// Percentiles (nearest rank) of the lag, in whole milliseconds.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize)]
pub struct Lag {
    /// Instances that ran the version.
    pub count: u64,
    /// Median.
    pub p50_ms: u64,
    /// 95th percentile.
    pub p95_ms: u64,
    /// 99th percentile.
    pub p99_ms: u64,
}

/// An instance that does not do what is asked.
#[derive(Clone, PartialEq, Eq, Debug, Serialize)]
pub struct Straggler {
    /// Agent.
    pub agent: AgentId,
    /// Incarnation.
    pub incarnation: Incarnation,
    /// What it runs; null: nothing.
    pub version: Option<Version>,
}

/// How the rollout `id` of `intents`, the log of its scope in the cut, goes in `question.environment` at `question.at`;
/// `None` if none of this id has started in the cut. Sweeps all facts of the series.
///
/// # Errors
/// When the cut can not be read.
pub fn rollout_status<E: Evidence>(
    question: &Question,
    evidence: &E,
    intents: IntentCut<'_>,
    id: &RolloutId,
) -> Result<Option<RolloutStatus>, E::Error> {
    let Some(rollout) = intents.rollout(id) else {
        return Ok(None);
    };
    let (plan, at) = (rollout.plan(), question.at);
    let series = plan.series();
    let desired = intents.desired(&series);
    let opened = desired.opened(at);
    let swept = if question.tenant.is_platform() {
        SweptSeries::empty(opened)
    } else {
        SweptSeries::new(&series, &evidence.facts(&series)?, opened)
    };
    let Ok(members) = swept.members(at);
    let course = Course::of(&rollout, &desired, opened);
    let members = course.members(&members, opened, at);
    let reached_at = course.reached(&swept, at);
    let state = course.state(&swept, at);
    let curve = swept.curve(course.place(), &plan.to_version, rollout.a, course.end(at));
    let point = |(at, Counted { have, live, silent }): (Timestamp, Counted)| {
        let need = need(Some(plan.quorum), live, silent);
        CurvePoint {
            at,
            have,
            need,
            live,
            silent,
        }
    };
    let missing = |member: &&&Member| member.live && member.version.as_ref() != Some(&plan.to_version);
    let (missing, missing_more) = named(members.iter().filter(missing));
    let (silent, silent_more) = named(members.iter().filter(|member| !member.live));
    let taken = rollout.taken.filter(|taken| taken.f <= at);
    let records = [Some(rollout.started.record), taken.map(|taken| taken.record)];
    Ok(Some(RolloutStatus {
        rollout_id: id.clone(),
        to_version: plan.to_version.clone(),
        target: plan.target.clone().map(|labels: Labels| Target { labels }),
        state,
        since: rollout.a,
        overdue_from: rollout.overdue_from(rollout.a),
        reached_at,
        time_to_quorum_ms: reached_at.map(|reached| millis(rollout.a, reached)),
        rolled_back_at: taken.map(|taken| taken.f),
        completed_claim_at: intents
            .completed(id)
            .filter(|claim: &&Held<()>| claim.f <= at)
            .map(|claim| claim.f),
        applied: applied(&members, Some(&plan.to_version), Some(plan.quorum)),
        curve: thinned(curve).into_iter().map(point).collect(),
        lag: course.lag(&swept, &members, at),
        missing,
        missing_more,
        silent,
        silent_more,
        evidence: records
            .into_iter()
            .flatten()
            .map(|record| EvidenceRef::new(intents.tenant(), record))
            .collect(),
        scope: series.scope,
        policy: series.policy,
    }))
}

/// The first few by name, and how many more.
fn named<'m>(members: impl Iterator<Item = &'m &'m Member>) -> (Vec<Straggler>, Option<u64>) {
    let mut all: Vec<_> = members
        .map(|member| Straggler {
            agent: member.instance.agent.clone(),
            incarnation: member.instance.incarnation.clone(),
            version: member.version.clone(),
        })
        .collect();
    let more = u64::try_from(all.len().saturating_sub(NAMED)).unwrap_or(u64::MAX);
    all.truncate(NAMED);
    (all, (more > 0).then_some(more))
}

/// Evenly thinned to a bounded number of points, the first and the last kept.
fn thinned<T: Copy>(points: Vec<T>) -> Vec<T> {
    let last = points.len().saturating_sub(1);
    if points.len() <= CURVE_POINTS {
        return points;
    }
    let place = |step: usize| step * last / (CURVE_POINTS - 1);
    (0..CURVE_POINTS)
        .filter_map(|step| points.get(place(step)).copied())
        .collect()
}
