//! The turns of PostgreSQL in the comparison.

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use anyhow::ensure;
use indicatif::ProgressBar;

use crate::arguments::{CommonOptions, CompareOptions};
use crate::deals::Deals;
use crate::figures::{Line, Ratio, millis, rate};
use crate::load::{Load, Run};
use crate::on_postgres::OnPostgres;
use crate::postgres::{self, Cluster, Confirms, Pgbench, pgledger};
use crate::requests::Requests;
use crate::workbench::Workbench;

const ALONE: &str = "alone";
const CHAINED: &str = "chained";
const PGBENCH: &str = "pgbench";

/// The databases of the peers that use PostgreSQL, and the measurements of each peer.
pub(crate) struct PostgresPeers<'a> {
    workbench: &'a Workbench,
    connections: usize,
    seconds: u64,
    /// Behind actix; the hash of a transfer covers that transfer alone.
    alone: (Requests, Vec<Run>),
    /// Behind actix; the hash of a transfer also covers the hash of the one before.
    chained: (Requests, Vec<Run>),
    /// With pgbench in place of HTTP; the hash of a transfer covers that transfer alone.
    pgbench: (Confirms, Vec<Run>),
    pgledger: Option<(Pgbench, Vec<Run>)>,
    ours: OnPostgres,
    /// The last field, so that the cluster stops after every user of it is dropped.
    cluster: Cluster,
}

impl<'a> PostgresPeers<'a> {
    /// Starts PostgreSQL and copies the deals of the file into it. Returns `None` if
    /// PostgreSQL cannot take part.
    pub(crate) fn prepare(
        workbench: &'a Workbench,
        file: &Path,
        deals: &Arc<Deals>,
        options: &CompareOptions,
        common: &CommonOptions,
    ) -> anyhow::Result<Option<Self>> {
        let cluster = match Cluster::start(workbench)? {
            Ok(cluster) => cluster,
            Err(reason) => {
                eprintln!("PostgreSQL is left out: {reason}");
                return Ok(None);
            }
        };
        eprintln!("PostgreSQL {} takes part", cluster.version()?);
        cluster.create(ALONE, "template1")?;
        postgres::fill(&cluster.database(ALONE)?, file, deals)?;
        cluster.create(CHAINED, ALONE)?;
        cluster.create(PGBENCH, ALONE)?;
        let folder = workbench.folder();
        let pgledger = if options.pgledger.is_empty() {
            None
        } else {
            Some((pgledger::prepare(&cluster, folder, &options.pgledger)?, Vec::new()))
        };
        let ours = OnPostgres::prepare(workbench, &cluster, options, common)?;
        cluster.database("postgres")?.run("CHECKPOINT")?;
        Ok(Some(Self {
            workbench,
            connections: common.connections,
            seconds: options.seconds,
            alone: (Requests::confirm(Arc::clone(deals)), Vec::new()),
            chained: (Requests::confirm(Arc::clone(deals)), Vec::new()),
            pgbench: (Confirms::new(&cluster, folder, PGBENCH, deals.len())?, Vec::new()),
            pgledger,
            ours,
            cluster,
        }))
    }

    /// Returns the number of turns in one round.
    pub(crate) const fn turns(&self) -> usize {
        OnPostgres::TURNS + if self.pgledger.is_some() { 4 } else { 3 }
    }

    /// Runs one turn of each peer. Returns the confirms per second of the faster of the two
    /// peers behind actix.
    pub(crate) fn round(&mut self, bar: &ProgressBar) -> anyhow::Result<f64> {
        let turn = |name: &str| {
            bar.set_message(name.to_owned());
            bar.inc(1);
        };
        turn("confirm: actix and PostgreSQL");
        let alone = self.behind_actix(ALONE, &[], &self.alone.0)?;
        turn("confirm: actix and PostgreSQL, chained");
        let chained = self.behind_actix(CHAINED, &["--chained"], &self.chained.0)?;
        turn("confirm: pgbench");
        self.pgbench.1.push(self.pgbench.0.run(self.seconds)?);
        if let Some((pgledger, runs)) = &mut self.pgledger {
            turn("transfer: pgledger");
            runs.push(pgledger.run(self.seconds, &[])?.0);
        }
        self.ours.round(self.workbench, turn)?;
        let reached = alone.per_second.max(chained.per_second);
        self.alone.1.push(alone);
        self.chained.1.push(chained);
        Ok(reached)
    }

