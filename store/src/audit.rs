//! The audit: everything recomputed from the records, and compared with everything that was kept.
//!
//! For each log, in order: each record is read and decoded, its leaf made and compared with the one that the tree has
//! (A3), the tree built anew from these leaves and compared tile by tile and by its root; recorded times never go
//! backwards and are indexed as they are; nothing lies behind the end (A2). Over all logs: each offset of Kafka is a leaf
//! once, and none lies in a gap or past the position (A4). Then the views are built anew and compared (A6), and the file
//! `heads` with the roots (A1).
//!
//! It changes nothing, and may run beside a node that has the store open: it sees the store as it was at one moment, soon
//! after it was started (`moment` has how).

use std::path::Path;
use std::sync::Arc;

use uuid::Uuid;
use verdict_merkle::{Hash, LeafIndex, Tile, TileId, TileReader, Tree, TreeSize};
use verdict_schemas::{Timestamp, WriterSchemas};

use crate::database::Database;
use crate::error::{OpenError, StoreError};
use crate::keys;
use crate::leaf::Leaf;
use crate::log::heads::Published;
use crate::log::schemas::SchemaArchive;
use crate::log::state::{self, LogState};
use crate::log::tiles::Tiles;
use crate::log::{meta, read, recover};
use crate::memory::Memory;
use crate::names::LogName;
use crate::options::Options;
use crate::salt::SaltKey;
use crate::tables::{Part, Table};
use crate::views::{self, mark, opening};

mod moment;
mod offsets;

use moment::Scratch;
use offsets::Offsets;

/// What an audit found.
#[derive(Clone, Debug, Default)]
pub struct AuditReport {
    /// Every log, by name.
    pub logs: Vec<LogAudit>,
    /// Rows of views compared; `None` where they were not: there are none or they are of another release, and are made anew when
    /// the store is opened, or records or rows can not be read.
    pub view_rows: Option<u64>,
    /// What is wrong; empty when all is well. Of each log, the first place of each sort.
    pub defects: Vec<Defect>,
}

impl AuditReport {
    /// Is all well?
    pub fn is_clean(&self) -> bool {
        self.defects.is_empty()
    }
}

/// A log that was audited.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LogAudit {
    /// The log.
    pub name: LogName,
    /// How many records it says it has.
    pub size: TreeSize,
    /// The root that it says it has.
    pub root: Hash,
    /// How many of its records were read and hashed.
    pub hashed: u64,
}

/// Something that does not agree.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Defect {
    /// The log; `None` where it is the store as a whole.
    pub log: Option<LogName>,
    /// The first bad index.
    pub index: Option<LeafIndex>,
    /// What does not agree, for people.
    pub reason: String,
}

/// So many leaves are pushed before the tiles they filled are compared.
const CHUNK: u64 = 65_536;

/// Audits the store in a directory, which a node may have open: as it was at one moment. What it needs of the disk, for
/// the views built anew, it takes in a folder `audit` of that directory, and gives back.
///
/// # Errors
/// When it can not be opened or read at all. What can be read and is wrong is in the report.
pub fn audit(dir: &Path, options: &Options) -> Result<AuditReport, OpenError> {
    // Before the database: beside a store that is open, the file goes on while the database seen here does not.
    let published = Published::read(dir);
    // Dropped after what is open in it.
    let scratch = Scratch::make(dir)?;
    let memory = Memory::new(options);
    // The views first, so that the log holds all that they name.
    let kept = views(&scratch, dir, &memory, options);
    let database = Arc::new(scratch.database(dir, Part::Log, &memory, options)?);
    let salt = SaltKey::find(dir, options, false)?;
    let id = meta::open(&database, &salt, false)?;
    let mut report = AuditReport::default();
    let behind = published.and_then(|published| recover::check_heads(&database, dir, id, published.as_ref()));
    if let Err(error) = behind {
        report.defects.push(Defect {
            log: None,
            index: None,
            reason: error.to_string(),
        });
    }
    let mut offsets = Offsets::default();
    for log in state::all(&*database)? {
        let hashed = audit_log(&database, &salt, &log, &mut offsets, &mut report.defects)?;
        report.logs.push(LogAudit {
            name: log.name,
            size: log.size,
            root: log.root,
            hashed,
        });
    }
    offsets.compare(&database, &mut report.defects)?;
    match kept {
        Ok(None) => {}
        Ok(Some(kept)) => audit_views(&scratch.built(), id, (&database, &kept), options, &mut report)?,
        Err(error) => report.defects.push(Defect {
            log: None,
            index: None,
            reason: format!("the views can not be read, and are made anew when the store is opened: {error}"),
        }),
    }
    Ok(report)
}

