//! The folder of files beside the database: what customers sent, each file under
//! the hash of what is in it. It belongs to the database and is backed up with it.
//!
//! A file reaches the disk before the commit that names it (`file` in schema.sql),
//! so a name never leads nowhere. From its first byte until the outcome of that
//! commit is known there is a mark of its name in `incoming`: what was refused is
//! removed then, and what a crash left behind at the next start. Only marked files
//! are ever removed, and never one that is named or that another request has marked
//! too, since both may have sent the same.

use std::collections::HashMap;
use std::fs::{self, DirBuilder, OpenOptions};
use std::io::{self, Write};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};

use tempfile::NamedTempFile;

use crate::domain::file::{FileKind, FileName};
use crate::store::engine::error::{Error, OpenError};
use crate::store::engine::file::{sibling, sync_folder_of};
use crate::store::engine::readers::Readers;
use crate::store::tx::{Snapshot, Tx};

/// Only the owner reads and writes what belongs to a ledger.
const FILE_PERMISSIONS: u32 = 0o600;
const FOLDER_PERMISSIONS: u32 = 0o700;
const INCOMING: &str = "incoming";

/// The folder. It is made with the first file.
pub(crate) struct Blobs {
    root: PathBuf,
    readers: Arc<Readers>,
    /// For each file with a mark, how many requests wait to know its outcome.
    marked: Mutex<HashMap<FileName, usize>>,
}

impl Blobs {
    /// The folder of this database. Removes what requests that a crash cut off have
    /// left in it.
    pub(crate) fn open(database: &Path, readers: Arc<Readers>) -> Result<Self, OpenError> {
        let folder = Self {
            root: sibling(database, "-files"),
            readers,
            marked: Mutex::default(),
        };
        folder.settle_leftovers().map_err(|cause| OpenError::Store {
            path: folder.root.clone(),
            cause,
        })?;
        Ok(folder)
    }

    /// Keeps all of these files or none, and answers their names; each is marked once
    /// more and on the disk.
    pub(crate) fn keep(&self, files: &[(FileKind, Vec<u8>)]) -> Result<Vec<FileName>, Error> {
        let mut kept = Vec::with_capacity(files.len());
        for (kind, bytes) in files {
            let name = FileName::of(*kind, bytes);
            let outcome = self.mark(name).and_then(|()| {
                kept.push(name);
                self.write(name, bytes)
            });
            if let Err(cause) = outcome {
                self.settle(&kept)?;
                return Err(cause);
            }
        }
        Ok(kept)
    }

    /// Takes a mark off each of these files, and removes one that has no other and
    /// that nothing names.
    pub(crate) fn settle(&self, files: &[FileName]) -> Result<(), Error> {
        for &file in files {
            let mut marked = self.marked.lock().unwrap_or_else(PoisonError::into_inner);
            match marked.get_mut(&file) {
                Some(requests) if *requests > 1 => *requests -= 1,
                _ => {
                    marked.remove(&file);
                    self.settle_last(file)?;
                }
            }
        }
        Ok(())
    }

    /// What is in this file, if there is one.
    pub(crate) fn read(&self, file: FileName) -> Result<Option<Vec<u8>>, Error> {
        match fs::read(self.path_of(file)) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
            read => Ok(Some(read?)),
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
        let mut mark = OpenOptions::new();
        mark.write(true).create(true).truncate(false).mode(FILE_PERMISSIONS);
        mark.open(self.mark_of(file))?;
        marked.insert(file, 1);
        Ok(())
    }

    /// Writes a marked file, unless it is there already; then it may still be on its way
    /// to the disk, which is waited for in either case.
    fn write(&self, file: FileName, bytes: &[u8]) -> Result<(), Error> {
        let path = self.path_of(file);
        if let Some(folder) = path.parent() {
            make_folder(folder)?;
        }
        if !fs::exists(&path)? {
            // Readable and writable by the owner only, and gone if it goes wrong.
            let mut temporary = NamedTempFile::new_in(self.incoming())?;
            temporary.write_all(bytes)?;
            temporary.as_file().sync_all()?;
            temporary.persist(&path).map_err(|error| error.error)?;
        }
        let up_to_the_database = path.ancestors().take(3);
        Ok(up_to_the_database.into_iter().try_for_each(sync_folder_of)?)
    }

    /// Removes the mark, and before it the file if nothing names it.
    fn settle_last(&self, file: FileName) -> Result<(), Error> {
        if !self.readers.read(|snapshot| snapshot.names_file(file))? {
            remove(&self.path_of(file))?;
        }
        Ok(remove(&self.mark_of(file))?)
    }

    fn settle_leftovers(&self) -> Result<(), Error> {
        let entries = match fs::read_dir(self.incoming()) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
            entries => entries?,
        };
        for entry in entries {
            let entry = entry?;
            match entry.file_name().to_str().and_then(FileName::parse) {
                Some(file) => self.settle_last(file)?,
                None => remove(&entry.path())?,
            }
        }
        Ok(())
    }

    /// Files are spread over folders by how their hash begins.
    fn path_of(&self, file: FileName) -> PathBuf {
        self.root.join(hex::encode(&file.hash[..1])).join(file.to_string())
    }

    fn mark_of(&self, file: FileName) -> PathBuf {
        self.incoming().join(file.to_string())
    }

    fn incoming(&self) -> PathBuf {
        self.root.join(INCOMING)
    }
}

impl Snapshot<'_> {
    /// Whether anything names this file.
    fn names_file(&self, file: FileName) -> Result<bool, Error> {
        let exists = self
            .connection
            .prepare_cached("SELECT 1 FROM file WHERE name = ?1")?
            .exists([file.to_string()])?;
        Ok(exists)
    }
}

impl Tx<'_> {
    /// Something names these files from now on. Comes before the row that does.
    pub(crate) fn name_files(&mut self, files: &[FileName]) -> Result<(), Error> {
        for file in files {
            self.connection
                .prepare_cached("INSERT INTO file (name) VALUES (?1) ON CONFLICT (name) DO NOTHING")?
                .execute([file.to_string()])?;
        }
        Ok(())
    }
}

fn make_folder(path: &Path) -> io::Result<()> {
    match DirBuilder::new().mode(FOLDER_PERMISSIONS).create(path) {
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => Ok(()),
        made => made,
    }
}

fn remove(path: &Path) -> io::Result<()> {
    match fs::remove_file(path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
        removed => removed,
    }
}
