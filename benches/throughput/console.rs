//! Confirms with pages of the console open, and without any. Each page does what its script does:
//! it waits for changes, and asks for its rows after each.

use std::io::{Read, Write};
use std::net::{Shutdown, TcpStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::thread::{self, JoinHandle};
use std::time::Duration;

use anyhow::{Context, ensure};
use indicatif::{ProgressBar, ProgressStyle};

use crate::arguments::{CommonOptions, ConsoleOptions};
use crate::connection::Connection;
use crate::data::{self, Size};
use crate::figures::{Line, Ratio, rate};
use crate::load::{Load, Run};
use crate::process::Process;
use crate::report::Report;
use crate::requests::Requests;
use crate::workbench::{Workbench, audit};

/// The space for the copies and their growth, in multiples of the built file's size.
const COPIES: u64 = 4;
/// The pages that follow by themselves.
const PAGES: [&str; 2] = ["events", "requests"];

/// A file, and the confirms that were measured on it.
struct Side {
    name: String,
    file: std::path::PathBuf,
    to_confirm: Requests,
    pages: usize,
    confirms: Vec<Run>,
}

/// Measures confirms with and without open pages in turns, and reports the ratio.
pub(crate) fn run(options: &ConsoleOptions, common: &CommonOptions) -> anyhow::Result<()> {
    let size = Size::new(options.escrows, options.milestones, common);
    let workbench = Workbench::new(common, size.bytes() * COPIES)?;
    let filled = workbench.file("filled.db");
    let deals = Arc::new(data::build(&filled, size)?);
    let made = |name: String, file, pages| -> anyhow::Result<Side> {
        Ok(Side {
            name,
            file: workbench.copy(&filled, file)?,
            to_confirm: Requests::confirm(Arc::clone(&deals)),
            pages,
            confirms: Vec::new(),
        })
    };
    let mut sides = [
        made(format!("with {} pages open", options.pages), "open.db", options.pages)?,
        made("with no page open".to_owned(), "closed.db", 0)?,
    ];
    std::fs::remove_file(&filled)?;
    let style = ProgressStyle::with_template("{bar:40} turn {pos}/{len} {msg} {eta}")?;
    let bar = ProgressBar::new((options.rounds * sides.len()) as u64).with_style(style);
    let time = Duration::from_secs(options.seconds);
    let refreshes = Arc::<AtomicU64>::default();
    for round in 0..options.rounds {
        // The sides take turns at going first.
        for turn in 0..sides.len() {
            let taker = &mut sides[(round + turn) % 2];
            bar.set_message(taker.name.clone());
            taker.turn(&workbench, common.connections, time, &refreshes)?;
            bar.inc(1);
        }
    }
    bar.finish_and_clear();
    for side in &sides {
        audit(&side.file)?;
    }
    let refreshes = refreshes.load(Ordering::Relaxed);
    ensure!(options.pages == 0 || refreshes > 0, "no page asked for its rows");
    let mut report = Report::new(workbench.folder(), common);
    report.say(&format!(
        "{} escrows of {} milestones, {} connections; medians of {} turns of {} seconds each. The pages asked for \
         their rows {refreshes} times.",
        options.escrows, options.milestones, common.connections, options.rounds, options.seconds
    ));
    let lines: Vec<Line> = sides
        .iter()
        .filter_map(|side| Line::of(&side.name, &side.confirms))
        .collect();
    report.lines("confirm", "Confirmed milestones", &lines);
    let [open, closed] = &sides;
    let name = "confirms per second, of those without an open page";
    let ratio = Ratio::of(name, "at least 0.97", rate, &open.confirms, &closed.confirms);
    report.ratios(&ratio.into_iter().collect::<Vec<_>>());
    report.write(common)
}

impl Side {
    fn turn(
        &mut self,
        workbench: &Workbench,
        connections: usize,
        time: Duration,
        refreshes: &Arc<AtomicU64>,
    ) -> anyhow::Result<()> {
        let server = Process::start(workbench.escrowd_command(&self.file, "127.0.0.1:0"))?;
        let pages = (0..self.pages).map(|page| OpenPage::open(&server.address, PAGES[page % PAGES.len()], refreshes));
        let pages = pages.collect::<anyhow::Result<Vec<_>>>()?;
        let load = Load {
            address: &server.address,
            requests: &self.to_confirm,
            connections,
            time: Some(time),
            rate: None,
        };
        self.confirms.push(load.run()?);
        for page in pages {
            page.close()?;
        }
        server.stop()
    }
}

/// A page in front of a reader.
struct OpenPage {
    changes: TcpStream,
    follower: JoinHandle<anyhow::Result<()>>,
}

impl OpenPage {
    fn open(address: &str, page: &str, refreshes: &Arc<AtomicU64>) -> anyhow::Result<Self> {
        let mut changes = TcpStream::connect(address)?;
        write!(
            changes,
            "GET /console/{page}/changes HTTP/1.1\r\nhost: localhost\r\nsec-fetch-dest: empty\r\n\r\n"
        )?;
        let rows = format!("GET /console/{page}/rows HTTP/1.1\r\nhost: localhost\r\nsec-fetch-dest: empty\r\n\r\n");
        let (stream, address) = (changes.try_clone()?, address.to_owned());
        let refreshes = Arc::clone(refreshes);
        let follower = thread::spawn(move || follow(stream, &address, &rows, &refreshes));
        Ok(Self { changes, follower })
    }

    fn close(self) -> anyhow::Result<()> {
        self.changes.shutdown(Shutdown::Both)?;
        let followed = self.follower.join();
        followed.map_err(|_| anyhow::anyhow!("a page panicked"))?
    }
}

/// Asks for the rows after each change, until the stream ends.
fn follow(mut changes: TcpStream, address: &str, rows: &str, refreshes: &AtomicU64) -> anyhow::Result<()> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let mut connection = runtime.block_on(Connection::open(address))?;
    let mut piece = [0; 4096];
    loop {
        let length = changes.read(&mut piece)?;
        if length == 0 {
            return Ok(());
        }
        let text = std::str::from_utf8(&piece[..length]).context("the stream is text")?;
        ensure!(!text.starts_with("HTTP/") || text.starts_with("HTTP/1.1 200"), "{text}");
        if text.contains("event: change") {
            runtime.block_on(connection.exchange(rows.as_bytes()))?;
            refreshes.fetch_add(1, Ordering::Relaxed);
        }
    }
}
