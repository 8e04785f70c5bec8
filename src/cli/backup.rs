//! `escrowd backup FROM TO`: copies a database, also while a service uses it.

use std::ops::ControlFlow;
use std::path::PathBuf;
use std::process::ExitCode;

use indicatif::{ProgressBar, ProgressStyle};

use crate::cli::output::{GOOD, print_done, say};
use crate::cli::settings::FileParser;
use crate::store::{self, Backup, OnStep, Step};

#[derive(Debug, clap::Args)]
pub(super) struct BackupArguments {
    /// The database file
    #[arg(value_parser = FileParser)]
    from: PathBuf,
    /// The backup, which must not exist yet
    #[arg(value_parser = FileParser)]
    to: PathBuf,
}

/// Makes the backup and checks it. Nothing is left under its name if it fails.
pub(super) fn run(arguments: &BackupArguments) -> anyhow::Result<ExitCode> {
    let made = with_progress(|on_step| store::backup(&arguments.from, &arguments.to, on_step))??;
    let to = arguments.to.display();
    let done = || format!("the backup {to} was made, and is sound");
    print_done(done, || {
        say!("{to}: {}", described(&made));
        say!("{GOOD}The backup is sound:{GOOD:#} `escrowd restore` puts it in the place of a database.");
    });
    Ok(ExitCode::SUCCESS)
}

/// Describes a backup in a few words.
pub(super) fn described(made: &Backup) -> String {
    let transfers = made.transfers.map(|transfers| format!("transfers {transfers}, "));
    let newest = made.newest_at.map(|at| format!(", newest commit of {at}"));
    format!(
        "{}files {}, bytes {}{}",
        transfers.unwrap_or_default(),
        made.files,
        made.bytes,
        newest.unwrap_or_default()
    )
}

/// Does the work of a backup beside a bar for its steps, which shows only on a terminal.
pub(super) fn with_progress<T>(work: impl FnOnce(OnStep<'_>) -> T) -> anyhow::Result<T> {
    let bar = ProgressBar::new(0);
    let style = ProgressStyle::with_template("{bar:40} {pos}/{len} {msg} {eta}")?;
    let done = work(&mut |step| {
        let (done, all, unit) = match step {
            Step::Pages { done, all, .. } => (done, all, "pages copied"),
            Step::Files { done, all } => (done, all, "files copied"),
            Step::Audit { done, all } => (done, all, "transfers checked"),
        };
        if bar.message() != unit {
            bar.set_style(style.clone());
            bar.set_message(unit);
            bar.reset_eta();
        }
        bar.set_length(all);
        bar.set_position(done);
        ControlFlow::Continue(())
    });
    bar.finish_and_clear();
    Ok(done)
}
