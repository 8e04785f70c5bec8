//! A long run of whole deals over HTTP: offer, pay, read and confirm. While the load
//! runs, it samples the memory of the service and the size of the write-ahead log.

use std::cell::Cell;
use std::path::Path;
use std::time::{Duration, Instant};

use futures_util::future::{try_join, try_join_all};
use indicatif::{ProgressBar, ProgressStyle};
use serde_json::json;

use crate::arguments::{CommonOptions, SoakOptions};
use crate::data::{self, Size};
use crate::figures::Spread;
use crate::process::Process;
use crate::report::Report;
use crate::stop;
use crate::whole_deals::{Reads, Trader};
use crate::workbench::{Workbench, audit};

/// The most bytes that the run writes in a second.
const BYTES_PER_SECOND: u64 = 10 << 20;

/// The memory and the write-ahead log at one time.
#[derive(Clone, Copy)]
struct Sample {
    resident_bytes: u64,
    log_bytes: u64,
}

/// A function that returns one figure of a sample.
type Measure = fn(&Sample) -> u64;

impl Sample {
    const fn resident_bytes(&self) -> u64 {
        self.resident_bytes
    }

    const fn log_bytes(&self) -> u64 {
        self.log_bytes
    }
}

/// Counts of answered requests and finished deals.
#[derive(Default)]
struct Answered {
    requests: Cell<u64>,
    deals: Cell<u64>,
}

/// Runs the load and reports the samples.
pub(crate) fn run(options: &SoakOptions, common: &CommonOptions) -> anyhow::Result<()> {
    let seconds = options.minutes * 60 + options.seconds;
    let size = Size {
        escrows: options.escrows,
        milestones: options.milestones,
        customers: common.customers,
        kept: 0,
    };
    let workbench = Workbench::new(common, size.bytes() + seconds * BYTES_PER_SECOND)?;
    let file = workbench.file("soak.db");
    data::build(&file, size)?;
    let server = workbench.escrowd(&file)?;
    let style = ProgressStyle::with_template("{bar:40} {pos}/{len} s {msg} {eta}")?;
    let bar = ProgressBar::new(seconds).with_style(style);
    let until = Instant::now() + Duration::from_secs(seconds);
    let answered = Answered::default();
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let clients = (0..common.connections).map(|number| client(&server, number, options, common, until, &answered));
    let every = Duration::from_secs(options.every_seconds.max(1));
    let watch = watch(&server, &file, every, until, &bar);
    let (samples, _) = runtime.block_on(try_join(watch, try_join_all(clients)))?;
    bar.finish_and_clear();
    drop(server);
    audit(&file)?;
    let mut report = Report::new(workbench.folder(), common);
    report_on(&mut report, &samples, &answered, seconds);
    report.write(common)
}

/// Samples the service at this interval. The first sample is after one interval, when the
/// service has warmed up.
async fn watch(
    server: &Process,
    file: &Path,
    every: Duration,
    until: Instant,
    bar: &ProgressBar,
) -> anyhow::Result<Vec<Sample>> {
    let log = file.with_extension("db-wal");
    let mut samples = Vec::new();
    while Instant::now() + every <= until {
        tokio::time::sleep(every).await;
        stop::check()?;
        let sample = Sample {
            resident_bytes: server.resident_bytes()?,
            log_bytes: std::fs::metadata(&log).map_or(0, |metadata| metadata.len()),
        };
        samples.push(sample);
        let mebibytes = |bytes: u64| bytes >> 20;
        let (memory, log) = (mebibytes(sample.resident_bytes), mebibytes(sample.log_bytes));
        bar.set_message(format!("memory {memory} MiB, log {log} MiB"));
        bar.inc(every.as_secs());
    }
    Ok(samples)
}

/// Runs one deal after another, and reads the deal again after each of its steps.
async fn client(
    server: &Process,
    number: usize,
    options: &SoakOptions,
    common: &CommonOptions,
    until: Instant,
    answered: &Answered,
) -> anyhow::Result<()> {
    let (milestones, customers) = (options.milestones, common.customers);
    let mut trader = Trader::connect(&server.address, number, milestones, customers, Reads::AfterEachStep).await?;
    while Instant::now() < until {
        let requests = trader.deal().await?;
        answered.requests.update(|answered| answered + requests);
        answered.deals.update(|deals| deals + 1);
    }
    Ok(())
}

fn report_on(report: &mut Report, samples: &[Sample], answered: &Answered, seconds: u64) {
    let quarter = samples.len().div_ceil(4);
    let mebibytes = |samples: &[Sample], of: Measure| {
        Spread::of(
            samples
                .iter()
                .map(|sample| of(sample) as f64 / f64::from(1 << 20))
                .collect(),
        )
    };
    let measures = [
        ("memory", Sample::resident_bytes as Measure),
        ("write-ahead log", Sample::log_bytes),
    ];
    let mut rows = Vec::new();
    let mut figures = json!({ "requests": answered.requests.get(), "deals": answered.deals.get(), "seconds": seconds });
    for (name, of) in measures {
        let first = mebibytes(&samples[..quarter], of);
        let last = mebibytes(&samples[samples.len() - quarter..], of);
        let (Some(first), Some(last), Some(all)) = (first, last, mebibytes(samples, of)) else {
            continue;
        };
        let cell = |bytes: f64| format!("{bytes:.1} MiB");
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
    report.say(&format!(
        "{} whole deals in {} requests, {} requests per second.",
        answered.deals.get(),
        answered.requests.get(),
        answered.requests.get() / seconds.max(1)
    ));
}
