//! The committer: one thread that turns what waits into one durable write, again and again.
//!
//! [`Committer::commit`] is the whole story, top to bottom. What a crash costs at each step is said there.

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;
use std::time::Instant;

use rocksdb::WriteBatch;

use crate::error::{AppendError, StoreError};
use crate::follow::waiter::Waiter;
use crate::guard::{fail_point, guarded};
use crate::incoming::{AppendReceipt, LastStored, LogHead, Position};
use crate::keys;
use crate::leaf::payload_digest;
use crate::log::dedup::InFlight;
use crate::log::ledger::Ledger;
use crate::log::positions;
use crate::log::queue::{Answer, Group};
use crate::log::staging::Staging;
use crate::names::{KafkaPartition, LogId};
use crate::record::{Record, Sequenced};
use crate::shared::Shared;
use crate::tables::Table;

/// Bytes of a record's row beyond its value, roughly, and its share of tiles: what a batch is made large enough for.
const ROW_OVERHEAD: usize = 200;

/// The one that sequences.
pub(crate) struct Committer {
    pub(super) shared: Arc<Shared>,
    pub(super) ledger: Ledger,
    pub(super) in_flight: InFlight,
    /// Each partition's position, and the log that its last record is in.
    pub(super) positions: HashMap<KafkaPartition, (Position, Option<LogId>)>,
    /// Kept between batches: the row at hand.
    row: Vec<u8>,
}

impl Committer {
    pub(crate) fn new(shared: Arc<Shared>, ledger: Ledger) -> Result<Self, StoreError> {
        let positions = positions::all(&shared.database)?.into_iter();
        let positions: HashMap<_, _> = positions
            .map(|(partition, position, log)| (partition, (position, log)))
            .collect();
        let published = positions
            .iter()
            .map(|(partition, (position, _))| (partition.clone(), position.clone()));
        *shared.positions.write() = published.collect();
        let in_flight = InFlight::new(shared.options.in_flight_bytes);
        Ok(Self {
            shared,
            ledger,
            in_flight,
            positions,
            row: Vec::new(),
        })
    }

    /// Commits what waits until the queue is closed and empty.
    pub(crate) fn run(mut self) {
        let (events, bytes) = (
            self.shared.options.max_batch_events,
            self.shared.options.max_batch_bytes,
        );
        while let Some(groups) = self.shared.queue.take(events, bytes) {
            // After a panic nothing is committed: `commit` refuses what comes, so that nobody waits for ever.
            let committed = guarded("commits", || {
                self.commit(groups);
                Ok(())
            });
            if let Err(broken) = committed {
                self.shared.stop(&broken);
            }
        }
        self.shared.schedule.close();
    }

    /// One batch, from waiting callers to answers.
    fn commit(&mut self, groups: Vec<Group>) {
        if let Some(reason) = self.shared.not_writable() {
            return refuse_all(
                groups.into_iter().map(|group| group.answer),
                &AppendError::NotWritable(reason),
            );
        }
        let begun = Instant::now();
        self.in_flight.forget(&self.shared.schedule);

        // 1. The moment. From here every horizon stays before it until it is committed, and then those of its logs until
        //    the views have it (E3). A crash costs what was queued; nobody was told.
        let now = self.shared.clock.begin();

        // 2. Order: each record gets its place, its recorded time and its leaf. All in memory.
        let mut staging = Staging::default();
        let mut staged = Vec::with_capacity(groups.len());
        for group in groups {
            if let Err(reason) = self.check(&group) {
                let _ = group.answer.send(Err(AppendError::Refused(reason)));
                continue;
            }
            match self.stage(group, now, &mut staging) {
                Ok(group) => staged.push(group),
                Err((answer, error)) => {
                    // Half a group is in the ledger: it can not be used again.
                    let reason = self.shared.stop(&error);
                    staged
                        .into_iter()
                        .map(|group| group.answer)
                        .chain([answer])
                        .for_each(|answer| {
                            let _ = answer.send(Err(AppendError::WriteFailed(reason.clone())));
                        });
                    return;
                }
            }
        }

        fail_point(self.shared.id, "commit");

        // 3. One write with everything a restart needs: records, tiles, recorded times, states, positions (A2).
        //    A crash within leaves all of it or nothing; nobody was told. When it returns, the disk has it (A5).
        let written = self.write(&mut staging);
        let heads = match written {
            Ok(heads) => heads,
            Err(error) => {
                let reason = self.shared.stop(&error);
                return refuse_all(
                    staged.into_iter().map(|group| group.answer),
                    &AppendError::WriteFailed(reason),
                );
            }
        };

        // 4. From here the records stay, whatever happens. Tell those who asked for durability.
        self.publish(&heads, &staging, begun);
        let (mut waiting, mut durable) = (Vec::new(), Vec::new());
        for group in staged {
            let receipt = AppendReceipt {
                logs: self.heads(&group.logs),
                results: group.results,
                visible: false,
            };
            match group.durable {
                Some(told) => {
                    // Whoever waits for it to be visible may give up, and looks here then.
                    let _first = told.set(receipt.clone());
                    let sizes = group
                        .logs
                        .iter()
                        .filter_map(|log| Some((*log, self.ledger.state(*log)?.size)));
                    let sizes: Vec<_> = sizes.collect();
                    waiting.push((Waiter::new(group.answer, receipt, sizes.len()), sizes));
                }
                None => durable.push((group.answer, receipt)),
            }
        }

        // 5. The views take it from here and answer the rest. A crash costs nothing: they are caught up at open.
        self.shared.schedule.push(staging.records, waiting, &self.shared.clock);
        self.reached(staging.partitions);
        for (answer, receipt) in durable {
            // A consumer that no longer waits reads its position when it comes back.
            let _ = answer.send(Ok(receipt));
        }
    }

