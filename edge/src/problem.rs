//! What goes wrong, over HTTP: RFC 9457 problem documents out of one closed catalogue, whichever door they come through.
//!
//! `type` is `/problems/<code>`, a reference that this server answers with the catalogue's own words, and is stable for
//! ever: programs branch on it. `title` never varies with the request, `detail` does. What `detail` quotes comes from
//! the request alone, or from what its caller may read (A7).

use axum::http::{HeaderValue, StatusCode, Uri, header};
use axum::response::{IntoResponse, Response};
use problem_details::ProblemDetails;
use serde_json::{Map, Value};

macro_rules! catalogue {
    ($($(#[$doc:meta])* $variant:ident = $code:literal, $status:ident, $title:literal;)*) => {
        /// Every problem that a request can end in. `docs/problems.md` explains each; a test holds the two together.
        #[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
        pub enum Code { $($(#[$doc])* $variant,)* }

        impl Code {
            /// The whole catalogue.
            pub const ALL: &'static [Self] = &[$(Self::$variant,)*];

            /// The last segment of `type`.
            pub fn as_str(self) -> &'static str {
                match self { $(Self::$variant => $code,)* }
            }

            /// `type` of a problem document.
            pub fn type_uri(self) -> String {
                format!("/problems/{}", self.as_str())
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
    /// There is no such tenant, or the caller may not read it, or has nothing to do with it: they are not told apart (A7).
    UnknownTenant = "unknown_tenant", NOT_FOUND, "there is no such tenant, or it is none of yours";
    /// No such path.
    UnknownRoute = "unknown_route", NOT_FOUND, "there is nothing at this path";
    /// The path exists, the method does not.
    MethodNotAllowed = "method_not_allowed", METHOD_NOT_ALLOWED, "this path does not take this method";
    /// A query parameter that this path does not take.
    UnknownParameter = "unknown_parameter", BAD_REQUEST, "the request has a parameter that this path does not take";
    /// A query parameter twice.
    RepeatedParameter = "repeated_parameter", BAD_REQUEST, "a parameter is given more than once";
    /// A required query parameter is not there.
    MissingParameter = "missing_parameter", BAD_REQUEST, "a required parameter is missing";
    /// A query parameter or path segment that is not what it must be.
    InvalidParameter = "invalid_parameter", BAD_REQUEST, "a parameter has a value that is not allowed";
    /// Two parameters that exclude each other.
    ConflictingParameters = "conflicting_parameters", BAD_REQUEST, "two parameters exclude each other";
    /// The query string is not percent-encoded UTF-8.
    InvalidQuery = "invalid_query", BAD_REQUEST, "the query string can not be read";
    /// An `as_of` that this server did not make, or that was altered.
    InvalidAsOf = "invalid_as_of", BAD_REQUEST, "`as_of` is not a token of this service";
    /// An `as_of` that belongs to another tenant (E3).
    ForeignAsOf = "foreign_as_of", BAD_REQUEST, "`as_of` belongs to another tenant";
    /// An `as_of` made under rules that this release does not have.
    UnknownRules = "unknown_rules", BAD_REQUEST, "`as_of` names a version of the rules that this release does not have";
    /// A cursor that this server did not make, was altered, or goes with another question.
    InvalidCursor = "invalid_cursor", BAD_REQUEST, "`cursor` does not go with this question";
    /// `known_at` is past what this node holds whole, or `as_of` pins more than it holds (E3).
    NotYetKnown = "not_yet_known", CONFLICT, "this node does not hold everything up to that time yet";
    /// This node understands what `as_of` pins otherwise: by later rules, or it learnt of a schema at another time (E3).
    Reinterpreted = "reinterpreted", CONFLICT, "this node understands what `as_of` pins otherwise, and offers its own";
    /// The roots pinned by `as_of` are not those of the logs held here.
    RootMismatch = "root_mismatch", CONFLICT, "the log held here is not the one that `as_of` was made from";
    /// The views of the log, or of `_platform`, do not hold yet what an answer needs.
    ViewsBehind = "views_behind", SERVICE_UNAVAILABLE, "the views of this log do not hold yet what the answer needs";
    /// What `after` names did not become visible in time.
    NotReached = "not_reached", SERVICE_UNAVAILABLE, "what `after` names is not visible here yet";
    /// Nothing of that id in the cut.
    NotFound = "not_found", NOT_FOUND, "there is nothing of that id in the log as of this cut";
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
    /// Kafka did not acknowledge.
    NotAcknowledged = "not_acknowledged", SERVICE_UNAVAILABLE, "Kafka did not acknowledge every event";
    /// The tenant's log is broken where the answer would need it.
    Unreadable = "unreadable", INTERNAL_SERVER_ERROR, "what is stored can not be read back";
    /// The tenant is held by a node that is not known here.
    Misdirected = "misdirected", MISDIRECTED_REQUEST, "another node holds this";
    /// The node that holds the tenant does not answer this one.
    OwnerUnreachable = "owner_unreachable", SERVICE_UNAVAILABLE, "the node that holds this does not answer";
    /// The node is not ready, or is going down.
    NotReady = "not_ready", SERVICE_UNAVAILABLE, "this node is not ready";
}

/// What `docs/problems.md` says of a code, in Markdown: the one place where every problem of this server is explained.
pub fn documented(code: &str) -> Option<&'static str> {
    const CATALOGUE: &str = include_str!("../../docs/problems.md");
    let (_, entry) = CATALOGUE.split_once(&format!("\n### `{code}` \u{2014} "))?;
    let (_, text) = entry.split_once('\n')?;
    Some(text.split("\n#").next().unwrap_or(text).trim())
}

/// One problem, on its way to its caller.
#[derive(Debug)]
pub struct Problem {
    code: Code,
    detail: String,
    members: Map<String, Value>,
}

/// What a handler that can fail returns.
pub type Answer<T> = Result<T, Problem>;

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

    /// A parameter, or a path segment, that is not what it must be.
    pub fn invalid(parameter: &str, value: &str, rule: &str) -> Self {
        let shown: String = value.chars().take(120).collect();
        Self::new(Code::InvalidParameter, format!("`{parameter}` is `{shown}`: {rule}"))
            .with("parameter", parameter)
            .with("value", shown)
            .with("rule", rule)
    }

    /// The one answer for a tenant that does not exist and for one to which the caller may not do this (A7): `read`, `send to`.
    pub fn unknown_tenant(name: &str, may: &str) -> Self {
        let shown: String = name.chars().take(80).collect();
        Self::new(
            Code::UnknownTenant,
            format!("`{shown}` is not a tenant that you may {may}"),
        )
    }

    /// The problem of a path that does not exist.
    pub fn unknown_route(uri: &Uri) -> Self {
        let path: String = uri.path().chars().take(120).collect();
        Self::new(Code::UnknownRoute, format!("`{path}` is not a path of this service"))
    }

    /// What is stored can not be read: the reason goes to the node's own log, not to the caller.
    pub fn unreadable(reason: &dyn std::fmt::Display) -> Self {
        tracing::error!(%reason, "an answer could not be computed from what is stored");
        Self::new(
            Code::Unreadable,
            "the node's log says why; run `verdict audit` on its data directory",
        )
    }
}

impl From<verdict_store::StoreError> for Problem {
    fn from(error: verdict_store::StoreError) -> Self {
        Self::unreadable(&error)
    }
}

impl From<verdict_fold::rows::RowsError<verdict_store::StoreError>> for Problem {
    fn from(error: verdict_fold::rows::RowsError<verdict_store::StoreError>) -> Self {
        match error {
            verdict_fold::rows::RowsError::Storage(error) => error.into(),
            verdict_fold::rows::RowsError::Corrupt(damage) => Self::unreadable(&damage),
        }
    }
}

impl IntoResponse for Problem {
    fn into_response(self) -> Response {
        let uri = Uri::try_from(self.code.type_uri()).unwrap_or_default();
        let mut response = ProblemDetails::new()
            .with_type(uri)
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
            Code::NotYetKnown
            | Code::NotReached
            | Code::ViewsBehind
            | Code::NotReady
            | Code::Busy
            | Code::NotAcknowledged
            | Code::OwnerUnreachable => {
                headers.insert(header::RETRY_AFTER, HeaderValue::from_static("1"));
            }
            // Somebody has to restart the node first.
            Code::NotWritable => {
                headers.insert(header::RETRY_AFTER, HeaderValue::from_static("30"));
            }
            _ => {}
        }
        response
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_problem_of_this_server_is_explained_in_one_place() {
        let docs = include_str!("../../docs/problems.md");
        for code in Code::ALL {
            let (name, status) = (code.as_str(), code.status().as_u16());
            assert!(!documented(name).unwrap_or_default().is_empty(), "{name}");
            assert!(docs.contains(&format!("\n### `{name}` \u{2014} {status}\n")), "{name}");
        }
        assert_eq!(docs.matches("\n### `").count(), Code::ALL.len(), "and nothing else is");
    }
}
