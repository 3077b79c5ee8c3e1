//! Configuration of `serve`: a documented TOML file, the environment, the command line; the later wins.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::path::PathBuf;

use figment::Figment;
use figment::providers::{Env, Format, Serialized, Toml};
use serde::{Deserialize, Serialize};

use crate::cli::ServeArgs;
use crate::exit::{Failure, sentence};

/// A file with every field, printed by `verdict config`. A test reads it back and finds the defaults, and every field.
pub(crate) const DOCUMENTED: &str = include_str!("verdict.toml");

/// The configuration.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(crate) struct Config {
    pub(crate) data: PathBuf,
    pub(crate) listen: SocketAddr,
    pub(crate) tokens: Option<PathBuf>,
    pub(crate) owners: BTreeMap<String, String>,
    pub(crate) node: NodeConfig,
    pub(crate) http: HttpConfig,
    pub(crate) tls: TlsConfig,
    pub(crate) store: StoreConfig,
    pub(crate) intake: IntakeConfig,
    pub(crate) kafka: KafkaConfig,
    pub(crate) opa: OpaConfig,
}

/// `[http]`
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(crate) struct HttpConfig {
    pub(crate) header_timeout_seconds: u64,
    pub(crate) plaintext_tokens: bool,
}

/// `[tls]`
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(crate) struct TlsConfig {
    pub(crate) cert: Option<PathBuf>,
    pub(crate) key: Option<PathBuf>,
    pub(crate) client_ca: Option<PathBuf>,
    pub(crate) client_required: bool,
}

/// `[node]`
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(crate) struct NodeConfig {
    pub(crate) token_file: Option<PathBuf>,
    pub(crate) ca_file: Option<PathBuf>,
    pub(crate) cert_file: Option<PathBuf>,
    pub(crate) key_file: Option<PathBuf>,
}

/// `[store]`
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(crate) struct StoreConfig {
    pub(crate) memory_mib: u64,
    pub(crate) salt_key_file: Option<PathBuf>,
}

/// `[intake]`
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(crate) struct IntakeConfig {
    pub(crate) max_body_mib: u64,
    pub(crate) max_decoded_mib: u64,
    pub(crate) max_event_kib: u64,
    pub(crate) max_events: usize,
}

/// `[kafka]`
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(crate) struct KafkaConfig {
    pub(crate) events_topic: String,
    pub(crate) platform_topic: String,
    pub(crate) partitions: Option<String>,
    pub(crate) registry: Option<String>,
    pub(crate) intake_key_file: Option<PathBuf>,
    pub(crate) schemas: BTreeMap<String, PathBuf>,
    pub(crate) properties: BTreeMap<String, String>,
}

/// `[opa]`
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(crate) struct OpaConfig {
    pub(crate) lease_ms: u64,
}

impl Default for Config {
    fn default() -> Self {
        Self {
            data: PathBuf::from("data"),
            listen: SocketAddr::from(([127, 0, 0, 1], 8642)),
            tokens: None,
            owners: BTreeMap::new(),
            node: NodeConfig::default(),
            http: HttpConfig::default(),
            tls: TlsConfig::default(),
            store: StoreConfig::default(),
            intake: IntakeConfig::default(),
            kafka: KafkaConfig::default(),
            opa: OpaConfig::default(),
        }
    }
}

impl Default for HttpConfig {
    fn default() -> Self {
        Self {
            header_timeout_seconds: 30,
            plaintext_tokens: false,
        }
    }
}

impl Default for StoreConfig {
    fn default() -> Self {
        Self {
            memory_mib: 1024,
            salt_key_file: None,
        }
    }
}

impl Default for IntakeConfig {
    fn default() -> Self {
        Self {
            max_body_mib: 16,
            max_decoded_mib: 64,
            max_event_kib: 1024,
            max_events: 100_000,
        }
    }
}

impl Default for KafkaConfig {
    fn default() -> Self {
        Self {
            events_topic: "verdict.events.v1".to_owned(),
            platform_topic: "verdict.platform.v1".to_owned(),
            partitions: None,
            registry: None,
            intake_key_file: None,
            schemas: BTreeMap::new(),
            properties: BTreeMap::new(),
        }
    }
}

impl Default for OpaConfig {
    fn default() -> Self {
        Self { lease_ms: 300_000 }
    }
}

impl Config {
    /// Reads the file, then `VERDICT_...` variables, then the command line.
    pub(crate) fn read(args: &ServeArgs) -> Result<Self, Failure> {
        let mut figment = Figment::from(Serialized::defaults(Self::default()));
        if let Some(path) = &args.config {
            if !path.is_file() {
                return Err(Failure::Usage(format!("--config `{}` is not a file", path.display())));
            }
            figment = figment.merge(Toml::file_exact(path));
        }
        let nested = Env::prefixed("VERDICT__").split("__").lowercase(true);
        let mut config: Self = figment.merge(nested).extract().map_err(|e| {
            Failure::Usage(format!(
                "the configuration is not as expected: {}; `verdict config` prints every field",
                sentence(e)
            ))
        })?;
        config.merge_arguments(args)?;
        if config.http.header_timeout_seconds == 0 {
            return Err(Failure::Usage(
                "http.header_timeout_seconds is 0: no request could ever arrive in time".to_owned(),
            ));
        }
        Ok(config)
    }

