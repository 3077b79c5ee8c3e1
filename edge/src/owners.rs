//! Which node holds a log, and how its caller gets there.
//!
//! Kafka's partitions are the shards: a tenant's partition follows from its name ([`partition_of`]), so that owners are given by
//! partition and no list of tenants is kept anywhere. Without Kafka there are no partitions, and single tenants are named.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use axum::http::{HeaderValue, StatusCode, Uri, header};
use axum::response::{IntoResponse, Response};
use serde::{Deserialize, Serialize};
use verdict_schemas::TenantId;
use verdict_store::LogName;

use crate::partition::partition_of;
use crate::problem::{Code, Problem};

/// Who holds what. Base URLs of other nodes have no trailing `/`. Clones share it.
#[derive(Clone, Debug)]
pub struct Owners(Arc<Shards>);

#[derive(Debug)]
enum Shards {
    /// What is not named is held here.
    Tenants(BTreeMap<TenantId, String>),
    Partitions {
        count: u32,
        held: BTreeSet<u32>,
        others: BTreeMap<u32, String>,
    },
}

/// Who holds a log.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Holder<'a> {
    /// This node.
    Here,
    /// The node at this base URL.
    Owner(&'a str),
    /// Whoever reads this partition.
    Unknown(u32),
}

/// What is held elsewhere, by one node.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Share {
    /// Its base URL; `None` where none is known.
    pub owner: Option<String>,
    /// What it holds.
    pub part: Part,
}

/// A part of all logs. Nodes tell each other in it what they do not hold.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Part {
    /// Partitions, in order.
    Partitions(Vec<u32>),
    /// Single tenants, in order.
    Tenants(Vec<TenantId>),
}

impl Default for Owners {
    /// Everything is held here.
    fn default() -> Self {
        Self::of_tenants(BTreeMap::new())
    }
}

impl Owners {
    /// Single tenants, each held by the node at this base URL.
    pub fn of_tenants(by_tenant: BTreeMap<TenantId, String>) -> Self {
        let trimmed = by_tenant.into_iter().map(|(tenant, url)| (tenant, base(&url)));
        Self(Arc::new(Shards::Tenants(trimmed.collect())))
    }

    /// Of `count` partitions this node reads `held`; `others` are at these base URLs. What is held here is answered here,
    /// whoever else holds it.
    pub fn of_partitions(count: u32, held: &[u32], others: BTreeMap<u32, String>) -> Self {
        let others = others.into_iter().map(|(partition, url)| (partition, base(&url)));
        Self(Arc::new(Shards::Partitions {
            count,
            held: held.iter().copied().collect(),
            others: others.collect(),
        }))
    }

    /// Who holds a log. Every node that reads Kafka holds `_platform`'s.
    pub fn holder(&self, log: &LogName) -> Holder<'_> {
        match (&*self.0, log) {
            (Shards::Tenants(by_tenant), LogName::Tenant(tenant)) => {
                by_tenant.get(tenant).map_or(Holder::Here, |owner| Holder::Owner(owner))
            }
            (Shards::Tenants(_), LogName::Unrouted(_)) => Holder::Here,
            (Shards::Partitions { .. }, LogName::Tenant(tenant)) if tenant.is_platform() => Holder::Here,
            (Shards::Partitions { count, held, others }, log) => {
                let partition = match log {
                    LogName::Tenant(tenant) => partition_of(tenant.as_str().as_bytes(), *count),
                    LogName::Unrouted(partition) => *partition,
                };
                // Nobody reads a partition that there is not: such a log is not there, here as anywhere.
                if held.contains(&partition) || partition >= *count {
                    return Holder::Here;
                }
                others
                    .get(&partition)
                    .map_or(Holder::Unknown(partition), |owner| Holder::Owner(owner))
            }
        }
    }

    /// What is held elsewhere, by node; what no node is known for comes last.
    pub fn elsewhere(&self) -> Vec<Share> {
        match &*self.0 {
            Shards::Tenants(by_tenant) => {
                let mut nodes: BTreeMap<&String, Vec<TenantId>> = BTreeMap::new();
                for (tenant, owner) in by_tenant {
                    nodes.entry(owner).or_default().push(tenant.clone());
                }
                let share = |(owner, tenants): (&String, Vec<TenantId>)| Share {
                    owner: Some(owner.clone()),
                    part: Part::Tenants(tenants),
                };
                nodes.into_iter().map(share).collect()
            }
            Shards::Partitions { count, held, others } => {
                let mut nodes: BTreeMap<(bool, Option<&String>), Vec<u32>> = BTreeMap::new();
                for partition in (0..*count).filter(|partition| !held.contains(partition)) {
                    let owner = others.get(&partition);
                    nodes.entry((owner.is_none(), owner)).or_default().push(partition);
                }
                let share = |((_, owner), partitions): ((bool, Option<&String>), Vec<u32>)| Share {
                    owner: owner.cloned(),
                    part: Part::Partitions(partitions),
                };
                nodes.into_iter().map(share).collect()
            }
        }
    }
}

impl Part {
    /// What of it is in another part, too; `None` if nothing is.
    pub fn within(&self, other: &Self) -> Option<Self> {
        match (self, other) {
            (Self::Partitions(these), Self::Partitions(those)) => {
                let both: Vec<u32> = these.iter().filter(|number| those.contains(number)).copied().collect();
                (!both.is_empty()).then_some(Self::Partitions(both))
            }
            (Self::Tenants(these), Self::Tenants(those)) => {
                let both: Vec<TenantId> = these.iter().filter(|tenant| those.contains(tenant)).cloned().collect();
                (!both.is_empty()).then_some(Self::Tenants(both))
            }
            (Self::Partitions(_), Self::Tenants(_)) | (Self::Tenants(_), Self::Partitions(_)) => None,
        }
    }

