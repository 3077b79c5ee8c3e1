//! One digest of everything in force (E23): SHA-256 over the RFC 8785 form of an array of
//! `{digest, policy, scope, version}`, sorted by the bytes of its elements.

use std::fmt::Write;

use sha2::{Digest as _, Sha256};
use verdict_schemas::{Digest, EnvironmentPattern, Scope};

use crate::PolicyEntry;

/// `set_digest` of the entries that have a version and are not overridden.
pub fn set_digest(entries: &[PolicyEntry]) -> Digest {
    Digest(Sha256::digest(canonical_set(entries)).into())
}

/// What is hashed.
fn canonical_set(entries: &[PolicyEntry]) -> String {
    let mut elements: Vec<String> = entries.iter().filter_map(element).collect();
    elements.sort_unstable();
    format!("[{}]", elements.join(","))
}

/// The canonical form of one entry: members sorted by name, no space.
fn element(entry: &PolicyEntry) -> Option<String> {
    let version = entry.version.as_ref().filter(|_| entry.overridden_by.is_none())?;
    let mut out = String::from("{\"digest\":");
    match &entry.digest {
        Some(digest) => string(&mut out, &digest.to_string()),
        None => out.push_str("null"),
    }
    out.push_str(",\"policy\":");
    string(&mut out, entry.policy.as_str());
    out.push_str(",\"scope\":");
    scope(&mut out, &entry.scope);
    out.push_str(",\"version\":");
    string(&mut out, version.as_str());
    out.push('}');
    Some(out)
}

/// `{environment?, layer, tenant?, workload?}`, in this order.
fn scope(out: &mut String, scope: &Scope) {
    let (layer, environment, tenant, workload) = match scope {
        Scope::Global => ("global", None, None, None),
        Scope::Environment(e) => ("environment", Some(e.as_str()), None, None),
        Scope::Tenant(t, EnvironmentPattern::Every) => ("tenant", Some("*"), Some(t.as_str()), None),
        Scope::Tenant(t, EnvironmentPattern::One(e)) => ("tenant", Some(e.as_str()), Some(t.as_str()), None),
        Scope::Workload(t, e, w) => ("workload", Some(e.as_str()), Some(t.as_str()), Some(w.as_str())),
    };
    let members = [
        ("environment", environment),
        ("layer", Some(layer)),
        ("tenant", tenant),
        ("workload", workload),
    ];
    let mut before = '{';
    for (name, value) in members {
        if let Some(value) = value {
            out.push(before);
            string(out, name);
            out.push(':');
            string(out, value);
            before = ',';
        }
    }
    out.push('}');
}

/// A string as RFC 8785 (section 3.2.2.2) writes it: the two-character escapes where JSON has them, `\u` and four lower-case
/// hex digits for the other control characters, everything else as it is.
fn string(out: &mut String, text: &str) {
    out.push('"');
    for character in text.chars() {
        match character {
            '"' => out.push_str("\\\""),
            '\\' => out.push_str("\\\\"),
            '\u{8}' => out.push_str("\\b"),
            '\t' => out.push_str("\\t"),
            '\n' => out.push_str("\\n"),
            '\u{c}' => out.push_str("\\f"),
            '\r' => out.push_str("\\r"),
            // Writing to a String never fails.
            control if control < ' ' => drop(write!(out, "\\u{:04x}", u32::from(control))),
            other => out.push(other),
        }
    }
    out.push('"');
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Applied, Certainty, State};
    use verdict_schemas::{Combining, Environment, PolicyName, TenantId, Version, WorkloadId};

    fn entry(scope: Scope, policy: &str, version: Option<&str>) -> PolicyEntry {
        PolicyEntry {
            scope,
            policy: PolicyName::new(policy),
            version: version.map(Version::new),
            digest: None,
            state: State::Effective,
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
    fn of_nothing_it_is_that_of_an_empty_array() {
        let empty = "sha256:4f53cda18c2baa0c0354bb5f9a3ecbe5ed12ab4d8e11ba873c2f11161202b945";
        assert_eq!(set_digest(&[]).to_string(), empty);
        assert_eq!(set_digest(&[entry(Scope::Global, "p", None)]).to_string(), empty);
    }

    #[test]
    fn elements_are_sorted_by_their_bytes_and_the_overridden_left_out() {
        let tenant = TenantId::parse("acme").unwrap();
        let prod = Environment::new("prod");
        let mut digested = entry(
            Scope::Tenant(tenant.clone(), EnvironmentPattern::Every),
            "b",
            Some("v1"),
        );
        digested.digest = Some(Digest([0xab; 32]));
        let mut overridden = entry(Scope::Global, "c", Some("v1"));
        overridden.overridden_by = Some(Scope::Environment(prod.clone()));
        let workload = entry(Scope::Workload(tenant, prod, WorkloadId::new("api")), "a", Some("v2"));
        let global = entry(Scope::Global, "b", Some("v1"));
        let canonical = canonical_set(&[global, digested, overridden, workload]);
        let expected = format!(
            "[{},{},{}]",
            format_args!(
                r#"{{"digest":"sha256:{}","policy":"b","scope":{{"environment":"*","layer":"tenant","tenant":"acme"}},"version":"v1"}}"#,
                "ab".repeat(32)
            ),
            r#"{"digest":null,"policy":"a","scope":{"environment":"prod","layer":"workload","tenant":"acme","workload":"api"},"version":"v2"}"#,
            r#"{"digest":null,"policy":"b","scope":{"layer":"global"},"version":"v1"}"#,
        );
        assert_eq!(canonical, expected);
    }

    #[test]
    fn strings_are_written_as_rfc_8785_has_them() {
        for (text, written) in [
            ("\u{8}\t\n\u{c}\r\"\\", r#""\b\t\n\f\r\"\\""#),
            ("\0\u{1}\u{b}\u{1f}\u{7f}", "\"\\u0000\\u0001\\u000b\\u001f\u{7f}\""),
            (
                "/<>&'\u{80}\u{2028}\u{fffd}\u{1f600}é",
                "\"/<>&'\u{80}\u{2028}\u{fffd}\u{1f600}é\"",
            ),
        ] {
            let mut out = String::new();
            string(&mut out, text);
            assert_eq!(out, written);
            assert_eq!(serde_json::from_str::<String>(&out).unwrap(), text);
        }
    }
}
