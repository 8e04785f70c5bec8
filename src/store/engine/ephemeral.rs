//! A folder for a file that is to outlive nothing: in the memory of the machine where
//! that is possible, and gone when the service stops.
//!
//! A process that is killed removes nothing. So every folder has a lock that the system
//! lets go with the process, and whoever makes one removes those beside it that nobody
//! holds the lock of.

use std::fs::{self, DirEntry, Permissions};
use std::io;
use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::path::{Path, PathBuf};

use crate::store::engine::error::OpenError;
use crate::store::engine::lock::InstanceLock;

/// Where Linux keeps files in memory.
const MEMORY: &str = "/dev/shm";
/// With less room than this, memory would soon refuse what a disk takes. In a container
/// it often has 64 MiB.
const MEMORY_BYTES_MIN: u64 = 512 * 1024 * 1024;
/// How the name of every such folder begins.
const PREFIX: &str = "escrowd-ephemeral-";
/// What the lock in it is named after.
const LOCK: &str = "service";
const DATABASE: &str = "escrowd.db";
/// Only the owner looks into a ledger.
const PERMISSIONS: u32 = 0o700;
/// How many new folders another service may take for leftovers, until something else
/// must be wrong.
const ATTEMPTS_MAX: usize = 10;
/// How often removing begins anew because something was still being written.
const REMOVALS_MAX: usize = 10;

/// The folder. Dropping it removes it.
#[derive(Debug)]
pub struct EphemeralFolder {
    path: PathBuf,
    _lock: InstanceLock,
}

impl EphemeralFolder {
    /// Makes a folder in memory or, where there is none or little of it, in the folder
    /// for temporary files. Removes what services that were killed have left there.
    pub fn make() -> Result<Self, OpenError> {
        let memory = Path::new(MEMORY);
        let temporary = std::env::temp_dir();
        let in_memory = Some(memory)
            .filter(|memory| has_room(memory))
            .and_then(|memory| Self::make_in(memory).ok());
        let made = in_memory.map_or_else(|| Self::make_in(&temporary), Ok);
        let folder = made.map_err(|cause| OpenError::Io {
            path: temporary.clone(),
            cause,
        })?;
        folder.remove_leftovers(memory);
        folder.remove_leftovers(&temporary);
        Ok(folder)
    }

    fn make_in(place: &Path) -> io::Result<Self> {
        for _ in 0..ATTEMPTS_MAX {
            let mut builder = tempfile::Builder::new();
            builder.prefix(PREFIX).permissions(Permissions::from_mode(PERMISSIONS));
            let fresh = builder.tempdir_in(place)?;
            let lock = InstanceLock::take(&fresh.path().join(LOCK));
            // Whoever found it before it was locked has taken it for a leftover.
            let is_whole = fs::exists(lock_in(fresh.path()))?;
            if let (Ok(lock), true) = (lock, is_whole) {
                return Ok(Self {
                    path: fresh.keep(),
                    _lock: lock,
                });
            }
        }
        Err(io::ErrorKind::ResourceBusy.into())
    }

    /// Where the database goes.
    pub fn database(&self) -> PathBuf {
        self.path.join(DATABASE)
    }

    /// Removes it with everything in it. Files that are open stay usable until they are
    /// closed.
    pub fn remove(&self) {
        for _ in 0..REMOVALS_MAX {
            match fs::remove_dir_all(&self.path) {
                Ok(()) => return,
                Err(error) if error.kind() == io::ErrorKind::NotFound => return,
                Err(error) if error.kind() == io::ErrorKind::DirectoryNotEmpty => {}
                Err(error) => {
                    log::warn!("{} stays behind: {error}", self.path.display());
                    return;
                }
            }
        }
    }

    /// Removes the folders of this kind and of the same user that no service is using.
    /// Those that cannot be removed are left to the next start.
    fn remove_leftovers(&self, place: &Path) {
        let entries = fs::read_dir(place).into_iter().flatten().flatten();
        for path in entries.filter(|entry| self.is_like(entry)).map(|entry| entry.path()) {
            if let Ok(_lock) = InstanceLock::take(&path.join(LOCK)) {
                drop(fs::remove_dir_all(&path));
            }
        }
    }

    /// Whether this is another folder of this kind and of the same user.
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

fn has_room(place: &Path) -> bool {
    rustix::fs::statvfs(place).is_ok_and(|system| {
        let bytes = system.f_bavail.saturating_mul(system.f_frsize);
        bytes >= MEMORY_BYTES_MIN
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What is in a place, by name.
    fn names(place: &Path) -> Vec<String> {
        let entries = fs::read_dir(place).unwrap().map(Result::unwrap);
        entries.map(|entry| entry.file_name().into_string().unwrap()).collect()
    }

    #[test]
    fn it_goes_with_everything_in_it() {
        let place = tempfile::tempdir().unwrap();
        let folder = EphemeralFolder::make_in(place.path()).unwrap();
        fs::write(folder.database(), "money").unwrap();
        fs::create_dir(folder.path.join("escrowd.db-files")).unwrap();
        let permissions = fs::metadata(&folder.path).unwrap().permissions().mode();
        assert_eq!(permissions & 0o777, PERMISSIONS);
        folder.remove();
        assert_eq!(names(place.path()), [""; 0]);
        folder.remove();
        drop(folder);
    }

    #[test]
    fn only_folders_that_nobody_uses_are_leftovers() {
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
