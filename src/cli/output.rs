//! Printing of lines, and of documents that other programs read, and the styles of what people read.

use std::fmt;
use std::io::{self, Write};
use std::panic::{self, AssertUnwindSafe};
use std::process::ExitCode;

use anstyle::{AnsiColor, Style};

pub(super) const BOLD: Style = Style::new().bold();
pub(super) const FAINT: Style = Style::new().dimmed();
pub(super) const GREEN: Style = AnsiColor::Green.on_default();
/// The style of a verdict that all is well.
pub(super) const GOOD: Style = GREEN.bold();
/// The style of a verdict that something is broken.
pub(super) const BAD: Style = AnsiColor::Red.on_default().bold();

/// The standard output took no more. [`print_line`] unwinds with it, so that a command cleans up on its
/// way out.
pub(super) struct NotPrinted {
    error: io::Error,
    /// The steps that the command has done before the error, and the way to go on.
    done: Option<String>,
}

/// Prints a line of text with its styles, as `println!` does. A command whose output cannot be
/// written ends there.
macro_rules! say {
    ($($text:tt)*) => {
        $crate::cli::output::print_line(format_args!($($text)*))
    };
}
pub(super) use say;

/// Prints a line, for [`say`].
pub(super) fn print_line(line: fmt::Arguments<'_>) {
    if let Err(error) = writeln!(anstream::stdout(), "{line}") {
        // The hook of panics says nothing of this.
        panic::resume_unwind(Box::new(NotPrinted { error, done: None }));
    }
}

/// Prints what a command has done, such as a secret that is shown once. If the output takes no more,
/// the command's error says that it was done, and how to go on.
pub(super) fn print_done(done: impl FnOnce() -> String, print: impl FnOnce()) {
    if let Err(payload) = panic::catch_unwind(AssertUnwindSafe(print)) {
        panic::resume_unwind(match payload.downcast::<NotPrinted>() {
            Ok(not_printed) => Box::new(NotPrinted {
                done: Some(done()),
                ..*not_printed
            }),
            Err(panic) => panic,
        });
    }
}

/// Runs a command. If its output cannot be written, it fails, and says so unless its reader has
/// gone, such as `head`, and nothing was done.
pub(super) fn catching(command: impl FnOnce() -> anyhow::Result<ExitCode>) -> anyhow::Result<ExitCode> {
    let outcome = panic::catch_unwind(AssertUnwindSafe(command));
    outcome.unwrap_or_else(|payload| match payload.downcast::<NotPrinted>() {
        Ok(not_printed) => match *not_printed {
            NotPrinted {
                error,
                done: Some(done),
            } => Err(anyhow::anyhow!("{}; {done}", not_written(&error))),
            NotPrinted { error, done: None } if error.kind() == io::ErrorKind::BrokenPipe => Ok(ExitCode::FAILURE),
            NotPrinted { error, done: None } => Err(not_written(&error)),
        },
        Err(panic) => panic::resume_unwind(panic),
    })
}

/// Prints a document to the standard output, with its colours only on a terminal.
///
/// # Errors
///
/// Fails if it cannot be written. A reader that has seen enough of it, such as `head`, is no
/// failure.
pub(super) fn print(document: &[u8]) -> anyhow::Result<ExitCode> {
    match anstream::stdout().write_all(document) {
        Err(error) if error.kind() != io::ErrorKind::BrokenPipe => Err(not_written(&error)),
        Ok(()) | Err(_) => Ok(ExitCode::SUCCESS),
    }
}

fn not_written(error: &io::Error) -> anyhow::Error {
    anyhow::anyhow!("the output cannot be written: {error}")
}
