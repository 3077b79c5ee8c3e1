//! `decision` and `effect_recorded`.

use super::scope::scope;
use super::{LARGEST, MODES, digest, json, need_json, typed_id_of};
use crate::tree::{Fields, Node, Read, choice, elements, flag, name, object, string, time, whole};
use crate::{Actor, CacheUse, CitedPolicy, Credential, Decision, EffectRecorded, Outcome, Placement, Resource};

/// The words of `outcome`.
pub(crate) const OUTCOMES: &[(&str, Outcome)] = &[
    ("allow", Outcome::Allow),
    ("deny", Outcome::Deny),
    ("not_applicable", Outcome::NotApplicable),
    ("indeterminate", Outcome::Indeterminate),
];

/// The words of `placement`.
pub(crate) const PLACEMENTS: &[(&str, Placement)] = &[("local", Placement::Local), ("remote", Placement::Remote)];

pub(super) fn decision(body: &mut Fields<'_>) -> Read<Decision> {
    let mut strings = |name: &str| Ok(body.get(name, elements(string))?.unwrap_or_default());
    let (reasons, determining_rules) = (strings("reasons")?, strings("determining_rules")?);
    let (masked, erased) = (strings("masked")?, strings("erased")?);
    let (peer_spiffe_id, peer_cert_digest) = body.get("peer", peer)?.unwrap_or_default();
    Ok(Decision {
        decision_id: body.need("decision_id", name)?,
        actor: body.need("actor", actor)?,
        action: body.need("action", string)?,
        resource: body.need("resource", resource)?,
        outcome: body.need("outcome", choice(OUTCOMES))?,
        reasons,
        obligations: json(body, "obligations")?,
        policies: body.get("policies", elements(cited))?.unwrap_or_default(),
        determining_rules,
        input: json(body, "input")?,
        result: json(body, "result")?,
        nondeterministic_inputs: json(body, "nondeterministic_inputs")?,
        masked,
        erased,
        agent: body.get("agent", name)?,
        incarnation: body.get("incarnation", name)?,
        workload: body.get("workload", name)?,
        peer_spiffe_id,
        peer_cert_digest,
        placement: body.get("placement", choice(PLACEMENTS))?,
        cache: body.get("cache", cache)?,
        mode: body.get("mode", choice(MODES))?.unwrap_or_default(),
        risk_tier: body.get("risk_tier", string)?,
        duration_us: body.get("duration_us", whole(0..=LARGEST))?,
        policy_synced_at: body.get("policy_synced_at", time)?,
        data_synced_at: body.get("data_synced_at", time)?,
    })
}

fn actor(node: Node<'_>) -> Read<Actor> {
    let mut fields = object(node)?;
    Ok(Actor {
        name: typed_id_of(&mut fields)?,
        properties: json(&mut fields, "properties")?,
        credential: fields.get("credential", credential)?,
        on_behalf_of: json(&mut fields, "on_behalf_of")?,
    })
}

fn credential(node: Node<'_>) -> Read<Credential> {
    let mut fields = object(node)?;
    Ok(Credential {
        id: fields.need("id", string)?,
        issuer: fields.get("issuer", string)?,
        issued_at: fields.get("issued_at", time)?,
        expires_at: fields.get("expires_at", time)?,
    })
}

fn resource(node: Node<'_>) -> Read<Resource> {
    let mut fields = object(node)?;
    Ok(Resource {
        name: typed_id_of(&mut fields)?,
        properties: json(&mut fields, "properties")?,
    })
}

fn cited(node: Node<'_>) -> Read<CitedPolicy> {
    let mut fields = object(node)?;
    Ok(CitedPolicy {
        scope: fields.need("scope", scope)?,
        policy: fields.need("policy", name)?,
        version: fields.need("version", name)?,
        digest: fields.get("digest", digest)?,
    })
}

fn peer(node: Node<'_>) -> Read<(Option<String>, Option<String>)> {
    let mut fields = object(node)?;
    Ok((fields.get("spiffe_id", string)?, fields.get("cert_digest", string)?))
}

fn cache(node: Node<'_>) -> Read<CacheUse> {
    let mut fields = object(node)?;
    Ok(CacheUse {
        hit: fields.need("hit", flag)?,
        decided_at: fields.get("decided_at", time)?,
    })
}

pub(super) fn effect_recorded(body: &mut Fields<'_>) -> Read<EffectRecorded> {
    Ok(EffectRecorded {
        decision_id: body.need("decision_id", name)?,
        object: need_json(body, "object")?,
        before: json(body, "before")?,
        after: json(body, "after")?,
    })
}
