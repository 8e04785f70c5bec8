//! Putting a backup in the place of a database. The backup is copied and audited first, and a
//! database that is there is moved aside and never removed.
//!
//! A kill between the two leaves the copy under its unfinished name. A start then makes no
//! fresh database (`engine::sqlite::file`), and another restore finishes the work.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use rusqlite::Connection;

use crate::domain::mode::Mode;
use crate::store::backup::{Backup, BackupError, OnStep, Source, failed, finish, refuse_existing};
use crate::store::engine::SCHEMA_VERSION;
use crate::store::engine::error::OpenError;
use crate::store::engine::files::{self, is_there};
use crate::store::engine::sqlite::inspection::Purpose;
use crate::store::engine::sqlite::lock::{self, InstanceLock, LockedFile};
use crate::store::engine::sqlite::{blobs, connection, file, inspection};
use crate::store::file_facts::purpose_of;

/// The rule for a restore over a database of another mode.
const SAME_MODE: &str = "the backup is of the other mode; choose another path, or move that database away yourself";
/// The parts of a database, its file first, in the order in which they are moved.
const PARTS: [&str; 4] = ["", "-wal", "-shm", "-files"];

/// The mode and the currency that a backup must have: those of the configuration.
#[derive(Clone, Copy, Debug)]
pub struct RequiredPurpose<'a> {
    pub mode: Mode,
    /// The rule on the mode, for the message of a refusal.
    pub mode_rule: &'static str,
    pub currency: &'a str,
}

impl RequiredPurpose<'_> {
    /// Checks a backup that was made for this purpose.
    fn check(&self, from: &Path, found: &Purpose) -> Result<(), BackupError> {
        if found.mode != self.mode {
            return Err(BackupError::OtherMode {
                path: from.to_owned(),
                found: found.mode,
                wanted: self.mode_rule,
            });
        }
        if found.currency != self.currency {
            return Err(BackupError::OtherCurrency {
                path: from.to_owned(),
                found: found.currency.clone(),
                wanted: format!("currency is {:?}; set currency = {:?}", self.currency, found.currency),
            });
        }
        Ok(())
    }
}

/// A restored database.
#[derive(Debug)]
pub struct Restored {
    /// The database as it is now.
    pub made: Backup,
    /// The mode that it was made for.
    pub mode: Mode,
    /// The new path of the database that was there before.
    pub aside: Option<PathBuf>,
}

/// Copies a backup to the path of a database that no service uses. With `replace`, moves the
/// database that is there aside, with its log and its files. If `required` is given, refuses a
/// backup of another mode or currency.
///
/// # Errors
///
/// Fails if the backup cannot be read or is not sound, if the path is taken or in use, and if
/// the database there is of another mode or currency. That database then stays in its place, or the error
/// names its new path.
pub fn restore(
    from: &Path,
    to: &Path,
    replace: bool,
    required: Option<RequiredPurpose<'_>>,
    on_step: OnStep<'_>,
) -> Result<Restored, BackupError> {
    let to = &file::resolve(to)?;
    if !replace {
        refuse_taken(to)?;
    }
    let lock = InstanceLock::take(to)?;
    let restored = restore_locked(from, to, replace, required, on_step);
    if restored.is_err() {
        lock.undo();
    }
    restored
}

/// Does the work of [`restore`] under the lock of the database.
fn restore_locked(
    from: &Path,
    to: &Path,
    replace: bool,
    required: Option<RequiredPurpose<'_>>,
    on_step: OnStep<'_>,
) -> Result<Restored, BackupError> {
    if !replace {
        // Another command may have made a database there before the lock was taken.
        refuse_taken(to)?;
    }
    refuse_in_use(to)?;
    let from = &file::resolve(from)?;
    let AtRest {
        connection,
        version,
        _lock: of_source,
    } = AtRest::open(from)?;
    let found = inspection::purpose_of(from, &connection)?;
    if let Some(required) = required {
        required.check(from, &found)?;
    }
    refuse_other_purpose(to, &found, required.map_or(SAME_MODE, |required| required.mode_rule))?;
    let source = Source {
        path: from,
        connection: &connection,
        version,
    };
    let (copying, made) = source.prepare(to, on_step)?;
    drop(of_source);
    let aside = move_aside(to).map_err(|error| failed(error.into(), to))?;
    if let Err(error) = finish(copying, to) {
        return Err(match &aside {
            Some(aside) => put_back(aside, to, error),
            None => error,
        });
    }
    Ok(Restored {
        made,
        mode: found.mode,
        aside,
    })
}

/// A database that no service uses, opened for reading. It may be in a folder that cannot be
/// written, such as on a read-only disk.
struct AtRest {
    connection: Connection,
    version: u32,
    /// Keeps a service from starting on it meanwhile.
    _lock: Option<LockedFile>,
}

impl AtRest {
    fn open(path: &Path) -> Result<Self, OpenError> {
        let Ok(lock) = LockedFile::lock_shared(file::open_regular(path)?) else {
            // A service is using it. Its log and its file change together.
            let connection = connection::open_to_audit(path)?;
            return Ok(Self {
                connection,
                version: SCHEMA_VERSION,
                _lock: None,
            });
        };
        let version = inspection::check_log(path)?;
        let connection = if file::has_log(path) {
            connection::open_to_copy(path)?
        } else {
            inspection::open_alone(path)?
        };
        Ok(Self {
            connection,
            version,
            _lock: Some(lock),
        })
    }
}