    /// Partitions as `0-3,7`; `None` of tenants.
    pub fn partitions(&self) -> Option<String> {
        match self {
            Self::Partitions(numbers) => Some(ranges(numbers)),
            Self::Tenants(_) => None,
        }
    }
}

impl Holder<'_> {
    /// What a caller is answered who asks this node for a log that it does not hold; `None` where it does. A request that
    /// another node sent on is not sent on again: nodes that do not agree on who holds what would do so for ever.
    pub fn sent_on(self, name: &str, uri: &Uri, forwarded: bool) -> Option<Response> {
        match self {
            Self::Here => None,
            Self::Owner(owner) if !forwarded => {
                let target = uri.path_and_query().map_or("/", |target| target.as_str());
                let location = HeaderValue::try_from(format!("{owner}{target}")).ok()?;
                Some((StatusCode::TEMPORARY_REDIRECT, [(header::LOCATION, location)]).into_response())
            }
            Self::Owner(_) | Self::Unknown(_) => Some(self.misdirected(name).into_response()),
        }
    }

    /// That a log is not held here, and why nobody can be sent to where it is.
    pub fn misdirected(self, name: &str) -> Problem {
        match self {
            Self::Here | Self::Owner(_) => {
                let detail =
                    format!("another node sent this here, and `{name}` is held by a third: they disagree on owners");
                Problem::new(Code::Misdirected, detail)
            }
            Self::Unknown(partition) => {
                let detail = format!(
                    "`{name}` belongs to partition {partition}, which this node does not read, and it knows of none that does"
                );
                Problem::new(Code::Misdirected, detail).with("partition", partition)
            }
        }
    }
}

fn base(url: &str) -> String {
    url.trim_end_matches('/').to_owned()
}

/// `0-3,7` of sorted numbers.
fn ranges(numbers: &[u32]) -> String {
    let runs = numbers.chunk_by(|one, next| one + 1 == *next);
    let shown = runs.map(|run| match run {
        [first, .., last] => format!("{first}-{last}"),
        one => one.iter().map(ToString::to_string).collect(),
    });
    shown.collect::<Vec<_>>().join(",")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn log(name: &str) -> LogName {
        name.parse().unwrap()
    }

    #[test]
    fn a_tenant_is_where_its_partition_is_read() {
        let others = [(6, "https://b/"), (7, "https://b"), (0, "https://c")];
        let others = others.map(|(partition, url)| (partition, url.to_owned())).into();
        let owners = Owners::of_partitions(12, &[0, 1, 2, 3], others);
        // acme is in 0, which is read here whoever else does; globex in 7, initech in 6, tenant-42 in 2.
        for here in ["acme", "tenant-42", "_platform", "_unrouted.3", "_unrouted.12"] {
            assert_eq!(owners.holder(&log(here)), Holder::Here, "{here}");
        }
        for there in ["globex", "initech", "_unrouted.6"] {
            assert_eq!(owners.holder(&log(there)), Holder::Owner("https://b"), "{there}");
        }
        assert_eq!(owners.holder(&log("_unrouted.9")), Holder::Unknown(9));
        let elsewhere = owners.elsewhere();
        let shown = elsewhere
            .iter()
            .map(|share| (share.owner.as_deref(), share.part.partitions()));
        assert_eq!(
            shown.collect::<Vec<_>>(),
            [
                (Some("https://b"), Some("6-7".to_owned())),
                (None, Some("4-5,8-11".to_owned()))
            ]
        );
        assert_eq!(Owners::default().elsewhere(), []);
        assert_eq!(Owners::default().holder(&log("acme")), Holder::Here);
    }

    #[test]
    fn a_part_is_compared_with_parts_of_its_kind() {
        let tenants = |names: &[&str]| Part::Tenants(names.iter().map(|name| TenantId::parse(name).unwrap()).collect());
        let numbers = |numbers: &[u32]| Part::Partitions(numbers.to_vec());
        assert_eq!(numbers(&[1, 2, 7]).within(&numbers(&[2, 3, 7])), Some(numbers(&[2, 7])));
        assert_eq!(numbers(&[1]).within(&numbers(&[2])), None);
        assert_eq!(
            tenants(&["a", "b"]).within(&tenants(&["b", "c"])),
            Some(tenants(&["b"]))
        );
        assert_eq!(tenants(&["a"]).within(&numbers(&[1])), None);
    }

    #[test]
    fn what_a_node_sent_on_is_not_sent_on_again() {
        let uri: Uri = "/v1/tenants/acme/decisions?limit=1".parse().unwrap();
        let sent = Holder::Owner("https://b").sent_on("acme", &uri, false).unwrap();
        assert_eq!(sent.status(), StatusCode::TEMPORARY_REDIRECT);
        assert_eq!(
            sent.headers()[header::LOCATION],
            "https://b/v1/tenants/acme/decisions?limit=1"
        );
        for holder in [Holder::Owner("https://b"), Holder::Unknown(3)] {
            let refused = holder.sent_on("acme", &uri, true).unwrap();
            assert_eq!(refused.status(), StatusCode::MISDIRECTED_REQUEST);
        }
        assert!(Holder::Here.sent_on("acme", &uri, true).is_none());
    }
}
