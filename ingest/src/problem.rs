//! What the intake refuses, over HTTP: RFC 9457 problem documents out of one closed catalogue.
//!
//! The same shape as the questions have theirs in: `type` is `/problems/<code>` and stable for ever, `title` never varies
//! with the request, `detail` does. A code that the questions use too (`unauthenticated`, `unknown_tenant`)
//! says the same there. What goes wrong inside the node is told to its own log, not to the caller.

use axum::http::{HeaderValue, StatusCode, Uri, header};
use axum::response::{IntoResponse, Response};
use problem_details::ProblemDetails;
use serde_json::{Map, Value};

macro_rules! catalogue {
    ($($(#[$doc:meta])* $variant:ident = $code:literal, $status:ident, $title:literal;)*) => {
        /// Every problem that sending can end in.
        #[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
        pub enum Code { $($(#[$doc])* $variant,)* }

        impl Code {
            /// The whole catalogue.
            pub const ALL: &'static [Self] = &[$(Self::$variant,)*];

            /// The last segment of `type`.
            pub fn as_str(self) -> &'static str {
                match self { $(Self::$variant => $code,)* }
            }

            /// The HTTP status.
            pub fn status(self) -> StatusCode {
                match self { $(Self::$variant => StatusCode::$status,)* }
            }

            /// One sentence that is the same for every request.
            pub fn title(self) -> &'static str {
                match self { $(Self::$variant => $title,)* }
            }
        }
    };
}

catalogue! {
    /// No bearer token, or one that nobody was given.
    Unauthenticated = "unauthenticated", UNAUTHORIZED, "a bearer token is needed";
    /// There is no such tenant, or the caller has nothing to do with it: the two are not told apart (A7).
    UnknownTenant = "unknown_tenant", NOT_FOUND, "there is no such tenant, or it is none of yours";
    /// The environment in the path is none.
    InvalidEnvironment = "invalid_environment", NOT_FOUND, "the path names no environment";
    /// The caller lacks the role that what it sent needs.
    NotAllowed = "not_allowed", FORBIDDEN, "your roles do not allow this";
    /// A content type that is none of those taken.
    UnsupportedMediaType = "unsupported_media_type", UNSUPPORTED_MEDIA_TYPE, "this content type is not taken";
    /// A content encoding that is none of those taken.
    UnsupportedEncoding = "unsupported_encoding", UNSUPPORTED_MEDIA_TYPE, "this content encoding is not taken";
    /// More bytes than a body may have, as sent or decompressed.
    BodyTooLarge = "body_too_large", PAYLOAD_TOO_LARGE, "the body is larger than this node takes";
    /// More events than one request may have.
    TooManyEvents = "too_many_events", PAYLOAD_TOO_LARGE, "the body holds more events than this node takes at once";
    /// Larger than one event may be.
    EventTooLarge = "event_too_large", PAYLOAD_TOO_LARGE, "the event is larger than this node takes";
    /// Nothing in it.
    EmptyBody = "empty_body", BAD_REQUEST, "the body holds no event";
    /// It can not be decompressed, or not be taken apart into events.
    UnreadableBody = "unreadable_body", BAD_REQUEST, "the body as a whole can not be read";
    /// It stopped arriving.
    SlowBody = "slow_body", REQUEST_TIMEOUT, "the body stopped arriving";
    /// One event is not what it must be; `rule` says which rule it breaks.
    MalformedEvent = "malformed_event", UNPROCESSABLE_ENTITY, "the event is malformed";
    /// None of the events was taken; `rejected` says why, one by one.
    AllRefused = "all_refused", UNPROCESSABLE_ENTITY, "none of the events was taken";
    /// As many bytes are in flight as this node has memory for.
    Busy = "busy", SERVICE_UNAVAILABLE, "this node has no memory left for another body right now";
    /// The store takes no records.
    NotWritable = "not_writable", SERVICE_UNAVAILABLE, "this node takes no records";
    /// Kept, but queries do not see it yet.
    NotVisible = "not_visible", SERVICE_UNAVAILABLE, "the events are kept, but are not visible to queries";
    /// Kafka did not acknowledge.
    NotAcknowledged = "not_acknowledged", SERVICE_UNAVAILABLE, "Kafka did not acknowledge every event";
}

/// One problem, on its way to its caller.
#[derive(Debug)]
pub struct Problem {
    code: Code,
    detail: String,
    members: Map<String, Value>,
}

impl Problem {
    /// A problem of this code; `detail` says what about this request, in one sentence, input in backticks.
    pub fn new(code: Code, detail: impl Into<String>) -> Self {
        Self {
            code,
            detail: detail.into(),
            members: Map::new(),
        }
    }

    /// With an extension member (RFC 9457, 3.2).
    #[must_use]
    pub fn with(mut self, member: &str, value: impl Into<Value>) -> Self {
        self.members.insert(member.to_owned(), value.into());
        self
    }

    /// The code.
    pub fn code(&self) -> Code {
        self.code
    }

    /// The one answer for a tenant that does not exist and for one that the caller has nothing to do with (A7).
    pub(crate) fn unknown_tenant(name: &str) -> Self {
        let shown: String = name.chars().take(80).collect();
        Self::new(
            Code::UnknownTenant,
            format!("`{shown}` is not a tenant that you may send to"),
        )
    }
}

/// `type` of a code.
pub(crate) fn type_of(code: Code) -> String {
    format!("/problems/{}", code.as_str())
}

impl IntoResponse for Problem {
    fn into_response(self) -> Response {
        let mut response = ProblemDetails::new()
            .with_type(Uri::try_from(type_of(self.code)).unwrap_or_default())
            .with_title(self.code.title())
            .with_status(self.code.status())
            .with_detail(self.detail)
            .with_extensions(self.members)
            .into_response();
        let headers = response.headers_mut();
        headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
        match self.code {
            Code::Unauthenticated => {
                headers.insert(
                    header::WWW_AUTHENTICATE,
                    HeaderValue::from_static("Bearer realm=\"verdict\""),
                );
            }
            Code::UnsupportedEncoding => {
                headers.insert(header::ACCEPT_ENCODING, HeaderValue::from_static("gzip, zstd"));
            }
            Code::Busy | Code::NotAcknowledged => {
                headers.insert(header::RETRY_AFTER, HeaderValue::from_static("1"));
            }
            // Somebody has to restart the node first.
            Code::NotWritable | Code::NotVisible => {
                headers.insert(header::RETRY_AFTER, HeaderValue::from_static("30"));
            }
            _ => {}
        }
        response
    }
}
