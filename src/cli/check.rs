//! `escrowd check FILE`: audits the twelve invariants of the ledger.

use std::process::ExitCode;
use std::time::{Duration, Instant};

use anyhow::bail;
use indicatif::{ProgressBar, ProgressStyle};

use crate::cli::output::{BAD, GOOD, say};
use crate::cli::settings::PlaceParser;
use crate::clock::SystemClock;
use crate::domain::ledger_time::TOLERANCE_MILLIS;
use crate::domain::text::counted;
use crate::domain::time::{Clock, Timestamp};
use crate::store::{self, Place};

#[derive(Debug, clap::Args)]
pub(super) struct CheckArguments {
    /// The database file, or the URL of a PostgreSQL database
    #[arg(value_parser = PlaceParser)]
    pub(super) file: Place,
    /// Also check the structure of the file with SQLite, and the files beside it; takes several times
    /// as long
    #[arg(long)]
    pub(super) deep: bool,
}

/// Audits the file and prints the findings. The exit code is 0 if every invariant holds,
/// and 1 if one is broken. A file that cannot be read is an error.
pub(super) fn run(arguments: &CheckArguments) -> anyhow::Result<ExitCode> {
    if arguments.deep {
        let Some(path) = arguments.file.path() else {
            bail!("--deep is for files; `pg_amcheck` checks the structure of a PostgreSQL database");
        };
        let spinner = ProgressBar::new_spinner().with_message("checking every page, index, foreign key and file");
        spinner.enable_steady_tick(Duration::from_millis(100));
        let problems = store::check_structure(path)?;
        spinner.finish_and_clear();
        for problem in &problems {
            say!("  {BAD}structure{BAD:#}: {problem}");
        }
        if !problems.is_empty() {
            say!("{BAD}The file is damaged.{BAD:#} Keep it and restore a backup.");
            return Ok(ExitCode::FAILURE);
        }
    }
    let started = Instant::now();
    let bar = ProgressBar::new(0).with_style(ProgressStyle::with_template("{bar:40} {pos}/{len} transfers {eta}")?);
    let audit = store::audit(&arguments.file, &mut |done, total| {
        bar.set_length(total);
        bar.set_position(done);
    })?;
    bar.finish_and_clear();

    let store::Audit {
        merchants,
        accounts,
        escrows,
        transfers,
        findings,
        findings_total,
    } = audit;
    let seconds = started.elapsed();
    say!(
        "{}: transfers {transfers}, accounts {accounts}, escrows {escrows}, merchants {merchants}; read in {seconds:.2?}",
        arguments.file
    );
    let newest = store::newest_ledger_time(&arguments.file);
    if findings_total == 0 {
        tell_of_clock(newest?);
        let structure = match arguments.file.path() {
            Some(_) if arguments.deep => " The structure of the file is intact too.",
            Some(_) => " (--deep checks the structure of the file too.)",
            None => "",
        };
        say!("{GOOD}The ledger is sound:{GOOD:#} all twelve invariants hold.{structure}");
        return Ok(ExitCode::SUCCESS);
    }
    // The findings come first: the time may be unreadable for the same reason.
    for finding in &findings {
        say!("  {BAD}invariant {}{BAD:#}: {}", finding.invariant, finding.problem);
    }
    let more = findings_total - findings.len() as u64;
    if more > 0 {
        say!("  and {more} more");
    }
    match newest {
        Ok(newest) => tell_of_clock(newest),
        Err(error) => say!("  note: the time of the newest commit cannot be read: {error}"),
    }
    say!(
        "{BAD}The ledger is broken:{BAD:#} {}. Keep the file and restore a backup.",
        counted(findings_total, "finding")
    );
    Ok(ExitCode::FAILURE)
}

/// Prints a note if the newest commit is of a time that this machine's clock has not reached.
fn tell_of_clock(newest: Option<Timestamp>) {
    let now = SystemClock.now();
    if let Some(newest) = newest.filter(|newest| *newest > now.millis_later(TOLERANCE_MILLIS)) {
        say!(
            "  note: the newest commit is of {newest} and this machine's clock shows {now}: one of them is wrong; \
             ledger time goes on from the commit"
        );
    }
}
