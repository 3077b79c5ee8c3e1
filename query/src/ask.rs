//! The one path that every question about a tenant takes.
//!
//! ```text
//! 401 who?  ->  wait (after, known_at)  ->  307 held elsewhere?  ->  404 may it, and is it?  ->  400 parameters
//!                                                                      ->  409 cut?  ->  the answer
//! ```
//! The order is A7: whoever may not read a tenant gets the answer, the headers and the waits of one that does not
//! exist, whatever else is wrong with the request. What touches the store runs on the blocking pool, a bounded number
//! at a time, over one snapshot per question.

use std::collections::HashMap;

use axum::extract::{FromRequestParts, Path};
use axum::http::request::Parts;
use axum::http::{HeaderMap, HeaderValue, StatusCode, Uri, header};
use axum::response::{IntoResponse, Response};
use tokio::time::Instant;
use verdict_schemas::TenantId;
use verdict_store::access::{Principal, Role};
use verdict_store::{KafkaPartition, LogName, Snapshot, Store};

use crate::cut::{Asked, Cut, Wanted};
use crate::params::Params;
use crate::percent;
use crate::problem::{Answer, Code, Problem};
use crate::reply::{Accept, List, Next, Reply};
use crate::state::{Limits, QueryState};
use crate::token::{Cursor, no_such_place};

/// Parameters that say where to read from, not what: a cursor is not bound to them.
const PLACE: [&str; 5] = ["cursor", "limit", "as_of", "known_at", "after"];

/// A request, its caller recognised.
pub(crate) struct Asking {
    pub(crate) state: QueryState,
    pub(crate) caller: Principal,
    segments: HashMap<String, String>,
    headers: HeaderMap,
    uri: Uri,
}

impl FromRequestParts<QueryState> for Asking {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, state: &QueryState) -> Result<Self, Problem> {
        let caller = authenticate(&parts.headers, state)?;
        let segments = Path::<HashMap<String, String>>::from_request_parts(parts, state).await;
        let Path(segments) = segments.map_err(|_| unknown_route(&parts.uri))?;
        Ok(Self { state: state.clone(), caller, segments, headers: parts.headers.clone(), uri: parts.uri.clone() })
    }
}

fn authenticate(headers: &HeaderMap, state: &QueryState) -> Answer<Principal> {
    let mut given = headers.get_all(header::AUTHORIZATION).iter();
    let one = given.next().map(HeaderValue::to_str).transpose().ok().filter(|_| given.next().is_none());
    one.and_then(|authorization| state.access.authenticate(authorization)).ok_or_else(|| {
        Problem::new(Code::Unauthenticated, "send `Authorization: Bearer TOKEN` with a token that this server knows")
    })
}

/// The problem of a path that does not exist.
pub(crate) fn unknown_route(uri: &Uri) -> Problem {
    let path: String = uri.path().chars().take(120).collect();
    Problem::new(Code::UnknownRoute, format!("`{path}` is not a path of this service"))
}

/// Everything that an answer is computed from.
pub(crate) struct Question<'s> {
    pub(crate) store: &'s Store,
    pub(crate) snapshot: Snapshot<'s>,
    pub(crate) tenant: TenantId,
    pub(crate) params: Params,
    pub(crate) cut: Cut,
    /// Where a list goes on.
    pub(crate) place: Option<Vec<u8>>,
    pub(crate) limits: Limits,
    accept: Accept,
    path: String,
    segments: HashMap<String, String>,
}

