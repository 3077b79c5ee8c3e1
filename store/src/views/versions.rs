//! The catalogue of the versions that decisions cited: without it, nobody could find the ranges of `v_version` that a
//! question about a policy in every environment has to join.
//!
//! ```text
//! v_series   view u32 | H16(environment, scope, policy, version)  ->  environment, policy, version, scope as the fold has it
//! ```

use std::collections::HashSet;

use foldhash::fast::RandomState;
use verdict_fold::rows::{put_scope, read_scope};
use verdict_schemas::{Environment, PolicyName, Scope, ScopeRef, Version};

use super::keys::{H16, Key};
use super::mark::ViewId;
use super::rows::Batch;
use crate::layout::{Damaged, Reader, put_bytes};
use crate::tables::Table;

/// A version as decisions cite it.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct CitedVersion {
    /// The decisions' environment.
    pub environment: Environment,
    /// The policy's scope.
    pub scope: Scope,
    /// The policy.
    pub policy: PolicyName,
    /// The version.
    pub version: Version,
}

/// So many versions are remembered as written.
const REMEMBERED: usize = 100_000;

/// Writes the catalogue: a row is put when its version was not met lately. Its bytes depend on its key alone, so
/// putting it again changes nothing and needs no look.
#[derive(Default)]
pub(crate) struct Versions {
    written: HashSet<H16, RandomState>,
    row: Vec<u8>,
}

impl Versions {
    pub(crate) fn met(
        &mut self,
        batch: &mut Batch,
        view: ViewId,
        hash: &H16,
        environment: &str,
        cited: &verdict_schemas::Cited<'_>,
    ) {
        if self.written.contains(hash) {
            return;
        }
        if self.written.len() >= REMEMBERED {
            self.written.clear();
        }
        self.written.insert(*hash);
        self.row.clear();
        encode(&mut self.row, environment, &cited.scope, &cited.policy, &cited.version);
        batch
            .of(Table::Series)
            .put(Key::view(view).with(hash).as_slice(), &self.row);
    }

    /// How many are remembered.
    pub(crate) fn remembered(&self) -> usize {
        self.written.len()
    }

    pub(crate) fn clear(&mut self) {
        self.written = HashSet::default();
    }
}

fn encode(out: &mut Vec<u8>, environment: &str, scope: &ScopeRef<'_>, policy: &str, version: &str) {
    for part in [environment, policy, version] {
        put_bytes(out, part.as_bytes());
    }
    put_scope(out, scope.into());
}

/// Reads a row of the catalogue.
pub(crate) fn decode(row: &[u8]) -> Result<CitedVersion, Damaged> {
    let mut reader = Reader::new(row);
    let environment = Environment::new(reader.text()?);
    let policy = PolicyName::new(reader.text()?);
    let version = Version::new(reader.text()?);
    let scope = reader.take(reader.left() as u64)?;
    let scope = read_scope(scope).map_err(|_| Damaged("a scope is not as written"))?;
    Ok(CitedVersion {
        environment,
        scope,
        policy,
        version,
    })
}

#[cfg(test)]
mod tests {
    use verdict_schemas::{EnvironmentPattern, TenantId, WorkloadId};

    use super::*;

    #[test]
    fn every_layer_reads_back_as_written() {
        let tenant = TenantId::parse("acme").unwrap();
        let prod = Environment::new("prod");
        for scope in [
            Scope::Global,
            Scope::Environment(prod.clone()),
            Scope::Tenant(tenant.clone(), EnvironmentPattern::Every),
            Scope::Tenant(tenant.clone(), EnvironmentPattern::One(prod.clone())),
            Scope::Workload(tenant, prod.clone(), WorkloadId::new("api")),
        ] {
            let mut row = Vec::new();
            encode(&mut row, "prod", &ScopeRef::of(&scope), "access", "v1");
            let read = decode(&row).unwrap();
            let (policy, version) = (PolicyName::new("access"), Version::new("v1"));
            assert_eq!(
                read,
                CitedVersion {
                    environment: prod.clone(),
                    scope,
                    policy,
                    version
                }
            );
            assert!(decode(&row[..row.len() - 1]).is_err());
        }
    }
}
