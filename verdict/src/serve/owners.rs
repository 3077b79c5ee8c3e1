//! `[owners]` and `[node]` of the configuration: who holds what this node does not, and how it asks them.

use std::collections::BTreeMap;
use std::path::PathBuf;

use verdict_edge::access::Access;
use verdict_edge::{Edge, Owners, Peers, Shown};
use verdict_ingest::Consumer;
use verdict_schemas::TenantId;

use crate::config::{Config, partitions};
use crate::exit::Failure;

/// The other nodes, as configured.
#[derive(Debug)]
pub(super) struct Others {
    named: Named,
    peers: Option<Peers>,
}

impl Others {
    /// Reads what the configuration says of them.
    pub(super) fn read(config: &Config, access: &Access) -> Result<Self, Failure> {
        Ok(Self {
            named: Named::read(config)?,
            peers: peers(config, access)?,
        })
    }

    /// An edge that knows them, now that the topic's partitions are known.
    pub(super) fn beside(self, edge: Edge, consumer: Option<&Consumer>) -> Result<Edge, Failure> {
        let edge = edge.with_owners(self.named.owners(consumer)?);
        Ok(match self.peers {
            Some(peers) => edge.with_peers(peers),
            None => edge,
        })
    }
}

/// `[owners]`, read as the node needs it: with Kafka by partition, without by tenant.
#[derive(Debug, PartialEq)]
enum Named {
    Tenants(BTreeMap<TenantId, String>),
    Partitions(BTreeMap<u32, String>),
}

impl Named {
    /// Reads them.
    fn read(config: &Config) -> Result<Self, Failure> {
        for url in config.owners.values() {
            check_address(config, url)?;
        }
        if !config.has_kafka() {
            let owners = config.owners.iter().map(|(tenant, url)| match TenantId::parse(tenant) {
                Ok(tenant) => Ok((tenant, url.clone())),
                Err(e) => Err(Failure::Usage(format!("owners: {e}"))),
            });
            return Ok(Self::Tenants(owners.collect::<Result<_, _>>()?));
        }
        let mut by_partition = BTreeMap::new();
        for (list, url) in &config.owners {
            let numbers = partitions(list).map_err(|_| {
                Failure::Usage(format!(
                    "owners: `{list}` names no partitions. With Kafka each node holds partitions, and the tenants that belong to \
                     them by their names; write which, as in \"0-5\" = \"{url}\""
                ))
            })?;
            for number in numbers {
                if let Some(other) = by_partition.insert(number, url.clone()) {
                    return Err(Failure::Usage(format!(
                        "owners: partition {number} has two, `{other}` and `{url}`: name one, the other is a replica"
                    )));
                }
            }
        }
        Ok(Self::Partitions(by_partition))
    }

    /// Who holds what, now that the topic's partitions are known.
    fn owners(self, consumer: Option<&Consumer>) -> Result<Owners, Failure> {
        match (self, consumer) {
            (Self::Tenants(by_tenant), _) => Ok(Owners::of_tenants(by_tenant)),
            (Self::Partitions(_), None) => Ok(Owners::default()),
            (Self::Partitions(by_partition), Some(consumer)) => {
                let count = consumer.partitions();
                match by_partition.keys().find(|partition| **partition >= count) {
                    Some(partition) => Err(Failure::Usage(format!(
                        "owners: there is no partition {partition}: the topic has {count}, from 0 on"
                    ))),
                    None => Ok(Owners::of_partitions(count, consumer.owned(), by_partition)),
                }
            }
        }
    }
}

