//! The listener: HTTP/1.1 and HTTP/2 on one port, with TLS or without, letting go of whoever stops talking.
//!
//! Each connection that begins something and stays silent costs memory and a file descriptor (slowloris). Its patience is the
//! same everywhere, and counts anew for each step: the TLS handshake; the first request, which covers telling the versions of
//! HTTP apart; over HTTP/1.1 the header of each further request, so that it is also how long a connection may be idle. Over
//! HTTP/2 nobody can answer a ping in the middle of a header: who leaves one half sent is told apart from who is idle by that.
//! What a body may take is the intake's affair.

use std::io;
use std::net::{SocketAddr, TcpListener};
use std::time::Duration;

use axum::Router;
use axum_server::Handle;
use axum_server::accept::NoDelayAcceptor;
use axum_server::tls_rustls::{RustlsAcceptor, RustlsConfig};

/// Serves until the handle says to stop; then takes no more connections, lets the requests in flight finish, and returns.
pub(super) async fn serve(
    listener: TcpListener,
    tls: Option<RustlsConfig>,
    router: Router,
    patience: Duration,
    handle: Handle<SocketAddr>,
) -> io::Result<()> {
    let mut server = axum_server::from_tcp(listener)?
        .acceptor(NoDelayAcceptor::new())
        .handle(handle)
        .first_request_timeout(patience)
        .accept_error_handler(failed);
    let versions = server.http_builder();
    versions.http1().header_read_timeout(patience);
    // A ping is sent after one half without a frame, and waited for as long.
    let half = patience / 2;
    versions.http2().keep_alive_interval(half).keep_alive_timeout(half);
    let service = router.into_make_service();
    match tls {
        None => server.serve(service).await,
        Some(config) => {
            let over_tls = |tcp| RustlsAcceptor::new(config).handshake_timeout(patience).acceptor(tcp);
            server.map(over_tls).serve(service).await
        }
    }
}

/// Without a peer's address nothing was accepted: no file descriptors left, perhaps. With one, a caller went away, was too
/// slow, or has no certificate that is taken: its affair, not the node's.
fn failed(peer: Option<&SocketAddr>, error: &io::Error) {
    match peer {
        None => tracing::error!(%error, "no connection can be accepted"),
        Some(peer) => tracing::debug!(%peer, %error, "a connection did not come about"),
    }
}
