//! The forms of an answer: one JSON document, or a list as JSON or NDJSON.
//!
//! A body is a function of the cut and the rules (A6): whatever else there is to say goes into headers. NDJSON has no
//! room for what stands around the items, so headers carry that too: `Verdict-As-Of`, `Verdict-Known-At`,
//! `Verdict-Complete`, `Link`.

use axum::http::{HeaderMap, HeaderName, HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use serde::Serialize;
use verdict_edge::{Accept, Answer, Problem};
use verdict_schemas::Timestamp;

use crate::cut::{Cut, LogAt};

/// The token of the cut that an answer was computed from.
pub(crate) const AS_OF: HeaderName = HeaderName::from_static("verdict-as-of");
/// Its `known_at`.
pub(crate) const KNOWN_AT: HeaderName = HeaderName::from_static("verdict-known-at");
/// The content type under which the bytes of an answer in bytes were received.
pub(crate) const CONTENT_TYPE: HeaderName = HeaderName::from_static("verdict-content-type");
/// The log whose views can not be made past an index: what came after it is not in the answer.
pub(crate) const BROKEN: HeaderName = HeaderName::from_static("verdict-broken");
/// Whether everything was looked at that the page is to hold: `false` when a scan met its bound first.
pub(crate) const COMPLETE: HeaderName = HeaderName::from_static("verdict-complete");

/// An answer, ready to be sent.
#[derive(Debug)]
pub(crate) struct Reply {
    status: StatusCode,
    headers: HeaderMap,
    body: Vec<u8>,
}

/// A list, before it has a form.
#[derive(Debug)]
pub(crate) struct List<T> {
    pub(crate) items: Vec<T>,
    /// The cursor of the rest, and the request that asks for it.
    pub(crate) next: Option<Next>,
    pub(crate) complete: bool,
    pub(crate) known_at: Timestamp,
    pub(crate) as_of: String,
    pub(crate) logs: Vec<LogAt>,
}

/// Where a list goes on.
#[derive(Debug)]
pub(crate) struct Next {
    pub(crate) cursor: String,
    /// Path and query of the next page.
    pub(crate) target: String,
}

impl Reply {
    /// One JSON document.
    pub(crate) fn json(value: &impl Serialize) -> Answer<Self> {
        let body = serde_json::to_vec(value).map_err(|e| Problem::unreadable(&e))?;
        Ok(Self::of("application/json", body))
    }

    /// A list in the form that the request accepts.
    pub(crate) fn list<T: Serialize>(list: &List<T>, accept: Accept) -> Answer<Self> {
        #[derive(Serialize)]
        struct Document<'a, T> {
            items: &'a [T],
            #[serde(skip_serializing_if = "Option::is_none")]
            next: Option<&'a str>,
            complete: bool,
            known_at: Timestamp,
            as_of: &'a str,
            logs: &'a [LogAt],
        }
        let mut reply = match accept {
            Accept::Json | Accept::Bytes => Self::json(&Document {
                items: &list.items,
                next: list.next.as_ref().map(|next| next.cursor.as_str()),
                complete: list.complete,
                known_at: list.known_at,
                as_of: &list.as_of,
                logs: &list.logs,
            })?,
            Accept::Lines => {
                let mut body = Vec::new();
                for item in &list.items {
                    serde_json::to_writer(&mut body, item).map_err(|e| Problem::unreadable(&e))?;
                    body.push(b'\n');
                }
                Self::of("application/x-ndjson", body)
            }
        };
        reply.header(AS_OF, &list.as_of);
        reply.header(KNOWN_AT, &list.known_at.to_string());
        reply.header(COMPLETE, if list.complete { "true" } else { "false" });
        if let Some(next) = &list.next {
            reply.header(header::LINK, &format!("<{}>; rel=\"next\"", next.target));
        }
        Ok(reply)
    }

    /// Says that the views of a log are broken at an index: the answer is from before it.
    pub(crate) fn broken(&mut self, log: &str, index: u64) {
        self.header(BROKEN, &format!("{log} at {index}"));
    }

    /// Bytes as they were received, of whatever type: nothing that a browser would open.
    pub(crate) fn bytes(content_type: Option<&str>, body: Vec<u8>, cut: &Cut) -> Self {
        let mut reply = Self::of("application/octet-stream", body);
        reply.header(header::X_CONTENT_TYPE_OPTIONS, "nosniff");
        reply.header(header::CONTENT_DISPOSITION, "attachment");
        if let Some(content_type) = content_type {
            reply.header(CONTENT_TYPE, content_type);
        }
        reply.header(AS_OF, &cut.token());
        reply.header(KNOWN_AT, &cut.known_at.to_string());
        reply
    }

    fn of(content_type: &'static str, body: Vec<u8>) -> Self {
        let mut headers = HeaderMap::new();
        headers.insert(header::CONTENT_TYPE, HeaderValue::from_static(content_type));
        // Evidence about people: no cache between us and the caller keeps it.
        headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
        headers.insert(header::VARY, HeaderValue::from_static("accept, authorization"));
        Self {
            status: StatusCode::OK,
            headers,
            body,
        }
    }

    fn header(&mut self, name: HeaderName, value: &str) {
        // What we put there is ASCII by construction; a value that is not would only lose its header.
        if let Ok(value) = HeaderValue::from_str(value) {
            self.headers.insert(name, value);
        }
    }
}

impl IntoResponse for Reply {
    fn into_response(self) -> Response {
        (self.status, self.headers, self.body).into_response()
    }
}
