//! The web server that an OPA gets its bundle from: one file with an `ETag`, so that a poll that finds nothing new is
//! answered 304, as by a real one. (Without an ETag OPA activates the same bundle again at every poll.)

use std::path::{Path, PathBuf};

use anyhow::Result;
use sha2::{Digest, Sha256};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinHandle;

/// Serves one file, whatever path is asked for, until it is dropped.
#[derive(Debug)]
pub struct BundleServer {
    port: u16,
    task: JoinHandle<()>,
}

impl BundleServer {
    /// Starts serving a file, which may be replaced at any time.
    ///
    /// # Errors
    /// When there is no port to listen on.
    pub async fn start(file: PathBuf) -> Result<Self> {
        let listener = TcpListener::bind("127.0.0.1:0").await?;
        let port = listener.local_addr()?.port();
        let task = tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                // A client that goes away in between asks again.
                let _gone = answer(stream, &file).await;
            }
        });
        Ok(Self { port, task })
    }

    /// Its address.
    #[must_use]
    pub fn url(&self) -> String {
        format!("http://127.0.0.1:{}", self.port)
    }
}

impl Drop for BundleServer {
    fn drop(&mut self) {
        self.task.abort();
    }
}

async fn answer(mut stream: TcpStream, file: &Path) -> Result<()> {
    let mut request = Vec::new();
    while !request.windows(4).any(|window| window == b"\r\n\r\n") {
        if stream.read_buf(&mut request).await? == 0 {
            return Ok(());
        }
    }
    let bundle = tokio::fs::read(file).await?;
    let etag = format!("\"{}\"", hex::encode(Sha256::digest(&bundle)));
    if String::from_utf8_lossy(&request).contains(&etag) {
        let head = format!("HTTP/1.1 304 Not Modified\r\netag: {etag}\r\nconnection: close\r\n\r\n");
        stream.write_all(head.as_bytes()).await?;
    } else {
        let length = bundle.len();
        let head = format!(
            "HTTP/1.1 200 OK\r\netag: {etag}\r\ncontent-type: application/gzip\r\ncontent-length: {length}\r\nconnection: close\r\n\r\n"
        );
        stream.write_all(head.as_bytes()).await?;
        stream.write_all(&bundle).await?;
    }
    stream.shutdown().await?;
    Ok(())
}
