//! `eggs-sim`: simulates clusters, one seed after the other, until something is wrong or it is told to stop.

use clap::Parser;
use eggs_sim::{Config, Report, run};

/// Simulates a cluster.
#[derive(Debug, Parser)]
struct Args {
    /// The seed, decimal or with 0x.
    #[arg(long, value_parser = number)]
    seed: u64,
    /// Simulated seconds of operations and faults.
    #[arg(long, default_value_t = 300)]
    seconds: u64,
    /// Print what happened.
    #[arg(long)]
    verbose: bool,
}

fn number(text: &str) -> Result<u64, std::num::ParseIntError> {
    match text.strip_prefix("0x") {
        Some(digits) => u64::from_str_radix(digits, 16),
        None => text.parse(),
    }
}

fn main() -> std::process::ExitCode {
    let args = Args::parse();
    let config = Config {
        seed: args.seed,
        seconds: args.seconds,
        without: Vec::new(),
        verbose: args.verbose,
    };
    let report = run(&config);
    print(&config, &report)
}

fn print(config: &Config, report: &Report) -> std::process::ExitCode {
    for line in &report.lines {
        println!("{line}");
    }
    println!("{}", report.coverage);
    println!(
        "{} events, {} changes acknowledged, ended at {} ms, hash {:016x}",
        report.events, report.acknowledged, report.ended_ms, report.hash
    );
    match &report.wrong {
        None => std::process::ExitCode::SUCCESS,
        Some(what) => {
            println!("wrong: {what}\n{}", config.repeat());
            std::process::ExitCode::FAILURE
        }
    }
}
