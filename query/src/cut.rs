//! Which records an answer is computed from (E3).
//!
//! A cut is a prefix of the tenant's log and of `_platform`'s. It is asked for in one of three ways: as everything that
//! is held (the default), by time (`known_at`), or by token (`as_of`, or a list's `cursor`). However it was asked for,
//! it ends as sizes and roots, and these go into the `as_of` of the answer: from there on the answer is a function of
//! them alone (A6).
//!
//! Where the time comes from matters once: a `known_at` that was answered must never get another record. So the horizon
//! is read *before* the snapshot is taken (all that is recorded up to it is then in the snapshot), and the store is told
//! of every `known_at` that goes out ([`Store::promise`]).

use serde::Serialize;
use verdict_schemas::{TenantId, Timestamp};
use verdict_store::{Hash, LogId, LogInfo, LogName, Snapshot, Store, TreeSize};

use crate::asked::{Asked, Wanted};
use crate::problem::{Answer, Code, Problem};
use crate::token::{AsOf, Pin, has_platform};

/// `settled` needs this long after `at` (SEMANTICS, constants).
const LATE_US: u64 = verdict_fold::LATE_US;

/// An entry of `logs[]` in an answer.
#[derive(Clone, PartialEq, Eq, Debug, Serialize)]
pub(crate) struct LogAt {
    pub(crate) tenant: String,
    pub(crate) size: u64,
    /// Lower-case hex, as every digest in an answer.
    pub(crate) root: String,
}

/// A log within a cut.
#[derive(Clone, Debug)]
pub(crate) struct CutLog {
    pub(crate) name: LogName,
    /// `None` where nothing was ever recorded in it.
    pub(crate) id: Option<LogId>,
    pub(crate) size: TreeSize,
    pub(crate) root: Hash,
}

/// The records that an answer is computed from, and the moment it is about.
#[derive(Clone, Debug)]
pub(crate) struct Cut {
    pub(crate) known_at: Timestamp,
    pub(crate) at: Timestamp,
    pub(crate) own: CutLog,
    /// `None` where `_platform` itself is asked (E21), or a log that is no tenant's.
    pub(crate) platform: Option<CutLog>,
    as_of: AsOf,
}

impl Cut {
    /// Resolves what was asked for against a snapshot taken after `horizon` was read.
    pub(crate) fn resolve(
        asked: &Asked,
        log: &LogName,
        store: &Store,
        horizon: Timestamp,
        snapshot: &Snapshot<'_>,
    ) -> Answer<Self> {
        let platform = LogName::Tenant(TenantId::platform());
        let beside = has_platform(log).then_some(&platform);
        match &asked.wanted {
            Wanted::Pinned(as_of) => {
                let own = pinned(snapshot, log, as_of.own)?;
                let platform = match (beside, as_of.platform) {
                    (Some(name), Some(pin)) => Some(pinned(snapshot, name, pin)?),
                    _ => None,
                };
                Ok(Self::new(
                    as_of.known_at,
                    asked.at.unwrap_or(as_of.at),
                    own,
                    platform,
                    log,
                ))
            }
            Wanted::KnownAt(known_at) => {
                let own = up_to(snapshot, log, *known_at)?;
                let platform = beside.map(|name| up_to(snapshot, name, *known_at)).transpose()?;
                // With Kafka the horizon is no earlier than the last recorded time, whatever the partitions' ends say.
                let last = platform
                    .as_ref()
                    .map_or(own.last, |platform| own.last.max(platform.last));
                let horizon = last.map_or(horizon, |last| last.max(horizon));
                if *known_at > horizon {
                    return Err(not_yet_known(*known_at, horizon));
                }
                store.promise(*known_at);
                let platform = platform.map(|platform| platform.log);
                Ok(Self::new(
                    *known_at,
                    asked.at.unwrap_or(*known_at),
                    own.log,
                    platform,
                    log,
                ))
            }
            Wanted::Newest => {
                let own = newest(snapshot, log)?;
                let platform = beside.map(|name| newest(snapshot, name)).transpose()?;
                let last = platform
                    .as_ref()
                    .map_or(own.last, |platform| own.last.max(platform.last));
                let known_at = last.map_or(horizon, |last| last.max(horizon));
                store.promise(known_at);
                Ok(Self::new(
                    known_at,
                    asked.at.unwrap_or(known_at),
                    own.log,
                    platform.map(|platform| platform.log),
                    log,
                ))
            }
        }
    }

    fn new(known_at: Timestamp, at: Timestamp, own: CutLog, platform: Option<CutLog>, log: &LogName) -> Self {
        let pin = |log: &CutLog| Pin {
            size: log.size,
            root: log.root,
        };
        let as_of = AsOf::new(log, known_at, at, pin(&own), platform.as_ref().map(pin));
        Self {
            known_at,
            at,
            own,
            platform,
            as_of,
        }
    }

