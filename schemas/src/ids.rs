//! Typed ids: one newtype per thing that has a name, so that a policy can not be passed where a version is meant.
//!
//! All are cheap to clone (a shared string). Only [`TenantId`] has a grammar; every other id is whatever its emitter
//! calls it, because evidence is recorded, not corrected.

use std::fmt;
use std::sync::Arc;

use serde::{Deserialize, Serialize};
use uuid::Uuid;

macro_rules! string_id {
    ($(#[$doc:meta])* $name:ident) => {
        $(#[$doc])*
        #[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
        #[serde(transparent)]
        pub struct $name(Arc<str>);

        impl $name {
            /// Wraps the name as the emitter wrote it.
            pub fn new(name: impl Into<Arc<str>>) -> Self {
                Self(name.into())
            }

            /// The name as the emitter wrote it.
            pub fn as_str(&self) -> &str {
                &self.0
            }
        }

        impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                write!(f, "{}({:?})", stringify!($name), self.as_str())
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(&self.0)
            }
        }

        impl AsRef<str> for $name {
            fn as_ref(&self) -> &str {
                &self.0
            }
        }

        impl From<&str> for $name {
            fn from(name: &str) -> Self {
                Self::new(name)
            }
        }

        impl From<String> for $name {
            fn from(name: String) -> Self {
                Self::new(name)
            }
        }
    };
}

string_id!(
    /// The emitter of an event: a URI (`meta.source`).
    Source
);
string_id!(
    /// An environment, such as `prod`. The wildcard `*` is never an `Environment`; see [`crate::EnvironmentPattern`].
    Environment
);
string_id!(
    /// A workload within a tenant's environment.
    WorkloadId
);
string_id!(
    /// A policy: a named stream of versions within a scope.
    PolicyName
);
string_id!(
    /// An immutable version of a policy.
    Version
);
string_id!(
    /// An agent: a named decision point (PDP).
    AgentId
);
string_id!(
    /// One start of an agent.
    Incarnation
);
string_id!(
    /// A rollout, unique within its log.
    RolloutId
);
string_id!(
    /// A decision, as its emitter names it.
    DecisionId
);
string_id!(
    /// A trace id as received, usually 32 hex digits. Two are compared by [`TraceId::normal_form`].
    TraceId
);

impl Version {
    /// The version of a bundle that has none: an agent runs it, and which one it is nobody can tell.
    pub const UNVERSIONED: &'static str = "unversioned";

    /// Is it that, or one with something behind it that stands in for a version (`unversioned:ETAG`)?
    pub fn is_unversioned(&self) -> bool {
        let rest = self.as_str().strip_prefix(Self::UNVERSIONED);
        rest.is_some_and(|rest| rest.is_empty() || rest.starts_with(':'))
    }
}

/// The unique id of an event, chosen by its emitter. UUIDv7 recommended.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct EventId(pub Uuid);

impl fmt::Debug for EventId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "EventId({})", self.0)
    }
}

impl fmt::Display for EventId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.hyphenated().fmt(f)
    }
}

/// The isolation boundary: `[a-z0-9][a-z0-9._-]{0,62}`, or `_platform`, which holds global and environment-wide intent.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(transparent)]
pub struct TenantId(Arc<str>);

/// Why a string is not a tenant.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`{0}` is not a tenant: 1 to 63 characters of a-z, 0-9, `.`, `_`, `-`, the first a letter or digit")]
pub struct InvalidTenant(pub String);

impl TenantId {
    /// The tenant that holds intent of the global and environment layers.
    pub const PLATFORM: &'static str = "_platform";

    /// Checks the grammar. `_platform` is accepted.
    ///
    /// # Errors
    /// [`InvalidTenant`] when the grammar is not met.
    pub fn parse(name: &str) -> Result<Self, InvalidTenant> {
        if Self::is_valid(name) {
            Ok(Self(name.into()))
        } else {
            Err(InvalidTenant(name.chars().take(80).collect()))
        }
    }

    /// Is the grammar met? `_platform` is accepted.
    pub fn is_valid(name: &str) -> bool {
        let bytes = name.as_bytes();
        let head = bytes
            .first()
            .is_some_and(|b| b.is_ascii_lowercase() || b.is_ascii_digit());
        let tail = bytes
            .iter()
            .all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b"._-".contains(b));
        name == Self::PLATFORM || (head && tail && bytes.len() <= 63)
    }

    /// `_platform`.
    pub fn platform() -> Self {
        Self(Self::PLATFORM.into())
    }

    /// Is this `_platform`?
    pub fn is_platform(&self) -> bool {
        &*self.0 == Self::PLATFORM
    }

    /// The name.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for TenantId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "TenantId({})", self.0)
    }
}

impl fmt::Display for TenantId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl<'de> Deserialize<'de> for TenantId {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let name = std::borrow::Cow::<'_, str>::deserialize(deserializer)?;
        Self::parse(&name).map_err(serde::de::Error::custom)
    }
}