    /// The records of these partitions before these offsets are durable.
    fn reached(&self, partitions: BTreeMap<KafkaPartition, u64>) {
        if !partitions.is_empty() {
            self.shared.reached.send_modify(|reached| reached.extend(partitions));
        }
    }

    /// Writes the batch and waits for the disk. Gives the heads of the logs that grew.
    fn write(&mut self, staging: &mut Staging) -> Result<Vec<LogHead>, StoreError> {
        let shared = Arc::clone(&self.shared);
        let database = &shared.database;
        let rows = staging.bytes + staging.records.len() * ROW_OVERHEAD;
        let mut batch = WriteBatch::with_capacity_bytes(rows);
        // By log, and in the order of each: keys that come sorted cost RocksDB a fraction.
        staging.records.sort_by_key(|sequenced| sequenced.log);
        let records = database.cf(Table::Records)?;
        for Sequenced { log, record, .. } in &staging.records {
            self.row.clear();
            record.encode(&mut self.row);
            batch.put_cf(records, keys::record(*log, record.index), &self.row);
        }
        let heads = self.ledger.seal(database, &mut batch)?;
        for partition in staging.partitions.keys() {
            let Some((position, log)) = self.positions.get_mut(partition) else {
                continue;
            };
            if let (Some(last), Some(log)) = (&mut position.last, *log)
                && let Some(record) = find(&staging.records, log, last)
            {
                last.digest = payload_digest(record.key.as_deref(), &record.headers, &record.value);
            }
            positions::put(database, &mut batch, partition, position, *log)?;
        }
        for gap in &staging.gaps {
            positions::put_gap(database, &mut batch, gap)?;
        }
        if batch.is_empty() {
            return Ok(heads);
        }
        let begun = Instant::now();
        database.write_durably(batch)?;
        shared.counters.written(begun.elapsed(), shared.options.fsync);
        Ok(heads)
    }

    fn publish(&mut self, heads: &[LogHead], staging: &Staging, begun: Instant) {
        self.shared.heads.publish(heads);
        if !staging.partitions.is_empty() {
            let mut published = self.shared.positions.write();
            for partition in staging.partitions.keys() {
                if let Some((position, _)) = self.positions.get(partition) {
                    published.insert(partition.clone(), position.clone());
                }
            }
        }
        let counters = &self.shared.counters;
        if let Some(latest) = staging
            .records
            .iter()
            .map(|sequenced| sequenced.record.recorded_time)
            .max()
        {
            self.shared.clock.recorded(latest);
        }
        counters.committed(staging.records.len() as u64, staging.bytes as u64, begun.elapsed());
        counters.deduplicated(staging.duplicates, staging.conflicts);
    }

    fn heads(&self, logs: &[LogId]) -> Vec<LogHead> {
        let mut heads: Vec<_> = logs
            .iter()
            .filter_map(|log| self.ledger.state(*log))
            .map(|log| log.head())
            .collect();
        heads.sort_by(|a, b| a.name.cmp(&b.name));
        heads
    }
}

/// The record of a position's last, among those of the batch, sorted by log and index.
fn find<'a>(records: &'a [Sequenced], log: LogId, last: &LastStored) -> Option<&'a Record> {
    let place = records.binary_search_by_key(&(log, last.index), |sequenced| (sequenced.log, sequenced.record.index));
    place
        .ok()
        .and_then(|place| records.get(place))
        .map(|sequenced| &sequenced.record)
}

fn refuse_all(answers: impl Iterator<Item = Answer>, error: &AppendError) {
    answers.for_each(|answer| {
        // Who no longer waits needs no answer.
        let _ = answer.send(Err(error.clone()));
    });
}
