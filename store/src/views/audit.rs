//! A6, checked: views built anew from the records equal the views kept, byte by byte.

use std::path::Path;
use std::sync::Arc;

use rocksdb::{DBRawIterator, ReadOptions};
use uuid::Uuid;
use verdict_merkle::LeafIndex;
use verdict_schemas::WriterSchemas;

use super::context::{Budget, Context};
use super::keys;
use super::maker::Maker;
use super::mark::{self, Generation, Mark, Place, ViewId};
use super::rows::Batch;
use super::slice::End;
use crate::database::Database;
use crate::error::{OpenError, StoreError};
use crate::guard::guarded;
use crate::log::state::{self, LogState};
use crate::names::LogName;
use crate::options::Options;
use crate::tables::{Part, Table};

/// A place where the views kept are not what the records say.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct ViewDifference {
    /// The log.
    pub(crate) log: LogName,
    /// The table.
    pub(crate) table: &'static str,
    /// The record that the row is about, where its key says so.
    pub(crate) index: Option<LeafIndex>,
    /// What differs.
    pub(crate) reason: String,
}

/// What comparing the views found.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct ViewsAudit {
    /// Rows compared.
    pub(crate) rows: u64,
    /// The first difference of each table of each log.
    pub(crate) differences: Vec<ViewDifference>,
}

/// Why views could not be compared.
#[derive(Debug, thiserror::Error)]
pub(crate) enum ViewsAuditError {
    /// The place to build them in could not be opened.
    #[error("the views could not be built in a scratch space")]
    Scratch(#[from] OpenError),
    /// Records or rows could not be read.
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// Builds the views of every log in a database of its own in `scratch`, and compares them with those kept, up to the
/// mark of each log: what lies behind it is made later. They fit the log ([`super::opening::misfit`]): `kept` was taken before
/// `records`, which hold all that it names.
///
/// # Errors
/// When records or rows can not be read, or the scratch space not be written.
pub(crate) fn audit(
    (records, kept): (&Arc<Database>, &Database),
    scratch: &Path,
    schemas: Arc<dyn WriterSchemas>,
    options: &Options,
) -> Result<ViewsAudit, ViewsAuditError> {
    let mut found = ViewsAudit::default();
    let views = Arc::new(Database::open_scratch(scratch, Part::Views, options)?);
    let databases = (Uuid::nil(), Arc::clone(records), Arc::clone(&views));
    let context = Context::between(databases, schemas, options);
    for log in state::all(&**records)? {
        let Some(made) = mark::generation(kept, log.id, Place::Current)? else {
            continue;
        };
        build(&context, &log, made)?;
        compare_log(kept, &views, &log, made, &mut found)?;
    }
    Ok(found)
}

/// Makes the rows of a log in the scratch space, up to where those kept are and under their number.
fn build(context: &Context, log: &LogState, made: Generation) -> Result<(), StoreError> {
    let nothing = Generation {
        view: made.view,
        mark: Mark::default(),
    };
    let mut maker = Maker::new(log.id, log.name.clone(), nothing, Place::Current);
    let mut batch = Batch::new();
    let end = End::Mark(made.mark);
    while !end.is_reached(&maker.mark()) {
        let step = guarded("builds views", || {
            maker.step(context, &mut batch, &[], end, &Budget::unhurried(context))
        });
        let taken = match step {
            Ok(taken) => taken,
            // What breaks the code of a view was passed over when it came.
            Err(StoreError::Broken { .. }) => {
                batch.clear();
                maker.forget(context)?;
                one_by_one(context, &mut maker, &mut batch, end)?;
                continue;
            }
            Err(error) => return Err(error),
        };
        if taken == 0 {
            let what = format!("log `{}` can not be made up to where its views are", log.name);
            return Err(StoreError::Views(what));
        }
        context.write(&mut batch)?;
        maker.written(context);
    }
    Ok(())
}

/// Makes the rows of the next records one by one, and passes over the first that breaks the code of a view.
fn one_by_one(context: &Context, maker: &mut Maker, batch: &mut Batch, end: End) -> Result<(), StoreError> {
    let one = Budget::of_one();
    loop {
        let step = guarded("builds views", || maker.step(context, batch, &[], end, &one));
        let passed = match step {
            Err(StoreError::Broken { .. }) => {
                batch.clear();
                maker.forget(context)?;
                let next = maker.next(context, end)?;
                maker.pass_over(next);
                maker.step(context, batch, &[], end, &one)?;
                true
            }
            step => {
                step?;
                false
            }
        };
        context.write(batch)?;
        maker.written(context);
        if passed || end.is_reached(&maker.mark()) {
            return Ok(());
        }
    }
}

fn compare_log(
    kept: &Database,
    built: &Database,
    log: &LogState,
    made: Generation,
    found: &mut ViewsAudit,
) -> Result<(), StoreError> {
    let size = made.mark.size;
    // How far they are is where they were built to.
    for table in Table::VIEWS.iter().filter(|table| **table != Table::Mark) {
        let (mut kept, mut built) = (rows(kept, *table, made.view)?, rows(built, *table, made.view)?);
        loop {
            let (one, other) = (kept.item(), built.item());
            let reason = match (one, other) {
                (None, None) => break,
                (Some(one), Some(other)) if one == other => None,
                (Some((key, _)), Some((due, _))) if key == due => Some((key, "another value than the records give")),
                (Some((key, _)), Some((due, _))) if key < due => Some((key, "a row that the records do not give")),
                (Some((key, _)), None) => Some((key, "a row that the records do not give")),
                (_, Some((due, _))) => Some((due, "a row that the records give is missing")),
            };
            if let Some((key, what)) = reason {
                let reason = format!("{what}: key {}, views made up to {size}", hex::encode(key));
                let index = index_of(*table, key, one.or(other).map(|(_, value)| value).unwrap_or_default());
                found.differences.push(ViewDifference {
                    log: log.name.clone(),
                    table: table.name(),
                    index,
                    reason,
                });
                break;
            }
            found.rows += 1;
            kept.next();
            built.next();
        }
        kept.status()?;
        built.status()?;
    }
    Ok(())
}

/// The rows of a generation in a table.
fn rows<'d>(database: &'d Database, table: Table, view: ViewId) -> Result<DBRawIterator<'d>, StoreError> {
    let mut options = ReadOptions::default();
    options.set_total_order_seek(true);
    options.fill_cache(false);
    options.set_readahead_size(1 << 20);
    if let Some(end) = view.end() {
        options.set_iterate_upper_bound(end);
    }
    let mut rows = database.raw().raw_iterator_cf_opt(database.cf(table)?, options);
    rows.seek(view.prefix());
    Ok(rows)
}

/// The record that a row is about.
fn index_of(table: Table, key: &[u8], value: &[u8]) -> Option<LeafIndex> {
    let index = match table {
        Table::Time
        | Table::Actor
        | Table::Resource
        | Table::Agent
        | Table::Version
        | Table::Trace
        | Table::Decision
        | Table::Object
        | Table::Kind => keys::tail_index(key),
        Table::Flag => keys::tail_index(key),
        // What counts, or a conflict behind it.
        Table::Event if key.len() == keys::EVENT => Some(super::dedup::Counts::decode_all(value).ok()?.last()?.index.0),
        Table::Event => keys::tail_index(key),
        Table::Intent => super::intents::decode(keys::tail_index(key)?, value)
            .ok()
            .map(|intent| intent.index),
        _ => None,
    };
    index.map(LeafIndex)
}
