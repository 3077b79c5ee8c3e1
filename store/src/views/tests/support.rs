//! Logs written straight into the database, and makers of their rows.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use parking_lot::RwLock;
use rocksdb::WriteBatch;
use tempfile::TempDir;
use verdict_merkle::{LeafIndex, TreeSize};
use verdict_schemas::{Resolved, SchemaRef, Timestamp, WriterSchema, WriterSchemas};

use crate::clock::Clock;
use crate::cut::LogCut;
use crate::database::Database;
use crate::error::StoreError;
use crate::follow::generation::take_over;
use crate::incoming::{Provenance, RawTimeKind, RouteFlag};
use crate::keys;
use crate::log::state::LogState;
use crate::memory::Memory;
use crate::names::{LogId, SourcePosition};
use crate::options::Options;
use crate::read::IntentCache;
use crate::record::Record;
use crate::tables::{Part, Table};
use crate::views::Committed;
use crate::views::audit::{ViewsAudit, audit};
use crate::views::context::{Budget, Context};
use crate::views::maker::Maker;
use crate::views::mark::{self, Generation, Mark, Place, ViewId};
use crate::views::rows::Batch;
use crate::views::slice::{End, look_for_waiting};

/// Schemas that may arrive later.
#[derive(Default)]
pub(super) struct Schemas(pub(super) RwLock<Vec<(SchemaRef, Arc<WriterSchema>)>>);

impl WriterSchemas for Schemas {
    fn resolve(&self, reference: &SchemaRef) -> Resolved {
        let known = self.0.read();
        let found = known.iter().find(|(of, _)| of == reference);
        found.map(|(_, schema)| Arc::clone(schema)).into()
    }
}

/// Key and value.
pub(super) type Row = (Vec<u8>, Vec<u8>);

/// A store's database without the rest of the store.
pub(super) struct Kept {
    _dir: TempDir,
    pub(super) database: Arc<Database>,
    pub(super) made: Arc<Database>,
    pub(super) schemas: Arc<Schemas>,
    pub(super) intents: IntentCache,
    pub(super) logs: Vec<LogState>,
    pub(super) options: Options,
}

impl Kept {
    pub(super) fn new(names: &[&str]) -> Self {
        let dir = tempfile::tempdir().unwrap();
        let options = Options {
            memory_bytes: 64 << 20,
            fsync: false,
            max_batch_events: 7,
            ..Options::default()
        };
        let memory = Memory::new(&options);
        let open = |part| Arc::new(Database::open(dir.path(), part, &memory, &options).unwrap());
        let (database, made) = (open(Part::Log), open(Part::Views));
        let logs = names
            .iter()
            .zip(0..)
            .map(|(name, id)| LogState::new(name.parse().unwrap(), LogId(id)));
        let logs = logs.collect();
        Self {
            _dir: dir,
            database,
            made,
            schemas: Arc::default(),
            intents: IntentCache::default(),
            logs,
            options,
        }
    }

    /// Makers that go on where the rows are.
    pub(super) fn making(&self) -> Making {
        let schemas: Arc<dyn WriterSchemas> = Arc::<Schemas>::clone(&self.schemas);
        let databases = (uuid::Uuid::nil(), Arc::clone(&self.database), Arc::clone(&self.made));
        let context = Context::between(databases, schemas, &self.options);
        let makers = self.logs.iter().map(|log| {
            let made = mark::generation(&*self.made, log.id, Place::Current).unwrap();
            let nothing = Generation {
                view: ViewId(log.id.0 + 1),
                mark: Mark::default(),
            };
            let maker = Maker::new(log.id, log.name.clone(), made.unwrap_or(nothing), Place::Current);
            (log.id, maker)
        });
        Making {
            makers: makers.collect(),
            context,
            batch: Batch::new(),
            dies: None,
        }
    }

    /// Makers that have made everything.
    pub(super) fn made(&self) -> Making {
        let mut making = self.making();
        making.catch_up(self);
        making
    }

