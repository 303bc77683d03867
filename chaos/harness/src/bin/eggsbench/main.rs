//! `make bench`: the first figures of a whole cluster on this machine. `make bench-meta` and `make
//! bench-data`: metadata and content in depth.
//!
//! Wall-clock figures depend on the neighbours; CPU figures and the limits measured in the same run are what
//! to compare.

mod compared;
mod cpu;
mod crowd;
mod data;
mod data_degraded;
mod data_depth;
mod data_limits;
mod data_writes;
mod disk;
mod failover;
mod huge;
mod limits;
mod metadata;
mod mount;
mod operations;
mod outcome;
mod progress;
mod replicas;
mod report;
mod round;
mod settled;
mod shares;
mod works;

use std::time::{Duration, Instant};

use anyhow::{Context, Result};
use clap::{Parser, Subcommand, ValueEnum as _};
use eggs_client::{Client, ReadFrom};
use eggs_harness::{Cluster, Options};
use futures::future::try_join_all;
use tokio::runtime::Runtime;

use crate::compared::{Side, compare};
use crate::crowd::Crowd;
use crate::data_depth::{DataParts, DataPlan};
use crate::metadata::{MetaPart, Plan};
use crate::report::Report;
use crate::settled::settled;
use crate::works::Places;

/// Files of a cluster that is to have hardly any.
const FEW_FILES: u64 = 40_000;

/// Measures a cluster that it starts itself.
#[derive(Debug, Parser)]
#[command(name = "eggsbench", version)]
struct Args {
    /// What to measure; a little of everything without.
    #[command(subcommand)]
    what: Option<What>,
    /// Seconds for each metadata measurement.
    #[arg(long, default_value_t = 5)]
    seconds: u64,
    /// Megabytes of the file that is written and read.
    #[arg(long, default_value_t = 1000)]
    megabytes: usize,
    /// Which replicas answer reads of metadata: `leader` or `any`.
    #[arg(long, default_value_t = ReadFrom::Leader)]
    read_from: ReadFrom,
    /// For programs.
    #[arg(long)]
    json: bool,
}

/// What can be measured by itself.
#[derive(Clone, Debug, Subcommand)]
enum What {
    /// Operations on metadata.
    Meta(MetaArgs),
    /// Content of files.
    Data(DataArgs),
    /// How long groups are without a leader.
    Failover(failover::Plan),
}

#[derive(Clone, Debug, clap::Args)]
struct DataArgs {
    /// Files of 10 KiB that are written and read.
    #[arg(long, default_value_t = 100_000)]
    small_files: usize,
    /// Part of it.
    #[arg(long, value_enum, default_value_t = DataParts::All)]
    parts: DataParts,
}

#[derive(Clone, Debug, clap::Args)]
struct MetaArgs {
    /// Libraries, each with connections of its own, that the clients are spread over.
    #[arg(long, default_value_t = 4)]
    machines: usize,
    /// Directories that the work is spread over.
    #[arg(long, default_value_t = 512)]
    directories: usize,
    /// Files of one huge directory; 0 for none.
    #[arg(long, default_value_t = 1_000_000)]
    entries: u64,
    /// Files that are made before all is measured once more, in turns with a cluster without them; 0 for none.
    #[arg(long, default_value_t = 0)]
    files: u64,
    /// Operations in flight, one round for each number.
    #[arg(long, value_delimiter = ',', default_values_t = [1, 16, 64, 256])]
    clients: Vec<usize>,
    /// Parts of it; all without.
    #[arg(long, value_enum, value_delimiter = ',')]
    parts: Vec<MetaPart>,
}

fn main() -> Result<()> {
    let args = Args::parse();
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(2)
        .enable_all()
        .build()
        .context("start the runtime")?;
    let mut report = Report::default();
    match &args.what {
        None => everything(&args, &runtime, &mut report)?,
        Some(What::Meta(meta)) => metadata_in_depth(&args, meta, &runtime, &mut report)?,
        Some(What::Data(data)) => data_in_depth(&args, data, &runtime, &mut report)?,
        Some(What::Failover(plan)) => failover::run(*plan, &runtime, &mut report)?,
    }
    if args.json {
        report.print_json()
    } else {
        report.print_text()
    }
    Ok(())
}

fn start(report: &mut Report) -> Result<Cluster> {
    let begin = Instant::now();
    let cluster = Cluster::start(Options::default())?;
    report.add(
        "start until healthy and mounted",
        begin.elapsed().as_secs_f64(),
        "s",
    );
    cluster.wait_healthy()?;
    Ok(cluster)
}

