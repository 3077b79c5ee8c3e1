//! The file `heads`: how large each log was and which root it had, kept outside the database.
//!
//! It is written after the commits that it tells of, at most once a second and at close, so it never says more than the
//! database held. A database that has less is an older copy, and one that has another root at that size was changed:
//! the store does not start on either ([`crate::log::recover`]). It is replaced as a whole: written beside, synced,
//! renamed.
//!
//! It also keeps the time up to which recorded time was promised, so that a machine whose clock goes back over a
//! restart records nothing at a moment that was already answered for (E3).

use std::collections::BTreeMap;
use std::fs::{self, File};
use std::io::{ErrorKind, Write};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use parking_lot::{Condvar, Mutex};
use serde::{Deserialize, Serialize};
use uuid::Uuid;
use verdict_merkle::{Hash, TreeSize};
use verdict_schemas::Timestamp;

use crate::clock::Clock;
use crate::error::{OpenError, StoreError};
use crate::guard::fail_point;
use crate::incoming::LogHead;
use crate::names::LogName;

/// The file in the data directory.
pub(crate) const FILE: &str = "heads";
const PAUSE: Duration = Duration::from_secs(1);
/// Two well-kept clocks may be so far apart (SEMANTICS, SKEW).
const AHEAD: Duration = Duration::from_secs(2);
const SAY_EVERY: Duration = Duration::from_secs(60);

/// What the file says.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct Published {
    /// The store it belongs to.
    pub(crate) store: Uuid,
    /// Nothing is recorded at or before this by a node that records by its own clock.
    pub(crate) promised: Timestamp,
    logs: BTreeMap<String, PublishedHead>,
}

#[derive(Debug, Serialize, Deserialize)]
struct PublishedHead {
    size: u64,
    root: String,
}

impl Published {
    /// Reads the file; `None` when there is none.
    pub(crate) fn read(dir: &Path) -> Result<Option<Self>, OpenError> {
        let path = dir.join(FILE);
        let text = match fs::read_to_string(&path) {
            Ok(text) => text,
            Err(error) if error.kind() == ErrorKind::NotFound => return Ok(None),
            Err(error) => {
                return Err(OpenError::Heads {
                    path,
                    reason: error.to_string(),
                });
            }
        };
        serde_json::from_str(&text).map(Some).map_err(|error| OpenError::Heads {
            path,
            reason: error.to_string(),
        })
    }

    /// The heads it tells of.
    pub(crate) fn heads(&self, dir: &Path) -> Result<Vec<LogHead>, OpenError> {
        let head = |(name, head): (&String, &PublishedHead)| {
            let name = name.parse().ok()?;
            Some(LogHead {
                name,
                size: TreeSize(head.size),
                root: Hash::from_hex(&head.root).ok()?,
            })
        };
        let wrong = || OpenError::Heads {
            path: dir.join(FILE),
            reason: "a head is not as written".to_owned(),
        };
        self.logs.iter().map(|entry| head(entry).ok_or_else(wrong)).collect()
    }
}

/// The heads of all logs as last committed, and when to write them down.
#[derive(Debug)]
pub(crate) struct Heads {
    path: PathBuf,
    store: Uuid,
    latest: Mutex<Latest>,
    wake: Condvar,
}

#[derive(Debug, Default)]
struct Latest {
    logs: BTreeMap<LogName, (TreeSize, Hash)>,
    changed: bool,
    closing: bool,
}

impl Heads {
    /// Begins with the logs as they are in the database.
    pub(crate) fn new(dir: &Path, store: Uuid, heads: impl Iterator<Item = LogHead>) -> Self {
        let logs = heads.map(|head| (head.name, (head.size, head.root))).collect();
        let latest = Mutex::new(Latest {
            logs,
            changed: true,
            closing: false,
        });
        Self {
            path: dir.join(FILE),
            store,
            latest,
            wake: Condvar::new(),
        }
    }

    /// Takes note of logs that grew, once they are durable.
    pub(crate) fn publish(&self, heads: &[LogHead]) {
        if heads.is_empty() {
            return;
        }
        let mut latest = self.latest.lock();
        latest.changed = true;
        for head in heads {
            match latest.logs.get_mut(&head.name) {
                Some(place) => *place = (head.size, head.root),
                None => {
                    latest.logs.insert(head.name.clone(), (head.size, head.root));
                }
            }
        }
    }

    /// Ends [`Heads::run`] after a last write.
    pub(crate) fn close(&self) {
        self.latest.lock().closing = true;
        self.wake.notify_all();
    }

    /// Writes the file now and then, until closed. A failure is retried: the file then says less, never more.
    pub(crate) fn run(&self, clock: &Clock) {
        let mut promised = Timestamp::MIN;
        let mut said = None;
        loop {
            say_ahead(clock, &mut said);
            fail_point(self.store, "heads");
            let mut latest = self.latest.lock();
            let closing = latest.closing || {
                self.wake.wait_for(&mut latest, PAUSE);
                latest.closing
            };
            let now = clock.promised();
            if latest.changed || now != promised {
                let text = self.text(&latest, now);
                latest.changed = false;
                drop(latest);
                if let Err(error) = text.and_then(|text| replace(&self.path, &text)) {
                    tracing::error!(%error, "the file `heads` could not be written");
                    self.latest.lock().changed = true;
                } else {
                    promised = now;
                }
            }
            if closing {
                return;
            }
        }
    }

    fn text(&self, latest: &Latest, promised: Timestamp) -> Result<Vec<u8>, StoreError> {
        let head = |(name, (size, root)): (&LogName, &(TreeSize, Hash))| {
            (
                name.to_string(),
                PublishedHead {
                    size: size.0,
                    root: root.to_hex(),
                },
            )
        };
        let logs = latest.logs.iter().map(head).collect();
        let published = Published {
            store: self.store,
            promised,
            logs,
        };
        let failed = |error: serde_json::Error| StoreError::File {
            path: self.path.clone(),
            reason: error.to_string(),
        };
        serde_json::to_vec_pretty(&published).map_err(failed)
    }
}

/// Warns now and then while recorded time is ahead of this machine's clock.
fn say_ahead(clock: &Clock, said: &mut Option<Instant>) {
    let ahead = clock.ahead_by();
    if ahead < AHEAD {
        *said = None;
    } else if said.is_none_or(|said| said.elapsed() >= SAY_EVERY) {
        *said = Some(Instant::now());
        tracing::warn!(
            seconds = ahead.as_secs_f64(),
            "recorded time is ahead of this machine's clock: until the clock has caught up, leases run out early and \
             intent acts late"
        );
    }
}

/// Replaces a file as a whole: after a crash there is the old one or the new one.
fn replace(path: &Path, text: &[u8]) -> Result<(), StoreError> {
    let beside = path.with_extension("new");
    let write = || {
        let mut file = File::create(&beside)?;
        file.write_all(text)?;
        file.sync_all()?;
        fs::rename(&beside, path)?;
        path.parent().map_or(Ok(()), |dir| File::open(dir)?.sync_all())
    };
    write().map_err(|error| StoreError::file(path, &error))
}
