//! A log written straight into the database, and a builder over it.

use std::sync::Arc;

use bytes::Bytes;
use parking_lot::RwLock;
use rocksdb::WriteBatch;
use tempfile::TempDir;
use verdict_merkle::{LeafIndex, TreeSize};
use verdict_schemas::{Resolved, SchemaRef, Timestamp, WriterSchema, WriterSchemas};

use crate::cut::LogCut;
use crate::database::Database;
use crate::incoming::{Provenance, RawTimeKind, RouteFlag};
use crate::keys;
use crate::log::state::LogState;
use crate::names::{LogId, LogName, SourcePosition};
use crate::options::Options;
use crate::record::Record;
use crate::tables::Table;
use crate::views::audit::{ViewsAudit, audit};
use crate::views::{Builder, Committed, Visible};

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
    pub(super) schemas: Arc<Schemas>,
    pub(super) visible: Arc<Visible>,
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
        let database = Arc::new(Database::open(dir.path(), &options).unwrap());
        let logs = names
            .iter()
            .zip(0..)
            .map(|(name, id)| LogState::new(name.parse().unwrap(), LogId(id)));
        let logs = logs.collect();
        let (schemas, visible) = (Arc::default(), Arc::new(Visible::new()));
        let kept = Self {
            _dir: dir,
            database,
            schemas,
            visible,
            logs,
            options,
        };
        // An empty store is caught up: from here on its rows are of this version.
        kept.builder().catch_up().unwrap();
        kept
    }

    pub(super) fn builder(&self) -> Builder {
        let schemas: Arc<dyn WriterSchemas> = Arc::<Schemas>::clone(&self.schemas);
        let (database, visible) = (Arc::clone(&self.database), Arc::clone(&self.visible));
        Builder::open(database, schemas, visible, &self.options).unwrap()
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
        self.database.write_log(batch).unwrap();
        (log, record)
    }

    pub(super) fn apply(&self, builder: &mut Builder, records: &[(usize, Record)]) {
        let committed: Vec<Committed<'_>> = records
            .iter()
            .map(|(log, record)| self.committed(*log, record))
            .collect();
        builder.apply(&committed).unwrap();
    }

    pub(super) fn committed<'a>(&'a self, log: usize, record: &'a Record) -> Committed<'a> {
        Committed::of(self.logs[log].id, &self.logs[log].name, record)
    }

    /// How much of a log is understood.
    pub(super) fn cut(&self, log: usize) -> LogCut {
        crate::views::mark::mark(&*self.database, self.logs[log].id)
            .unwrap()
            .cut()
    }

    pub(super) fn audit(&self) -> ViewsAudit {
        let scratch = tempfile::tempdir().unwrap();
        let schemas: Arc<dyn WriterSchemas> = Arc::<Schemas>::clone(&self.schemas);
        audit(&self.database, scratch.path(), schemas, &self.options).unwrap()
    }

    pub(super) fn snapshot(&self) -> crate::read::Snapshot<'_> {
        crate::read::Snapshot::new(&self.database, &*self.schemas, &self.visible.intents)
    }

    /// Every row of a table.
    pub(super) fn rows(&self, table: Table) -> Vec<Row> {
        let cf = self.database.cf(table).unwrap();
        let mut options = rocksdb::ReadOptions::default();
        options.set_total_order_seek(true);
        let rows = self
            .database
            .raw()
            .iterator_cf_opt(cf, options, rocksdb::IteratorMode::Start);
        rows.map(|row| row.unwrap())
            .map(|(key, value)| (key.to_vec(), value.to_vec()))
            .collect()
    }

    /// Every row of every view.
    pub(super) fn views(&self) -> Vec<(Table, Vec<Row>)> {
        Table::VIEWS.iter().map(|table| (*table, self.rows(*table))).collect()
    }

    pub(super) fn name(&self, log: usize) -> &LogName {
        &self.logs[log].name
    }
}