    fn merge_arguments(&mut self, args: &ServeArgs) -> Result<(), Failure> {
        if let Some(data) = &args.data {
            self.data.clone_from(data);
        }
        if let Some(listen) = args.listen {
            self.listen = listen;
        }
        if args.tokens.is_some() {
            self.tokens.clone_from(&args.tokens);
        }
        for (given, file) in [
            (&args.tls_cert, &mut self.tls.cert),
            (&args.tls_key, &mut self.tls.key),
            (&args.tls_client_ca, &mut self.tls.client_ca),
        ] {
            if given.is_some() {
                file.clone_from(given);
            }
        }
        self.http.plaintext_tokens |= args.plaintext_tokens;
        if args.registry.is_some() {
            self.kafka.registry.clone_from(&args.registry);
        }
        if args.partitions.is_some() {
            self.kafka.partitions.clone_from(&args.partitions);
        }
        self.kafka.properties.extend(properties(&args.property)?);
        for pair in &args.schema {
            let (id, file) = pair
                .split_once('=')
                .ok_or_else(|| Failure::Usage(format!("--schema `{pair}`: expected ID=FILE")))?;
            self.kafka.schemas.insert(id.to_owned(), PathBuf::from(file));
        }
        Ok(())
    }

    /// Is there a Kafka to consume?
    pub(crate) fn has_kafka(&self) -> bool {
        self.kafka.properties.contains_key("bootstrap.servers")
    }
}

/// `-X property=value`, verbatim for librdkafka.
pub(crate) fn properties(given: &[String]) -> Result<BTreeMap<String, String>, Failure> {
    given
        .iter()
        .map(|pair| match pair.split_once('=') {
            Some((name, value)) if !name.trim().is_empty() => Ok((name.trim().to_owned(), value.to_owned())),
            _ => Err(Failure::Usage(format!(
                "-X `{pair}`: expected property=value, such as bootstrap.servers=localhost:9092"
            ))),
        })
        .collect()
}

/// `0-5`, `0,2,4`, or both mixed.
pub(crate) fn partitions(list: &str) -> Result<Vec<u32>, Failure> {
    let wrong = |part: &str| {
        Failure::Usage(format!(
            "partitions `{list}`: `{part}` is neither a number nor a range a-b"
        ))
    };
    let mut found = Vec::new();
    for part in list.split(',').map(str::trim) {
        let number = |text: &str| text.trim().parse::<u32>().map_err(|_| wrong(part));
        match part.split_once('-') {
            None => found.push(number(part)?),
            Some((first, last)) => {
                let (first, last) = (number(first)?, number(last)?);
                if first > last || last > 100_000 {
                    return Err(wrong(part));
                }
                found.extend(first..=last);
            }
        }
    }
    found.sort_unstable();
    found.dedup();
    Ok(found)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_documented_file_holds_every_field_and_the_defaults() {
        // Commented-out fields are the optional ones: uncommented they must be known too.
        let plain: Config = Figment::new().merge(Toml::string(DOCUMENTED)).extract().unwrap();
        assert_eq!(plain, Config::default());
        let uncommented: String = DOCUMENTED
            .lines()
            .map(|l| l.strip_prefix("#:").map_or(l, str::trim_start).to_owned() + "\n")
            .collect();
        let every: Config = Figment::new().merge(Toml::string(&uncommented)).extract().unwrap();
        let written = serde_json::to_value(&every).unwrap();
        let nothing_missing = |v: &serde_json::Value| !v.is_null();
        for (name, value) in written.as_object().unwrap() {
            assert!(nothing_missing(value), "{name} is not in verdict.toml");
            for (inner, value) in value.as_object().into_iter().flatten() {
                assert!(nothing_missing(value), "{name}.{inner} is not in verdict.toml");
                assert!(DOCUMENTED.contains(inner), "{name}.{inner} is not in verdict.toml");
            }
        }
    }

    #[test]
    fn partitions_are_numbers_and_ranges() {
        assert_eq!(partitions("0-2, 5,1").unwrap(), [0, 1, 2, 5]);
        for wrong in ["", "a", "3-1", "1-", "0-999999999"] {
            assert!(partitions(wrong).is_err(), "{wrong}");
        }
    }

    #[test]
    fn properties_are_pairs() {
        assert_eq!(properties(&["a.b=c=d".to_owned()]).unwrap()["a.b"], "c=d");
        assert!(properties(&["nothing".to_owned()]).is_err());
    }
}
