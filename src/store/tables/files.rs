//! References to blobs: the names of all files that some row uses.

use crate::domain::file::FileName;
use crate::store::engine::error::Error;
use crate::store::engine::sql::params;
use crate::store::tables::columns::{read_all, row};
use crate::store::tx::{Snapshot, Tx};

row! {
    /// The content of a file in the database.
    struct ContentRow, content_columns! {
        name: FileName,
    }
}

/// The condition on the content of a file that nothing uses.
macro_rules! is_unused {
    () => {
        "kept_at < now() - interval '1 day' AND NOT EXISTS (SELECT 1 FROM file WHERE file.name = file_content.name)"
    };
}

impl Snapshot<'_> {
    /// Returns true if a row refers to this file, or has referred to it before.
    pub(crate) fn is_file_referenced(&self, file: FileName) -> Result<bool, Error> {
        self.connection
            .prepare("SELECT 1 FROM file WHERE name = ?1")?
            .exists(params![file.to_string()])
    }

    /// Returns the names of at most this many files whose content is in the database, that were
    /// uploaded more than a day ago and that no row names. Files beside the database are removed
    /// when their command has ended.
    pub fn unused_files(&self, files_max: u32) -> Result<Vec<FileName>, Error> {
        if !self.connection.is_server() {
            return Ok(Vec::new());
        }
        let mut statement = self.connection.prepare(concat!(
            "SELECT ",
            content_columns!(),
            " FROM file_content WHERE ",
            is_unused!(),
            " LIMIT ?1"
        ))?;
        read_all(statement.query(params![files_max])?, |row| {
            Ok(ContentRow::read(row)?.name)
        })
    }
}

impl Tx<'_> {
    /// Removes the content of these files, except those that were uploaded again or referred to since
    /// [`Snapshot::unused_files`] returned them.
    pub fn remove_unused_files(&mut self, names: &[FileName]) -> Result<(), Error> {
        let sql = concat!("DELETE FROM file_content WHERE name = ?1 AND ", is_unused!());
        for name in names {
            self.connection.prepare(sql)?.execute(params![name.to_string()])?;
        }
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
