//! What was in effect: every layer at one moment of one cut (E11 to E23, E26).

use std::cmp::Reverse;
use std::collections::{BTreeMap, BTreeSet};

use verdict_schemas::{Combining, PolicyName, Scope, Timestamp, Version};

use crate::answer::{Applied, Certainty, Effective, PartialEntry, PartialState, PolicyEntry, Share, Target};
use crate::evidence::Known;
use crate::records::records;
use crate::timeline::{Moment, Timeline};
use crate::{
    Desired, Evidence, IntentCut, Member, OpenPartial, Question, SeriesHistory, SeriesKey, exceptions, need, set_digest,
};

/// What was in effect at `question.at`.
///
/// # Errors
/// When the cut can not be read.
pub fn effective<E: Evidence>(question: &Question, evidence: &E) -> Result<Effective, E::Error> {
    let at = question.at;
    let mut observed: BTreeMap<Scope, BTreeSet<PolicyName>> = BTreeMap::new();
    if !question.tenant.is_platform() {
        for SeriesKey { scope, policy } in evidence.observed(at)? {
            observed.entry(scope).or_default().insert(policy);
        }
    }
    let mut policies = Vec::new();
    for scope in question.scopes() {
        let intents = evidence.intents(&scope.log())?;
        let mut named = observed.remove(&scope).unwrap_or_default();
        let seen = named.clone();
        named.extend(intents.policies(&scope).cloned());
        for policy in named {
            let observed = seen.contains(&policy);
            let series = SeriesKey {
                scope: scope.clone(),
                policy,
            };
            let desired = intents.desired(&series);
            // Listed: a bundle published, a push, an opening or an observation at or before `at` (E21).
            if observed || desired.has_acted(at) || intents.publications(&series).any(|published| published.f <= at) {
                policies.push(entry(question, evidence, intents, series, &desired)?);
            }
        }
    }
    override_less_specific(&mut policies);
    let set_digest = set_digest(&policies);
    Ok(Effective {
        set_digest,
        policies,
        exceptions: exceptions(question, evidence)?,
    })
}

/// Puts the most specific override on every less specific entry of the same policy name (E22).
fn override_less_specific(policies: &mut [PolicyEntry]) {
    // Entries come from the least to the most specific, so the first met from the end is the most specific.
    let mut overrides: BTreeMap<PolicyName, Scope> = BTreeMap::new();
    for entry in policies.iter_mut().rev() {
        entry.overridden_by = overrides.get(&entry.policy).cloned();
        if entry.combining == Combining::Override {
            overrides
                .entry(entry.policy.clone())
                .or_insert_with(|| entry.scope.clone());
        }
    }
}

/// The complete statement about one series, but for `overridden_by`.
fn entry<E: Evidence>(
    question: &Question,
    evidence: &E,
    intents: IntentCut<'_>,
    series: SeriesKey,
    desired: &Desired<'_>,
) -> Result<PolicyEntry, E::Error> {
    let at = question.at;
    let last = at.max(question.known_at);
    let history = Known::read(evidence, &question.tenant, &series, desired, last)?;
    let timeline = Timeline::new(desired, &history, question.known_at)?;
    let Moment {
        point,
        since,
        state_since,
    } = timeline.at(at)?;
    let version = point.version;
    let members = history.members(at)?;
    let opened = desired.opened(last);
    let counted = counted(&members, opened, at);
    let desired_version = point.top.version();
    let plan = point.top.top.map(|top| top.plan());
    let certainty = match (timeline.observed(at), desired_version) {
        (false, Some(_)) => Certainty::Declared,
        (false, None) => Certainty::None,
        (true, _) => certainty(&counted),
    };
    let publication = version
        .as_ref()
        .and_then(|version| intents.publication(&series, version));
    let last_exercised = match &version {
        Some(version) => history.last_exercised(version, at)?,
        None => None,
    };
    let running = plan.map_or(version.as_ref(), |plan| Some(&plan.to_version));
    let (records, evidence_more) = records(
        question,
        intents,
        &series,
        desired,
        &point.top,
        version.as_ref(),
        &members,
    );
    Ok(PolicyEntry {
        digest: publication.map(|publication| publication.what.digest),
        state: point.state,
        since,
        state_since,
        until: timeline.version_until(at)?,
        certainty,
        last_exercised,
        desired: desired_version.cloned(),
        desired_since: point.top.top.and(point.top.since),
        rollout_id: plan.map(|plan| plan.rollout_id.clone()),
        admissible: desired.admissible(at),
        applied: applied(&counted, running, plan.map(|plan| plan.quorum)),
        distribution: distribution(&members),
        partials: partials(&history, opened, &members, at),
        combining: publication.map_or(Combining::All, |publication| publication.what.combining),
        overridden_by: None,
        evidence: records,
        evidence_more,
        scope: series.scope,
        policy: series.policy,
        version,
    })
}

