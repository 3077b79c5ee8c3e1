//! The program under test, run as its users run it: `bin/verdict serve` on a free port, over a data directory that
//! outlives kills and restarts; and its command line.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Output;
use std::time::Duration;

use anyhow::{Context, Result, bail};
use reqwest::{Client, Method, StatusCode};
use serde_json::Value;
use tempfile::TempDir;
use tokio::process::Command;

use crate::process::{Program, output_of};
use crate::tools::{self, free_port};

/// Long enough for a start that has to check a large log first.
const READY_LIMIT: Duration = Duration::from_secs(300);

/// A running (or killed) `verdict serve`.
#[derive(Debug)]
pub struct Server {
    folder: TempDir,
    scheme: &'static str,
    port: u16,
    arguments: Vec<String>,
    token: Option<String>,
    client: Client,
    program: Program,
}

/// What a request was answered.
#[derive(Clone, Debug)]
pub struct Answer {
    /// The status.
    pub status: StatusCode,
    /// The `content-type`, or nothing.
    pub content_type: String,
    /// The body's bytes.
    pub body: Vec<u8>,
}

impl Answer {
    /// The body as JSON.
    ///
    /// # Errors
    /// When it is not JSON; the message holds it.
    pub fn json(&self) -> Result<Value> {
        serde_json::from_slice(&self.body).with_context(|| format!("{}: not JSON: {}", self.status, self.text()))
    }

    /// The body as text.
    #[must_use]
    pub fn text(&self) -> String {
        String::from_utf8_lossy(&self.body).into_owned()
    }
}

impl Server {
    /// Starts it over an empty data directory with further arguments, such as `["-X", "bootstrap.servers=..."]`, and waits
    /// until it is ready.
    ///
    /// # Errors
    /// When it is not built, or does not come up; with the end of its output.
    pub async fn start<S: AsRef<str>>(arguments: &[S]) -> Result<Self> {
        let mut server = Self::launch(arguments)?;
        server.wait_ready().await?;
        Ok(server)
    }

    /// Starts it without waiting for it to be ready: for the starts that are to be refused.
    ///
    /// # Errors
    /// When it is not built.
    pub fn launch<S: AsRef<str>>(arguments: &[S]) -> Result<Self> {
        Self::launch_on(free_port()?, arguments)
    }

    /// The same on a port that others were told of before.
    ///
    /// # Errors
    /// When it is not built.
    pub fn launch_on<S: AsRef<str>>(port: u16, arguments: &[S]) -> Result<Self> {
        let folder = tempfile::Builder::new().prefix("verdict-server-").tempdir()?;
        let arguments: Vec<String> = arguments.iter().map(|argument| argument.as_ref().to_owned()).collect();
        let program = spawn(folder.path(), port, &arguments)?;
        // A request has to end even when the server never answers it.
        let client = Client::builder().no_proxy().timeout(Duration::from_secs(300)).build()?;
        Ok(Self {
            folder,
            scheme: "http",
            port,
            arguments,
            token: None,
            client,
            program,
        })
    }

    /// Sends this bearer token with each request from now on.
    pub fn use_token(&mut self, token: &str) {
        self.token = Some(token.to_owned());
    }

    /// Speaks TLS with it from now on, and trusts this file's authorities alone.
    ///
    /// # Errors
    /// When the file holds none.
    pub fn trust(&mut self, authorities: &Path) -> Result<()> {
        self.trust_as(authorities, None)
    }

    /// The same, and shows a certificate: its file and its key's.
    ///
    /// # Errors
    /// When one of the files can not be used.
    pub fn trust_as(&mut self, authorities: &Path, shown: Option<(&Path, &Path)>) -> Result<()> {
        let roots = reqwest::Certificate::from_pem_bundle(&fs::read(authorities)?)?;
        let mut client = Client::builder().no_proxy().timeout(Duration::from_secs(300));
        if let Some((cert, key)) = shown {
            client = client.identity(reqwest::Identity::from_pkcs8_pem(&fs::read(cert)?, &fs::read(key)?)?);
        }
        self.client = client.tls_certs_only(roots).build()?;
        self.scheme = "https";
        Ok(())
    }

