//! An event as the shape that both encoders write: the same names in JSON and in Avro.

use std::borrow::Cow;

use crate::tree::Node;
use crate::validate::{ARTIFACTS, COMBININGS, MODES, OUTCOMES, PLACEMENTS, STATUSES};
use crate::{
    Active, Actor, ArtifactKind, ArtifactPublished, Body, CitedPolicy, Credential, Decision, EnvironmentPattern, Event,
    Json, Labels, Meta, ObjectChanged, ObjectName, Phase, Quorum, RolloutPlan, Scope, Timestamp, TypedId,
};

type Field<'a> = (Cow<'a, str>, Node<'a>);

/// `{kind, meta, body}`.
pub(crate) fn document(event: &Event) -> Node<'_> {
    let kind = match &event.body {
        Body::Unknown(unknown) => unknown.kind.as_str(),
        known => known.kind().as_str(),
    };
    object([
        ("kind", text(kind)),
        ("meta", meta(&event.meta)),
        ("body", body(&event.body)),
    ])
}

/// `meta`.
pub(crate) fn meta(meta: &Meta) -> Node<'_> {
    object([
        ("event_id", Node::Text(Cow::Owned(meta.event_id.to_string()))),
        ("tenant", text(meta.tenant.as_str())),
        ("source", text(meta.source.as_str())),
        ("source_sequence", count(meta.source_sequence)),
        ("event_time", time(Some(meta.event_time))),
        ("environment", word(meta.environment.as_ref())),
        ("trace_id", word(meta.trace_id.as_ref())),
        ("span_id", word(meta.span_id.as_ref())),
        ("correlation_id", word(meta.correlation_id.as_ref())),
        ("causation_id", word(meta.causation_id.as_ref())),
        ("labels", labels(&meta.labels)),
    ])
}

/// The body of any kind.
pub(crate) fn body(body: &Body) -> Node<'_> {
    match body {
        Body::Decision(decision) => decided(decision),
        Body::EffectRecorded(e) => object([
            ("decision_id", text(e.decision_id.as_str())),
            ("object", json(Some(&e.object))),
            ("before", json(e.before.as_ref())),
            ("after", json(e.after.as_ref())),
        ]),
        Body::AgentSeen(seen) => object([
            ("agent", text(seen.agent.as_str())),
            ("incarnation", word(seen.incarnation.as_ref())),
            ("workload", word(seen.workload.as_ref())),
            ("labels", labels(&seen.labels)),
            ("lease_ms", count(Some(seen.lease_ms))),
            ("active", list(&seen.active, active)),
        ]),
        Body::AgentRetired(retired) => object([
            ("agent", text(retired.agent.as_str())),
            ("incarnation", word(retired.incarnation.as_ref())),
            ("final_sequence", count(retired.final_sequence)),
        ]),
        Body::Rollout(rollout) => {
            let mut fields = vec![("rollout_id", text(rollout.rollout_id.as_str()))];
            match &rollout.phase {
                Phase::Started(plan) => {
                    fields.push(("phase", text("started")));
                    fields.extend(planned(plan));
                }
                Phase::RolledBack { reason } => {
                    fields.extend([("phase", text("rolled_back")), ("reason", word(reason.as_ref()))]);
                }
                Phase::Completed { reason } => {
                    fields.extend([("phase", text("completed")), ("reason", word(reason.as_ref()))]);
                }
            }
            object(fields)
        }
        Body::ArtifactPublished(artifact) => published(artifact),
        Body::ObjectChanged(changed) => object_changed(changed),
        Body::ReconciliationReported(report) => object([
            ("object", object_name(&report.object)),
            ("generation", count(Some(report.generation))),
            ("observed_version", word(report.observed_version.as_ref())),
            ("state", text(&report.state)),
            ("converge_within_ms", count(report.converge_within_ms)),
            ("detail", json(report.detail.as_ref())),
        ]),
        Body::DegradationChanged(changed) => object([
            ("scope", scope(&changed.scope)),
            ("agent", word(changed.agent.as_ref())),
            ("risk_tier", text(&changed.risk_tier)),
            ("before", spelled(MODES, &changed.before)),
            ("after", spelled(MODES, &changed.after)),
            ("trigger", text(&changed.trigger)),
            ("reason", word(changed.reason.as_ref())),
        ]),
        Body::CheckRecorded(check) => object([
            ("check", text(&check.check)),
            ("subject", json(Some(&check.subject))),
            ("outcome", text(&check.outcome)),
            ("by", typed_id(&check.by)),
            ("measurements", json(check.measurements.as_ref())),
            ("detail", json(check.detail.as_ref())),
        ]),
        Body::SubjectErased(erased) => object([
            ("subject", json(Some(&erased.subject))),
            ("by", typed_id(&erased.by)),
            ("legal_basis", text(&erased.legal_basis)),
        ]),
        Body::Unknown(unknown) => json(unknown.body.as_ref()),
    }
}

