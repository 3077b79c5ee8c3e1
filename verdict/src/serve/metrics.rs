//! `/metrics`: what the rooms count, in the text format of Prometheus. No tenant is named in it (A7).

use std::fmt;
use std::sync::Arc;

use axum::Router;
use axum::extract::State;
use axum::http::header::CONTENT_TYPE;
use axum::response::IntoResponse;
use axum::routing::get;
use prometheus_client::collector::Collector;
use prometheus_client::encoding::{DescriptorEncoder, EncodeMetric, text};
use prometheus_client::metrics::MetricType;
use prometheus_client::metrics::counter::ConstCounter;
use prometheus_client::metrics::gauge::ConstGauge;
use prometheus_client::registry::{Registry, Unit};
use verdict_ingest::{KafkaHealth, KafkaMetrics};
use verdict_store::Store;

/// The format that Prometheus asks for.
const OPENMETRICS: &str = "application/openmetrics-text; version=1.0.0; charset=utf-8";

/// What is known of a Kafka that is read, and what is counted of each topic.
pub(super) type Kafka = (Arc<KafkaHealth>, Vec<Arc<KafkaMetrics>>);

/// The route, over the counters of these rooms.
pub(super) fn router(store: Store, questions: &verdict_edge::Metrics, kafka: Option<Kafka>) -> Router {
    let mut registry = Registry::with_prefix("verdict");
    questions.register(&mut registry);
    registry.register_collector(Box::new(Rooms { store, kafka }));
    Router::new()
        .route("/metrics", get(metrics))
        .with_state(Arc::new(registry))
}

async fn metrics(State(registry): State<Arc<Registry>>) -> impl IntoResponse {
    let mut body = String::new();
    // Writing into a string does not fail; a collector that does leaves the rest out, which a scraper notices.
    if let Err(error) = text::encode(&mut body, &registry) {
        tracing::error!(%error, "metrics");
    }
    ([(CONTENT_TYPE, OPENMETRICS)], body)
}

/// Reads the counters of store, intake and Kafka when they are asked for.
struct Rooms {
    store: Store,
    kafka: Option<Kafka>,
}

impl fmt::Debug for Rooms {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Rooms")
    }
}

impl Collector for Rooms {
    fn encode(&self, mut encoder: DescriptorEncoder<'_>) -> Result<(), fmt::Error> {
        let mut counter = |name: &str, help: &str, value: u64| {
            let metric = ConstCounter::new(value);
            metric.encode(encoder.encode_descriptor(name, help, None::<&Unit>, MetricType::Counter)?)
        };
        let store = self.store.statistics();
        counter("store_commits", "Batches committed", store.commits)?;
        counter("store_fsyncs", "Commits that waited for the disk", store.fsyncs)?;
        counter("store_events", "Records committed", store.events)?;
        counter("store_bytes", "Bytes of values committed", store.bytes)?;
        counter(
            "store_commit_micros",
            "Microseconds spent committing",
            store.commit_micros,
        )?;
        let intake = verdict_ingest::stats();
        counter("intake_requests", "Requests of the intake", intake.requests)?;
        counter("intake_refused", "Requests answered with a problem", intake.refused)?;
        counter("intake_bytes", "Bytes of bodies, as sent", intake.bytes)?;
        counter(
            "intake_accepted",
            "Events kept, or acknowledged by Kafka",
            intake.accepted,
        )?;
        counter("intake_duplicates", "Events that were there already", intake.duplicates)?;
        counter(
            "intake_conflicts",
            "Events kept although others have their id",
            intake.conflicts,
        )?;
        counter("intake_rejected", "Events refused, line by line", intake.rejected)?;
        counter(
            "intake_quarantined",
            "What an OPA sent that is kept as malformed",
            intake.quarantined,
        )?;
        let topics = || self.kafka.iter().flat_map(|(_, topics)| topics);
        let sum = |of: fn(&KafkaMetrics) -> u64| topics().map(|m| of(m)).sum::<u64>();
        counter("kafka_records", "Records read from Kafka", sum(KafkaMetrics::records))?;
        counter("kafka_bytes", "Bytes of their values", sum(KafkaMetrics::bytes))?;
        counter("kafka_errors", "Errors that Kafka reported", sum(KafkaMetrics::errors))?;
        counter(
            "kafka_gaps",
            "Gaps recorded: offsets lost before they were read",
            sum(KafkaMetrics::gaps),
        )?;
        counter(
            "kafka_unrouted",
            "Records that belong to no log of their partition",
            sum(KafkaMetrics::unrouted),
        )?;

        let mut gauge = |name: &str, help: &str, value: u64| {
            let metric = ConstGauge::new(i64::try_from(value).unwrap_or(i64::MAX));
            metric.encode(encoder.encode_descriptor(name, help, None::<&Unit>, MetricType::Gauge)?)
        };
        if let Some((health, _)) = &self.kafka {
            let reading = u64::from(health.failure().is_none());
            gauge(
                "kafka_reading",
                "1 while both topics are read, 0 once one no longer is",
                reading,
            )?;
        }
        let lag = topics().flat_map(|m| m.lag()).map(|(_, _, lag)| lag).sum();
        gauge(
            "kafka_lag_records",
            "Offsets between the ends of the partitions and what was read",
            lag,
        )?;
        gauge(
            "store_queued_events",
            "Records that wait for the committer",
            store.queued_events,
        )?;
        gauge(
            "store_queued_bytes",
            "Bytes that wait for the committer",
            store.queued_bytes,
        )?;
        gauge(
            "store_records_not_visible",
            "Records that are durable, and of which no views are made yet",
            store.not_visible,
        )?;
        let followers = self.store.followers();
        gauge(
            "store_views_rebuilding",
            "Logs whose views are being made anew",
            followers.rebuilding,
        )?;
        gauge(
            "store_views_broken",
            "Logs whose views can not be made past a record",
            followers.broken,
        )?;
        gauge(
            "store_views_unanswered",
            "Logs about which nothing is answered before their views are made",
            followers.unanswered,
        )?;
        gauge(
            "store_records_passed_over",
            "Records since the start that broke the code of a view, and were passed over",
            followers.passed_over,
        )?;
        gauge(
            "store_ahead_milliseconds",
            "By how much recorded time is ahead of this machine's clock",
            u64::try_from(self.store.ahead_by().as_millis()).unwrap_or(u64::MAX),
        )?;
        gauge(
            "store_schemas_awaited",
            "Writer schemas that records wait for",
            self.store.awaiting_schemas().len() as u64,
        )?;
        gauge(
            "store_database_memory_bytes",
            "Memory that the database holds within its bound",
            store.database_memory,
        )?;
        gauge(
            "store_database_disk_bytes",
            "Files of the database",
            store.database_disk,
        )
    }
}
