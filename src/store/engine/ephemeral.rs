//! A folder for a database that lives as long as the service: in memory where possible,
//! and removed when the service stops.
//!
//! A killed process removes nothing. So each folder has a lock, which the operating
//! system releases with the process, and each new service removes the folders beside its
//! own whose lock is free.

use std::fs::{self, DirEntry, Permissions};
use std::io;
use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::path::{Path, PathBuf};

use crate::store::engine::error::OpenError;
use crate::store::engine::files::{FOLDER_PERMISSIONS, free_bytes};
use crate::store::engine::sqlite::lock::InstanceLock;

/// The file system that Linux keeps in memory.
const MEMORY: &str = "/dev/shm";
/// With less free memory than this the folder goes to the disk. Containers often have
/// 64 MiB in `/dev/shm`, which a test run fills soon.
const MEMORY_BYTES_MIN: u64 = 512 * 1024 * 1024;
/// The prefix of every such folder's name.
const PREFIX: &str = "escrowd-ephemeral-";
/// The lock in the folder is named `service.lock`.
const LOCK: &str = "service";
const DATABASE: &str = "escrowd.db";
/// Attempts to create a folder. Each failed one means that another service removed the
/// folder as a leftover before it was locked.
const ATTEMPTS_MAX: usize = 10;
/// Attempts to remove a folder into which something is still being written.
const REMOVALS_MAX: usize = 10;

/// The folder. Dropping this value removes the folder.
#[derive(Debug)]
pub struct EphemeralFolder {
    path: PathBuf,
    _lock: InstanceLock,
}

impl EphemeralFolder {
    /// Creates a folder in memory or, where memory is missing or short, in the folder for
    /// temporary files. Removes the folders that killed services left in both places.
    pub fn make() -> Result<Self, OpenError> {
        let memory = Path::new(MEMORY);
        let temporary = std::env::temp_dir();
        let in_memory = Some(memory)
            .filter(|memory| free_bytes(memory).is_some_and(|bytes| bytes >= MEMORY_BYTES_MIN))
            .and_then(|memory| Self::make_in(memory).ok());
        let made = in_memory.map_or_else(|| Self::make_in(&temporary), Ok);
        let folder = made.map_err(OpenError::io(&temporary))?;
        folder.remove_leftovers(memory);
        folder.remove_leftovers(&temporary);
        Ok(folder)
    }

    fn make_in(place: &Path) -> io::Result<Self> {
        for _ in 0..ATTEMPTS_MAX {
            let mut builder = tempfile::Builder::new();
            builder
                .prefix(PREFIX)
                .permissions(Permissions::from_mode(FOLDER_PERMISSIONS));
            let fresh = builder.tempdir_in(place)?;
            let lock = InstanceLock::take(&fresh.path().join(LOCK));
            // A starting service may have removed the folder before it was locked.
            let is_whole = fs::exists(lock_in(fresh.path()))?;
            match lock {
                Ok(lock) if is_whole => {
                    return Ok(Self {
                        path: fresh.keep(),
                        _lock: lock,
                    });
                }
                Err(error) if is_whole && !matches!(error, OpenError::InUse { .. }) => {
                    return Err(io::Error::other(error));
                }
                _ => {}
            }
        }
        Err(io::ErrorKind::ResourceBusy.into())
    }

    /// Returns the path of the database in the folder.
    pub fn database(&self) -> PathBuf {
        self.path.join(DATABASE)
    }

    /// Removes the folder and everything in it. Open files stay usable until they are
    /// closed.
    pub fn remove(&self) {
        for _ in 0..REMOVALS_MAX {
            match fs::remove_dir_all(&self.path) {
                Ok(()) => return,
                Err(error) if error.kind() == io::ErrorKind::NotFound => return,
                Err(error) if error.kind() == io::ErrorKind::DirectoryNotEmpty => {}
                Err(error) => {
                    log::warn!("ephemeral folder {} was not removed: {error}", self.path.display());
                    return;
                }
            }
        }
        log::warn!(
            "ephemeral folder {} was not removed: files were added to it meanwhile",
            self.path.display()
        );
    }

