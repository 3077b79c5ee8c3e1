//! `verdict topics create`: both topics as Verdict needs them.

use crate::cli::TopicsCreateArgs;
use crate::config::{KafkaConfig, properties};
use crate::exit::Failure;
use crate::output::line;
use crate::serve::kafka_settings;

/// `verdict topics create`
pub(crate) async fn create(args: &TopicsCreateArgs) -> Result<(), Failure> {
    let config = KafkaConfig {
        properties: properties(&args.property)?,
        ..KafkaConfig::default()
    };
    if !config.properties.contains_key("bootstrap.servers") {
        return Err(Failure::Usage(
            "say which Kafka: -X bootstrap.servers=HOST:PORT".to_owned(),
        ));
    }
    let settings = kafka_settings(&config)?;
    let told = verdict_ingest::create_topics(&settings, args.partitions, args.replication, args.retention_hours)
        .await
        .map_err(|e| Failure::unreachable("cannot create the topics", e))?;
    told.iter().try_for_each(|topic| line(topic))
}
