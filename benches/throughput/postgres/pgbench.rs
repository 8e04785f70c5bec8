//! Runs pgbench, PostgreSQL's load generator, with the function or with pgledger.

use std::collections::HashMap;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, bail};
use hdrhistogram::Histogram;

use super::{CONNECTIONS, Cluster};
use crate::load::Run;

/// A pgbench script and its database.
pub(crate) struct Pgbench {
    program: PathBuf,
    sockets: PathBuf,
    folder: PathBuf,
    database: &'static str,
    script: PathBuf,
}

impl Pgbench {
    pub(crate) fn new(cluster: &Cluster, folder: &Path, database: &'static str, script: &str) -> anyhow::Result<Self> {
        let file = folder.join(format!("{database}.pgbench"));
        std::fs::write(&file, script)?;
        Ok(Self {
            program: cluster.programs.join("pgbench"),
            sockets: cluster.sockets.clone(),
            folder: folder.to_owned(),
            database,
            script: file,
        })
    }

    /// Runs the script repeatedly for this many seconds with these variables. Returns the
    /// measurements, and the most transactions that one connection ran.
    pub(crate) fn run(&self, seconds: u64, variables: &[(&str, i64)]) -> anyhow::Result<(Run, i64)> {
        let prefix = format!("{}.log", self.database);
        let mut command = Command::new(&self.program);
        command
            .current_dir(&self.folder)
            .args(["--no-vacuum", "--protocol=prepared", "--jobs=2", "--username=bench"])
            .arg(format!("--client={CONNECTIONS}"))
            .arg(format!("--time={seconds}"))
            .arg("--host")
            .arg(&self.sockets)
            .arg("--file")
            .arg(&self.script)
            // The log has a line with the latency of each transaction.
            .args(["--log", "--log-prefix", &prefix]);
        for (name, value) in variables {
            command.arg(format!("--define={name}={value}"));
        }
        let output = command.arg(self.database).output()?;
        let text = String::from_utf8_lossy(&output.stdout);
        if !output.status.success() {
            let errors = String::from_utf8_lossy(&output.stderr);
            // Every connection reports the same error, so the first lines suffice.
            let first: Vec<&str> = errors.lines().take(4).collect();
            bail!("pgbench failed: {}", first.join("; "));
        }
        let per_second = text
            .lines()
            .find_map(|line| line.strip_prefix("tps = ")?.split(' ').next()?.parse().ok())
            .with_context(|| format!("pgbench printed no rate: {text}"))?;
        let (latency, most) = self.take_logs(&prefix)?;
        let run = Run {
            per_second,
            latency,
            processor_micros: 0.0,
        };
        Ok((run, most))
    }

    fn take_logs(&self, prefix: &str) -> anyhow::Result<(Histogram<u64>, i64)> {
        let mut latency = Histogram::new(3)?;
        let mut done: HashMap<u32, i64> = HashMap::new();
        for entry in std::fs::read_dir(&self.folder)? {
            let file = entry?.path();
            let is_log = file
                .file_name()
                .is_some_and(|name| name.to_string_lossy().starts_with(prefix));
            if !is_log {
                continue;
            }
            for line in std::fs::read_to_string(&file)?.lines() {
                let mut fields = line.split(' ');
                let client = fields.next().context("the log line has no client")?.parse()?;
                let micros: u64 = fields.nth(1).context("the log line has no latency")?.parse()?;
                latency.record(micros)?;
                *done.entry(client).or_default() += 1;
            }
            std::fs::remove_file(file)?;
        }
        Ok((latency, done.into_values().max().unwrap_or_default()))
    }
}

/// The confirmations of a database, each of which runs once.
pub(crate) struct Confirms {
    pgbench: Pgbench,
    next: i64,
    all: i64,
}

impl Confirms {
    pub(crate) fn new(cluster: &Cluster, folder: &Path, database: &'static str, all: usize) -> anyhow::Result<Self> {
        // Connection N of 16 takes the confirmations N, N + 16, N + 32 and so on.
        let script = format!(
            "\\set number :number + {CONNECTIONS}\n\
             \\set mine :number + :client_id\n\
             SELECT confirmed.* FROM confirmation, confirm(buyer, escrow, milestone, false) AS confirmed \
             WHERE number = :mine;\n"
        );
        Ok(Self {
            pgbench: Pgbench::new(cluster, folder, database, &script)?,
            next: 0,
            all: i64::try_from(all)?,
        })
    }

    pub(crate) fn run(&mut self, seconds: u64) -> anyhow::Result<Run> {
        let connections = i64::try_from(CONNECTIONS)?;
        let (run, most) = self.pgbench.run(seconds, &[("number", self.next - connections)])?;
        self.next += most * connections;
        if self.next > self.all {
            bail!("there is nothing left for pgbench to confirm; build a larger file with --escrows");
        }
        Ok(run)
    }
}
