//! The one path that every question about a tenant takes.
//!
//! ```text
//! 401 who?  ->  wait (after, known_at)  ->  404 may it?  ->  307, 421 held elsewhere?  ->  404 is it there?
//!                                       ->  400 parameters?  ->  409 cut?  ->  the answer
//! ```
//! The order is A7: whoever may not read a tenant gets the answer, the headers and the waits of one that does not
//! exist, whatever else is wrong with the request. What touches the store runs on the blocking pool, a bounded number
//! at a time, over one snapshot per question.

use std::collections::HashMap;
use std::marker::PhantomData;
use std::sync::Arc;

use axum::extract::{FromRequestParts, Path};
use axum::http::request::Parts;
use axum::http::{HeaderMap, Uri};
use axum::response::{IntoResponse, Response};
use tokio::time::Instant;
use verdict_edge::access::Principal;
use verdict_edge::{Accept, Answer, Answerable, Code, Need, NoLog, Params, Problem, caller};
use verdict_schemas::TenantId;
use verdict_store::{KafkaPartition, LogName, Store, TreeSize};

use crate::asked::{Asked, Wanted};
use crate::behind::{behind, broken, wait_for_all};
use crate::cut::{Cut, with_platform};
use crate::question::{Question, identity};
use crate::reply::Reply;
use crate::state::QueryState;

/// A request, its caller recognised, to a route that needs `N`.
pub(crate) struct Asking<N> {
    pub(crate) state: QueryState,
    pub(crate) caller: Principal,
    segments: HashMap<String, String>,
    headers: HeaderMap,
    uri: Uri,
    need: PhantomData<fn() -> N>,
}

impl<N: Need> FromRequestParts<QueryState> for Asking<N> {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, state: &QueryState) -> Result<Self, Problem> {
        let caller = caller(state.edge.access(), &parts.headers)?;
        let segments = Path::<HashMap<String, String>>::from_request_parts(parts, state).await;
        let Path(segments) = segments.map_err(|_| Problem::unknown_route(&parts.uri))?;
        Ok(Self {
            state: state.clone(),
            caller,
            segments,
            headers: parts.headers.clone(),
            uri: parts.uri.clone(),
            need: PhantomData,
        })
    }
}

impl Asking<NoLog> {
    /// The query string.
    pub(crate) fn query(&self) -> Option<&str> {
        self.uri.query()
    }

    /// Computes what is about no single tenant.
    pub(crate) async fn alone<T, F>(self, answer: F) -> Answer<T>
    where
        T: Send + 'static,
        F: FnOnce(&QueryState, &Principal) -> Answer<T> + Send + 'static,
    {
        let turns = self.state.turns.clone();
        turns.take(move || answer(&self.state, &self.caller)).await
    }
}

