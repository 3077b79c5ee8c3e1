//! The quick reader of JSON decisions: one pass, strings borrowed, JSON of any shape skipped.
//!
//! `None` means "ask the slow one", for whatever reason. Fields come in any order, `kind` may come last.

use std::borrow::Cow;

use super::cursor::{Cursor, Once};
use super::scope_ref::{ScopeRef, quick_scope};
use super::{Cited, DecisionProjection};
use crate::tree::json_text;
use crate::validate::{LARGEST, MODES, OUTCOMES, PLACEMENTS, parse_event_id};
use crate::{Digest, EventId, Outcome, TenantId, Timestamp};

type Str<'a> = Cow<'a, str>;

/// A decision in our JSON form, if it is a plain one.
pub(super) fn decision(value: &[u8]) -> Option<DecisionProjection<'_>> {
    let cursor = &mut Cursor::new(json_text(value).ok()?);
    let (mut kind, mut meta, mut body) = (Once::new(), Once::new(), Once::new());
    cursor.object(|cursor, key| match &**key {
        "kind" => kind.put((cursor.text()? == "decision").then_some(Some(()))?),
        "meta" => meta.put(Some(read_meta(cursor)?)),
        "body" => body.put(Some(read_body(cursor)?)),
        _ => cursor.skip(),
    })?;
    cursor.end()?;
    let (_, meta, body) = (kind.value?, meta.value?, body.value?);
    Some(DecisionProjection {
        event_id: meta.event_id,
        tenant: meta.tenant,
        source: meta.source,
        source_sequence: meta.source_sequence,
        event_time: meta.event_time,
        environment: meta.environment,
        trace_id: meta.trace_id,
        correlation_id: meta.correlation_id,
        decision_id: body.decision_id,
        actor_type: body.actor.0,
        actor_id: body.actor.1,
        action: body.action,
        resource_type: body.resource.0,
        resource_id: body.resource.1,
        outcome: body.outcome,
        agent: body.agent,
        incarnation: body.incarnation,
        workload: body.workload,
        risk_tier: body.risk_tier,
        policies: body.policies,
    })
}

struct Meta<'a> {
    event_id: EventId,
    tenant: Str<'a>,
    source: Str<'a>,
    source_sequence: Option<u64>,
    event_time: Timestamp,
    environment: Str<'a>,
    trace_id: Option<Str<'a>>,
    correlation_id: Option<Str<'a>>,
}

fn read_meta<'a>(cursor: &mut Cursor<'a>) -> Option<Meta<'a>> {
    let (mut event_id, mut tenant, mut source, mut source_sequence) =
        (Once::new(), Once::new(), Once::new(), Once::new());
    let (mut event_time, mut environment, mut trace_id, mut labels) =
        (Once::new(), Once::new(), Once::new(), Once::new());
    let (mut span_id, mut correlation_id, mut causation_id) = (Once::new(), Once::new(), Once::new());
    cursor.object(|cursor, key| match &**key {
        "event_id" => event_id.put(Some(parse_event_id(&cursor.text()?)?)),
        "tenant" => tenant.put(Some(cursor.text().filter(|name| TenantId::is_valid(name))?)),
        "source" => source.put(Some(cursor.text()?)),
        "source_sequence" => source_sequence.put(cursor.optional(count)?),
        "event_time" => event_time.put(Some(time(cursor)?)),
        "environment" => environment.put(Some(cursor.text().filter(|name| name != "*")?)),
        "trace_id" => trace_id.put(cursor.optional(Cursor::text)?),
        "span_id" => span_id.put(cursor.optional(Cursor::text)?),
        "correlation_id" => correlation_id.put(cursor.optional(Cursor::text)?),
        "causation_id" => causation_id.put(cursor.optional(Cursor::text)?),
        "labels" => labels.put(cursor.optional(read_labels)?),
        _ => cursor.skip(),
    })?;
    Some(Meta {
        event_id: event_id.value?,
        tenant: tenant.value?,
        source: source.value?,
        source_sequence: source_sequence.value,
        event_time: event_time.value?,
        environment: environment.value?,
        trace_id: trace_id.value,
        correlation_id: correlation_id.value,
    })
}

struct Body<'a> {
    decision_id: Str<'a>,
    actor: (Str<'a>, Str<'a>),
    action: Str<'a>,
    resource: (Str<'a>, Str<'a>),
    outcome: Outcome,
    policies: Vec<Cited<'a>>,
    agent: Option<Str<'a>>,
    incarnation: Option<Str<'a>>,
    workload: Option<Str<'a>>,
    risk_tier: Option<Str<'a>>,
}

