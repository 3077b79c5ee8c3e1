//! Sequencing: each record of a group gets its place, its recorded time and its leaf; each partition its position. All in
//! memory: [`crate::log::commit`] says when, and writes it.

use std::collections::HashMap;
use std::sync::Arc;

use verdict_schemas::Timestamp;

use crate::error::StoreError;
use crate::incoming::{Appended, Incoming, LastStored, Position, RawTime, RawTimeKind};
use crate::leaf::{LONGEST_NAME, Leaf};
use crate::log::commit::Committer;
use crate::log::dedup::Before;
use crate::log::queue::{Answer, Group, Origin};
use crate::log::staging::{Last, Staged, Staging};
use crate::names::{KafkaPartition, LogId, SourcePosition};
use crate::record::{Record, Sequenced};
use crate::views::dedup::Counts;

impl Committer {
    /// What a caller can do wrong, before anything of its group is sequenced.
    pub(super) fn check(&self, group: &Group) -> Result<(), String> {
        // Few partitions, so a search is cheaper than a hash for each record.
        let mut reached: Vec<(KafkaPartition, u64)> = Vec::new();
        for record in &group.records {
            match (&record.source, &group.origin) {
                (SourcePosition::Intake, Origin::Intake { .. }) => {}
                (SourcePosition::Kafka { offset, .. }, Origin::Kafka { .. }) => {
                    let place = match reached
                        .iter()
                        .position(|(partition, _)| partition.is_of(&record.source))
                    {
                        Some(place) => place,
                        None => {
                            let Some((partition, _)) = record.source.kafka() else {
                                continue;
                            };
                            if partition.cluster.len().max(partition.topic.len()) > LONGEST_NAME {
                                return Err("the name of a cluster or topic is too long".to_owned());
                            }
                            let next = self.next(&partition);
                            reached.push((partition, next));
                            reached.len() - 1
                        }
                    };
                    let Some((partition, expected)) = reached.get_mut(place) else {
                        continue;
                    };
                    // A4: an offset is a leaf once. A consumer that is behind has lost its position.
                    if *offset < *expected {
                        return Err(format!(
                            "offset {offset} of {partition} comes after {expected} was expected"
                        ));
                    }
                    *expected = offset + 1;
                }
                _ => return Err("records of Kafka and of the intake can not be one batch".to_owned()),
            }
            let parts = record
                .headers
                .iter()
                .flat_map(|(name, value)| [Some(name.as_bytes()), value.as_deref()]);
            let mut parts = parts.chain([record.key.as_deref(), Some(&record.value[..])]).flatten();
            if parts.any(|part| u32::try_from(part.len()).is_err()) {
                return Err("a part of a record is 4 GiB or larger".to_owned());
            }
        }
        if let Origin::Kafka { next: ends, .. } = &group.origin {
            for (partition, end) in ends {
                let within = reached
                    .iter()
                    .find(|(other, _)| other == partition)
                    .map(|(_, next)| *next);
                let next = within.unwrap_or_else(|| self.next(partition));
                if *end < next {
                    return Err(format!(
                        "the next offset of {partition} can not be {end}: {next} is reached"
                    ));
                }
            }
        }
        Ok(())
    }

    fn next(&self, partition: &KafkaPartition) -> u64 {
        self.positions.get(partition).map_or(0, |(position, _)| position.next)
    }

    pub(super) fn stage(
        &mut self,
        group: Group,
        now: Timestamp,
        staging: &mut Staging,
    ) -> Result<Staged, (Answer, StoreError)> {
        let Group {
            records,
            origin,
            answer,
        } = group;
        let mut staged = Staged {
            answer,
            results: Vec::with_capacity(records.len()),
            logs: Vec::new(),
            durable: None,
        };
        for incoming in records {
            match self.sequence(incoming, now, staging) {
                Ok((log, appended)) => {
                    staged.results.push(appended);
                    if !staged.logs.contains(&log) {
                        staged.logs.push(log);
                    }
                }
                Err(error) => return Err((staged.answer, error)),
            }
        }
        self.move_positions(staging);
        match origin {
            Origin::Intake { durable } => staged.durable = Some(durable),
            Origin::Kafka { next, gaps } => {
                for (partition, end) in next {
                    let position = self.position(&partition, end);
                    position.next = end;
                    staging.partitions.insert(partition, end);
                }
                staging.gaps.extend(gaps);
            }
        }
        Ok(staged)
    }

