//! Blobs: the pictures and the evidence that customers sent, in the folder beside the
//! database, each file under the hash of its content. The folder belongs to the
//! database and is backed up with it.
//!
//! A file is on the disk before the commit that refers to it (table `file` in
//! schema.sql), so every reference has its file. From the first byte until the outcome of
//! that commit is known, the file has a mark: an empty file of the same name in the folder
//! `incoming`. It means that perhaps no row refers to the file. After a refusal the caller
//! takes the mark off, which removes the file. After a crash the next start does so.
//!
//! The store only removes a marked file, and only if no row refers to it and no other
//! request has marked it, because two requests may send the same content.

use std::collections::HashMap;
use std::ffi::OsStr;
use std::fs::{self, DirBuilder, File, OpenOptions};
use std::io::{self, Write};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};

use rustix::fs::OFlags;
use tempfile::NamedTempFile;

use crate::domain::file::{FileKind, FileName};
use crate::store::engine::error::{Error, OpenError};
use crate::store::engine::file_content::{ContentError, OpenedFile};
use crate::store::engine::files::{FILE_PERMISSIONS, FOLDER_PERMISSIONS, remove_if_there, sibling, sync_folder_of};
use crate::store::engine::sqlite::blob_content;

const INCOMING: &str = "incoming";

/// Returns true if a row of the database refers to a file.
type IsReferenced = Box<dyn Fn(FileName) -> Result<bool, Error> + Send + Sync>;

/// The folder of blobs. It is created with the first file.
pub(crate) struct Blobs {
    root: PathBuf,
    is_referenced: IsReferenced,
    /// The marked files, each with the number of its marks: of the requests that have marked it
    /// and not taken the mark off yet.
    marked: Mutex<HashMap<FileName, usize>>,
}

impl Blobs {
    /// Opens the folder beside this database and takes off the marks that a crash left
    /// behind. From then on the folder counts as that of a whole database.
    pub(crate) fn open(
        database: &Path,
        is_referenced: impl Fn(FileName) -> Result<bool, Error> + Send + Sync + 'static,
    ) -> Result<Self, OpenError> {
        let blobs = Self {
            root: root_of(database),
            is_referenced: Box::new(is_referenced),
            marked: Mutex::default(),
        };
        let unmarked = mark_finished(database)
            .map_err(Error::from)
            .and_then(|()| blobs.unmark_leftovers());
        unmarked.map_err(|cause| OpenError::Store {
            path: blobs.root.clone(),
            cause,
        })?;
        Ok(blobs)
    }

    /// Writes all of these files or none, and returns their names. Each file is then
    /// synced to the disk and has one mark more.
    pub(crate) fn keep(&self, files: &[(FileKind, Vec<u8>)]) -> Result<Vec<FileName>, Error> {
        let mut kept = Vec::with_capacity(files.len());
        for (kind, bytes) in files {
            let name = FileName::of(*kind, bytes);
            let outcome = self.mark(name).and_then(|()| {
                kept.push(name);
                self.write(name, bytes)
            });
            if let Err(cause) = outcome {
                if let Err(problem) = self.unmark(&kept) {
                    log::warn!("uploaded files could not be removed before the next start: {problem}");
                }
                return Err(cause);
            }
        }
        Ok(kept)
    }

    /// Takes one mark off each of these files. Removes a file without further marks if
    /// no row refers to it. A file that cannot be removed stays until the next start.
    ///
    /// # Errors
    ///
    /// The first error of all files. The others have lost their mark.
    pub(crate) fn unmark(&self, files: &[FileName]) -> Result<(), Error> {
        let mut outcome = Ok(());
        for &file in files {
            let mut marked = self.marked.lock().unwrap_or_else(PoisonError::into_inner);
            match marked.get_mut(&file) {
                Some(requests) if *requests > 1 => *requests -= 1,
                _ => {
                    marked.remove(&file);
                    outcome = outcome.and(self.unmark_last(file));
                }
            }
        }
        outcome
    }

    /// Opens a file for reading and checks its content.
    pub(crate) fn open_file(&self, file: FileName) -> Result<OpenedFile, Error> {
        match blob_content::open(&self.path_of(file), file) {
            Ok((content, bytes)) => Ok(OpenedFile::Whole { content, bytes }),
            Err(ContentError::Missing(_)) => Ok(OpenedFile::Missing),
            Err(ContentError::Io { cause, .. }) => Err(cause.into()),
            Err(damage @ (ContentError::Changed(_) | ContentError::NotRegular(_))) => {
                Ok(OpenedFile::Damaged(damage.to_string()))
            }
        }
    }

    fn mark(&self, file: FileName) -> Result<(), Error> {
        let mut marked = self.marked.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(requests) = marked.get_mut(&file) {
            *requests += 1;
            return Ok(());
        }
        make_folder(&self.root)?;
        make_folder(&self.incoming())?;
        make_mark(&self.mark_of(file))?;
        marked.insert(file, 1);
        Ok(())
    }

