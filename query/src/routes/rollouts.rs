//! `rollouts` and `rollouts/{id}`: what was asked for, and how it came about (E11, E12, E19).
//!
//! Rollouts are intent: their list follows from the intent of two logs. How one came about is observation, so it is told
//! per environment in which its series was observed.

use axum::response::Response;
use serde::Serialize;
use verdict_edge::{Answer, CUT, Code, ID, LIST, Problem, Tenant};
use verdict_fold::{IntentCut, RolloutStatus, StandingRollout, rollout_status};
use verdict_schemas::{
    Environment, EnvironmentPattern, EventId, Labels, PolicyName, RolloutId, Scope, TenantId, Timestamp, Version,
};

use crate::ask::Asking;
use crate::cut::LogAt;
use crate::evidence::{Intents, with_evidence};
use crate::late::recorded_late_by_ms;
use crate::question::Question;
use crate::reply::Reply;
use crate::routes::agents::environments;
use crate::routes::decisions::order;
use crate::routes::effective::environment;

#[derive(Serialize)]
struct Item {
    rollout_id: RolloutId,
    /// Whose log it is in.
    tenant: TenantId,
    #[serde(with = "verdict_fold::scope_json")]
    scope: Scope,
    policy: PolicyName,
    to_version: Version,
    /// The labels that make it partial.
    #[serde(skip_serializing_if = "Option::is_none")]
    target: Option<Labels>,
    quorum: QuorumItem,
    max_inconsistency_ms: u64,
    state: &'static str,
    started: Timestamp,
    /// If it was recorded too late to act from its event time on (E5).
    #[serde(skip_serializing_if = "Option::is_none")]
    recorded_late_by_ms: Option<u64>,
    /// max(`activate_at`, `started`): when it acts.
    acts_at: Timestamp,
    /// While it was the top, or open, last: `[since, until)`.
    #[serde(skip_serializing_if = "Option::is_none")]
    since: Option<Timestamp>,
    #[serde(skip_serializing_if = "Option::is_none")]
    until: Option<Timestamp>,
    #[serde(skip_serializing_if = "Option::is_none")]
    rolled_back: Option<Timestamp>,
    /// A claim; it changes nothing (E11).
    #[serde(skip_serializing_if = "Option::is_none")]
    completed: Option<Timestamp>,
    evidence: Vec<EvidenceItem>,
}

#[derive(Serialize)]
struct QuorumItem {
    #[serde(skip_serializing_if = "Option::is_none")]
    percent: Option<u8>,
    #[serde(skip_serializing_if = "Option::is_none")]
    min_agents: Option<u64>,
}

#[derive(Serialize)]
struct EvidenceItem {
    tenant: TenantId,
    index: u64,
    event_id: EventId,
    kind: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    recorded_late_by_ms: Option<u64>,
}

/// What a rollout is at a moment, by intent alone.
struct Standing {
    state: &'static str,
    since: Option<Timestamp>,
    until: Option<Timestamp>,
}

/// `GET /v1/tenants/{tenant}/rollouts`
pub(crate) async fn list(asking: Asking<Tenant>) -> Response {
    asking
        .about(&[CUT, LIST, &["policy", "environment", "at"]], |question| {
            let (limit, order) = (question.limit()?, order(question)?);
            let policy = question.params.text("policy");
            let environment = question
                .params
                .text("environment")
                .map(|_| environment(question))
                .transpose()?;
            let intents = Intents::of(question)?;
            let mut rollouts = Vec::new();
            for intents in intents.logs() {
                rollouts.extend(intents.rollouts().map(|rollout| (intents, rollout)));
            }
            rollouts.retain(|(_, rollout)| {
                let plan = rollout.plan();
                rollout.started.f <= question.cut.at
                    && policy.is_none_or(|policy| policy == plan.policy.as_str())
                    && environment
                        .as_ref()
                        .is_none_or(|environment| covers(&plan.scope, question, environment))
            });
            // By when they started; of one instant the tenant's own first, then by index.
            rollouts.sort_by_key(|(intents, rollout)| {
                (
                    rollout.started.f,
                    intents.tenant().is_platform(),
                    rollout.started.record.index,
                )
            });
            if order == verdict_store::Order::NewestFirst {
                rollouts.reverse();
            }
            question.page(rollouts, limit, |(intents, rollout)| item(question, intents, rollout))
        })
        .await
}

/// `GET /v1/tenants/{tenant}/rollouts/{id}`
pub(crate) async fn one(asking: Asking<Tenant>) -> Response {
    asking
        .about(&[CUT, &["environment", "at"]], |question| {
            document(question, question.segment("id"))
        })
        .await
}

/// `GET /v1/tenants/{tenant}/rollout?id=`: the same, of whatever id.
pub(crate) async fn named(asking: Asking<Tenant>) -> Response {
    asking
        .about(&[CUT, &["environment", "at"], ID], |question| {
            document(question, question.params.required("id")?)
        })
        .await
}

