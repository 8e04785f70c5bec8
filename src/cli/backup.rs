//! `escrowd backup FROM TO`: copies a database, also while a service uses it.

use std::ops::ControlFlow;
use std::path::PathBuf;
use std::process::ExitCode;

use indicatif::{ProgressBar, ProgressStyle};

use crate::cli::output::{GOOD, say};
use crate::cli::settings::FileParser;
use crate::store::{self, Backup, Step};

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
    let mut progress = Progress::new()?;
    let made = store::backup(&arguments.from, &arguments.to, &mut |step| progress.show(step));
    progress.clear();
    let made = made?;
    say!("{}: {}", arguments.to.display(), described(&made));
    say!("{GOOD}The backup is sound:{GOOD:#} `escrowd restore` puts it in the place of a database.");
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

/// A bar for the steps of a backup, which shows only on a terminal.
pub(super) struct Progress {
    bar: ProgressBar,
    style: ProgressStyle,
}

impl Progress {
    pub(super) fn new() -> anyhow::Result<Self> {
        Ok(Self {
            bar: ProgressBar::new(0),
            style: ProgressStyle::with_template("{bar:40} {pos}/{len} {msg} {eta}")?,
        })
    }

    pub(super) fn show(&mut self, step: Step) -> ControlFlow<()> {
        let (done, all, unit) = match step {
            Step::Pages { done, all, .. } => (done, all, "pages copied"),
            Step::Files { done, all } => (done, all, "files copied"),
            Step::Audit { done, all } => (done, all, "transfers checked"),
        };
        if self.bar.message() != unit {
            self.bar.set_style(self.style.clone());
            self.bar.set_message(unit);
            self.bar.reset_eta();
        }
        self.bar.set_length(all);
        self.bar.set_position(done);
        ControlFlow::Continue(())
    }

    pub(super) fn clear(&self) {
        self.bar.finish_and_clear();
    }
}
