//! Who may do what: bearer tokens from a file of hashes, each with tenants and roles.
//!
//! The file holds no secret, only SHA-256 digests of tokens, so it may be kept under version control:
//!
//! ```toml
//! [[token]]
//! name = "payments-emitter"            # goes with every record it sends, as its provenance
//! sha256 = "2bb80d537b1da3e38bd30361aa855686bde0eacd7162fef6a25fe97bf527a25b"   # printf %s TOKEN | sha256sum
//! tenants = ["acme"]                   # or ["*"]
//! roles = ["emit"]                     # emit, control, read, admin; node for the nodes themselves
//! ```
//!
//! A7: what a caller may not read, it can not tell from what does not exist.

use std::collections::HashMap;
use std::sync::{Arc, PoisonError, RwLock};

use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};
use verdict_schemas::{InvalidTenant, TenantId};
use verdict_store::ANONYMOUS;

use crate::percent;

/// What a caller may do in its tenants.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Role {
    /// Send observation.
    Emit,
    /// Send intent.
    Control,
    /// Read answers.
    Read,
    /// Everything, the node's own affairs too.
    Admin,
    /// Another node of the same system: nothing by itself, and whatever those may do on whose behalf it asks.
    Node,
}

/// A caller, after its token was recognised.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Principal {
    /// The token's name; `None` for the anonymous caller of a server without a token file.
    pub name: Option<Arc<str>>,
    tenants: Tenants,
    roles: Vec<Role>,
    forwarded: bool,
}