fn read_body<'a>(cursor: &mut Cursor<'a>) -> Option<Body<'a>> {
    let (mut decision_id, mut actor, mut action, mut resource) = (Once::new(), Once::new(), Once::new(), Once::new());
    let (mut outcome, mut policies, mut agent, mut incarnation) = (Once::new(), Once::new(), Once::new(), Once::new());
    let (mut workload, mut risk_tier, mut duration) = (Once::new(), Once::new(), Once::new());
    let (mut peer, mut placement, mut cache, mut mode) = (Once::new(), Once::new(), Once::new(), Once::new());
    let [mut reasons, mut rules, mut masked, mut erased] = [const { Flag::new() }; 4];
    let [mut obligations, mut input, mut result, mut looked_up] = [const { Flag::new() }; 4];
    let (mut policy_synced_at, mut data_synced_at) = (Once::new(), Once::new());
    cursor.object(|cursor, key| match &**key {
        "decision_id" => decision_id.put(Some(cursor.text()?)),
        "actor" => actor.put(Some(read_typed(cursor)?)),
        "action" => action.put(Some(cursor.text()?)),
        "resource" => resource.put(Some(read_resource(cursor)?)),
        "outcome" => outcome.put(Some(word(cursor, OUTCOMES)?)),
        "reasons" => reasons.strings(cursor),
        "obligations" => obligations.any(cursor),
        "policies" => policies.put(cursor.optional(read_policies)?),
        "determining_rules" => rules.strings(cursor),
        "input" => input.any(cursor),
        "result" => result.any(cursor),
        "nondeterministic_inputs" => looked_up.any(cursor),
        "masked" => masked.strings(cursor),
        "erased" => erased.strings(cursor),
        "agent" => agent.put(cursor.optional(Cursor::text)?),
        "incarnation" => incarnation.put(cursor.optional(Cursor::text)?),
        "workload" => workload.put(cursor.optional(Cursor::text)?),
        "peer" => peer.put(cursor.optional(read_peer)?),
        "placement" => placement.put(cursor.optional(|cursor| word(cursor, PLACEMENTS))?),
        "cache" => cache.put(cursor.optional(read_cache)?),
        "mode" => mode.put(cursor.optional(|cursor| word(cursor, MODES))?),
        "risk_tier" => risk_tier.put(cursor.optional(Cursor::text)?),
        "duration_us" => duration.put(cursor.optional(count)?),
        "policy_synced_at" => policy_synced_at.put(cursor.optional(time)?),
        "data_synced_at" => data_synced_at.put(cursor.optional(time)?),
        _ => cursor.skip(),
    })?;
    Some(Body {
        decision_id: decision_id.value?,
        actor: actor.value?,
        action: action.value?,
        resource: resource.value?,
        outcome: outcome.value?,
        policies: policies.value.unwrap_or_default(),
        agent: agent.value,
        incarnation: incarnation.value,
        workload: workload.value,
        risk_tier: risk_tier.value,
    })
}

/// The actor: with a credential and `on_behalf_of`, which a resource does not have.
fn read_typed<'a>(cursor: &mut Cursor<'a>) -> Option<(Str<'a>, Str<'a>)> {
    let (mut of, mut id, mut credential) = (Once::new(), Once::new(), Once::new());
    let [mut properties, mut on_behalf_of] = [const { Flag::new() }; 2];
    cursor.object(|cursor, key| match &**key {
        "type" => of.put(Some(cursor.text()?)),
        "id" => id.put(Some(cursor.text()?)),
        "properties" => properties.any(cursor),
        "credential" => credential.put(cursor.optional(read_credential)?),
        "on_behalf_of" => on_behalf_of.any(cursor),
        _ => cursor.skip(),
    })?;
    Some((of.value?, id.value?))
}

fn read_resource<'a>(cursor: &mut Cursor<'a>) -> Option<(Str<'a>, Str<'a>)> {
    let (mut of, mut id, mut properties) = (Once::new(), Once::new(), Flag::new());
    cursor.object(|cursor, key| match &**key {
        "type" => of.put(Some(cursor.text()?)),
        "id" => id.put(Some(cursor.text()?)),
        "properties" => properties.any(cursor),
        _ => cursor.skip(),
    })?;
    Some((of.value?, id.value?))
}

