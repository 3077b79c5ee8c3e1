//! A scope that borrows its names.

use std::borrow::Cow;

use crate::validate::{LAYERS, NamedLayer};
use crate::{Environment, EnvironmentPattern, Layer, Scope, TenantId, WorkloadId};

/// A scope, borrowed from the bytes that name it.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum ScopeRef<'a> {
    /// `{layer: global}`
    Global,
    /// `{layer: environment, environment}`
    Environment(Cow<'a, str>),
    /// `{layer: tenant, tenant, environment}`: the environment `*` or one.
    Tenant(Cow<'a, str>, Cow<'a, str>),
    /// `{layer: workload, tenant, environment, workload}`
    Workload(Cow<'a, str>, Cow<'a, str>, Cow<'a, str>),
}

impl<'a> ScopeRef<'a> {
    /// Borrows a scope.
    pub fn of(scope: &'a Scope) -> Self {
        match scope {
            Scope::Global => Self::Global,
            Scope::Environment(environment) => Self::Environment(environment.as_str().into()),
            Scope::Tenant(tenant, EnvironmentPattern::Every) => Self::Tenant(tenant.as_str().into(), "*".into()),
            Scope::Tenant(tenant, EnvironmentPattern::One(environment)) => {
                Self::Tenant(tenant.as_str().into(), environment.as_str().into())
            }
            Scope::Workload(tenant, environment, workload) => Self::Workload(
                tenant.as_str().into(),
                environment.as_str().into(),
                workload.as_str().into(),
            ),
        }
    }

    /// The owned form. A tenant that no well-formed event can name (only a `ScopeRef` built by hand holds one)
    /// becomes `_platform`, of which no scope is.
    pub fn to_scope(&self) -> Scope {
        let tenant = |name: &str| TenantId::parse(name).unwrap_or_else(|_| TenantId::platform());
        match self {
            Self::Global => Scope::Global,
            Self::Environment(environment) => Scope::Environment(Environment::from(&**environment)),
            Self::Tenant(name, environment) if environment == "*" => {
                Scope::Tenant(tenant(name), EnvironmentPattern::Every)
            }
            Self::Tenant(name, environment) => {
                Scope::Tenant(tenant(name), EnvironmentPattern::One(Environment::from(&**environment)))
            }
            Self::Workload(name, environment, workload) => Scope::Workload(
                tenant(name),
                Environment::from(&**environment),
                WorkloadId::from(&**workload),
            ),
        }
    }

    /// The layer.
    pub fn layer(&self) -> Layer {
        match self {
            Self::Global => Layer::Global,
            Self::Environment(_) => Layer::Environment,
            Self::Tenant(_, environment) if environment == "*" => Layer::TenantWide,
            Self::Tenant(..) => Layer::Tenant,
            Self::Workload(..) => Layer::Workload,
        }
    }

    /// Does the scope cover this tenant (E2)?
    pub fn covers_tenant(&self, tenant: &str) -> bool {
        match self {
            Self::Global | Self::Environment(_) => true,
            Self::Tenant(name, _) | Self::Workload(name, ..) => name == tenant,
        }
    }

    /// Does the scope cover this tenant in this environment (E9)?
    pub fn covers(&self, tenant: &str, environment: &str) -> bool {
        self.covers_tenant(tenant)
            && match self {
                Self::Global => true,
                Self::Tenant(_, pattern) => pattern == "*" || pattern == environment,
                Self::Environment(name) | Self::Workload(_, name, _) => name == environment,
            }
    }

    /// The same, free of the bytes.
    pub fn into_owned(self) -> ScopeRef<'static> {
        let owned = |text: Cow<'_, str>| Cow::Owned(text.into_owned());
        match self {
            Self::Global => ScopeRef::Global,
            Self::Environment(environment) => ScopeRef::Environment(owned(environment)),
            Self::Tenant(tenant, environment) => ScopeRef::Tenant(owned(tenant), owned(environment)),
            Self::Workload(tenant, environment, workload) => {
                ScopeRef::Workload(owned(tenant), owned(environment), owned(workload))
            }
        }
    }
}

/// A scope from its parts, for the quick readers: `names` are its tenant, environment and workload.
pub(super) fn quick_scope<'a>(layer: &str, names: [Option<Cow<'a, str>>; 3]) -> Option<ScopeRef<'a>> {
    let [tenant, environment, workload] = names;
    let tenant = || tenant.filter(|name| TenantId::is_valid(name) && name != TenantId::PLATFORM);
    let one = |environment: Option<Cow<'a, str>>| environment.filter(|name| name != "*");
    Some(match LAYERS.iter().find(|(word, _)| *word == layer)?.1 {
        NamedLayer::Global => ScopeRef::Global,
        NamedLayer::Environment => ScopeRef::Environment(one(environment)?),
        NamedLayer::Tenant => ScopeRef::Tenant(tenant()?, environment?),
        NamedLayer::Workload => ScopeRef::Workload(tenant()?, one(environment)?, workload?),
    })
}
