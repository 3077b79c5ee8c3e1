//! Which events belong into which log (E2).

use crate::{Body, Event, Kind, Phase, Rejection, Scope, TenantId, rule};

/// Does this well-formed event belong into this log? The other half of "malformed", for a log is not known from the
/// bytes: the path names it over HTTP, the key on Kafka.
///
/// # Errors
/// `tenant_mismatch`, `observation_in_platform`, `scope_not_in_log` or `foreign_scope`.
pub fn check_log(event: &Event, log: &TenantId) -> Result<(), Rejection> {
    belongs(
        (event.body.kind(), event.body.is_intent()),
        event.meta.tenant.as_str(),
        log,
    )?;
    match &event.body {
        Body::Rollout(rollout) => match &rollout.phase {
            Phase::Started(plan) => acts_in(&plan.scope, log, "/body/scope"),
            Phase::RolledBack { .. } | Phase::Completed { .. } => Ok(()),
        },
        Body::ArtifactPublished(artifact) => acts_in(&artifact.scope, log, "/body/scope"),
        Body::ObjectChanged(object) => match &object.exception {
            Some(exception) => acts_in(&exception.scope, log, "/body/document/scope"),
            None => Ok(()),
        },
        Body::Decision(decision) => {
            let mut scopes = decision.policies.iter().enumerate();
            scopes.try_for_each(|(i, cited)| covers(&cited.scope, log, || format!("/body/policies/{i}/scope")))
        }
        Body::AgentSeen(seen) => {
            let mut scopes = seen.active.iter().enumerate();
            scopes.try_for_each(|(i, active)| covers(&active.scope, log, || format!("/body/active/{i}/scope")))
        }
        Body::DegradationChanged(changed) => covers(&changed.scope, log, || "/body/scope".to_owned()),
        Body::EffectRecorded(_)
        | Body::AgentRetired(_)
        | Body::ReconciliationReported(_)
        | Body::CheckRecorded(_)
        | Body::SubjectErased(_)
        | Body::Unknown(_) => Ok(()),
    }
}

/// The rules that need no more than the kind, whether it is intent, and the tenant. A kind that is not known is never
/// judged.
pub(crate) fn belongs((kind, intent): (Kind, bool), tenant: &str, log: &TenantId) -> Result<(), Rejection> {
    if tenant != log.as_str() {
        let detail = format!("the event is of tenant `{tenant}`, the log is that of `{log}`");
        return Err(Rejection::at(rule::TENANT_MISMATCH, "/meta/tenant", detail));
    }
    if log.is_platform() && !intent && kind != Kind::Unknown {
        let detail = format!(
            "`_platform` holds intent only, and `{}` is an observation",
            kind.as_str()
        );
        return Err(Rejection::at(rule::OBSERVATION_IN_PLATFORM, "/kind", detail));
    }
    Ok(())
}

/// Intent acts only in the log of its scope.
fn acts_in(scope: &Scope, log: &TenantId, field: &str) -> Result<(), Rejection> {
    let home = scope.log();
    if home == *log {
        return Ok(());
    }
    let detail = format!("the scope is `{scope}`, whose intent acts only in the log of `{home}`");
    Err(Rejection::at(rule::SCOPE_NOT_IN_LOG, field, detail))
}

/// An observation names scopes that cover its tenant.
fn covers(scope: &Scope, log: &TenantId, field: impl FnOnce() -> String) -> Result<(), Rejection> {
    if scope.covers_tenant(log) {
        Ok(())
    } else {
        Err(foreign(scope, field()))
    }
}

/// An observation about a scope of another tenant.
pub(crate) fn foreign(scope: &Scope, field: String) -> Rejection {
    Rejection::at(
        rule::FOREIGN_SCOPE,
        field,
        format!("the scope is `{scope}`, another tenant's"),
    )
}
