//! The one bundle of an OPA that is configured with the old `bundle:` key.
//!
//! Such an OPA names its bundle in each status (`bundle: {name, active_revision}`) and in no decision: those carry a
//! `revision` alone. So the name is that of the same incarnation's last status, remembered, and after a restart of this node
//! read from the log. An OPA sends its status when it activates the bundle, at once, and its decisions later.

use std::cell::RefCell;
use std::collections::HashMap;

use parking_lot::Mutex;
use verdict_schemas::{Body, Interpretation, Kind};
use verdict_store::{Index, LogInfo, Order, Snapshot, StoreError, TimeRange};

use super::canonical::Place;
use super::report::Agent;

/// The policy of a bundle whose name no status ever told: the key of the configuration that it stands under.
pub(crate) const NAMELESS: &str = "bundle";
/// The label of our events that keeps the name.
pub(crate) const NAMED: &str = "opa/bundle";
/// The label that names bundles without a revision.
pub(crate) const UNVERSIONED: &str = "opa/unversioned_bundles";

/// More OPAs are not remembered: beyond, all are forgotten and read again when they report.
const REMEMBERED: usize = 4_096;
/// So many of an agent's latest events are passed over, and so many of its reports read, in search of a name.
const WALKED: usize = 10_000;
const READ: usize = 16;

/// What its last status says of a single bundle.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) struct Single {
    pub(crate) name: String,
    /// It is active, and has no revision.
    pub(crate) unversioned: bool,
}

/// Agent and incarnation.
type Of = (String, String);

fn of(agent: &Agent<'_>) -> Of {
    (agent.name.clone().into_owned(), agent.incarnation.clone().into_owned())
}

/// The single bundles that statuses told of.
#[derive(Debug, Default)]
pub(crate) struct SingleBundles {
    known: Mutex<HashMap<(Place, Of), Single>>,
}

/// The reports of one place, as of one upload.
pub(crate) struct Reports<'s> {
    pub(crate) bundles: &'s SingleBundles,
    pub(crate) snapshot: &'s Snapshot<'s>,
    pub(crate) log: Option<&'s LogInfo>,
    pub(crate) place: &'s Place,
    /// What the log did not know.
    unknown: RefCell<Vec<Of>>,
}

impl<'s> Reports<'s> {
    pub(crate) fn new(
        bundles: &'s SingleBundles,
        snapshot: &'s Snapshot<'s>,
        log: Option<&'s LogInfo>,
        place: &'s Place,
    ) -> Self {
        Self {
            bundles,
            snapshot,
            log,
            place,
            unknown: RefCell::default(),
        }
    }

    /// A status says so.
    pub(crate) fn learn(&self, agent: &Agent<'_>, single: Single) {
        self.remember(of(agent), single);
    }

    /// The single bundle of an OPA, if any status of it told of one.
    ///
    /// # Errors
    /// When the log can not be read.
    pub(crate) fn single_bundle(&self, agent: &Agent<'_>) -> Result<Option<Single>, StoreError> {
        let of = of(agent);
        if let Some(known) = self.bundles.known.lock().get(&(self.place.clone(), of.clone())) {
            return Ok(Some(known.clone()));
        }
        if self.unknown.borrow().contains(&of) {
            return Ok(None);
        }
        let found = self.read(&of)?;
        match &found {
            Some(single) => self.remember(of, single.clone()),
            None => self.unknown.borrow_mut().push(of),
        }
        Ok(found)
    }

    fn remember(&self, of: Of, single: Single) {
        let mut known = self.bundles.known.lock();
        if known.len() >= REMEMBERED {
            known.clear();
        }
        known.insert((self.place.clone(), of), single);
    }

    fn read(&self, (agent, incarnation): &Of) -> Result<Option<Single>, StoreError> {
        let Some(log) = self.log else { return Ok(None) };
        let (index, always) = (Index::Agent(agent.clone()), TimeRange::default());
        let entries = self
            .snapshot
            .scan(log.id, &index, always, Order::NewestFirst, None, log.visible)?;
        let mut read = 0;
        for entry in entries.take(WALKED) {
            let entry = entry?;
            if entry.kind != Kind::AgentSeen {
                continue;
            }
            read += 1;
            if read > READ {
                break;
            }
            let Some((_, Interpretation::Event(event))) = self.snapshot.event(log.id, entry.index)? else {
                continue;
            };
            let same = event.meta.environment.as_ref() == Some(&self.place.environment)
                && matches!(&event.body, Body::AgentSeen(seen)
                    if seen.incarnation.as_ref().is_some_and(|i| i.as_str() == incarnation));
            if let Some(name) = event.meta.labels.get(NAMED).filter(|_| same) {
                return Ok(Some(Single {
                    name: name.clone(),
                    unversioned: event.meta.labels.contains_key(UNVERSIONED),
                }));
            }
        }
        Ok(None)
    }
}
