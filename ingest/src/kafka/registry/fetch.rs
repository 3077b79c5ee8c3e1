//! One look-up: a schema by its id or GUID, with all that it refers to.

use std::collections::HashSet;
use std::time::Duration;

use reqwest::{StatusCode, Url};
use serde::Deserialize;
use serde::de::DeserializeOwned;
use verdict_schemas::{SchemaRef, WriterSchema};

/// How long one request may take, and a whole look-up.
const TIMEOUT: Duration = Duration::from_secs(5);
const WHOLE_TIMEOUT: Duration = Duration::from_secs(20);
/// The most bytes of an answer.
const MOST_BYTES: usize = 1 << 20;
/// The most schemas that one refers to, in all, and in a row.
const MOST_REFERENCES: usize = 64;
const DEEPEST: usize = 16;

/// Why a look-up gave no schema.
#[derive(Debug)]
pub(super) enum Failure {
    /// The registry has none of that name, or none that can be used.
    NotFound(String),
    /// The registry does not answer, or not as one does that is well and knows us. That says nothing about the name.
    NoAnswer(String),
}

/// Asks one registry.
pub(super) struct Client {
    base: Url,
    http: reqwest::Client,
}

#[derive(Deserialize)]
struct Found {
    schema: String,
    #[serde(rename = "schemaType")]
    schema_type: Option<String>,
    references: Option<Vec<Reference>>,
}

#[derive(Clone, Deserialize, PartialEq, Eq, Hash)]
struct Reference {
    subject: String,
    version: i64,
}

impl Client {
    /// Of the registry at this address.
    ///
    /// # Errors
    /// When that is none.
    pub(super) fn new(base: &str) -> Result<Self, String> {
        let url = Url::parse(base).map_err(|error| error.to_string())?;
        if url.cannot_be_a_base() {
            return Err("it can have no path".to_owned());
        }
        let http = reqwest::Client::builder().timeout(TIMEOUT).build();
        Ok(Self {
            base: url,
            http: http.map_err(|error| error.to_string())?,
        })
    }

    /// The schema of that name, whole.
    pub(super) async fn schema(&self, name: &SchemaRef) -> Result<WriterSchema, Failure> {
        let path = match name {
            SchemaRef::Confluent(id) => ["schemas".to_owned(), "ids".to_owned(), id.to_string()],
            SchemaRef::Guid(guid) => [
                "schemas".to_owned(),
                "guids".to_owned(),
                uuid::Uuid::from_bytes(*guid).to_string(),
            ],
            SchemaRef::Fingerprint(_) => return Err(Failure::NotFound("a registry knows no fingerprints".to_owned())),
        };
        let whole = tokio::time::timeout(WHOLE_TIMEOUT, self.whole(&path)).await;
        whole.unwrap_or_else(|_| Err(Failure::NoAnswer(format!("nothing within {WHOLE_TIMEOUT:?}"))))
    }

    async fn whole(&self, path: &[String]) -> Result<WriterSchema, Failure> {
        let found: Found = self.get(path).await?;
        match found.schema_type.as_deref() {
            None | Some("AVRO") => {}
            Some(other) => return Ok(WriterSchema::unsupported(other)),
        }
        let others = self.others(found.references.unwrap_or_default()).await?;
        WriterSchema::parse_with(&found.schema, &others).map_err(|error| Failure::NotFound(error.to_string()))
    }

    /// What a schema refers to, and what that refers to.
    async fn others(&self, references: Vec<Reference>) -> Result<Vec<String>, Failure> {
        let (mut others, mut known) = (Vec::new(), HashSet::new());
        // Each with those that led to it.
        let mut left: Vec<(Reference, Vec<Reference>)> = references.into_iter().map(|of| (of, Vec::new())).collect();
        while let Some((of, mut way)) = left.pop() {
            let shown = format!("`{}` version {}", of.subject, of.version);
            if way.contains(&of) {
                return Err(Failure::NotFound(format!("{shown} refers to itself")));
            }
            if !known.insert(of.clone()) {
                continue;
            }
            if known.len() > MOST_REFERENCES || way.len() >= DEEPEST {
                let reason =
                    format!("it refers to more than {MOST_REFERENCES} others, or over more than {DEEPEST} to {shown}");
                return Err(Failure::NotFound(reason));
            }
            let version = of.version.to_string();
            let path = ["subjects", &of.subject, "versions", &version].map(str::to_owned);
            let found: Found = self.get(&path).await.map_err(|failure| failure.of(&shown))?;
            others.push(found.schema);
            way.push(of);
            let more = found.references.unwrap_or_default();
            left.extend(more.into_iter().map(|next| (next, way.clone())));
        }
        Ok(others)
    }

    async fn get<T: DeserializeOwned>(&self, path: &[String]) -> Result<T, Failure> {
        let mut url = self.base.clone();
        if let Ok(mut segments) = url.path_segments_mut() {
            segments.pop_if_empty().extend(path);
        }
        let silent = |error: reqwest::Error| Failure::NoAnswer(reason(error));
        let mut response = self.http.get(url).send().await.map_err(silent)?;
        let status = response.status();
        if !status.is_success() {
            let reason = format!("the registry answered {status}");
            return Err(match status {
                StatusCode::NOT_FOUND | StatusCode::BAD_REQUEST | StatusCode::UNPROCESSABLE_ENTITY => {
                    Failure::NotFound(reason)
                }
                _ => Failure::NoAnswer(reason),
            });
        }
        let mut body = Vec::new();
        while let Some(part) = response.chunk().await.map_err(silent)? {
            if body.len() + part.len() > MOST_BYTES {
                return Err(Failure::NotFound(format!(
                    "its answer is longer than {MOST_BYTES} bytes"
                )));
            }
            body.extend_from_slice(&part);
        }
        serde_json::from_slice(&body).map_err(|error| Failure::NotFound(format!("its answer is no schema: {error}")))
    }
}

impl Failure {
    /// Of something that the schema refers to.
    fn of(self, what: &str) -> Self {
        match self {
            Self::NotFound(reason) => Self::NotFound(format!("it refers to {what}: {reason}")),
            Self::NoAnswer(reason) => Self::NoAnswer(reason),
        }
    }
}

/// An error and its causes, without the address, which may hold a password.
fn reason(error: reqwest::Error) -> String {
    let error = error.without_url();
    let mut text = error.to_string();
    let mut cause = std::error::Error::source(&error);
    while let Some(of) = cause {
        text.push_str(&format!(": {of}"));
        cause = of.source();
    }
    text
}
