//! A history to ask about: 50 agents of one tenant report and decide under three policies, of which ten rollouts change
//! the versions, spread evenly. However long it is, the same number of agents is alive at any moment of it; so only the
//! length differs between two histories.
//!
//! Every second event is an `agent_seen` with a lease of two minutes that tells of all three policies, the others are
//! decisions that cite one of them; each agent says something every 25 seconds, so that every citation counts (E8).

use std::sync::Arc;

use anyhow::{Context, Result};
use uuid::Uuid;
use verdict_schemas::{TenantId, Timestamp};
use verdict_store::{Incoming, LogName, Provenance, RawTime, SourcePosition, Store};

use crate::events::mixed;

/// Whose history it is.
pub(crate) const TENANT: &str = "acme";
/// In which environment.
pub(crate) const ENVIRONMENT: &str = "production";
/// Agents alive at any moment.
pub(crate) const AGENTS: u64 = 50;
/// Rollouts in a history.
const ROLLOUTS: u64 = 10;
const POLICIES: [&str; 3] = ["access", "limits", "geography"];
/// Microseconds from one observation to the next.
const STEP: i64 = 500_000;
/// Microseconds after a rollout until each agent, one after the other, runs its version.
const ADOPTION: u64 = 200_000;

/// What a history is like.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Plan {
    /// How many events with observations.
    pub(crate) observations: u64,
    /// After how many observations of all agents each of them starts anew, as another incarnation.
    pub(crate) restart_every: Option<u64>,
}

/// When a history began and ended.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Span {
    begin: i64,
    end: i64,
}

impl Span {
    /// The last moment.
    pub(crate) fn end(self) -> Result<Timestamp> {
        at(self.end)
    }

    /// A moment behind the first fifth, at this share of the rest in 65,536ths.
    pub(crate) fn moment(self, share: u32) -> Result<Timestamp> {
        let first = self.begin + (self.end - self.begin) / 5;
        at(first + (((self.end - first) * i64::from(share)) >> 16))
    }
}

fn at(micros: i64) -> Result<Timestamp> {
    Timestamp::from_micros(micros).context("a time before the year 10000")
}

/// Records a history that ends now, as if it had come from Kafka while it happened.
pub(crate) fn record(store: &Store, plan: Plan) -> Result<Span> {
    let end = crate::store_path::now()?.as_micros();
    let begin = end - i64::try_from(plan.observations)? * STEP - 1_000_000;
    let (mut offset, mut batch) = (0, Vec::new());
    let mut put = |time: i64, kind: &str, body: &str| -> Result<()> {
        batch.push(incoming(&mut offset, time, kind, body)?);
        if batch.len() == crate::store_path::KAFKA_GROUP {
            store
                .append_kafka(std::mem::take(&mut batch), Vec::new(), Vec::new())?
                .wait()?;
        }
        Ok(())
    };
    let every = plan.observations / ROLLOUTS;
    for number in 0..plan.observations {
        let time = begin + i64::try_from(number)? * STEP;
        if number.is_multiple_of(every) {
            put(time, "rollout", &rollout(number / every))?;
        }
        put(
            time + 1,
            if number.is_multiple_of(2) {
                "agent_seen"
            } else {
                "decision"
            },
            &observation(plan, number, every),
        )?;
    }
    if !batch.is_empty() {
        store.append_kafka(batch, Vec::new(), Vec::new())?.wait()?;
    }
    crate::store_path::wait_visible(store)?;
    Ok(Span {
        begin,
        end: begin + i64::try_from(plan.observations)? * STEP,
    })
}

fn scope() -> String {
    format!(r#"{{"layer":"tenant","tenant":"{TENANT}","environment":"{ENVIRONMENT}"}}"#)
}

/// The rollouts take turns among the policies.
fn rollout(number: u64) -> String {
    let (scope, policy) = (scope(), policy(number));
    format!(
        r#"{{"rollout_id":"r{number}","phase":"started","scope":{scope},"policy":"{policy}","to_version":"v{number}","max_inconsistency_ms":60000,"quorum":{{"percent":80}}}}"#
    )
}

fn policy(number: u64) -> &'static str {
    POLICIES[usize::try_from(number % 3).unwrap_or(0)]
}

/// What the agent whose turn it is says.
fn observation(plan: Plan, number: u64, every: u64) -> String {
    // Each agent has a turn as a reporter and one as a decider in a hundred.
    let (agent, round) = (number / 2 % AGENTS, number / 2 / AGENTS);
    let incarnation = plan.restart_every.map_or(0, |restart| (number + agent * 7) / restart);
    let steps_late = agent * ADOPTION / STEP.unsigned_abs();
    let rollouts = number.saturating_sub(steps_late) / every;
    let scope = scope();
    // The last rollout of each policy that this agent has heard of.
    let version = |policy: u64| (0..=rollouts).rev().find(|rollout| rollout % 3 == policy);
    let cited = |number: u64, status: &str| {
        let (policy, version) = (policy(number), version(number)?);
        Some(format!(
            r#"{{"scope":{scope},"policy":"{policy}","version":"v{version}"{status}}}"#
        ))
    };
    let speaker = format!(r#""agent":"pdp-{agent}","incarnation":"boot-{incarnation}""#);
    if number.is_multiple_of(2) {
        let active: Vec<String> = (0..3)
            .filter_map(|number| cited(number, r#","status":"applied""#))
            .collect();
        return format!(r#"{{{speaker},"lease_ms":120000,"active":[{}]}}"#, active.join(","));
    }
    let (policies, user) = (cited(round % 3, "").unwrap_or_default(), mixed(number) % 1000);
    format!(
        r#"{{"decision_id":"d{number}","actor":{{"type":"user","id":"user-{user}"}},"action":"read","resource":{{"type":"document","id":"d1"}},"outcome":"allow",{speaker},"policies":[{policies}]}}"#
    )
}

fn incoming(offset: &mut u64, time: i64, kind: &str, body: &str) -> Result<Incoming> {
    let (cluster, topic): (Arc<str>, Arc<str>) = ("MkU3OEVBNTcwNTJENDM2Qg".into(), "verdict.events.v1".into());
    let id = uuid::Builder::from_u128((u128::from(mixed(*offset)) << 64) | u128::from(mixed(!*offset)));
    let id: Uuid = id
        .with_version(uuid::Version::Random)
        .with_variant(uuid::Variant::RFC4122)
        .into_uuid();
    let time = at(time)?;
    let event = format!(
        r#"{{"kind":"{kind}","meta":{{"event_id":"{id}","tenant":"{TENANT}","source":"urn:example:fleet","event_time":"{time}","environment":"{ENVIRONMENT}"}},"body":{body}}}"#
    );
    let source = SourcePosition::Kafka {
        cluster,
        topic,
        partition: 0,
        offset: *offset,
    };
    *offset += 1;
    Ok(Incoming {
        log: LogName::Tenant(TenantId::parse(TENANT)?),
        source,
        key: Some(bytes::Bytes::from_static(TENANT.as_bytes())),
        headers: Vec::new(),
        value: event.into(),
        raw_time: RawTime::Broker(time),
        provenance: Provenance::Claimed,
        dedup: None,
        route: None,
    })
}
