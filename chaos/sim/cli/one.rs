//! One seed.

use std::process::ExitCode;
use std::time::{Duration, Instant};

use eggs_sim::{Config, run as simulate, shrink};

/// How long to look for a smaller run that fails.
const SHRINK: Duration = Duration::from_secs(60);

/// Runs a seed and says what came of it.
pub fn run(config: &Config, keep: bool) -> ExitCode {
    let report = simulate(config);
    for line in &report.lines {
        println!("{line}");
    }
    print!("{}", report.coverage);
    println!(
        "{} events, {} changes acknowledged, ended at {} ms, hash {:016x}",
        report.events, report.acknowledged, report.ended_ms, report.hash
    );
    match report.wrong {
        None => ExitCode::SUCCESS,
        Some(wrong) => {
            println!("wrong: {wrong}\n{}", config.repeat());
            if !keep && !config.verbose {
                print_smaller(config);
            }
            ExitCode::FAILURE
        }
    }
}

/// Looks for a smaller run that fails, and prints the line that repeats it.
pub fn print_smaller(config: &Config) {
    let until = Instant::now() + SHRINK;
    println!(
        "looking for a smaller run that fails, for at most {} s",
        SHRINK.as_secs()
    );
    if let Some((smaller, wrong)) = shrink(config, &mut || Instant::now() < until) {
        let items = smaller
            .only
            .as_ref()
            .map_or(0, std::collections::BTreeSet::len);
        println!("wrong with {items} items: {wrong}\n{}", smaller.repeat());
    }
}
