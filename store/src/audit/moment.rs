//! A database as it was at one moment, also where a node has it open and writes it.
//!
//! RocksDB changes no file of rows once it is written, but removes it when its rows are in another; its manifest and its
//! write-ahead logs only grow. So hard links to them, in a folder of the audit's own, with a copy of the manifest as it
//! is now, are the database of this moment: nothing that the node removes is removed from there, and it takes no room.
//!
//! There are two, and each has a moment of its own: that of the views is to be the earlier one. It is the one at which their
//! write-ahead log is read, since the link to it grows with the node's; so the views are opened before the log is taken.

use std::collections::BTreeSet;
use std::ffi::{OsStr, OsString};
use std::fs::{self, File};
use std::io::{Error, ErrorKind};
use std::path::{Path, PathBuf};

use crate::database::Database;
use crate::error::{OpenError, StoreError};
use crate::memory::Memory;
use crate::options::Options;
use crate::tables::Part;

/// The folder within the data directory. One that was left behind by an audit that was killed is removed by the next.
const FOLDER: &str = "audit";

/// What names the manifest of this moment.
const CURRENT: &str = "CURRENT";

/// The folder of an audit; removed when the audit is over.
pub(super) struct Scratch {
    path: PathBuf,
    /// Locked: one audit at a time, the next one waits. Not the node, which locks its database.
    _data: File,
}

impl Scratch {
    /// Makes it, in a data directory.
    pub(super) fn make(dir: &Path) -> Result<Self, StoreError> {
        let data = File::open(dir).and_then(|data| data.lock().map(|()| data));
        let data = data.map_err(|error| StoreError::file(dir, &error))?;
        let path = dir.join(FOLDER);
        empty(&path)?;
        Ok(Self { path, _data: data })
    }

    /// Where the views can be built.
    pub(super) fn built(&self) -> PathBuf {
        self.path.join("built")
    }

    /// Opens a database of `dir`, as it is now.
    pub(super) fn database(
        &self,
        dir: &Path,
        part: Part,
        memory: &Memory,
        options: &Options,
    ) -> Result<Database, OpenError> {
        let (from, to) = (dir.join(part.folder()), self.path.join(part.folder()));
        loop {
            let before = names(&from)?;
            empty(&to)?;
            let taken =
                take(&from, &to, &before).and_then(|()| Database::open_read_only(&self.path, part, memory, options));
            match taken {
                Ok(database) => return Ok(database),
                // Else a file may have gone between its being named and its being linked.
                Err(error) if names(&from)? == before => return Err(error),
                Err(_) => {}
            }
        }
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        if let Err(error) = fs::remove_dir_all(&self.path) {
            tracing::warn!(%error, path = %self.path.display(), "the scratch space of the audit could not be removed");
        }
    }
}

/// Links the database in `from`, which had the files `before`, to `to`.
fn take(from: &Path, to: &Path, before: &BTreeSet<OsString>) -> Result<(), OpenError> {
    let mut linked = BTreeSet::new();
    // Most of them before the manifest, so that few can go between that and their being linked.
    link(from, to, before, is_table, &mut linked)?;
    let current = from.join(CURRENT);
    let manifest = fs::read_to_string(&current).map_err(|error| StoreError::file(&current, &error))?;
    // A copy: it would go on to name what is not linked.
    let manifest = from.join(manifest.trim_end());
    for file in [&manifest, &current] {
        let name = file.file_name().unwrap_or_default();
        fs::copy(file, to.join(name)).map_err(|error| StoreError::file(file, &error))?;
    }
    let after = names(from)?;
    link(from, to, &after, is_table, &mut linked)?;
    link(from, to, &after, is_wal, &mut linked)?;
    // They go oldest first: as long as those from before are all here, no newer one went before it could be seen. Else
    // writes may be missing between what the manifest names and the oldest that is left, and nothing would tell.
    match before.iter().find(|name| is_wal(name) && !linked.contains(*name)) {
        None => Ok(()),
        Some(gone) => Err(StoreError::file(&from.join(gone), &Error::from(ErrorKind::NotFound)).into()),
    }
}

/// Links those files that are still there and are not linked.
fn link(
    from: &Path,
    to: &Path,
    names: &BTreeSet<OsString>,
    wanted: fn(&OsStr) -> bool,
    linked: &mut BTreeSet<OsString>,
) -> Result<(), StoreError> {
    for name in names.iter().filter(|name| wanted(name)) {
        if linked.contains(name) {
            continue;
        }
        match fs::hard_link(from.join(name), to.join(name)) {
            Ok(()) => {
                linked.insert(name.clone());
            }
            Err(error) if error.kind() == ErrorKind::NotFound => {}
            Err(error) => return Err(StoreError::file(&from.join(name), &error)),
        }
    }
    Ok(())
}

fn is_table(name: &OsStr) -> bool {
    Path::new(name).extension().is_some_and(|end| end == "sst")
}

fn is_wal(name: &OsStr) -> bool {
    Path::new(name).extension().is_some_and(|end| end == "log")
}

/// The names of the files in a folder.
fn names(folder: &Path) -> Result<BTreeSet<OsString>, StoreError> {
    let names = fs::read_dir(folder).and_then(|entries| entries.map(|entry| Ok(entry?.file_name())).collect());
    names.map_err(|error| StoreError::file(folder, &error))
}

/// Makes a folder anew, with nothing in it.
fn empty(folder: &Path) -> Result<(), StoreError> {
    let removed = match fs::remove_dir_all(folder) {
        Err(error) if error.kind() != ErrorKind::NotFound => Err(error),
        _ => fs::create_dir(folder),
    };
    removed.map_err(|error| StoreError::file(folder, &error))
}
