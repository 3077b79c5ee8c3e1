//! A real, unmodified Open Policy Agent, driven by its own configuration file and by bundles made with its own
//! `opa build`, which it polls over HTTP: of a bundle in a file it never notices a new version.

use std::collections::BTreeMap;
use std::fs;
use std::path::PathBuf;
use std::time::Duration;

use anyhow::{Context, Result, bail};
use reqwest::Client;
use serde_json::{Value, json};
use tempfile::TempDir;
use tokio::process::Command;

use crate::bundles::BundleServer;
use crate::process::{Program, run};
use crate::tools::{Tool, free_port};

/// File name of the bundle, in OPA's folder and on the bundle server.
const BUNDLE: &str = "bundle.tar.gz";

/// A running (or stopped) OPA with a folder of its own.
#[derive(Debug)]
pub struct Opa {
    folder: TempDir,
    port: u16,
    client: Client,
    program: Program,
    _bundles: Option<BundleServer>,
}

/// What an OPA is told; see [`Opa::start`].
#[derive(Clone, Debug, Default)]
pub struct OpaSetup<'a> {
    /// Its labels, such as `tenant` and `agent`.
    pub labels: &'a [(&'a str, &'a str)],
    /// Name of its one bundle, the revision and the Rego module it begins with; an empty revision is none.
    pub bundle: (&'a str, &'a str, &'a str),
    /// Its bundle is configured with the old key `bundle:`, under which it is named by its file.
    pub old_key: bool,
    /// Where it reports decisions and status, such as `http://127.0.0.1:8642/opa/v1/acme/prod`; nowhere if absent.
    pub report_to: Option<&'a str>,
    /// Bearer token for that service.
    pub token: Option<&'a str>,
}

impl Opa {
    /// Starts an OPA whose bundle [`Opa::publish`] replaces, and waits until the bundle is active.
    ///
    /// # Errors
    /// When OPA is not installed, the bundle does not build, or it does not come up within five minutes.
    pub async fn start(setup: &OpaSetup<'_>) -> Result<Self> {
        let folder = tempfile::Builder::new().prefix("verdict-opa-").tempdir()?;
        let (name, revision, module) = setup.bundle;
        build_bundle(&folder, revision, module).await?;
        let bundles = BundleServer::start(folder.path().join(BUNDLE)).await?;
        let mut services = vec![json!({ "name": "bundles", "url": bundles.url() })];
        // JSON is YAML.
        let mut configuration = json!({
            "labels": setup.labels.iter().copied().collect::<BTreeMap<_, _>>(),
            "bundles": { name: {
                "service": "bundles",
                "resource": BUNDLE,
                "polling": { "min_delay_seconds": 1, "max_delay_seconds": 1 },
            } },
            "nd_builtin_cache": true,
        });
        if setup.old_key {
            configuration["bundles"] = Value::Null;
            configuration["bundle"] = json!({
                "name": BUNDLE, "prefix": "", "service": "bundles",
                "polling": { "min_delay_seconds": 1, "max_delay_seconds": 1 },
            });
        }
        if let Some(url) = setup.report_to {
            let mut service = json!({ "name": "verdict", "url": url });
            if let Some(token) = setup.token {
                service["credentials"] = json!({ "bearer": { "token": token } });
            }
            services.push(service);
            configuration["status"] = json!({ "service": "verdict" });
            configuration["decision_logs"] =
                json!({ "service": "verdict", "reporting": { "min_delay_seconds": 1, "max_delay_seconds": 1 } });
        }
        configuration["services"] = json!(services);
        let text = serde_json::to_string_pretty(&configuration)?;
        fs::write(folder.path().join("config.yaml"), text)?;
        Self::launch(folder, Some(bundles)).await
    }

    /// Starts an OPA with this configuration file as it is.
    ///
    /// # Errors
    /// When OPA is not installed or does not come up within five minutes.
    pub async fn start_with(configuration: &str) -> Result<Self> {
        let folder = tempfile::Builder::new().prefix("verdict-opa-").tempdir()?;
        fs::write(folder.path().join("config.yaml"), configuration)?;
        Self::launch(folder, None).await
    }

    async fn launch(folder: TempDir, bundles: Option<BundleServer>) -> Result<Self> {
        let port = free_port()?;
        let client = Client::builder().no_proxy().timeout(Duration::from_secs(300)).build()?;
        let program = spawn(&folder, port)?;
        let mut opa = Self {
            folder,
            port,
            client,
            program,
            _bundles: bundles,
        };
        opa.wait_ready().await?;
        Ok(opa)
    }

