//! Many seeds, on all cores.

use std::panic::catch_unwind;
use std::process::ExitCode;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use eggs_sim::{
    Config, Coverage, EXPECTED, RACES, UNREACHABLE_CHANGES, UNREACHABLE_REFUSALS, run as simulate,
};

use crate::{Args, one};

/// Between lines about the progress.
const PROGRESS: Duration = Duration::from_secs(15);

#[derive(Default)]
struct Totals {
    coverage: Coverage,
    seeds: u64,
    seconds: u64,
    simulated_ms: u64,
    acknowledged: u64,
    failed: Option<(Config, String)>,
    said: Option<Instant>,
}

/// Runs seeds until time is up or one fails.
pub fn run(args: &Args) -> ExitCode {
    let until = Instant::now() + Duration::from_secs(args.minutes * 60);
    let threads = args
        .threads
        .unwrap_or_else(|| std::thread::available_parallelism().map_or(2, std::num::NonZero::get));
    let (next, stop) = (AtomicU64::new(args.from), AtomicBool::new(false));
    let totals = Mutex::new(Totals::default());
    std::thread::scope(|scope| {
        for _ in 0..threads {
            scope.spawn(|| {
                while !stop.load(Ordering::Relaxed) && Instant::now() < until {
                    let seed = next.fetch_add(1, Ordering::Relaxed);
                    if !simulate_one(&Config::new(seed, args.seconds), &totals) {
                        stop.store(true, Ordering::Relaxed);
                    }
                }
            });
        }
    });
    let totals = totals.into_inner().unwrap_or_else(PoisonError::into_inner);
    print!("{}", totals.coverage);
    say_reached(&totals.coverage);
    say(&totals);
    match totals.failed {
        None => ExitCode::SUCCESS,
        Some((config, wrong)) => {
            println!("wrong: {wrong}\n{}", config.repeat());
            if !args.keep {
                one::print_smaller(&config);
            }
            ExitCode::FAILURE
        }
    }
}

/// The races, and what was never reached.
fn say_reached(coverage: &Coverage) {
    println!("races between the collector and others:");
    for (what, state) in RACES {
        println!("{:>10}  {what} ({state})", coverage.count(state));
    }
    println!("cannot be reached:");
    for (kind, why) in UNREACHABLE_CHANGES.iter().chain(UNREACHABLE_REFUSALS) {
        println!("            {kind}: {why}");
    }
    println!("never reached:");
    for state in coverage.missing(EXPECTED) {
        println!("            {state}");
    }
    for step in coverage.never_died_at() {
        println!("            the coordinator died in {step}");
    }
}

/// Whether nothing was wrong.
fn simulate_one(config: &Config, totals: &Mutex<Totals>) -> bool {
    let report = catch_unwind(|| simulate(config));
    let mut totals = totals.lock().unwrap_or_else(PoisonError::into_inner);
    let Ok(report) = report else {
        totals.failed = Some((config.clone(), "panic".into()));
        return false;
    };
    totals.coverage.merge(&report.coverage);
    totals.seeds += 1;
    totals.seconds += config.seconds;
    totals.simulated_ms += report.ended_ms;
    totals.acknowledged += report.acknowledged;
    if totals.said.is_none_or(|said| said.elapsed() > PROGRESS) {
        totals.said = Some(Instant::now());
        say(&totals);
    }
    match report.wrong {
        None => true,
        Some(wrong) => {
            totals.failed = Some((config.clone(), wrong));
            false
        }
    }
}

fn say(totals: &Totals) {
    println!(
        "{} clusters: {} s of operations and faults, {} s in all, {} changes acknowledged",
        totals.seeds,
        totals.seconds,
        totals.simulated_ms / 1000,
        totals.acknowledged
    );
}
