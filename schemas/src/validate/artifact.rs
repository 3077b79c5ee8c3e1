//! `artifact_published`.

use super::scope::scope;
use super::{digest, json, typed_id, typed_id_of};
use crate::tree::{Fields, Node, Read, choice, elements, name, object, string, text, time};
use crate::{Approval, ArtifactKind, ArtifactPublished, Combining};

/// The kinds of artifacts that mean something here; the set is open.
pub(crate) const ARTIFACTS: &[(&str, ArtifactKind)] = &[
    ("policy_bundle", ArtifactKind::PolicyBundle),
    ("template", ArtifactKind::Template),
    ("rollout_plan", ArtifactKind::RolloutPlan),
];

/// The words of `combining`.
pub(crate) const COMBININGS: &[(&str, Combining)] = &[("all", Combining::All), ("override", Combining::Override)];

pub(super) fn artifact_published(body: &mut Fields<'_>) -> Read<ArtifactPublished> {
    Ok(ArtifactPublished {
        artifact: body.need("artifact", artifact)?,
        scope: body.need("scope", scope)?,
        policy: body.need("policy", name)?,
        version: body.need("version", name)?,
        digest: body.need("digest", digest)?,
        parent_version: body.get("parent_version", name)?,
        engine: body.get("engine", string)?,
        combining: body.get("combining", choice(COMBININGS))?.unwrap_or_default(),
        signature: json(body, "signature")?,
        content: json(body, "content")?,
        content_uri: body.get("content_uri", string)?,
        author: body.need("author", typed_id)?,
        approvals: body.get("approvals", elements(approval))?.unwrap_or_default(),
        owner: body.get("owner", string)?,
        risk_tier: body.get("risk_tier", string)?,
    })
}

fn artifact(node: Node<'_>) -> Read<ArtifactKind> {
    let word = text(node)?;
    let known = ARTIFACTS.iter().find(|(known, _)| *known == word);
    Ok(known.map_or_else(|| ArtifactKind::Other(word.into_owned()), |(_, kind)| kind.clone()))
}

fn approval(node: Node<'_>) -> Read<Approval> {
    let mut fields = object(node)?;
    Ok(Approval {
        by: typed_id_of(&mut fields)?,
        at: fields.get("at", time)?,
    })
}
