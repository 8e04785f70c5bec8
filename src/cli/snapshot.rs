//! `escrowd snapshot save|load`: saves the state of a sandbox for tests, and puts it back.

use std::path::PathBuf;
use std::process::ExitCode;

use anyhow::bail;
use clap::Subcommand;

use crate::cli::backup::{described, with_progress};
use crate::cli::output::{print_done, say};
use crate::cli::restore::put_in_place;
use crate::cli::settings::{FileParser, PlaceParser, variables};
use crate::config::{Config, Flags};
use crate::domain::mode::Mode;
use crate::store::{self, Place, RequiredPurpose};

#[derive(Debug, clap::Args)]
pub(super) struct SnapshotArguments {
    #[command(subcommand)]
    command: SnapshotCommand,
    /// Configuration file [default: config.toml, if there is one]
    #[arg(long, value_name = "FILE", global = true)]
    config: Option<PathBuf>,
    /// Database file of the sandbox [default: that of the configuration]
    #[arg(long, value_name = "FILE", global = true, value_parser = PlaceParser)]
    database: Option<Place>,
}

#[derive(Debug, Subcommand)]
enum SnapshotCommand {
    /// Copy the sandbox's database, also while a service uses it
    Save {
        /// The snapshot, which must not exist yet
        #[arg(value_parser = FileParser)]
        to: PathBuf,
    },
    /// Put a snapshot in the place of the sandbox's database, while no service uses it
    Load {
        /// The snapshot
        #[arg(value_parser = FileParser)]
        from: PathBuf,
        /// Move a database that is there aside, with its log and its files; nothing is removed
        #[arg(long)]
        replace: bool,
    },
}

/// The rule for messages on a live database.
const SANDBOX_ONLY: &str = "a snapshot is of a sandbox; `escrowd backup` and `escrowd restore` are for real money";

/// Runs a subcommand on the database of a sandbox's configuration.
pub(super) fn run(arguments: SnapshotArguments) -> anyhow::Result<ExitCode> {
    let flags = Flags {
        config: arguments.config,
        ..Flags::default()
    };
    let config = Config::load(&flags, variables())?;
    if config.mode != Mode::Sandbox {
        bail!("mode is \"live\", and {SANDBOX_ONLY}");
    }
    if config.ephemeral && arguments.database.is_none() {
        bail!(
            "ephemeral is set, so the database is another one at each start: name it by --database, as the start printed \
             it; to begin with a snapshot, start with --snapshot FILE"
        );
    }
    let place = arguments.database.unwrap_or(config.database);
    let Some(database) = place.path() else {
        bail!("snapshots are of database files, and the database is {place}");
    };
    match arguments.command {
        SnapshotCommand::Save { to } => {
            if store::mode_of(database)? != Mode::Sandbox {
                bail!("{} was made for live mode, and {SANDBOX_ONLY}", database.display());
            }
            let made = with_progress(|on_step| store::backup(database, &to, on_step))??;
            let (database, to) = (database.display(), to.display());
            let done = || format!("the snapshot {to} was made");
            print_done(done, || say!("saved {database} as {to}: {}", described(&made)));
        }
        SnapshotCommand::Load { from, replace } => {
            let sandbox = RequiredPurpose {
                mode: Mode::Sandbox,
                mode_rule: SANDBOX_ONLY,
                currency: &config.currency,
            };
            put_in_place(&from, database, replace, Some(sandbox))?;
        }
    }
    Ok(ExitCode::SUCCESS)
}
