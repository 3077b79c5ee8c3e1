//! The views' database, opened beside the log that they are made of: what can not be read, or is not of that log, is dropped
//! and made anew while the node listens.
//!
//! Nothing is lost by that, since every row of a view follows from the log; but questions wait for it, so it is said why. The
//! folder is renamed before it is removed: a crash in between leaves no half of it to be opened.
//!
//! | found | what it may come from |
//! |---|---|
//! | no views, though there are records | a directory of a former release, a folder that was removed |
//! | a database that does not open | a crash of the disk; a folder that was copied in part |
//! | another version | an upgrade |
//! | the id of another store | a folder that was copied to the wrong place |
//! | a mark ahead of its log | an older copy of the log in place of a newer one, a power loss without fsync |

use std::fs;
use std::io::ErrorKind;
use std::path::{Path, PathBuf};

use rocksdb::WriteBatch;
use uuid::Uuid;

use super::VERSION;
use super::late;
use super::mark;
use crate::database::Database;
use crate::error::{OpenError, StoreError};
use crate::log::state;
use crate::memory::Memory;
use crate::options::Options;
use crate::tables::{Part, Table};

/// Opens the views of the store in `dir`, of that id, whose log is open.
///
/// # Errors
/// When the disk can not be read or written.
pub(crate) fn open(
    (dir, store): (&Path, Uuid),
    log: &Database,
    memory: &Memory,
    options: &Options,
) -> Result<Database, OpenError> {
    let folder = dir.join(Part::Views.folder());
    remove(&dropped(&folder))?;
    let begin = || begin(dir, store, log, memory, options);
    if !folder.join("CURRENT").exists() {
        if !state::all(log)?.is_empty() {
            tracing::warn!(folder = %folder.display(), "there are no views: they are made anew from the records");
        }
        drop_folder(&folder)?;
        return begin();
    }
    match Database::open(dir, Part::Views, memory, options) {
        Ok(views) => match misfit(log, &views, store) {
            Ok(None) => Ok(views),
            Ok(Some(reason)) => {
                tracing::warn!(%reason, "the views do not fit the log: they are made anew from the records");
                drop(views);
                drop_folder(&folder)?;
                begin()
            }
            Err(error) if is_damage(&error) => {
                drop(views);
                damaged(&folder, &error)?;
                begin()
            }
            Err(error) => Err(error.into()),
        },
        Err(OpenError::Store(error)) if is_damage(&error) => {
            damaged(&folder, &error)?;
            begin()
        }
        Err(OpenError::Table(name)) => {
            let reason = format!("there is a table `{name}` of another release");
            tracing::warn!(%reason, "the views do not fit the log: they are made anew from the records");
            drop_folder(&folder)?;
            begin()
        }
        Err(error) => Err(error),
    }
}

fn damaged(folder: &Path, error: &StoreError) -> Result<(), StoreError> {
    tracing::warn!(%error, "the views can not be read: they are made anew from the records");
    drop_folder(folder)
}

/// Is it the views that are at fault, and not the disk's being full, or a right that is missing?
fn is_damage(error: &StoreError) -> bool {
    use rocksdb::ErrorKind as Kind;
    match error {
        StoreError::Corrupt { .. } => true,
        StoreError::Database(error) => match error.kind() {
            Kind::Corruption | Kind::NotFound | Kind::InvalidArgument | Kind::Incomplete | Kind::NotSupported => true,
            // A file that its manifest names is gone.
            Kind::IOError => error.as_ref().contains("No such file"),
            _ => false,
        },
        _ => false,
    }
}

/// New views: nothing is made, and of each log is noted how much of it was there before.
fn begin(dir: &Path, store: Uuid, log: &Database, memory: &Memory, options: &Options) -> Result<Database, OpenError> {
    let views = Database::open(dir, Part::Views, memory, options)?;
    let mut write = WriteBatch::default();
    let marks = views.cf(Table::Mark)?;
    mark::put_version(&mut write, marks, VERSION, store);
    for log in state::all(log)?.iter().filter(|log| log.size.0 > 0) {
        mark::put_dropped(&mut write, marks, log.id, log.size);
    }
    // Else a power loss could leave views that are whole, as far as anybody can tell.
    views.write_durably(write)?;
    Ok(views)
}

/// Why these can not be the views of what the log holds; `None`: they are, as far as they go.
///
/// # Errors
/// When either can not be read.
pub(crate) fn misfit(log: &Database, views: &Database, store: Uuid) -> Result<Option<String>, StoreError> {
    match mark::version(views)? {
        Some((VERSION, of)) if of == store => {}
        Some((VERSION, of)) => return Ok(Some(format!("they are of the store {of}"))),
        Some((version, _)) => {
            return Ok(Some(format!(
                "they are of version {version}, and this release makes {VERSION}"
            )));
        }
        None => return Ok(Some("they do not say of which version they are".to_owned())),
    }
    let mut logs = state::all(log)?;
    logs.sort_unstable_by_key(|log| log.id);
    for (id, generation) in mark::all(views)? {
        let made = generation.mark;
        let place = logs.binary_search_by_key(&id, |state| state.id).ok();
        let Some(state) = place.and_then(|place| logs.get(place)) else {
            return Ok(Some(format!("they hold rows of a log {} that there is not", id.0)));
        };
        if made.size > state.size {
            let reason = format!(
                "those of `{}` hold {} records, and the log has {}",
                state.name, made.size, state.size
            );
            return Ok(Some(reason));
        }
        let met = late::turn_at(log, id, made.size, |turn| turn.number <= made.turn.number)?;
        if met != made.turn {
            let reason = format!(
                "those of `{}` were made with another order of understanding than the log has",
                state.name
            );
            return Ok(Some(reason));
        }
    }
    Ok(None)
}

fn dropped(folder: &Path) -> PathBuf {
    folder.with_extension("dropped")
}

fn drop_folder(folder: &Path) -> Result<(), StoreError> {
    let aside = dropped(folder);
    match fs::rename(folder, &aside) {
        Ok(()) => remove(&aside),
        Err(error) if error.kind() == ErrorKind::NotFound => Ok(()),
        Err(error) => Err(StoreError::file(folder, &error)),
    }
}

fn remove(folder: &Path) -> Result<(), StoreError> {
    match fs::remove_dir_all(folder) {
        Err(error) if error.kind() != ErrorKind::NotFound => Err(StoreError::file(folder, &error)),
        _ => Ok(()),
    }
}
