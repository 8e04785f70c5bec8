//! The comparison. Every implementation takes a turn in each round, so that changes in the
//! speed of the machine affect all of them.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use indicatif::{ProgressBar, ProgressStyle};
use rusqlite::Connection;

use crate::arguments::{CommonOptions, CompareOptions};
use crate::data::{self, Size};
use crate::deals::Deals;
use crate::figures::{Line, Ratio, Spread, millis, rate};
use crate::load::{Load, Run};
use crate::peers;
use crate::postgres_peers::PostgresPeers;
use crate::process::Process;
use crate::report::Report;
use crate::requests::Requests;
use crate::workbench::{Workbench, audit};

/// The turns of one round, without those of PostgreSQL.
const TURNS: usize = 8;
/// The space for the copies of the built file and for PostgreSQL, in multiples of the built
/// file's size.
const COPIES: u64 = 9;

/// The measurements of all rounds.
#[derive(Default)]
struct Rounds {
    confirm: Vec<Run>,
    delivering: Vec<Run>,
    deliveries_per_second: Vec<f64>,
    read: Vec<Run>,
    fixed: Vec<Run>,
    read_beside: Vec<Run>,
    confirm_beside: Vec<Run>,
    null: Vec<Run>,
    raw: Vec<Run>,
    naive: Vec<Run>,
    paced: Vec<Run>,
}

/// The files, requests and measurements of a comparison.
struct Comparison<'a> {
    workbench: &'a Workbench,
    connections: usize,
    seconds: u64,
    deals: Arc<Deals>,
    bar: ProgressBar,
    ours: PathBuf,
    ours_read: PathBuf,
    ours_delivering: PathBuf,
    naive: PathBuf,
    raw: PathBuf,
    raw_confirmations: PathBuf,
    raw_done: usize,
    to_confirm: Requests,
    to_confirm_delivering: Requests,
    to_confirm_beside: Requests,
    to_confirm_naive: Requests,
    rounds: Rounds,
}

/// Runs the comparison and reports it.
pub(crate) fn run(options: &CompareOptions, common: &CommonOptions) -> anyhow::Result<()> {
    let size = Size::new(options.escrows, options.milestones, common);
    let workbench = Workbench::new(common, size.bytes() * COPIES)?;
    let built = workbench.file("built.db");
    let deals = Arc::new(data::build(&built, size)?);
    let mut postgres = if options.no_postgres {
        None
    } else {
        PostgresPeers::prepare(&workbench, &built, &deals, options, common)?
    };
    let mut comparison = Comparison::new(&workbench, &built, deals, options, common, postgres.as_ref())?;
    for _ in 0..options.rounds {
        comparison.round(postgres.as_mut())?;
    }
    comparison.bar.finish_and_clear();
    audit(&comparison.ours)?;
    if let Some(postgres) = &postgres {
        postgres.audit()?;
    }
    let mut report = Report::new(workbench.folder(), common);
    report.say(&format!(
        "{} escrows of {} milestones, {} customers, {} connections; medians of {} turns of {} seconds.",
        options.escrows, options.milestones, common.customers, common.connections, options.rounds, options.seconds
    ));
    let is_slowed = common.slow_fsync_ms > 0;
    comparison.rounds.report(&mut report, postgres.as_ref(), is_slowed);
    report.write(common)
}

impl<'a> Comparison<'a> {
    fn new(
        workbench: &'a Workbench,
        built: &Path,
        deals: Arc<Deals>,
        options: &CompareOptions,
        common: &CommonOptions,
        postgres: Option<&PostgresPeers<'_>>,
    ) -> anyhow::Result<Self> {
        let raw_confirmations = workbench.file("confirmations");
        deals.write_confirmations(&raw_confirmations)?;
        let turns = options.rounds * (TURNS + postgres.map_or(0, |postgres| postgres.turns() + 1));
        let style = ProgressStyle::with_template("{bar:40} turn {pos}/{len} {msg} {eta}")?;
        let comparison = Self {
            workbench,
            connections: common.connections,
            seconds: options.seconds,
            bar: ProgressBar::new(turns as u64).with_style(style),
            ours: workbench.copy(built, "escrowd.db")?,
            ours_read: workbench.copy(built, "escrowd-read.db")?,
            ours_delivering: workbench.copy(built, "escrowd-delivering.db")?,
            naive: workbench.copy(built, "naive.db")?,
            raw: workbench.copy(built, "raw.db")?,
            raw_confirmations,
            raw_done: 0,
            to_confirm: Requests::confirm(Arc::clone(&deals)),
            to_confirm_delivering: Requests::confirm(Arc::clone(&deals)),
            to_confirm_beside: Requests::confirm(Arc::clone(&deals)),
            to_confirm_naive: Requests::confirm(Arc::clone(&deals)),
            deals,
            rounds: Rounds::default(),
        };
        std::fs::remove_file(built)?;
        Ok(comparison)
    }

