//! `make bench`: the first figures of a whole cluster on this machine.
//!
//! Wall-clock figures depend on the neighbours; CPU figures and the limits measured in the same run are what
//! to compare.

mod cpu;
mod data;
mod limits;
mod metadata;
mod mount;
mod report;

use std::time::{Duration, Instant};

use anyhow::{Context, Result};
use clap::Parser;
use eggs_harness::{Cluster, Options};

use crate::report::Report;

/// Measures a cluster that it starts itself.
#[derive(Debug, Parser)]
#[command(name = "eggsbench", version)]
struct Args {
    /// Seconds for each metadata measurement.
    #[arg(long, default_value_t = 5)]
    seconds: u64,
    /// Megabytes of the file that is written and read.
    #[arg(long, default_value_t = 1000)]
    megabytes: usize,
    /// For programs.
    #[arg(long)]
    json: bool,
}

fn main() -> Result<()> {
    let args = Args::parse();
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(2)
        .enable_all()
        .build()
        .context("start the runtime")?;
    let mut report = Report::default();
    let begin = Instant::now();
    let cluster = Cluster::start(Options::default())?;
    report.add(
        "start until healthy and mounted",
        begin.elapsed().as_secs_f64(),
        "s",
    );
    cluster.wait_healthy()?;
    limits::measure(&cluster, &mut report)?;
    idle(&cluster, &mut report)?;
    let client = runtime.block_on(cluster.client())?;
    let bound = Duration::from_secs(args.seconds);
    runtime.block_on(metadata::measure(&cluster, &client, bound, &mut report))?;
    runtime.block_on(data::measure(
        &cluster,
        &client,
        args.megabytes << 20,
        &mut report,
    ))?;
    mount::measure(&cluster, args.megabytes << 20, &mut report)?;
    report.add(
        "resident memory of all processes after the load",
        cpu::resident_mb(&cluster)?,
        "MB",
    );
    drop(client);
    let begin = Instant::now();
    cluster.eggsrun(&["stop"])?.ok()?;
    report.add("stop", begin.elapsed().as_secs_f64(), "s");
    let begin = Instant::now();
    cluster.start_again()?;
    report.add(
        "second start until healthy and mounted",
        begin.elapsed().as_secs_f64(),
        "s",
    );
    if args.json {
        report.print_json()
    } else {
        report.print_text()
    }
    Ok(())
}

fn idle(cluster: &Cluster, report: &mut Report) -> Result<()> {
    const WINDOW: Duration = Duration::from_secs(10);
    std::thread::sleep(Duration::from_secs(3));
    let before = cpu::seconds_by_role(cluster)?;
    std::thread::sleep(WINDOW);
    let used = cpu::difference(&before, &cpu::seconds_by_role(cluster)?);
    for (role, seconds) in &used {
        report.add(
            &format!("idle: {role}"),
            seconds / WINDOW.as_secs_f64() * 100.0,
            "% of a core",
        );
    }
    let all: f64 = used.values().sum();
    report.add(
        "idle: the whole cluster",
        all / WINDOW.as_secs_f64() * 100.0,
        "% of a core",
    );
    report.add(
        "resident memory of all processes, idle",
        cpu::resident_mb(cluster)?,
        "MB",
    );
    Ok(())
}
