//! The locks that give a database file to one server at a time.
//!
//! One is on a file of its own beside the database. It is there before the database is, and
//! it names its holder. The other is on the database file itself, so that neither a hard
//! link, nor a second mount, nor a removed lock file lets a second server in. It is a lock
//! of `flock`, which the locks of SQLite (`fcntl`) do not meet.

use std::fs::{self, File, OpenOptions, Permissions, TryLockError};
use std::io::{Read, Seek, Write};
use std::os::unix::fs::{OpenOptionsExt, PermissionsExt};
use std::path::{Path, PathBuf};
use std::thread;
use std::time::Duration;

use rustix::fs::OFlags;

use crate::store::engine::error::OpenError;
use crate::store::engine::files::{FILE_PERMISSIONS, sibling};

/// The beginning of the line in a lock. Older programs take a file that begins in another way for
/// one of another program, so it does not change.
const HOLDER: &str = "the escrowd server";
/// The bytes that are read of it.
const HOLDER_BYTES_MAX: u64 = 256;

/// An open file with a lock of `flock`. Dropping it, or the death of the process, releases the
/// lock.
///
/// Closing the file alone would release it a little later at times: a child process that another
/// thread is starting has a copy of each handle until it runs its own program.
#[derive(Debug)]
pub(crate) struct LockedFile(File);

impl LockedFile {
    /// Locks a file, if no other handle of it is locked.
    pub(crate) fn lock(file: File) -> Result<Self, TryLockError> {
        file.try_lock()?;
        Ok(Self(file))
    }

    /// Locks a file together with others that share it, if no handle is locked by
    /// [`lock`](Self::lock).
    pub(crate) fn lock_shared(file: File) -> Result<Self, TryLockError> {
        file.try_lock_shared()?;
        Ok(Self(file))
    }

    pub(crate) const fn file(&self) -> &File {
        &self.0
    }
}

impl Drop for LockedFile {
    fn drop(&mut self) {
        if let Err(error) = self.0.unlock() {
            log::debug!("a lock ends with its file: {error}");
        }
    }
}

/// A held lock of a database. Dropping it, or the death of the process, releases the lock.
#[derive(Debug)]
pub(crate) struct InstanceLock {
    _file: LockedFile,
    /// The path of the file, if this lock has made it.
    made: Option<PathBuf>,
}

impl InstanceLock {
    /// Takes the lock of this database and writes the process id into it.
    ///
    /// # Errors
    ///
    /// [`OpenError::InUse`] when another process holds the lock.
    pub(crate) fn take(database: &Path) -> Result<Self, OpenError> {
        let path = sibling(database, ".lock");
        let io = OpenError::io(&path);
        let mut options = OpenOptions::new();
        options.read(true).write(true);
        // It is not to be a file of another program, which this would empty.
        let flags = OFlags::NOFOLLOW | OFlags::NONBLOCK;
        options.mode(FILE_PERMISSIONS).custom_flags(flags.bits().cast_signed());
        let (file, is_new) = match options.clone().create_new(true).open(&path) {
            Ok(file) => (file, true),
            Err(_) if path.is_symlink() => return Err(not_a_lock(database, &path)),
            Err(_) => (options.create(true).truncate(false).open(&path).map_err(io)?, false),
        };
        let mut holder = Vec::new();
        if file.metadata().map_err(io)?.is_file() {
            let limit = (&file).take(HOLDER_BYTES_MAX).read_to_end(&mut holder);
            limit.map_err(io)?;
        } else {
            return Err(not_a_lock(database, &path));
        }
        let holder = String::from_utf8_lossy(&holder);
        if !holder.starts_with(HOLDER) && !HOLDER.starts_with(&*holder) {
            return Err(not_a_lock(database, &path));
        }
        let locked = LockedFile::lock(file).map_err(|error| match error {
            TryLockError::WouldBlock => OpenError::InUse {
                path: database.to_owned(),
                holder: shown(&holder),
            },
            TryLockError::Error(cause) => io(cause),
        })?;
        let mut file = locked.file();
        file.set_len(0).map_err(io)?;
        file.rewind().map_err(io)?;
        writeln!(file, "{HOLDER} with process id {}", std::process::id()).map_err(io)?;
        // A user who can open the file can hold the lock. A file of another user keeps its permissions.
        drop(file.set_permissions(Permissions::from_mode(FILE_PERMISSIONS)));
        Ok(Self {
            _file: locked,
            made: is_new.then_some(path),
        })
    }

    /// Releases the lock, and removes its file if it was not there before: nothing has come into
    /// being beside it. A server that has just opened that file is kept apart from another one by
    /// the lock on the database itself.
    pub(crate) fn undo(self) {
        if let Some(path) = &self.made
            && let Err(error) = fs::remove_file(path)
        {
            log::debug!("{} stays: {error}", path.display());
        }
    }
}

/// Describes the holder by the line in its lock, which may be a service or a command.
fn shown(holder: &str) -> String {
    holder.trim_end().strip_prefix(HOLDER).map_or_else(
        || "another escrowd process".to_owned(),
        |id| format!("the escrowd process{id}"),
    )
}

fn not_a_lock(database: &Path, path: &Path) -> OpenError {
    OpenError::unfit(
        database,
        format!(
            "{} is not a lock of escrowd and was left untouched; choose another name for the database, or move that \
             file away",
            path.display()
        ),
    )
}

/// The time for which a start tries to lock the database file. `escrowd check` tests the
/// lock, and holds it for an instant.
const ATTEMPTS_MAX: u32 = 10;
const ATTEMPT_PAUSE: Duration = Duration::from_millis(10);

/// Locks the database file itself.
///
/// # Errors
///
/// [`OpenError::InUse`] when another server holds the lock under any path.
pub(crate) fn lock_file(database: &Path, file: File) -> Result<LockedFile, OpenError> {
    for _ in 0..ATTEMPTS_MAX {
        match file.try_lock() {
            Ok(()) => return Ok(LockedFile(file)),
            Err(TryLockError::WouldBlock) => thread::sleep(ATTEMPT_PAUSE),
            Err(TryLockError::Error(cause)) => {
                return Err(OpenError::io(database)(cause));
            }
        }
    }
    Err(OpenError::InUse {
        path: database.to_owned(),
        holder: "another escrowd process, which opened it by another path or whose .lock file was removed".to_owned(),
    })
}

/// Returns true if a server is running on the file.
pub(crate) fn is_held(file: File) -> bool {
    matches!(LockedFile::lock_shared(file), Err(TryLockError::WouldBlock))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A second handle of one opening stands for the copy of a child process that is being started.
    #[test]
    fn a_lock_ends_with_its_holder_although_a_child_process_has_a_copy_of_the_handle() {
        let folder = tempfile::tempdir().unwrap();
        let database = folder.path().join("escrowd.db");
        let InstanceLock { _file: held, .. } = InstanceLock::take(&database).unwrap();
        let copy = held.file().try_clone().unwrap();
        let refused = InstanceLock::take(&database);
        assert!(matches!(refused, Err(OpenError::InUse { .. })), "{refused:?}");
        drop(held);
        InstanceLock::take(&database).unwrap();

        fs::write(&database, "").unwrap();
        let open = || File::open(&database).unwrap();
        let held = lock_file(&database, open()).unwrap();
        let copy_of_database = held.file().try_clone().unwrap();
        assert!(is_held(open()));
        drop(held);
        assert!(!is_held(open()));
        LockedFile::lock(open()).unwrap();
        drop((copy, copy_of_database));
    }
}