    /// Removes the ephemeral folders of the same user that no service uses. If a folder
    /// cannot be removed, the next start tries again.
    fn remove_leftovers(&self, place: &Path) {
        let entries = fs::read_dir(place).into_iter().flatten().flatten();
        for path in entries.filter(|entry| self.is_like(entry)).map(|entry| entry.path()) {
            if let Ok(_lock) = InstanceLock::take(&path.join(LOCK)) {
                drop(fs::remove_dir_all(&path));
            }
        }
    }

    /// Returns true if this is another ephemeral folder of the same user.
    fn is_like(&self, entry: &DirEntry) -> bool {
        let is_of_this_kind = entry.file_name().as_encoded_bytes().starts_with(PREFIX.as_bytes());
        let owner = |path: &Path| {
            fs::symlink_metadata(path)
                .ok()
                .map(|found| (found.uid(), found.is_dir()))
        };
        is_of_this_kind && entry.path() != self.path && owner(&entry.path()) == owner(&self.path)
    }
}

impl Drop for EphemeralFolder {
    fn drop(&mut self) {
        self.remove();
    }
}

fn lock_in(folder: &Path) -> PathBuf {
    folder.join(format!("{LOCK}.lock"))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The names of the entries of a folder.
    fn names(place: &Path) -> Vec<String> {
        let entries = fs::read_dir(place).unwrap().map(Result::unwrap);
        entries.map(|entry| entry.file_name().into_string().unwrap()).collect()
    }

    #[test]
    fn removing_a_folder_removes_everything_in_it() {
        let place = tempfile::tempdir().unwrap();
        let folder = EphemeralFolder::make_in(place.path()).unwrap();
        fs::write(folder.database(), "money").unwrap();
        fs::create_dir(folder.path.join("escrowd.db-files")).unwrap();
        let permissions = fs::metadata(&folder.path).unwrap().permissions().mode();
        assert_eq!(permissions & 0o777, FOLDER_PERMISSIONS);
        folder.remove();
        assert_eq!(names(place.path()), [""; 0]);
        folder.remove();
        drop(folder);
    }

    #[test]
    fn only_folders_without_a_running_service_are_leftovers() {
        let place = tempfile::tempdir().unwrap();
        let in_use = EphemeralFolder::make_in(place.path()).unwrap();
        let folder = EphemeralFolder::make_in(place.path()).unwrap();
        let leftover = place.path().join("escrowd-ephemeral-left");
        fs::create_dir_all(leftover.join("escrowd.db-files/ab")).unwrap();
        fs::write(leftover.join("service.lock"), "the escrowd server with process id 7").unwrap();
        let unfinished = place.path().join("escrowd-ephemeral-unfinished");
        fs::create_dir(&unfinished).unwrap();
        fs::create_dir(place.path().join("escrowd-other")).unwrap();
        fs::write(place.path().join("escrowd-ephemeral-file"), "").unwrap();
        let elsewhere = place.path().join("elsewhere");
        fs::create_dir(&elsewhere).unwrap();
        std::os::unix::fs::symlink(&elsewhere, place.path().join("escrowd-ephemeral-link")).unwrap();

        folder.remove_leftovers(place.path());
        let mut left = names(place.path());
        left.sort();
        let name_of = |folder: &EphemeralFolder| folder.path.file_name().unwrap().to_str().unwrap().to_owned();
        let mut kept = [
            name_of(&in_use),
            name_of(&folder),
            "elsewhere".to_owned(),
            "escrowd-ephemeral-file".to_owned(),
            "escrowd-ephemeral-link".to_owned(),
            "escrowd-other".to_owned(),
        ];
        kept.sort();
        assert_eq!(left, kept);
        assert_eq!(names(&elsewhere), [""; 0]);
    }
}
