//! What the handlers share.

use std::sync::Arc;
use std::time::Duration;

use verdict_edge::{Edge, Turns};

/// Bounds on what one question may cost.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Limits {
    /// How many questions are computed at once; more wait their turn.
    pub concurrent: usize,
    /// The longest wait for what `after` names, or for a `known_at` whose records are being committed.
    pub wait: Duration,
    /// Items of a list when `limit` is not given.
    pub items: usize,
    /// The greatest `limit`.
    pub most_items: usize,
    /// Records that one request may read to check the filters that have no index.
    pub examined: usize,
    /// Index entries that one `count` may walk.
    pub counted: usize,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            concurrent: 64,
            wait: Duration::from_secs(5),
            items: 100,
            most_items: 1000,
            examined: 10_000,
            counted: 1_000_000,
        }
    }
}

/// The topics that the node reads, for `after=partition:offset`.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Topics {
    /// The tenants' events.
    pub events: String,
    /// The platform's.
    pub platform: String,
}

impl Default for Topics {
    fn default() -> Self {
        Self {
            events: "verdict.events.v1".to_owned(),
            platform: "verdict.platform.v1".to_owned(),
        }
    }
}

/// Everything a question is answered from. Clones share it.
#[derive(Clone)]
pub struct QueryState {
    pub(crate) edge: Edge,
    pub(crate) topics: Arc<Topics>,
    pub(crate) limits: Limits,
    pub(crate) turns: Turns,
}

impl QueryState {
    /// Answers whom the edge lets in from what it holds, within the default limits.
    pub fn new(edge: Edge) -> Self {
        let limits = Limits::default();
        Self {
            edge,
            topics: Arc::default(),
            limits,
            turns: Turns::new(limits.concurrent),
        }
    }

    /// With topics of other names.
    #[must_use]
    pub fn with_topics(mut self, topics: Topics) -> Self {
        self.topics = Arc::new(topics);
        self
    }

    /// With other limits.
    #[must_use]
    pub fn with_limits(mut self, limits: Limits) -> Self {
        self.limits = limits;
        self.turns = Turns::new(limits.concurrent);
        self
    }
}
