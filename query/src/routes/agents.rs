//! `agents`: who runs what at a moment, since when, and how stale that is (E7 to E9).

use std::collections::BTreeMap;

use axum::response::Response;
use serde::Serialize;
use verdict_edge::{Answer, CUT, Tenant};
use verdict_fold::{Evidence as _, Instance, RecordRef, SeriesHistory as _, SeriesKey, citing_instance, observed_at};
use verdict_schemas::{Body, Environment, Event, EventId, Incarnation, PolicyName, Scope, Timestamp, Version};
use verdict_store::{Index, LeafIndex, Order, TimeRange};

use crate::ask::Asking;
use crate::evidence::with_evidence;
use crate::item::event_at;
use crate::question::Question;
use crate::routes::effective::environment;
use crate::warnings::unversioned;

/// So many of an agent's latest events are looked at for one of the incarnation meant, before what the fold says of it is
/// enough.
const LOOKED_AT: usize = 32;

#[derive(Serialize)]
struct Item {
    environment: Environment,
    agent: String,
    incarnation: String,
    /// `live` if it is so in any series, else `silent` (E8).
    state: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    last_seen: Option<Timestamp>,
    /// It may have been seen later, too: other incarnations of the agent are heard of too often to look at all they sent.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    last_seen_or_later: bool,
    /// From `last_seen` to the moment asked about.
    #[serde(skip_serializing_if = "Option::is_none")]
    stale_ms: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    labels: Option<verdict_schemas::Labels>,
    running: Vec<Running>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    warnings: Vec<String>,
}

/// What an agent runs in one series.
#[derive(Serialize)]
struct Running {
    #[serde(with = "verdict_fold::scope_json")]
    scope: Scope,
    policy: PolicyName,
    /// Null: nothing.
    version: Option<Version>,
    live: bool,
    /// When the observation that last gave it this version acts.
    #[serde(skip_serializing_if = "Option::is_none")]
    observed_at: Option<Timestamp>,
    #[serde(skip_serializing_if = "Option::is_none")]
    evidence: Option<EvidenceItem>,
}

#[derive(Serialize)]
struct EvidenceItem {
    tenant: String,
    index: u64,
    event_id: EventId,
    kind: &'static str,
}

/// A member of some series, before its records are read.
struct Member {
    environment: Environment,
    instance: Instance,
    labels: Option<verdict_schemas::Labels>,
    series: Vec<(SeriesKey, verdict_fold::Member)>,
}

/// `GET /v1/tenants/{tenant}/agents`
pub(crate) async fn list(asking: Asking<Tenant>) -> Response {
    asking
        .about(
            &[CUT, &["environment", "policy", "version", "at", "limit", "cursor"]],
            |question| {
                let limit = question.limit()?;
                let environments = match question.params.text("environment") {
                    Some(_) => vec![environment(question)?],
                    None => environments(question)?,
                };
                let mut members = Vec::new();
                for environment in environments {
                    members.extend(members_of(question, &environment)?);
                }
                question.page(members, limit, |member| item(question, member))
            },
        )
        .await
}

/// The environments of the tenant with anything observed in the cut, by name.
pub(crate) fn environments(question: &Question<'_>) -> Answer<Vec<Environment>> {
    let Some(log) = question.cut.own.id else {
        return Ok(Vec::new());
    };
    let mut environments = question.snapshot.environments(log, question.cut.own.cut)?;
    environments.sort_unstable();
    Ok(environments)
}

/// The members of every series asked about, sorted by agent and incarnation.
fn members_of(question: &Question<'_>, environment: &Environment) -> Answer<Vec<Member>> {
    let at = question.cut.at;
    let (policy, version) = (question.params.text("policy"), question.params.text("version"));
    let mut members: BTreeMap<Instance, Member> = BTreeMap::new();
    with_evidence(question, environment, &[], |evidence| {
        for series in evidence.observed(at)? {
            if policy.is_some_and(|policy| policy != series.policy.as_str()) {
                continue;
            }
            for member in evidence.kept(&series)?.members(at)? {
                if version.is_some_and(|version| member.version.as_ref().is_none_or(|runs| runs.as_str() != version)) {
                    continue;
                }
                let entry = members.entry(member.instance.clone()).or_insert_with(|| Member {
                    environment: environment.clone(),
                    instance: member.instance.clone(),
                    labels: None,
                    series: Vec::new(),
                });
                if let Some(labels) = &member.labels {
                    entry.labels.get_or_insert_with(|| labels.as_ref().clone());
                }
                entry.series.push((series.clone(), member));
            }
        }
        Ok(())
    })?;
    Ok(members.into_values().collect())
}

