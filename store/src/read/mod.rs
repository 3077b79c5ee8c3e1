//! Questions: everything that is asked of the store is asked of one [`Snapshot`].
//!
//! A snapshot is one moment of the store: records, tree, views and marks agree in it, whatever is written
//! meanwhile. A question is about a *cut* of it, the first `size` records of a log; rows of later records are passed
//! over, so the same cut gives the same answer from every later snapshot (A6).
//!
//! - [`snapshot`]: logs, sizes, records, and what every other part reads through.
//! - [`scan`]: index ranges in the order of time, lazily, within a bound, resumable.
//! - [`lookup`]: single ids: events, decisions, traces, versions cited, flags.
//! - [`proof`]: roots and proofs at any size.
//! - [`intents`]: the intent of a log, held in memory and extended as it grows.
//! - [`observed`]: the fold's rows at a cut.
//! - [`sources`]: statistics per emitter, a page at a time; [`tail`]: what their rows do not say yet.

mod events;
mod index;
mod intent_cache;
mod intents;
mod lookup;
mod observed;
mod proof;
mod scan;
mod snapshot;
mod sources;
mod tail;

pub use index::{Entry, Index, Order, TimeRange};
pub(crate) use intent_cache::IntentCache;
pub use lookup::{EventRecord, Flags};
pub use observed::{ObservedAt, ObservedRows};
pub use scan::Scan;
pub use snapshot::{LogInfo, Snapshot};
pub use sources::{SourcePage, SourceReport};

use crate::store::Store;

impl Store {
    /// One moment of the store, to ask questions of.
    pub fn snapshot(&self) -> Snapshot<'_> {
        let shared = self.shared();
        let databases = (&*shared.database, &*shared.context.views);
        Snapshot::new(databases, &*shared.schemas, &shared.intents)
    }
}
