//! `object_changed`, and the one document that is understood here: that of an `exception`.

use super::scope::scope;
use super::{json, need_json, typed_id};
use crate::tree::{Fields, Node, Read, choice, name, object as open, string, time};
use crate::{ExceptionDocument, ExceptionEffect, ObjectChanged, ObjectName, Rejection, Scope, rule};

/// The words of `effect`.
pub(crate) const EFFECTS: &[(&str, ExceptionEffect)] = &[
    ("suspend", ExceptionEffect::Suspend),
    ("replace", ExceptionEffect::Replace),
];

/// `{kind, id}`.
pub(super) fn object_name(node: Node<'_>) -> Read<ObjectName> {
    let mut fields = open(node)?;
    Ok(ObjectName {
        kind: fields.need("kind", string)?,
        id: fields.need("id", string)?,
    })
}

pub(super) fn object_changed(body: &mut Fields<'_>) -> Read<ObjectChanged> {
    let object = body.need("object", object_name)?;
    let after = body.get("after", string)?;
    let document = match after {
        Some(_) => Some(need_json(body, "document")?),
        None => json(body, "document")?,
    };
    let mut changed = ObjectChanged {
        object,
        version: body.need("version", string)?,
        before: body.get("before", string)?,
        after,
        valid_from: body.get("valid_from", time)?,
        valid_until: body.get("valid_until", time)?,
        by: body.need("by", typed_id)?,
        reason: body.get("reason", string)?,
        document,
        exception: None,
    };
    if changed.object.kind == "exception" && changed.after.is_some() {
        bounded(&changed)?;
        let document = changed
            .document
            .as_deref()
            .map(|raw| exception(Node::Json(raw)).map_err(|r| r.under("document")));
        changed.exception = document.transpose()?;
    }
    Ok(changed)
}

/// An exception that is not ended is bounded in time, on both sides.
fn bounded(changed: &ObjectChanged) -> Read<()> {
    let missing = |field| Rejection::new(rule::MISSING_FIELD, format!("an exception requires `{field}`")).under(field);
    let from = changed.valid_from.ok_or_else(|| missing("valid_from"))?;
    let until = changed.valid_until.ok_or_else(|| missing("valid_until"))?;
    if until <= from {
        return Err(Rejection::new(
            rule::OUT_OF_RANGE,
            format!("`{until}` is not after `valid_from`, `{from}`"),
        )
        .under("valid_until"));
    }
    Ok(())
}

fn exception(node: Node<'_>) -> Read<ExceptionDocument> {
    let mut fields: Fields<'_> = open(node)?;
    let scope = fields.need("scope", |node| {
        let scope = scope(node)?;
        if !matches!(scope, Scope::Workload(..)) {
            return Err(
                Rejection::new(rule::WRONG_LAYER, "an exception has a scope of the workload layer").under("layer"),
            );
        }
        Ok(scope)
    })?;
    Ok(ExceptionDocument {
        scope,
        policy: fields.need("policy", name)?,
        effect: fields.need("effect", choice(EFFECTS))?,
        version: fields.get("version", name)?,
        approver: need_json(&mut fields, "approver")?,
        reason: fields.need("reason", string)?,
    })
}
