//! One file belongs to one server. The lock is on a file beside the database,
//! because closing any handle of the database file itself would drop SQLite's
//! own locks on it.

use std::fs::{File, OpenOptions, TryLockError};
use std::io::{Read, Seek, Write};
use std::path::Path;

use crate::store::engine::error::OpenError;
use crate::store::engine::file::sibling;

/// Held as long as this lives; the system lets go when the process dies.
#[derive(Debug)]
pub(crate) struct InstanceLock {
    _file: File,
}

impl InstanceLock {
    /// Takes the lock of this database and writes down who has it.
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
