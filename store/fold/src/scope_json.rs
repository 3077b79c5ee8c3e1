//! A scope as the contract writes it: `{layer, tenant?, environment?, workload?}`, layers `global`, `environment`,
//! `tenant` (environment `*` or one) and `workload`. Used with `#[serde(with = "crate::scope_json")]`.

use serde::de::Error as _;
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use verdict_schemas::{Environment, EnvironmentPattern, Scope, TenantId, WorkloadId};

/// The fields of a scope, in the order of the contract.
#[derive(Serialize, Deserialize)]
struct Form {
    layer: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    tenant: Option<TenantId>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    environment: Option<Environment>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    workload: Option<WorkloadId>,
}

/// `*`: every environment. Never an `Environment` outside this module.
const EVERY: &str = "*";

impl From<&Scope> for Form {
    fn from(scope: &Scope) -> Self {
        let (layer, tenant, environment, workload) = match scope {
            Scope::Global => ("global", None, None, None),
            Scope::Environment(e) => ("environment", None, Some(e.clone()), None),
            Scope::Tenant(t, EnvironmentPattern::Every) => {
                ("tenant", Some(t.clone()), Some(Environment::new(EVERY)), None)
            }
            Scope::Tenant(t, EnvironmentPattern::One(e)) => ("tenant", Some(t.clone()), Some(e.clone()), None),
            Scope::Workload(t, e, w) => ("workload", Some(t.clone()), Some(e.clone()), Some(w.clone())),
        };
        Self {
            layer: layer.to_owned(),
            tenant,
            environment,
            workload,
        }
    }
}

impl Form {
    /// Back to the scope; `None` where a field of the layer is missing or the layer is unknown.
    fn scope(self) -> Option<Scope> {
        match self.layer.as_str() {
            "global" => Some(Scope::Global),
            "environment" => self.environment.map(Scope::Environment),
            "tenant" => {
                let environment = match self.environment? {
                    every if every.as_str() == EVERY => EnvironmentPattern::Every,
                    one => EnvironmentPattern::One(one),
                };
                Some(Scope::Tenant(self.tenant?, environment))
            }
            "workload" => Some(Scope::Workload(self.tenant?, self.environment?, self.workload?)),
            _ => None,
        }
    }
}

/// Writes the contract's form.
///
/// # Errors
/// Those of the serializer.
pub fn serialize<S: Serializer>(scope: &Scope, serializer: S) -> Result<S::Ok, S::Error> {
    Form::from(scope).serialize(serializer)
}

/// Reads the contract's form.
///
/// # Errors
/// When a field that the layer needs is missing, or the layer is unknown.
pub fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Scope, D::Error> {
    let form = Form::deserialize(deserializer)?;
    form.scope()
        .ok_or_else(|| D::Error::custom("not a scope: unknown layer, or a field of the layer is missing"))
}

/// A scope that may be absent; for `#[serde(serialize_with = ...)]` beside `skip_serializing_if`.
pub(crate) fn serialize_option<S: Serializer>(scope: &Option<Scope>, serializer: S) -> Result<S::Ok, S::Error> {
    scope.as_ref().map(Form::from).serialize(serializer)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(Serialize, Deserialize, PartialEq, Debug)]
    struct Held(#[serde(with = "super")] Scope);

    #[test]
    fn every_layer_reads_back_as_written() {
        let tenant = TenantId::parse("acme").unwrap();
        let prod = Environment::new("prod");
        for (scope, written) in [
            (Scope::Global, r#"{"layer":"global"}"#),
            (
                Scope::Environment(prod.clone()),
                r#"{"layer":"environment","environment":"prod"}"#,
            ),
            (
                Scope::Tenant(tenant.clone(), EnvironmentPattern::Every),
                r#"{"layer":"tenant","tenant":"acme","environment":"*"}"#,
            ),
            (
                Scope::Tenant(tenant.clone(), EnvironmentPattern::One(prod.clone())),
                r#"{"layer":"tenant","tenant":"acme","environment":"prod"}"#,
            ),
            (
                Scope::Workload(tenant, prod, WorkloadId::new("api")),
                r#"{"layer":"workload","tenant":"acme","environment":"prod","workload":"api"}"#,
            ),
        ] {
            let text = serde_json::to_string(&Held(scope.clone())).unwrap();
            assert_eq!(text, written);
            assert_eq!(serde_json::from_str::<Held>(&text).unwrap(), Held(scope));
        }
        assert!(serde_json::from_str::<Held>(r#"{"layer":"tenant","tenant":"acme"}"#).is_err());
    }
}