    fn round(&mut self, postgres: Option<&mut PostgresPeers<'_>>) -> anyhow::Result<()> {
        self.turn("confirm: escrowd");
        let server = self.workbench.escrowd(&self.ours)?;
        let run = self.load(&server, &self.to_confirm).run_on(&server)?;
        self.rounds.confirm.push(run);
        drop(server);

        self.turn("null requests");
        let server = self.workbench.peer(&["null"])?;
        let nulls = Requests::null(Arc::clone(&self.deals));
        self.rounds.null.push(self.load(&server, &nulls).run_on(&server)?);
        drop(server);

        self.turn("confirm: escrowd, webhooks on");
        let run = self.confirm_with_webhooks()?;
        self.rounds.delivering.push(run);

        self.turn("read: escrowd");
        let server = self.workbench.escrowd(&self.ours_read)?;
        let to_read = Requests::read(Arc::clone(&self.deals));
        self.rounds.read.push(self.load(&server, &to_read).run()?);
        let bytes = self.bytes_of_a_reply(&server)?;
        self.turn("read and confirm: escrowd");
        let confirms = self.load(&server, &self.to_confirm_beside);
        let (read, confirm) = self.load(&server, &to_read).run_beside(confirms)?;
        self.rounds.read_beside.push(read);
        self.rounds.confirm_beside.push(confirm);
        drop(server);

        self.turn("read: a fixed reply");
        let server = self.workbench.peer(&["fixed", &bytes.to_string()])?;
        self.rounds.fixed.push(self.load(&server, &to_read).run()?);
        drop(server);

        self.turn("confirm: raw rusqlite");
        let (workbench, raw) = (self.workbench, &self.raw);
        let (run, done) = peers::run_raw(workbench, raw, &self.raw_confirmations, self.raw_done, self.seconds)?;
        self.raw_done += done;
        self.rounds.raw.push(run);

        self.turn("confirm: the naive design");
        let server = self.workbench.peer(&["naive", &self.naive.to_string_lossy()])?;
        let run = self.load(&server, &self.to_confirm_naive).run()?;
        self.rounds.naive.push(run);
        drop(server);

        if let Some(postgres) = postgres {
            let reached = postgres.round(&self.bar)?;
            self.turn("confirm: escrowd, at the load of PostgreSQL");
            let server = self.workbench.escrowd(&self.ours)?;
            let load = Load {
                rate: Some(reached),
                ..self.load(&server, &self.to_confirm)
            };
            let run = load.run()?;
            self.rounds.paced.push(run);
        }
        Ok(())
    }

    /// Confirms milestones while the service delivers every event to a receiver on this
    /// machine, which answers at once. Deliveries that are pending at the end of a turn are
    /// sent in the next one, so the last turns show the sustained rate.
    fn confirm_with_webhooks(&mut self) -> anyhow::Result<Run> {
        let receiver = self.workbench.peer(&["fixed", "0"])?;
        let webhook_url = format!("http://{}/", receiver.address);
        let mut command = self.workbench.escrowd_command(&self.ours_delivering, "127.0.0.1:0");
        command.env("ESCROWD_WEBHOOKS_CALLBACK_URL", webhook_url);
        let before = delivered(&self.ours_delivering)?;
        let server = Process::start(command)?;
        let run = self.load(&server, &self.to_confirm_delivering).run()?;
        server.stop()?;
        let delivered = delivered(&self.ours_delivering)? - before;
        self.rounds
            .deliveries_per_second
            .push(delivered as f64 / self.seconds as f64);
        Ok(run)
    }

    fn turn(&self, name: &'static str) {
        self.bar.set_message(name);
        self.bar.inc(1);
    }

    fn load<'b>(&self, server: &'b Process, requests: &'b Requests) -> Load<'b> {
        Load {
            address: &server.address,
            requests,
            connections: self.connections,
            time: Some(Duration::from_secs(self.seconds)),
            rate: None,
        }
    }