/// The views kept; `None` where there are none: they are made when the store is opened.
fn views(scratch: &Scratch, dir: &Path, memory: &Memory, options: &Options) -> Result<Option<Database>, OpenError> {
    if !dir.join(Part::Views.folder()).join("CURRENT").exists() {
        return Ok(None);
    }
    scratch.database(dir, Part::Views, memory, options).map(Some)
}

fn audit_views(
    scratch: &Path,
    store: Uuid,
    (database, kept): (&Arc<Database>, &Database),
    options: &Options,
    report: &mut AuditReport,
) -> Result<(), OpenError> {
    let records_are_whole = report.logs.iter().all(|log| log.hashed == log.size.0);
    if !records_are_whole {
        // Views of records that can not be read can not be built: the records are the finding.
        return Ok(());
    }
    let mut found = |reason| {
        report.defects.push(Defect {
            log: None,
            index: None,
            reason,
        });
    };
    let version = mark::version(kept).map(|version| version.map(|(version, _)| version));
    let misfit = match version {
        Ok(version) if version != Some(views::VERSION) => return Ok(()),
        Ok(_) => opening::misfit(database, kept, store),
        Err(error) => Err(error),
    };
    match misfit {
        Ok(None) => {}
        Ok(Some(reason)) => {
            found(format!(
                "the views do not fit the log, and are made anew when the store is opened: {reason}"
            ));
            return Ok(());
        }
        Err(error) => {
            found(error.to_string());
            return Ok(());
        }
    }
    let schemas: Arc<dyn WriterSchemas> = Arc::new(SchemaArchive::load(database)?);
    match views::audit::audit((database, kept), scratch, schemas, options) {
        Ok(found) => {
            report.view_rows = Some(found.rows);
            report
                .defects
                .extend(found.differences.into_iter().map(|difference| Defect {
                    log: Some(difference.log),
                    index: difference.index,
                    reason: format!("view `{}`: {}", difference.table, difference.reason),
                }));
        }
        Err(views::audit::ViewsAuditError::Scratch(error)) => return Err(error),
        Err(views::audit::ViewsAuditError::Store(error)) => {
            report.defects.push(Defect {
                log: None,
                index: None,
                reason: error.to_string(),
            });
        }
    }
    Ok(())
}

