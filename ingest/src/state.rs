//! What the intake is given, and what its requests share.

use std::sync::Arc;

use axum::http::Uri;
use axum::response::Response;
use verdict_edge::body::Budget;
use verdict_edge::{Edge, HasEdge, Holder};
use verdict_store::LogName;

use crate::opa::{Bindings, OpaSettings, RecentlyQuarantined, SingleBundles};
use crate::sender::Sender;
use crate::{IntakeLimits, Producer};

/// What the intake stands on.
#[derive(Clone)]
pub struct IntakeState {
    /// Who may send what, and where records are kept; with Kafka, where duplicates and bindings are looked up.
    pub edge: Edge,
    /// Where events go.
    pub sink: Sink,
    /// Bounds.
    pub limits: IntakeLimits,
    /// How OPA's reports are read.
    pub opa: Arc<OpaSettings>,
}

/// Where events go.
#[derive(Clone)]
pub enum Sink {
    /// Straight into the store: acknowledged once durable and visible.
    Store,
    /// Through Kafka: acknowledged by every in-sync replica; the consumer stores them.
    Kafka(Producer),
}

/// One per router.
pub(crate) struct Shared {
    pub(crate) state: IntakeState,
    pub(crate) budget: Budget,
    pub(crate) bindings: Bindings,
    pub(crate) single_bundles: SingleBundles,
    pub(crate) recently_quarantined: RecentlyQuarantined,
}

impl Shared {
    pub(crate) fn new(state: IntakeState) -> Self {
        let budget = Budget::new(&state.limits.body);
        Self {
            budget,
            bindings: Bindings::default(),
            single_bundles: SingleBundles::default(),
            recently_quarantined: RecentlyQuarantined::default(),
            state,
        }
    }

    /// Where a request goes whose tenant another node keeps. What goes through Kafka may be sent to any node.
    pub(crate) fn elsewhere(&self, sender: &Sender, uri: &Uri) -> Option<Response> {
        match self.state.sink {
            Sink::Store => {
                let forwarded = sender.principal.is_forwarded();
                self.holder(sender).sent_on(sender.tenant.as_str(), uri, forwarded)
            }
            Sink::Kafka(_) => None,
        }
    }

    /// Who holds the tenant's log.
    pub(crate) fn holder(&self, sender: &Sender) -> Holder<'_> {
        self.state.edge.owners().holder(&LogName::Tenant(sender.tenant.clone()))
    }

    /// Bytes of one record, headers included: what is configured, and what Kafka takes by default.
    pub(crate) fn max_record(&self) -> usize {
        /// Kafka's default `max.message.bytes` is 1,048,588 and librdkafka's `message.max.bytes` 1,000,000, both with
        /// the framing of the record.
        const KAFKA: usize = 990_000;
        match self.state.sink {
            Sink::Store => self.state.limits.event(),
            Sink::Kafka(_) => self.state.limits.event().min(KAFKA),
        }
    }
}

impl HasEdge for Shared {
    fn edge(&self) -> &Edge {
        &self.state.edge
    }
}