impl<N: Answerable> Asking<N> {
    /// Answers a question about the log that the path names, which takes the parameters `known`.
    pub(crate) async fn about<F>(self, known: &'static [&'static [&'static str]], answer: F) -> Response
    where
        F: FnOnce(&Question<'_>) -> Answer<Reply> + Send + 'static,
    {
        let name = self.segments.get("tenant").cloned().unwrap_or_default();
        let log = N::admit(&self.caller, &name);
        // The parameters are read, and positions waited for, whether the log may be read or not: it takes the same time.
        let asked_of = name.parse().unwrap_or_else(|_| LogName::Tenant(TenantId::platform()));
        let path = self.uri.path().to_owned();
        let asked = Params::read(self.uri.query(), known)
            .and_then(|params| Ok((Asked::read(&params, &asked_of, &identity(&path, &params))?, params)));
        // Nor is anything waited for that another node holds, whoever asks: who holds it follows from the name alone.
        let elsewhere = self.elsewhere(&asked_of);
        let asked = match asked {
            Ok(asked) if elsewhere.is_some() => Ok(asked),
            Ok((asked, params)) => self
                .wait(&asked_of, log.is_ok(), &asked)
                .await
                .map(|()| (asked, params)),
            Err(problem) => Err(problem),
        };
        let log = match log {
            Ok(log) => log,
            Err(problem) => return problem.into_response(),
        };
        if let Some(sent_on) = elsewhere {
            return sent_on;
        }
        self.compute(log, asked, path, answer).await
    }

    /// What whoever may read the log is answered where another node holds it.
    fn elsewhere(&self, log: &LogName) -> Option<Response> {
        let holder = self.state.edge.owners().holder(log);
        holder.sent_on(&log.to_string(), &self.uri, self.caller.is_forwarded())
    }

    /// Waits, bounded, for what the question needs: positions, a horizon, or records that another node has had already.
    /// For the last only in a log that is there and may be read: how long it takes says how far the log is (A7).
    async fn wait(&self, log: &LogName, readable: bool, asked: &Asked) -> Answer<()> {
        let store = self.state.edge.store();
        let until = Instant::now() + self.state.limits.wait;
        for position in &asked.after {
            let partition = self.partition(log, position.partition)?;
            let left = until.saturating_duration_since(Instant::now());
            let known = store.wait_position(&partition, position.offset, left).await;
            // How far a log is, only whoever may read it waits for.
            if !known || (readable && !wait_for_all(store, log, until).await) {
                let detail = format!(
                    "offset {} of partition {} is not visible here yet",
                    position.offset, position.partition
                );
                return Err(Problem::new(Code::NotReached, detail)
                    .with("parameter", "after")
                    .with("partition", position.partition)
                    .with("offset", position.offset));
            }
        }
        let platform = LogName::Tenant(TenantId::platform());
        let logs = if readable {
            vec![log, &platform]
        } else {
            vec![&platform]
        };
        match &asked.wanted {
            // What the node held when it was started is told again, if that takes no longer; else up to where views are.
            Wanted::Newest => {
                for log in &logs {
                    let left = until.saturating_duration_since(Instant::now());
                    store.wait_visible(log, TreeSize(0), left).await;
                }
            }
            Wanted::KnownAt(known_at) => wait_horizon(store, &logs, *known_at, until).await,
            // Too short a wait is answered when the cut is resolved.
            Wanted::Pinned(as_of) if readable && store.snapshot().log(log)?.is_some() => {
                wait_horizon(store, &logs, as_of.horizon, until).await;
                for (log, pin) in [(log, Some(as_of.own)), (&platform, as_of.platform)] {
                    let left = until.saturating_duration_since(Instant::now());
                    store
                        .wait_visible(log, pin.map_or(TreeSize(0), |pin| pin.cut.size), left)
                        .await;
                }
            }
            Wanted::Pinned(_) => {}
        }
        Ok(())
    }

    /// The partition of this number in the topic that feeds a log.
    fn partition(&self, log: &LogName, partition: u32) -> Answer<KafkaPartition> {
        let topics = &self.state.topics;
        let platform = log.tenant().is_some_and(TenantId::is_platform);
        let topic = if platform { &topics.platform } else { &topics.events };
        match self.state.edge.store().node_info()?.cluster {
            Some(cluster) => Ok(KafkaPartition {
                cluster: cluster.into(),
                topic: topic.as_str().into(),
                partition,
            }),
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
        let turns = self.state.turns.clone();
        let computed = turns.take(move || {
            let store = self.state.edge.store();
            let logs = with_platform(&log);
            let logs: Vec<&LogName> = logs.iter().collect();
            // Before the horizon, that is before the snapshot: what is whole stays so.
            let unanswered = logs.iter().find_map(|log| behind(store, log, true));
            let horizon = store.horizon(&logs);
            let snapshot = store.snapshot();
            // A token does not cease to be answered on other paths than that which gave it.
            let pinned = asked.as_ref().is_ok_and(|(asked, _)| asked.is_pinned());
            let answered = N::is_there(&log, &snapshot)? || (pinned && log.tenant().is_some());
            if !answered {
                return Err(Problem::unknown_tenant(&log.to_string(), "read"));
            }
            let (asked, params) = asked?;
            // What is asked as of a time, or pinned, may be there already: the cut says.
            if let (Wanted::Newest, Some(problem)) = (&asked.wanted, unanswered) {
                return Err(problem);
            }
            let cut = Cut::resolve(&asked, &log, store, horizon, &snapshot)?;
            let broken = logs.iter().find_map(|log| broken(store, log));
            let tenant = match log {
                LogName::Tenant(tenant) => tenant,
                LogName::Unrouted(_) => TenantId::platform(),
            };
            let mut reply = answer(&Question {
                store,
                snapshot,
                tenant,
                params,
                cut,
                place: asked.place,
                limits: self.state.limits,
                topics: Arc::clone(&self.state.topics),
                accept: Accept::of(&self.headers),
                path,
                segments: self.segments,
            })?;
            if let Some((log, index)) = broken {
                reply.broken(&log, index);
            }
            Ok(reply)
        });
        computed.await.into_response()
    }
}

/// Waits until `known_at` is within the horizon, if a commit in flight is all that keeps it out: not for the future.
async fn wait_horizon(store: &Store, logs: &[&LogName], known_at: verdict_schemas::Timestamp, until: Instant) {
    let mut visible = store.subscribe_visible();
    if known_at > Store::machine_time() {
        return;
    }
    while store.horizon(logs) < known_at && Instant::now() < until {
        // A commit that becomes visible moves the horizon; so does, with Kafka, the end of a partition being seen.
        let moved = tokio::time::timeout(std::time::Duration::from_millis(20), visible.changed()).await;
        if matches!(moved, Ok(Err(_))) {
            return;
        }
    }
}
