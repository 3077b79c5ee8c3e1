//! Requests from node to node, on behalf of a caller that was let in here.
//!
//! A redirect is not for everyone: OPA drops its token at one, and `find` is about what several nodes hold. What is sent on
//! carries this node's own token (role `node`), and in a header who the caller is and what he may; the caller's token goes
//! nowhere. It is bounded in number and time, its body is passed on as it comes and never held, and an answer that is longer
//! than one may be is none. A request that was sent on is not sent on again.

use std::error::Error as _;
use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use axum::body::Body;
use axum::http::{HeaderMap, HeaderName, Method, StatusCode, header};
use axum::response::{IntoResponse, Response};
use tokio::sync::Semaphore;

use crate::access::Principal;
use crate::problem::{Answer, Code, Problem};

/// On whose behalf a node asks.
pub(crate) const ON_BEHALF_OF: HeaderName = HeaderName::from_static("verdict-on-behalf-of");

/// How many requests to other nodes run at once.
const AT_ONCE: usize = 64;
/// How long one waits for its turn.
const PATIENCE: Duration = Duration::from_secs(5);
/// How long one may take, its body included.
const LONGEST: Duration = Duration::from_secs(60);
/// Bytes of an answer.
const MOST_ANSWERED: usize = 4 << 20;

/// The way to other nodes. Clones share it.
#[derive(Clone)]
pub struct Peers {
    http: reqwest::Client,
    token: Option<Arc<str>>,
    turns: Arc<Semaphore>,
}

impl fmt::Debug for Peers {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Peers")
    }
}

/// A certificate that a node shows to others, and its key.
#[derive(Clone, Copy)]
pub struct Shown<'a> {
    /// The certificate and what leads from it to a root, in PEM.
    pub cert: &'a [u8],
    /// Its private key, PKCS #8 in PEM.
    pub key: &'a [u8],
}

/// What is sent to another node.
#[derive(Debug)]
pub struct Sent<'a> {
    /// Its base URL.
    pub owner: &'a str,
    /// On whose behalf.
    pub caller: &'a Principal,
    /// What is done.
    pub method: Method,
    /// Path and query.
    pub target: &'a str,
    /// Of these only what describes the body is passed on.
    pub headers: &'a HeaderMap,
    /// The body, as it comes, if there is one.
    pub body: Option<Body>,
}

impl Peers {
    /// Asks with this node's token; without one only nodes that have no token file let it in. `roots` (PEM) vouch for the other
    /// nodes' certificates, instead of those of this system; `shown` is this node's own, for nodes that ask for one.
    ///
    /// # Errors
    /// Why no client can be made: which file's content can not be used.
    pub fn new(token: Option<&str>, roots: Option<&[u8]>, shown: Option<Shown<'_>>) -> Result<Self, String> {
        let mut http = reqwest::Client::builder()
            .redirect(reqwest::redirect::Policy::none())
            // Nodes are configured by where they are: no variable of the environment puts somebody in between.
            .no_proxy()
            .connect_timeout(PATIENCE)
            .timeout(LONGEST);
        if let Some(pem) = roots {
            let roots = reqwest::Certificate::from_pem_bundle(pem).map_err(|e| format!("ca_file: {e}"))?;
            if roots.is_empty() {
                return Err("ca_file holds no certificate in PEM".to_owned());
            }
            http = http.tls_certs_only(roots);
        }
        if let Some(Shown { cert, key }) = shown {
            let identity = reqwest::Identity::from_pkcs8_pem(cert, key);
            let why = |e| format!("key_file is not the PKCS #8 key, in PEM, of the certificate in cert_file ({e})");
            http = http.identity(identity.map_err(why)?);
        }
        Ok(Self {
            http: http.build().map_err(|e| e.to_string())?,
            token: token.map(Arc::from),
            turns: Arc::new(Semaphore::new(AT_ONCE)),
        })
    }

    /// Sends a request to another node, and gives what that answers: its status, its body, and what to do later.
    ///
    /// # Errors
    /// 503 when too many are under way, or that node does not answer in time.
    pub async fn send(&self, sent: Sent<'_>) -> Answer<Response> {
        let turn = tokio::time::timeout(PATIENCE, Arc::clone(&self.turns).acquire_owned()).await;
        let Ok(Ok(_turn)) = turn else {
            return Err(Problem::new(
                Code::Busy,
                "too much is being sent to other nodes; send it again in a moment",
            ));
        };
        let owner = sent.owner;
        let unreachable = |error: reqwest::Error| {
            let cause = std::iter::successors(error.source(), |e| (*e).source()).last();
            let reason = cause.map_or_else(|| error.to_string(), ToString::to_string);
            tracing::warn!(%owner, %reason, "another node did not answer");
            Problem::new(
                Code::OwnerUnreachable,
                format!("`{owner}` holds it, and does not answer; send it again in a moment"),
            )
            .with("owner", owner)
        };
        let mut request = self
            .http
            .request(sent.method, format!("{owner}{}", sent.target))
            .header(ON_BEHALF_OF, sent.caller.claims());
        if let Some(body) = sent.body {
            request = request.body(reqwest::Body::wrap_stream(body.into_data_stream()));
        }
        for name in [header::CONTENT_TYPE, header::CONTENT_ENCODING, header::ACCEPT] {
            if let Some(value) = sent.headers.get(&name) {
                request = request.header(name, value);
            }
        }
        if let Some(token) = &self.token {
            request = request.bearer_auth(token);
        }
        let mut answer = request.send().await.map_err(unreachable)?;
        // This node was not let in there: nothing that the caller could mend.
        if answer.status() == StatusCode::UNAUTHORIZED {
            tracing::error!(%owner, "another node does not know this node's token");
            let detail =
                format!("`{owner}` holds it, and does not let this node in; this node's operator has to mend that");
            return Err(Problem::new(Code::OwnerUnreachable, detail).with("owner", owner));
        }
        let mut headers = HeaderMap::new();
        for name in [header::CONTENT_TYPE, header::RETRY_AFTER] {
            if let Some(value) = answer.headers().get(&name) {
                headers.insert(name, value.clone());
            }
        }
        let mut body = Vec::new();
        while let Some(piece) = answer.chunk().await.map_err(unreachable)? {
            body.extend_from_slice(&piece);
            if body.len() > MOST_ANSWERED {
                let detail = format!("the answer of `{owner}` is longer than {MOST_ANSWERED} bytes");
                return Err(Problem::new(Code::OwnerUnreachable, detail).with("owner", owner));
            }
        }
        Ok((answer.status(), headers, body).into_response())
    }
}
