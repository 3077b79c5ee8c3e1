//! From a step to its record.

use std::collections::BTreeMap;

use serde_json::value::RawValue;
use uuid::Uuid;
use verdict_fold::Understood;
use verdict_schemas::*;

use super::{SECOND, Step, Target, What, environment, policy, scope, tenant};
use crate::histories::Record;

fn version(of: u8) -> Version {
    Version::new(format!("v{of}"))
}

fn time(micros: i64) -> Timestamp {
    Timestamp::from_micros(micros.max(0)).unwrap()
}

fn typed(r#type: &str) -> TypedId {
    TypedId {
        r#type: r#type.to_owned(),
        id: "x".to_owned(),
    }
}

fn labels(tier: u8) -> Labels {
    // Tier 2 has the labels of both others.
    let names: &[(&str, &str)] = match tier {
        0 => &[("tier", "a")],
        1 => &[("zone", "z")],
        _ => &[("tier", "a"), ("zone", "z")],
    };
    names
        .iter()
        .map(|(name, value)| ((*name).to_owned(), (*value).to_owned()))
        .collect()
}

/// The record, as it came; [`super::understand`] says when it is understood.
pub(super) fn record(step: Step, place: usize, recorded: i64, sizes: &mut BTreeMap<TenantId, u64>) -> Record {
    let (event_time, back) = (time(recorded.saturating_sub(step.back)), step.back);
    let at = recorded - if back == i64::MAX { 0 } else { back };
    let (body, log) = body(step.what, at, step.test_environment);
    let meta = Meta {
        event_id: EventId(Uuid::from_u128(u128::try_from(place).unwrap())),
        tenant: log.clone(),
        source: Source::new(match &body {
            Body::Decision(decision) => decision.action.clone(),
            _ => "urn:test".to_owned(),
        }),
        source_sequence: None,
        event_time,
        environment: Some(environment(step.test_environment)),
        trace_id: None,
        span_id: None,
        correlation_id: None,
        causation_id: None,
        labels: Labels::new(),
    };
    let size = sizes.entry(log.clone()).or_default();
    let index = *size;
    *size += 1;
    Record {
        log,
        place: Understood::at_once(index),
        recorded: time(recorded),
        understood: time(recorded),
        event: Event { meta, body },
    }
}

