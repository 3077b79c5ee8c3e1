//! The quick reader of Avro decisions written by our current schema: field after field, in the order of
//! `avro/decision.avsc`. It is asked only where the writer's schema is that one, type by type
//! (`WriterSchema::is_current_decision`).
//!
//! `None` means "ask the slow one", for whatever reason.

use std::borrow::Cow;

use serde::de::IgnoredAny;

use super::scope_ref::quick_scope;
use super::{Cited, DecisionProjection};
use crate::avro::Input;
use crate::tree::check_embedded;
use crate::validate::{MODES, OUTCOMES, PLACEMENTS, parse_event_id};
use crate::{Digest, TenantId, Timestamp};

/// A decision, if it is a plain one.
pub(super) fn decision(datum: &[u8]) -> Option<DecisionProjection<'_>> {
    let input = &mut Input::new(datum);
    let event_id = parse_event_id(text(input)?)?;
    let tenant = text(input).filter(|tenant| TenantId::is_valid(tenant))?;
    let source = text(input)?;
    let source_sequence = optional(input, count)?;
    let event_time = time(input)?;
    let environment = optional(input, text)?.filter(|environment| *environment != "*")?;
    let trace_id = optional(input, text)?;
    let _span_id = optional(input, text)?;
    let correlation_id = optional(input, text)?;
    let _causation_id = optional(input, text)?;
    labels(input)?;

    let decision_id = text(input)?;
    let (actor_type, actor_id) = (text(input)?, text(input)?);
    optional(input, json)?;
    optional(input, credential)?;
    optional(input, json)?;
    let action = text(input)?;
    let (resource_type, resource_id) = (text(input)?, text(input)?);
    optional(input, json)?;
    let outcome = word(input, OUTCOMES)?;
    each(input, |input| text(input).map(drop))?;
    optional(input, json)?;
    let mut policies = Vec::new();
    each(input, |input| {
        policies.push(cited(input)?);
        Some(())
    })?;
    each(input, |input| text(input).map(drop))?;
    for _ in ["input", "result", "nondeterministic_inputs"] {
        optional(input, json)?;
    }
    for _ in ["masked", "erased"] {
        each(input, |input| text(input).map(drop))?;
    }
    let agent = optional(input, text)?;
    let incarnation = optional(input, text)?;
    let workload = optional(input, text)?;
    optional(input, |input| {
        optional(input, text)?;
        optional(input, text)
    })?;
    optional(input, |input| word(input, PLACEMENTS))?;
    optional(input, |input| {
        input.boolean().ok()?;
        optional(input, time)
    })?;
    word(input, MODES)?;
    let risk_tier = optional(input, text)?;
    optional(input, count)?;
    optional(input, time)?;
    optional(input, time)?;
    input.end().ok()?;

    Some(DecisionProjection {
        event_id,
        tenant: tenant.into(),
        source: source.into(),
        source_sequence,
        event_time,
        environment: environment.into(),
        trace_id: trace_id.map(Cow::Borrowed),
        correlation_id: correlation_id.map(Cow::Borrowed),
        decision_id: decision_id.into(),
        actor_type: actor_type.into(),
        actor_id: actor_id.into(),
        action: action.into(),
        resource_type: resource_type.into(),
        resource_id: resource_id.into(),
        outcome,
        agent: agent.map(Cow::Borrowed),
        incarnation: incarnation.map(Cow::Borrowed),
        workload: workload.map(Cow::Borrowed),
        risk_tier: risk_tier.map(Cow::Borrowed),
        policies,
    })
}

fn cited<'a>(input: &mut Input<'a>) -> Option<Cited<'a>> {
    let layer = text(input)?;
    let names = [optional(input, text)?, optional(input, text)?, optional(input, text)?];
    let scope = quick_scope(layer, names.map(|name| name.map(Cow::Borrowed)))?;
    let (policy, version) = (text(input)?, text(input)?);
    if let Some(digest) = optional(input, text)? {
        Digest::parse(digest).ok()?;
    }
    Some(Cited {
        scope,
        policy: policy.into(),
        version: version.into(),
    })
}

fn credential(input: &mut Input<'_>) -> Option<()> {
    text(input)?;
    optional(input, text)?;
    optional(input, time)?;
    optional(input, time).map(drop)
}

/// A union of null and something.
fn optional<'a, T>(input: &mut Input<'a>, read: impl FnOnce(&mut Input<'a>) -> Option<T>) -> Option<Option<T>> {
    match input.branch(2).ok()? {
        0 => Some(None),
        _ => read(input).map(Some),
    }
}

fn each<'a>(input: &mut Input<'a>, mut read: impl FnMut(&mut Input<'a>) -> Option<()>) -> Option<()> {
    loop {
        match input.block().ok()? {
            0 => return Some(()),
            count => (0..count).try_for_each(|_| read(input))?,
        }
    }
}

fn labels(input: &mut Input<'_>) -> Option<()> {
    let mut keys: Vec<&str> = Vec::new();
    each(input, |input| {
        let key = text(input)?;
        text(input)?;
        // More than a few labels are not the usual decision, and comparing each with each would be dear.
        if keys.len() == 32 || keys.contains(&key) {
            return None;
        }
        keys.push(key);
        Some(())
    })
}

fn text<'a>(input: &mut Input<'a>) -> Option<&'a str> {
    input.string().ok()
}

fn json(input: &mut Input<'_>) -> Option<()> {
    let text = text(input)?;
    check_embedded(text).ok()?;
    serde_json::from_str::<IgnoredAny>(text).ok().map(drop)
}

fn count(input: &mut Input<'_>) -> Option<u64> {
    input.long().ok().and_then(|count| u64::try_from(count).ok())
}

fn time(input: &mut Input<'_>) -> Option<Timestamp> {
    input.long().ok().and_then(Timestamp::from_micros)
}

fn word<T: Copy>(input: &mut Input<'_>, words: &[(&str, T)]) -> Option<T> {
    let word = text(input)?;
    words
        .iter()
        .find(|(known, _)| *known == word)
        .map(|(_, meaning)| *meaning)
}
