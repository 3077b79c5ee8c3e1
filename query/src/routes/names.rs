//! `names`: the environments and policies that anything in the cut names. Whoever asks about a name that is none of them is
//! answered about nothing, or about what the platform intends for every name.

use std::collections::BTreeSet;

use axum::response::Response;
use serde::Serialize;
use verdict_edge::{CUT, Tenant};
use verdict_fold::Evidence as _;
use verdict_schemas::{Environment, EnvironmentPattern, PolicyName, Scope, TenantId, Timestamp};

use crate::ask::Asking;
use crate::cut::LogAt;
use crate::evidence::{Intents, with_evidence};
use crate::reply::Reply;
use crate::routes::agents::environments;

#[derive(Serialize)]
struct Document<'a> {
    tenant: &'a TenantId,
    /// By name.
    environments: BTreeSet<Environment>,
    /// By name, whatever their scope.
    policies: BTreeSet<PolicyName>,
    known_at: Timestamp,
    as_of: String,
    logs: Vec<LogAt>,
}

/// `GET /v1/tenants/{tenant}/names`
pub(crate) async fn names(asking: Asking<Tenant>) -> Response {
    asking
        .about(&[CUT], |question| {
            let observed = environments(question)?;
            let mut policies = BTreeSet::new();
            for environment in &observed {
                with_evidence(question, environment, &[], |evidence| {
                    let series = evidence.observed(question.cut.known_at)?;
                    policies.extend(series.into_iter().map(|series| series.policy));
                    Ok(())
                })?;
            }
            let mut named: BTreeSet<Environment> = observed.into_iter().collect();
            let intents = Intents::of(question)?;
            for series in intents.logs().into_iter().flat_map(|intents| intents.series()) {
                named.extend(environment(&series.scope).cloned());
                policies.insert(series.policy.clone());
            }
            Reply::json(&Document {
                tenant: &question.tenant,
                environments: named,
                policies,
                known_at: question.cut.known_at,
                as_of: question.cut.token(),
                logs: question.cut.logs(),
            })
        })
        .await
}

/// The one environment that a scope names.
fn environment(scope: &Scope) -> Option<&Environment> {
    match scope {
        Scope::Environment(one) | Scope::Workload(_, one, _) | Scope::Tenant(_, EnvironmentPattern::One(one)) => {
            Some(one)
        }
        Scope::Global | Scope::Tenant(_, EnvironmentPattern::Every) => None,
    }
}