/// The way to other nodes, where there are any that would let this one in.
fn peers(config: &Config, access: &Access) -> Result<Option<Peers>, Failure> {
    if config.owners.is_empty() {
        return Ok(None);
    }
    let token = config.node.token_file.as_deref().map(|path| {
        let read = std::fs::read_to_string(path);
        let read = read.map_err(|e| Failure::Usage(format!("node.token_file `{}`: {e}", path.display())))?;
        match read.trim() {
            "" => Err(Failure::Usage(format!("node.token_file `{}` is empty", path.display()))),
            token => Ok(token.to_owned()),
        }
    });
    let token = token.transpose()?;
    if token.is_none() && !access.is_open() {
        tracing::warn!(
            "no node.token_file: what an OPA sends for a tenant of another node is refused, and `find` looks at this node alone"
        );
        return Ok(None);
    }
    let read = |name: &str, path: &Option<PathBuf>| {
        let read = path.as_deref().map(|path| {
            std::fs::read(path).map_err(|e| Failure::Usage(format!("node.{name} `{}`: {e}", path.display())))
        });
        read.transpose()
    };
    let roots = read("ca_file", &config.node.ca_file)?;
    let (cert, key) = (
        read("cert_file", &config.node.cert_file)?,
        read("key_file", &config.node.key_file)?,
    );
    let shown = match (&cert, &key) {
        (Some(cert), Some(key)) => Some(Shown { cert, key }),
        (None, None) => None,
        _ => {
            return Err(Failure::Usage(
                "a certificate takes both node.cert_file and node.key_file".to_owned(),
            ));
        }
    };
    let peers = Peers::new(token.as_deref(), roots.as_deref(), shown);
    peers.map(Some).map_err(|e| Failure::Usage(format!("node: {e}")))
}

/// A node's address is an origin: a token goes there.
fn check_address(config: &Config, url: &str) -> Result<(), Failure> {
    let wrong = |why: &str| Err(Failure::Usage(format!("owners: `{url}` {why}")));
    let Ok(parsed) = reqwest::Url::parse(url) else {
        return wrong("is no address: write https://HOST:PORT");
    };
    if !matches!(parsed.scheme(), "http" | "https") || parsed.path() != "/" || parsed.query().is_some() {
        return wrong("must be https://HOST:PORT, or http://, and nothing after it");
    }
    let host = parsed.host_str().unwrap_or_default().trim_matches(['[', ']']);
    let near = host == "localhost" || host.parse::<std::net::IpAddr>().is_ok_and(|ip| ip.is_loopback());
    if parsed.scheme() == "http" && !near && config.node.token_file.is_some() && !config.http.plaintext_tokens {
        return wrong(
            "would be sent this node's token readable by whoever is on the network: write https://, or --plaintext-tokens",
        );
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn config(owners: &[(&str, &str)], kafka: bool) -> Config {
        let mut config = Config::default();
        let owners = owners.iter().map(|(name, url)| ((*name).to_owned(), (*url).to_owned()));
        config.owners = owners.collect();
        if kafka {
            let broker = ("bootstrap.servers".to_owned(), "localhost:1".to_owned());
            config.kafka.properties.extend([broker]);
        }
        config
    }

    #[test]
    fn owners_hold_partitions_where_there_are_any_and_tenants_where_not() {
        let (a, b) = ("https://a", "https://b:1");
        let read = Named::read(&config(&[("0-1", a), ("2, 7", b)], true)).unwrap();
        let expected = [(0, a), (1, a), (2, b), (7, b)];
        let expected = expected.map(|(partition, url)| (partition, url.to_owned())).into();
        assert_eq!(read, Named::Partitions(expected));
        let acme = TenantId::parse("acme").unwrap();
        let read = Named::read(&config(&[("acme", a)], false)).unwrap();
        assert_eq!(read, Named::Tenants([(acme, a.to_owned())].into()));
    }

    #[test]
    fn what_can_not_be_meant_is_refused_with_how_to_write_it() {
        for (owners, kafka, said) in [
            (&[("acme", "https://a")][..], true, "\"0-5\" = \"https://a\""),
            (
                &[("0-3", "https://a"), ("3-5", "https://b")],
                true,
                "partition 3 has two",
            ),
            (&[("Acme", "https://a")], false, "owners: "),
            (&[("0", "a:1")], true, "https://HOST:PORT"),
            (&[("0", "https://a/path")], true, "nothing after it"),
        ] {
            let refused = Named::read(&config(owners, kafka)).unwrap_err().to_string();
            assert!(refused.contains(said), "{refused}");
        }
        let mut clear = config(&[("0", "http://b.internal:1")], true);
        assert!(Named::read(&clear).is_ok());
        clear.node.token_file = Some("token".into());
        assert!(
            Named::read(&clear)
                .unwrap_err()
                .to_string()
                .contains("--plaintext-tokens")
        );
        clear.http.plaintext_tokens = true;
        assert!(Named::read(&clear).is_ok());
    }
}