fn document(question: &Question<'_>, id: &str) -> Answer<Reply> {
    #[derive(Serialize)]
    struct Document {
        #[serde(flatten)]
        item: Item,
        /// How it goes, per environment: those of its scope that were observed.
        environments: Vec<InEnvironment>,
        at: Timestamp,
        known_at: Timestamp,
        as_of: String,
        settled: bool,
        logs: Vec<LogAt>,
    }
    #[derive(Serialize)]
    struct InEnvironment {
        environment: Environment,
        #[serde(flatten)]
        status: RolloutStatus,
    }
    let id = RolloutId::from(id);
    let intents = Intents::of(question)?;
    let found = intents
        .logs()
        .into_iter()
        .find_map(|intents| Some((intents, intents.rollout(&id)?)));
    let (intents, rollout) = found.ok_or_else(|| {
        Problem::new(
            Code::NotFound,
            format!("no rollout `{id}` has started in the log as of this cut"),
        )
    })?;
    let mut told = Vec::new();
    for environment in concerned(question, &rollout.plan().scope)? {
        let asked = verdict_fold::Question {
            tenant: question.tenant.clone(),
            environment: environment.clone(),
            workload: None,
            at: question.cut.at,
            known_at: question.cut.known_at,
        };
        let status = with_evidence(question, &environment, &[], |evidence| {
            Ok(rollout_status(&asked, evidence, intents, &id)?)
        })?;
        told.extend(status.map(|status| InEnvironment { environment, status }));
    }
    let cut = &question.cut;
    Reply::json(&Document {
        item: item(question, intents, rollout)?,
        environments: told,
        at: cut.at,
        known_at: cut.known_at,
        as_of: cut.token(),
        settled: cut.settled(),
        logs: cut.logs(),
    })
}

/// The environments in which a rollout is to be told of: the one of its scope, else those observed, or the one asked.
fn concerned(question: &Question<'_>, scope: &Scope) -> Answer<Vec<Environment>> {
    let mut concerned = match scope {
        Scope::Environment(one) | Scope::Workload(_, one, _) | Scope::Tenant(_, EnvironmentPattern::One(one)) => {
            vec![one.clone()]
        }
        Scope::Global | Scope::Tenant(_, EnvironmentPattern::Every) => environments(question)?,
    };
    if question.params.text("environment").is_some() {
        let asked = environment(question)?;
        concerned.retain(|one| *one == asked);
    }
    Ok(concerned)
}

fn covers(scope: &Scope, question: &Question<'_>, environment: &Environment) -> bool {
    // Asked of `_platform`, an environment is covered by its own layer and the global one.
    scope.covers(&question.tenant, environment)
}

fn item(question: &Question<'_>, intents: IntentCut<'_>, rollout: StandingRollout<'_>) -> Answer<Item> {
    let (plan, at) = (rollout.plan(), question.cut.at);
    let standing = standing(intents, &rollout, at);
    let taken = rollout.taken.filter(|taken| taken.f <= at);
    let completed = intents.completed(&plan.rollout_id).filter(|claim| claim.f <= at);
    let records = [
        Some(rollout.started.record),
        taken.map(|taken| taken.record),
        completed.map(|claim| claim.record),
    ];
    let mut evidence = Vec::new();
    for record in records.into_iter().flatten() {
        evidence.push(EvidenceItem {
            tenant: intents.tenant().clone(),
            index: record.index,
            event_id: record.event_id,
            kind: record.kind.as_str(),
            recorded_late_by_ms: recorded_late_by_ms(question, intents.tenant(), record.index)?,
        });
    }
    Ok(Item {
        rollout_id: plan.rollout_id.clone(),
        tenant: intents.tenant().clone(),
        scope: plan.scope.clone(),
        policy: plan.policy.clone(),
        to_version: plan.to_version.clone(),
        target: plan.target.clone(),
        quorum: QuorumItem {
            percent: plan.quorum.percent,
            min_agents: plan.quorum.min_agents,
        },
        max_inconsistency_ms: plan.max_inconsistency_ms,
        state: standing.state,
        started: rollout.started.f,
        acts_at: rollout.a,
        since: standing.since,
        until: standing.until,
        rolled_back: taken.map(|taken| taken.f),
        completed: completed.map(|claim| claim.f),
        recorded_late_by_ms: evidence.first().and_then(|started| started.recorded_late_by_ms),
        evidence,
    })
}

/// What a rollout is at `at`: `planned` before it acts, `active` while it is the top, or open, `superseded` once another
/// was pushed past it, `rolled_back` once taken away. How far it came is observation, and told per environment.
fn standing(intents: IntentCut<'_>, rollout: &StandingRollout<'_>, at: Timestamp) -> Standing {
    let desired = intents.desired(&rollout.plan().series());
    let it = rollout.started.record.index;
    // The last span up to `at` in which it was asked for.
    let span = if rollout.plan().target.is_some() {
        let open = desired
            .opened(at)
            .iter()
            .find(|open| open.rollout.started.record.index == it);
        open.map(|open| (open.rollout.a, open.until))
    } else {
        let is_it = |top: &StandingRollout<'_>| top.started.record.index == it;
        let runs = desired
            .top_runs()
            .iter()
            .filter(|run| run.top.as_ref().is_some_and(is_it));
        runs.filter_map(|run| Some((run.since?, run.until)))
            .rfind(|(since, _)| *since <= at)
    };
    let since = span.map(|(since, _)| since);
    let until = span.and_then(|(_, until)| until).filter(|until| *until <= at);
    let state = if rollout.taken.is_some_and(|taken| taken.f <= at) {
        "rolled_back"
    } else if at < rollout.a {
        "planned"
    } else if since.is_some() && until.is_none() {
        "active"
    } else {
        "superseded"
    };
    Standing { state, since, until }
}
