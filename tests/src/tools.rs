//! Where the foreign programs lie. `.ci/setup test` (part of `make test`) puts them into `$VERDICT_CACHE/tools`; an
//! environment variable for each names another place.

use std::env;
use std::net::TcpListener;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU32, Ordering};

use anyhow::{Context, Result, bail};

/// A program that the tests run and that the project does not contain.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Tool {
    /// The folder of Kafka's jars. `VERDICT_TEST_KAFKA`.
    Kafka,
    /// The OPA binary. `VERDICT_TEST_OPA`.
    Opa,
    /// The folder of the Apicurio registry. `VERDICT_TEST_REGISTRY`.
    Registry,
    /// A Python that has `confluent_kafka`. `VERDICT_TEST_PYTHON`.
    Python,
    /// The docker compose binary. `VERDICT_TEST_COMPOSE`.
    Compose,
    /// kcat. `VERDICT_TEST_KCAT`.
    Kcat,
    /// A Java runtime. `VERDICT_TEST_JAVA`.
    Java,
}

impl Tool {
    /// Variable, place within the cache's `tools` (or nothing: it is looked up on the PATH), and its name on the PATH.
    fn place(self) -> (&'static str, Option<&'static str>, &'static str) {
        match self {
            Self::Kafka => ("VERDICT_TEST_KAFKA", Some("kafka/libs"), "Apache Kafka"),
            Self::Opa => ("VERDICT_TEST_OPA", Some("opa/opa"), "opa"),
            Self::Registry => ("VERDICT_TEST_REGISTRY", Some("registry"), "the Apicurio registry"),
            Self::Python => (
                "VERDICT_TEST_PYTHON",
                Some("python/bin/python"),
                "Python with confluent-kafka",
            ),
            Self::Compose => ("VERDICT_TEST_COMPOSE", Some("compose/docker-compose"), "docker compose"),
            Self::Kcat => ("VERDICT_TEST_KCAT", None, "kcat"),
            Self::Java => ("VERDICT_TEST_JAVA", None, "java"),
        }
    }

    /// Path of the program.
    ///
    /// # Errors
    /// When it is not there; the message says how to install it.
    pub fn path(self) -> Result<PathBuf> {
        let (variable, cached, name) = self.place();
        let found = match (env::var_os(variable), cached) {
            (Some(path), _) => Some(PathBuf::from(path)),
            (None, Some(place)) => Some(cache()?.join("tools").join(place)),
            (None, None) => on_path(name),
        };
        match found {
            Some(path) if path.exists() => Ok(path),
            Some(path) => bail!(
                "{name} is not at `{}`; run `make setup-test`, or set {variable}",
                path.display()
            ),
            None => bail!("`{name}` is not on the PATH; run `make setup-test`, or set {variable}"),
        }
    }
}

fn on_path(name: &str) -> Option<PathBuf> {
    env::split_paths(&env::var_os("PATH")?)
        .map(|folder| folder.join(name))
        .find(|path| path.is_file())
}

fn cache() -> Result<PathBuf> {
    if let Some(cache) = env::var_os("VERDICT_CACHE") {
        return Ok(PathBuf::from(cache));
    }
    let home = env::var_os("HOME").context("neither VERDICT_CACHE nor HOME is set")?;
    Ok(Path::new(&home).join(".cache/verdict"))
}

/// Root of the workspace.
#[must_use]
pub fn workspace() -> PathBuf {
    let here = Path::new(env!("CARGO_MANIFEST_DIR"));
    here.parent().unwrap_or(here).to_path_buf()
}

/// The program under test: `VERDICT_TEST_BIN`, else `bin/verdict`, which `make build` leaves.
///
/// # Errors
/// When it is not there.
pub fn verdict() -> Result<PathBuf> {
    let path = env::var_os("VERDICT_TEST_BIN").map_or_else(|| workspace().join("bin/verdict"), PathBuf::from);
    if path.exists() {
        Ok(path)
    } else {
        bail!(
            "the program under test is not at `{}`; run `make build`, or set VERDICT_TEST_BIN",
            path.display()
        )
    }
}

/// A port of 127.0.0.1 that nothing listens on.
///
/// Below the range that the kernel takes for outgoing connections (32768 and up): a client that retries a stopped
/// server's port within that range may be given the port itself, and the server cannot come back to it. Each process
/// begins at another place, so that tests side by side rarely look at the same port.
///
/// # Errors
/// When none of 12,000 is free.
pub fn free_port() -> Result<u16> {
    const FIRST: u32 = 20_000;
    const COUNT: u32 = 12_000;
    static NEXT: AtomicU32 = AtomicU32::new(0);
    for _ in 0..COUNT {
        let step = NEXT.fetch_add(1, Ordering::Relaxed);
        let port = FIRST + (std::process::id().wrapping_mul(37).wrapping_add(step)) % COUNT;
        let port = u16::try_from(port)?;
        if TcpListener::bind(("127.0.0.1", port)).is_ok() {
            return Ok(port);
        }
    }
    bail!("no free port between {FIRST} and {}", FIRST + COUNT)
}