fn refuse_taken(to: &Path) -> Result<(), BackupError> {
    refuse_existing(to).map_err(|error| match error {
        BackupError::Exists { path, .. } => BackupError::Exists {
            path,
            remedy: "with --replace it is moved aside, with its log and its files, and nothing is removed".to_owned(),
        },
        error => error,
    })
}

/// Refuses a database that a service uses, also by another path.
fn refuse_in_use(to: &Path) -> Result<(), OpenError> {
    match file::open_existing(to)? {
        // This lock ends here. The lock beside the database is held on.
        Some(database) => lock::lock_file(to, database).map(drop),
        None => Ok(()),
    }
}

/// Refuses to move a database of another mode or currency aside. One that does not say them, such as
/// a damaged one, is moved.
///
/// They are written once, when the file is made. So the file alone says them also if its log is lost, or a
/// newer version made it.
fn refuse_other_purpose(to: &Path, backup: &Purpose, mode_rule: &'static str) -> Result<(), BackupError> {
    let alone = || inspection::purpose_of(to, &inspection::open_alone(to)?);
    let Ok(Purpose { mode, currency }) = purpose_of(to).or_else(|_| alone()) else {
        return Ok(());
    };
    if mode != backup.mode {
        return Err(BackupError::OtherMode {
            path: to.to_owned(),
            found: mode,
            wanted: mode_rule,
        });
    }
    if currency != backup.currency {
        return Err(BackupError::OtherCurrency {
            path: to.to_owned(),
            found: currency,
            wanted: format!(
                "the backup is in {}; choose another path, or move that database away yourself",
                backup.currency
            ),
        });
    }
    Ok(())
}

/// Moves a database that is there to a free name, with its log and its files, and returns
/// that name. After an error all parts are back, if that is possible.
fn move_aside(to: &Path) -> io::Result<Option<PathBuf>> {
    let parts: Vec<&str> = PARTS
        .into_iter()
        .filter(|part| is_there(&files::sibling(to, part)))
        .collect();
    if parts.is_empty() {
        return Ok(None);
    }
    if is_there(to) {
        // A restore was killed after its last rename, and its files are those of a database.
        blobs::mark_finished(to)?;
    }
    let aside = name_aside(to, &parts);
    // The copy has its name on the disk before the old file leaves its own.
    files::sync_folder_of(to)?;
    if let Err(error) = move_parts(to, &aside) {
        // The first error says more than one of this.
        drop(move_parts(&aside, to));
        return Err(error);
    }
    Ok(Some(aside))
}

/// Returns the name for the parts of a database that is moved aside: the first free one. Parts
/// without a file are the rest of a move that was killed, and follow the file to the name
/// before that, unless there are such parts already.
fn name_aside(to: &Path, parts: &[&str]) -> PathBuf {
    let name = |number: u64| files::sibling(to, &format!(".replaced-{number}"));
    let is_free = |number: u64, parts: &[&str]| {
        let name = name(number);
        parts.iter().all(|part| !is_there(&files::sibling(&name, part)))
    };
    let mut numbers = 1_u64..;
    let free = numbers.find(|number| is_free(*number, &PARTS));
    let free = free.expect("there are more numbers than files");
    // The files of a copy that was never whole belong to no database.
    let is_rest = !is_there(to) && !blobs::is_unfinished(to);
    if is_rest && free > 1 && is_free(free - 1, parts) {
        return name(free - 1);
    }
    name(free)
}

/// Renames all parts that are there, and syncs the folder.
fn move_parts(from: &Path, to: &Path) -> io::Result<()> {
    for part in PARTS {
        let path = files::sibling(from, part);
        if is_there(&path) {
            fs::rename(path, files::sibling(to, part))?;
        }
    }
    files::sync_folder_of(to)
}

/// Puts a database that was moved aside back if the copy has not taken its place. Otherwise
/// names it in the error.
fn put_back(aside: &Path, to: &Path, error: BackupError) -> BackupError {
    let moved = || -> io::Result<()> {
        if is_there(to) {
            return Err(io::ErrorKind::AlreadyExists.into());
        }
        if blobs::is_unfinished(to) {
            // The copy's own: everything else was moved aside.
            blobs::remove_all(to)?;
        }
        move_parts(aside, to)
    };
    if moved().is_ok() {
        return error;
    }
    let problem = match error {
        BackupError::Failed { problem, .. } => problem,
        error => error.to_string(),
    };
    BackupError::Failed {
        path: to.to_owned(),
        problem: format!(
            "{problem}; the database that was there is now {}, and nothing of it was removed",
            aside.display()
        ),
    }
}

#[cfg(test)]
mod tests {
    use std::ops::ControlFlow;

    use super::*;

    #[test]
    fn a_database_that_was_made_before_the_lock_was_taken_is_not_replaced() {
        let folder = tempfile::tempdir().unwrap();
        let to = folder.path().join("escrowd.db");
        fs::write(&to, "").unwrap();
        let from = folder.path().join("backup.db");
        let restored = restore_locked(&from, &to, false, None, &mut |_| ControlFlow::Continue(()));
        assert!(
            matches!(&restored, Err(BackupError::Exists { path, .. }) if *path == to),
            "{restored:?}"
        );
    }
}
