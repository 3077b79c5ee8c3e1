//! A real schema registry with Confluent's API: Apicurio, in memory, about 260 MB.

use std::time::Duration;

use anyhow::{Context, Result, bail};
use reqwest::Client;
use serde_json::{Value, json};
use tempfile::TempDir;
use tokio::process::Command;

use crate::process::Program;
use crate::tools::{Tool, free_port};

/// A running registry.
#[derive(Debug)]
pub struct Registry {
    port: u16,
    client: Client,
    program: Program,
    _folder: TempDir,
}

impl Registry {
    /// Starts an empty registry and waits until it answers.
    ///
    /// # Errors
    /// When Java or the registry are not installed, or it does not come up within five minutes.
    pub async fn start() -> Result<Self> {
        let folder = tempfile::Builder::new().prefix("verdict-registry-").tempdir()?;
        let (port, management) = (free_port()?, free_port()?);
        let mut command = Command::new(Tool::Java.path()?);
        command
            .args(["-Xmx384m", "-XX:+UseSerialGC", "-XX:TieredStopAtLevel=1", "-jar"])
            .arg(Tool::Registry.path()?.join("registry.jar"))
            .env("QUARKUS_HTTP_HOST", "127.0.0.1")
            .env("QUARKUS_HTTP_PORT", port.to_string())
            .env("QUARKUS_MANAGEMENT_PORT", management.to_string())
            .env("APICURIO_STORAGE_KIND", "sql")
            .env("APICURIO_STORAGE_SQL_KIND", "h2")
            .current_dir(folder.path());
        let program = Program::start("the Apicurio registry", command, &folder.path().join("registry.log"))?;
        let client = Client::builder().no_proxy().timeout(Duration::from_secs(300)).build()?;
        let mut registry = Self {
            port,
            client,
            program,
            _folder: folder,
        };
        let (client, url) = (registry.client.clone(), format!("{}/subjects", registry.url()));
        let answers = async || {
            client
                .get(&url)
                .send()
                .await
                .is_ok_and(|answer| answer.status().is_success())
        };
        registry
            .program
            .wait_until(Duration::from_secs(300), "ready", answers)
            .await?;
        Ok(registry)
    }

    /// Base address of the Confluent API.
    #[must_use]
    pub fn url(&self) -> String {
        format!("http://127.0.0.1:{}/apis/ccompat/v7", self.port)
    }

    /// Registers a schema under a subject and returns its id.
    ///
    /// # Errors
    /// When the registry refuses it.
    pub async fn register(&self, subject: &str, schema: &str) -> Result<u64> {
        let url = format!("{}/subjects/{subject}/versions", self.url());
        let answer = self.client.post(url).json(&json!({ "schema": schema })).send().await?;
        let (status, body) = (answer.status(), answer.text().await?);
        if !status.is_success() {
            bail!("registering `{subject}`: {status} {body}");
        }
        let body: Value = serde_json::from_str(&body)?;
        body["id"].as_u64().with_context(|| format!("no id in `{body}`"))
    }

    /// The schema behind an id, as the registry tells it.
    ///
    /// # Errors
    /// When it does not know the id.
    pub async fn schema(&self, id: u64) -> Result<String> {
        let answer = self
            .client
            .get(format!("{}/schemas/ids/{id}", self.url()))
            .send()
            .await?
            .error_for_status()?;
        let body: Value = answer.json().await?;
        Ok(body["schema"].as_str().context("no `schema` in the answer")?.to_owned())
    }

    /// Ends it as a crash would; it has no memory of its schemas afterwards.
    ///
    /// # Errors
    /// When the system refuses.
    pub async fn kill(&mut self) -> Result<()> {
        self.program.kill().await
    }
}