fn decided(d: &Decision) -> Node<'_> {
    let peer = (d.peer_spiffe_id.is_some() || d.peer_cert_digest.is_some()).then(|| {
        object([
            ("spiffe_id", word(d.peer_spiffe_id.as_ref())),
            ("cert_digest", word(d.peer_cert_digest.as_ref())),
        ])
    });
    let cache = d
        .cache
        .map(|c| object([("hit", Node::Bool(c.hit)), ("decided_at", time(c.decided_at))]));
    object([
        ("decision_id", text(d.decision_id.as_str())),
        ("actor", actor(&d.actor)),
        ("action", text(&d.action)),
        (
            "resource",
            object([
                ("type", text(&d.resource.name.r#type)),
                ("id", text(&d.resource.name.id)),
                ("properties", json(d.resource.properties.as_ref())),
            ]),
        ),
        ("outcome", spelled(OUTCOMES, &d.outcome)),
        ("reasons", strings(&d.reasons)),
        ("obligations", json(d.obligations.as_ref())),
        ("policies", list(&d.policies, cited)),
        ("determining_rules", strings(&d.determining_rules)),
        ("input", json(d.input.as_ref())),
        ("result", json(d.result.as_ref())),
        ("nondeterministic_inputs", json(d.nondeterministic_inputs.as_ref())),
        ("masked", strings(&d.masked)),
        ("erased", strings(&d.erased)),
        ("agent", word(d.agent.as_ref())),
        ("incarnation", word(d.incarnation.as_ref())),
        ("workload", word(d.workload.as_ref())),
        ("peer", peer.unwrap_or(Node::Null)),
        ("placement", d.placement.map_or(Node::Null, |p| spelled(PLACEMENTS, &p))),
        ("cache", cache.unwrap_or(Node::Null)),
        ("mode", spelled(MODES, &d.mode)),
        ("risk_tier", word(d.risk_tier.as_ref())),
        ("duration_us", count(d.duration_us)),
        ("policy_synced_at", time(d.policy_synced_at)),
        ("data_synced_at", time(d.data_synced_at)),
    ])
}

fn actor(actor: &Actor) -> Node<'_> {
    object([
        ("type", text(&actor.name.r#type)),
        ("id", text(&actor.name.id)),
        ("properties", json(actor.properties.as_ref())),
        ("credential", actor.credential.as_ref().map_or(Node::Null, credential)),
        ("on_behalf_of", json(actor.on_behalf_of.as_ref())),
    ])
}

fn credential(c: &Credential) -> Node<'_> {
    object([
        ("id", text(&c.id)),
        ("issuer", word(c.issuer.as_ref())),
        ("issued_at", time(c.issued_at)),
        ("expires_at", time(c.expires_at)),
    ])
}

fn cited(cited: &CitedPolicy) -> Node<'_> {
    object([
        ("scope", scope(&cited.scope)),
        ("policy", text(cited.policy.as_str())),
        ("version", text(cited.version.as_str())),
        ("digest", digest(cited.digest)),
    ])
}

fn active(active: &Active) -> Node<'_> {
    object([
        ("scope", scope(&active.scope)),
        ("policy", text(active.policy.as_str())),
        ("version", word(active.version.as_ref())),
        ("status", spelled(STATUSES, &active.status)),
        ("applied_at", time(active.applied_at)),
        ("error", word(active.error.as_ref())),
    ])
}

fn planned(plan: &RolloutPlan) -> Vec<(&'static str, Node<'_>)> {
    let quorum = (plan.quorum != Quorum::default()).then(|| {
        object([
            ("percent", count(plan.quorum.percent.map(u64::from))),
            ("min_agents", count(plan.quorum.min_agents)),
        ])
    });
    vec![
        ("scope", scope(&plan.scope)),
        ("policy", text(plan.policy.as_str())),
        ("to_version", text(plan.to_version.as_str())),
        ("from_version", word(plan.from_version.as_ref())),
        ("activate_at", time(plan.activate_at)),
        ("activation_condition", json(plan.activation_condition.as_ref())),
        (
            "target",
            plan.target
                .as_ref()
                .map_or(Node::Null, |target| object([("labels", labels(target))])),
        ),
        ("quorum", quorum.unwrap_or(Node::Null)),
        ("max_inconsistency_ms", count(Some(plan.max_inconsistency_ms))),
        ("rollback_trigger", json(plan.rollback_trigger.as_ref())),
        ("plan_digest", digest(plan.plan_digest)),
        ("risk_tier", word(plan.risk_tier.as_ref())),
    ]
}