fn read_credential(cursor: &mut Cursor<'_>) -> Option<()> {
    let (mut id, mut issuer, mut issued_at, mut expires_at) = (Once::new(), Once::new(), Once::new(), Once::new());
    cursor.object(|cursor, key| match &**key {
        "id" => id.put(Some(cursor.text()?)),
        "issuer" => issuer.put(cursor.optional(Cursor::text)?),
        "issued_at" => issued_at.put(cursor.optional(time)?),
        "expires_at" => expires_at.put(cursor.optional(time)?),
        _ => cursor.skip(),
    })?;
    id.value.map(drop)
}

fn read_peer(cursor: &mut Cursor<'_>) -> Option<()> {
    let (mut spiffe_id, mut cert_digest) = (Once::new(), Once::new());
    cursor.object(|cursor, key| match &**key {
        "spiffe_id" => spiffe_id.put(cursor.optional(Cursor::text)?),
        "cert_digest" => cert_digest.put(cursor.optional(Cursor::text)?),
        _ => cursor.skip(),
    })
}

fn read_cache(cursor: &mut Cursor<'_>) -> Option<()> {
    let (mut hit, mut decided_at) = (Once::new(), Once::new());
    cursor.object(|cursor, key| match &**key {
        "hit" => hit.put(Some(cursor.flag()?)),
        "decided_at" => decided_at.put(cursor.optional(time)?),
        _ => cursor.skip(),
    })?;
    hit.value
}

fn read_policies<'a>(cursor: &mut Cursor<'a>) -> Option<Vec<Cited<'a>>> {
    let mut policies = Vec::new();
    cursor.list(|cursor| {
        let (mut scope, mut policy, mut version, mut digest) = (Once::new(), Once::new(), Once::new(), Once::new());
        cursor.object(|cursor, key| match &**key {
            "scope" => scope.put(Some(read_scope(cursor)?)),
            "policy" => policy.put(Some(cursor.text()?)),
            "version" => version.put(Some(cursor.text()?)),
            "digest" => digest.put(cursor.optional(|cursor| Digest::parse(&cursor.text()?).ok())?),
            _ => cursor.skip(),
        })?;
        policies.push(Cited {
            scope: scope.value?,
            policy: policy.value?,
            version: version.value?,
        });
        Some(())
    })?;
    Some(policies)
}

fn read_scope<'a>(cursor: &mut Cursor<'a>) -> Option<ScopeRef<'a>> {
    let (mut layer, mut tenant, mut environment, mut workload) = (Once::new(), Once::new(), Once::new(), Once::new());
    cursor.object(|cursor, key| match &**key {
        "layer" => layer.put(Some(cursor.text()?)),
        "tenant" => tenant.put(cursor.optional(Cursor::text)?),
        "environment" => environment.put(cursor.optional(Cursor::text)?),
        "workload" => workload.put(cursor.optional(Cursor::text)?),
        _ => cursor.skip(),
    })?;
    quick_scope(&layer.value?, [tenant.value, environment.value, workload.value])
}

fn read_labels(cursor: &mut Cursor<'_>) -> Option<()> {
    let mut keys: Vec<Str<'_>> = Vec::new();
    cursor.object(|cursor, key| {
        cursor.text()?;
        // More than a few labels are not the usual decision, and comparing each with each would be dear.
        if keys.len() == 32 || keys.contains(key) {
            return None;
        }
        keys.push(key.clone());
        Some(())
    })
}

fn time(cursor: &mut Cursor<'_>) -> Option<Timestamp> {
    Timestamp::parse(&cursor.text()?).ok()
}

fn count(cursor: &mut Cursor<'_>) -> Option<u64> {
    cursor.count().filter(|count| *count <= LARGEST)
}

fn word<T: Copy>(cursor: &mut Cursor<'_>, words: &[(&str, T)]) -> Option<T> {
    let word = cursor.text()?;
    words
        .iter()
        .find(|(known, _)| *known == word)
        .map(|(_, meaning)| *meaning)
}

/// A field that may come once, of which only the type matters.
struct Flag(Once<()>);

impl Flag {
    const fn new() -> Self {
        Self(Once::new())
    }

    /// Any JSON.
    fn any(&mut self, cursor: &mut Cursor<'_>) -> Option<()> {
        cursor.skip()?;
        self.0.put(None)
    }

    /// A list of strings.
    fn strings(&mut self, cursor: &mut Cursor<'_>) -> Option<()> {
        cursor.optional(|cursor| cursor.list(|cursor| cursor.text().map(drop)))?;
        self.0.put(None)
    }
}
