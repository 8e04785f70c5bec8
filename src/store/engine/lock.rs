//! The lock that gives a database file to one server at a time. It is on a file of its
//! own beside the database, because closing any handle of the database file drops
//! SQLite's locks on it.

use std::fs::{File, OpenOptions, TryLockError};
use std::io::{Read, Seek, Write};
use std::path::Path;

use crate::store::engine::error::OpenError;
use crate::store::engine::file::sibling;

/// A held lock. Dropping it, or the death of the process, releases the lock.
#[derive(Debug)]
pub(crate) struct InstanceLock {
    _file: File,
}

impl InstanceLock {
    /// Takes the lock of this database and writes the process id into it.
    ///
    /// # Errors
    ///
    /// [`OpenError::InUse`] when another process holds the lock.
    pub(crate) fn take(database: &Path) -> Result<Self, OpenError> {
        let path = sibling(database, ".lock");
        let io = |cause| OpenError::Io {
            path: path.clone(),
            cause,
        };
        let mut file = OpenOptions::new()
            .read(true)
            .write(true)
            .create(true)
            .truncate(false)
            .open(&path)
            .map_err(io)?;
        match file.try_lock() {
            Ok(()) => {}
            Err(TryLockError::WouldBlock) => {
                let mut holder = String::new();
                file.read_to_string(&mut holder).map_err(io)?;
                let holder = if holder.is_empty() {
                    "another server"
                } else {
                    holder.trim_end()
                };
                return Err(OpenError::InUse {
                    path: database.to_owned(),
                    holder: holder.to_owned(),
                });
            }
            Err(TryLockError::Error(cause)) => return Err(io(cause)),
        }
        file.set_len(0).map_err(io)?;
        file.rewind().map_err(io)?;
        writeln!(file, "the escrowd server with process id {}", std::process::id()).map_err(io)?;
        Ok(Self { _file: file })
    }
}
