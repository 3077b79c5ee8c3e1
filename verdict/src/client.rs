//! The HTTP client behind every question: one GET or POST, problems turned into failures that say what to do.

use std::path::Path;
use std::sync::Once;
use std::time::Duration;

use reqwest::header::HeaderMap;
use reqwest::{Certificate, Method, RequestBuilder, Response, StatusCode};
use serde_json::Value;

use crate::cli::ServerArgs;
use crate::exit::Failure;
use crate::faithful::lossy;
use crate::output::note;

/// A server, and who asks.
#[derive(Clone, Debug)]
pub(crate) struct Client {
    http: reqwest::Client,
    server: String,
    token: Option<String>,
}

/// An answer: its bytes as they came, and read.
pub(crate) struct Answer {
    /// As it came: what is printed as JSON.
    pub(crate) text: String,
    /// Read for tables and decisions of this program: what it can not hold is text, see [`lossy`].
    pub(crate) value: Value,
    /// Its status.
    pub(crate) status: StatusCode,
}

impl Client {
    /// Checks the address; does not connect yet.
    pub(crate) fn new(args: &ServerArgs) -> Result<Self, Failure> {
        let server = args.server.trim_end_matches('/').to_owned();
        let parsed = reqwest::Url::parse(&server);
        if !parsed.is_ok_and(|url| matches!(url.scheme(), "http" | "https")) {
            return Err(Failure::Usage(format!(
                "--server `{server}` is not an http:// or https:// address"
            )));
        }
        let mut http = reqwest::Client::builder()
            .connect_timeout(Duration::from_secs(10))
            .timeout(Duration::from_secs(120));
        if let Some(path) = &args.ca_file {
            http = http.tls_certs_only(roots(path)?);
        }
        let http = http
            .build()
            .map_err(|e| Failure::unreachable("cannot start the HTTP client", e))?;
        Ok(Self {
            http,
            server,
            token: args.token.clone(),
        })
    }

    /// A request to `segments` below the server's address, each percent-encoded.
    pub(crate) fn request(&self, method: Method, segments: &[&str]) -> Result<RequestBuilder, Failure> {
        // A URL loses such segments: what would be asked then is another question, and its answer a wrong one.
        if let Some(lost) = segments.iter().find(|segment| matches!(**segment, "" | "." | "..")) {
            return Err(Failure::Usage(format!("`{lost}` is no name that can be asked for")));
        }
        let mut url = reqwest::Url::parse(&self.server)
            .map_err(|e| Failure::Usage(format!("--server `{}`: {e}", self.server)))?;
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
        let response = request.send().await.map_err(|e| self.unreachable(&e))?;
        let status = response.status();
        warn_of_clock(response.headers());
        let text = body(response).await?;
        let value = lossy(&text);
        Ok(Answer { text, value, status })
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

async fn body(response: Response) -> Result<String, Failure> {
    response
        .text()
        .await
        .map_err(|e| Failure::unreachable("the answer broke off", e))
}