    /// Writes a marked file unless it exists with this content. In both cases waits until its
    /// name is synced: another request may have created it a moment ago.
    fn write(&self, file: FileName, bytes: &[u8]) -> Result<(), Error> {
        let path = self.path_of(file);
        if let Some(folder) = path.parent() {
            make_folder(folder)?;
        }
        let existing = blob_content::open(&path, file);
        if let Err(problem @ (ContentError::Changed(_) | ContentError::NotRegular(_))) = &existing {
            log::warn!("{problem}; it was uploaded again, and takes its place");
        }
        if existing.is_err() {
            // A temporary file has the owner's permissions only, and vanishes on failure.
            let mut temporary = NamedTempFile::new_in(self.incoming())?;
            temporary.write_all(bytes)?;
            temporary.as_file().sync_all()?;
            temporary.persist(&path).map_err(|error| error.error)?;
        }
        let up_to_the_database = path.ancestors().take(3);
        Ok(up_to_the_database.into_iter().try_for_each(sync_folder_of)?)
    }

    /// Removes the last mark of a file. Before it, removes the file if no row refers to
    /// it.
    fn unmark_last(&self, file: FileName) -> Result<(), Error> {
        if !(self.is_referenced)(file)? {
            remove_if_there(&self.path_of(file))?;
        }
        Ok(remove_if_there(&self.mark_of(file))?)
    }

    fn unmark_leftovers(&self) -> Result<(), Error> {
        let entries = match fs::read_dir(self.incoming()) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
            entries => entries?,
        };
        for entry in entries {
            let entry = entry?;
            match entry.file_name().to_str().and_then(FileName::parse) {
                Some(file) => self.unmark_last(file)?,
                None => remove_if_there(&entry.path())?,
            }
        }
        Ok(())
    }

    fn path_of(&self, file: FileName) -> PathBuf {
        path_in(&self.root, file)
    }

    fn mark_of(&self, file: FileName) -> PathBuf {
        self.incoming().join(file.to_string())
    }

    fn incoming(&self) -> PathBuf {
        self.root.join(INCOMING)
    }
}

/// Returns the folder of the files beside a database.
pub(crate) fn root_of(database: &Path) -> PathBuf {
    sibling(database, "-files")
}

/// The first byte of its hash chooses the folder of a file.
fn path_in(root: &Path, file: FileName) -> PathBuf {
    root.join(hex::encode(&file.hash[..1])).join(file.to_string())
}

/// Checks that the folder beside a database has this file, complete or not.
pub(crate) fn check_presence(database: &Path, file: FileName) -> Result<(), ContentError> {
    blob_content::check_presence(&path_in(&root_of(database), file), file)
}

fn make_folder(path: &Path) -> io::Result<()> {
    match DirBuilder::new().mode(FOLDER_PERMISSIONS).create(path) {
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => Ok(()),
        made => made,
    }
}

/// The mark in a folder of files whose database does not exist yet, or may be gone already.
const UNFINISHED_MARKER: &str = "unfinished";

/// Returns the content of a file beside a database.
///
/// # Errors
///
/// Fails if it is not there, or not with the content that it had.
pub(crate) fn content(database: &Path, file: FileName) -> Result<Vec<u8>, ContentError> {
    blob_content::read(&path_in(&root_of(database), file), file)
}

/// Makes an empty file, unless it exists. A pipe of its name is an error, and not waited for.
fn make_mark(path: &Path) -> io::Result<()> {
    let mut mark = OpenOptions::new();
    mark.write(true).create(true).truncate(false);
    mark.mode(FILE_PERMISSIONS)
        .custom_flags(OFlags::NONBLOCK.bits().cast_signed());
    mark.open(path).map(drop)
}

/// Creates the folder of files of a copy, with the mark that its database is not whole yet.
pub(crate) fn begin_unfinished(copy: &Path) -> io::Result<()> {
    let root = root_of(copy);
    make_folder(&root)?;
    make_mark(&root.join(UNFINISHED_MARKER))
}

/// Marks the folder of files beside a database that is about to be removed, if there is one: as the
/// files of a copy, they can be removed without the database. [`mark_finished`] takes the mark off.
pub(crate) fn begin_removal(database: &Path) -> io::Result<()> {
    let root = root_of(database);
    if !root.is_dir() {
        return Ok(());
    }
    make_mark(&root.join(UNFINISHED_MARKER))?;
    File::open(&root)?.sync_all()
}

/// Writes a file of a copy and syncs it. [`sync_all`] syncs its name.
pub(crate) fn write_copy(copy: &Path, file: FileName, bytes: &[u8]) -> io::Result<()> {
    let path = path_in(&root_of(copy), file);
    if let Some(folder) = path.parent() {
        make_folder(folder)?;
    }
    let mut options = OpenOptions::new();
    options.write(true).create_new(true).mode(FILE_PERMISSIONS);
    let mut written = options.open(&path)?;
    written.write_all(bytes)?;
    written.sync_all()
}