fn published(a: &ArtifactPublished) -> Node<'_> {
    let artifact = match &a.artifact {
        ArtifactKind::Other(word) => text(word),
        known => spelled(ARTIFACTS, known),
    };
    object([
        ("artifact", artifact),
        ("scope", scope(&a.scope)),
        ("policy", text(a.policy.as_str())),
        ("version", text(a.version.as_str())),
        ("digest", digest(Some(a.digest))),
        ("parent_version", word(a.parent_version.as_ref())),
        ("engine", word(a.engine.as_ref())),
        ("combining", spelled(COMBININGS, &a.combining)),
        ("signature", json(a.signature.as_ref())),
        ("content", json(a.content.as_ref())),
        ("content_uri", word(a.content_uri.as_ref())),
        ("author", typed_id(&a.author)),
        (
            "approvals",
            list(&a.approvals, |approval| {
                object([
                    ("type", text(&approval.by.r#type)),
                    ("id", text(&approval.by.id)),
                    ("at", time(approval.at)),
                ])
            }),
        ),
        ("owner", word(a.owner.as_ref())),
        ("risk_tier", word(a.risk_tier.as_ref())),
    ])
}

fn object_changed(changed: &ObjectChanged) -> Node<'_> {
    object([
        ("object", object_name(&changed.object)),
        ("version", text(&changed.version)),
        ("before", word(changed.before.as_ref())),
        ("after", word(changed.after.as_ref())),
        ("valid_from", time(changed.valid_from)),
        ("valid_until", time(changed.valid_until)),
        ("by", typed_id(&changed.by)),
        ("reason", word(changed.reason.as_ref())),
        ("document", json(changed.document.as_ref())),
    ])
}

fn scope(scope: &Scope) -> Node<'_> {
    match scope {
        Scope::Global => object([("layer", text("global"))]),
        Scope::Environment(e) => object([("layer", text("environment")), ("environment", text(e.as_str()))]),
        Scope::Tenant(tenant, pattern) => {
            let environment = match pattern {
                EnvironmentPattern::Every => "*",
                EnvironmentPattern::One(environment) => environment.as_str(),
            };
            object([
                ("layer", text("tenant")),
                ("tenant", text(tenant.as_str())),
                ("environment", text(environment)),
            ])
        }
        Scope::Workload(tenant, environment, workload) => object([
            ("layer", text("workload")),
            ("tenant", text(tenant.as_str())),
            ("environment", text(environment.as_str())),
            ("workload", text(workload.as_str())),
        ]),
    }
}

fn typed_id(name: &TypedId) -> Node<'_> {
    object([("type", text(&name.r#type)), ("id", text(&name.id))])
}

fn object_name(name: &ObjectName) -> Node<'_> {
    object([("kind", text(&name.kind)), ("id", text(&name.id))])
}

fn object<'a>(fields: impl IntoIterator<Item = (&'static str, Node<'a>)>) -> Node<'a> {
    Node::Object(
        fields
            .into_iter()
            .map(|(name, node)| -> Field<'a> { (Cow::Borrowed(name), node) })
            .collect(),
    )
}

fn list<'a, T>(items: &'a [T], write: impl Fn(&'a T) -> Node<'a>) -> Node<'a> {
    Node::List(items.iter().map(write).collect())
}

fn strings(items: &[String]) -> Node<'_> {
    list(items, |item| text(item))
}

fn labels(labels: &Labels) -> Node<'_> {
    Node::Object(
        labels
            .iter()
            .map(|(key, value)| (Cow::Borrowed(key.as_str()), text(value)))
            .collect(),
    )
}

fn text(text: &str) -> Node<'_> {
    Node::Text(Cow::Borrowed(text))
}

fn word<T: AsRef<str>>(word: Option<&T>) -> Node<'_> {
    word.map_or(Node::Null, |word| text(word.as_ref()))
}

fn json(json: Option<&Json>) -> Node<'_> {
    json.map_or(Node::Null, |raw| Node::Embedded(raw))
}

fn time(time: Option<Timestamp>) -> Node<'static> {
    time.map_or(Node::Null, |time| Node::Micros(time.as_micros()))
}

fn count(count: Option<u64>) -> Node<'static> {
    // Interpretation accepts nothing above i64::MAX; an event built by hand is held to the same.
    count.map_or(Node::Null, |count| Node::Int(i64::try_from(count).unwrap_or(i64::MAX)))
}

fn digest(digest: Option<crate::Digest>) -> Node<'static> {
    digest.map_or(Node::Null, |digest| Node::Text(Cow::Owned(digest.to_string())))
}

/// The word for a value of a closed set.
fn spelled<T: PartialEq>(words: &'static [(&'static str, T)], value: &T) -> Node<'static> {
    words
        .iter()
        .find(|(_, known)| known == value)
        .map_or(Node::Null, |(word, _)| Node::Text(Cow::Borrowed(word)))
}
