//! `escrowd restore BACKUP TO`: puts a backup in the place of a database that no service uses.

use std::path::{Path, PathBuf};
use std::process::ExitCode;

use anyhow::ensure;

use crate::cli::backup::{described, with_progress};
use crate::cli::output::{GOOD, print_done, say};
use crate::cli::settings::FileParser;
use crate::clock::SystemClock;
use crate::config::Config;
use crate::domain::mode::Mode;
use crate::domain::time::{Clock, Timestamp};
use crate::store::{self, RequiredPurpose, Restored};

#[derive(Debug, clap::Args)]
pub(super) struct RestoreArguments {
    /// The backup
    #[arg(value_parser = FileParser)]
    backup: PathBuf,
    /// The database file
    #[arg(value_parser = FileParser)]
    to: PathBuf,
    /// Move a database that is there aside, with its log and its files; nothing is removed
    #[arg(long)]
    replace: bool,
}

const HOUR_MILLIS: i64 = 3_600_000;

/// Checks the backup and copies it to the database's place.
pub(super) fn run(arguments: &RestoreArguments) -> anyhow::Result<ExitCode> {
    let RestoreArguments { backup, to, replace } = arguments;
    put_in_place(backup, to, *replace, None)?;
    Ok(ExitCode::SUCCESS)
}

/// Restores a backup, and prints what was done. If that is not possible, the error says that it was
/// restored. If `required` is given, refuses a backup of another mode or currency.
pub(super) fn put_in_place(
    backup: &Path,
    to: &Path,
    replace: bool,
    required: Option<RequiredPurpose<'_>>,
) -> anyhow::Result<()> {
    let is_itself = matches!((backup.canonicalize(), to.canonicalize()), (Ok(backup), Ok(to)) if backup == to);
    ensure!(
        !is_itself,
        "{} is the backup itself: name the database whose place it takes",
        to.display()
    );
    let restored = with_progress(|on_step| store::restore(backup, to, replace, required, on_step))??;
    print_done(|| done(to, &restored), || print_restored(to, &restored));
    Ok(())
}

/// Describes a restore whose output cannot be written.
fn done(to: &Path, restored: &Restored) -> String {
    let aside = restored.aside.as_ref();
    let aside = aside.map(|aside| format!(", and the former database is now {}", aside.display()));
    let next = match restored.mode {
        Mode::Live => "; before you start the service, read docs/operating.md, Restore",
        Mode::Sandbox => "",
    };
    format!("{} is restored{}{next}", to.display(), aside.unwrap_or_default())
}

fn print_restored(to: &Path, restored: &Restored) {
    if let Some(aside) = &restored.aside {
        let moved = if aside.exists() {
            "The database that was there"
        } else {
            "The rest of a database that was there"
        };
        say!("{moved} is now {}; it was not removed.", aside.display());
    }
    say!("{}: {}", to.display(), described(&restored.made));
    if restored.made.transfers.is_some() {
        say!("{GOOD}The restored ledger is sound.{GOOD:#}");
    } else {
        say!(
            "{GOOD}Restored.{GOOD:#} It is of an earlier version: `escrowd serve` migrates it at its start, and then \
             `escrowd check` can audit it."
        );
    }
    if restored.mode == Mode::Live {
        tell_of_payouts();
        tell_of_clock(restored.made.newest_at);
    }
}

/// Says what to do before the first payment: the bank may have been asked for pay-outs since the backup,
/// also for some that the restored database does not know.
fn tell_of_payouts() {
    say!(
        "  note: before you export or pay any pay-out, find the files and payments of pay-outs that the bank got since \
         the backup, and record what it has paid: otherwise it is asked twice (docs/operating.md, Restore)."
    );
}

/// Says how to confirm the clock if a live service would take the backup's age for a wrong
/// clock.
fn tell_of_clock(newest: Option<Timestamp>) {
    let default = i64::try_from(Config::default().storage.clock_jump_hours_max).unwrap_or(i64::MAX);
    let now = SystemClock.now();
    let Some(newest) = newest.filter(|newest| newest.millis_later(default * HOUR_MILLIS) < now) else {
        return;
    };
    say!(
        "  note: the newest commit is of {newest}, more than {default} hours ago (storage.clock_jump_hours_max): the \
         service answers reads and refuses writes until you confirm that the clock is right. Start it once with \
         `escrowd serve --accept-clock`; what fell due since then is then due."
    );
}
