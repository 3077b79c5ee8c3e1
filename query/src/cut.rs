//! Which records an answer is computed from (E3).
//!
//! A cut is a prefix of the tenant's log and of `_platform`'s. It is asked for in one of three ways: as everything that
//! is held (the default), by time (`known_at`), or by token (`as_of`, or a list's `cursor`). However it was asked for,
//! it ends as sizes, roots and view positions, and these go into the `as_of` of the answer: from there on the answer is a
//! function of them alone (A6).
//!
//! Where the time comes from matters once: a `known_at` that was answered must never get another record. So the horizon
//! is read *before* the snapshot is taken (all that is recorded up to it is then in the snapshot), and the store is told
//! of every `known_at` that goes out ([`Store::promise`]).

use serde::Serialize;
use verdict_edge::{Answer, Code, Problem};
use verdict_schemas::{TenantId, Timestamp};
use verdict_store::{Hash, LogCut, LogId, LogInfo, LogName, Snapshot, Store, TreeSize};

use crate::asked::{Asked, Wanted};
use crate::behind::behind;
use crate::token::{AsOf, Moments, Pin, RULES, has_platform};

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
    pub(crate) cut: LogCut,
    /// What came out of turn up to there.
    chain: [u8; 8],
    pub(crate) root: Hash,
}

impl CutLog {
    /// Is it what `known_at` alone would give?
    fn is_all_up_to(&self, snapshot: &Snapshot<'_>, known_at: Timestamp) -> Answer<bool> {
        Ok(match self.id {
            Some(id) => snapshot.cut_at(id, known_at)?.0 == self.cut,
            None => true,
        })
    }

    fn pin(&self) -> Pin {
        Pin {
            cut: self.cut,
            chain: self.chain,
            root: self.root,
        }
    }
}