/// The members that count (E10): those in no open partial, or if all are in one, all.
pub(crate) fn counted<'m>(members: &'m [Member], opened: &[OpenPartial<'_>], at: Timestamp) -> Vec<&'m Member> {
    let within = |member: &Member| {
        opened
            .iter()
            .any(|partial| partial.is_open(at) && is_in(member, partial))
    };
    let outside: Vec<_> = members.iter().filter(|member| !within(member)).collect();
    if outside.is_empty() {
        members.iter().collect()
    } else {
        outside
    }
}

/// Does the latest `agent_seen` of the member have all the labels of the partial (E19)?
pub(crate) fn is_in(member: &Member, partial: &OpenPartial<'_>) -> bool {
    let (Some(labels), Some(target)) = (member.labels.as_deref(), partial.target()) else {
        return false;
    };
    target.iter().all(|(name, value)| labels.get(name) == Some(value))
}

/// Live ones with each version, live ones, silent ones.
fn count<'m>(members: &[&'m Member]) -> (BTreeMap<Option<&'m Version>, u64>, u64, u64) {
    let (mut by_version, mut live, mut silent) = (BTreeMap::new(), 0, 0);
    for member in members {
        if member.live {
            live += 1;
            *by_version.entry(member.version.as_ref()).or_insert(0) += 1;
        } else {
            silent += 1;
        }
    }
    (by_version, live, silent)
}

/// Certainty of a series with observations (E17).
fn certainty(counted: &[&Member]) -> Certainty {
    let (by_version, live, silent) = count(counted);
    if by_version.values().any(|running| 2 * running > live + silent) {
        Certainty::Observed
    } else if 2 * live > live + silent {
        Certainty::Split
    } else {
        Certainty::Lapsed
    }
}

/// Progress of `running` (E18).
pub(crate) fn applied(
    counted: &[&Member],
    running: Option<&Version>,
    quorum: Option<verdict_schemas::Quorum>,
) -> Applied {
    let (by_version, live, silent) = count(counted);
    let have = by_version.get(&running).copied().unwrap_or(0);
    Applied {
        have,
        need: need(quorum, live, silent),
        live,
        silent,
    }
}

/// Who runs what: most live first, then most silent, then by version, null last (E18).
fn distribution(members: &[Member]) -> Vec<Share> {
    let mut shares: BTreeMap<Option<&Version>, (u64, u64)> = BTreeMap::new();
    for member in members {
        let (live, silent) = shares.entry(member.version.as_ref()).or_default();
        *(if member.live { live } else { silent }) += 1;
    }
    let mut shares: Vec<_> = shares.into_iter().collect();
    shares.sort_by_key(|(version, (live, silent))| (Reverse(*live), Reverse(*silent), version.is_none(), *version));
    let share = |(version, (live, silent)): (Option<&Version>, _)| Share {
        version: version.cloned(),
        live,
        silent,
    };
    shares.into_iter().map(share).collect()
}

/// The partials open at `at` (E19).
fn partials<K: SeriesHistory>(
    history: &Known<K>,
    opened: &[OpenPartial<'_>],
    members: &[Member],
    at: Timestamp,
) -> Vec<PartialEntry> {
    let mut open = Vec::new();
    for (place, partial) in opened.iter().enumerate().filter(|(_, partial)| partial.is_open(at)) {
        let (rollout, plan) = (&partial.rollout, partial.rollout.plan());
        let within: Vec<_> = members.iter().filter(|member| is_in(member, partial)).collect();
        let Applied {
            have,
            need,
            live,
            silent,
        } = applied(&within, Some(&plan.to_version), Some(plan.quorum));
        let reached = history.partial_quorum_since(place, &plan.to_version, plan.quorum, rollout.a, at);
        let state = match (reached, rollout.overdue_from(rollout.a)) {
            (Some(_), _) => PartialState::Reached,
            (None, Some(overdue)) if overdue <= at => PartialState::Overdue,
            _ => PartialState::Converging,
        };
        open.push(PartialEntry {
            rollout_id: plan.rollout_id.clone(),
            to_version: plan.to_version.clone(),
            target: Target {
                labels: plan.target.clone().unwrap_or_default(),
            },
            state,
            since: rollout.a,
            have,
            need,
            live,
            silent,
        });
    }
    open
}
