//! The turns of escrowd itself on PostgreSQL in the comparison: with the deals of one merchant,
//! and with those of many.

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use crate::arguments::{CommonOptions, CompareOptions};
use crate::data::{self, Size};
use crate::figures::{Line, Ratio, rate};
use crate::load::{Load, Run};
use crate::postgres::Cluster;
use crate::requests::Requests;
use crate::workbench::{Workbench, audit, escrowd};

/// The merchants of the second database.
const MERCHANTS: usize = 64;
/// escrowd on PostgreSQL confirms so many times fewer milestones than on a file.
const FEWER: usize = 4;

/// escrowd on two databases, and the measurements of each.
pub(crate) struct OnPostgres {
    connections: usize,
    seconds: u64,
    sides: [Side; 2],
}

struct Side {
    name: String,
    aim: &'static str,
    url: String,
    requests: Requests,
    runs: Vec<Run>,
}

impl OnPostgres {
    /// Builds the deals in files and copies the files into the cluster.
    pub(crate) fn prepare(
        workbench: &Workbench,
        cluster: &Cluster,
        options: &CompareOptions,
        common: &CommonOptions,
    ) -> anyhow::Result<Self> {
        let side = |merchants: usize, database: &str, aim: &'static str| -> anyhow::Result<Side> {
            let escrows = (options.escrows / FEWER).max(1);
            let size = Size {
                merchants,
                ..Size::new(escrows, options.milestones, common)
            };
            let file = workbench.file(&format!("{database}.db"));
            let deals = data::build(&file, size)?;
            let url = cluster.copy_of(&file, database, Path::new(escrowd()))?;
            std::fs::remove_file(file)?;
            Ok(Side {
                name: match merchants {
                    1 => "escrowd on PostgreSQL, one merchant".to_owned(),
                    _ => format!("escrowd on PostgreSQL, {merchants} merchants"),
                },
                aim,
                url,
                requests: Requests::confirm(Arc::new(deals)),
                runs: Vec::new(),
            })
        };
        Ok(Self {
            connections: common.connections,
            seconds: options.seconds,
            sides: [
                side(1, "one_merchant", "at least 0.5")?,
                side(MERCHANTS, "many_merchants", "at least 1")?,
            ],
        })
    }

    /// The number of turns in one round.
    pub(crate) const TURNS: usize = 2;

    /// Runs one turn on each database.
    pub(crate) fn round(&mut self, workbench: &Workbench, turn: impl Fn(&str)) -> anyhow::Result<()> {
        for side in &mut self.sides {
            turn(&format!("confirm: {}", side.name));
            let server = workbench.escrowd(&side.url)?;
            let load = Load {
                address: &server.address,
                requests: &side.requests,
                connections: self.connections,
                time: Some(Duration::from_secs(self.seconds)),
                rate: None,
            };
            side.runs.push(load.run_on(&server)?);
            server.stop()?;
        }
        Ok(())
    }

    /// Audits both databases.
    pub(crate) fn audit(&self) -> anyhow::Result<()> {
        self.sides.iter().try_for_each(|side| audit(&*side.url))
    }

    pub(crate) fn lines(&self) -> impl Iterator<Item = Line> {
        self.sides.iter().filter_map(|side| Line::of(&*side.name, &side.runs))
    }

    /// Returns the ratios to the runs of the faster peer behind actix.
    pub(crate) fn ratios(&self, faster: &[Run]) -> impl Iterator<Item = Ratio> {
        self.sides.iter().filter_map(|side| {
            let name = format!("confirms per second, {}, of actix + PostgreSQL, the faster", side.name);
            Ratio::of(name, side.aim, rate, &side.runs, faster)
        })
    }
}
