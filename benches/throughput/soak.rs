//! A long run of whole deals over HTTP in live mode: offer, pay, read and confirm, at a part of
//! the capacity that the run measures first. Meanwhile the service makes a backup each minute,
//! its metrics are scraped, and the merchant's key is rotated. A request that fails ends the run.

use std::cell::{Cell, RefCell};
use std::path::Path;
use std::rc::Rc;
use std::time::{Duration, Instant};

use anyhow::{Context, ensure};
use futures_util::future::try_join_all;
use indicatif::{ProgressBar, ProgressStyle};
use serde_json::{Value, json};

use crate::arguments::{CommonOptions, SoakOptions};
use crate::connection::Connection;
use crate::figures::Spread;
use crate::live_file::{self, Keys};
use crate::process::Process;
use crate::report::Report;
use crate::stop;
use crate::whole_deals::{Reads, Trader};
use crate::workbench::{Workbench, audit};

/// The most bytes that the run writes in a second, with its backups.
const BYTES_PER_SECOND: u64 = 20 << 20;
/// The interval of scrapes, as Prometheus has it by default.
const SCRAPE_EVERY: Duration = Duration::from_secs(15);
/// The interval of key rotations. Backups are made as often.
const ROTATE_EVERY: Duration = Duration::from_mins(1);
/// The number of backups that stay.
const BACKUPS_KEPT: &str = "3";

/// The memory, the write-ahead log and the descriptors at one time.
#[derive(Clone, Copy)]
struct Sample {
    resident_bytes: u64,
    log_bytes: u64,
    descriptors: u64,
}

/// A function that returns one figure of a sample.
type Measure = fn(&Sample) -> f64;

/// Counts of what was done.
#[derive(Default)]
struct Done {
    requests: Cell<u64>,
    deals: Cell<u64>,
    scrapes: Cell<u64>,
    rotations: Cell<u64>,
}

/// A service under load.
struct Soak<'a> {
    server: &'a Process,
    metrics: String,
    options: &'a SoakOptions,
    customers: usize,
    admin: String,
    /// The key that clients send.
    key: Rc<RefCell<String>>,
    until: Instant,
    done: Done,
}

/// Runs the load and reports the samples.
pub(crate) fn run(options: &SoakOptions, common: &CommonOptions) -> anyhow::Result<()> {
    let seconds = options.minutes * 60 + options.seconds;
    let workbench = Workbench::new(common, (seconds + options.capacity_seconds) * BYTES_PER_SECOND)?;
    let file = workbench.file("soak.db");
    let Keys { merchant, admin } = live_file::build(&file, common.customers)?;
    let (server, metrics) = start(&workbench, &file)?;
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let mut soak = Soak {
        server: &server,
        metrics,
        options,
        customers: common.customers,
        admin,
        key: Rc::new(RefCell::new(merchant)),
        until: Instant::now() + Duration::from_secs(options.capacity_seconds),
        done: Done::default(),
    };
    let clients = common.connections;
    runtime.block_on(soak.load(clients, None))?;
    let capacity = soak.done.deals.take() as f64 / options.capacity_seconds.max(1) as f64;
    soak.done.requests.take();
    let rate = capacity * f64::from(options.percent) / 100.0;
    ensure!(rate > 0.0, "no deal was finished in {} s", options.capacity_seconds);
    soak.until = Instant::now() + Duration::from_secs(seconds);
    let style = ProgressStyle::with_template("{bar:40} {pos}/{len} s {msg} {eta}")?;
    let bar = ProgressBar::new(seconds).with_style(style);
    let (samples, ..) = runtime.block_on(async {
        tokio::try_join!(
            soak.watch(&file, &bar),
            soak.load(clients, Some(rate)),
            soak.scrape(),
            soak.rotate()
        )
    })?;
    bar.finish_and_clear();
    let backups = backups_in(&workbench.file("backups"))?;
    let done = soak.done;
    server.stop()?;
    audit(&file)?;
    for backup in &backups {
        audit(backup)?;
    }
    let mut report = Report::new(workbench.folder(), common);
    report_on(&mut report, &samples, seconds);
    report.say(&format!(
        "Capacity {capacity:.0} deals per second, load {rate:.0}. {} whole deals in {} requests ({} per second), {} \
         scrapes, {} rotations of the key, {} backups left and sound, no request failed.",
        done.deals.get(),
        done.requests.get(),
        done.requests.get() / seconds.max(1),
        done.scrapes.get(),
        done.rotations.get(),
        backups.len(),
    ));
    report.write(common)
}