    fn behind_actix(&self, database: &str, options: &[&str], requests: &Requests) -> anyhow::Result<Run> {
        let sockets = self.cluster.sockets().to_string_lossy();
        let server = self
            .workbench
            .peer(&[&["postgres", &sockets, database], options].concat())?;
        let load = Load {
            address: &server.address,
            requests,
            connections: self.connections,
            time: Some(Duration::from_secs(self.seconds)),
            rate: None,
        };
        load.run()
    }

    /// Checks that every counted confirmation released one milestone, and that all
    /// balances add up to zero.
    ///
    /// # Errors
    ///
    /// Fails if a check fails.
    pub(crate) fn audit(&self) -> anyhow::Result<()> {
        self.ours.audit()?;
        let databases = [
            (ALONE, &self.alone.1),
            (CHAINED, &self.chained.1),
            (PGBENCH, &self.pgbench.1),
        ];
        for (name, runs) in databases {
            let database = self.cluster.database(name)?;
            let counted: u64 = runs.iter().map(|run| run.latency.len()).sum();
            let released = database.number("SELECT count(*) FROM milestone WHERE status = 'RELEASED'")?;
            let moved = database.number("SELECT count(*) FROM transfer WHERE kind = 'RELEASE'")?;
            ensure!(
                u64::try_from(released)? == counted && released == moved,
                "{name}: {counted} confirmations, {released} released milestones, {moved} transfers"
            );
            let sum = database.number("SELECT sum(balance)::bigint FROM account")?;
            ensure!(sum == 0, "{name}: the balances add up to {sum}");
        }
        Ok(())
    }

    /// Returns a line for each peer.
    pub(crate) fn lines(&self) -> Vec<Line> {
        let pgledger = self.pgledger.as_ref().map_or(&[][..], |(_, runs)| runs);
        [
            Line::of("actix + PostgreSQL", &self.alone.1),
            Line::of("actix + PostgreSQL, chained", &self.chained.1),
            Line::of("pgbench + PostgreSQL", &self.pgbench.1),
            Line::of("pgbench + pgledger", pgledger),
        ]
        .into_iter()
        .flatten()
        .chain(self.ours.lines())
        .collect()
    }

    /// Returns the ratios of escrowd's runs to those of these peers.
    pub(crate) fn ratios(&self, confirm: &[Run], paced: &[Run]) -> Vec<Ratio> {
        let p99 = |run: &Run| millis(run, 0.99);
        let faster = self.faster();
        let pgledger = self.pgledger.as_ref().map_or(&[][..], |(_, runs)| runs);
        [
            Ratio::of(
                "confirms per second, of actix + PostgreSQL, the faster",
                "at least 2.5",
                rate,
                confirm,
                &faster,
            ),
            Ratio::of(
                "p99 at PostgreSQL's load, of actix + PostgreSQL's",
                "at most 1",
                p99,
                paced,
                &faster,
            ),
            Ratio::of(
                "confirms per second, of pgbench + PostgreSQL",
                "",
                rate,
                confirm,
                &self.pgbench.1,
            ),
            Ratio::of(
                "confirms per second, of pgledger's transfers",
                "at least 5",
                rate,
                confirm,
                pgledger,
            ),
        ]
        .into_iter()
        .flatten()
        .chain(self.ours.ratios(&faster))
        .collect()
    }

    /// Returns the run of the faster of the two peers behind actix, for each round.
    fn faster(&self) -> Vec<Run> {
        let rounds = self.alone.1.iter().zip(&self.chained.1);
        rounds
            .map(|(alone, chained)| {
                let is_alone = alone.per_second >= chained.per_second;
                if is_alone { alone.clone() } else { chained.clone() }
            })
            .collect()
    }
}
