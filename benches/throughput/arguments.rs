//! What can be asked for on the command line.

use std::path::PathBuf;

use clap::{Args, Parser, Subcommand};

/// Measure escrowd beside other ways of doing the same
///
/// Without a part named: the comparison, in which each way takes its turn in every round, and which ends with a table
/// of medians and ratios. Only ratios carry over to another machine. PostgreSQL takes part when its programs are
/// installed.
#[derive(Parser)]
#[command(name = "cargo bench --bench throughput --")]
pub(crate) struct Arguments {
    #[command(subcommand)]
    pub(crate) part: Option<Part>,
    #[command(flatten)]
    pub(crate) compare: CompareOptions,
    #[command(flatten)]
    pub(crate) common: CommonOptions,
}

/// What every part understands.
#[derive(Args)]
pub(crate) struct CommonOptions {
    /// Connections of the load generator
    #[arg(long, global = true, default_value_t = 64, value_name = "N")]
    pub(crate) connections: usize,
    /// Customers, half of them sellers
    #[arg(long, global = true, default_value_t = 10_000, value_name = "N")]
    pub(crate) customers: usize,
    /// Make every fsync take so much longer, for all who share the run
    #[arg(long, global = true, default_value_t = 0, value_name = "N")]
    pub(crate) slow_fsync_ms: u64,
    /// Where the files go while it runs; a disk, not memory [default: the system's temporary folder]
    #[arg(long, global = true, value_name = "FOLDER")]
    pub(crate) folder: Option<PathBuf>,
    /// Write the figures to this file as JSON
    #[arg(long, global = true, value_name = "FILE")]
    pub(crate) json: Option<PathBuf>,
    /// Write the tables and a chart to this file as Markdown
    #[arg(long, global = true, value_name = "FILE")]
    pub(crate) markdown: Option<PathBuf>,
    /// What cargo passes to every benchmark
    #[arg(long, global = true, hide = true)]
    pub(crate) bench: bool,
}

/// The comparison.
#[derive(Args)]
pub(crate) struct CompareOptions {
    /// Funded escrows in the file
    #[arg(long, default_value_t = 200_000, value_name = "N")]
    pub(crate) escrows: usize,
    /// Milestones of each
    #[arg(long, default_value_t = 5, value_name = "N")]
    pub(crate) milestones: usize,
    /// How often each takes its turn
    #[arg(long, default_value_t = 5, value_name = "N")]
    pub(crate) rounds: usize,
    /// Seconds of each turn
    #[arg(long, default_value_t = 6, value_name = "N")]
    pub(crate) seconds: u64,
    /// Leave PostgreSQL out even when it is installed
    #[arg(long)]
    pub(crate) no_postgres: bool,
    /// A file of pgledger's SQL, from a copy of your own; once for each, `uuid-to-ulid.sql` before `pgledger.sql`
    #[arg(long, value_name = "FILE")]
    pub(crate) pgledger: Vec<PathBuf>,
}

/// The parts beside the comparison, and this program's servers.
#[derive(Subcommand)]
pub(crate) enum Part {
    /// Compare a small file with a large one, and few milestones with many
    Growth(GrowthOptions),
    /// Time from the start to the first answer, and what the service weighs
    Start(StartOptions),
    /// Compare this build with another build of escrowd
    Versus(VersusOptions),
    /// A long run that watches memory and the write-ahead log
    Soak(SoakOptions),
    /// One of the ways that escrowd is compared with, in a process of its own
    #[command(hide = true, subcommand)]
    Peer(Peer),
}

/// How speed depends on what is in the file.
#[derive(Args)]
pub(crate) struct GrowthOptions {
    /// Escrows in the small file
    #[arg(long, default_value_t = 20_000, value_name = "N")]
    pub(crate) few_escrows: usize,
    /// Escrows in the large file
    #[arg(long, default_value_t = 2_000_000, value_name = "N")]
    pub(crate) many_escrows: usize,
    /// Milestones of each escrow in both
    #[arg(long, default_value_t = 5, value_name = "N")]
    pub(crate) few_milestones: usize,
    /// Milestones of each escrow in a third file, with as many escrows as the small one
    #[arg(long, default_value_t = 50, value_name = "N")]
    pub(crate) many_milestones: usize,
    /// Milestones confirmed in each turn, all of the escrows they belong to
    #[arg(long, default_value_t = 100_000, value_name = "N")]
    pub(crate) confirms: usize,
    /// How often each file takes its turn
    #[arg(long, default_value_t = 3, value_name = "N")]
    pub(crate) rounds: usize,
}

/// This build beside another.
#[derive(Args)]
pub(crate) struct VersusOptions {
    /// The other build's program
    #[arg(value_name = "PROGRAM")]
    pub(crate) program: PathBuf,
    /// Funded escrows in the file
    #[arg(long, default_value_t = 50_000, value_name = "N")]
    pub(crate) escrows: usize,
    /// Milestones of each
    #[arg(long, default_value_t = 5, value_name = "N")]
    pub(crate) milestones: usize,
    /// How often each build takes its turn
    #[arg(long, default_value_t = 5, value_name = "N")]
    pub(crate) rounds: usize,
    /// Seconds of confirming, and of reading, in each turn
    #[arg(long, default_value_t = 4, value_name = "N")]
    pub(crate) seconds: u64,
}

/// How long a start takes.
#[derive(Args)]
pub(crate) struct StartOptions {
    /// Escrows in the large file
    #[arg(long, default_value_t = 2_000_000, value_name = "N")]
    pub(crate) escrows: usize,
    /// Milestones of each
    #[arg(long, default_value_t = 5, value_name = "N")]
    pub(crate) milestones: usize,
    /// Starts of each kind
    #[arg(long, default_value_t = 5, value_name = "N")]
    pub(crate) rounds: usize,
    /// Seconds of load before each kill
    #[arg(long, default_value_t = 3, value_name = "N")]
    pub(crate) seconds: u64,
}

/// How memory behaves over time.
#[derive(Args)]
pub(crate) struct SoakOptions {
    /// Minutes under load
    #[arg(long, default_value_t = 10, value_name = "N")]
    pub(crate) minutes: u64,
    /// Seconds under load beyond the minutes
    #[arg(long, default_value_t = 0, value_name = "N")]
    pub(crate) seconds: u64,
    /// Funded escrows in the file at the start
    #[arg(long, default_value_t = 20_000, value_name = "N")]
    pub(crate) escrows: usize,
    /// Milestones of each escrow
    #[arg(long, default_value_t = 5, value_name = "N")]
    pub(crate) milestones: usize,
    /// Seconds between two looks at the process
    #[arg(long, default_value_t = 5, value_name = "N")]
    pub(crate) every_seconds: u64,
}

/// What this program is when it starts itself.
#[derive(Subcommand)]
pub(crate) enum Peer {
    /// Serve the naive design on a free port and print it
    Naive { file: PathBuf },
    /// Serve a fixed reply on a free port and print it
    Fixed { bytes: usize },
    /// Serve the function in PostgreSQL on a free port and print it
    Postgres {
        sockets: PathBuf,
        database: String,
        #[arg(long)]
        chained: bool,
    },
    /// Confirm in commits of 32 without a server and print what was measured
    Raw {
        file: PathBuf,
        confirmations: PathBuf,
        skip: usize,
        seconds: u64,
    },
}
