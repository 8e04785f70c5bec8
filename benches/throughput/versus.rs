//! Compares this build with another build of escrowd, in turns on copies of one file, to
//! measure the effect of a change. Both builds must read the file that this one makes;
//! on PostgreSQL each copies it into a schema of its own.

use std::ffi::OsString;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use anyhow::ensure;
use indicatif::{ProgressBar, ProgressStyle};

use crate::arguments::{CommonOptions, VersusOptions};
use crate::data::{self, Size};
use crate::figures::{Line, Ratio, rate};
use crate::load::{Load, Run};
use crate::postgres::Cluster;
use crate::process::Process;
use crate::report::Report;
use crate::requests::Requests;
use crate::workbench::{Workbench, audit_by, escrowd};

/// The space for the copies and their growth, in multiples of the built file's size.
const COPIES: u64 = 4;

/// A build, its file and its measurements.
struct Build<'a> {
    name: &'static str,
    program: &'a Path,
    /// A file or a URL.
    database: OsString,
    to_confirm: Requests,
    confirms: Vec<Run>,
    reads: Vec<Run>,
    resident_mib: u64,
}

/// Measures both builds in turns and reports the ratios between them.
pub(crate) fn run(options: &VersusOptions, common: &CommonOptions) -> anyhow::Result<()> {
    let size = Size::new(options.escrows, options.milestones, common);
    let workbench = Workbench::new(common, size.bytes() * COPIES)?;
    let filled = workbench.file("filled.db");
    let deals = Arc::new(data::build(&filled, size)?);
    let start = || Cluster::start(&workbench)?.map_err(anyhow::Error::msg);
    let cluster = options.on_postgres.then(start).transpose()?;
    let build = |name, program, database| -> anyhow::Result<Build<'_>> {
        Ok(Build {
            name,
            program,
            database: match &cluster {
                Some(cluster) => cluster.copy_of(&filled, database, program)?.into(),
                None => workbench.copy(&filled, database)?.into(),
            },
            to_confirm: Requests::confirm(Arc::clone(&deals)),
            confirms: Vec::new(),
            reads: Vec::new(),
            resident_mib: 0,
        })
    };
    let mut builds = [
        build("this build", Path::new(escrowd()), "this_build")?,
        build("the other build", &options.program, "other_build")?,
    ];
    std::fs::remove_file(&filled)?;
    let style = ProgressStyle::with_template("{bar:40} turn {pos}/{len} {msg} {eta}")?;
    let bar = ProgressBar::new((options.rounds * builds.len()) as u64).with_style(style);
    let time = Duration::from_secs(options.seconds);
    for round in 0..options.rounds {
        // The builds take turns at going first.
        let first = round % builds.len();
        for turn in 0..builds.len() {
            let build = &mut builds[(first + turn) % 2];
            bar.set_message(build.name);
            let to_read = Requests::read(Arc::clone(&deals));
            build.turn(&workbench, &to_read, common.connections, time)?;
            bar.inc(1);
        }
    }
    bar.finish_and_clear();
    let [this, other] = &builds;
    for build in &builds {
        audit_by(build.program, &build.database)?;
    }
    let mut report = Report::new(workbench.folder(), common);
    report.say(&format!(
        "{} escrows of {} milestones, {} connections; medians of {} turns of {} seconds each.",
        options.escrows, options.milestones, common.connections, options.rounds, options.seconds
    ));
    let lines = |runs: for<'r> fn(&'r Build<'_>) -> &'r [Run]| -> Vec<Line> {
        builds
            .iter()
            .filter_map(|build| Line::of(build.name, runs(build)))
            .collect()
    };
    report.lines("confirm", "Confirmed milestones", &lines(|build| &build.confirms));
    report.lines("read", "Escrows read by token", &lines(|build| &build.reads));
    let ratios = [
        Ratio::of(
            "confirms per second, of the other build",
            "at least 0.97",
            rate,
            &this.confirms,
            &other.confirms,
        ),
        Ratio::of(
            "reads per second, of the other build",
            "at least 0.97",
            rate,
            &this.reads,
            &other.reads,
        ),
    ];
    let ratios: Vec<Ratio> = ratios.into_iter().flatten().collect();
    report.ratios(&ratios);
    report.say(&format!(
        "Resident memory after the last turn: {} MiB and {} MiB.",
        this.resident_mib, other.resident_mib
    ));
    report.write(common)?;
    if let Some(least) = options.at_least {
        for Ratio { name, spread, .. } in &ratios {
            ensure!(
                spread.median >= least,
                "{name}: {:.2}, less than {least}",
                spread.median
            );
        }
    }
    Ok(())
}

impl Build<'_> {
    fn turn(
        &mut self,
        workbench: &Workbench,
        to_read: &Requests,
        connections: usize,
        time: Duration,
    ) -> anyhow::Result<()> {
        let mut command = workbench.command(self.program);
        command
            .args(["--listen", "127.0.0.1:0", "--database"])
            .arg(&self.database);
        command.env("ESCROWD_LOG", "warn").current_dir(workbench.folder());
        let server = Process::start(command)?;
        let load = |requests| Load {
            address: &server.address,
            requests,
            connections,
            time: Some(time),
            rate: None,
        };
        self.confirms.push(load(&self.to_confirm).run()?);
        self.reads.push(load(to_read).run()?);
        self.resident_mib = server.resident_bytes()? / (1024 * 1024);
        server.stop()
    }
}