impl Question<'_> {
    /// A segment of the path.
    pub(crate) fn segment(&self, name: &str) -> &str {
        self.segments.get(name).map_or("", String::as_str)
    }

    /// How many items to give.
    pub(crate) fn limit(&self) -> Answer<usize> {
        Ok(self.params.number("limit", 1, self.limits.most_items)?.unwrap_or(self.limits.items))
    }

    /// The cursor of a place in this list.
    pub(crate) fn cursor(&self, place: Vec<u8>) -> String {
        Cursor { as_of: self.cut.pins().clone(), place }.encode(&identity(&self.path, &self.params))
    }

    /// A list out of everything there is, in an order that never changes within one cut: there a count is a place, and
    /// the cursor pins the cut. Only the items of the page are made.
    pub(crate) fn page<T, I: serde::Serialize>(
        &self,
        all: Vec<T>,
        limit: usize,
        make: impl FnMut(T) -> Answer<I>,
    ) -> Answer<Reply> {
        let begun = match &self.place {
            None => 0,
            Some(bytes) => bytes
                .as_slice()
                .try_into()
                .ok()
                .and_then(|bytes| usize::try_from(u64::from_be_bytes(bytes)).ok())
                .ok_or_else(no_such_place)?,
        };
        let end = begun.saturating_add(limit);
        let next = (all.len() > end).then(|| (end as u64).to_be_bytes().to_vec());
        let items = all.into_iter().skip(begun).take(limit).map(make).collect::<Answer<Vec<I>>>()?;
        self.list(items, next)
    }

    /// A list, and where it goes on.
    pub(crate) fn list<T: serde::Serialize>(&self, items: Vec<T>, place: Option<Vec<u8>>) -> Answer<Reply> {
        let next = place.map(|place| {
            let cursor = self.cursor(place);
            let others = self.params.others(&["cursor", "as_of", "known_at", "after"]);
            let query = others.into_iter().chain([("cursor", cursor.as_str())]);
            let query: Vec<String> = query.map(|(name, value)| format!("{name}={}", percent::encode(value))).collect();
            Next { target: format!("{}?{}", self.path, query.join("&")), cursor }
        });
        let (known_at, as_of, logs) = (self.cut.known_at, self.cut.token(), self.cut.logs());
        Reply::list(&List { items, next, known_at, as_of, logs }, self.accept)
    }
}

/// What a cursor is bound to: the path, and the parameters that choose the items and their order.
fn identity<'a>(path: &'a str, params: &'a Params) -> Vec<(&'a str, &'a str)> {
    let mut identity = vec![("path", path)];
    identity.extend(params.others(&PLACE));
    identity
}

