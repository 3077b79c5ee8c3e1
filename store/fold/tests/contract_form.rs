//! The fields of an entry, in the order of the contract; those without a value left out, the others null.

use verdict_fold::{Applied, Certainty, PolicyEntry, State};
use verdict_schemas::{Combining, Digest, Environment, PolicyName, RolloutId, Scope, Timestamp, Version};

fn entry() -> PolicyEntry {
    PolicyEntry {
        scope: Scope::Environment(Environment::new("prod")),
        policy: PolicyName::new("authz"),
        version: None,
        digest: None,
        state: State::Unobserved,
        since: None,
        state_since: None,
        until: None,
        certainty: Certainty::None,
        last_exercised: None,
        desired: None,
        desired_since: None,
        rollout_id: None,
        admissible: None,
        applied: Applied {
            have: 0,
            need: 1,
            live: 0,
            silent: 0,
        },
        distribution: vec![],
        partials: vec![],
        combining: Combining::All,
        overridden_by: None,
        evidence: vec![],
        evidence_more: None,
    }
}

#[test]
fn what_has_no_value_is_left_out_or_null() {
    let text = serde_json::to_string(&entry()).unwrap();
    assert_eq!(
        text,
        r#"{"scope":{"layer":"environment","environment":"prod"},"policy":"authz","version":null,"state":"unobserved","since":null,"state_since":null,"until":null,"certainty":"none","applied":{"have":0,"need":1,"live":0,"silent":0},"distribution":[],"partials":[],"combining":"all","evidence":[]}"#
    );
}

#[test]
fn every_field_has_its_place() {
    let full = PolicyEntry {
        version: Some(Version::new("v1")),
        digest: Some(Digest([0; 32])),
        last_exercised: Some(Timestamp::MIN),
        desired: Some(Version::new("v1")),
        desired_since: Some(Timestamp::MIN),
        rollout_id: Some(RolloutId::new("r1")),
        admissible: Some(vec![Version::new("v1")]),
        combining: Combining::Override,
        overridden_by: Some(Scope::Global),
        evidence_more: Some(3),
        ..entry()
    };
    let text = serde_json::to_string(&full).unwrap();
    let fields = [
        "scope",
        "policy",
        "version",
        "digest",
        "state",
        "since",
        "state_since",
        "until",
        "certainty",
        "last_exercised",
        "desired",
        "desired_since",
        "rollout_id",
        "admissible",
        "applied",
        "distribution",
        "partials",
        "combining",
        "overridden_by",
        "evidence",
        "evidence_more",
    ];
    let places: Vec<_> = fields.iter().map(|field| text.find(&format!("\"{field}\":"))).collect();
    assert!(places.iter().all(Option::is_some) && places.is_sorted(), "{text}");
    assert!(text.contains(r#""overridden_by":{"layer":"global"}"#) && text.contains(r#""combining":"override""#));
}
