//! The files of a backup by their names: its own, and those that it has until it is whole.

use std::fs::{self, File, TryLockError};
use std::io;
use std::path::Path;

use crate::store::engine::files::{is_there, remove_if_there, sibling};
use crate::store::engine::sqlite::blobs;
use crate::store::engine::sqlite::file::PARTIAL_SUFFIX;
use crate::store::engine::sqlite::lock::LockedFile;

/// The suffixes of files that a program leaves beside a backup that it has opened.
const BESIDE: [&str; 3] = ["-wal", "-shm", ".lock"];

/// Removes a backup, the database first: none is ever without its files. They have the mark of
/// unfinished ones meanwhile, so that [`remove_unfinished`] removes what a killed process leaves. A
/// service that is started on a marked backup takes the mark off.
///
/// # Errors
///
/// Fails if a service or a command uses the backup. None can begin to meanwhile.
pub fn remove_backup(backup: &Path) -> io::Result<()> {
    let _lock = LockedFile::lock(File::open(backup)?).map_err(|error| match error {
        TryLockError::WouldBlock => io::Error::other("a service or another command uses it"),
        TryLockError::Error(error) => error,
    })?;
    blobs::begin_removal(backup)?;
    fs::remove_file(backup)?;
    for suffix in BESIDE {
        remove_if_there(&sibling(backup, suffix))?;
    }
    blobs::remove_all(backup)
}

/// Removes what a killed process has left of a backup with this name that it made or removed, if it
/// has left something. Leaves alone what another one is making.
pub fn remove_unfinished(backup: &Path) -> io::Result<()> {
    let copy = sibling(backup, PARTIAL_SUFFIX);
    let _lock = match File::open(&copy) {
        Ok(copy) => match LockedFile::lock(copy) {
            Ok(lock) => Some(lock),
            Err(TryLockError::WouldBlock) => return Ok(()),
            Err(TryLockError::Error(error)) => return Err(error),
        },
        Err(error) if error.kind() == io::ErrorKind::NotFound => None,
        Err(error) => return Err(error),
    };
    remove_leftovers(backup)?;
    remove_files_without_database(backup)?;
    remove_if_there(&copy)
}

/// Removes all that a killed backup with this name has left under its unfinished name, but for
/// the file, which is written anew.
pub(super) fn remove_leftovers(backup: &Path) -> io::Result<()> {
    let unfinished = sibling(backup, PARTIAL_SUFFIX);
    for part in ["-wal", "-shm"] {
        remove_if_there(&sibling(&unfinished, part))?;
    }
    blobs::remove_all(&unfinished)
}

/// Removes the files of a backup with this name that was killed before its database had the
/// name, or whose removal was killed when the database was gone. The caller holds the lock of the copy.
pub(super) fn remove_files_without_database(backup: &Path) -> io::Result<()> {
    if blobs::is_unfinished(backup) && !is_there(backup) {
        blobs::remove_all(backup)?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_backup_that_is_in_use_stays() {
        let folder = tempfile::tempdir().unwrap();
        let backup = folder.path().join("escrowd-20261127T054500Z.db");
        for path in [backup.clone(), sibling(&backup, "-wal")] {
            fs::write(path, "").unwrap();
        }
        let service = File::open(&backup).unwrap();
        service.try_lock().unwrap();
        let problem = remove_backup(&backup).unwrap_err().to_string();
        assert!(problem.contains("uses it"), "{problem}");
        assert!(sibling(&backup, "-wal").exists());
        drop(service);
        remove_backup(&backup).unwrap();
        assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 0);
    }

    #[test]
    fn the_files_of_a_backup_whose_removal_was_interrupted_are_removed_later() {
        let folder = tempfile::tempdir().unwrap();
        let backup = folder.path().join("escrowd-20261127T054500Z.db");
        let files = sibling(&backup, "-files");
        fs::create_dir_all(files.join("ab")).unwrap();
        fs::write(files.join("ab").join("evidence"), "").unwrap();
        fs::write(&backup, "").unwrap();
        // A folder in the place of a file ends the removal behind the database.
        let obstacle = sibling(&backup, "-wal");
        fs::create_dir(&obstacle).unwrap();
        remove_backup(&backup).unwrap_err();
        assert!(!backup.exists() && files.exists());
        fs::remove_dir(obstacle).unwrap();
        remove_unfinished(&backup).unwrap();
        assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 0);
    }
}
