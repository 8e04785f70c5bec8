//! How fast escrowd confirms and reads, beside other ways of doing the same, in
//! one run on one machine: `cargo bench --bench throughput`.
//!
//! Builds a file through the real commands, gives each way a copy of it, and lets
//! them take turns. Only ratios carry over to another machine.

#![allow(
    clippy::float_arithmetic,
    clippy::cast_precision_loss,
    reason = "rates and latencies are no money"
)]

mod data;
mod load;
mod peers;
mod report;

use std::net::TcpListener;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::time::{Duration, Instant};

use anyhow::{Context, bail};
use clap::{Parser, Subcommand};
use data::Confirmation;
use indicatif::{ProgressBar, ProgressStyle};
use load::Requests;
use report::Line;

/// Compare escrowd with other ways of doing the same
#[derive(Parser)]
struct Arguments {
    #[command(subcommand)]
    server: Option<Server>,
    /// Funded escrows in the file
    #[arg(long, default_value_t = 200_000)]
    escrows: usize,
    /// Milestones of each
    #[arg(long, default_value_t = 5)]
    milestones: usize,
    /// Customers, half of them sellers
    #[arg(long, default_value_t = 10_000)]
    customers: usize,
    /// Connections of the load generator
    #[arg(long, default_value_t = 64)]
    connections: usize,
    /// How often each takes its turn
    #[arg(long, default_value_t = 5)]
    rounds: usize,
    /// Seconds of each turn
    #[arg(long, default_value_t = 6)]
    seconds: u64,
    /// Write the figures to this file as JSON
    #[arg(long)]
    json: Option<PathBuf>,
    /// What cargo passes to every benchmark
    #[arg(long, hide = true)]
    bench: bool,
}

/// The servers that escrowd is compared with, each in a process of its own.
#[derive(Subcommand)]
enum Server {
    /// Serve the naive design on a free port and print it
    #[command(hide = true)]
    Naive { file: PathBuf },
    /// Serve a fixed reply on a free port and print it
    #[command(hide = true)]
    Fixed { bytes: usize },
}

fn main() -> anyhow::Result<()> {
    let arguments = Arguments::parse();
    match &arguments.server {
        Some(Server::Naive { file }) => peers::serve_naive(file, announced()?),
        Some(Server::Fixed { bytes }) => peers::serve_fixed(*bytes, announced()?),
        None => compare(&arguments),
    }
}

/// A listener on a free port, its address printed for whoever started this.
fn announced() -> anyhow::Result<TcpListener> {
    let listener = TcpListener::bind("127.0.0.1:0")?;
    println!("http://{}", listener.local_addr()?);
    Ok(listener)
}

fn compare(arguments: &Arguments) -> anyhow::Result<()> {
    let folder = tempfile::tempdir()?;
    let built = folder.path().join("built.db");
    let confirmations = data::build(&built, arguments.escrows, arguments.milestones, arguments.customers)?;
    let copy = |name: &str| {
        let file = folder.path().join(name);
        std::fs::copy(&built, &file).with_context(|| format!("no room for {}", file.display()))?;
        anyhow::Ok(file)
    };
    let (ours, naive, raw) = (copy("escrowd.db")?, copy("naive.db")?, copy("raw.db")?);
    std::fs::remove_file(&built)?;

    let time = Duration::from_secs(arguments.seconds);
    let turns = (arguments.rounds * 5) as u64;
    let bar =
        ProgressBar::new(turns).with_style(ProgressStyle::with_template("{bar:40} turn {pos}/{len} {msg} {eta}")?);
    let to_confirm = || Arc::new(Requests::once(confirmations.iter().map(confirm_request).collect()));
    let (for_escrowd, for_naive) = (to_confirm(), to_confirm());
    let mut raw_done = 0;
    let mut writes = [Vec::new(), Vec::new(), Vec::new()];
    let mut reads = [Vec::new(), Vec::new()];
    let run =
        |server: &Process, requests: &Arc<Requests>| load::run(&server.address, requests, arguments.connections, time);
    for _ in 0..arguments.rounds {
        bar.set_message("confirm: escrowd");
        let server = Process::escrowd(&ours)?;
        writes[0].push(run(&server, &for_escrowd)?);
        bar.inc(1);
        bar.set_message("read: escrowd");
        let (requests, bytes) = to_read(&server, &confirmations)?;
        reads[0].push(run(&server, &requests)?);
        drop(server);
        bar.inc(1);
        bar.set_message("read: a fixed reply");
        let server = Process::bench(&["fixed", &bytes.to_string()])?;
        let (requests, _) = to_read(&server, &confirmations)?;
        reads[1].push(run(&server, &requests)?);
        drop(server);
        bar.inc(1);
        bar.set_message("confirm: raw rusqlite");
        let (raw_run, done) = peers::run_raw(&raw, &confirmations[raw_done..], time)?;
        raw_done += done;
        writes[1].push(raw_run);
        bar.inc(1);
        bar.set_message("confirm: the naive design");
        let server = Process::bench(&["naive", &naive.to_string_lossy()])?;
        writes[2].push(run(&server, &for_naive)?);
        bar.inc(1);
    }
    bar.finish_and_clear();

    let names = [
        "escrowd",
        "raw rusqlite, commits of 32, no HTTP",
        "actix + r2d2 pool of 8, a commit each",
    ];
    let writes: Vec<Line> = names
        .iter()
        .zip(&writes)
        .filter_map(|(name, runs)| Line::of(name, runs))
        .collect();
    let names = ["escrowd", "a fixed reply of the same size"];
    let reads: Vec<Line> = names
        .iter()
        .zip(&reads)
        .filter_map(|(name, runs)| Line::of(name, runs))
        .collect();
    report::print("Confirmed milestones, each durable before its reply", &writes);
    report::print("Escrows read by token", &reads);
    if let Some(path) = &arguments.json {
        let figures = serde_json::json!({ "confirm": writes, "read": reads });
        std::fs::write(path, format!("{figures:#}\n"))?;
    }
    Ok(())
}

