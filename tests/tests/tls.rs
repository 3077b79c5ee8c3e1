//! The listener: TLS with certificates that change, HTTP/2 and HTTP/1.1, client certificates, and those who stop talking.

use std::time::Duration;

use anyhow::{Context, Result, ensure};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio::time::timeout;
use verdict_tests::authority::{Authority, curl};
use verdict_tests::server::{Server, verdict, verdict_running};
use verdict_tests::tools::free_port;

/// Longer than any of these take, on whatever machine; a test that waits so long has failed.
const LONG: Duration = Duration::from_secs(120);

/// What curl prints of a request, or why there was no answer.
async fn asked(trusted: &Authority, arguments: &[&str]) -> Result<String, String> {
    let output = curl(trusted, arguments).await.map_err(|e| e.to_string())?;
    if output.status.success() {
        Ok(String::from_utf8_lossy(&output.stdout).into_owned())
    } else {
        Err(String::from_utf8_lossy(&output.stderr).into_owned())
    }
}

#[tokio::test]
async fn one_port_speaks_both_versions_over_tls_and_our_own_client_comes_in() -> Result<()> {
    let (authority, folder) = (Authority::new("a")?, tempfile::tempdir()?);
    let (cert, key) = authority.identity()?.write(folder.path(), "server")?;
    let mut server = Server::launch(&["--tls-cert", &cert, "--tls-key", &key])?;
    server.trust(&authority.file())?;
    server.wait_ready().await?;
    let url = server.url("/healthz");
    for (version, answered) in [("--http2", "200 2"), ("--http1.1", "200 1.1")] {
        assert_eq!(asked(&authority, &[version, &url]).await, Ok(answered.to_owned()));
    }
    // Whoever speaks no TLS is not answered.
    let plain = asked(&authority, &[&url.replace("https", "http")]).await;
    ensure!(plain.is_err(), "{plain:?}");

    let (server_url, ca) = (server.url(""), authority.file().display().to_string());
    let find = ["find", "nothing", "--server", &server_url];
    let trusting = verdict(&[&find[..], &["--ca-file", &ca]].concat(), b"").await?;
    assert_eq!(trusting.status.code(), Some(1), "it was asked, and found nothing");
    let distrustful = verdict(&find, b"").await?;
    assert_eq!(distrustful.status.code(), Some(3));
    let nonsense = verdict(&[&find[..], &["--ca-file", &key]].concat(), b"").await?;
    assert_eq!(nonsense.status.code(), Some(2), "a key vouches for nothing");
    server.stop().await
}

