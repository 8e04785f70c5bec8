//! Measures how speed depends on the size of the file. It confirms the same number of
//! milestones in a small file, in a large file, and in a file whose escrows have many
//! milestones. In the large file it confirms those of the newest deals, as most deals that are
//! worked on are recent, and those of deals that are spread evenly over the file. Each confirmed
//! escrow is completed.

use std::path::PathBuf;
use std::sync::Arc;

use anyhow::ensure;
use indicatif::{ProgressBar, ProgressStyle};

use crate::arguments::{CommonOptions, GrowthOptions};
use crate::data::{self, Size};
use crate::deals::Deals;
use crate::figures::{Line, Ratio, rate};
use crate::load::{Load, Run};
use crate::report::Report;
use crate::requests::Requests;
use crate::workbench::Workbench;

/// A built file, deals in it that turns confirm, and the measurements.
struct Grown {
    name: String,
    file: PathBuf,
    /// The deals of each turn. If there is only one set, each turn uses a new copy of the
    /// file.
    sets: Vec<Arc<Deals>>,
    runs: Vec<Run>,
}

/// Builds the files, measures them in turns and reports.
pub(crate) fn run(options: &GrowthOptions, common: &CommonOptions) -> anyhow::Result<()> {
    let size = |escrows: usize, milestones: usize, newest: usize| {
        let for_a_turn = deals_of_a_turn(options, escrows, milestones);
        Size {
            kept: for_a_turn * sets(escrows - newest, for_a_turn, options.rounds),
            newest,
            ..Size::new(escrows, milestones, common)
        }
    };
    let newest = deals_of_a_turn(options, options.many_escrows, options.few_milestones) * options.rounds;
    ensure!(
        newest < options.many_escrows,
        "the rounds confirm {newest} of the newest deals; --many-escrows must be more"
    );
    let sizes = [
        size(options.few_escrows, options.few_milestones, 0),
        size(options.many_escrows, options.few_milestones, newest),
        size(options.few_escrows, options.many_milestones, 0),
    ];
    // One small file is added for the copy of the current turn.
    let bytes: u64 = sizes.iter().map(|size| size.bytes()).sum::<u64>() + sizes[0].bytes();
    let workbench = Workbench::new(common, bytes)?;
    let mut files = Vec::new();
    for size in sizes {
        files.extend(Grown::build(&workbench, size, options)?);
    }
    let turns = files.len() * options.rounds;
    let style = ProgressStyle::with_template("{bar:40} turn {pos}/{len} {msg} {eta}")?;
    let bar = ProgressBar::new(turns as u64).with_style(style);
    for round in 0..options.rounds {
        for grown in &mut files {
            bar.set_message(grown.name.clone());
            grown.turn(&workbench, round, common.connections)?;
            bar.inc(1);
        }
    }
    bar.finish_and_clear();
    report(&workbench, &files, common)
}

/// Returns the number of deals that one turn completes.
fn deals_of_a_turn(options: &GrowthOptions, escrows: usize, milestones: usize) -> usize {
    (options.confirms / milestones).clamp(1, escrows)
}

/// Returns the number of sets of deals: one for each round if the file has enough deals,
/// otherwise one for all rounds.
const fn sets(escrows: usize, for_a_turn: usize, rounds: usize) -> usize {
    if escrows >= for_a_turn * rounds { rounds } else { 1 }
}

impl Grown {
    /// Builds a file. If its newest deals are kept, they are measured first and by themselves.
    fn build(workbench: &Workbench, size: Size, options: &GrowthOptions) -> anyhow::Result<Vec<Self>> {
        let name = format!("{} escrows of {} milestones", size.escrows, size.milestones);
        let file = workbench.file(&format!("{}-{}.db", size.escrows, size.milestones));
        let (spread, newest) = data::build(&file, size)?.split_at(size.kept);
        let for_a_turn = deals_of_a_turn(options, size.escrows, size.milestones);
        let measured = |name: String, deals: Deals| {
            let sets = sets(deals.deals().len(), for_a_turn, options.rounds);
            Self {
                name,
                file: file.clone(),
                sets: deals.into_sets(sets).into_iter().map(Arc::new).collect(),
                runs: Vec::new(),
            }
        };
        if size.newest == 0 {
            return Ok(vec![measured(name, spread)]);
        }
        Ok(vec![
            measured(format!("{name}, the newest"), newest),
            measured(format!("{name}, spread evenly"), spread),
        ])
    }

    fn turn(&mut self, workbench: &Workbench, round: usize, connections: usize) -> anyhow::Result<()> {
        let file = match self.sets.len() {
            1 => workbench.copy(&self.file, "turn.db")?,
            _ => self.file.clone(),
        };
        let deals = Arc::clone(&self.sets[round % self.sets.len()]);
        let server = workbench.escrowd(&file)?;
        let load = Load {
            address: &server.address,
            requests: &Requests::confirm(deals),
            connections,
            time: None,
            rate: None,
        };
        self.runs.push(load.run()?);
        server.stop()
    }
}

fn report(workbench: &Workbench, files: &[Grown], common: &CommonOptions) -> anyhow::Result<()> {
    let mut report = Report::new(workbench.folder(), common);
    let lines: Vec<Line> = files
        .iter()
        .rev()
        .filter_map(|grown| Line::of(grown.name.clone(), &grown.runs))
        .collect();
    report.lines("growth", "Confirmed milestones", &lines);
    let aims = ["at least 0.8", "", "at least 0.7"];
    let small = &files[0];
    let ratios: Vec<Ratio> = files[1..]
        .iter()
        .zip(aims)
        .filter_map(|(grown, aim)| {
            let name = format!("confirms per second, {}, of {}", grown.name, small.name);
            Ratio::of(name, aim, rate, &grown.runs, &small.runs)
        })
        .collect();
    report.ratios(&ratios);
    report.write(common)
}
