//! References to blobs: the names of all files that some row uses.

use crate::domain::file::FileName;
use crate::store::engine::error::Error;
use crate::store::engine::sql::params;
use crate::store::tx::{Snapshot, Tx};

impl Snapshot<'_> {
    /// Returns true if a row refers to this file, or has referred to it before.
    pub(crate) fn is_file_referenced(&self, file: FileName) -> Result<bool, Error> {
        self.connection
            .prepare("SELECT 1 FROM file WHERE name = ?1")?
            .exists(params![file.to_string()])
    }
}

impl Tx<'_> {
    /// Removes the content of files that are in the database and that no command has referred to
    /// within a day. Files beside the database are removed when their command has ended.
    pub fn remove_unused_files(&mut self) -> Result<(), Error> {
        if !self.connection.is_server() {
            return Ok(());
        }
        self.connection
            .prepare(
                "DELETE FROM file_content WHERE kept_at < now() - interval '1 day'
                 AND NOT EXISTS (SELECT 1 FROM file WHERE file.name = file_content.name)",
            )?
            .execute(params![])?;
        Ok(())
    }

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
