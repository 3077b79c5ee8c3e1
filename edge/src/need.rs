//! What a route needs, declared as a type: who may call it, and of which log it is.
//!
//! ```no_run
//! # use verdict_edge::{Admitted, Reporting};
//! async fn status(sender: Admitted<Reporting>) { /* sender.of is a tenant that the caller may report into */ }
//! ```
//! [`Admitted`] is the extractor for routes that refuse at once. A door that must take the same time whatever its caller may
//! (A7) asks its [`Need`] itself.

use std::collections::HashMap;
use std::fmt::Debug;

use axum::extract::{FromRequestParts, Path};
use axum::http::request::Parts;
use axum::http::{HeaderMap, HeaderValue, header};
use verdict_schemas::TenantId;
use verdict_store::{LogName, Snapshot, StoreError};

use crate::HasEdge;
use crate::access::{Access, Principal, Role};
use crate::peers::ON_BEHALF_OF;
use crate::problem::{Answer, Code, Problem};

/// What a route needs of its caller and of what its path names as `{tenant}`.
pub trait Need: Send + Sync + 'static {
    /// What the name stands for.
    type Of: Clone + Debug + Send + Sync + 'static;

    /// What this name stands for, to this caller.
    ///
    /// # Errors
    /// 404 for a name that is none, and alike for one that the caller has nothing to do with (A7); 403 where it has, and lacks
    /// the role.
    fn admit(caller: &Principal, name: &str) -> Answer<Self::Of>;
}

/// A need of a route that answers from a log.
pub trait Answerable: Need<Of = LogName> {
    /// Is there anything to answer from?
    ///
    /// # Errors
    /// What the store says when it can not be read.
    fn is_there(log: &LogName, snapshot: &Snapshot<'_>) -> Result<bool, StoreError>;
}

/// Read a tenant that has recorded something.
#[derive(Clone, Copy, Debug)]
pub enum Tenant {}

/// Read what a tenant's policies are: its own log joined with that of `_platform`. What the platform intends for every tenant
/// holds for one that has recorded nothing yet.
#[derive(Clone, Copy, Debug)]
pub enum Policies {}

/// Read any log: an admin may also name one that is no tenant's, `_unrouted.<partition>`.
#[derive(Clone, Copy, Debug)]
pub enum AnyLog {}

/// Send to a tenant: observation, or intent.
#[derive(Clone, Copy, Debug)]
pub enum Sending {}

/// Report observation into a tenant that is not `_platform`, as every path of OPA does.
#[derive(Clone, Copy, Debug)]
pub enum Reporting {}

/// Any caller that is known, about no log.
#[derive(Clone, Copy, Debug)]
pub enum NoLog {}

impl Need for Tenant {
    type Of = LogName;

    fn admit(caller: &Principal, name: &str) -> Answer<LogName> {
        match TenantId::parse(name) {
            Ok(tenant) if caller.may(Role::Read, &tenant) => Ok(LogName::Tenant(tenant)),
            _ => Err(Problem::unknown_tenant(name, "read")),
        }
    }
}

impl Answerable for Tenant {
    fn is_there(log: &LogName, snapshot: &Snapshot<'_>) -> Result<bool, StoreError> {
        let platform = log.tenant().is_some_and(TenantId::is_platform);
        Ok(platform || snapshot.log(log)?.is_some())
    }
}

impl Need for Policies {
    type Of = LogName;

    fn admit(caller: &Principal, name: &str) -> Answer<LogName> {
        Tenant::admit(caller, name)
    }
}

impl Answerable for Policies {
    fn is_there(log: &LogName, snapshot: &Snapshot<'_>) -> Result<bool, StoreError> {
        Ok(Tenant::is_there(log, snapshot)? || snapshot.log(&LogName::Tenant(TenantId::platform()))?.is_some())
    }
}

impl Need for AnyLog {
    type Of = LogName;

    fn admit(caller: &Principal, name: &str) -> Answer<LogName> {
        match name.parse() {
            Ok(LogName::Unrouted(partition)) if caller.is_admin() => Ok(LogName::Unrouted(partition)),
            _ => Tenant::admit(caller, name),
        }
    }
}

impl Answerable for AnyLog {
    fn is_there(log: &LogName, snapshot: &Snapshot<'_>) -> Result<bool, StoreError> {
        Tenant::is_there(log, snapshot)
    }
}

impl Need for Sending {
    type Of = TenantId;