fn item(question: &Question<'_>, member: Member) -> Answer<Item> {
    let at = question.cut.at;
    let live = member.series.iter().any(|(_, member)| member.live);
    let mut running = Vec::with_capacity(member.series.len());
    for (series, member) in &member.series {
        let observed_at = member.gave.map(|gave| acts_at(question, gave)).transpose()?.flatten();
        running.push(Running {
            scope: series.scope.clone(),
            policy: series.policy.clone(),
            version: member.version.clone(),
            live: member.live,
            observed_at,
            evidence: member.gave.map(|gave| EvidenceItem {
                tenant: question.tenant.to_string(),
                index: gave.index,
                event_id: gave.event_id,
                kind: gave.kind.as_str(),
            }),
        });
    }
    let at_least = running.iter().filter_map(|running| running.observed_at).max();
    let (last_seen, last_seen_or_later) = last_seen(question, &member, at_least)?;
    let micros = |time: Timestamp| time.as_micros().cast_unsigned();
    Ok(Item {
        environment: member.environment,
        agent: member.instance.agent.to_string(),
        incarnation: member.instance.incarnation.to_string(),
        state: if live { "live" } else { "silent" },
        last_seen,
        last_seen_or_later,
        stale_ms: last_seen.map(|seen| micros(at).saturating_sub(micros(seen)) / 1000),
        labels: member.labels,
        warnings: unversioned(
            running
                .iter()
                .map(|running| (&running.policy, running.version.as_ref())),
        ),
        running,
    })
}

/// When the observation in a record acts: f (E5).
pub(crate) fn acts_at(question: &Question<'_>, record: RecordRef) -> Answer<Option<Timestamp>> {
    let found = event_at(question, LeafIndex(record.index))?;
    Ok(found.map(|(record, event)| observed_at(event.meta.event_time, record.recorded_time)))
}

/// When the latest event of an instance acts, at or before the moment asked about; and whether there may be a later one.
/// `at_least` is when it gave something of what it runs: the fold knows that however many others bear the agent's name.
fn last_seen(
    question: &Question<'_>,
    member: &Member,
    at_least: Option<Timestamp>,
) -> Answer<(Option<Timestamp>, bool)> {
    let Some(log) = question.cut.own.id else {
        return Ok((at_least, false));
    };
    let index = Index::Agent(member.instance.agent.to_string());
    let range = TimeRange {
        from: at_least,
        until: question.cut.at.plus_micros(1),
    };
    let entries = question
        .snapshot
        .scan(log, &index, range, Order::NewestFirst, None, question.cut.own.cut)?;
    for (looked_at, entry) in entries.enumerate() {
        let entry = entry?;
        // What acts then is that: nothing of it is missed.
        if at_least == Some(entry.f) {
            break;
        }
        if looked_at >= LOOKED_AT {
            return Ok((at_least, true));
        }
        if let Some((_, event)) = event_at(question, entry.index)?
            && is_of(&event, member)
        {
            return Ok((Some(entry.f), false));
        }
    }
    Ok((at_least, false))
}

/// Was this event sent by the instance (E7)?
fn is_of(event: &Event, member: &Member) -> bool {
    let (environment, instance) = (&member.environment, &member.instance);
    let incarnation = |given: &Option<Incarnation>| match given {
        Some(given) => *given == instance.incarnation,
        None => instance.incarnation.as_str().is_empty(),
    };
    event.meta.environment.as_ref() == Some(environment)
        && match &event.body {
            Body::AgentSeen(seen) => incarnation(&seen.incarnation),
            Body::Decision(decision) => decision.policies.iter().any(|cited| {
                let (agent, incarnation) = (decision.agent.as_ref(), decision.incarnation.as_ref());
                citing_instance(agent, incarnation, event.meta.source.as_str(), &cited.version) == *instance
            }),
            _ => false,
        }
}
