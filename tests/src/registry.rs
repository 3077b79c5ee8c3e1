//! A real schema registry with Confluent's API: Apicurio, in memory, about 260 MB. And one that is played, for what that
//! one does not do: GUIDs, and being at fault.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use anyhow::{Context, Result, bail};
use reqwest::Client;
use serde_json::{Value, json};
use tempfile::TempDir;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::process::Command;
use tokio::task::JoinHandle;

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
        self.register_with(subject, schema, &[]).await
    }

    /// The same for a schema that refers to others, each (name of the type, subject), version 1.
    ///
    /// # Errors
    /// When the registry refuses it.
    pub async fn register_with(&self, subject: &str, schema: &str, others: &[(&str, &str)]) -> Result<u64> {
        let url = format!("{}/subjects/{subject}/versions", self.url());
        let others = others.iter();
        let references: Vec<_> = others
            .map(|(name, subject)| json!({"name": name, "subject": subject, "version": 1}))
            .collect();
        let body = json!({ "schema": schema, "references": references });
        let answer = self.client.post(url).json(&body).send().await?;
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

/// A registry that is played: it answers what it was given and 404 to anything else, or nothing at all.
#[derive(Debug)]
pub struct PlayedRegistry {
    port: u16,
    asked: Arc<Mutex<Vec<String>>>,
    accepting: JoinHandle<()>,
}

impl PlayedRegistry {
    /// Answers these paths with these bodies.
    ///
    /// # Errors
    /// When it can not listen.
    pub async fn with(answers: impl IntoIterator<Item = (String, Value)>) -> Result<Self> {
        Self::play(Some(answers.into_iter().collect())).await
    }

    /// Accepts connections, reads what is asked, and never answers.
    ///
    /// # Errors
    /// When it can not listen.
    pub async fn hung() -> Result<Self> {
        Self::play(None).await
    }

    async fn play(answers: Option<BTreeMap<String, Value>>) -> Result<Self> {
        let listener = TcpListener::bind("127.0.0.1:0").await?;
        let (port, asked, answers) = (listener.local_addr()?.port(), Arc::default(), Arc::new(answers));
        let paths = Arc::clone(&asked);
        let accepting = tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                let (paths, answers) = (Arc::clone(&paths), Arc::clone(&answers));
                // Who asks may go away at any time.
                tokio::spawn(async move { drop(converse(stream, &paths, answers.as_ref().as_ref()).await) });
            }
        });
        Ok(Self { port, asked, accepting })
    }

    /// Its base address.
    #[must_use]
    pub fn url(&self) -> String {
        format!("http://127.0.0.1:{}", self.port)
    }

    /// The paths asked for so far, in their order.
    #[must_use]
    pub fn asked(&self) -> Vec<String> {
        self.asked.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

impl Drop for PlayedRegistry {
    fn drop(&mut self) {
        self.accepting.abort();
    }
}

/// Requests without bodies, one after the other.
async fn converse(
    mut stream: TcpStream,
    asked: &Mutex<Vec<String>>,
    answers: Option<&BTreeMap<String, Value>>,
) -> Result<()> {
    let mut head = Vec::new();
    while stream.read_buf(&mut head).await? > 0 {
        let Some(end) = head.windows(4).position(|four| four == b"\r\n\r\n") else {
            continue;
        };
        let text = String::from_utf8_lossy(&head).into_owned();
        head.drain(..end + 4);
        let path = text.split(' ').nth(1).unwrap_or_default().to_owned();
        asked.lock().unwrap_or_else(PoisonError::into_inner).push(path.clone());
        let Some(answers) = answers else { continue };
        let (status, body) = match answers.get(&path) {
            Some(body) => ("200 OK", body.to_string()),
            None => ("404 Not Found", json!({"error_code": 40403}).to_string()),
        };
        let length = body.len();
        let answer =
            format!("HTTP/1.1 {status}\r\ncontent-type: application/json\r\ncontent-length: {length}\r\n\r\n{body}");
        stream.write_all(answer.as_bytes()).await?;
    }
    Ok(())
}
