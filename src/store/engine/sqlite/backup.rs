//! Copies of a whole database file, by SQLite's online backup. A copy is one snapshot of its
//! source, which other connections and programs may go on writing. The source's file and log
//! are only read.
//!
//! The snapshot is held while the pages are copied in slices. Until it ends, no checkpoint
//! starts the source's log anew, so the log grows by all that is written meanwhile. The caller of
//! [`Copying::pages`] decides how long that may last.
//!
//! SQLite gives a copy a schema cookie of its own, by which a start sees that the copy is
//! whole and needs no log (architecture section 3.4).

use std::fs::{self, OpenOptions, TryLockError};
use std::io;
use std::ops::ControlFlow;
use std::os::unix::fs::{MetadataExt, OpenOptionsExt, PermissionsExt};
use std::path::{Path, PathBuf};
use std::thread;
use std::time::{Duration, Instant};

use rusqlite::backup::{Backup, StepResult};
use rusqlite::{Connection, OpenFlags, Transaction};

use crate::store::engine::files::{FILE_PERMISSIONS, is_there, sibling, sync_folder_of};
use crate::store::engine::sqlite::file::PARTIAL_SUFFIX;
use crate::store::engine::sqlite::lock::LockedFile;

/// The pages that one slice copies: 2 MiB, a few milliseconds of a disk's time.
const SLICE_PAGES: i32 = 1_024;
/// The longest time for which a copy waits for the locks of another program, and the pause
/// between two attempts.
const BUSY_TIME_MAX: Duration = Duration::from_secs(30);
const BUSY_PAUSE: Duration = Duration::from_millis(10);

/// The reason why a copy was not made.
#[derive(Debug, thiserror::Error)]
pub(crate) enum FileCopyError {
    /// The pages could not be read or written.
    #[error(transparent)]
    Sqlite(#[from] rusqlite::Error),
    /// A file could not be written.
    #[error(transparent)]
    Io(#[from] io::Error),
    /// Another copy with this name is being made.
    #[error("another backup with this name is being made")]
    InUse,
    /// Another program held its locks for too long.
    #[error("another program keeps the database locked; end it and try again")]
    Busy,
    /// The caller gave up.
    #[error("it was stopped")]
    Stopped,
}

/// A copy under its unfinished name. Dropping it removes the file, unless it was kept. A
/// killed process leaves the file to the next copy with this name, which writes it anew.
#[derive(Debug)]
pub(crate) struct Copying {
    path: PathBuf,
    /// Locked, so that no two processes write one copy.
    file: Option<LockedFile>,
}

impl Copying {
    /// Creates the file for a copy that is to have this name, private to its owner.
    ///
    /// # Errors
    ///
    /// [`FileCopyError::InUse`] if another process writes a copy with this name.
    pub(crate) fn begin(to: &Path) -> Result<Self, FileCopyError> {
        let path = sibling(to, PARTIAL_SUFFIX);
        let mut options = OpenOptions::new();
        options.read(true).write(true).create(true).truncate(false);
        let file = options.mode(FILE_PERMISSIONS).open(&path)?;
        let locked = LockedFile::lock(file).map_err(|error| match error {
            TryLockError::WouldBlock => FileCopyError::InUse,
            TryLockError::Error(cause) => cause.into(),
        })?;
        let file = locked.file();
        let (opened, named) = (file.metadata()?, fs::symlink_metadata(&path));
        // Another copy may have been finished, and renamed, before the lock was taken.
        if !named.is_ok_and(|named| (named.dev(), named.ino()) == (opened.dev(), opened.ino())) {
            return Err(FileCopyError::InUse);
        }
        // A file that was there may have other permissions.
        file.set_permissions(fs::Permissions::from_mode(FILE_PERMISSIONS))?;
        file.set_len(0)?;
        Ok(Self {
            path,
            file: Some(locked),
        })
    }

    /// Returns the path of the unfinished copy.
    pub(crate) fn path(&self) -> &Path {
        &self.path
    }

    /// Copies every page of the source's snapshot and syncs the copy. Calls `slice` with the
    /// pages that are copied and those of the whole file, after each slice.
    ///
    /// # Errors
    ///
    /// Fails if a page cannot be read or written, or `slice` breaks off. [`FileCopyError::Busy`]
    /// if another program holds its locks for half a minute.
    pub(crate) fn pages(
        &self,
        source: &Transaction<'_>,
        slice: &mut dyn FnMut(u64, u64) -> ControlFlow<()>,
    ) -> Result<(), FileCopyError> {
        let mut copy = Connection::open_with_flags(
            &self.path,
            OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_NO_MUTEX,
        )?;
        // A copy that is not whole is never used, so it needs no journal and is synced once.
        copy.pragma_update(None, "journal_mode", "OFF")?;
        copy.pragma_update(None, "synchronous", "OFF")?;
        let backup = Backup::new(source, &mut copy)?;
        let mut busy_since: Option<Instant> = None;
        loop {
            let step = backup.step(SLICE_PAGES)?;
            let progress = backup.progress();
            let pages = |count: i32| u64::try_from(count).unwrap_or_default();
            let all = pages(progress.pagecount);
            let asked = slice(all.saturating_sub(pages(progress.remaining)), all);
            match step {
                StepResult::Done => break,
                _ if asked.is_break() => return Err(FileCopyError::Stopped),
                StepResult::More => busy_since = None,
                _ => {
                    let since = *busy_since.get_or_insert_with(Instant::now);
                    if since.elapsed() > BUSY_TIME_MAX {
                        return Err(FileCopyError::Busy);
                    }
                    thread::sleep(BUSY_PAUSE);
                }
            }
        }
        drop(backup);
        copy.close().map_err(|(_, error)| error)?;
        Ok(self.sync()?)
    }

    /// Waits until the copy is on the disk.
    pub(crate) fn sync(&self) -> io::Result<()> {
        self.file.as_ref().map_or(Ok(()), |locked| locked.file().sync_all())
    }

    /// Returns true if the copy has its name.
    pub(crate) const fn is_kept(&self) -> bool {
        self.file.is_none()
    }

    /// Gives the copy its name, which must be free, and syncs the folder.
    ///
    /// # Errors
    ///
    /// Fails if there is such a file, or the folder cannot be written.
    pub(crate) fn keep_as(&mut self, to: &Path) -> io::Result<()> {
        if is_there(to) {
            return Err(io::ErrorKind::AlreadyExists.into());
        }
        fs::rename(&self.path, to)?;
        self.file = None;
        sync_folder_of(to)
    }
}

impl Drop for Copying {
    fn drop(&mut self) {
        if self.file.take().is_some() {
            // A file that cannot be removed is written anew by the next copy with this name.
            drop(fs::remove_file(&self.path));
        }
    }
}

/// Begins a snapshot of the source, which stays as it is until the transaction ends.
pub(crate) fn pin(source: &Connection) -> rusqlite::Result<Transaction<'_>> {
    let snapshot = source.unchecked_transaction()?;
    // SQLite takes the snapshot with the first read.
    snapshot.query_row("SELECT count(*) FROM sqlite_schema", [], |_| Ok(()))?;
    Ok(snapshot)
}