#[tokio::test]
async fn a_new_certificate_is_seen_without_a_restart_and_half_of_one_changes_nothing() -> Result<()> {
    let (old, new, folder) = (Authority::new("old")?, Authority::new("new")?, tempfile::tempdir()?);
    let (cert, key) = old.identity()?.write(folder.path(), "server")?;
    let mut server = Server::launch(&["--tls-cert", &cert, "--tls-key", &key])?;
    server.trust(&old.file())?;
    server.wait_ready().await?;
    let url = server.url("/healthz");
    ensure!(
        asked(&new, &[&url]).await.is_err(),
        "nobody of that authority is there yet"
    );

    let next = new.identity()?;
    std::fs::write(&cert, &next.cert)?;
    timeout(LONG, async {
        while !server.log().contains("can not be used") {
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    })
    .await?;
    assert_eq!(asked(&old, &["--http2", &url]).await, Ok("200 2".to_owned()));

    std::fs::write(&key, &next.key)?;
    timeout(LONG, async {
        while asked(&new, &["--http2", &url]).await != Ok("200 2".to_owned()) {
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    })
    .await?;
    ensure!(asked(&old, &[&url]).await.is_err(), "the old one is gone");
    server.stop().await
}

#[tokio::test]
async fn a_client_certificate_must_be_one_of_ours_if_there_is_one() -> Result<()> {
    let (ours, theirs, folder) = (Authority::new("ours")?, Authority::new("theirs")?, tempfile::tempdir()?);
    let (cert, key) = ours.identity()?.write(folder.path(), "server")?;
    let ca = ours.file().display().to_string();
    let config = folder.path().join("verdict.toml");
    for required in [false, true] {
        std::fs::write(&config, format!("[tls]\nclient_required = {required}\n"))?;
        let mut server = Server::launch(&[
            "--tls-cert",
            &cert,
            "--tls-key",
            &key,
            "--tls-client-ca",
            &ca,
            "--config",
            &config.display().to_string(),
        ])?;
        let url = server.url("/readyz").replace("http:", "https:");
        let (known, known_key) = ours.identity()?.write(folder.path(), "known")?;
        let known = ["--cert", &known, "--key", &known_key, &url];
        timeout(LONG, async {
            while asked(&ours, &known).await != Ok("200 2".to_owned()) {
                tokio::time::sleep(Duration::from_millis(50)).await;
            }
        })
        .await
        .with_context(|| server.log())?;
        // Our own client shows what it is given, and finds nothing; without, and where it must, it does not get that far.
        let server_url = server.url("").replace("http:", "https:");
        let find = ["find", "nothing", "--server", &server_url, "--ca-file", &ca];
        let showing = verdict(
            &[&find[..], &["--cert-file", known[1], "--key-file", known[3]]].concat(),
            b"",
        )
        .await?;
        assert_eq!(
            showing.status.code(),
            Some(1),
            "{}",
            String::from_utf8_lossy(&showing.stderr)
        );
        let hiding = verdict(&find, b"").await?;
        assert_eq!(hiding.status.code(), Some(if required { 3 } else { 1 }));
        let half = verdict(&[&find[..], &["--cert-file", known[1]]].concat(), b"").await?;
        assert_eq!(half.status.code(), Some(2));
        let (stranger, stranger_key) = theirs.identity()?.write(folder.path(), "stranger")?;
        for version in ["--http2", "--http1.1"] {
            let answered = asked(&ours, &[version, "--cert", &stranger, "--key", &stranger_key, &url]).await;
            ensure!(answered.is_err(), "{answered:?}");
            let without = asked(&ours, &[version, &url]).await;
            ensure!(without.is_err() == required, "{without:?}");
        }
        server.stop().await?;
    }
    Ok(())
}

#[tokio::test]
async fn what_is_no_pair_and_tokens_in_the_clear_are_refused_at_the_start() -> Result<()> {
    let (authority, folder) = (Authority::new("a")?, tempfile::tempdir()?);
    let (cert, key) = authority.identity()?.write(folder.path(), "server")?;
    let (_, other) = authority.identity()?.write(folder.path(), "other")?;
    let data = folder.path().join("data").display().to_string();
    let tokens = folder.path().join("tokens.toml");
    let digest = "2bb80d537b1da3e38bd30361aa855686bde0eacd7162fef6a25fe97bf527a25b";
    std::fs::write(
        &tokens,
        format!("[[token]]\nname = 'x'\nsha256 = '{digest}'\ntenants = ['*']\nroles = ['admin']\n"),
    )?;
    let tokens = tokens.display().to_string();
    let here = ["serve", "--data", &data, "--listen", "127.0.0.1:0"];
    let everywhere = ["serve", "--data", &data, "--listen", "0.0.0.0:0", "--tokens", &tokens];
    for (arguments, said) in [
        (
            [&here[..], &["--tls-cert", &cert]].concat(),
            "both --tls-cert FILE and --tls-key",
        ),
        (
            [&here[..], &["--tls-client-ca", &cert]].concat(),
            "both --tls-cert FILE and --tls-key",
        ),
        (
            [&here[..], &["--tls-cert", &cert, "--tls-key", &other]].concat(),
            "do not go together",
        ),
        (
            [&here[..], &["--tls-cert", &key, "--tls-key", &key]].concat(),
            "holds no certificate",
        ),
        (everywhere.to_vec(), "--plaintext-tokens"),
    ] {
        let told = verdict(&arguments, b"").await?;
        assert_eq!(told.status.code(), Some(2), "{arguments:?}");
        let error = String::from_utf8_lossy(&told.stderr);
        ensure!(error.contains(said), "{error}");
    }
    // Said so, or over TLS, it starts.
    for (scheme, more) in [
        ("http", &["--plaintext-tokens"][..]),
        ("https", &["--tls-cert", &cert, "--tls-key", &key]),
    ] {
        let port = free_port()?;
        let listen = format!("0.0.0.0:{port}");
        let arguments = ["serve", "--data", &data, "--listen", &listen, "--tokens", &tokens];
        let mut node = verdict_running(&[&arguments[..], more].concat(), &folder.path().join("log"))?;
        let url = format!("{scheme}://127.0.0.1:{port}/readyz");
        let ready = async || {
            asked(&authority, &[&url])
                .await
                .is_ok_and(|said| said.starts_with("200"))
        };
        node.wait_until(LONG, "ready", ready).await?;
        node.stop().await?;
    }
    Ok(())
}

/// What HTTP/2 calls a frame.
fn frame(kind: u8, flags: u8, stream: u8, payload: &[u8]) -> Vec<u8> {
    let length = u8::try_from(payload.len()).unwrap_or(u8::MAX);
    [&[0, 0, length, kind, flags, 0, 0, 0, stream], payload].concat()
}

#[tokio::test]
async fn half_a_header_holds_no_connection_over_http_2_and_silence_none_over_tls() -> Result<()> {
    let (authority, folder) = (Authority::new("a")?, tempfile::tempdir()?);
    let (cert, key) = authority.identity()?.write(folder.path(), "server")?;
    let config = folder.path().join("verdict.toml");
    std::fs::write(&config, "[http]\nheader_timeout_seconds = 4\n")?;
    let config = config.display().to_string();
    let mut plain = Server::start(&["--config", &config]).await?;
    let mut secure = Server::launch(&["--config", &config, "--tls-cert", &cert, "--tls-key", &key])?;
    secure.trust(&authority.file())?;
    secure.wait_ready().await?;

    let ended = async |server: &Server, sent: &[u8]| -> Result<Vec<u8>> {
        let address = server.url("");
        let mut stream = TcpStream::connect(address.rsplit('/').next().context("an address")?).await?;
        stream.write_all(sent).await?;
        let mut received = Vec::new();
        // Closed or reset, it is over either way.
        let _how = timeout(LONG, stream.read_to_end(&mut received))
            .await
            .context("the connection is still open")?;
        Ok(received)
    };
    // A GET of `/healthz`, and its first half.
    let header = [&[0x82, 0x86, 0x04, 8][..], b"/healthz", &[0x01, 1, b'a']].concat();
    let begun = [&b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"[..], &frame(4, 0, 0, b"")].concat();
    let whole = frame(1, 0x5, 1, &header);
    let half = |stream| frame(1, 0x1, stream, &header[..6]);
    let only_half = [&begun[..], &half(1)].concat();
    let whole_and_half = [&begun[..], &whole, &half(3)].concat();
    let (first, second, silent, no_handshake) = tokio::try_join!(
        ended(&plain, &only_half),
        ended(&plain, &whole_and_half),
        ended(&plain, b""),
        ended(&secure, b"\x16\x03\x01"),
    )?;
    let answers = |received: &[u8]| received.windows(3).filter(|bytes| bytes == b"ok\n").count();
    assert_eq!(
        (answers(&first), answers(&second)),
        (0, 1),
        "what came whole was answered"
    );
    ensure!(silent.is_empty() && no_handshake.is_empty());
    plain.stop().await?;
    secure.stop().await
}
