//! The HTTP client behind every question: one GET or POST, problems turned into failures that say what to do.

use std::fmt::Display;
use std::path::Path;
use std::sync::Once;
use std::time::Duration;

use reqwest::header::{HeaderMap, LOCATION};
use reqwest::redirect::Policy;
use reqwest::{Certificate, Identity, Method, RequestBuilder, Response, StatusCode, Url};
use serde_json::Value;

use crate::answer::Answer;
use crate::cli::ServerArgs;
use crate::exit::Failure;
use crate::faithful::lossy;
use crate::output::note;

/// A server, and who asks.
#[derive(Clone, Debug)]
pub(crate) struct Client {
    http: reqwest::Client,
    server: String,
    /// Where the token may go: the server, and the others that were named with it.
    trusted: Vec<String>,
    token: Option<String>,
}

impl Client {
    /// Checks the address; does not connect yet.
    pub(crate) fn new(args: &ServerArgs) -> Result<Self, Failure> {
        let named = args.server.split(',').map(|server| server.trim().trim_end_matches('/'));
        let trusted = named.clone().map(|server| match Url::parse(server) {
            Ok(url) if matches!(url.scheme(), "http" | "https") => Ok(url.origin().ascii_serialization()),
            _ => Err(Failure::Usage(format!(
                "--server `{server}` is not an http:// or https:// address"
            ))),
        });
        let trusted = trusted.collect::<Result<Vec<_>, _>>()?;
        let server = named.clone().next().unwrap_or_default().to_owned();
        let mut http = reqwest::Client::builder()
            .redirect(Policy::none())
            .connect_timeout(Duration::from_secs(10))
            .timeout(Duration::from_secs(120));
        if let Some(path) = &args.ca_file {
            http = http.tls_certs_only(roots(path)?);
        }
        if let Some(identity) = identity(args.cert_file.as_deref(), args.key_file.as_deref())? {
            http = http.identity(identity);
        }
        let http = http
            .build()
            .map_err(|e| Failure::unreachable("cannot start the HTTP client", e))?;
        Ok(Self {
            http,
            server,
            trusted,
            token: args.token.clone(),
        })
    }

    /// A request to `segments` below the server's address, each percent-encoded.
    pub(crate) fn request(&self, method: Method, segments: &[&str]) -> Result<RequestBuilder, Failure> {
        // A URL loses such segments: what would be asked then is another question, and its answer a wrong one.
        if let Some(lost) = segments.iter().find(|segment| matches!(**segment, "" | "." | "..")) {
            return Err(Failure::Usage(format!("`{lost}` is no name that can be asked for")));
        }
        let mut url =
            Url::parse(&self.server).map_err(|e| Failure::Usage(format!("--server `{}`: {e}", self.server)))?;
        url.path_segments_mut()
            .map_err(|()| Failure::Usage(format!("--server `{}` can not carry a path", self.server)))?
            .pop_if_empty()
            .extend(segments);
        let request = self.http.request(method, url);
        Ok(match &self.token {
            Some(token) => request.bearer_auth(token),
            None => request,
        })
    }

    /// Asks, and reads a JSON answer.
    pub(crate) async fn get(&self, segments: &[&str], query: &[(&str, String)]) -> Result<Answer, Failure> {
        self.send(self.request(Method::GET, segments)?.query(query)).await
    }

    /// Sends, and reads a JSON answer; any status of 400 and above is a failure.
    pub(crate) async fn send(&self, request: RequestBuilder) -> Result<Answer, Failure> {
        let answer = self.send_any(request).await?;
        if answer.status.is_client_error() || answer.status.is_server_error() {
            return Err(self.refused(&answer));
        }
        // Never taken for an empty answer: that would say "nothing there" of evidence that is there.
        if let Err(why) = serde_json::from_str::<serde::de::IgnoredAny>(&answer.text) {
            let text = format!(
                "the answer of {} is not JSON that this program can read: {why}",
                self.server
            );
            return Err(Failure::Unreachable(text));
        }
        Ok(answer)
    }

    /// Sends, and reads a JSON answer of whatever status.
    pub(crate) async fn send_any(&self, request: RequestBuilder) -> Result<Answer, Failure> {
        let response = self.follow(request).await?;
        let status = response.status();
        warn_of_clock(response.headers());
        warn_of_broken(response.headers());
        let text = body(response).await?;
        let value = lossy(&text);
        Ok(Answer { text, value, status })
    }

    /// Sends, and sends again where another node is said to hold what is asked for, which no client library does with a token.
    async fn follow(&self, request: RequestBuilder) -> Result<Response, Failure> {
        /// Nodes that agree on who holds what need one.
        const MOST: usize = 5;
        let mut request = request.build().map_err(|e| self.unreachable(&e))?;
        for _ in 0..MOST {
            // Bodies are in memory, so that every request can be sent again.
            let again = request.try_clone();
            let response = self.http.execute(request).await.map_err(|e| self.unreachable(&e))?;
            let location = response.headers().get(LOCATION).and_then(|value| value.to_str().ok());
            let (StatusCode::TEMPORARY_REDIRECT, Some(location), Some(mut next)) = (response.status(), location, again)
            else {
                return Ok(response);
            };
            let owner = response.url().join(location);
            let owner =
                owner.map_err(|e| Failure::Unreachable(format!("{} sent it to `{location}`: {e}", self.server)))?;
            let origin = owner.origin().ascii_serialization();
            let gives_away = self.token.is_some() || next.method() != Method::GET;
            if gives_away && !self.trusted.contains(&origin) {
                return Err(Failure::Usage(format!(
                    "another node holds this, {origin}, and was not named: if what is sent may go there, give --server {},{origin}",
                    self.server
                )));
            }
            *next.url_mut() = owner;
            request = next;
        }
        Err(Failure::Unreachable(format!(
            "{} sends it on and on: the nodes do not agree on who holds what",
            self.server
        )))
    }

