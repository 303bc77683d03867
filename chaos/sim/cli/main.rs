//! `eggs-sim`: simulates one cluster, or one after the other on all cores until something is wrong or time is up.

mod many;
mod one;

use std::collections::BTreeSet;
use std::process::ExitCode;

use clap::Parser;

/// Simulates clusters in which everything breaks that may break.
#[derive(Debug, Parser)]
struct Args {
    /// Run this seed only, decimal or with 0x.
    #[arg(long, value_parser = number)]
    seed: Option<u64>,
    /// Run only these items of the seed's plan, separated by commas.
    #[arg(long, value_delimiter = ',', requires = "seed")]
    only: Option<Vec<usize>>,
    /// Print what happened.
    #[arg(long, requires = "seed")]
    verbose: bool,
    /// Do not look for a smaller run that fails.
    #[arg(long)]
    keep: bool,
    /// Simulated seconds of operations and faults of each cluster.
    #[arg(long, default_value_t = 300)]
    seconds: u64,
    /// Without --seed: the first seed.
    #[arg(long, value_parser = number, default_value = "1")]
    from: u64,
    /// Without --seed: go on for so many minutes.
    #[arg(long, default_value_t = 5)]
    minutes: u64,
    /// Without --seed: threads; all cores by default.
    #[arg(long)]
    threads: Option<usize>,
}

fn number(text: &str) -> Result<u64, std::num::ParseIntError> {
    match text.strip_prefix("0x") {
        Some(digits) => u64::from_str_radix(digits, 16),
        None => text.parse(),
    }
}

fn main() -> ExitCode {
    let args = Args::parse();
    match args.seed {
        Some(seed) => {
            let config = eggs_sim::Config {
                seed,
                seconds: args.seconds,
                only: args
                    .only
                    .map(|only| only.into_iter().collect::<BTreeSet<_>>()),
                verbose: args.verbose,
            };
            one::run(&config, args.keep)
        }
        None => many::run(&args),
    }
}
