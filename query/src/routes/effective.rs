//! `effective`, `compare` and `history`: what was in effect, at a point, at two, over a range (E11 to E26).

use axum::response::Response;
use serde::Serialize;
use verdict_edge::{Answer, CUT, Policies, Problem};
use verdict_fold::{self as fold, Comparison, Effective, Evidence as _, Run, SeriesKey};
use verdict_schemas::{Environment, EnvironmentPattern, Layer, PolicyName, Scope, TenantId, Timestamp, WorkloadId};

use crate::ask::Asking;
use crate::cut::LogAt;
use crate::evidence::with_evidence;
use crate::late;
use crate::question::Question;
use crate::reply::Reply;
use crate::warnings::{since_1970, unversioned};

/// What stands around every answer about a moment.
#[derive(Serialize)]
struct Envelope {
    known_at: Timestamp,
    as_of: String,
    settled: bool,
    logs: Vec<LogAt>,
}

impl Envelope {
    fn of(question: &Question<'_>) -> Self {
        let cut = &question.cut;
        Self {
            known_at: cut.known_at,
            as_of: cut.token(),
            settled: cut.settled(),
            logs: cut.logs(),
        }
    }
}

/// `GET /v1/tenants/{tenant}/effective`
pub(crate) async fn effective(asking: Asking<Policies>) -> Response {
    #[derive(Serialize)]
    struct Document<'a> {
        tenant: &'a TenantId,
        environment: &'a Environment,
        #[serde(skip_serializing_if = "Option::is_none")]
        workload: Option<&'a WorkloadId>,
        at: Timestamp,
        #[serde(flatten)]
        envelope: Envelope,
        #[serde(flatten)]
        effective: Effective,
        #[serde(skip_serializing_if = "Vec::is_empty")]
        warnings: Vec<String>,
    }
    asking
        .about(&[CUT, &["environment", "workload", "at"]], |question| {
            let asked = moment(question)?;
            let effective = with_evidence(question, &asked.environment, &[asked.at], |evidence| {
                Ok(fold::effective(&asked, evidence)?)
            })?;
            let mut warnings = unversioned(effective.policies.iter().flat_map(|entry| {
                let running = entry.distribution.iter().map(|share| share.version.as_ref());
                running
                    .chain([entry.version.as_ref()])
                    .map(|version| (&entry.policy, version))
            }));
            warnings.extend(since_1970(
                effective.policies.iter().map(|entry| (&entry.policy, entry.since)),
            ));
            Reply::json(&Document {
                tenant: &asked.tenant,
                environment: &asked.environment,
                workload: asked.workload.as_ref(),
                at: asked.at,
                envelope: Envelope::of(question),
                warnings,
                effective,
            })
        })
        .await
}

/// `GET /v1/tenants/{tenant}/compare`
pub(crate) async fn compare(asking: Asking<Policies>) -> Response {
    #[derive(Serialize)]
    struct Document<'a> {
        tenant: &'a TenantId,
        environment: &'a Environment,
        #[serde(skip_serializing_if = "Option::is_none")]
        workload: Option<&'a WorkloadId>,
        at: Timestamp,
        with: Timestamp,
        #[serde(flatten)]
        envelope: Envelope,
        #[serde(flatten)]
        comparison: Comparison,
    }
    asking
        .about(&[CUT, &["environment", "workload", "at", "with"]], |question| {
            question.params.required("with")?;
            let asked = moment(question)?;
            let with = question.params.time("with")?.unwrap_or(asked.at);
            let comparison = with_evidence(question, &asked.environment, &[asked.at, with], |evidence| {
                Ok(fold::compare(&asked, evidence, with)?)
            })?;
            let mut envelope = Envelope::of(question);
            // The answer is settled once both of its moments are.
            envelope.settled &= question.cut.settled_at(with);
            Reply::json(&Document {
                tenant: &asked.tenant,
                environment: &asked.environment,
                workload: asked.workload.as_ref(),
                at: asked.at,
                with,
                envelope,
                comparison,
            })
        })
        .await
}

