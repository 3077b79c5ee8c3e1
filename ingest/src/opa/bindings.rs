//! Which bindings a tenant has now: read from its log's views, remembered, and brought up to date by what was recorded
//! since.
//!
//! Intent can not be backdated by more than a minute (E5), so what is new since the log's last recorded time T is found
//! by its fact time from T - 60 s on: one short range, usually empty, however long the log.

use std::collections::HashMap;
use std::sync::Arc;

use parking_lot::Mutex;
use verdict_schemas::{Body, Interpretation, Kind, TenantId, Timestamp};
use verdict_store::{Index, LogCut, LogName, Order, Snapshot, StoreError, TimeRange};

use super::binding::{Binding, BindingSet};

/// LATE of the rules: 60 s, in microseconds.
const LATE_US: u64 = 60_000_000;

/// More tenants are not remembered: beyond, all are forgotten and read again when they report.
const REMEMBERED: usize = 4_096;

/// The bindings of every tenant that reports through OPA.
#[derive(Debug, Default)]
pub(crate) struct Bindings {
    known: Mutex<HashMap<TenantId, Known>>,
}

#[derive(Clone, Debug, Default)]
struct Known {
    /// What of the log was looked at, and its last recorded time.
    seen: LogCut,
    until: Option<Timestamp>,
    /// Per object: the place of its last change, so that an older one seen late does not win.
    changes: HashMap<String, (Timestamp, u64)>,
    set: Arc<BindingSet>,
}

impl Bindings {
    /// The bindings of a tenant as this snapshot has them.
    ///
    /// # Errors
    /// When the store can not be read.
    pub(crate) fn of(&self, snapshot: &Snapshot<'_>, tenant: &TenantId) -> Result<Arc<BindingSet>, StoreError> {
        let Some(log) = snapshot.log(&LogName::Tenant(tenant.clone()))? else {
            return Ok(Arc::default());
        };
        let mut known = self.known.lock().get(tenant).cloned().unwrap_or_default();
        if known.seen.steps() >= log.visible.steps() {
            return Ok(known.set);
        }
        let range = TimeRange {
            // What was understood late may act at any time.
            from: known
                .until
                .filter(|_| known.seen.late == log.visible.late)
                .map(|until| until.minus_micros(LATE_US)),
            until: None,
        };
        let mut set = BindingSet::clone(&known.set);
        let index = Index::Kind(Kind::ObjectChanged);
        for entry in snapshot.scan(log.id, &index, range, Order::OldestFirst, None, log.visible)? {
            let entry = entry?;
            let Some((_, Interpretation::Event(event))) = snapshot.event(log.id, entry.index)? else {
                continue;
            };
            let Body::ObjectChanged(changed) = event.body else {
                continue;
            };
            if changed.object.kind != "binding" {
                continue;
            }
            let id = changed.object.id;
            let place = (entry.f, entry.index.0);
            if known.changes.get(&id).is_some_and(|last| *last > place) {
                continue;
            }
            known.changes.insert(id.clone(), place);
            let Some((_, document)) = changed.after.zip(changed.document) else {
                set.0.remove(&id);
                continue;
            };
            let valid = (changed.valid_from, changed.valid_until);
            match Binding::read((&id, &changed.version), valid, document.get()) {
                Ok(binding) => drop(set.0.insert(id, Arc::new(binding))),
                Err(reason) => {
                    tracing::warn!(%tenant, binding = %id, %reason, "a binding can not be used, and is left aside");
                    set.0.remove(&id);
                }
            }
        }
        known.set = Arc::new(set);
        known.seen = log.visible;
        known.until = snapshot.recorded_time(log.id, log.visible.size)?;
        let mut all = self.known.lock();
        if all.len() >= REMEMBERED {
            all.clear();
        }
        let set = Arc::clone(&known.set);
        // Another request may have looked further meanwhile.
        if all
            .get(tenant)
            .is_none_or(|other| other.seen.steps() <= known.seen.steps())
        {
            all.insert(tenant.clone(), known);
        }
        Ok(set)
    }
}
