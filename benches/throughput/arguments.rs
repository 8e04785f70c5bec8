//! The command line of the benchmark.

use std::path::PathBuf;

use clap::{Args, Parser, Subcommand};

/// Measure escrowd and compare it with other implementations of the same work
///
/// Without a subcommand it runs the comparison: each implementation takes one turn in every round, and the run ends
/// with a table of medians and ratios. Only ratios carry over to another machine. PostgreSQL takes part if its programs
/// are installed.
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

/// The options of every subcommand.
#[derive(Args)]
pub(crate) struct CommonOptions {
    /// The number of connections of the load generator
    #[arg(long, global = true, default_value_t = 64, value_name = "N")]
    pub(crate) connections: usize,
    /// The number of customers; half of them sell
    #[arg(long, global = true, default_value_t = 10_000, value_name = "N")]
    pub(crate) customers: usize,
    /// Milliseconds that every fsync takes longer, for all implementations
    #[arg(long, global = true, default_value_t = 0, value_name = "N")]
    pub(crate) slow_fsync_ms: u64,
    /// The folder for the files of the run; on a disk, not in memory [default: the system's temporary folder]
    #[arg(long, global = true, value_name = "FOLDER")]
    pub(crate) folder: Option<PathBuf>,
    /// Write the figures to this file as JSON
    #[arg(long, global = true, value_name = "FILE")]
    pub(crate) json: Option<PathBuf>,
    /// Write the tables and a chart to this file as Markdown
    #[arg(long, global = true, value_name = "FILE")]
    pub(crate) markdown: Option<PathBuf>,
    /// The flag that cargo passes to every benchmark
    #[arg(long, global = true, hide = true)]
    pub(crate) bench: bool,
}

/// The options of the comparison.
#[derive(Args)]
pub(crate) struct CompareOptions {
    /// The number of funded escrows in the file
    #[arg(long, default_value_t = 200_000, value_name = "N")]
    pub(crate) escrows: usize,
    /// The milestones of each escrow
    #[arg(long, default_value_t = 5, value_name = "N")]
    pub(crate) milestones: usize,
    /// The number of rounds
    #[arg(long, default_value_t = 5, value_name = "N")]
    pub(crate) rounds: usize,
    /// The seconds of each turn
    #[arg(long, default_value_t = 6, value_name = "N")]
    pub(crate) seconds: u64,
    /// Leave PostgreSQL out even when it is installed
    #[arg(long)]
    pub(crate) no_postgres: bool,
    /// A file of pgledger's SQL from your own copy; give the option twice: `uuid-to-ulid.sql`, then `pgledger.sql`
    #[arg(long, value_name = "FILE")]
    pub(crate) pgledger: Vec<PathBuf>,
}

/// The subcommands: the other measurements, and the peers that this program starts.
#[derive(Subcommand)]
pub(crate) enum Part {
    /// Compare a small file with a large one, and few milestones with many
    Growth(GrowthOptions),
    /// Measure the time from start to first answer, the size of the binary, the idle memory, and the bytes of a deal on the disk
    Start(StartOptions),
    /// Compare this build with another build of escrowd
    Versus(VersusOptions),
    /// Compare confirms with pages of the console open and without
    Console(ConsoleOptions),
    /// Run for a long time, and record memory and the size of the write-ahead log
    Soak(SoakOptions),
    /// Train a dictionary for packed texts from database files
    Dictionary(DictionaryOptions),
    /// Run one of the implementations with which escrowd is compared
    #[command(hide = true, subcommand)]
    Peer(Peer),
}

/// The options of `growth`.
#[derive(Args)]
pub(crate) struct GrowthOptions {
    /// The number of escrows in the small file
    #[arg(long, default_value_t = 20_000, value_name = "N")]
    pub(crate) few_escrows: usize,
    /// The number of escrows in the large file
    #[arg(long, default_value_t = 2_000_000, value_name = "N")]
    pub(crate) many_escrows: usize,
    /// The milestones of each escrow in these two files
    #[arg(long, default_value_t = 5, value_name = "N")]
    pub(crate) few_milestones: usize,
    /// The milestones of each escrow in a third file, which has as many escrows as the small one
    #[arg(long, default_value_t = 50, value_name = "N")]
    pub(crate) many_milestones: usize,
    /// The milestones confirmed in each turn, which complete the escrows they belong to
    #[arg(long, default_value_t = 100_000, value_name = "N")]
    pub(crate) confirms: usize,
    /// The number of rounds; each file takes one turn in a round
    #[arg(long, default_value_t = 3, value_name = "N")]
    pub(crate) rounds: usize,
}

