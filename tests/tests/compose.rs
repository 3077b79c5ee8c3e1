//! docker-compose.yml, read by the real docker compose; and what it tells Verdict, told to Verdict.
#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::process::Output;

use anyhow::Result;
use reqwest::Method;
use serde_json::{Value, json};
use sha2::{Digest, Sha256};
use tokio::process::Command;
use verdict_tests::process::output_of;
use verdict_tests::server::{Server, verdict};
use verdict_tests::tools::{Tool, workspace};

const TOKEN: &str = "a token of the test";

async fn compose(arguments: &[&str], token: Option<&str>) -> Result<Output> {
    let mut command = Command::new(Tool::Compose.path()?);
    command
        .args(["--file", "docker-compose.yml", "config"])
        .args(arguments)
        .current_dir(workspace());
    command.env_remove("VERDICT_TOKEN_SHA256");
    if let Some(token) = token {
        command.env("VERDICT_TOKEN_SHA256", hex::encode(Sha256::digest(token)));
    }
    output_of(&mut command, b"").await
}

async fn configuration() -> Result<Value> {
    let output = compose(&["--format", "json"], Some(TOKEN)).await?;
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    Ok(serde_json::from_slice(&output.stdout)?)
}

/// The words of a service's command.
fn command_of(configuration: &Value, service: &str) -> Vec<String> {
    let words = configuration["services"][service]["command"].as_array().unwrap();
    words.iter().map(|word| word.as_str().unwrap().to_owned()).collect()
}

#[tokio::test]
async fn the_real_compose_accepts_it_and_asks_for_a_token() -> Result<()> {
    let quiet = compose(&["--quiet"], Some(TOKEN)).await?;
    assert!(quiet.status.success(), "{}", String::from_utf8_lossy(&quiet.stderr));
    let refused = compose(&["--quiet"], None).await?;
    assert!(
        !refused.status.success(),
        "it must not start with a token that everyone knows"
    );
    assert!(String::from_utf8_lossy(&refused.stderr).contains("VERDICT_TOKEN_SHA256"));
    Ok(())
}

#[tokio::test]
async fn verdict_starts_after_its_topics_and_only_for_this_machine() -> Result<()> {
    let configuration = configuration().await?;
    let services = &configuration["services"];
    assert_eq!(
        services["topics"]["depends_on"]["kafka"]["condition"],
        "service_healthy"
    );
    assert_eq!(
        services["verdict"]["depends_on"]["topics"]["condition"],
        "service_completed_successfully"
    );
    for service in ["kafka", "verdict"] {
        assert!(
            services[service]["healthcheck"]["test"].is_array(),
            "{service} has a health check"
        );
        for port in services[service]["ports"].as_array().unwrap() {
            assert_eq!(port["host_ip"], "127.0.0.1", "{service} publishes {port}");
        }
    }
    Ok(())
}

#[tokio::test]
async fn its_commands_are_ones_that_the_program_knows() -> Result<()> {
    let configuration = configuration().await?;
    for service in ["topics", "verdict"] {
        let mut words = command_of(&configuration, service);
        // `--help` ends the program after it has looked at the words before it.
        words.push("--help".to_owned());
        let words: Vec<&str> = words.iter().map(String::as_str).collect();
        let output = verdict(&words, b"").await?;
        assert!(
            output.status.success(),
            "{words:?}: {}",
            String::from_utf8_lossy(&output.stderr)
        );
    }
    Ok(())
}

#[tokio::test]
async fn its_token_file_opens_the_server_to_that_token_alone() -> Result<()> {
    let configuration = configuration().await?;
    let tokens = tempfile::NamedTempFile::new()?;
    std::fs::write(
        tokens.path(),
        configuration["configs"]["tokens"]["content"].as_str().unwrap(),
    )?;
    let mut server = Server::start(&["--tokens", &tokens.path().display().to_string()]).await?;
    let path = "/v1/tenants/acme/effective?environment=prod";
    for wrong in [None, Some("authorization: Bearer another token")] {
        let headers: Vec<(&str, &str)> = wrong.iter().filter_map(|line| line.split_once(": ")).collect();
        let answer = server.request(Method::GET, path, &headers, Vec::new()).await?;
        assert_eq!(answer.status.as_u16(), 401, "{wrong:?}: {}", answer.text());
    }
    server.use_token(TOKEN);
    let seen = json!([{
        "kind": "agent_seen",
        "meta": {
            "event_id": "0192f0c1-2b3c-7d4e-8f50-123456789abc",
            "tenant": "acme",
            "source": "tests://compose",
            "event_time": "2026-01-01T00:00:00Z",
            "environment": "prod",
        },
        "body": {"agent": "pdp", "lease_ms": 60_000, "active": []},
    }]);
    assert_eq!(server.emit("acme", &seen).await?["accepted"], 1);
    server.get_json(path).await?;
    server.stop().await
}
