//! Printing of documents that other programs read.

use std::io::{self, Write};
use std::process::ExitCode;

/// Prints a document to the standard output, with its colours only on a terminal.
///
/// # Errors
///
/// Fails if it cannot be written. A reader that has seen enough of it, such as `head`, is no
/// failure.
pub(super) fn print(document: &[u8]) -> anyhow::Result<ExitCode> {
    match anstream::stdout().write_all(document) {
        Err(error) if error.kind() != io::ErrorKind::BrokenPipe => Err(error.into()),
        Ok(()) | Err(_) => Ok(ExitCode::SUCCESS),
    }
}
