//! The upper bound of the storage: the same commands and statements on one connection in a
//! loop, without HTTP and threads.

use std::path::Path;
use std::process::Stdio;
use std::time::{Duration, Instant};

use anyhow::{Context, bail};
use escrowd::clock::SystemClock;
use escrowd::domain::time::Clock;
use escrowd::entropy::SystemEntropy;
use escrowd::store::{GroupMemory, Tx};
use hdrhistogram::Histogram;
use rusqlite::Connection;
use serde::{Deserialize, Serialize};

use super::{confirm, set_up, the_merchant};
use crate::data;
use crate::deals::Confirmation;
use crate::load::Run;
use crate::workbench::Workbench;

/// The commands in one commit.
const GROUP: usize = 32;

/// The figures that the peer prints for its parent process.
#[derive(Serialize, Deserialize)]
struct Measured {
    seconds: f64,
    /// The duration of each group in microseconds.
    groups: Vec<u64>,
}

/// Runs the loop in its own process, on the confirmations in a file without the first
/// `skip`. Returns the figures and the number of confirmations.
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
    let measured: Measured =
        serde_json::from_slice(&output.stdout).context("the raw loop prints its figures as JSON")?;
    let mut latency = Histogram::new(3)?;
    for micros in &measured.groups {
        latency.record_n(*micros, GROUP as u64)?;
    }
    let done = measured.groups.len() * GROUP;
    let per_second = done as f64 / measured.seconds;
    let run = Run {
        per_second,
        latency,
        processor_micros: 0.0,
    };
    Ok((run, done))
}

/// Runs the loop in this process and prints the figures.
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
        let mut memory = GroupMemory::default();
        for Confirmation {
            buyer,
            escrow,
            milestone,
            ..
        } in group
        {
            let mut tx = Tx::on(&connection, SystemClock.now(), &mut entropy, &mut memory);
            confirm(&mut tx, &policy, merchant, buyer, escrow, milestone)?;
            tx.keep();
        }
        Tx::on(&connection, SystemClock.now(), &mut entropy, &mut memory).save_merchants()?;
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