/// `GET /v1/tenants/{tenant}/history`
pub(crate) async fn history(asking: Asking<Policies>) -> Response {
    #[derive(Serialize)]
    struct Document<'a> {
        tenant: &'a TenantId,
        layer: &'static str,
        environment: &'a Environment,
        #[serde(skip_serializing_if = "Option::is_none")]
        workload: Option<&'a WorkloadId>,
        policy: &'a PolicyName,
        #[serde(skip_serializing_if = "Option::is_none")]
        from: Option<Timestamp>,
        #[serde(skip_serializing_if = "Option::is_none")]
        to: Option<Timestamp>,
        at: Timestamp,
        #[serde(flatten)]
        envelope: Envelope,
        /// Does anything in the cut name the policy in this scope? Where nothing does, its one run says as little as it is.
        named: bool,
        runs: Vec<RunItem>,
    }
    #[derive(Serialize)]
    struct RunItem {
        #[serde(flatten)]
        run: Run,
        /// Of its rollout, if it was recorded too late to act from its event time on.
        #[serde(skip_serializing_if = "Option::is_none")]
        recorded_late_by_ms: Option<u64>,
    }
    asking
        .about(
            &[CUT, &["layer", "environment", "workload", "policy", "from", "to"]],
            |question| {
                let series = series(question)?;
                let asked = moment(question)?;
                let (from, to) = range(question)?;
                // Runs do not say when a version was last used.
                let (named, runs) = with_evidence(question, &asked.environment, &[], |evidence| {
                    let named = evidence.intents(&series.scope.log())?.names(&series)
                        || evidence.observed(asked.known_at)?.contains(&series);
                    Ok((named, fold::history(&asked, evidence, &series, from, to)?))
                })?;
                let late = late::of_runs(question, &runs)?;
                let runs = runs.into_iter().zip(late).map(|(run, recorded_late_by_ms)| RunItem {
                    run,
                    recorded_late_by_ms,
                });
                Reply::json(&Document {
                    tenant: &asked.tenant,
                    layer: series.scope.layer().as_str(),
                    environment: &asked.environment,
                    workload: asked.workload.as_ref(),
                    policy: &series.policy,
                    from,
                    to,
                    at: asked.at,
                    envelope: Envelope::of(question),
                    named,
                    runs: runs.collect(),
                })
            },
        )
        .await
}

/// The moment asked about, as the fold takes it.
fn moment(question: &Question<'_>) -> Answer<fold::Question> {
    Ok(fold::Question {
        tenant: question.tenant.clone(),
        environment: environment(question)?,
        workload: question.params.text("workload").map(WorkloadId::from),
        at: question.cut.at,
        known_at: question.cut.known_at,
    })
}

/// `environment`: required, and not `*` (E21).
pub(crate) fn environment(question: &Question<'_>) -> Answer<Environment> {
    match question.params.required("environment")? {
        "*" => Err(Problem::invalid("environment", "*", "it must name one environment")),
        name => Ok(Environment::from(name)),
    }
}

/// `from` and `to`: `[from, to)`.
pub(crate) fn range(question: &Question<'_>) -> Answer<(Option<Timestamp>, Option<Timestamp>)> {
    let (from, to) = (question.params.time("from")?, question.params.time("to")?);
    match (from, to) {
        (Some(from), Some(to)) if to < from => Err(Problem::invalid(
            "to",
            &to.to_string(),
            &format!("it must not be before `from`, `{from}`"),
        )),
        both => Ok(both),
    }
}

/// The series that `history` is of.
fn series(question: &Question<'_>) -> Answer<SeriesKey> {
    let layers = [
        Layer::Global,
        Layer::Environment,
        Layer::TenantWide,
        Layer::Tenant,
        Layer::Workload,
    ];
    question.params.required("layer")?;
    let layer = question
        .params
        .one_of("layer", &layers.map(|layer| (layer.as_str(), layer)))?;
    let (tenant, environment) = (question.tenant.clone(), environment(question)?);
    let scope = match layer.unwrap_or(Layer::Global) {
        Layer::Global => Scope::Global,
        Layer::Environment => Scope::Environment(environment),
        own if tenant.is_platform() => {
            let rule = "the log of `_platform` holds the layers `global` and `environment` only";
            return Err(Problem::invalid("layer", own.as_str(), rule));
        }
        Layer::TenantWide => Scope::Tenant(tenant, EnvironmentPattern::Every),
        Layer::Tenant => Scope::Tenant(tenant, EnvironmentPattern::One(environment)),
        Layer::Workload => Scope::Workload(
            tenant,
            environment,
            WorkloadId::from(question.params.required("workload")?),
        ),
    };
    Ok(SeriesKey {
        scope,
        policy: PolicyName::from(question.params.required("policy")?),
    })
}
