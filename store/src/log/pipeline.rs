//! The view thread: takes each batch that is durable, has the views made of it, and answers those who waited to see it.
//!
//! If views can not be made, the store takes nothing more: an answer over a cut is a promise (A6), and a store whose
//! views fall behind for good would keep fewer and fewer of them. What is durable stays, and is caught up at open.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Instant;

use parking_lot::Mutex;
use tokio::sync::{mpsc, oneshot};
use verdict_merkle::TreeSize;

use crate::error::{AppendError, StoreError};
use crate::guard::{fail_point, guarded};
use crate::incoming::AppendReceipt;
use crate::log::queue::Answer;
use crate::names::{KafkaPartition, LogId, LogName};
use crate::record::Record;
use crate::shared::Shared;
use crate::views::{Builder, Committed};

/// So many batches may wait for the views; the committer waits with the next.
pub(crate) const WAITING_BATCHES: usize = 4;

/// So many records are made visible together at most, beyond the first batch.
const TOGETHER: usize = 20_000;

/// What this thread does.
pub(crate) const MAKES_VIEWS: &str = "makes views";

/// A record that is durable, with its log.
pub(crate) struct Sequenced {
    pub(crate) log: LogId,
    pub(crate) name: LogName,
    pub(crate) record: Record,
}

impl Sequenced {
    pub(crate) fn committed(&self) -> Committed<'_> {
        Committed::of(self.log, &self.name, &self.record)
    }
}

/// A durable batch.
pub(crate) struct Batch {
    pub(crate) number: u64,
    /// Sorted by log, then index.
    pub(crate) records: Vec<Sequenced>,
    pub(crate) waiting: Vec<(Answer, AppendReceipt)>,
    /// The next offset of each Kafka partition that moved.
    pub(crate) partitions: BTreeMap<KafkaPartition, u64>,
}

/// Logs whose views are to be made anew. Kept beside the channel, so that asking never waits for room in it.
#[derive(Debug, Default)]
pub(crate) struct Rebuilds {
    asked: Mutex<Asked>,
}

type Done = oneshot::Sender<Result<(), StoreError>>;
type Asked = (BTreeSet<LogId>, Vec<Done>);

impl Rebuilds {
    /// Asks for logs to be rebuilt, after what the view thread has at hand; [`Work::Look`] wakes it.
    pub(crate) fn ask(&self, logs: impl IntoIterator<Item = LogId>) -> oneshot::Receiver<Result<(), StoreError>> {
        let (done, rebuilt) = oneshot::channel();
        let mut asked = self.asked.lock();
        asked.0.extend(logs);
        asked.1.push(done);
        rebuilt
    }

    fn take(&self) -> Option<Asked> {
        let asked = std::mem::take(&mut *self.asked.lock());
        (!asked.1.is_empty()).then_some(asked)
    }
}

/// What the view thread is given to do.
pub(crate) enum Work {
    /// Make the views of a batch.
    Batch(Batch),
    /// Look whether views are to be made anew ([`Rebuilds`]), or schemas were archived.
    Look,
    /// End.
    Stop,
}

/// Runs until told to stop.
pub(crate) fn run(shared: &Arc<Shared>, mut builder: Builder, mut work: mpsc::Receiver<Work>) {
    let mut put_off = None;
    while let Some(next) = put_off.take().or_else(|| work.blocking_recv()) {
        *shared.making_since.lock() = Some(Instant::now());
        match next {
            Work::Batch(first) => {
                let mut batches = vec![first];
                let mut events = 0;
                // Whatever waits, together: small when idle, large under load.
                while events < TOGETHER {
                    match work.try_recv() {
                        Ok(Work::Batch(batch)) => {
                            events += batch.records.len();
                            batches.push(batch);
                        }
                        Ok(other) => {
                            put_off = Some(other);
                            break;
                        }
                        Err(_) => break,
                    }
                }
                make_visible(shared, &mut builder, batches);
            }
            Work::Look => {}
            Work::Stop => break,
        }
        rebuild(shared, &mut builder);
        if understand(shared, &mut builder) && put_off.is_none() {
            // What came meanwhile first, then the next of what waited.
            put_off = Some(work.try_recv().unwrap_or(Work::Look));
        }
        *shared.making_since.lock() = None;
    }
}

