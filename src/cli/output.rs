//! Printing of documents that other programs read, and the styles of what people read.

use std::io::{self, Write};
use std::process::ExitCode;

use anstyle::{AnsiColor, Style};

pub(super) const BOLD: Style = Style::new().bold();
pub(super) const FAINT: Style = Style::new().dimmed();
pub(super) const GREEN: Style = AnsiColor::Green.on_default();
/// The style of a verdict that all is well.
pub(super) const GOOD: Style = GREEN.bold();
/// The style of a verdict that something is broken.
pub(super) const BAD: Style = AnsiColor::Red.on_default().bold();

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