    fn bytes_of_a_reply(&self, server: &Process) -> anyhow::Result<usize> {
        let url = format!(
            "http://{}/v1/escrow/verify/{}",
            server.address,
            self.deals.to_read(0).token
        );
        Ok(ureq::get(&url).call()?.body_mut().read_to_string()?.len())
    }
}

/// Returns the number of delivery attempts in a file.
fn delivered(file: &Path) -> anyhow::Result<i64> {
    let connection = Connection::open(file)?;
    Ok(connection.query_row("SELECT count(*) FROM delivery_attempt", [], |row| row.get(0))?)
}

impl Rounds {
    fn report(&self, report: &mut Report, postgres: Option<&PostgresPeers<'_>>, is_slowed: bool) {
        let mut confirms: Vec<Line> = [
            Line::of("escrowd", &self.confirm),
            Line::of("escrowd, every event delivered", &self.delivering),
            Line::of("escrowd, at the load of PostgreSQL", &self.paced),
            Line::of("raw rusqlite, groups of 32", &self.raw),
        ]
        .into_iter()
        .flatten()
        .collect();
        confirms.extend(postgres.into_iter().flat_map(PostgresPeers::lines));
        confirms.extend(Line::of("actix + r2d2, a commit each", &self.naive));
        report.lines(
            "confirm",
            "Confirmed milestones, each durable before its reply",
            &confirms,
        );
        let micros = |runs: &[Run]| Spread::of(runs.iter().map(|run| run.processor_micros).collect());
        if let (Some(confirm), Some(null)) = (micros(&self.confirm), micros(&self.null)) {
            report.say(&format!(
                "Processor time of the server: {:.0} microseconds for a confirm, {:.1} for a null request.",
                confirm.median, null.median
            ));
        }
        if let Some(Spread { median, min, max }) = Spread::of(self.deliveries_per_second.clone()) {
            report.say(&format!(
                "With every event delivered, so many arrived per second: {median:.0} ({min:.0} to {max:.0})."
            ));
        }
        let reads: Vec<Line> = [
            Line::of("escrowd", &self.read),
            Line::of("escrowd, with the writer saturated", &self.read_beside),
            Line::of("a fixed reply of the same size", &self.fixed),
        ]
        .into_iter()
        .flatten()
        .collect();
        report.lines("read", "Escrows read by token", &reads);
        let beside: Vec<Line> = Line::of("escrowd, beside those reads", &self.confirm_beside)
            .into_iter()
            .collect();
        report.lines("confirm_beside_reads", "Confirmed milestones", &beside);
        report.ratios(&self.ratios(postgres, is_slowed));
        let full_load: Vec<Line> = confirms
            .into_iter()
            .filter(|line| !line.name.contains("at the load"))
            .collect();
        report.chart("Confirmed milestones per second", &full_load);
    }

    fn ratios(&self, postgres: Option<&PostgresPeers<'_>>, is_slowed: bool) -> Vec<Ratio> {
        let confirm = &self.confirm;
        let p99 = |run: &Run| millis(run, 0.99);
        let processor = |run: &Run| run.processor_micros;
        let p999 = |run: &Run| millis(run, 0.999);
        let own = [
            Ratio::of(
                "confirms per second, of the naive design",
                if is_slowed {
                    "at least 15, slowed by 2 ms"
                } else {
                    "at least 4.5"
                },
                rate,
                confirm,
                &self.naive,
            ),
            Ratio::of(
                "confirms per second, of raw rusqlite",
                "at least 1",
                rate,
                confirm,
                &self.raw,
            ),
            Ratio::of(
                "processor time of a confirm, of a null request's",
                "at most 7",
                processor,
                confirm,
                &self.null,
            ),
            Ratio::of(
                "confirms per second with every event delivered, of those without",
                "at least 0.85",
                rate,
                &self.delivering,
                confirm,
            ),
            Ratio::of(
                "p99.9 of a confirm, of the naive design's",
                "at most 0.05",
                p999,
                confirm,
                &self.naive,
            ),
            Ratio::of(
                "reads per second, of a fixed reply",
                "at least 0.6",
                rate,
                &self.read,
                &self.fixed,
            ),
            Ratio::of(
                "p99 of a read with the writer saturated, of a read alone",
                "below 2",
                p99,
                &self.read_beside,
                &self.read,
            ),
        ];
        let beside_postgres = postgres
            .into_iter()
            .flat_map(|postgres| postgres.ratios(confirm, &self.paced));
        own.into_iter().flatten().chain(beside_postgres).collect()
    }
}
