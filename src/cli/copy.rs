//! `escrowd copy FROM TO`: copies a database from one engine to the other.

use std::process::ExitCode;
use std::time::Duration;

use indicatif::ProgressBar;

use crate::cli::output::{GOOD, print_done, say};
use crate::cli::settings::PlaceParser;
use crate::entropy::SystemEntropy;
use crate::store::{self, CopyStep, Place};

#[derive(Debug, clap::Args)]
pub(super) struct CopyArguments {
    /// The database file, or the URL of a PostgreSQL database; no service may use it
    #[arg(value_parser = PlaceParser)]
    from: Place,
    /// The URL of an empty PostgreSQL database, or a file that does not exist yet
    #[arg(value_parser = PlaceParser)]
    to: Place,
}

/// Copies the database, compares the copy with it, and checks it. Nothing is left at the target
/// if it fails.
pub(super) fn run(arguments: &CopyArguments) -> anyhow::Result<ExitCode> {
    let CopyArguments { from, to } = arguments;
    let spinner = ProgressBar::new_spinner();
    spinner.enable_steady_tick(Duration::from_millis(100));
    let copied = store::copy(from, to, &mut SystemEntropy::new(), &mut |step| {
        spinner.set_message(match step {
            CopyStep::Files { done } => format!("{done} files copied"),
            CopyStep::Rows { table, done } => format!("{done} rows of {table} copied"),
            CopyStep::Compared { table, done } => format!("{done} rows of {table} compared"),
            CopyStep::Audit { done, all } => format!("{done} of {all} transfers checked"),
        });
    });
    spinner.finish_and_clear();
    let store::Copied {
        transfers,
        rows,
        files,
        merchants,
    } = copied?;
    let next = || format!("start the service on {to}, and let none start on {from} again");
    let done = || format!("the copy {to} was made, and is sound: {}", next());
    print_done(done, || {
        say!(
            "{to}: transfers {transfers}, rows {rows}, files {files}; every row, the position and the chain heads of \
             {merchants} merchants agree"
        );
        say!("{GOOD}The copy is sound:{GOOD:#} {}.", next());
    });
    Ok(ExitCode::SUCCESS)
}