/// The logs that a question about one reads: its own, and `_platform`'s where that is joined.
pub(crate) fn with_platform(log: &LogName) -> Vec<LogName> {
    let platform = has_platform(log).then(|| LogName::Tenant(TenantId::platform()));
    [Some(log.clone()), platform].into_iter().flatten().collect()
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
        let logs = with_platform(log);
        let logs: Vec<&LogName> = logs.iter().collect();
        let beside = logs.get(1).copied();
        // With Kafka the horizon is no earlier than the last recorded time, whatever the partitions' ends say.
        let last = logs.iter().map(|name| last_of(snapshot, name));
        let last = last.collect::<Answer<Vec<_>>>()?.into_iter().max().unwrap_or(horizon);
        // While the views of one lag, nothing is told past the horizon: what the other has held since would be told without
        // what is missing, and otherwise when it is there.
        let lagging = logs.iter().map(|name| lags(snapshot, name));
        let lagging = lagging.collect::<Answer<Vec<_>>>()?.contains(&true);
        let whole = if lagging { horizon } else { last.max(horizon) };
        match &asked.wanted {
            Wanted::Pinned(as_of) => Self::pinned((log, beside), asked, as_of, whole, store, snapshot),
            Wanted::KnownAt(known_at) => {
                let known_at = *known_at;
                if known_at > whole {
                    let lagging = logs.iter().find_map(|log| behind(store, log, false));
                    let lagging = lagging.filter(|_| known_at <= Store::machine_time());
                    return Err(lagging.unwrap_or_else(|| not_yet_known("known_at", known_at, whole)));
                }
                let own = up_to(snapshot, log, known_at)?;
                let platform = beside.map(|name| up_to(snapshot, name, known_at)).transpose()?;
                store.promise(known_at, &logs);
                let moments = Moments {
                    known_at,
                    at: asked.at.unwrap_or(known_at),
                    horizon: known_at.min(horizon),
                };
                Ok(Self::new(moments, own, platform))
            }
            Wanted::Newest => {
                let all = |name| match lagging {
                    true => up_to(snapshot, name, whole),
                    false => newest(snapshot, name),
                };
                let own = all(log)?;
                let platform = beside.map(all).transpose()?;
                store.promise(whole, &logs);
                let moments = Moments {
                    known_at: whole,
                    // A clock that was ahead once must not make "now" false.
                    at: asked.at.unwrap_or_else(|| whole.min(Store::machine_time())),
                    horizon,
                };
                Ok(Self::new(moments, own, platform))
            }
        }
    }

    /// The cut that a token pins, once it is seen to be one of these logs, and true in all its parts (E3).
    fn pinned(
        (log, beside): (&LogName, Option<&LogName>),
        asked: &Asked,
        as_of: &AsOf,
        whole: Timestamp,
        store: &Store,
        snapshot: &Snapshot<'_>,
    ) -> Answer<Self> {
        let lagging = |problem| {
            let mut logs = [Some(log), beside].into_iter().flatten();
            logs.find_map(|log| behind(store, log, false)).unwrap_or(problem)
        };
        if as_of.horizon > whole {
            return Err(lagging(not_yet_known("as_of", as_of.horizon, whole)));
        }
        let pins = [Some((log, as_of.own)), beside.zip(as_of.platform)];
        let mut logs = Vec::new();
        for (name, pin) in pins.into_iter().flatten() {
            let held = held_at(snapshot, name, pin).map_err(|problem| match problem.code() {
                Code::NotYetKnown => lagging(problem),
                _ => problem,
            });
            logs.push((held?, pin));
        }
        let moments = Moments {
            known_at: as_of.known_at,
            at: asked.at.unwrap_or(as_of.at),
            horizon: as_of.horizon,
        };
        let earlier = as_of.rules != RULES;
        // Those of rules 1 pinned no horizon.
        if !earlier {
            let (mut last, mut all_of_it) = (as_of.horizon, as_of.known_at <= whole);
            for (held, _) in &logs {
                let taken = agrees(snapshot, held, &moments)?;
                last = last.max(taken);
                all_of_it &= held.is_all_up_to(snapshot, as_of.known_at)?;
            }
            // Else old records would pass for what is known today.
            if as_of.known_at > last && !all_of_it {
                return contradicts(&format!(
                    "its `known_at` says `{}`, and what it pins ends at `{last}`",
                    as_of.known_at
                ));
            }
        }
        let same = logs.iter().all(|(held, pin)| held.pin() == *pin);
        let mut logs = logs.into_iter().map(|(held, _)| held);
        let own = logs.next().ok_or_else(|| Problem::unreadable(&"a token pins no log"))?;
        let cut = Self::new(moments, own, logs.next());
        if earlier || !same {
            return Err(reinterpreted(&cut, as_of.rules));
        }
        Ok(cut)
    }

    fn new(moments: Moments, own: CutLog, platform: Option<CutLog>) -> Self {
        let as_of = AsOf::new(&own.name, moments, own.pin(), platform.as_ref().map(CutLog::pin));
        Self {
            known_at: moments.known_at,
            at: moments.at,
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
            size: log.cut.size.0,
            root: log.root.to_string(),
        };
        [Some(&self.own), self.platform.as_ref()]
            .into_iter()
            .flatten()
            .map(shown)
            .collect()
    }

    /// `at` + LATE <= the horizon pinned (E3).
    pub(crate) fn settled(&self) -> bool {
        self.settled_at(self.at)
    }

    /// The same of another moment.
    pub(crate) fn settled_at(&self, at: Timestamp) -> bool {
        at.plus_micros(LATE_US).is_some_and(|late| late <= self.as_of.horizon)
    }
}

/// The 409 of E3: a time, given or pinned, that this node does not hold everything up to.
fn not_yet_known(parameter: &str, time: Timestamp, horizon: Timestamp) -> Problem {
    let detail = format!("`{parameter}` says `{time}`: this node holds everything up to `{horizon}` only");
    Problem::new(Code::NotYetKnown, detail)
        .with("parameter", parameter)
        .with("known_at", time.to_string())
        .with("horizon", horizon.to_string())
}

/// The 409 of a token that pins what this node understands otherwise: with a token of its own for the same sizes.
fn reinterpreted(cut: &Cut, rules: u16) -> Problem {
    let detail = if rules == RULES {
        "the records are the same, and this node came to understand some of them at another time: ask again with its own \
         `as_of` for the same sizes"
            .to_owned()
    } else {
        format!(
            "the token is of version {rules} of the rules, and this release answers by {RULES}: ask again with its `as_of` for \
             the same sizes"
        )
    };
    Problem::new(Code::Reinterpreted, detail)
        .with("parameter", "as_of")
        .with("as_of", cut.token())
        .with("rules", RULES)
}

fn contradicts<T>(what: &str) -> Answer<T> {
    let detail = format!("its parts contradict each other: {what}; give it back exactly as an answer gave it");
    Err(Problem::new(Code::InvalidAsOf, detail).with("parameter", "as_of"))
}

