//! The most that the storage can do: the same commands and statements on one
//! connection in a loop, with no HTTP and no threads.

use std::path::Path;
use std::process::Stdio;
use std::time::{Duration, Instant};

use anyhow::{Context, bail};
use escrowd::clock::SystemClock;
use escrowd::domain::time::Clock;
use escrowd::entropy::SystemEntropy;
use escrowd::store::Tx;
use hdrhistogram::Histogram;
use rusqlite::Connection;
use serde::{Deserialize, Serialize};

use super::{confirm, set_up, the_merchant};
use crate::data;
use crate::deals::Confirmation;
use crate::load::Run;
use crate::workbench::Workbench;

/// Commands in one commit.
const GROUP: usize = 32;

/// What the process of its own tells the one that started it.
#[derive(Serialize, Deserialize)]
struct Measured {
    seconds: f64,
    /// Microseconds that each group took.
    groups: Vec<u64>,
}

/// Runs it in a process of its own, on the confirmations in a file after so many;
/// answers how many it made, too.
pub(crate) fn run(
    workbench: &Workbench,
    file: &Path,
    confirmations: &Path,
    skip: usize,
    seconds: u64,
) -> anyhow::Result<(Run, usize)> {
    let (skip, seconds) = (skip.to_string(), seconds.to_string());
    let arguments = [
        "raw",
        &file.to_string_lossy(),
        &confirmations.to_string_lossy(),
        &skip,
        &seconds,
    ];
    let output = workbench.peer_command(&arguments)?.stderr(Stdio::inherit()).output()?;
    if !output.status.success() {
        bail!("the raw loop failed");
    }
    let measured: Measured = serde_json::from_slice(&output.stdout).context("the raw loop tells what it measured")?;
    let mut latency = Histogram::new(3)?;
    for micros in &measured.groups {
        latency.record_n(*micros, GROUP as u64)?;
    }
    let done = measured.groups.len() * GROUP;
    let per_second = done as f64 / measured.seconds;
    Ok((Run { per_second, latency }, done))
}

/// Runs it here and prints what was measured.
pub(super) fn measure(file: &Path, confirmations: &Path, skip: usize, time: Duration) -> anyhow::Result<()> {
    let text = std::fs::read_to_string(confirmations)?;
    let confirmations: Vec<Confirmation<'_>> = text.lines().skip(skip).filter_map(Confirmation::parse).collect();
    let connection = Connection::open(file)?;
    set_up(&connection)?;
    let merchant = the_merchant(&connection)?;
    let policy = data::policy();
    let mut entropy = SystemEntropy::new();
    let mut groups = Vec::new();
    let started = Instant::now();
    for group in confirmations.chunks_exact(GROUP) {
        if started.elapsed() >= time {
            break;
        }
        let begun = Instant::now();
        connection.prepare_cached("BEGIN IMMEDIATE")?.execute([])?;
        for Confirmation {
            buyer,
            escrow,
            milestone,
        } in group
        {
            let mut tx = Tx::on(&connection, SystemClock.now(), &mut entropy);
            confirm(&mut tx, &policy, merchant, buyer, escrow, milestone)?;
        }
        connection.prepare_cached("COMMIT")?.execute([])?;
        groups.push(u64::try_from(begun.elapsed().as_micros())?);
    }
    if groups.is_empty() {
        bail!("there is nothing left to confirm; build a larger file with --escrows");
    }
    let seconds = started.elapsed().as_secs_f64();
    println!("{}", serde_json::to_string(&Measured { seconds, groups })?);
    Ok(())
}
