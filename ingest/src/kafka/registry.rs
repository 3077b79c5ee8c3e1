//! Writer schemas behind Confluent ids: from files given at start, or from a registry when an id first appears.
//!
//! A record never waits for the registry: it is kept, flagged as awaiting its schema, and interpreted once the schema is
//! archived. The schemas that decode the evidence live with the evidence.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::{Duration, Instant};

use serde::Deserialize;
use tokio::runtime::Handle;
use verdict_schemas::{SchemaRef, WriterSchema};
use verdict_store::Store;

use super::KafkaSettings;
use super::consumer::StartError;

/// How long one look-up may take; the consumer waits for it.
const TIMEOUT: Duration = Duration::from_secs(2);
/// How long an id that was not found is left alone.
const AGAIN: Duration = Duration::from_secs(5);

/// Resolves Confluent ids and archives what it finds.
pub(super) struct Registry {
    store: Store,
    url: Option<String>,
    http: reqwest::Client,
    runtime: Handle,
    /// Ids that are archived, or when they may be asked for again.
    tried: HashMap<u32, Option<Instant>>,
}

#[derive(Deserialize)]
struct Found {
    schema: String,
    #[serde(rename = "schemaType")]
    schema_type: Option<String>,
}

impl Registry {
    /// Archives the schema files.
    pub(super) fn new(settings: &KafkaSettings, store: Store, runtime: Handle) -> Result<Self, StartError> {
        let wrong = |file: &std::path::Path, reason: String| StartError::SchemaFile {
            file: file.display().to_string(),
            reason,
        };
        let mut tried = HashMap::new();
        for (id, file) in &settings.schema_files {
            let text = std::fs::read_to_string(file).map_err(|e| wrong(file, e.to_string()))?;
            let schema = WriterSchema::parse(&text).map_err(|e| wrong(file, e.to_string()))?;
            store.archive_schema(&SchemaRef::Confluent(*id), &Arc::new(schema))?;
            tried.insert(*id, None);
        }
        let url = settings
            .registry
            .as_ref()
            .map(|url| url.trim_end_matches('/').to_owned());
        Ok(Self {
            store,
            url,
            http: reqwest::Client::new(),
            runtime,
            tried,
        })
    }

    /// The Confluent id that frames a value, if one does: 0x00 and four bytes, big-endian.
    pub(super) fn id_of(value: &[u8]) -> Option<u32> {
        match value {
            [0, a, b, c, d, ..] => Some(u32::from_be_bytes([*a, *b, *c, *d])),
            _ => None,
        }
    }

    /// Archives the schema behind `id` before the first record that needs it, if the registry has it now.
    pub(super) fn prepare(&mut self, id: u32) {
        match self.tried.get(&id) {
            Some(None) => return,
            Some(Some(again)) if Instant::now() < *again => return,
            _ => {}
        }
        let archived = self.resolve(id);
        self.tried
            .insert(id, if archived { None } else { Some(Instant::now() + AGAIN) });
    }

    /// Tries again for the records that wait.
    pub(super) fn retry_waiting(&mut self) {
        for reference in self.store.awaiting_schemas() {
            if let SchemaRef::Confluent(id) = reference {
                self.tried.retain(|known, state| *known != id || state.is_some());
                self.prepare(id);
            }
        }
    }

    fn resolve(&self, id: u32) -> bool {
        let Some(url) = &self.url else { return false };
        match self.runtime.block_on(self.fetch(&format!("{url}/schemas/ids/{id}"))) {
            Ok(schema) => match self.store.archive_schema(&SchemaRef::Confluent(id), &Arc::new(schema)) {
                Ok(archived) => {
                    tracing::info!(id, ?archived, "archived the writer schema");
                    true
                }
                Err(error) => {
                    tracing::error!(id, %error, "cannot archive the writer schema");
                    false
                }
            },
            Err(reason) => {
                tracing::warn!(id, reason, "no schema from the registry; its records are kept and wait");
                false
            }
        }
    }

    async fn fetch(&self, url: &str) -> Result<WriterSchema, String> {
        let response = self
            .http
            .get(url)
            .timeout(TIMEOUT)
            .send()
            .await
            .map_err(|e| e.to_string())?;
        let response = response.error_for_status().map_err(|e| e.to_string())?;
        let found: Found = response.json().await.map_err(|e| e.to_string())?;
        match found.schema_type.as_deref() {
            None | Some("AVRO") => WriterSchema::parse(&found.schema).map_err(|e| e.to_string()),
            Some(other) => Err(format!("the schema is {other}, not AVRO")),
        }
    }
}