    /// One record: is it new, where does it go, what is its leaf.
    fn sequence(
        &mut self,
        incoming: Incoming,
        now: Timestamp,
        staging: &mut Staging,
    ) -> Result<(LogId, Appended), StoreError> {
        let log = self.ledger.id(&incoming.log)?;
        let shared = Arc::clone(&self.shared);
        // The broker's own times are folded into the log as they are, so that every replica folds them alike. An emitter's
        // clock never becomes the log's: what the broker did not stamp is recorded by what it said last in that partition.
        let (raw, kind) = match incoming.raw_time {
            RawTime::Now => (now, RawTimeKind::Intake),
            RawTime::Broker(time) => (time, RawTimeKind::Broker),
            RawTime::Emitter(time) => (time, RawTimeKind::Emitter),
            RawTime::Absent => (Timestamp::MIN, RawTimeKind::Absent),
        };
        let ordered = if kind.is_foreign() {
            self.broker_time(&incoming.source, staging).unwrap_or(Timestamp::MIN)
        } else {
            raw
        };
        // Of the intake nothing is recorded before the moment of the batch, which is after every horizon told (E3).
        let earliest = if incoming.source == SourcePosition::Intake {
            ordered.max(now)
        } else {
            ordered
        };
        let mut conflicts = false;
        let mut remembered = None;
        if let Some(key) = &incoming.dedup {
            let recorded = self
                .ledger
                .state(log)
                .map_or(earliest, |state| state.last_recorded.max(earliest));
            match self.in_flight.before(&shared, log, key, &incoming.value, recorded)? {
                Before::Never => remembered = Some((key.clone(), incoming.value.clone())),
                Before::Same(index) => {
                    staging.duplicates += 1;
                    return Ok((log, Appended::Duplicate { index }));
                }
                Before::Other => {
                    staging.conflicts += 1;
                    conflicts = true;
                }
            }
        }
        let record = self
            .ledger
            .append(&shared.database, log, earliest, |name, index, recorded| {
                let record = Record::sequenced(incoming, index, (raw, kind), recorded);
                (Leaf::of(name, &record, &shared.salt).hash(), (name.clone(), record))
            })?;
        let (name, record) = record;
        if let Some((key, value)) = remembered {
            let counts = Counts {
                index: record.index,
                recorded: record.recorded_time,
                late: None,
            };
            self.in_flight.remember(log, key, counts, value);
        }
        let index = record.index;
        let positions = &self.positions;
        staging.last(log, &name, &record, || stored_broker_time(positions, &record.source));
        staging.bytes += record.value.len();
        staging.records.push(Sequenced { log, name, record });
        let appended = if conflicts {
            Appended::Conflict { index }
        } else {
            Appended::Accepted { index }
        };
        Ok((log, appended))
    }

    /// What the broker said last in the partition of a record, of those before it.
    fn broker_time(&self, source: &SourcePosition, staging: &Staging) -> Option<Timestamp> {
        match staging.lasts.iter().find(|last| last.partition.is_of(source)) {
            Some(last) => last.broker_time,
            None => stored_broker_time(&self.positions, source),
        }
    }

    /// Moves positions behind the last record sequenced of each partition.
    fn move_positions(&mut self, staging: &mut Staging) {
        for Last {
            partition,
            first,
            offset,
            log,
            name,
            index,
            broker_time,
        } in staging.lasts.drain(..)
        {
            let begin = || (Position::begin(first), None);
            let (position, of) = self.positions.entry(partition.clone()).or_insert_with(begin);
            position.next = offset + 1;
            position.broker_time = broker_time;
            // The digest is made once per batch, for the record that turns out to be the last.
            position.last = Some(LastStored {
                offset,
                log: name,
                index,
                digest: [0; 32],
            });
            *of = Some(log);
            staging.partitions.insert(partition, offset + 1);
        }
    }

    /// A partition's position, which begins at `first` if there is none.
    fn position(&mut self, partition: &KafkaPartition, first: u64) -> &mut Position {
        let begin = || (Position::begin(first), None);
        &mut self.positions.entry(partition.clone()).or_insert_with(begin).0
    }
}

type Positions = HashMap<KafkaPartition, (Position, Option<LogId>)>;

/// What the broker said last in the partition of a record, of what earlier groups brought.
fn stored_broker_time(positions: &Positions, source: &SourcePosition) -> Option<Timestamp> {
    let (partition, _) = source.kafka()?;
    positions.get(&partition).and_then(|(position, _)| position.broker_time)
}