/// Audits one log; gives how many records were hashed.
fn audit_log(
    database: &Database,
    salt: &SaltKey,
    log: &LogState,
    offsets: &mut Offsets,
    defects: &mut Vec<Defect>,
) -> Result<u64, StoreError> {
    let mut found = |index: Option<u64>, reason: String| {
        defects.push(Defect {
            log: Some(log.name.clone()),
            index: index.map(LeafIndex),
            reason,
        });
    };
    let tiles = Tiles::new(database, log.id);
    let mut records = read::records(database, log.id, LeafIndex(0))?;
    let (mut tree, mut times) = (Tree::new(), Times::default());
    let (mut leaves_agree, mut tiles_agree) = (true, true);
    while tree.size() < log.size {
        let index = tree.size().0;
        let record = match records.next() {
            Some(Ok(record)) => record,
            Some(Err(StoreError::Database(error))) => return Err(error.into()),
            Some(Err(error)) => {
                found(Some(index), error.to_string());
                return Ok(index);
            }
            None => {
                found(Some(index), "the record is missing".to_owned());
                return Ok(index);
            }
        };
        let hash = Leaf::of(&log.name, &record, salt).hash();
        if leaves_agree && recover::stored_leaf(&tiles, index)? != Some(hash) {
            leaves_agree = false;
            found(
                Some(index),
                "the record does not yield the leaf that the tree has".to_owned(),
            );
        }
        if let Some(reason) = times.next(database, log, &record)? {
            found(Some(index), reason);
        }
        if let Some((partition, offset)) = record.source.kafka()
            && let Some(reason) = offsets.insert(partition, offset)
        {
            found(Some(index), reason);
        }
        tree.push(hash);
        if tree.size().0 % CHUNK == 0 || tree.size() == log.size {
            let differing = tree
                .take_dirty()
                .into_iter()
                .find_map(|(id, tile)| differs(&tiles, id, &tile).transpose());
            if let Some(reason) = differing.transpose()?.filter(|_| leaves_agree && tiles_agree) {
                tiles_agree = false;
                found(None, reason);
            }
        }
    }
    if leaves_agree && tree.root() != log.root {
        found(
            log.size.0.checked_sub(1),
            format!("the root is {}, and the records yield {}", log.root, tree.root()),
        );
    }
    if let Some(reason) = times.end(database, log)? {
        found(log.size.0.checked_sub(1), reason);
    }
    if records.next().is_some() {
        found(
            Some(log.size.0),
            "there is a record behind the end of the log".to_owned(),
        );
    }
    Ok(log.size.0)
}

/// Does the tile stored differ from the one recomputed, as far as that reaches?
fn differs(tiles: &Tiles<'_, Database>, id: TileId, recomputed: &Tile) -> Result<Option<String>, StoreError> {
    let path = || id.path(recomputed.len());
    Ok(match tiles.tile(id) {
        Ok(Some(stored)) if stored.as_bytes().starts_with(recomputed.as_bytes()) => None,
        Ok(Some(_)) => Some(format!("`{}` is not what the records yield", path())),
        Ok(None) => Some(format!("`{}` is missing", path())),
        Err(StoreError::Corrupt { reason, .. }) => Some(reason),
        Err(error) => return Err(error),
    })
}

/// Recorded times along a log, and the rows that index them.
#[derive(Default)]
struct Times {
    last: Option<Timestamp>,
    size: u64,
    /// Was a defect told already?
    told: bool,
}

impl Times {
    fn next(
        &mut self,
        database: &Database,
        log: &LogState,
        record: &crate::record::Record,
    ) -> Result<Option<String>, StoreError> {
        let time = record.recorded_time;
        let mut reason = None;
        if let Some(last) = self.last.filter(|last| *last != time) {
            if time < last {
                reason = Some(format!("recorded at {time}, before the record before it ({last})"));
            }
            reason = reason.or(self.row(database, log, last)?);
        }
        self.last = Some(time);
        self.size += 1;
        // The first only.
        Ok(reason.filter(|_| !std::mem::replace(&mut self.told, true)))
    }

    fn end(&mut self, database: &Database, log: &LogState) -> Result<Option<String>, StoreError> {
        let Some(last) = self.last else { return Ok(None) };
        if last != log.last_recorded {
            return Ok(Some(format!(
                "the log says that its last record is of {}, and it is of {last}",
                log.last_recorded
            )));
        }
        self.row(database, log, last)
    }

    /// Is the row of a time that has passed as the records say?
    fn row(&self, database: &Database, log: &LogState, time: Timestamp) -> Result<Option<String>, StoreError> {
        let row = database.get(Table::Recorded, keys::recorded(log.id, time))?;
        let agrees = row.is_some_and(|row| *row == self.size.to_be_bytes());
        Ok((!agrees).then(|| format!("the size at {time} is not indexed as {}", self.size)))
    }
}