    /// Replaces the bundle; OPA sees it at its next poll, within a second.
    ///
    /// # Errors
    /// When the module does not build.
    pub async fn publish(&self, revision: &str, module: &str) -> Result<()> {
        build_bundle(&self.folder, revision, module).await
    }

    /// Waits until the bundle's active revision is this one, by OPA's own word.
    ///
    /// # Errors
    /// When it is not within five minutes.
    pub async fn wait_revision(&mut self, bundle: &str, revision: &str) -> Result<()> {
        let (client, url) = (
            self.client.clone(),
            self.url(&format!("/v1/data/system/bundles/{bundle}/manifest/revision")),
        );
        let active = async || {
            let Ok(answer) = client.get(&url).send().await else {
                return false;
            };
            answer
                .json::<Value>()
                .await
                .is_ok_and(|body| body["result"] == revision)
        };
        self.program
            .wait_until(Duration::from_secs(300), &format!("at revision {revision}"), active)
            .await
    }

    /// Asks for a decision: the document at `path` (`authz/allow`) under `input`; returns its whole answer, `decision_id`
    /// among it.
    ///
    /// # Errors
    /// When OPA does not answer with success.
    pub async fn decide(&self, path: &str, input: &Value) -> Result<Value> {
        let answer = self
            .client
            .post(self.url(&format!("/v1/data/{path}")))
            .json(&json!({ "input": input }))
            .send()
            .await?;
        let status = answer.status();
        let text = answer.text().await?;
        if !status.is_success() {
            bail!("OPA answered {status}: {text}");
        }
        serde_json::from_str(&text).with_context(|| format!("OPA answered `{text}`"))
    }

    /// Address of a path on this OPA.
    #[must_use]
    pub fn url(&self, path: &str) -> String {
        format!("http://127.0.0.1:{}{path}", self.port)
    }

    /// All that it has logged.
    #[must_use]
    pub fn log(&self) -> String {
        self.program.log()
    }

    /// Where its configuration and its bundle lie.
    #[must_use]
    pub fn folder(&self) -> PathBuf {
        self.folder.path().to_path_buf()
    }

    /// Asks it to stop; it sends what it has buffered first, if its service is up.
    ///
    /// # Errors
    /// When it does not stop.
    pub async fn stop(&mut self) -> Result<()> {
        self.program.stop().await.map(drop)
    }

    /// Ends it as a crash would: what it has buffered is lost.
    ///
    /// # Errors
    /// When the system refuses.
    pub async fn kill(&mut self) -> Result<()> {
        self.program.kill().await
    }

    /// Starts it again: for us another incarnation of the same agent.
    ///
    /// # Errors
    /// As [`Opa::start`].
    pub async fn restart(&mut self) -> Result<()> {
        self.program = spawn(&self.folder, self.port)?;
        self.wait_ready().await
    }

    async fn wait_ready(&mut self) -> Result<()> {
        let (client, url) = (self.client.clone(), self.url("/health?bundles"));
        let healthy = async || {
            client
                .get(&url)
                .send()
                .await
                .is_ok_and(|answer| answer.status().is_success())
        };
        self.program
            .wait_until(Duration::from_secs(300), "healthy", healthy)
            .await
    }
}

fn spawn(folder: &TempDir, port: u16) -> Result<Program> {
    let mut command = Command::new(Tool::Opa.path()?);
    command
        .args([
            "run",
            "--server",
            "--skip-version-check",
            "--addr",
            &format!("127.0.0.1:{port}"),
            "--config-file",
            "config.yaml",
        ])
        .current_dir(folder.path());
    Program::start("OPA", command, &folder.path().join("opa.log"))
}

async fn build_bundle(folder: &TempDir, revision: &str, module: &str) -> Result<()> {
    let source = folder.path().join("policy");
    fs::create_dir_all(&source)?;
    fs::write(source.join("policy.rego"), module)?;
    let fresh = folder.path().join("new.tar.gz");
    let mut build = Command::new(Tool::Opa.path()?);
    build.args(["build", "--bundle"]);
    if !revision.is_empty() {
        build.args(["--revision", revision]);
    }
    build.arg("--output").arg(&fresh).arg(&source);
    run(build, b"").await.context("building the bundle")?;
    // Renamed, so that OPA never reads half of it.
    fs::rename(fresh, folder.path().join(BUNDLE))?;
    Ok(())
}