    fn unreachable(&self, error: &reqwest::Error) -> Failure {
        let cause = std::iter::successors(std::error::Error::source(error), |e| e.source()).last();
        let cause = cause.map_or_else(|| error.to_string(), ToString::to_string);
        Failure::Unreachable(format!(
            "cannot reach {} ({cause}); is `verdict serve` running there? Another address goes in --server or \
             VERDICT_SERVER",
            self.server
        ))
    }

    /// A problem document (RFC 9457) as a failure.
    pub(crate) fn refused(&self, answer: &Answer) -> Failure {
        let said = |field: &str| answer.value.get(field).and_then(Value::as_str);
        let mut text = match (said("title"), said("detail")) {
            (Some(title), Some(detail)) => format!("{title}: {detail}"),
            (Some(only), None) | (None, Some(only)) => only.to_owned(),
            (None, None) => format!("{} answered {}", self.server, answer.status),
        };
        if let Some(own) = said("as_of") {
            text.push_str(" (--as-of ");
            text.push_str(own);
            text.push(')');
        }
        match answer.status {
            StatusCode::UNAUTHORIZED if self.token.is_none() => {
                Failure::Forbidden(format!("{text} (give a token in VERDICT_TOKEN)"))
            }
            StatusCode::UNAUTHORIZED | StatusCode::FORBIDDEN => Failure::Forbidden(text),
            StatusCode::NOT_FOUND if said("type") == Some("/problems/unknown_tenant") => Failure::Unknown(text),
            StatusCode::NOT_FOUND => Failure::Negative(text),
            status if status.is_server_error() => Failure::Unreachable(text),
            _ => Failure::Usage(text),
        }
    }
}

/// The certificates of a PEM file.
fn roots(path: &Path) -> Result<Vec<Certificate>, Failure> {
    let shown = path.display();
    let pem = std::fs::read(path).map_err(|e| Failure::Usage(format!("--ca-file `{shown}`: {e}")))?;
    match Certificate::from_pem_bundle(&pem) {
        Ok(roots) if !roots.is_empty() => Ok(roots),
        Ok(_) => Err(Failure::Usage(format!(
            "--ca-file `{shown}` holds no certificate in PEM"
        ))),
        Err(e) => Err(Failure::Usage(format!("--ca-file `{shown}`: {e}"))),
    }
}

/// Who shows himself to the server, if anybody does.
fn identity(cert: Option<&Path>, key: Option<&Path>) -> Result<Option<Identity>, Failure> {
    let (cert, key) = match (cert, key) {
        (Some(cert), Some(key)) => (cert, key),
        (None, None) => return Ok(None),
        _ => {
            return Err(Failure::Usage(
                "a certificate takes both --cert-file and --key-file".to_owned(),
            ));
        }
    };
    let wrong =
        |what: &str, path: &Path, why: &dyn Display| Failure::Usage(format!("{what} `{}`: {why}", path.display()));
    let chain = std::fs::read(cert).map_err(|e| wrong("--cert-file", cert, &e))?;
    let secret = std::fs::read(key).map_err(|e| wrong("--key-file", key, &e))?;
    let identity = Identity::from_pkcs8_pem(&chain, &secret);
    identity.map(Some).map_err(|e| {
        let why = format!(
            "not the PKCS #8 key, in PEM, of a certificate in `{}` ({e})",
            cert.display()
        );
        wrong("--key-file", key, &why)
    })
}

/// Says once that the server's records are ahead of its clock (E3): what it answers about now is not what holds now.
fn warn_of_clock(headers: &HeaderMap) {
    static SAID: Once = Once::new();
    if let Some(seconds) = headers.get("verdict-ahead-by").and_then(|value| value.to_str().ok()) {
        SAID.call_once(|| {
            note(&format!(
                "warning: the server's newest record is {seconds} s ahead of its clock: until the clock has caught up, leases \
                 run out early and intent acts late. `verdict_store_ahead_milliseconds` of /metrics follows it"
            ));
        });
    }
}

/// Says once that an answer is from before the record at which the views of its log broke: nobody reads headers.
fn warn_of_broken(headers: &HeaderMap) {
    static SAID: Once = Once::new();
    if let Some(place) = headers.get("verdict-broken").and_then(|value| value.to_str().ok()) {
        SAID.call_once(|| {
            note(&format!(
                "warning: the views of the log {place} are broken: what was recorded from there on is not in the answer"
            ));
        });
    }
}

async fn body(response: Response) -> Result<String, Failure> {
    response
        .text()
        .await
        .map_err(|e| Failure::unreachable("the answer broke off", e))
}
