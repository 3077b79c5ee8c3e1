//! What strangers and operators meet at the edges of a running server: half a request, a log, a file of tokens.

use std::time::Duration;

use anyhow::{Context, Result, ensure};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio::time::timeout;
use verdict_tests::server::{Server, verdict};

/// Longer than any of these take, on whatever machine; a test that waits so long has failed.
const LONG: Duration = Duration::from_secs(120);

#[tokio::test]
async fn half_a_header_does_not_hold_a_connection_and_a_whole_one_is_answered() -> Result<()> {
    let folder = tempfile::tempdir()?;
    let config = folder.path().join("verdict.toml");
    std::fs::write(&config, "[http]\nheader_timeout_seconds = 5\n")?;
    let mut server = Server::start(&["--config", config.to_str().context("a path")?]).await?;
    let address = server.url("").replace("http://", "");
    let ended = async |sent: &[u8]| -> Result<String> {
        let mut stream = TcpStream::connect(&address).await?;
        stream.write_all(sent).await?;
        let mut received = Vec::new();
        timeout(LONG, stream.read_to_end(&mut received))
            .await
            .context("the connection is still open")??;
        Ok(String::from_utf8_lossy(&received).into_owned())
    };
    // All at once: each of them ends by the same five seconds.
    let (nothing, half, answered) = tokio::try_join!(
        ended(b""),
        ended(b"GET /healthz HTTP/1.1\r\nhost: a\r\nx-slow: "),
        ended(b"GET /healthz HTTP/1.1\r\nhost: a\r\n\r\nGET /healthz HTTP/1.1\r\nhost: a\r\n\r\n"),
    )?;
    for slow in [nothing, half] {
        assert!(!slow.contains(" 200 "), "{slow}");
    }
    // Kept open for the next request, and closed when none comes.
    assert_eq!(answered.matches("HTTP/1.1 200 OK").count(), 2, "{answered}");
    server.stop().await
}

#[tokio::test]
async fn a_stop_waits_for_nobody_who_is_silent() -> Result<()> {
    let mut server = Server::start::<&str>(&[]).await?;
    let address = server.url("").replace("http://", "");
    let mut idle = TcpStream::connect(&address).await?;
    idle.write_all(b"GET /healthz HTTP/1.1\r\nhost: a\r\n\r\n").await?;
    idle.read_exact(&mut [0; 12]).await?;
    server.stop().await?;
    // It says so where it has waited as long as it waits for a request.
    assert!(!server.log().contains("were still running"), "{}", server.log());
    Ok(())
}

#[tokio::test]
async fn the_log_of_a_new_server_is_plain_text_without_alarms() -> Result<()> {
    let mut server = Server::start::<&str>(&[]).await?;
    assert_eq!(server.get("/healthz").await?.status, 200);
    server.stop().await?;
    let log = server.log();
    assert!(log.contains("no token file"), "{log}");
    assert!(!log.contains('\u{1b}'), "{log:?}");
    assert!(!log.contains("another version"), "{log}");
    Ok(())
}

#[tokio::test]
async fn a_token_file_that_opens_nothing_or_everything_is_refused() -> Result<()> {
    let folder = tempfile::tempdir()?;
    let path = folder.path().join("tokens.toml");
    let nothing = "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855";
    let entry = format!("[[token]]\nname = 'x'\nsha256 = '{nothing}'\ntenants = ['*']\nroles = ['admin']\n");
    for (text, said) in [("", "names no token"), (entry.as_str(), "line 3, token `x`")] {
        std::fs::write(&path, text)?;
        let (data, tokens) = (folder.path().join("data"), path.to_str().context("a path")?);
        let arguments = ["serve", "--listen", "127.0.0.1:0", "--tokens", tokens, "--data"];
        let data = data.to_str().context("a path")?;
        let told = verdict(&[&arguments[..], &[data]].concat(), b"").await?;
        assert_eq!(told.status.code(), Some(2), "{text:?}");
        let error = String::from_utf8_lossy(&told.stderr);
        assert!(error.contains(said), "{error}");
    }
    Ok(())
}

/// After an upgrade the views of years of records may have to be made first. Here the opening waits for its salt key, which
/// comes through a pipe.
#[tokio::test]
async fn a_node_listens_before_its_store_is_open_and_says_how_far_it_is() -> Result<()> {
    let folder = tempfile::tempdir()?;
    let (pipe, config) = (folder.path().join("salt"), folder.path().join("verdict.toml"));
    ensure!(
        std::process::Command::new("mkfifo").arg(&pipe).status()?.success(),
        "mkfifo"
    );
    std::fs::write(
        &config,
        format!("[store]\nsalt_key_file = {:?}\n", pipe.display().to_string()),
    )?;
    let mut server = Server::launch(&["--config", &config.display().to_string()])?;
    // Whatever the machine's pace: it can not get further than this.
    while !server.get("/healthz").await.is_ok_and(|answer| answer.status == 200) {
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    for path in ["/readyz", "/v1/tenants/acme/effective?environment=prod", "/metrics"] {
        let answer = server.get(path).await?;
        assert_eq!(answer.status, 503, "{path}");
        let problem = answer.json()?;
        assert_eq!(problem["type"], "/problems/not_ready", "{path}");
        assert_eq!(problem["detail"], "the store is being opened", "{path}");
    }
    tokio::task::spawn_blocking(move || std::fs::write(pipe, [7; 32])).await??;
    server.wait_ready().await?;
    assert_eq!(server.get("/metrics").await?.status, 200);
    server.stop().await
}