fn confirm_request(confirmation: &Confirmation) -> Vec<u8> {
    let Confirmation {
        buyer,
        escrow,
        milestone,
        ..
    } = confirmation;
    format!(
        "POST /v1/escrow/milestone/confirm/{escrow}/{milestone} HTTP/1.1\r\nhost: localhost\r\n\
         customer-id: {buyer}\r\ncontent-length: 0\r\n\r\n"
    )
    .into_bytes()
}

/// Requests to read every escrow by its token, and the bytes of one answer.
fn to_read(server: &Process, confirmations: &[Confirmation]) -> anyhow::Result<(Arc<Requests>, usize)> {
    let read = |Confirmation { token, buyer, .. }: &Confirmation| {
        format!("GET /v1/escrow/verify/{token} HTTP/1.1\r\nhost: localhost\r\ncustomer-id: {buyer}\r\n\r\n")
            .into_bytes()
    };
    let requests: Vec<Vec<u8>> = confirmations.iter().step_by(7).map(read).collect();
    let first = confirmations.first().context("an empty file")?;
    let url = format!("http://{}/v1/escrow/verify/{}", server.address, first.token);
    let bytes = ureq::get(&url).call()?.body_mut().read_to_string()?.len();
    Ok((Arc::new(Requests::cycled(requests)), bytes))
}

/// A server in a process of its own; killed when dropped.
struct Process {
    child: Child,
    address: String,
}

impl Process {
    fn escrowd(file: &Path) -> anyhow::Result<Self> {
        let mut command = Command::new(env!("CARGO_BIN_EXE_escrowd"));
        command.args(["--listen", "127.0.0.1:0", "--database"]).arg(file);
        command
            .env("ESCROWD_LOG", "warn")
            .current_dir(file.parent().context("a file in a folder")?);
        Self::start(command)
    }

    /// This program again, as a server.
    fn bench(arguments: &[&str]) -> anyhow::Result<Self> {
        let mut command = Command::new(std::env::current_exe()?);
        command.args(arguments);
        Self::start(command)
    }

    /// Starts a server and waits until it answers.
    fn start(mut command: Command) -> anyhow::Result<Self> {
        let mut child = command.stdout(Stdio::piped()).spawn()?;
        let stdout = child.stdout.take().context("the output is piped")?;
        let mut line = String::new();
        std::io::BufRead::read_line(&mut std::io::BufReader::new(stdout), &mut line)?;
        let (_, address) = line
            .trim_end()
            .rsplit_once("http://")
            .with_context(|| format!("no address in {line:?}"))?;
        let server = Self {
            child,
            address: address.to_owned(),
        };
        let since = Instant::now();
        while std::net::TcpStream::connect(&server.address).is_err() {
            if since.elapsed() > Duration::from_secs(10) {
                bail!("the server at {} does not answer", server.address);
            }
            std::thread::sleep(Duration::from_millis(1));
        }
        Ok(server)
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        drop(self.child.kill());
        drop(self.child.wait());
    }
}