/// What one node tells another of the caller on whose behalf it asks.
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Claims {
    name: Option<String>,
    tenants: Vec<String>,
    roles: Vec<Role>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
enum Tenants {
    Every,
    Of(Vec<TenantId>),
}

impl Principal {
    /// The caller of a server that has no token file (and therefore binds loopback only).
    pub fn anonymous() -> Self {
        Self {
            name: None,
            tenants: Tenants::Every,
            roles: vec![Role::Admin],
            forwarded: false,
        }
    }

    /// Does another node ask, on this caller's behalf? Such a request is answered here or not at all, and never sent on.
    pub fn is_forwarded(&self) -> bool {
        self.forwarded
    }

    /// What another node is told of this caller; ASCII that may stand in a header.
    pub(crate) fn claims(&self) -> String {
        let tenants = match &self.tenants {
            Tenants::Every => vec!["*".to_owned()],
            Tenants::Of(tenants) => tenants.iter().map(ToString::to_string).collect(),
        };
        let claims = Claims {
            name: self.name.as_deref().map(str::to_owned),
            tenants,
            roles: self.roles.clone(),
        };
        // Strings in lists: it can not fail.
        percent::encode(&serde_json::to_string(&claims).unwrap_or_default())
    }

    /// The caller on whose behalf this node asks, within what the node itself may be asked about. `None` where this is no
    /// node, or says nothing that can be read.
    pub(crate) fn on_behalf(&self, claims: &str) -> Option<Self> {
        // A server without a token file lets everyone do everything as it is.
        if !self.roles.contains(&Role::Node) && self.name.is_some() {
            return None;
        }
        let claims: Claims = serde_json::from_str(&percent::decode(claims)?).ok()?;
        let claimed = tenants(&claims.tenants).ok()?;
        let tenants = match (&self.tenants, claimed) {
            (Tenants::Every, claimed) => claimed,
            (of, Tenants::Every) => of.clone(),
            (Tenants::Of(own), Tenants::Of(mut claimed)) => {
                claimed.retain(|tenant| own.contains(tenant));
                Tenants::Of(claimed)
            }
        };
        Some(Self {
            name: claims.name.map(Arc::from),
            tenants,
            roles: claims.roles,
            forwarded: true,
        })
    }

    /// May it do what `role` allows, in this tenant? Any reader of a tenant may read `_platform`.
    pub fn may(&self, role: Role, tenant: &TenantId) -> bool {
        let has_role = self.roles.contains(&role) || self.roles.contains(&Role::Admin);
        has_role && (self.covers(tenant) || (role == Role::Read && tenant.is_platform()))
    }

    /// May it see the node's own affairs (metrics by log, `_unrouted` logs)?
    pub fn is_admin(&self) -> bool {
        self.roles.contains(&Role::Admin) && self.tenants == Tenants::Every
    }

    /// May it send intent to this tenant, or observation? Intent changes answers and needs `control` (E5).
    pub fn may_send(&self, tenant: &TenantId, intent: bool) -> bool {
        self.may(if intent { Role::Control } else { Role::Emit }, tenant)
    }

    fn covers(&self, tenant: &TenantId) -> bool {
        match &self.tenants {
            Tenants::Every => true,
            Tenants::Of(tenants) => tenants.contains(tenant),
        }
    }
}

/// The tokens of a server. Clones share them.
#[derive(Clone, Debug)]
pub struct Access {
    by_digest: Option<Arc<RwLock<Tokens>>>,
}

type Tokens = HashMap<[u8; 32], Principal>;

/// Why a token file can not be used. The message names the token and the field.
#[derive(Debug, thiserror::Error)]
#[error("the token file `{path}` is not as expected: {reason}")]
pub struct AccessError {
    path: String,
    /// Line, column and rule.
    reason: String,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct TokenFile {
    #[serde(default)]
    token: Vec<TokenEntry>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct TokenEntry {
    name: String,
    sha256: toml::Spanned<String>,
    tenants: Vec<String>,
    roles: Vec<Role>,
}

impl Access {
    /// No token file: everyone is [`Principal::anonymous`]. The server must bind loopback only.
    pub fn open() -> Self {
        Self { by_digest: None }
    }

    /// Is there no token file?
    pub fn is_open(&self) -> bool {
        self.by_digest.is_none()
    }

    /// Reads the text of a token file; `path` is what messages call it.
    ///
    /// # Errors
    /// [`AccessError`] when it names no token, or an unknown field, role, tenant, a digest that is none, or the digest of
    /// nothing, which every caller that sends `Bearer` alone would have.
    pub fn parse(text: &str, path: &str) -> Result<Self, AccessError> {
        let wrong = |reason: String| AccessError {
            path: path.to_owned(),
            reason,
        };
        let file: TokenFile = toml::from_str(text).map_err(|e| wrong(e.to_string()))?;
        if file.token.is_empty() {
            return Err(wrong(
                "it names no token, from line 1 to its end, so nobody could do anything".to_owned(),
            ));
        }
        let mut by_digest = HashMap::new();
        for entry in file.token {
            let name = entry.name;
            let line = text[..entry.sha256.span().start].matches('\n').count() + 1;
            let mut digest = [0; 32];
            hex::decode_to_slice(entry.sha256.get_ref(), &mut digest)
                .map_err(|_| wrong(format!("line {line}, token `{name}`: `sha256` must be 64 hex digits")))?;
            if name == ANONYMOUS {
                return Err(wrong(format!(
                    "line {line}: `{ANONYMOUS}` is who sends to a server that asks for no token: give the token another name"
                )));
            }
            if digest == *Sha256::digest(b"") {
                return Err(wrong(format!(
                    "line {line}, token `{name}`: `sha256` is that of an empty token, which anybody has: make it with \
                     `printf %s TOKEN | sha256sum`"
                )));
            }
            let tenants = tenants(&entry.tenants).map_err(|e| wrong(format!("token `{name}`: `tenants`: {e}")))?;
            let principal = Principal {
                name: Some(name.as_str().into()),
                tenants,
                roles: entry.roles,
                forwarded: false,
            };
            if by_digest.insert(digest, principal).is_some() {
                return Err(wrong(format!("token `{name}`: its `sha256` stands twice in the file")));
            }
        }
        Ok(Self {
            by_digest: Some(Arc::new(RwLock::new(by_digest))),
        })
    }

    /// Lets in from now on whom `new` would, here and in every clone; gives how many tokens there are. What was let in before
    /// is answered. An open server stays open: whether there are tokens at all is decided at the start.
    pub fn replace(&self, new: Self) -> usize {
        let (Some(here), Some(new)) = (&self.by_digest, new.by_digest) else {
            return 0;
        };
        let new = std::mem::take(&mut *new.write().unwrap_or_else(PoisonError::into_inner));
        let mut here = here.write().unwrap_or_else(PoisonError::into_inner);
        *here = new;
        here.len()
    }

    /// The caller behind the value of an `Authorization` header. Looks up by digest, so that no comparison depends on
    /// how much of a secret was guessed. `None`: no such token.
    pub fn authenticate(&self, authorization: Option<&str>) -> Option<Principal> {
        let Some(by_digest) = &self.by_digest else {
            return Some(Principal::anonymous());
        };
        let (scheme, token) = authorization?.split_once(' ')?;
        if !scheme.eq_ignore_ascii_case("bearer") {
            return None;
        }
        let digest: [u8; 32] = Sha256::digest(token.trim().as_bytes()).into();
        let by_digest = by_digest.read().unwrap_or_else(PoisonError::into_inner);
        by_digest.get(&digest).cloned()
    }
}

fn tenants(named: &[String]) -> Result<Tenants, InvalidTenant> {
    if named.iter().any(|name| name == "*") {
        return Ok(Tenants::Every);
    }
    Ok(Tenants::Of(
        named
            .iter()
            .map(|name| TenantId::parse(name))
            .collect::<Result<_, _>>()?,
    ))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn file(text: &str) -> Result<Access, AccessError> {
        Access::parse(text, "tokens.toml")
    }

    #[test]
    fn tokens_are_replaced_in_every_clone_and_a_server_with_tokens_is_never_open() {
        let one = |secret: &[u8]| {
            let digest = hex::encode(Sha256::digest(secret));
            let entry = format!("[[token]]\nname = 'e'\nsha256 = '{digest}'\ntenants = ['acme']\nroles = ['read']\n");
            file(&entry).unwrap()
        };
        let access = one(b"old");
        let clone = access.clone();
        assert_eq!(access.replace(one(b"new")), 1);
        assert!(clone.authenticate(Some("Bearer old")).is_none() && clone.authenticate(Some("Bearer new")).is_some());
        assert_eq!(access.replace(Access::open()), 0);
        assert!(clone.authenticate(None).is_none() && clone.authenticate(Some("Bearer new")).is_some());
    }

    #[test]
    fn a_token_opens_its_tenants_and_roles_and_nothing_else() {
        let digest = hex::encode(Sha256::digest(b"s3cret"));
        let access = file(&format!(
            "[[token]]\nname = 'e'\nsha256 = '{digest}'\ntenants = ['acme']\nroles = ['read']\n"
        ))
        .unwrap();
        let (acme, other) = (TenantId::parse("acme").unwrap(), TenantId::parse("globex").unwrap());
        let caller = access.authenticate(Some("Bearer s3cret")).unwrap();
        assert!(caller.may(Role::Read, &acme) && caller.may(Role::Read, &TenantId::platform()));
        assert!(!caller.may(Role::Read, &other) && !caller.may(Role::Emit, &acme) && !caller.is_admin());
        assert!(access.authenticate(Some("Bearer wrong")).is_none());
        assert!(access.authenticate(Some("Basic s3cret")).is_none());
        assert!(access.authenticate(None).is_none());
    }

    #[test]
    fn a_node_asks_on_behalf_of_its_callers_and_of_nobody_else() {
        let entry = |name: &str, tenants: &str, role: &str| {
            let digest = hex::encode(Sha256::digest(name.as_bytes()));
            format!("[[token]]\nname='{name}'\nsha256='{digest}'\ntenants=[{tenants}]\nroles=['{role}']\n")
        };
        let entries = [
            entry("node", "'*'", "node"),
            entry("limited", "'acme', 'initech'", "node"),
            entry("r\u{e9}ader", "'acme', 'globex'", "read"),
            entry("admin", "'*'", "admin"),
        ];
        let access = file(&entries.concat()).unwrap();
        let known = |name: &str| access.authenticate(Some(&format!("Bearer {name}"))).unwrap();
        let (acme, globex) = (TenantId::parse("acme").unwrap(), TenantId::parse("globex").unwrap());
        let claims = known("r\u{e9}ader").claims();
        assert!(claims.is_ascii());

        let node = known("node");
        assert!(!node.may(Role::Read, &acme) && !node.may(Role::Emit, &acme) && !node.is_admin());
        let reader = node.on_behalf(&claims).unwrap();
        assert!(reader.is_forwarded() && reader.name.as_deref() == Some("r\u{e9}ader"));
        assert!(reader.may(Role::Read, &acme) && reader.may(Role::Read, &globex) && !reader.may(Role::Emit, &acme));
        let within = known("limited").on_behalf(&claims).unwrap();
        assert!(within.may(Role::Read, &acme) && !within.may(Role::Read, &globex));
        let all = known("limited").on_behalf(&known("admin").claims()).unwrap();
        assert!(all.may(Role::Read, &acme) && !all.may(Role::Read, &globex) && !all.is_admin());
        // Not even an admin speaks for others; and nonsense speaks for nobody.
        assert!(known("admin").on_behalf(&claims).is_none());
        assert!(node.on_behalf("%7B%7D").is_none() && node.on_behalf("%").is_none());
    }

    #[test]
    fn a_wrong_file_says_what_is_wrong() {
        let reason = file("[[token]]\nname='e'\nsha256='00'\ntenants=['acme']\nroles=['read']\n").unwrap_err();
        assert!(
            reason.to_string().contains("token `e`: `sha256` must be 64 hex digits"),
            "{reason}"
        );
        let reason = file("[[token]]\nname='e'\nsha256='00'\ntenants=['acme']\nroles=['reed']\n").unwrap_err();
        assert!(reason.to_string().contains("unknown variant `reed`"), "{reason}");
        for nothing in ["", "# no token yet\n"] {
            let reason = file(nothing).unwrap_err();
            assert!(reason.to_string().contains("it names no token"), "{reason}");
        }
        let empty = hex::encode(Sha256::digest(b""));
        let entry = format!("[[token]]\nname='e'\nsha256='{empty}'\ntenants=['acme']\nroles=['read']\n");
        let reason = file(&entry).unwrap_err();
        assert!(reason.to_string().contains("line 3, token `e`"), "{reason}");
        let digest = hex::encode(Sha256::digest(b"s3cret"));
        let taken = format!("[[token]]\nname='anonymous'\nsha256='{digest}'\ntenants=['acme']\nroles=['read']\n");
        let reason = file(&taken).unwrap_err();
        assert!(reason.to_string().contains("line 3: `anonymous`"), "{reason}");
    }
}
