//! `verdict token`, and a node that reads its token file again: a token is replaced while others are at work, and no restart.

use std::path::Path;
use std::process::Output;
use std::time::Duration;

use anyhow::{Result, ensure};
use reqwest::StatusCode;
use verdict_tests::server::{Server, verdict};

/// Longer than any of this takes; a test that waits so long has failed.
const LONG: Duration = Duration::from_secs(120);

async fn token(arguments: &[&str], file: &Path) -> Result<Output> {
    let file = file.display().to_string();
    verdict(&[&["token"], arguments, &["--file", &file]].concat(), b"").await
}

fn said(output: &Output) -> (String, String) {
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).trim_end().to_owned();
    (text(&output.stdout), text(&output.stderr))
}

/// Makes one, and gives it.
async fn made(name: &str, roles: &str, file: &Path) -> Result<String> {
    let output = token(&["new", "--name", name, "--tenants", "acme", "--roles", roles], file).await?;
    let (token, told) = said(&output);
    ensure!(output.status.success() && !told.contains(&token), "{told}");
    ensure!(token.starts_with("vdt_") && !std::fs::read_to_string(file)?.contains(&token));
    Ok(token)
}

async fn status(server: &mut Server, token: &str) -> Result<StatusCode> {
    server.use_token(token);
    Ok(server.get("/v1/tenants/acme/sources").await?.status)
}

async fn until(server: &mut Server, token: &str, wanted: StatusCode) -> Result<()> {
    let waited = tokio::time::timeout(LONG, async {
        while status(server, token).await? != wanted {
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
        anyhow::Ok(())
    });
    waited.await?
}

#[tokio::test]
async fn a_token_is_replaced_without_a_restart_and_half_a_file_lets_nobody_out() -> Result<()> {
    let folder = tempfile::tempdir()?;
    let file = folder.path().join("tokens.toml");
    std::fs::write(&file, "# Ours. Ask Dana.\n")?;
    let old = made("auditor", "read", &file).await?;
    let sender = made("payments", "emit,read", &file).await?;
    let mut server = Server::launch(&["--tokens", &file.display().to_string()])?;
    server.wait_ready().await?;
    let event = br#"{"kind":"agent_retired","meta":{"event_id":"01a1fd8d-963b-71cd-9b3c-28cb24ef286b","tenant":"acme","source":"s","event_time":"2026-03-01T14:00:00Z","environment":"prod"},"body":{"agent":"a"}}"#;
    let url = server.url("");
    let sent = verdict(
        &["emit", "acme", "-", "--quiet", "--token", &sender, "--server", &url],
        event,
    )
    .await?;
    ensure!(sent.status.success(), "{:?}", said(&sent));
    assert_eq!(status(&mut server, &old).await?, StatusCode::OK);

    // A second one of the same name; then the first goes, by its digest, since its name means both.
    let new = made("auditor", "read", &file).await?;
    until(&mut server, &new, StatusCode::OK).await?;
    assert_eq!(status(&mut server, &old).await?, StatusCode::OK);
    let unclear = token(&["revoke", "auditor"], &file).await?;
    assert_eq!(unclear.status.code(), Some(2), "{:?}", said(&unclear));
    let listed = token(&["list", "-o", "json"], &file).await?;
    let listed: serde_json::Value = serde_json::from_slice(&listed.stdout)?;
    let digest = listed["items"][0]["sha256"].as_str().unwrap_or_default();
    let revoked = token(&["revoke", &digest[..12]], &file).await?;
    ensure!(revoked.status.success(), "{:?}", said(&revoked));
    until(&mut server, &old, StatusCode::UNAUTHORIZED).await?;
    assert_eq!(status(&mut server, &new).await?, StatusCode::OK);
    assert_eq!(status(&mut server, &sender).await?, StatusCode::OK);
    ensure!(std::fs::read_to_string(&file)?.starts_with("# Ours. Ask Dana.\n"));

    // What is no token file changes nothing, however often it is looked at, and a hangup ends nothing.
    let whole = std::fs::read_to_string(&file)?;
    std::fs::write(&file, &whole[..whole.len() - 20])?;
    server.signal("HUP").await?;
    let told = tokio::time::timeout(LONG, async {
        while !server.log().contains("can not be used") {
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    });
    told.await?;
    assert_eq!(status(&mut server, &new).await?, StatusCode::OK);
    std::fs::write(&file, &whole)?;
    server.stop().await
}

#[tokio::test]
async fn what_no_node_would_take_is_not_written() -> Result<()> {
    let folder = tempfile::tempdir()?;
    let file = folder.path().join("tokens.toml");
    made("auditor", "read", &file).await?;
    let before = std::fs::read_to_string(&file)?;
    for (wrong, reason) in [
        (
            ["new", "--name", "x", "--tenants", "acme", "--roles", "reed"],
            "unknown variant `reed`",
        ),
        (
            ["new", "--name", "x", "--tenants", "No Tenant", "--roles", "read"],
            "No Tenant",
        ),
    ] {
        let refused = token(&wrong, &file).await?;
        let (token, told) = said(&refused);
        assert_eq!(refused.status.code(), Some(2), "{told}");
        ensure!(token.is_empty() && told.contains(reason), "{told}");
    }
    let missed = token(&["revoke", "nobody"], &file).await?;
    assert_eq!(missed.status.code(), Some(5));
    // The last one stays: a node would not start with a file that lets nobody in.
    let last = token(&["revoke", "auditor"], &file).await?;
    assert_eq!(last.status.code(), Some(2), "{:?}", said(&last));
    assert_eq!(std::fs::read_to_string(&file)?, before);
    // Without a file the entry is told, to be pasted, and the token alone is what a script reads.
    let told = verdict(
        &["token", "new", "--name", "ci", "--tenants", "*", "--roles", "admin"],
        b"",
    )
    .await?;
    let (token, told) = said(&told);
    ensure!(
        token.starts_with("vdt_") && told.contains("[[token]]") && !told.contains(&token),
        "{told}"
    );
    Ok(())
}