/// Starts the service in live mode, with backups and metrics. Returns it with the address of its
/// metrics.
fn start(workbench: &Workbench, file: &Path) -> anyhow::Result<(Process, String)> {
    // A port that is free now.
    let metrics = std::net::TcpListener::bind("127.0.0.1:0")?.local_addr()?.to_string();
    let mut command = workbench.escrowd_command(file, "127.0.0.1:0");
    command
        .env("ESCROWD_MODE", "live")
        .env("ESCROWD_BACKUPS_FOLDER", workbench.file("backups"))
        .env("ESCROWD_BACKUPS_EVERY_MINUTES", "1")
        .env("ESCROWD_BACKUPS_KEEP", BACKUPS_KEPT)
        .env("ESCROWD_METRICS_LISTEN", &metrics);
    Ok((Process::start(command)?, metrics))
}

fn backups_in(folder: &Path) -> anyhow::Result<Vec<std::path::PathBuf>> {
    let files = std::fs::read_dir(folder).with_context(|| format!("no backups in {}", folder.display()))?;
    let mut backups = Vec::new();
    for file in files {
        let path = file?.path();
        if path.extension().is_some_and(|extension| extension == "db") {
            backups.push(path);
        }
    }
    ensure!(!backups.is_empty(), "the service made no backup");
    Ok(backups)
}

