//! Runs them one after the other.

use std::sync::Arc;
use std::time::Instant;

use anyhow::{Context, Result, bail};
use eggs_client::ReadFrom;
use eggs_harness::check::Outcome;
use eggs_harness::dress::{Dress, Instead, Style};
use eggs_harness::{ChaosPlan, ChaosReport, Cluster, Options, run_chaos};

use super::plant::{BUGS, Bug, Place, SERVERS, VARIABLE};

/// What is tried until a bug is seen.
const SEEDS: [u64; 4] = [8, 20, 7, 42];
const WORKERS: u64 = 10;
/// Of load without a bug.
const SOUND_SECONDS: u64 = 15;

/// Whether all were seen.
pub fn run(only: &[String]) -> Result<bool> {
    if let Some(unknown) = only
        .iter()
        .find(|name| BUGS.iter().all(|bug| bug.name != **name))
    {
        bail!("there is no bug {unknown}: 'eggsbugs --list' tells the names");
    }
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(2)
        .enable_all()
        .build()
        .context("start the runtime")?;
    let without = once(&runtime, &without(), SEEDS[0], "")?;
    if without.outcome != Outcome::Sound {
        println!("without a bug: VIOLATED, so nothing can be said about bugs");
        show(&without);
        return Ok(false);
    }
    println!("without a bug: sound ({} answered)", without.answered);
    let chosen = |bug: &&Bug| only.is_empty() || only.iter().any(|name| name == bug.name);
    let mut all_seen = true;
    // The last: this process is the reader, and stays wrong.
    let (readers, servers): (Vec<_>, Vec<_>) = BUGS
        .iter()
        .filter(chosen)
        .partition(|bug| matches!(bug.place, Place::Reader));
    for bug in servers.into_iter().chain(readers) {
        if matches!(bug.place, Place::Reader) {
            eggs_client::bugs::believe_every_page();
        }
        all_seen &= is_seen(&runtime, bug)?;
    }
    Ok(all_seen)
}

fn is_seen(runtime: &tokio::runtime::Runtime, bug: &Bug) -> Result<bool> {
    let begin = Instant::now();
    for (tries, seed) in SEEDS.into_iter().enumerate() {
        let report = once(runtime, bug, seed, bug.name)?;
        // Clients must have seen it: an ERROR in a log alone shows nothing.
        if report.verdict.outcome() == Outcome::Violated {
            let (tries, time) = (tries + 1, begin.elapsed().as_secs());
            println!(
                "{}: seen with seed {seed}, in run {tries}, after {time} s",
                bug.name
            );
            show(&report);
            return Ok(true);
        }
        println!(
            "{}: not seen with seed {seed} ({} answered, {} faults)",
            bug.name, report.answered, report.faults
        );
    }
    println!("{}: NOT SEEN, though {}", bug.name, bug.what);
    Ok(false)
}

/// The same programs, with nothing wrong in them, where there is the most to be seen.
fn without() -> Bug {
    Bug {
        name: "",
        what: "nothing is wrong",
        place: Place::Reader,
        workload: "all",
        nemesis: "power",
        read_from: ReadFrom::Any,
        seconds: SOUND_SECONDS,
    }
}

fn once(
    runtime: &tokio::runtime::Runtime,
    bug: &Bug,
    seed: u64,
    planted: &str,
) -> Result<ChaosReport> {
    let out = tempfile::tempdir().context("make a directory")?;
    let plan = ChaosPlan {
        workload: bug.workload.into(),
        nemesis: bug.nemesis.into(),
        seconds: bug.seconds,
        seed,
        workers: WORKERS,
        read_from: bug.read_from,
        out: out.path().to_path_buf(),
    };
    let options = Options {
        args: &["--no-mount"],
        ..Options::default()
    };
    let instead = Instead {
        of: &SERVERS,
        program: std::env::current_exe().context("find this program")?,
        environment: vec![(VARIABLE.to_owned(), planted.to_owned())],
    };
    let style = Style {
        instead: Some(instead),
        ..Style::of(bug.nemesis)
    };
    let dress = Dress::start_in(runtime.handle(), style)?;
    let cluster = Arc::new(Cluster::start_in(dress.programs(), options)?);
    let run = run_chaos(cluster.clone(), Some(dress.clone()), &plan, |_| {});
    let report = runtime.block_on(run)?;
    drop(cluster);
    Ok(report)
}

fn show(report: &ChaosReport) {
    const SHOWN: usize = 3;
    for finding in report.verdict.findings.iter().take(SHOWN) {
        println!("    {finding:?}");
    }
    for problem in report.problems.iter().take(SHOWN) {
        println!("    {problem}");
    }
}
