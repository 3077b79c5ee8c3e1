//! Who sends, and into which tenant's log: decided from the path and the token alone, never from the body (A7).

use axum::http::{HeaderMap, header};
use verdict_schemas::TenantId;
use verdict_store::access::{Access, Principal, Role};

use crate::problem::{Code, Problem};

/// A caller that has something to do with the tenant of the path.
#[derive(Clone, Debug)]
pub(crate) struct Caller {
    pub(crate) tenant: TenantId,
    pub(crate) principal: Principal,
}

impl Caller {
    /// Recognises the caller and its tenant.
    ///
    /// # Errors
    /// 401 without a token that is known; 404 for a name that is no tenant, and alike for one that the caller has no
    /// role in.
    pub(crate) fn recognise(access: &Access, headers: &HeaderMap, tenant: &str) -> Result<Self, Problem> {
        let authorization = headers.get(header::AUTHORIZATION).and_then(|value| value.to_str().ok());
        let principal = access.authenticate(authorization).ok_or_else(|| {
            Problem::new(
                Code::Unauthenticated,
                "send `Authorization: Bearer TOKEN` with a token of this server",
            )
        })?;
        let tenant = TenantId::parse(tenant).map_err(|_| Problem::unknown_tenant(tenant))?;
        let concerned = [Role::Emit, Role::Control, Role::Read]
            .iter()
            .any(|role| principal.may(*role, &tenant));
        if concerned {
            Ok(Self { tenant, principal })
        } else {
            Err(Problem::unknown_tenant(tenant.as_str()))
        }
    }

    /// May it send intent here, or observation? Intent changes answers and needs `control` (E5).
    pub(crate) fn may_send(&self, intent: bool) -> bool {
        let role = if intent { Role::Control } else { Role::Emit };
        self.principal.may(role, &self.tenant)
    }

    /// May it send anything at all here?
    ///
    /// # Errors
    /// 403 when it may only read.
    pub(crate) fn must_send(&self) -> Result<(), Problem> {
        if self.may_send(true) || self.may_send(false) {
            return Ok(());
        }
        Err(Problem::new(
            Code::NotAllowed,
            format!("you may read `{}`, but not send to it", self.tenant),
        ))
    }

    /// May it send observation, as every path of OPA needs?
    ///
    /// # Errors
    /// 403, also for `_platform`, which holds intent only.
    pub(crate) fn must_observe(&self) -> Result<(), Problem> {
        if self.tenant.is_platform() {
            return Err(Problem::new(
                Code::NotAllowed,
                "`_platform` holds intent only, and OPA reports observation",
            ));
        }
        if self.may_send(false) {
            return Ok(());
        }
        Err(Problem::new(
            Code::NotAllowed,
            format!("reporting into `{}` needs the role `emit`", self.tenant),
        ))
    }
}