impl Soak<'_> {
    /// Runs clients that make one deal after another, at most this many deals in a second.
    async fn load(&self, clients: usize, rate: Option<f64>) -> anyhow::Result<()> {
        let pause = rate.map(|rate| Duration::from_secs_f64(clients as f64 / rate));
        try_join_all((0..clients).map(|number| self.client(number, pause))).await?;
        Ok(())
    }

    /// Makes deals, and begins each one at the earliest `pause` after the one before began.
    async fn client(&self, number: usize, pause: Option<Duration>) -> anyhow::Result<()> {
        let (milestones, address) = (self.options.milestones, &self.server.address);
        let trader = Trader::connect(address, number, milestones, self.customers, Reads::AfterEachStep).await?;
        let mut trader = trader.with_key(Rc::clone(&self.key));
        let mut next = Instant::now();
        while Instant::now() < self.until {
            let requests = trader.deal().await?;
            self.done.requests.update(|done| done + requests);
            self.done.deals.update(|done| done + 1);
            if let Some(pause) = pause {
                next += pause;
                tokio::time::sleep_until(next.into()).await;
            }
        }
        Ok(())
    }

    /// Samples the service. The first sample is after one interval, when it has warmed up.
    async fn watch(&self, file: &Path, bar: &ProgressBar) -> anyhow::Result<Vec<Sample>> {
        let every = Duration::from_secs(self.options.every_seconds.max(1));
        let log = file.with_extension("db-wal");
        let mut samples = Vec::new();
        while Instant::now() + every <= self.until {
            tokio::time::sleep(every).await;
            stop::check()?;
            let sample = Sample {
                resident_bytes: self.server.resident_bytes()?,
                log_bytes: std::fs::metadata(&log).map_or(0, |metadata| metadata.len()),
                descriptors: self.server.descriptors()?,
            };
            samples.push(sample);
            let (memory, log) = (sample.resident_bytes >> 20, sample.log_bytes >> 20);
            bar.set_message(format!("memory {memory} MiB, log {log} MiB"));
            bar.inc(every.as_secs());
        }
        Ok(samples)
    }

    /// Scrapes the metrics. Each scrape opens a connection, as after a restart of Prometheus.
    async fn scrape(&self) -> anyhow::Result<()> {
        while Instant::now() + SCRAPE_EVERY <= self.until {
            tokio::time::sleep(SCRAPE_EVERY).await;
            let request = b"GET /metrics HTTP/1.1\r\nhost: localhost\r\n\r\n";
            let mut connection = Connection::open(&self.metrics).await?;
            let text = String::from_utf8_lossy(connection.exchange(request).await?).into_owned();
            let differences = text
                .lines()
                .filter(|line| line.starts_with("escrowd_position_difference_minor{"));
            for line in differences {
                ensure!(line.ends_with(" 0"), "the position does not agree: {line}");
            }
            self.done.scrapes.update(|done| done + 1);
        }
        Ok(())
    }

    /// Rotates the merchant's key, and revokes the one before when no client sends it any more.
    async fn rotate(&self) -> anyhow::Result<()> {
        let mut connection = Connection::open(&self.server.address).await?;
        let mut current = self.newest_key(&mut connection).await?;
        while Instant::now() + ROTATE_EVERY <= self.until {
            tokio::time::sleep(ROTATE_EVERY).await;
            let path = format!("/operator/keys/{current}/rotate");
            let rotated = self
                .ask(&mut connection, "POST", &path, r#"{"overlapHours":1}"#)
                .await?;
            let text = |field: &str| rotated["data"][field].as_str().unwrap_or_default().to_owned();
            *self.key.borrow_mut() = text("key");
            tokio::time::sleep(Duration::from_secs(5)).await;
            let path = format!("/operator/keys/{current}/revoke");
            self.ask(&mut connection, "POST", &path, r#"{"reason":"replaced"}"#)
                .await?;
            current = text("id");
            self.done.rotations.update(|done| done + 1);
        }
        Ok(())
    }

    async fn newest_key(&self, connection: &mut Connection) -> anyhow::Result<String> {
        let keys = self.ask(connection, "GET", "/operator/keys", "").await?;
        let newest = keys["data"].as_array().and_then(|keys| keys.last());
        let id = newest.and_then(|key| key["id"].as_str());
        Ok(id.context("the merchant has a key")?.to_owned())
    }

    async fn ask(&self, connection: &mut Connection, method: &str, path: &str, body: &str) -> anyhow::Result<Value> {
        let request = format!(
            "{method} {path} HTTP/1.1\r\nhost: localhost\r\nauthorization: Bearer {}\r\n\
             content-type: application/json\r\ncontent-length: {}\r\n\r\n{body}",
            self.admin,
            body.len()
        );
        Ok(serde_json::from_slice(connection.exchange(request.as_bytes()).await?)?)
    }
}

fn report_on(report: &mut Report, samples: &[Sample], seconds: u64) {
    const MIB: f64 = 1_048_576.0;
    let quarter = samples.len().div_ceil(4);
    let spread = |samples: &[Sample], of: Measure| Spread::of(samples.iter().map(of).collect());
    let measures: [(&str, Measure); 3] = [
        ("memory, MiB", |sample| sample.resident_bytes as f64 / MIB),
        ("write-ahead log, MiB", |sample| sample.log_bytes as f64 / MIB),
        ("descriptors", |sample| sample.descriptors as f64),
    ];
    let mut rows = Vec::new();
    let mut figures = json!({ "seconds": seconds });
    for (name, of) in measures {
        let first = spread(&samples[..quarter], of);
        let last = spread(&samples[samples.len() - quarter..], of);
        let (Some(first), Some(last), Some(all)) = (first, last, spread(samples, of)) else {
            continue;
        };
        let cell = |figure: f64| format!("{figure:.1}");
        rows.push(vec![
            name.to_owned(),
            cell(first.median),
            cell(last.median),
            cell(all.max),
        ]);
        figures[name] = json!({ "first_quarter": first, "last_quarter": last, "all": all });
    }
    let title = format!("{seconds} seconds of load");
    let head = [
        title.as_str(),
        "median of the first quarter",
        "median of the last quarter",
        "most",
    ];
    report.table("soak", &head, &rows, &figures);
}
