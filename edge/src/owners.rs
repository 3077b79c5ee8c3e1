//! Which node holds a tenant that is not held here, and how its caller gets there.

use std::collections::BTreeMap;
use std::sync::Arc;

use axum::http::{HeaderValue, StatusCode, Uri, header};
use axum::response::{IntoResponse, Response};
use verdict_schemas::TenantId;

/// The base URLs of other nodes, without a trailing `/`, by what they hold. Clones share it.
#[derive(Clone, Debug, Default)]
pub struct Owners {
    by_tenant: Arc<BTreeMap<TenantId, String>>,
}

impl Owners {
    /// Single tenants, each held by the node at this base URL.
    pub fn of_tenants(by_tenant: BTreeMap<TenantId, String>) -> Self {
        let trimmed = by_tenant
            .into_iter()
            .map(|(tenant, url)| (tenant, url.trim_end_matches('/').to_owned()));
        Self {
            by_tenant: Arc::new(trimmed.collect()),
        }
    }

    /// 307 to the same path and query at the node that holds the tenant, if that is another.
    pub fn redirect(&self, tenant: &TenantId, uri: &Uri) -> Option<Response> {
        let owner = self.by_tenant.get(tenant)?;
        let target = uri.path_and_query().map_or("/", |target| target.as_str());
        let location = HeaderValue::try_from(format!("{owner}{target}")).ok()?;
        Some((StatusCode::TEMPORARY_REDIRECT, [(header::LOCATION, location)]).into_response())
    }
}
