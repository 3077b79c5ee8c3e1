//! A scope as rows have it: the one form of it in bytes.
//!
//! ```text
//! scope   layer u8 | its parts, each behind its length
//!         1 global   2 environment   3 tenant, every environment   4 tenant, environment   5 tenant, environment, workload
//! ```

use verdict_schemas::{Environment, EnvironmentPattern, Scope, TenantId, WorkloadId};

use super::key::{Fields, put_text};
use super::space::Corrupt;

/// A scope without owning its strings.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum ScopeRef<'a> {
    /// Everywhere.
    Global,
    /// One environment, every tenant.
    Environment(&'a str),
    /// One tenant, in one environment or (`None`) every one.
    Tenant(&'a str, Option<&'a str>),
    /// (tenant, environment, workload)
    Workload(&'a str, &'a str, &'a str),
}

impl<'a> From<&'a Scope> for ScopeRef<'a> {
    fn from(scope: &'a Scope) -> Self {
        match scope {
            Scope::Global => Self::Global,
            Scope::Environment(environment) => Self::Environment(environment.as_str()),
            Scope::Tenant(tenant, EnvironmentPattern::Every) => Self::Tenant(tenant.as_str(), None),
            Scope::Tenant(tenant, EnvironmentPattern::One(one)) => Self::Tenant(tenant.as_str(), Some(one.as_str())),
            Scope::Workload(tenant, environment, workload) => {
                Self::Workload(tenant.as_str(), environment.as_str(), workload.as_str())
            }
        }
    }
}

impl<'a> From<&'a verdict_schemas::ScopeRef<'_>> for ScopeRef<'a> {
    fn from(scope: &'a verdict_schemas::ScopeRef<'_>) -> Self {
        use verdict_schemas::ScopeRef as Named;
        match scope {
            Named::Global => Self::Global,
            Named::Environment(environment) => Self::Environment(environment),
            Named::Tenant(tenant, environment) => Self::Tenant(tenant, (environment != "*").then_some(&**environment)),
            Named::Workload(tenant, environment, workload) => Self::Workload(tenant, environment, workload),
        }
    }
}

/// Appends a scope.
pub fn put_scope(out: &mut Vec<u8>, scope: ScopeRef<'_>) {
    let (layer, parts): (u8, [Option<&str>; 3]) = match scope {
        ScopeRef::Global => (1, [None; 3]),
        ScopeRef::Environment(environment) => (2, [Some(environment), None, None]),
        ScopeRef::Tenant(tenant, None) => (3, [Some(tenant), None, None]),
        ScopeRef::Tenant(tenant, Some(environment)) => (4, [Some(tenant), Some(environment), None]),
        ScopeRef::Workload(tenant, environment, workload) => (5, [Some(tenant), Some(environment), Some(workload)]),
    };
    out.push(layer);
    parts.into_iter().flatten().for_each(|part| put_text(out, part));
}

/// Reads a scope, which must be all there is.
///
/// # Errors
/// When the bytes are not as [`put_scope`] writes them.
pub fn read_scope(bytes: &[u8]) -> Result<Scope, Corrupt> {
    let mut fields = Fields::new(bytes, "scopes");
    let scope = take_scope(&mut fields)?;
    fields.end()?;
    Ok(scope)
}

/// Reads a scope from the front.
pub(super) fn take_scope(fields: &mut Fields<'_>) -> Result<Scope, Corrupt> {
    let corrupt = fields.corrupt();
    let tenant = |name: &str| TenantId::parse(name).map_err(|_| corrupt);
    // One environment is never called as all of them are.
    let one = |name: &str| match name {
        "*" => Err(corrupt),
        one => Ok(Environment::new(one)),
    };
    Ok(match fields.u8()? {
        1 => Scope::Global,
        2 => Scope::Environment(one(fields.text()?)?),
        3 => Scope::Tenant(tenant(fields.text()?)?, EnvironmentPattern::Every),
        4 => {
            let tenant = tenant(fields.text()?)?;
            Scope::Tenant(tenant, EnvironmentPattern::One(one(fields.text()?)?))
        }
        5 => {
            let tenant = tenant(fields.text()?)?;
            let environment = one(fields.text()?)?;
            Scope::Workload(tenant, environment, WorkloadId::new(fields.text()?))
        }
        _ => return Err(corrupt),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The bytes as they stand in rows.
    #[test]
    fn every_layer_has_one_form_and_reads_back() {
        let tenant = TenantId::parse("acme").unwrap();
        let prod = Environment::new("prod");
        for (scope, form) in [
            (Scope::Global, "\x01"),
            (Scope::Environment(prod.clone()), "\x02\x04prod"),
            (Scope::Tenant(tenant.clone(), EnvironmentPattern::Every), "\x03\x04acme"),
            (
                Scope::Tenant(tenant.clone(), EnvironmentPattern::One(prod.clone())),
                "\x04\x04acme\x04prod",
            ),
            (
                Scope::Workload(tenant, prod, WorkloadId::new("api")),
                "\x05\x04acme\x04prod\x03api",
            ),
        ] {
            let mut bytes = Vec::new();
            put_scope(&mut bytes, ScopeRef::from(&scope));
            assert_eq!(bytes, form.as_bytes());
            let named = verdict_schemas::ScopeRef::of(&scope);
            assert_eq!(ScopeRef::from(&named), ScopeRef::from(&scope));
            assert_eq!(read_scope(&bytes).as_ref(), Ok(&scope));
            assert!(read_scope(&bytes[..bytes.len() - 1]).is_err());
            bytes.push(0);
            assert!(read_scope(&bytes).is_err());
        }
        for other in ["\x02\x01*", "\x04\x04acme\x01*", "\x06", "\x00", "\x03\x01 "] {
            assert!(read_scope(other.as_bytes()).is_err(), "{other:?}");
        }
    }
}