/// The options of `versus`.
#[derive(Args)]
pub(crate) struct VersusOptions {
    /// The program of the other build
    #[arg(value_name = "PROGRAM")]
    pub(crate) program: PathBuf,
    /// Compare the builds on PostgreSQL, which must be installed, and not on files
    #[arg(long)]
    pub(crate) on_postgres: bool,
    /// The number of funded escrows in the file
    #[arg(long, default_value_t = 50_000, value_name = "N")]
    pub(crate) escrows: usize,
    /// The milestones of each escrow
    #[arg(long, default_value_t = 5, value_name = "N")]
    pub(crate) milestones: usize,
    /// The number of rounds; each build takes one turn in a round
    #[arg(long, default_value_t = 5, value_name = "N")]
    pub(crate) rounds: usize,
    /// The seconds of confirming in each turn, and also of reading
    #[arg(long, default_value_t = 4, value_name = "N")]
    pub(crate) seconds: u64,
    /// Fail if this build's median of confirms or reads is below this ratio of the other's
    #[arg(long, value_name = "RATIO")]
    pub(crate) at_least: Option<f64>,
}

/// The options of `start`.
#[derive(Args)]
pub(crate) struct StartOptions {
    /// The number of escrows in the large file
    #[arg(long, default_value_t = 2_000_000, value_name = "N")]
    pub(crate) escrows: usize,
    /// The milestones of each escrow
    #[arg(long, default_value_t = 5, value_name = "N")]
    pub(crate) milestones: usize,
    /// The number of starts of each kind
    #[arg(long, default_value_t = 5, value_name = "N")]
    pub(crate) rounds: usize,
    /// The seconds of load before each kill
    #[arg(long, default_value_t = 3, value_name = "N")]
    pub(crate) seconds: u64,
    /// The deals of 3 stages whose bytes on the disk are counted
    #[arg(long, default_value_t = 10_000, value_name = "N")]
    pub(crate) deals: usize,
}

/// The options of `console`.
#[derive(Args)]
pub(crate) struct ConsoleOptions {
    /// The pages that are open, each in front of a reader
    #[arg(long, default_value_t = 10, value_name = "N")]
    pub(crate) pages: usize,
    /// The number of funded escrows in the file
    #[arg(long, default_value_t = 50_000, value_name = "N")]
    pub(crate) escrows: usize,
    /// The milestones of each escrow
    #[arg(long, default_value_t = 5, value_name = "N")]
    pub(crate) milestones: usize,
    /// The number of rounds; each side takes one turn in a round
    #[arg(long, default_value_t = 5, value_name = "N")]
    pub(crate) rounds: usize,
    /// The seconds of each turn
    #[arg(long, default_value_t = 6, value_name = "N")]
    pub(crate) seconds: u64,
}

/// The options of `soak`.
#[derive(Args)]
pub(crate) struct SoakOptions {
    /// The minutes of load
    #[arg(long, default_value_t = 10, value_name = "N")]
    pub(crate) minutes: u64,
    /// The seconds of load in addition to the minutes
    #[arg(long, default_value_t = 0, value_name = "N")]
    pub(crate) seconds: u64,
    /// The milestones of each escrow
    #[arg(long, default_value_t = 5, value_name = "N")]
    pub(crate) milestones: usize,
    /// The part of the capacity that the load uses, in percent
    #[arg(long, default_value_t = 70, value_name = "N")]
    pub(crate) percent: u32,
    /// The seconds without a limit in which the capacity is measured
    #[arg(long, default_value_t = 20, value_name = "N")]
    pub(crate) capacity_seconds: u64,
    /// The seconds between two samples of memory, log and descriptors
    #[arg(long, default_value_t = 5, value_name = "N")]
    pub(crate) every_seconds: u64,
}

/// The options of `dictionary`.
#[derive(Args)]
pub(crate) struct DictionaryOptions {
    /// The database files whose events and replies are the texts
    #[arg(required = true, value_name = "FILE")]
    pub(crate) files: Vec<PathBuf>,
    /// The number of the dictionary, which no other may have
    #[arg(long, value_name = "N")]
    pub(crate) number: u32,
    /// The file to write
    #[arg(long, value_name = "FILE")]
    pub(crate) into: PathBuf,
}

/// The peers. The benchmark starts its own program with one of these subcommands.
#[derive(Subcommand)]
pub(crate) enum Peer {
    /// Serve the naive design on a free port and print the address
    Naive { file: PathBuf },
    /// Serve a fixed reply on a free port and print the address
    Fixed { bytes: usize },
    /// Serve replies to small JSON bodies on a free port and print the address
    Null,
    /// Serve confirmations by the function in PostgreSQL on a free port and print the address
    Postgres {
        sockets: PathBuf,
        database: String,
        #[arg(long)]
        chained: bool,
    },
    /// Confirm in commits of 32 without a server and print the figures
    Raw {
        file: PathBuf,
        confirmations: PathBuf,
        skip: usize,
        seconds: u64,
    },
}
