//! The HTTP/1.1 server: accepts, serves, and lets go of whoever stops talking.
//!
//! `axum::serve` would wait for the header of a request for ever, and each connection that begins one and stays silent
//! costs memory and a file descriptor (slowloris). Here a connection is closed when no whole header has arrived in time,
//! be it the first or, on a connection kept open, the next. What a body may take is the intake's affair.

use std::future::Future;
use std::io;
use std::pin::pin;
use std::time::Duration;

use axum::Router;
use hyper::server::conn::http1;
use hyper_util::rt::{TokioIo, TokioTimer};
use hyper_util::service::TowerToHyperService;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;

/// Serves until `stop`; then takes no more connections, lets the requests in flight finish, and returns.
pub(super) async fn serve(
    listener: TcpListener,
    router: Router,
    header_timeout: Duration,
    stop: impl Future<Output = ()>,
) {
    let mut server = http1::Builder::new();
    server.timer(TokioTimer::new()).header_read_timeout(header_timeout);
    // Every connection holds a receiver: it is told through it to end, and seen by it to have ended.
    let (closing, open) = watch::channel(());
    let mut stop = pin!(stop);
    loop {
        let stream = tokio::select! {
            accepted = listener.accept() => match accepted {
                Ok((stream, _)) => stream,
                Err(error) => {
                    refused(&error).await;
                    continue;
                }
            },
            () = &mut stop => break,
        };
        tokio::spawn(connection(server.clone(), stream, router.clone(), open.clone()));
    }
    drop((listener, open));
    // Nobody listens any more: then there is nobody to tell either.
    let _none_open = closing.send(());
    closing.closed().await;
}

async fn connection(server: http1::Builder, stream: TcpStream, router: Router, mut closing: watch::Receiver<()>) {
    // Answers are written whole: waiting for more to send gains nothing. A socket that refuses works all the same.
    let _slower = stream.set_nodelay(true);
    let mut connection = pin!(server.serve_connection(TokioIo::new(stream), TowerToHyperService::new(router)));
    let ended = tokio::select! {
        ended = connection.as_mut() => ended,
        _ = closing.changed() => {
            connection.as_mut().graceful_shutdown();
            connection.await
        }
    };
    if let Err(error) = ended {
        // A caller that went away, was too slow, or does not speak HTTP: its affair, not the node's.
        tracing::debug!(%error, "a connection ended");
    }
}

/// A connection that broke before it was accepted is the caller's affair; anything else (no file descriptors left) passes
/// only if somebody waits.
async fn refused(error: &io::Error) {
    use io::ErrorKind::{ConnectionAborted, ConnectionRefused, ConnectionReset};
    if !matches!(error.kind(), ConnectionAborted | ConnectionRefused | ConnectionReset) {
        tracing::error!(%error, "no connection can be accepted");
        tokio::time::sleep(Duration::from_secs(1)).await;
    }
}