    /// Waits until `/readyz` answers 200.
    ///
    /// # Errors
    /// When it ends first or takes longer than five minutes, with the end of its output.
    pub async fn wait_ready(&mut self) -> Result<()> {
        let (client, url) = (self.client.clone(), self.url("/readyz"));
        let ready = async || {
            client
                .get(&url)
                .send()
                .await
                .is_ok_and(|answer| answer.status().is_success())
        };
        self.program.wait_until(READY_LIMIT, "ready", ready).await
    }

    /// Waits for a start that must be refused, and returns what it said.
    ///
    /// # Errors
    /// When it is still running after five minutes, or ended with success.
    pub async fn refused(&mut self) -> Result<String> {
        let end = tokio::time::Instant::now() + Duration::from_secs(300);
        while tokio::time::Instant::now() < end {
            match self.program.exited()? {
                Some(status) if status.success() => bail!("it ended with success:\n{}", self.log()),
                Some(_) => return Ok(self.log()),
                None => tokio::time::sleep(Duration::from_millis(30)).await,
            }
        }
        bail!("it is still running:\n{}", self.log())
    }

    /// Address of a path on this server.
    #[must_use]
    pub fn url(&self, path: &str) -> String {
        format!("{}://127.0.0.1:{}{path}", self.scheme, self.port)
    }

    /// Its data directory.
    #[must_use]
    pub fn data(&self) -> PathBuf {
        data_in(self.folder.path())
    }

    /// Its process id, while it runs.
    #[must_use]
    pub fn id(&self) -> Option<u32> {
        self.program.id()
    }

    /// All that it has logged, in every life.
    #[must_use]
    pub fn log(&self) -> String {
        self.program.log()
    }

    /// Ends it as a crash would (SIGKILL).
    ///
    /// # Errors
    /// When the system refuses.
    pub async fn kill(&mut self) -> Result<()> {
        self.program.kill().await
    }

    /// Asks it to stop (SIGTERM), and expects that it ends with success.
    ///
    /// # Errors
    /// When it does not stop, or ends with a failure.
    pub async fn stop(&mut self) -> Result<()> {
        let status = self.program.stop().await?;
        if status.success() {
            Ok(())
        } else {
            bail!("it ended with {status}:\n{}", self.log())
        }
    }

    /// Starts it again over the same data directory and on the same port, and waits until it is ready.
    ///
    /// # Errors
    /// As [`Server::start`].
    pub async fn restart(&mut self) -> Result<()> {
        self.relaunch()?;
        self.wait_ready().await
    }

    /// The same without waiting for it to be ready.
    ///
    /// # Errors
    /// When it is not built, or still runs: it has the port.
    pub fn relaunch(&mut self) -> Result<()> {
        if self.program.exited()?.is_none() {
            bail!("it still runs: stop it or kill it before");
        }
        self.program = spawn(self.folder.path(), self.port, &self.arguments)?;
        Ok(())
    }

    /// Waits until `/readyz` answers 503 with a text in it; gives what it answered.
    ///
    /// # Errors
    /// When it does not within a minute, with the end of its output.
    pub async fn wait_unready(&mut self, because: &str) -> Result<String> {
        let (client, url) = (self.client.clone(), self.url("/readyz"));
        let mut said = String::new();
        let told = async || {
            let Ok(answer) = client.get(&url).send().await else {
                return false;
            };
            let status = answer.status();
            said = answer.text().await.unwrap_or_default();
            status == StatusCode::SERVICE_UNAVAILABLE && said.contains(because)
        };
        self.program.wait_until(READY_LIMIT, because, told).await?;
        Ok(said)
    }

    /// A GET, whatever its answer.
    ///
    /// # Errors
    /// When there is no answer.
    pub async fn get(&self, path: &str) -> Result<Answer> {
        self.request(Method::GET, path, &[], Vec::new()).await
    }

