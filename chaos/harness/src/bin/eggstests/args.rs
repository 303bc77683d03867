//! The command line.

use std::path::PathBuf;

use clap::{Args, Parser, Subcommand};
use eggs_client::ReadFrom;

/// Runs workloads against a whole cluster while breaking it, and checks what clients saw.
///
/// Exit codes: 0 sound, 1 violated, 2 wrong usage, 3 not decided, 4 no verdict, 130 interrupted.
#[derive(Debug, Parser)]
#[command(name = "eggstests", version)]
pub struct Cli {
    /// What to do.
    #[command(subcommand)]
    pub command: Command,
}

/// What to do.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// Start a cluster, load it, break it, heal it, judge what was seen.
    Run(RunArgs),
    /// List workloads and nemeses.
    List {
        /// For programs.
        #[arg(long)]
        json: bool,
    },
    /// Judge a history that was kept.
    Check {
        /// The file.
        history: PathBuf,
        /// For programs.
        #[arg(long)]
        json: bool,
    },
}

/// Options of a run.
#[derive(Clone, Debug, Args)]
pub struct RunArgs {
    /// What clients do; 'eggstests list' tells the names. Several, separated by commas, are run one after the other.
    #[arg(long, default_value = "all", value_delimiter = ',')]
    pub workload: Vec<String>,
    /// What is broken. Several, separated by commas, are run one after the other.
    #[arg(long, default_value = "all", value_delimiter = ',')]
    pub nemesis: Vec<String>,
    /// Seconds of load of each run.
    #[arg(long, default_value_t = 60, value_parser = clap::value_parser!(u64).range(1..=86_400))]
    pub time: u64,
    /// What chance follows from; drawn if not given. The schedule of the machine does not follow from it.
    #[arg(long)]
    pub seed: Option<u64>,
    /// Clients that work at the same time.
    #[arg(long, default_value_t = 6, value_parser = clap::value_parser!(u64).range(1..=256))]
    pub workers: u64,
    /// Which replicas answer reads: `leader` or `any`.
    #[arg(long, default_value_t = ReadFrom::Leader)]
    pub read_from: ReadFrom,
    /// Keep histories and reports in this directory, also of runs in which nothing was wrong. Without it, only what is
    /// wrong is kept, in ./eggstests-out.
    #[arg(long)]
    pub out: Option<PathBuf>,
    /// For programs.
    #[arg(long)]
    pub json: bool,
}
