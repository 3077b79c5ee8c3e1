//! Who sends, and into which tenant's log: decided from the path and the token alone, never from the body (A7).

use std::sync::Arc;

use verdict_edge::access::Principal;
use verdict_edge::{Admitted, Need};
use verdict_schemas::TenantId;
use verdict_store::ANONYMOUS;

/// A caller that may send to the tenant of the path.
#[derive(Clone, Debug)]
pub(crate) struct Sender {
    pub(crate) tenant: TenantId,
    pub(crate) principal: Principal,
}

impl Sender {
    /// The name that its records say they were sent by.
    pub(crate) fn name(&self) -> Arc<str> {
        let name = self.principal.name.as_ref().map(Arc::clone);
        name.unwrap_or_else(|| ANONYMOUS.into())
    }

    /// May it send intent here, or observation?
    pub(crate) fn may_send(&self, intent: bool) -> bool {
        self.principal.may_send(&self.tenant, intent)
    }
}

impl<N: Need<Of = TenantId>> From<Admitted<N>> for Sender {
    fn from(admitted: Admitted<N>) -> Self {
        Self {
            tenant: admitted.of,
            principal: admitted.caller,
        }
    }
}
