//! The filters of `decisions`, and the index that each can use.
//!
//! | filter | how it is answered |
//! |---|---|
//! | `trace_id`, `correlation_id`, `actor`, `resource`, `agent`, `policy`, `version` | by an index: a range of keys; a trace however it is written |
//! | `environment` | by the version index where `policy` or `version` is given, else by reading records |
//! | `from`, `to` | by the order of every index: f in `[from, to)` |
//! | `action`, `outcome`, `workload`, `span_id` | by reading records |
//!
//! Of several indexes the shortest range is walked; whatever it does not say is checked against the record, so an
//! answer never depends on which was walked.

use verdict_edge::Answer;
use verdict_schemas::{Decision, Event, Outcome, PolicyName, Timestamp, TraceId, TypedId, Version, normal_span};

use crate::question::Question;
use crate::routes::effective::range;

/// The parameters.
pub(crate) const FILTERS: &[&str] = &[
    "actor",
    "action",
    "resource",
    "outcome",
    "policy",
    "version",
    "environment",
    "workload",
    "agent",
    "trace_id",
    "correlation_id",
    "span_id",
    "from",
    "to",
];

/// What a decision must be like.
#[derive(Clone, Debug, Default)]
pub(crate) struct Filters {
    pub(crate) actor: Option<Name>,
    pub(crate) action: Option<String>,
    pub(crate) resource: Option<Name>,
    pub(crate) outcome: Option<Outcome>,
    pub(crate) policy: Option<PolicyName>,
    pub(crate) version: Option<Version>,
    pub(crate) environment: Option<String>,
    pub(crate) workload: Option<String>,
    pub(crate) agent: Option<String>,
    pub(crate) trace_id: Option<TraceId>,
    pub(crate) correlation_id: Option<String>,
    /// In its normal form.
    pub(crate) span_id: Option<String>,
    pub(crate) from: Option<Timestamp>,
    pub(crate) to: Option<Timestamp>,
}

/// An actor or a resource as it is asked for: `type:id`. Both may hold colons themselves, so each place of one is
/// tried; without any, an id of whatever type is meant, and no index helps.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) struct Name(String);

impl Name {
    /// Every (type, id) that it may stand for.
    pub(crate) fn readings(&self) -> impl Iterator<Item = (&str, &str)> {
        self.0
            .match_indices(':')
            .map(|(at, _)| (&self.0[..at], &self.0[at + 1..]))
    }

    /// Does an index know how to find it?
    pub(crate) fn is_typed(&self) -> bool {
        self.0.contains(':')
    }

    fn is(&self, name: &TypedId) -> bool {
        if self.is_typed() {
            self.0
                .strip_prefix(name.r#type.as_str())
                .and_then(|rest| rest.strip_prefix(':'))
                == Some(&name.id)
        } else {
            self.0 == name.id
        }
    }
}

impl Filters {
    /// Reads them.
    pub(crate) fn read(question: &Question<'_>) -> Answer<Self> {
        let params = &question.params;
        let text = |name: &str| params.text(name).map(str::to_owned);
        let outcomes = [
            Outcome::Allow,
            Outcome::Deny,
            Outcome::NotApplicable,
            Outcome::Indeterminate,
        ];
        let (from, to) = range(question)?;
        Ok(Self {
            actor: text("actor").map(Name),
            action: text("action"),
            resource: text("resource").map(Name),
            outcome: params.one_of("outcome", &outcomes.map(|outcome| (outcome_name(outcome), outcome)))?,
            policy: params.text("policy").map(PolicyName::from),
            version: params.text("version").map(Version::from),
            environment: text("environment"),
            workload: text("workload"),
            agent: text("agent"),
            trace_id: params.text("trace_id").map(TraceId::from),
            correlation_id: text("correlation_id"),
            span_id: params.text("span_id").map(|span| normal_span(span).into_owned()),
            from,
            to,
        })
    }

    /// Is this a decision that is asked for, but for `from` and `to`?
    pub(crate) fn accept(&self, event: &Event, decision: &Decision) -> bool {
        let meta = &event.meta;
        fn is(wanted: &Option<String>, found: Option<&str>) -> bool {
            wanted.as_deref().is_none_or(|wanted| found == Some(wanted))
        }
        self.actor.as_ref().is_none_or(|actor| actor.is(&decision.actor.name))
            && self.resource.as_ref().is_none_or(|resource| resource.is(&decision.resource.name))
            && is(&self.action, Some(&decision.action))
            && self.outcome.is_none_or(|outcome| outcome == decision.outcome)
            && is(&self.environment, meta.environment.as_ref().map(AsRef::as_ref))
            && is(&self.workload, decision.workload.as_ref().map(AsRef::as_ref))
            // A decision that names no agent is its source's (E7).
            && is(&self.agent, Some(decision.agent.as_ref().map_or(meta.source.as_str(), AsRef::as_ref)))
            && self.trace_id.as_ref().is_none_or(|trace| meta.trace_id.as_ref().is_some_and(|its| TraceId::same(trace.as_str(), its.as_str())))
            && is(&self.span_id, meta.span_id.as_deref().map(normal_span).as_deref())
            && is(&self.correlation_id, meta.correlation_id.as_deref())
            && self.accept_policies(decision)
    }

    /// One policy that it cites has both the name and the version asked for.
    fn accept_policies(&self, decision: &Decision) -> bool {
        if self.policy.is_none() && self.version.is_none() {
            return true;
        }
        decision.policies.iter().any(|cited| {
            self.policy.as_ref().is_none_or(|policy| *policy == cited.policy)
                && self.version.as_ref().is_none_or(|version| *version == cited.version)
        })
    }
}

/// The name of an outcome in the contract.
pub(crate) fn outcome_name(outcome: Outcome) -> &'static str {
    match outcome {
        Outcome::Allow => "allow",
        Outcome::Deny => "deny",
        Outcome::NotApplicable => "not_applicable",
        Outcome::Indeterminate => "indeterminate",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_is_found_wherever_its_colon_is() {
        let name = |kind: &str, id: &str| TypedId {
            r#type: kind.to_owned(),
            id: id.to_owned(),
        };
        let asked = Name("urn:svc:pay".to_owned());
        assert!(asked.is(&name("urn", "svc:pay")) && asked.is(&name("urn:svc", "pay")));
        assert!(!asked.is(&name("urn", "svc")) && !asked.is(&name("", "urn:svc:pay")));
        assert_eq!(
            asked.readings().collect::<Vec<_>>(),
            [("urn", "svc:pay"), ("urn:svc", "pay")]
        );
        let bare = Name("alice".to_owned());
        assert!(bare.is(&name("user", "alice")) && !bare.is(&name("user", "bob")) && !bare.is_typed());
    }
}
