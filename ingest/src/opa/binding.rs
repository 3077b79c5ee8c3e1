//! Bindings: what maps a bundle's name to a policy of ours, and says where in its events actor, action, resource and
//! outcome are (`object_changed` of kind `binding`, in the tenant's own log).
//!
//! One that can not be used (no scope that covers the tenant, a lease outside the range) is left aside with a warning:
//! it must not turn every decision that names its bundle into a malformed one.

use std::collections::BTreeMap;
use std::sync::Arc;

use serde::{Deserialize, Serialize};
use verdict_schemas::{Environment, EnvironmentPattern, Scope, TenantId, Timestamp, WorkloadId};

/// Longest lease (E1): 3650 days.
const LONGEST_LEASE_MS: u64 = 3650 * 24 * 60 * 60 * 1000;

/// A scope as its JSON form has it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct ScopeForm {
    layer: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    tenant: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    environment: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    workload: Option<String>,
}

impl ScopeForm {
    /// This tenant in this environment: what a bundle without a binding is about.
    pub(crate) fn of(tenant: &TenantId, environment: &Environment) -> Self {
        Self {
            layer: "tenant".to_owned(),
            tenant: Some(tenant.to_string()),
            environment: Some(environment.to_string()),
            workload: None,
        }
    }

    fn read(&self) -> Option<Scope> {
        let environment = || self.environment.as_deref().filter(|name| !name.is_empty());
        let one = || environment().filter(|name| *name != "*").map(Environment::from);
        let tenant = || self.tenant.as_deref().and_then(|name| TenantId::parse(name).ok());
        Some(match self.layer.as_str() {
            "global" => Scope::Global,
            "environment" => Scope::Environment(one()?),
            "tenant" if environment() == Some("*") => Scope::Tenant(tenant()?, EnvironmentPattern::Every),
            "tenant" => Scope::Tenant(tenant()?, EnvironmentPattern::One(one()?)),
            "workload" => Scope::Workload(tenant()?, one()?, WorkloadId::from(self.workload.as_deref()?)),
            _ => return None,
        })
    }
}

/// The document of a `binding`.
#[derive(Clone, Debug, Deserialize)]
pub(crate) struct Document {
    name: String,
    pub(crate) scope: ScopeForm,
    pub(crate) policy: String,
    #[serde(default)]
    pub(crate) actor: Option<String>,
    #[serde(default)]
    pub(crate) action: Option<String>,
    #[serde(default)]
    pub(crate) resource: Option<String>,
    #[serde(default)]
    pub(crate) outcome: Option<String>,
    #[serde(default)]
    pub(crate) lease_ms: Option<u64>,
}

/// A binding as its tenant recorded it.
#[derive(Clone, Debug)]
pub(crate) struct Binding {
    id: String,
    version: String,
    valid_from: Option<Timestamp>,
    valid_until: Option<Timestamp>,
    scope: Scope,
    pub(crate) document: Document,
}

impl Binding {
    /// Reads an object of kind `binding`.
    ///
    /// # Errors
    /// Why it can not be used.
    pub(crate) fn read(
        (id, version): (&str, &str),
        (valid_from, valid_until): (Option<Timestamp>, Option<Timestamp>),
        document: &str,
    ) -> Result<Self, String> {
        let document: Document = serde_json::from_str(document).map_err(|error| error.to_string())?;
        let scope = document.scope.read().ok_or("its `scope` is none")?;
        for pointer in [&document.actor, &document.action, &document.resource, &document.outcome]
            .into_iter()
            .flatten()
        {
            if !pointer.is_empty() && !pointer.starts_with('/') {
                return Err(format!("`{pointer}` is no JSON Pointer"));
            }
        }
        if document
            .lease_ms
            .is_some_and(|lease| !(1..=LONGEST_LEASE_MS).contains(&lease))
        {
            return Err("its `lease_ms` is outside 1 ms to 3650 days".to_owned());
        }
        Ok(Self {
            id: id.to_owned(),
            version: version.to_owned(),
            valid_from,
            valid_until,
            scope,
            document,
        })
    }

    /// `id@version`, to be recorded with what it mapped.
    pub(crate) fn name(&self) -> String {
        format!("{}@{}", self.id, self.version)
    }

    fn is_in_force(&self, at: Timestamp) -> bool {
        self.valid_from.is_none_or(|from| from <= at) && self.valid_until.is_none_or(|until| at < until)
    }
}

/// The bindings of a tenant, by object id.
#[derive(Clone, Debug, Default)]
pub(crate) struct BindingSet(pub(crate) BTreeMap<String, Arc<Binding>>);

impl BindingSet {
    /// The binding of a bundle's name: of those in force whose scope covers the place, the most specific, and of equals
    /// the last by id.
    pub(crate) fn find(
        &self,
        name: &str,
        (tenant, environment): (&TenantId, &Environment),
        at: Timestamp,
    ) -> Option<&Binding> {
        self.0
            .values()
            .map(|binding| &**binding)
            .filter(|binding| binding.document.name == name && binding.is_in_force(at))
            .filter(|binding| binding.scope.covers(tenant, environment))
            .max_by_key(|binding| (binding.scope.layer(), binding.id.as_str()))
    }
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;

    pub(crate) fn set(documents: &[(&str, &str)]) -> BindingSet {
        let binding = |(id, document): &(&str, &str)| {
            (
                (*id).to_owned(),
                Arc::new(Binding::read((id, "1"), (None, None), document).unwrap()),
            )
        };
        BindingSet(documents.iter().map(binding).collect())
    }

    #[test]
    fn the_most_specific_binding_that_covers_the_place_is_meant() {
        let set = set(&[
            (
                "a",
                r#"{"name":"authz","scope":{"layer":"workload","tenant":"acme","environment":"prod","workload":"w"},"policy":"w"}"#,
            ),
            (
                "b",
                r#"{"name":"authz","scope":{"layer":"tenant","tenant":"acme","environment":"*"},"policy":"t"}"#,
            ),
            (
                "c",
                r#"{"name":"authz","scope":{"layer":"tenant","tenant":"globex","environment":"prod"},"policy":"g"}"#,
            ),
            ("d", r#"{"name":"other","scope":{"layer":"global"},"policy":"o"}"#),
        ]);
        let found = |name: &str, environment: &str| {
            let place = (&TenantId::parse("acme").unwrap(), &Environment::from(environment));
            set.find(name, place, Timestamp::MIN)
                .map(|binding| binding.document.policy.clone())
        };
        assert_eq!(found("authz", "prod").as_deref(), Some("w"));
        assert_eq!(found("authz", "staging").as_deref(), Some("t"));
        assert_eq!(found("other", "prod").as_deref(), Some("o"));
        assert_eq!(found("nothing", "prod"), None);
    }

    #[test]
    fn what_can_not_be_used_says_why() {
        let read = |document: &str| Binding::read(("b", "1"), (None, None), document).unwrap_err();
        assert!(read(r#"{"name":"a","policy":"p"}"#).contains("scope"));
        assert!(read(r#"{"name":"a","policy":"p","scope":{"layer":"tenant"}}"#).contains("scope"));
        assert!(
            read(r#"{"name":"a","policy":"p","scope":{"layer":"global"},"actor":"input.user"}"#).contains("Pointer")
        );
        assert!(read(r#"{"name":"a","policy":"p","scope":{"layer":"global"},"lease_ms":0}"#).contains("lease_ms"));
    }
}