fn rebuild(shared: &Shared, builder: &mut Builder) {
    let Some((logs, waiting)) = shared.rebuilds.take() else {
        return;
    };
    let logs: Vec<_> = logs.into_iter().collect();
    let rebuilt = guarded(MAKES_VIEWS, || builder.rebuild(&logs));
    if let Err(error) = &rebuilt {
        shared.stop_views(error);
    }
    for done in waiting {
        // Who no longer waits needs no answer.
        let _ = done.send(rebuilt.clone());
    }
}

/// Understands some of what waited for the schemas that were archived. Is there more?
fn understand(shared: &Shared, builder: &mut Builder) -> bool {
    let archived = std::mem::take(&mut *shared.archived.lock());
    let mut more = Vec::new();
    for reference in archived {
        if shared.not_visible().is_some() {
            return false;
        }
        match guarded(MAKES_VIEWS, || builder.understand(&shared.clock, &reference)) {
            Ok(true) => more.push(reference),
            Ok(false) => {}
            Err(error) => {
                shared.stop_views(&error);
            }
        }
    }
    let any = !more.is_empty();
    shared.archived.lock().append(&mut more);
    any
}

fn make_visible(shared: &Arc<Shared>, builder: &mut Builder, batches: Vec<Batch>) {
    let applied = match shared.not_visible() {
        Some(reason) => Err(reason),
        None => {
            // What a rebuild has made already, reading past the batch at hand, is not made again.
            let mut made = (None, TreeSize(0));
            let mut new = |sequenced: &&Sequenced| {
                if made.0 != Some(sequenced.log) {
                    made = (Some(sequenced.log), shared.visible.size(&sequenced.name));
                }
                !made.1.contains(sequenced.record.index)
            };
            let records = batches
                .iter()
                .flat_map(|batch| &batch.records)
                .filter(|sequenced| new(sequenced));
            let records: Vec<_> = records.map(Sequenced::committed).collect();
            let applied = if records.is_empty() {
                Ok(())
            } else {
                guarded(MAKES_VIEWS, || {
                    fail_point(shared.id, "views");
                    builder.apply(&records)
                })
            };
            applied.map_err(|error| shared.stop_views(&error))
        }
    };
    for batch in batches {
        if applied.is_ok() {
            shared.visible_batch.store(batch.number, Ordering::Release);
            shared.clock.end(batch.number);
            shared.reached(batch.partitions);
        }
        for (answer, receipt) in batch.waiting {
            // Who no longer waits needs no answer.
            let _ = answer.send(match &applied {
                Ok(()) => Ok(receipt),
                Err(reason) => Err(AppendError::NotVisible(reason.clone())),
            });
        }
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use verdict_schemas::TenantId;

    use super::*;
    use crate::{Incoming, Options, Provenance, RawTime, SourcePosition, Store};

    #[test]
    fn how_long_the_view_thread_is_at_it_is_known_and_nothing_while_it_waits() {
        let folder = tempfile::tempdir().unwrap();
        let store = Store::open(folder.path(), Options::default()).unwrap();
        let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
        let record = Incoming {
            log: LogName::Tenant(TenantId::parse("acme").unwrap()),
            source: SourcePosition::Intake,
            key: None,
            headers: Vec::new(),
            value: "{}".into(),
            raw_time: RawTime::Now,
            provenance: Provenance::Claimed,
            dedup: None,
            route: None,
        };
        let wait_until = |there: &dyn Fn(Duration) -> bool| {
            while !there(store.making_views_for()) {
                std::thread::sleep(Duration::from_millis(1));
            }
        };
        // The thread looks here after each batch, and is held up as a batch would that takes long.
        let held = store.shared().rebuilds.asked.lock();
        runtime.block_on(store.append(vec![record])).unwrap();
        wait_until(&|making| making > Duration::from_millis(20));
        drop(held);
        wait_until(&|making| making.is_zero());
        store.close().unwrap();
    }
}
