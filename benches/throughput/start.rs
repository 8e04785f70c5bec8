//! Measures the time from the start of the process to the first answered request, the size
//! of the binary, its idle memory, and the bytes of a deal on the disk.

use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};
use std::path::Path;
use std::process::{Child, Stdio};
use std::sync::Arc;
use std::time::{Duration, Instant};

use anyhow::{bail, ensure};
use indicatif::{ProgressBar, ProgressStyle};
use serde_json::json;

use crate::arguments::{CommonOptions, StartOptions};
use crate::data::{self, Size};
use crate::disk;
use crate::figures::Spread;
use crate::load::Load;
use crate::process::{resident_bytes, terminate};
use crate::report::Report;
use crate::requests::Requests;
use crate::stop;
use crate::workbench::{Workbench, audit, escrowd};

/// The pause between two requests for the health check.
const POLL: Duration = Duration::from_micros(200);
/// The time after which a start has failed.
const START_TIMEOUT: Duration = Duration::from_mins(1);
/// The time from the first answer to the measurement of the idle memory.
const IDLE: Duration = Duration::from_secs(2);

/// A started service. Dropping it kills the process.
struct Started {
    child: Child,
    address: String,
    milliseconds: f64,
}

/// Measures the starts and reports them.
pub(crate) fn run(options: &StartOptions, common: &CommonOptions) -> anyhow::Result<()> {
    let size = Size {
        kept: options.escrows.min(200_000),
        ..Size::new(options.escrows, options.milestones, common)
    };
    let workbench = Workbench::new(common, size.bytes())?;
    let large = workbench.file("large.db");
    let to_confirm = Requests::confirm(Arc::new(data::build(&large, size)?));
    let style = ProgressStyle::with_template("{bar:40} start {pos}/{len} {eta}")?;
    let bar = ProgressBar::new((options.rounds * 3) as u64).with_style(style);
    let (mut on_empty, mut on_large, mut after_kill) = (Vec::new(), Vec::new(), Vec::new());
    let mut idle_bytes = Vec::new();
    for round in 0..options.rounds {
        let empty = workbench.file(&format!("empty-{round}.db"));
        let started = Started::start(&workbench, &empty)?;
        on_empty.push(started.milliseconds);
        std::thread::sleep(IDLE);
        idle_bytes.push(resident_bytes(started.child.id())? as f64);
        drop(started);
        bar.inc(1);

        let mut started = Started::start(&workbench, &large)?;
        on_large.push(started.milliseconds);
        bar.inc(1);

        let load = Load {
            address: &started.address.clone(),
            requests: &to_confirm,
            connections: common.connections,
            time: Some(Duration::from_secs(options.seconds * 2)),
            rate: None,
        };
        started.kill_under(load, Duration::from_secs(options.seconds))?;
        let mut started = Started::start(&workbench, &large)?;
        after_kill.push(started.milliseconds);
        // SIGTERM, so that the next start on the large file finds no log to recover.
        terminate(&mut started.child)?;
        bar.inc(1);
    }
    bar.finish_and_clear();
    audit(&large)?;
    let mut report = Report::new(workbench.folder(), common);
    let names = [
        "on an empty file".to_owned(),
        format!("on {} escrows of {} milestones", options.escrows, options.milestones),
        "on the same after kill -9 under load".to_owned(),
    ];
    let aims = ["below 100 ms", "below 1000 ms", "below 1000 ms"];
    let times = names
        .into_iter()
        .zip([on_empty, on_large, after_kill])
        .filter_map(|(name, times)| Some((name, Spread::of(times)?)));
    let times: Vec<(String, Spread)> = times.collect();
    let rows: Vec<Vec<String>> = times
        .iter()
        .zip(aims)
        .map(|((name, times), aim)| {
            let [median, worst] = [times.median, times.max].map(|time| format!("{time:.1} ms"));
            vec![name.clone(), median, worst, aim.to_owned()]
        })
        .collect();
    let head = ["Start to first answered request", "median", "worst", "aim"];
    report.table("start", &head, &rows, &times);
    report_size(&mut report, idle_bytes)?;
    disk::run(&mut report, &workbench, options.deals, common)?;
    report.write(common)
}

fn report_size(report: &mut Report, idle_bytes: Vec<f64>) -> anyhow::Result<()> {
    let binary_bytes = std::fs::metadata(escrowd())?.len();
    let idle_bytes = Spread::of(idle_bytes).map_or(0.0, |bytes| bytes.median);
    let mebibytes = |bytes: f64| format!("{:.1} MiB", bytes / f64::from(1 << 20));
    let rows = [
        vec![
            "binary".to_owned(),
            mebibytes(binary_bytes as f64),
            "below 20 MiB".to_owned(),
        ],
        vec![
            "idle memory".to_owned(),
            mebibytes(idle_bytes),
            "below 30 MiB".to_owned(),
        ],
    ];
    let figures = json!({ "binary_bytes": binary_bytes, "idle_bytes": idle_bytes });
    report.table("weight", &["Weight", "measured", "aim"], &rows, &figures);
    Ok(())
}

impl Started {
    /// Starts the service and polls the health check until it succeeds.
    fn start(workbench: &Workbench, file: &Path) -> anyhow::Result<Self> {
        // The benchmark picks a free port, so that the measured time does not include reading
        // the address from the output.
        let address = TcpListener::bind("127.0.0.1:0")?.local_addr()?.to_string();
        let mut command = workbench.escrowd_command(file, &address);
        command.stdin(Stdio::null()).stdout(Stdio::null());
        let since = Instant::now();
        let mut started = Self {
            child: command.spawn()?,
            address,
            milliseconds: 0.0,
        };
        while !is_healthy(&started.address) {
            stop::check()?;
            if since.elapsed() > START_TIMEOUT || started.child.try_wait()?.is_some() {
                bail!("the service does not start on {}", file.display());
            }
            std::thread::sleep(POLL);
        }
        started.milliseconds = since.elapsed().as_secs_f64() * 1000.0;
        Ok(started)
    }

    /// Kills the service after this time under load.
    fn kill_under(&mut self, load: Load<'_>, after: Duration) -> anyhow::Result<()> {
        std::thread::scope(|scope| {
            let load = scope.spawn(move || load.run());
            std::thread::sleep(after);
            let is_under_load = !load.is_finished();
            self.child.kill()?;
            self.child.wait()?;
            let ended = load.join().expect("the load generator does not panic");
            stop::check()?;
            ensure!(
                is_under_load && ended.is_err(),
                "the load ended before the kill; build a larger file with --escrows"
            );
            Ok(())
        })
    }
}

impl Drop for Started {
    fn drop(&mut self) {
        drop(self.child.kill());
        drop(self.child.wait());
    }
}

fn is_healthy(address: &str) -> bool {
    let ask = || {
        let mut stream = TcpStream::connect(address)?;
        stream.write_all(b"GET /healthz HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\n\r\n")?;
        let mut answer = Vec::new();
        stream.read_to_end(&mut answer)?;
        std::io::Result::Ok(answer)
    };
    ask().is_ok_and(|answer| answer.starts_with(b"HTTP/1.1 200"))
}