    /// The `as_of` of the answer.
    pub(crate) fn token(&self) -> String {
        self.as_of.encode()
    }

    /// What a cursor into this cut holds.
    pub(crate) fn pins(&self) -> &AsOf {
        &self.as_of
    }

    /// The `logs[]` of the answer.
    pub(crate) fn logs(&self) -> Vec<LogAt> {
        let shown = |log: &CutLog| LogAt {
            tenant: log.name.to_string(),
            size: log.size.0,
            root: log.root.to_string(),
        };
        [Some(&self.own), self.platform.as_ref()]
            .into_iter()
            .flatten()
            .map(shown)
            .collect()
    }

    /// `at` + LATE <= `known_at` (E3).
    pub(crate) fn settled(&self) -> bool {
        self.settled_at(self.at)
    }

    /// The same of another moment.
    pub(crate) fn settled_at(&self, at: Timestamp) -> bool {
        at.plus_micros(LATE_US).is_some_and(|late| late <= self.known_at)
    }
}

/// The 409 of E3.
pub(crate) fn not_yet_known(known_at: Timestamp, horizon: Timestamp) -> Problem {
    let detail = format!("`known_at` is `{known_at}`: this node holds everything up to `{horizon}` only");
    Problem::new(Code::NotYetKnown, detail)
        .with("parameter", "known_at")
        .with("known_at", known_at.to_string())
        .with("horizon", horizon.to_string())
}

/// A log as a cut finds it.
struct Held {
    log: CutLog,
    /// Recorded time of the last record held, within the cut or not.
    last: Option<Timestamp>,
}

fn nothing_in(name: &LogName) -> Held {
    let log = CutLog {
        name: name.clone(),
        id: None,
        size: TreeSize(0),
        root: Hash::EMPTY_ROOT,
    };
    Held { log, last: None }
}

/// Everything visible of a log.
fn newest(snapshot: &Snapshot<'_>, name: &LogName) -> Answer<Held> {
    let Some(info) = snapshot.log(name)? else {
        return Ok(nothing_in(name));
    };
    held(snapshot, name, &info, info.visible)
}

/// What was recorded in a log up to a time.
fn up_to(snapshot: &Snapshot<'_>, name: &LogName, known_at: Timestamp) -> Answer<Held> {
    let Some(info) = snapshot.log(name)? else {
        return Ok(nothing_in(name));
    };
    let size = snapshot.size_at(info.id, known_at)?.min(info.visible);
    held(snapshot, name, &info, size)
}

fn held(snapshot: &Snapshot<'_>, name: &LogName, info: &LogInfo, size: TreeSize) -> Answer<Held> {
    let root = if size == info.size {
        info.root
    } else {
        snapshot.root_at(info.id, size)?
    };
    // Else the record is read, and with it the block that it lies in.
    let last = match info.size {
        TreeSize(0) => None,
        all if all == info.visible => Some(info.last_recorded),
        _ => snapshot.recorded_time(info.id, info.visible)?,
    };
    Ok(Held {
        log: CutLog {
            name: name.clone(),
            id: Some(info.id),
            size,
            root,
        },
        last,
    })
}

/// The prefix of a log that a token pins, once its root is seen to be the one held here.
fn pinned(snapshot: &Snapshot<'_>, name: &LogName, pin: Pin) -> Answer<CutLog> {
    let held = snapshot.log(name)?;
    let (id, visible) = held
        .as_ref()
        .map_or((None, TreeSize(0)), |info| (Some(info.id), info.visible));
    if pin.size > visible {
        let detail = format!(
            "`as_of` pins {} records of the log `{name}`, this node shows {visible}",
            pin.size
        );
        return Err(Problem::new(Code::NotYetKnown, detail)
            .with("log", name.to_string())
            .with("size", pin.size.0)
            .with("held", visible.0));
    }
    let root = match held {
        Some(info) if info.size == pin.size => info.root,
        Some(info) if pin.size.0 > 0 => snapshot.root_at(info.id, pin.size)?,
        _ => Hash::EMPTY_ROOT,
    };
    if root != pin.root {
        let detail = format!(
            "the log `{name}` has the root `{root}` at size {} here, and had `{}` where `as_of` was made: one of the two is not the log \
             it was; run `verdict audit`",
            pin.size, pin.root
        );
        return Err(Problem::new(Code::RootMismatch, detail)
            .with("log", name.to_string())
            .with("size", pin.size.0)
            .with("root", root.to_string())
            .with("pinned_root", pin.root.to_string()));
    }
    Ok(CutLog {
        name: name.clone(),
        id,
        size: pin.size,
        root,
    })
}