/// Syncs the folders of a copy's files.
pub(crate) fn sync_all(copy: &Path) -> io::Result<()> {
    let root = root_of(copy);
    for entry in fs::read_dir(&root)? {
        let path = entry?.path();
        if path.is_dir() {
            File::open(path)?.sync_all()?;
        }
    }
    File::open(&root)?.sync_all()?;
    sync_folder_of(&root)
}

/// Returns true if the files beside this path are those of a copy that is not whole or of a database
/// that is being removed, or if their folder is empty, which the removal of such a copy may leave.
pub(crate) fn is_unfinished(copy: &Path) -> bool {
    let root = root_of(copy);
    root.join(UNFINISHED_MARKER).exists() || fs::read_dir(root).is_ok_and(|mut entries| entries.next().is_none())
}

/// Returns true if the folder of files beside this path may be what a killed process has left of
/// a copy: it has nothing but folders of files and the mark.
pub(crate) fn may_be_unfinished(copy: &Path) -> bool {
    let is_of_copy = |name: &OsStr| {
        let name = name.as_encoded_bytes();
        name == UNFINISHED_MARKER.as_bytes() || (name.len() == 2 && name.iter().all(u8::is_ascii_hexdigit))
    };
    let mut entries = fs::read_dir(root_of(copy)).into_iter().flatten();
    root_of(copy).is_dir() && entries.all(|entry| entry.is_ok_and(|entry| is_of_copy(&entry.file_name())))
}

/// Gives the folder of a copy's files the name that belongs to `to`, if there is a folder.
pub(crate) fn rename_all(copy: &Path, to: &Path) -> io::Result<()> {
    match fs::rename(root_of(copy), root_of(to)) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
        renamed => renamed.and_then(|()| sync_folder_of(to)),
    }
}

/// Removes the mark, when the database has its name, and syncs that. A lasting mark would let
/// a later backup take the folder for one of its own.
pub(crate) fn mark_finished(database: &Path) -> io::Result<()> {
    let mark = root_of(database).join(UNFINISHED_MARKER);
    match fs::remove_file(&mark) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
        removed => removed.and_then(|()| sync_folder_of(&mark)),
    }
}

/// Removes the folder of the files beside this path, if there is one. The mark is removed last, so
/// that what a killed process leaves is still that of a copy.
pub(crate) fn remove_all(database: &Path) -> io::Result<()> {
    let root = root_of(database);
    let entries = match fs::read_dir(&root) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
        entries => entries?,
    };
    for entry in entries {
        let entry = entry?;
        if entry.file_type()?.is_dir() {
            fs::remove_dir_all(entry.path())?;
        } else if entry.file_name() != UNFINISHED_MARKER {
            fs::remove_file(entry.path())?;
        }
    }
    fs::remove_dir_all(root)
}

#[cfg(test)]
mod tests {
    use tempfile::TempDir;

    use super::*;

    /// Returns a folder of blobs whose database cannot tell if a row refers to one of these files.
    fn blobs(unknown: &'static [u8]) -> (TempDir, Blobs) {
        let folder = tempfile::tempdir().unwrap();
        let unknown = FileName::of(FileKind::Png, unknown);
        let is_referenced = move |file| {
            if file == unknown {
                Err(Error::NoReader("all are in use".to_owned()))
            } else {
                Ok(false)
            }
        };
        let blobs = Blobs::open(&folder.path().join("escrowd.db"), is_referenced).unwrap();
        (folder, blobs)
    }

    fn file(bytes: &[u8]) -> (FileKind, Vec<u8>) {
        (FileKind::Png, bytes.to_vec())
    }

    #[test]
    fn a_file_whose_mark_stays_keeps_no_other_from_losing_its_own() {
        let (_folder, blobs) = blobs(b"one");
        let names = blobs.keep(&[file(b"one"), file(b"two"), file(b"three")]).unwrap();
        let outcome = blobs.unmark(&names);
        assert!(matches!(outcome, Err(Error::NoReader(_))), "{outcome:?}");
        let is_there = |name: &FileName| blobs.path_of(*name).exists();
        assert_eq!(names.iter().map(is_there).collect::<Vec<_>>(), [true, false, false]);
        assert!(blobs.marked.lock().unwrap().is_empty());
        assert!(!blobs.mark_of(names[1]).exists() && blobs.mark_of(names[0]).exists());
    }

    #[test]
    fn a_failed_clean_up_does_not_hide_its_cause() {
        let (_folder, blobs) = blobs(b"one");
        let taken = blobs.path_of(FileName::of(FileKind::Png, b"two"));
        fs::create_dir_all(taken).unwrap();
        let outcome = blobs.keep(&[file(b"one"), file(b"two")]);
        assert!(matches!(outcome, Err(Error::Files(_))), "{outcome:?}");
    }
}
