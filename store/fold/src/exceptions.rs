//! Exceptions in force (E25): bounded in time, for exactly one workload.

use verdict_schemas::{ObjectName, Scope, Timestamp};

use crate::answer::{EvidenceRef, ExceptionEntry};
use crate::{Evidence, Held, IntentCut, ObjectVersion, Question};

/// The kind of object that an exception is.
const EXCEPTION: &str = "exception";

/// The exceptions in force at `question.at` for the workload asked, by id; none where no workload was.
///
/// # Errors
/// When the cut can not be read.
pub fn exceptions<E: Evidence>(question: &Question, evidence: &E) -> Result<Vec<ExceptionEntry>, E::Error> {
    let Some(workload) = question.workload.clone().filter(|_| !question.tenant.is_platform()) else {
        return Ok(Vec::new());
    };
    let scope = Scope::Workload(question.tenant.clone(), question.environment.clone(), workload);
    let intents = evidence.intents(&question.tenant)?;
    let ids = intents.excepted(&scope);
    Ok(ids
        .filter_map(|id| in_force(intents, id, &scope, question.at))
        .collect())
}

/// The exception `id`, if its version at `t` is in force for `scope`.
fn in_force(intents: IntentCut<'_>, id: &str, scope: &Scope, t: Timestamp) -> Option<ExceptionEntry> {
    let object = ObjectName {
        kind: EXCEPTION.to_owned(),
        id: id.to_owned(),
    };
    let Held { record, what, .. } = intents.object_at(&object, t)?;
    let ObjectVersion {
        version,
        valid_from: Some(valid_from),
        valid_until: Some(valid_until),
        ..
    } = what
    else {
        return None;
    };
    let document = what.exception.as_ref().filter(|document| document.scope == *scope)?;
    if what.is_ended() || t < *valid_from || t >= *valid_until {
        return None;
    }
    Some(ExceptionEntry {
        id: id.to_owned(),
        object_version: version.clone(),
        scope: document.scope.clone(),
        policy: document.policy.clone(),
        effect: document.effect,
        version: document.version.clone(),
        approver: document.approver.clone(),
        reason: document.reason.clone(),
        valid_from: *valid_from,
        valid_until: *valid_until,
        evidence: vec![EvidenceRef::new(intents.tenant(), *record)],
    })
}
