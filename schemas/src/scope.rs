//! Where a policy applies: the four layers, from the least to the most specific.

use std::fmt;

use crate::{Environment, TenantId, WorkloadId};

/// The environment of a tenant-layer scope: one, or every one of them (`*`, never implied).
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub enum EnvironmentPattern {
    /// `*`
    Every,
    /// One environment.
    One(Environment),
}

/// A scope. The order of the variants is the order of the layers (E21).
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub enum Scope {
    /// `{layer: global}`
    Global,
    /// `{layer: environment, environment}`
    Environment(Environment),
    /// `{layer: tenant, tenant, environment}`, environment `*` or one.
    Tenant(TenantId, EnvironmentPattern),
    /// `{layer: workload, tenant, environment, workload}`
    Workload(TenantId, Environment, WorkloadId),
}

/// The layers as `history?layer=` names them, in the order of E21.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub enum Layer {
    /// Everywhere.
    Global,
    /// One environment, every tenant.
    Environment,
    /// One tenant, every environment (`*`).
    TenantWide,
    /// One tenant in one environment.
    Tenant,
    /// One workload.
    Workload,
}

impl Layer {
    /// The name in `history?layer=` (E24).
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Global => "global",
            Self::Environment => "environment",
            Self::TenantWide => "tenant_wide",
            Self::Tenant => "tenant",
            Self::Workload => "workload",
        }
    }
}

impl Scope {
    /// The layer.
    pub fn layer(&self) -> Layer {
        match self {
            Self::Global => Layer::Global,
            Self::Environment(_) => Layer::Environment,
            Self::Tenant(_, EnvironmentPattern::Every) => Layer::TenantWide,
            Self::Tenant(_, EnvironmentPattern::One(_)) => Layer::Tenant,
            Self::Workload(..) => Layer::Workload,
        }
    }

    /// The tenant in whose log intent about this scope acts (E2).
    pub fn log(&self) -> TenantId {
        match self {
            Self::Global | Self::Environment(_) => TenantId::platform(),
            Self::Tenant(tenant, _) | Self::Workload(tenant, ..) => tenant.clone(),
        }
    }

    /// Does the scope cover this tenant (E2: "observations may name any scope that covers their tenant")?
    pub fn covers_tenant(&self, tenant: &TenantId) -> bool {
        match self {
            Self::Global | Self::Environment(_) => true,
            Self::Tenant(t, _) | Self::Workload(t, ..) => t == tenant,
        }
    }

    /// Does the scope cover this tenant in this environment (E9)?
    pub fn covers(&self, tenant: &TenantId, environment: &Environment) -> bool {
        self.covers_tenant(tenant)
            && match self {
                Self::Global | Self::Tenant(_, EnvironmentPattern::Every) => true,
                Self::Environment(e) | Self::Tenant(_, EnvironmentPattern::One(e)) | Self::Workload(_, e, _) => {
                    e == environment
                }
            }
    }
}

impl fmt::Display for Scope {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Global => f.write_str("global"),
            Self::Environment(e) => write!(f, "environment {e}"),
            Self::Tenant(t, EnvironmentPattern::Every) => write!(f, "tenant {t} everywhere"),
            Self::Tenant(t, EnvironmentPattern::One(e)) => write!(f, "tenant {t} in {e}"),
            Self::Workload(t, e, w) => write!(f, "workload {w} of {t} in {e}"),
        }
    }
}