impl Asking {
    /// Answers a question about the tenant in the path, which takes the parameters `known`.
    pub(crate) async fn about_tenant<F>(self, known: &'static [&'static [&'static str]], answer: F) -> Response
    where
        F: FnOnce(&Question<'_>) -> Answer<Reply> + Send + 'static,
    {
        self.about(known, false, answer).await
    }

    /// The query string.
    pub(crate) fn query(&self) -> Option<&str> {
        self.uri.query()
    }

    /// Answers a question that is about no single tenant.
    pub(crate) async fn alone<F>(self, answer: F) -> Response
    where
        F: FnOnce(&QueryState, &Principal) -> Answer<Reply> + Send + 'static,
    {
        let turn = self.state.turns.clone().acquire_owned().await.ok();
        let computed = tokio::task::spawn_blocking(move || {
            let _turn = turn;
            answer(&self.state, &self.caller)
        });
        computed.await.unwrap_or_else(|failed| Err(Problem::unreadable(&failed))).into_response()
    }

    /// As [`Asking::about_tenant`]; an admin may also name a log that is no tenant's, `_unrouted.<partition>`.
    pub(crate) async fn about_log<F>(self, known: &'static [&'static [&'static str]], answer: F) -> Response
    where
        F: FnOnce(&Question<'_>) -> Answer<Reply> + Send + 'static,
    {
        self.about(known, true, answer).await
    }

    async fn about<F>(self, known: &'static [&'static [&'static str]], unrouted: bool, answer: F) -> Response
    where
        F: FnOnce(&Question<'_>) -> Answer<Reply> + Send + 'static,
    {
        let name = self.segments.get("tenant").cloned().unwrap_or_default();
        let log = self.readable(&name, unrouted);
        // For a log that can not be named the parameters are read all the same, so that it takes the same time.
        let asked_of = log.clone().unwrap_or_else(|| LogName::Tenant(TenantId::platform()));
        let path = self.uri.path().to_owned();
        let asked = Params::read(self.uri.query(), known)
            .and_then(|params| Ok((Asked::read(&params, &asked_of, &identity(&path, &params))?, params)));
        let asked = match asked {
            Ok((asked, params)) => self.wait(&asked_of, &asked).await.map(|()| (asked, params)),
            Err(problem) => Err(problem),
        };
        let Some(log) = log else { return Problem::unknown_tenant(&name).into_response() };
        if let Some(redirect) = self.redirect(&log) {
            return redirect;
        }
        self.compute(log, asked, path, answer).await
    }

    /// The log of this name, if its caller may read it.
    fn readable(&self, name: &str, unrouted: bool) -> Option<LogName> {
        match TenantId::parse(name) {
            Ok(tenant) => self.caller.may(Role::Read, &tenant).then_some(LogName::Tenant(tenant)),
            Err(_) if unrouted && self.caller.is_admin() => name.parse().ok(),
            Err(_) => None,
        }
    }

    fn redirect(&self, log: &LogName) -> Option<Response> {
        let LogName::Tenant(tenant) = log else { return None };
        let owner = self.state.owners.get(tenant)?;
        let target = self.uri.path_and_query().map_or("/", |target| target.as_str());
        let location = HeaderValue::try_from(format!("{}{target}", owner.trim_end_matches('/'))).ok()?;
        Some((StatusCode::TEMPORARY_REDIRECT, [(header::LOCATION, location)]).into_response())
    }

    /// Waits, bounded, for what the question needs: positions, a horizon, or records that another node has had already.
    async fn wait(&self, log: &LogName, asked: &Asked) -> Answer<()> {
        let store = &self.state.store;
        let until = Instant::now() + self.state.limits.wait;
        for position in &asked.after {
            let partition = self.partition(log, position.partition)?;
            let left = until.saturating_duration_since(Instant::now());
            if !store.wait_position(&partition, position.offset, left).await {
                let detail = format!("offset {} of partition {} is not visible here yet", position.offset, position.partition);
                return Err(Problem::new(Code::NotReached, detail)
                    .with("parameter", "after")
                    .with("partition", position.partition)
                    .with("offset", position.offset));
            }
        }
        match &asked.wanted {
            Wanted::Newest => {}
            Wanted::KnownAt(known_at) => wait_horizon(store, *known_at, until).await,
            // Too short a wait is answered when the cut is resolved.
            Wanted::Pinned(as_of) => {
                let left = until.saturating_duration_since(Instant::now());
                store.wait_visible(log, as_of.own.size, left).await;
            }
        }
        Ok(())
    }

    /// The partition of this number in the topic that feeds a log.
    fn partition(&self, log: &LogName, partition: u32) -> Answer<KafkaPartition> {
        let topics = &self.state.topics;
        let platform = log.tenant().is_some_and(TenantId::is_platform);
        let topic = if platform { &topics.platform } else { &topics.events };
        match self.state.store.node_info()?.cluster {
            Some(cluster) => Ok(KafkaPartition { cluster: cluster.into(), topic: topic.as_str().into(), partition }),
            None => {
                let rule = "this node reads no Kafka, so there is nothing to wait for";
                Err(Problem::invalid("after", &partition.to_string(), rule))
            }
        }
    }

    async fn compute<F>(self, log: LogName, asked: Answer<(Asked, Params)>, path: String, answer: F) -> Response
    where
        F: FnOnce(&Question<'_>) -> Answer<Reply> + Send + 'static,
    {
        // The semaphore is never closed; were it, the answer would only lack its turn.
        let turn = self.state.turns.clone().acquire_owned().await.ok();
        let computed = tokio::task::spawn_blocking(move || {
            let _turn = turn;
            let store = &self.state.store;
            let horizon = store.horizon();
            let snapshot = store.snapshot();
            let exists = match &log {
                LogName::Tenant(tenant) if tenant.is_platform() => true,
                _ => snapshot.log(&log)?.is_some(),
            };
            if !exists {
                return Err(Problem::unknown_tenant(&log.to_string()));
            }
            let (asked, params) = asked?;
            let cut = Cut::resolve(&asked, &log, store, horizon, &snapshot)?;
            let tenant = match log {
                LogName::Tenant(tenant) => tenant,
                LogName::Unrouted(_) => TenantId::platform(),
            };
            answer(&Question {
                store,
                snapshot,
                tenant,
                params,
                cut,
                place: asked.place,
                limits: self.state.limits,
                accept: Accept::of(&self.headers),
                path,
                segments: self.segments,
            })
        });
        match computed.await {
            Ok(reply) => reply.into_response(),
            Err(failed) => Problem::unreadable(&failed).into_response(),
        }
    }
}

/// Waits until `known_at` is within the horizon, if a commit in flight is all that keeps it out: not for the future.
async fn wait_horizon(store: &Store, known_at: verdict_schemas::Timestamp, until: Instant) {
    let mut visible = store.subscribe_visible();
    let soon = std::time::SystemTime::now()
        .duration_since(std::time::UNIX_EPOCH)
        .ok()
        .and_then(|now| i64::try_from(now.as_micros()).ok())
        .and_then(verdict_schemas::Timestamp::from_micros)
        .is_some_and(|now| known_at <= now);
    if !soon {
        return;
    }
    while store.horizon() < known_at && Instant::now() < until {
        // A commit that becomes visible moves the horizon; so does, with Kafka, the end of a partition being seen.
        let moved = tokio::time::timeout(std::time::Duration::from_millis(20), visible.changed()).await;
        if matches!(moved, Ok(Err(_))) {
            return;
        }
    }
}
