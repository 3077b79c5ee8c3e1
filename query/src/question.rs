//! A question that may be answered: everything that its answer is computed from, and how a list of it goes on.

use std::collections::HashMap;
use std::sync::Arc;

use verdict_edge::{Accept, Answer, Params, percent};
use verdict_schemas::TenantId;
use verdict_store::{Snapshot, Store};

use crate::cut::Cut;
use crate::reply::{List, Next, Reply};
use crate::state::{Limits, Topics};
use crate::token::{Cursor, no_such_place};

/// Parameters that say where to read from, not what: a cursor is not bound to them.
const PLACE: [&str; 5] = ["cursor", "limit", "as_of", "known_at", "after"];

/// Where a list goes on, and why it stops here.
#[derive(Debug)]
pub(crate) struct Rest {
    /// What the cursor names.
    pub(crate) place: Vec<u8>,
    /// It met the bound on what one request may read before the page was full.
    pub(crate) bounded: bool,
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
    pub(crate) topics: Arc<Topics>,
    pub(crate) accept: Accept,
    pub(crate) path: String,
    pub(crate) segments: HashMap<String, String>,
}

impl Question<'_> {
    /// A segment of the path.
    pub(crate) fn segment(&self, name: &str) -> &str {
        self.segments.get(name).map_or("", String::as_str)
    }

    /// How many items to give.
    pub(crate) fn limit(&self) -> Answer<usize> {
        Ok(self
            .params
            .number("limit", 1, self.limits.most_items)?
            .unwrap_or(self.limits.items))
    }

    /// The cursor of a place in this list.
    pub(crate) fn cursor(&self, place: Vec<u8>) -> String {
        Cursor {
            as_of: self.cut.pins().clone(),
            place,
        }
        .encode(&identity(&self.path, &self.params))
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
        let rest = (all.len() > end).then(|| Rest {
            place: (end as u64).to_be_bytes().to_vec(),
            bounded: false,
        });
        let items = all
            .into_iter()
            .skip(begun)
            .take(limit)
            .map(make)
            .collect::<Answer<Vec<I>>>()?;
        self.list(items, rest)
    }

    /// A list, and where it goes on.
    pub(crate) fn list<T: serde::Serialize>(&self, items: Vec<T>, rest: Option<Rest>) -> Answer<Reply> {
        let complete = rest.as_ref().is_none_or(|rest| !rest.bounded);
        let next = rest.map(|rest| {
            let cursor = self.cursor(rest.place);
            let others = self.params.others(&["cursor", "as_of", "known_at", "after"]);
            let query = others.into_iter().chain([("cursor", cursor.as_str())]);
            let query: Vec<String> = query
                .map(|(name, value)| format!("{name}={}", percent::encode(value)))
                .collect();
            Next {
                target: format!("{}?{}", self.path, query.join("&")),
                cursor,
            }
        });
        let (known_at, as_of, logs) = (self.cut.known_at, self.cut.token(), self.cut.logs());
        Reply::list(
            &List {
                items,
                next,
                complete,
                known_at,
                as_of,
                logs,
            },
            self.accept,
        )
    }
}

/// What a cursor is bound to: the path, and the parameters that choose the items and their order.
pub(crate) fn identity<'a>(path: &'a str, params: &'a Params) -> Vec<(&'a str, &'a str)> {
    let mut identity = vec![("path", path)];
    identity.extend(params.others(&PLACE));
    identity
}
