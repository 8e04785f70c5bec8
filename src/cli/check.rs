//! `escrowd check FILE`: the eight invariants of the ledger.

use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Instant;

use anstyle::{AnsiColor, Style};
use indicatif::{ProgressBar, ProgressStyle};

use crate::store;

#[derive(Debug, clap::Args)]
pub(super) struct CheckArguments {
    /// The database file
    pub(super) file: PathBuf,
}

const GOOD: Style = AnsiColor::Green.on_default().bold();
const BAD: Style = AnsiColor::Red.on_default().bold();

/// Audits the file and says what it found: exit code 0 when every invariant
/// holds, 1 when one is broken or the file cannot be read.
pub(super) fn run(arguments: &CheckArguments) -> anyhow::Result<ExitCode> {
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
    anstream::println!(
        "{}: transfers {transfers}, accounts {accounts}, escrows {escrows}, merchants {merchants}; read in {seconds:.2?}",
        arguments.file.display()
    );
    if findings_total == 0 {
        anstream::println!("{GOOD}The ledger is sound:{GOOD:#} all eight invariants hold.");
        return Ok(ExitCode::SUCCESS);
    }
    for finding in &findings {
        anstream::println!("  {BAD}invariant {}{BAD:#}: {}", finding.invariant, finding.problem);
    }
    let more = findings_total - findings.len() as u64;
    if more > 0 {
        anstream::println!("  and {more} more");
    }
    anstream::println!("{BAD}The ledger is broken:{BAD:#} {findings_total} findings. Keep the file, restore a backup.");
    Ok(ExitCode::FAILURE)
}