    /// A GET that must succeed with JSON.
    ///
    /// # Errors
    /// When it does not; the message holds the answer.
    pub async fn get_json(&self, path: &str) -> Result<Value> {
        let answer = self.get(path).await?;
        if answer.status.is_success() {
            answer.json()
        } else {
            bail!("GET {path}: {} {}", answer.status, answer.text())
        }
    }

    /// A POST, whatever its answer.
    ///
    /// # Errors
    /// When there is no answer.
    pub async fn post(&self, path: &str, content_type: &str, body: impl Into<Vec<u8>>) -> Result<Answer> {
        self.request(Method::POST, path, &[("content-type", content_type)], body.into())
            .await
    }

    /// Events of a tenant, as a JSON array; they must be accepted.
    ///
    /// # Errors
    /// When they are not; the message holds the answer.
    pub async fn emit(&self, tenant: &str, events: &Value) -> Result<Value> {
        let path = format!("/v1/tenants/{tenant}/events");
        let answer = self
            .post(&path, "application/json", serde_json::to_vec(events)?)
            .await?;
        if answer.status.is_success() {
            answer.json()
        } else {
            bail!("POST {path}: {} {}", answer.status, answer.text())
        }
    }

    /// Any request, whatever its answer.
    ///
    /// # Errors
    /// When there is no answer.
    pub async fn request(&self, method: Method, path: &str, headers: &[(&str, &str)], body: Vec<u8>) -> Result<Answer> {
        let mut request = self.client.request(method, self.url(path)).body(body);
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        if let Some(token) = &self.token {
            request = request.bearer_auth(token);
        }
        let answer = request.send().await?;
        let content_type = answer
            .headers()
            .get("content-type")
            .and_then(|value| value.to_str().ok())
            .unwrap_or_default()
            .to_owned();
        Ok(Answer {
            status: answer.status(),
            content_type,
            body: answer.bytes().await?.to_vec(),
        })
    }
}

/// `bin/verdict` with these arguments, run to its end; success or not is the caller's to judge.
///
/// # Errors
/// When it is not built, or takes longer than five minutes.
pub async fn verdict(arguments: &[&str], input: &[u8]) -> Result<Output> {
    let mut command = command()?;
    command.args(arguments);
    output_of(&mut command, input).await
}

/// `bin/verdict` with these arguments and these variables of the environment, to its end.
///
/// # Errors
/// When it is not built, or takes longer than five minutes.
pub async fn verdict_in(environment: &[(&str, &str)], arguments: &[&str]) -> Result<Output> {
    let mut command = command()?;
    command.args(arguments).envs(environment.iter().copied());
    output_of(&mut command, b"").await
}

/// `bin/verdict` with these arguments, started and left to run.
///
/// # Errors
/// When it is not built.
pub fn verdict_running(arguments: &[&str], log: &Path) -> Result<Program> {
    let mut command = command()?;
    command.args(arguments);
    Program::start("verdict", command, log)
}

/// The program with an environment that says nothing to it: the caller's own `VERDICT_...` must not change a test.
fn command() -> Result<Command> {
    let mut command = Command::new(tools::verdict()?);
    for (name, _) in std::env::vars_os() {
        if name.to_string_lossy().starts_with("VERDICT_") || name == "COLUMNS" {
            command.env_remove(name);
        }
    }
    Ok(command)
}

fn spawn(folder: &Path, port: u16, arguments: &[String]) -> Result<Program> {
    let data = data_in(folder);
    fs::create_dir_all(&data)?;
    let mut command = command()?;
    command
        .arg("serve")
        .arg("--data")
        .arg(data)
        .args(["--listen", &format!("127.0.0.1:{port}")])
        .args(arguments);
    Program::start("verdict", command, &folder.join("verdict.log"))
}

fn data_in(folder: &Path) -> PathBuf {
    folder.join("data")
}
