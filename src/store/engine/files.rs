//! The file system, as the parts of the store use it.

use std::fs::{self, File};
use std::io;
use std::path::{Path, PathBuf};

/// Only the owner may read and write a file of a ledger.
pub(crate) const FILE_PERMISSIONS: u32 = 0o600;
/// Only the owner may enter a folder of a ledger or of its backups.
pub(crate) const FOLDER_PERMISSIONS: u32 = 0o700;

/// Returns true if there is something with this path, also a symbolic link that leads nowhere.
pub(crate) fn is_there(path: &Path) -> bool {
    fs::symlink_metadata(path).is_ok()
}

/// Appends a suffix to the file name of a path.
pub(crate) fn sibling(path: &Path, suffix: &str) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(suffix);
    PathBuf::from(name)
}

/// Returns the folder that has this path.
pub(crate) fn folder_of(path: &Path) -> &Path {
    let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty());
    folder.unwrap_or(Path::new("."))
}

/// Syncs the folder of this path, so that creating, renaming or removing the path
/// survives a power failure.
pub(crate) fn sync_folder_of(path: &Path) -> io::Result<()> {
    File::open(folder_of(path))?.sync_all()
}

/// Removes a file, if there is one.
pub(crate) fn remove_if_there(path: &Path) -> io::Result<()> {
    match fs::remove_file(path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
        removed => removed,
    }
}

/// Returns the free room in the file system of a folder, in bytes, or `None` if it cannot be asked.
pub(crate) fn free_bytes(folder: &Path) -> Option<u64> {
    let system = rustix::fs::statvfs(folder).ok()?;
    Some(system.f_bavail.saturating_mul(system.f_frsize))
}