    fn admit(caller: &Principal, name: &str) -> Answer<TenantId> {
        let tenant = concerned(caller, name)?;
        if caller.may_send(&tenant, true) || caller.may_send(&tenant, false) {
            return Ok(tenant);
        }
        let detail = format!("you may read `{tenant}`, but not send to it");
        Err(Problem::new(Code::NotAllowed, detail))
    }
}

impl Need for Reporting {
    type Of = TenantId;

    fn admit(caller: &Principal, name: &str) -> Answer<TenantId> {
        let tenant = concerned(caller, name)?;
        if tenant.is_platform() {
            let detail = "`_platform` holds intent only, and OPA reports observation";
            return Err(Problem::new(Code::NotAllowed, detail));
        }
        if caller.may_send(&tenant, false) {
            return Ok(tenant);
        }
        let detail = format!("reporting into `{tenant}` needs the role `emit`");
        Err(Problem::new(Code::NotAllowed, detail))
    }
}

impl Need for NoLog {
    type Of = ();

    fn admit(_: &Principal, _: &str) -> Answer<()> {
        Ok(())
    }
}

/// A tenant that the caller has something to do with, whatever that is.
fn concerned(caller: &Principal, name: &str) -> Answer<TenantId> {
    let unknown = || Problem::unknown_tenant(name, "send to");
    let tenant = TenantId::parse(name).map_err(|_| unknown())?;
    let concerned = [Role::Emit, Role::Control, Role::Read]
        .iter()
        .any(|role| caller.may(*role, &tenant));
    if concerned { Ok(tenant) } else { Err(unknown()) }
}

/// The caller of a request: whoever sent it, or on whose behalf another node did.
///
/// # Errors
/// 403 for whoever is no node and asks on behalf of others; 401 without a token that is known, and with two: which of them was meant is nobody's to guess.
pub fn caller(access: &Access, headers: &HeaderMap) -> Answer<Principal> {
    let mut given = headers.get_all(header::AUTHORIZATION).iter();
    let one = given.next().map(HeaderValue::to_str).transpose().ok();
    let one = one.filter(|_| given.next().is_none());
    let sender = one
        .and_then(|authorization| access.authenticate(authorization))
        .ok_or_else(|| Problem::new(Code::Unauthenticated, unauthenticated(headers)))?;
    let Some(claims) = headers.get(ON_BEHALF_OF) else {
        return Ok(sender);
    };
    let claims = claims.to_str().ok();
    claims.and_then(|claims| sender.on_behalf(claims)).ok_or_else(|| {
        let detail = "asking on behalf of others needs the role `node`, and to say readably who they are";
        Problem::new(Code::NotAllowed, detail)
    })
}

/// What is wrong with a request that nobody known sent. That a token is not known says nothing of those that are.
fn unauthenticated(headers: &HeaderMap) -> &'static str {
    let mut given = headers.get_all(header::AUTHORIZATION).iter();
    match (given.next(), given.next()) {
        (None, _) => "no token was sent: send `Authorization: Bearer TOKEN`",
        (Some(_), Some(_)) => "`Authorization` was sent more than once: send one",
        (Some(one), None) => match one.to_str().ok().and_then(|value| value.split_once(' ')) {
            Some((scheme, _)) if scheme.eq_ignore_ascii_case("bearer") => {
                "the token that was sent is none of this server's"
            }
            _ => "`Authorization` holds no bearer token: send `Authorization: Bearer TOKEN`",
        },
    }
}

/// A caller that its route admits.
#[derive(Clone, Debug)]
pub struct Admitted<N: Need> {
    /// Who.
    pub caller: Principal,
    /// What the path names.
    pub of: N::Of,
}

impl<N: Need, S: HasEdge + Send + Sync> FromRequestParts<S> for Admitted<N> {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, Problem> {
        // Of a path that is not UTF-8 nobody learns anything before saying who he is.
        let segments = Path::<HashMap<String, String>>::from_request_parts(parts, state).await;
        let caller = caller(state.edge().access(), &parts.headers)?;
        let name = segments.ok().and_then(|Path(mut segments)| segments.remove("tenant"));
        let of = N::admit(&caller, name.as_deref().unwrap_or("(not UTF-8)"))?;
        Ok(Self { caller, of })
    }
}
