//! The kinds that only report: reconciliation, degradation, checks, erasure.

use super::object::object_name;
use super::scope::scope;
use super::{LARGEST, MODES, json, need_json, typed_id};
use crate::tree::{Fields, Read, choice, length, name, string, whole};
use crate::{CheckRecorded, DegradationChanged, ReconciliationReported, SubjectErased};

pub(super) fn reconciliation_reported(body: &mut Fields<'_>) -> Read<ReconciliationReported> {
    Ok(ReconciliationReported {
        object: body.need("object", object_name)?,
        generation: body.need("generation", whole(0..=LARGEST))?,
        observed_version: body.get("observed_version", string)?,
        state: body.need("state", string)?,
        converge_within_ms: body.get("converge_within_ms", length(0))?,
        detail: json(body, "detail")?,
    })
}

pub(super) fn degradation_changed(body: &mut Fields<'_>) -> Read<DegradationChanged> {
    Ok(DegradationChanged {
        scope: body.need("scope", scope)?,
        agent: body.get("agent", name)?,
        risk_tier: body.need("risk_tier", string)?,
        before: body.need("before", choice(MODES))?,
        after: body.need("after", choice(MODES))?,
        trigger: body.need("trigger", string)?,
        reason: Some(body.need("reason", string)?),
    })
}

pub(super) fn check_recorded(body: &mut Fields<'_>) -> Read<CheckRecorded> {
    Ok(CheckRecorded {
        check: body.need("check", string)?,
        subject: need_json(body, "subject")?,
        outcome: body.need("outcome", string)?,
        by: body.need("by", typed_id)?,
        measurements: json(body, "measurements")?,
        detail: json(body, "detail")?,
    })
}

pub(super) fn subject_erased(body: &mut Fields<'_>) -> Read<SubjectErased> {
    Ok(SubjectErased {
        subject: need_json(body, "subject")?,
        by: body.need("by", typed_id)?,
        legal_basis: body.need("legal_basis", string)?,
    })
}
