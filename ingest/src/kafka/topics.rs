//! Both topics as Verdict needs them: created so, or refused with the command that mends them.

use std::collections::HashMap;
use std::time::Duration;

use rdkafka::admin::{AdminClient, AdminOptions, ConfigResource, NewTopic, ResourceSpecifier, TopicReplication};
use rdkafka::client::DefaultClientContext;
use rdkafka::error::KafkaError;
use rdkafka::types::RDKafkaErrorCode;

use super::KafkaSettings;

const TIMEOUT: Duration = Duration::from_secs(15);

/// What a topic must be set to, and why.
const NEEDED: &[(&str, &str, &str)] = &[
    (
        "message.timestamp.type",
        "LogAppendTime",
        "recorded time is the broker's, not the emitter's",
    ),
    ("cleanup.policy", "delete", "compaction would remove evidence"),
];

/// Why the topics can not be used.
#[derive(Debug, thiserror::Error)]
pub enum TopicsError {
    /// Kafka did not answer, or refused.
    #[error("kafka: {0}")]
    Kafka(#[from] KafkaError),
    /// Kafka refused to create a topic.
    #[error("kafka did not create `{topic}`: {reason}")]
    NotCreated {
        /// The topic.
        topic: String,
        /// What Kafka said.
        reason: RDKafkaErrorCode,
    },
    /// It is not there.
    #[error("topic `{topic}` does not exist; create both with `verdict topics create -X bootstrap.servers=...`")]
    Missing {
        /// The topic.
        topic: String,
    },
    /// It is set to something that would damage evidence.
    #[error(
        "topic `{topic}` has {name}={is}, and must have {name}={must} ({why}); mend it with `kafka-configs --alter \
         --entity-type topics --entity-name {topic} --add-config {name}={must}`"
    )]
    Setting {
        /// The topic.
        topic: String,
        /// The property.
        name: &'static str,
        /// Its value.
        is: String,
        /// What it must be.
        must: &'static str,
        /// Why.
        why: &'static str,
    },
    /// It has another number of partitions than it must.
    #[error(
        "topic `{topic}` has {is} partitions, and must have {must}: {why}; make a new topic with {must} partitions and \
         name it in the configuration"
    )]
    Partitions {
        /// The topic.
        topic: String,
        /// How many it has.
        is: usize,
        /// How many it must have.
        must: usize,
        /// Why.
        why: &'static str,
    },
}

/// Creates both topics, or checks the ones that are there. One line per topic, for people.
///
/// # Errors
/// [`TopicsError`] when Kafka refuses, or a topic is there and is not as it must be.
pub async fn create_topics(
    settings: &KafkaSettings,
    partitions: i32,
    replication: i32,
    retention_hours: u32,
) -> Result<Vec<String>, TopicsError> {
    let admin: AdminClient<DefaultClientContext> = settings.admin().create()?;
    let retention = (u64::from(retention_hours) * 3_600_000).to_string();
    let mut told = Vec::new();
    for (name, count) in [(&settings.events_topic, partitions), (&settings.platform_topic, 1)] {
        let mut topic =
            NewTopic::new(name, count, TopicReplication::Fixed(replication)).set("retention.ms", &retention);
        for (property, value, _) in NEEDED {
            topic = topic.set(property, value);
        }
        let options = AdminOptions::new().operation_timeout(Some(TIMEOUT));
        for result in admin.create_topics([&topic], &options).await? {
            told.push(match result {
                Ok(topic) => format!("created {topic}: {count} partitions, LogAppendTime, kept {retention_hours} h"),
                Err((topic, RDKafkaErrorCode::TopicAlreadyExists)) => {
                    let found = check_settings(&admin, &topic)
                        .await
                        .and_then(|()| count_partitions(&admin, &topic))?;
                    expect_partitions(&topic, found, usize::try_from(count).unwrap_or_default())?;
                    format!("{topic} is there, and as it must be")
                }
                Err((topic, reason)) => return Err(TopicsError::NotCreated { topic, reason }),
            });
        }
    }
    Ok(told)
}

/// Checks both topics before they are read. Returns how many partitions the events topic has.
pub(super) async fn check(settings: &KafkaSettings) -> Result<u32, TopicsError> {
    let admin: AdminClient<DefaultClientContext> = settings.admin().create()?;
    let events = count_partitions(&admin, &settings.events_topic)?;
    let platform = count_partitions(&admin, &settings.platform_topic)?;
    expect_partitions(&settings.platform_topic, platform, 1)?;
    check_settings(&admin, &settings.events_topic).await?;
    check_settings(&admin, &settings.platform_topic).await?;
    Ok(u32::try_from(events).unwrap_or(u32::MAX))
}

/// Checks the topic of events before anything is sent to it: a broker would make one of its own, under its own settings, for
/// the first record to a topic that is not there.
///
/// # Errors
/// [`TopicsError`] when it is not there, or known not to be as it must be. Who may not see its settings may still send.
pub async fn check_events_topic(settings: &KafkaSettings) -> Result<(), TopicsError> {
    let admin: AdminClient<DefaultClientContext> = settings.admin().create()?;
    count_partitions(&admin, &settings.events_topic)?;
    match check_settings(&admin, &settings.events_topic).await {
        Err(wrong @ TopicsError::Setting { .. }) => Err(wrong),
        Ok(()) | Err(_) => Ok(()),
    }
}

fn expect_partitions(topic: &str, is: usize, must: usize) -> Result<(), TopicsError> {
    let why = "which partition a tenant is in depends on their number, and one partition feeds a log, never two";
    if is == must {
        Ok(())
    } else {
        Err(TopicsError::Partitions {
            topic: topic.to_owned(),
            is,
            must,
            why,
        })
    }
}

fn count_partitions(admin: &AdminClient<DefaultClientContext>, topic: &str) -> Result<usize, TopicsError> {
    let missing = || TopicsError::Missing {
        topic: topic.to_owned(),
    };
    // Of all topics: asked for one that is not there, a broker may make it.
    let metadata = admin.inner().fetch_metadata(None, TIMEOUT)?;
    let found = metadata
        .topics()
        .iter()
        .find(|t| t.name() == topic)
        .ok_or_else(missing)?;
    if found.partitions().is_empty() {
        Err(missing())
    } else {
        Ok(found.partitions().len())
    }
}

async fn check_settings(admin: &AdminClient<DefaultClientContext>, topic: &str) -> Result<(), TopicsError> {
    let options = AdminOptions::new().request_timeout(Some(TIMEOUT));
    let described = admin
        .describe_configs([&ResourceSpecifier::Topic(topic)], &options)
        .await?;
    for resource in described {
        let resource: ConfigResource = resource.map_err(KafkaError::AdminOp)?;
        let values: HashMap<&str, &str> = resource
            .entries
            .iter()
            .filter_map(|e| Some((e.name.as_str(), e.value.as_deref()?)))
            .collect();
        for (name, must, why) in NEEDED {
            // A broker that does not say is one that has the property under its default.
            if let Some(is) = values.get(name).filter(|is| *is != must) {
                let (topic, is) = (topic.to_owned(), (*is).to_owned());
                return Err(TopicsError::Setting {
                    topic,
                    name,
                    is,
                    must,
                    why,
                });
            }
        }
    }
    Ok(())
}