fn everything(args: &Args, runtime: &Runtime, report: &mut Report) -> Result<()> {
    let cluster = start(report)?;
    limits::measure(&cluster, report)?;
    idle(&cluster, report)?;
    let client = runtime.block_on(cluster.client_reading(cluster.registry(), args.read_from))?;
    let plan = Plan {
        cluster: &cluster,
        machines: std::slice::from_ref(&client),
        bound: Duration::from_secs(args.seconds),
        clients: &[1, 64],
        directories: 64,
        parts: MetaPart::value_variants(),
    };
    let places = runtime.block_on(plan.places())?;
    runtime.block_on(plan.measure(&places, report))?;
    let bytes = args.megabytes << 20;
    runtime.block_on(data::measure(&cluster, &client, bytes, report))?;
    mount::measure(&cluster, bytes, report)?;
    report.add(
        "resident memory of all processes after the load",
        cpu::resident_mb(&cluster)?,
        "MB",
    );
    drop(client);
    restart(&cluster, report)
}

fn metadata_in_depth(
    args: &Args,
    meta: &MetaArgs,
    runtime: &Runtime,
    report: &mut Report,
) -> Result<()> {
    let parts = match &meta.parts[..] {
        [] => MetaPart::value_variants(),
        some => some,
    };
    if parts.contains(&MetaPart::Limits) {
        limits::of_consensus(report)?;
    }
    let cluster = start(report)?;
    if parts.contains(&MetaPart::Limits) {
        runtime.block_on(limits::of_calls(report))?;
    }
    if parts.contains(&MetaPart::Idle) {
        idle(&cluster, report)?;
    }
    let machines = runtime.block_on(connect(&cluster, args.read_from, meta.machines))?;
    let plan = Plan {
        cluster: &cluster,
        machines: &machines,
        bound: Duration::from_secs(args.seconds),
        clients: &meta.clients,
        directories: meta.directories.max(1),
        parts,
    };
    let places = runtime.block_on(plan.places())?;
    runtime.block_on(plan.measure(&places, report))?;
    if parts.contains(&MetaPart::Replicas) {
        runtime.block_on(reads_by_replicas(&plan, report))?;
    }
    if meta.entries > 0 {
        runtime.block_on(huge::measure(&plan, meta.entries, report))?;
    }
    if meta.files > 0 {
        with_many_files(args, meta, (&plan, places), runtime, report)?;
    }
    drop(machines);
    restart(&cluster, report)
}

/// Fills the cluster, and compares it with another one that has hardly any files.
fn with_many_files(
    args: &Args,
    meta: &MetaArgs,
    (plan, mut places): (&Plan<'_>, Places),
    runtime: &Runtime,
    report: &mut Report,
) -> Result<()> {
    let with = format!("with {} files", meta.files);
    report.under(&with);
    places.crowd = Some(runtime.block_on(crowd::fill(plan, meta.files, report))?);
    report.under("without files, before the turns");
    let cluster = start(report)?;
    let machines = runtime.block_on(connect(&cluster, args.read_from, meta.machines))?;
    let other = Plan {
        cluster: &cluster,
        machines: &machines,
        ..*plan
    };
    let few = FEW_FILES.min(meta.files);
    let other_places = runtime.block_on(at_work_with(&other, few, report))?;
    let sides = [
        Side {
            plan,
            places: &places,
            name: &with,
        },
        Side {
            plan: &other,
            places: &other_places,
            name: "without files, taking turns",
        },
    ];
    runtime.block_on(compare(sides, report))?;
    report.under(&with);
    Ok(())
}

/// The other cluster does first what the one with the files did before they were made, but for replicas and the huge directory: one that was just
/// started has nothing in memory and no tables, and creates cost it a tenth less.
async fn at_work_with(other: &Plan<'_>, files: u64, report: &mut Report) -> Result<Places> {
    let mut places = other.places().await?;
    other.measure(&places, report).await?;
    places.crowd = Some(Crowd::make(other, files).await?);
    settled(other.cluster).await?;
    Ok(places)
}

async fn reads_by_replicas(plan: &Plan<'_>, report: &mut Report) -> Result<()> {
    let leader = connect(plan.cluster, ReadFrom::Leader, replicas::MACHINES).await?;
    let any = connect(plan.cluster, ReadFrom::Any, replicas::MACHINES).await?;
    let machines = [(ReadFrom::Leader, &leader[..]), (ReadFrom::Any, &any[..])];
    replicas::measure(plan, machines, report).await
}

/// Libraries of their own.
async fn connect(cluster: &Cluster, from: ReadFrom, machines: usize) -> Result<Vec<Client>> {
    let client = || cluster.client_reading(cluster.registry(), from);
    try_join_all((0..machines.max(1)).map(|_| client())).await
}

fn data_in_depth(
    args: &Args,
    data: &DataArgs,
    runtime: &Runtime,
    report: &mut Report,
) -> Result<()> {
    let cluster = start(report)?;
    let client = runtime.block_on(cluster.client())?;
    let plan = DataPlan {
        cluster: &cluster,
        client: &client,
        megabytes: args.megabytes,
        small_files: data.small_files,
        parts: data.parts,
    };
    runtime.block_on(plan.measure(report))
}

fn restart(cluster: &Cluster, report: &mut Report) -> Result<()> {
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
