//! Scopes, tenants, environments.

use crate::tree::{Fields, Node, Read, choice, name, object, text};
use crate::{Environment, EnvironmentPattern, Rejection, Scope, TenantId, rule};

/// The layer as an event names it (`tenant_wide` of E24 is `tenant` with `*`).
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum NamedLayer {
    Global,
    Environment,
    Tenant,
    Workload,
}

/// The words of `layer`.
pub(crate) const LAYERS: &[(&str, NamedLayer)] = &[
    ("global", NamedLayer::Global),
    ("environment", NamedLayer::Environment),
    ("tenant", NamedLayer::Tenant),
    ("workload", NamedLayer::Workload),
];

/// A tenant's name.
pub(super) fn tenant(node: Node<'_>) -> Read<TenantId> {
    TenantId::parse(&text(node)?).map_err(|error| Rejection::new(rule::INVALID_TENANT, error.to_string()))
}

/// One environment, never `*`.
pub(super) fn environment(node: Node<'_>) -> Read<Environment> {
    let text = text(node)?;
    if text == "*" {
        return Err(Rejection::new(
            rule::WILDCARD_ENVIRONMENT,
            "`*` names every environment, which only a scope of the tenant layer can",
        ));
    }
    Ok(Environment::from(&*text))
}

/// A scope. Fields that its layer does not use are ignored like unknown ones.
pub(super) fn scope(node: Node<'_>) -> Read<Scope> {
    let mut fields = object(node)?;
    Ok(match fields.need("layer", choice(LAYERS))? {
        NamedLayer::Global => Scope::Global,
        NamedLayer::Environment => Scope::Environment(fields.need("environment", environment)?),
        NamedLayer::Tenant => Scope::Tenant(scoped_tenant(&mut fields)?, fields.need("environment", pattern)?),
        NamedLayer::Workload => Scope::Workload(
            scoped_tenant(&mut fields)?,
            fields.need("environment", environment)?,
            fields.need("workload", name)?,
        ),
    })
}

fn scoped_tenant(fields: &mut Fields<'_>) -> Read<TenantId> {
    fields.need("tenant", |node| {
        let tenant = tenant(node)?;
        if tenant.is_platform() {
            return Err(Rejection::new(
                rule::PLATFORM_SCOPE,
                "`_platform` has no scopes of its own; its log holds the global and environment layers",
            ));
        }
        Ok(tenant)
    })
}

fn pattern(node: Node<'_>) -> Read<EnvironmentPattern> {
    let text = text(node)?;
    Ok(if text == "*" {
        EnvironmentPattern::Every
    } else {
        EnvironmentPattern::One(Environment::from(&*text))
    })
}