    /// Writes a record as the log does; it is not in the views yet.
    pub(super) fn record(&mut self, log: usize, recorded: Timestamp, value: &[u8]) -> (usize, Record) {
        let state = &mut self.logs[log];
        let route = state.name.tenant().is_none().then_some(RouteFlag::InvalidTenant);
        let recorded_time = recorded.max(state.last_recorded);
        let record = Record {
            index: LeafIndex(state.size.0),
            source: SourcePosition::Intake,
            raw_time: recorded,
            raw_time_kind: RawTimeKind::Intake,
            recorded_time,
            provenance: Provenance::Claimed,
            route,
            headers: Vec::new(),
            key: None,
            value: Bytes::copy_from_slice(value),
        };
        state.size = TreeSize(state.size.0 + 1);
        state.last_recorded = recorded_time;
        let mut row = Vec::new();
        record.encode(&mut row);
        let mut batch = WriteBatch::default();
        let records = self.database.cf(Table::Records).unwrap();
        batch.put_cf(records, keys::record(state.id, record.index), row);
        let recorded = self.database.cf(Table::Recorded).unwrap();
        batch.put_cf(
            recorded,
            keys::recorded(state.id, recorded_time),
            state.size.0.to_be_bytes(),
        );
        state.put(&self.database, &mut batch).unwrap();
        state.put_name(&self.database, &mut batch).unwrap();
        self.database.write_durably(batch).unwrap();
        (log, record)
    }

    fn committed<'a>(&'a self, log: usize, record: &'a Record) -> Committed<'a> {
        Committed::of(self.logs[log].id, &self.logs[log].name, record)
    }

    /// The rows of a log that questions read.
    pub(super) fn generation(&self, log: usize) -> Option<Generation> {
        mark::generation(&*self.made, self.logs[log].id, Place::Current).unwrap()
    }

    /// How much of a log is understood.
    pub(super) fn cut(&self, log: usize) -> LogCut {
        self.generation(log).map(|made| made.mark.cut()).unwrap_or_default()
    }

    pub(super) fn audit(&self) -> ViewsAudit {
        let scratch = tempfile::tempdir().unwrap();
        let schemas: Arc<dyn WriterSchemas> = Arc::<Schemas>::clone(&self.schemas);
        audit((&self.database, &self.made), scratch.path(), schemas, &self.options).unwrap()
    }

    pub(super) fn snapshot(&self) -> crate::read::Snapshot<'_> {
        crate::read::Snapshot::new((&self.database, &self.made), &*self.schemas, &self.intents)
    }

    /// Every row of a table.
    pub(super) fn rows(&self, table: Table) -> Vec<Row> {
        let database = match table.part() {
            Part::Log => &self.database,
            Part::Views => &self.made,
        };
        let cf = database.cf(table).unwrap();
        let mut options = rocksdb::ReadOptions::default();
        options.set_total_order_seek(true);
        let rows = database
            .raw()
            .iterator_cf_opt(cf, options, rocksdb::IteratorMode::Start);
        rows.map(|row| row.unwrap())
            .map(|(key, value)| (key.to_vec(), value.to_vec()))
            .collect()
    }

    /// Every row of every view, under the numbers of logs in place of those of generations, and how far they go.
    pub(super) fn views(&self) -> Vec<(Table, Vec<Row>)> {
        let logs: BTreeMap<ViewId, [u8; 4]> = (0..self.logs.len())
            .filter_map(|log| Some((self.generation(log)?.view, self.logs[log].id.0.to_be_bytes())))
            .collect();
        let of_log = |table, (mut key, mut row): Row| {
            let number = if table == Table::Mark { &mut row } else { &mut key };
            if let Some(log) = number
                .first_chunk()
                .and_then(|view| logs.get(&ViewId(u32::from_be_bytes(*view))))
            {
                number[..4].copy_from_slice(log);
            }
            (key, row)
        };
        let all = Table::VIEWS.iter().map(|table| {
            let mut rows: Vec<Row> = self.rows(*table).into_iter().map(|row| of_log(*table, row)).collect();
            rows.sort();
            (*table, rows)
        });
        all.collect()
    }
}

/// Makers of the rows of all logs, without the threads.
pub(super) struct Making {
    pub(super) makers: BTreeMap<LogId, Maker>,
    pub(super) context: Context,
    batch: Batch,
    /// Of the next slice what came out of turn is written, and then the process dies: nothing is done any more.
    pub(super) dies: Option<Dies>,
}

/// How a process dies.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Dies {
    /// After its next write to the log.
    Next,
    /// It is dead.
    Dead,
}