/// Are a token's moments and a log's pinned size true of each other? Gives when the last step of the cut was taken.
fn agrees(snapshot: &Snapshot<'_>, log: &CutLog, moments: &Moments) -> Answer<Timestamp> {
    let Some(id) = log.id else { return Ok(Timestamp::MIN) };
    let due = snapshot.size_at(id, moments.horizon)?;
    if log.cut.size < due {
        return contradicts(&format!(
            "it pins {} records of the log `{}`, and {due} were recorded by the horizon it names",
            log.cut.size, log.name
        ));
    }
    let last = snapshot.recorded_time(id, log.cut.size)?;
    if last.is_some_and(|last| last > moments.known_at) {
        return contradicts(&format!(
            "the last record of the log `{}` came after its `known_at`",
            log.name
        ));
    }
    Ok(last.unwrap_or(Timestamp::MIN).max(snapshot.late_at(id, log.cut)?))
}

fn nothing_in(name: &LogName) -> CutLog {
    CutLog {
        name: name.clone(),
        id: None,
        cut: LogCut::default(),
        chain: [0; 8],
        root: Hash::EMPTY_ROOT,
    }
}

/// When the last step of a log was taken, as far as it is visible.
fn last_of(snapshot: &Snapshot<'_>, name: &LogName) -> Answer<Timestamp> {
    let Some(info) = snapshot.log(name)? else {
        return Ok(Timestamp::MIN);
    };
    // Else the record is read, and with it the block that it lies in.
    let last = if info.size == info.visible.size {
        info.last_recorded
    } else {
        snapshot
            .recorded_time(info.id, info.visible.size)?
            .unwrap_or(Timestamp::MIN)
    };
    Ok(last.max(snapshot.late_at(info.id, info.visible)?))
}

/// Are there records of a log whose views are not made?
fn lags(snapshot: &Snapshot<'_>, name: &LogName) -> Answer<bool> {
    Ok(snapshot.log(name)?.is_some_and(|info| info.lags))
}

/// Everything visible of a log.
fn newest(snapshot: &Snapshot<'_>, name: &LogName) -> Answer<CutLog> {
    let Some(info) = snapshot.log(name)? else {
        return Ok(nothing_in(name));
    };
    held(snapshot, &info, (info.visible, info.chain))
}

/// What was recorded in a log up to a time, as it was understood then.
fn up_to(snapshot: &Snapshot<'_>, name: &LogName, known_at: Timestamp) -> Answer<CutLog> {
    let Some(info) = snapshot.log(name)? else {
        return Ok(nothing_in(name));
    };
    let cut = snapshot.cut_at(info.id, known_at)?;
    held(snapshot, &info, cut)
}

fn held(snapshot: &Snapshot<'_>, info: &LogInfo, (cut, chain): (LogCut, [u8; 8])) -> Answer<CutLog> {
    let root = if cut.size == info.size {
        info.root
    } else {
        snapshot.root_at(info.id, cut.size)?
    };
    Ok(CutLog {
        name: info.name.clone(),
        id: Some(info.id),
        cut,
        chain,
        root,
    })
}

/// The prefix of a log that a token pins, once its root is seen to be the one held here; at the view position pinned where
/// this node had that, else at the latest it had with so many records.
fn held_at(snapshot: &Snapshot<'_>, name: &LogName, pin: Pin) -> Answer<CutLog> {
    let info = snapshot.log(name)?;
    let visible = info.as_ref().map_or(TreeSize(0), |info| info.visible.size);
    let size = pin.cut.size;
    if size > visible {
        let detail = format!("`as_of` pins {size} records of the log `{name}`, this node shows {visible}");
        return Err(Problem::new(Code::NotYetKnown, detail)
            .with("log", name.to_string())
            .with("size", size.0)
            .with("held", visible.0));
    }
    let held = match &info {
        Some(info) if size.0 > 0 => {
            let known = snapshot.chain_at(info.id, pin.cut)?.map(|chain| (pin.cut, chain));
            let cut = match known {
                Some(cut) => cut,
                None => snapshot.whole(info.id, size)?,
            };
            held(snapshot, info, cut)?
        }
        Some(info) => CutLog {
            id: Some(info.id),
            ..nothing_in(name)
        },
        None => nothing_in(name),
    };
    if held.root != pin.root {
        let root = held.root;
        let detail = format!(
            "the log `{name}` has the root `{root}` at size {size} here, and had `{}` where `as_of` was made: one of the two is not \
             the log it was; run `verdict audit`",
            pin.root
        );
        return Err(Problem::new(Code::RootMismatch, detail)
            .with("log", name.to_string())
            .with("size", size.0)
            .with("root", root.to_string())
            .with("pinned_root", pin.root.to_string()));
    }
    Ok(held)
}
