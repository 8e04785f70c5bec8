//! References to blobs: the names of all files that some row uses.

use crate::domain::file::FileName;
use crate::store::engine::error::Error;
use crate::store::engine::sql::params;
use crate::store::tx::{Snapshot, Tx};

impl Snapshot<'_> {
    /// Returns true if a row refers to this file, or has referred to it before.
    pub(crate) fn is_file_referenced(&self, file: FileName) -> Result<bool, Error> {
        let exists = self
            .connection
            .prepare("SELECT 1 FROM file WHERE name = ?1")?
            .exists(params![file.to_string()])?;
        Ok(exists)
    }
}

impl Tx<'_> {
    /// Marks these files as referenced. The mark is never removed. A command must call this
    /// before it inserts the row that refers to them, which a foreign key checks.
    pub(crate) fn reference_files(&mut self, files: &[FileName]) -> Result<(), Error> {
        for file in files {
            self.connection
                .prepare("INSERT INTO file (name) VALUES (?1) ON CONFLICT (name) DO NOTHING")?
                .execute(params![file.to_string()])?;
        }
        Ok(())
    }
}