fn body(what: What, at: i64, test_environment: bool) -> (Body, TenantId) {
    let agent = |of: u8| AgentId::new(format!("a{of}"));
    let incarnation = |of: u8| (of > 0).then(|| Incarnation::new(format!("i{of}")));
    let covers = |target: &Target| scope(target.scope).covers(&tenant(), &environment(test_environment));
    let rollout = |id: u8, phase| {
        Body::Rollout(Rollout {
            rollout_id: RolloutId::new(format!("r{id}")),
            phase,
        })
    };
    match what {
        What::Seen {
            who,
            lease_ms,
            tier,
            active,
        } => {
            let active = active
                .into_iter()
                .filter(|(on, _, _)| covers(on))
                .map(|(on, status, of)| Active {
                    scope: scope(on.scope),
                    policy: policy(on.policy),
                    version: (status == ActiveStatus::Applied || of > 1).then(|| version(of)),
                    status,
                    applied_at: None,
                    error: None,
                });
            let (agent, incarnation) = (agent(who.0), incarnation(who.1));
            let seen = AgentSeen {
                agent,
                incarnation,
                workload: None,
                labels: labels(tier),
                lease_ms,
                active: active.collect(),
            };
            (Body::AgentSeen(seen), tenant())
        }
        What::Retired { who } => {
            let (agent, incarnation) = (agent(who.0), incarnation(who.1));
            (
                Body::AgentRetired(AgentRetired {
                    agent,
                    incarnation,
                    final_sequence: None,
                }),
                tenant(),
            )
        }
        What::Decided {
            agent: of,
            incarnation: start,
            source,
            cited,
        } => {
            let cited = cited
                .into_iter()
                .filter(|(on, _)| covers(on))
                .map(|(on, of)| CitedPolicy {
                    scope: scope(on.scope),
                    policy: policy(on.policy),
                    version: version(of),
                    digest: None,
                });
            // The source goes through `action`, see `record`; one of them has the name of an agent.
            let source = if source == 0 { "a0" } else { "urn:gate" };
            let incarnation = start.map(|of| Incarnation::new(format!("i{of}")));
            (
                Body::Decision(Box::new(decision(source, of.map(agent), incarnation, cited.collect()))),
                tenant(),
            )
        }
        What::Started {
            id,
            on,
            version: of,
            activate,
            tier,
            quorum,
            window_ms,
        } => {
            let activate = activate.map(|seconds| match seconds {
                i64::MAX => Timestamp::MAX,
                seconds => time(at + seconds * SECOND),
            });
            let plan = RolloutPlan {
                scope: scope(on.scope),
                policy: policy(on.policy),
                to_version: version(of),
                from_version: None,
                activate_at: activate,
                activation_condition: None,
                target: tier.map(labels),
                quorum,
                max_inconsistency_ms: window_ms,
                rollback_trigger: None,
                plan_digest: None,
                risk_tier: None,
            };
            (rollout(id, Phase::Started(Box::new(plan))), scope(on.scope).log())
        }
        What::RolledBack { id, platform } => {
            let log = if platform { TenantId::platform() } else { tenant() };
            (rollout(id, Phase::RolledBack { reason: None }), log)
        }
        What::Completed { id } => (rollout(id, Phase::Completed { reason: None }), tenant()),
        What::Published {
            on,
            version: of,
            digest,
            combining,
            template,
        } => {
            let artifact = ArtifactPublished {
                artifact: if template {
                    ArtifactKind::Template
                } else {
                    ArtifactKind::PolicyBundle
                },
                scope: scope(on.scope),
                policy: policy(on.policy),
                version: version(of),
                digest: Digest([digest; 32]),
                parent_version: None,
                engine: None,
                combining,
                signature: None,
                content: None,
                content_uri: None,
                author: typed("human"),
                approvals: vec![],
                owner: None,
                risk_tier: None,
            };
            (Body::ArtifactPublished(Box::new(artifact)), scope(on.scope).log())
        }
        What::Excepted {
            id,
            workload,
            ended,
            from,
            length,
            suspend,
        } => {
            let document = ExceptionDocument {
                scope: scope(if workload { 4 } else { 6 }),
                policy: policy(0),
                effect: if suspend {
                    ExceptionEffect::Suspend
                } else {
                    ExceptionEffect::Replace
                },
                version: (!suspend).then(|| version(1)),
                approver: RawValue::from_string("{\"id\":\"alice\"}".to_owned()).unwrap(),
                reason: "why".to_owned(),
            };
            let object = ObjectChanged {
                object: ObjectName {
                    kind: "exception".to_owned(),
                    id: format!("x{id}"),
                },
                version: "1".to_owned(),
                before: None,
                after: (!ended).then(|| "2".to_owned()),
                valid_from: (!ended).then(|| time(at + from * SECOND)),
                valid_until: (!ended).then(|| time(at + (from + length) * SECOND)),
                by: typed("human"),
                reason: None,
                document: None,
                exception: (!ended).then_some(document),
            };
            (Body::ObjectChanged(Box::new(object)), tenant())
        }
    }
}

fn decision(
    source: &str,
    agent: Option<AgentId>,
    incarnation: Option<Incarnation>,
    policies: Vec<CitedPolicy>,
) -> Decision {
    Decision {
        decision_id: DecisionId::new("d"),
        actor: Actor {
            name: typed("user"),
            properties: None,
            credential: None,
            on_behalf_of: None,
        },
        action: source.to_owned(),
        resource: Resource {
            name: typed("doc"),
            properties: None,
        },
        outcome: Outcome::Allow,
        reasons: vec![],
        obligations: None,
        policies,
        determining_rules: vec![],
        input: None,
        result: None,
        nondeterministic_inputs: None,
        masked: vec![],
        erased: vec![],
        agent,
        incarnation,
        workload: None,
        peer_spiffe_id: None,
        peer_cert_digest: None,
        placement: None,
        cache: None,
        mode: Mode::Normal,
        risk_tier: None,
        duration_us: None,
        policy_synced_at: None,
        data_synced_at: None,
    }
}