impl Making {
    /// Makes the rows of records just committed: of each log in order. Those that rows are made of already are passed over.
    pub(super) fn apply(&mut self, kept: &Kept, records: &[(usize, Record)], hurried: bool) -> Result<(), StoreError> {
        let dies = &mut self.dies;
        for (log, maker) in &mut self.makers {
            let of_log = records.iter().filter(|(of, _)| kept.logs[*of].id == *log);
            let committed: Vec<_> = of_log
                .map(|(of, record)| kept.committed(*of, record))
                .filter(|record| record.index.0 >= maker.mark().size.0)
                .collect();
            let mut rest = &committed[..];
            while !rest.is_empty() {
                let budget = match hurried {
                    true => Budget::within(rest.len(), Duration::ZERO),
                    false => Budget::unhurried(&self.context),
                };
                let before = self.batch.savepoint();
                match maker.make(&self.context, &mut self.batch, rest, &budget) {
                    Ok(taken) => rest = &rest[taken..],
                    Err(error) => {
                        self.batch.rewind(&before);
                        maker.forget(&self.context)?;
                        return Err(error);
                    }
                }
                if write(&self.context, &mut self.batch, dies) {
                    return Ok(());
                }
                maker.written(&self.context);
            }
        }
        Ok(())
    }

    /// Makes what is missing of all logs, and understands what need not wait.
    pub(super) fn catch_up(&mut self, kept: &Kept) {
        for (log, maker) in &mut self.makers {
            let end = End::Log(kept.logs.iter().find(|state| state.id == *log).unwrap().size);
            go(&self.context, maker, &mut self.batch, end);
        }
    }

    /// Understands everything that waits for a schema.
    pub(super) fn understand(&mut self, clock: &Clock, reference: &SchemaRef) {
        let dies = &mut self.dies;
        for maker in self.makers.values_mut() {
            let budget = Budget::unhurried(&self.context);
            while maker
                .understand(&self.context, &mut self.batch, clock, reference, &budget)
                .unwrap()
                > 0
            {
                if write(&self.context, &mut self.batch, dies) {
                    return;
                }
                maker.written(&self.context);
            }
            clock.end_late(maker.log);
        }
    }

    /// Understands what waits for what is known, as at an opening.
    pub(super) fn look_for_waiting(&mut self, clock: &Clock) {
        let logs: Vec<LogId> = self.makers.keys().copied().collect();
        for log in logs {
            for reference in look_for_waiting(&self.context, log).unwrap() {
                self.understand(clock, &reference);
            }
        }
    }

    /// Makes all rows anew, as second generations that take the first ones' places.
    pub(super) fn rebuild(&mut self) {
        let last = self
            .makers
            .values()
            .map(|maker| maker.generation().view.0)
            .max()
            .unwrap_or(0);
        let made = self.makers.values_mut().filter(|maker| maker.mark().size.0 > 0);
        for (maker, number) in made.zip(last + 1..) {
            let nothing = Generation {
                view: ViewId(number),
                mark: Mark::default(),
            };
            let mut next = Maker::new(maker.log, maker.name.clone(), nothing, Place::Next);
            go(&self.context, &mut next, &mut self.batch, End::Mark(maker.mark()));
            *maker = take_over(&self.context, next, maker.generation().view).unwrap();
        }
    }
}

/// Writes a slice, or dies within; is it dead?
fn write(context: &Context, batch: &mut Batch, dies: &mut Option<Dies>) -> bool {
    match dies {
        None => context.write(batch).unwrap(),
        Some(Dies::Next) => {
            let (out_of_turn, _) = batch.hand_over(&context.kept, &context.views).unwrap();
            context.kept.write_durably(out_of_turn).unwrap();
            *dies = Some(Dies::Dead);
        }
        Some(Dies::Dead) => batch.clear(),
    }
    dies.is_some()
}

fn go(context: &Context, maker: &mut Maker, batch: &mut Batch, end: End) {
    loop {
        let taken = maker
            .step(context, batch, &[], end, &Budget::unhurried(context))
            .unwrap();
        if taken == 0 && end.is_reached(&maker.mark()) {
            return;
        }
        context.write(batch).unwrap();
        maker.written(context);
    }
}
