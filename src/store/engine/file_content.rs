//! The content of uploaded files, whichever engine keeps it.

use std::fs::File;
use std::io;

use crate::domain::file::FileName;

/// A file that was opened for reading.
#[derive(Debug)]
pub enum OpenedFile {
    /// The file with the content that it had when it was sent, and its length in bytes.
    Whole {
        /// The file, at its beginning.
        content: File,
        /// Its length.
        bytes: u64,
    },
    /// It does not exist.
    Missing,
    /// It was changed or cut off since, or something else has its name. Holds the problem.
    Damaged(String),
}

/// The reason why the content of a file cannot be had.
#[derive(Debug, thiserror::Error)]
pub(crate) enum ContentError {
    #[error("file {0} is missing")]
    Missing(FileName),
    #[error("the content of file {0} is not the one that it had")]
    Changed(FileName),
    /// A folder, a named pipe, a socket or a device has its name.
    #[error("file {0} is not a regular file")]
    NotRegular(FileName),
    #[error("file {file} cannot be read: {cause}")]
    Io { file: FileName, cause: io::Error },
}
