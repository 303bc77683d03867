//! `run`: one cluster for each combination of a workload and a nemesis.

use std::collections::BTreeMap;
use std::fs;
use std::io::IsTerminal;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use anyhow::{Context, Result, bail};
use eggs_harness::check::Outcome;
use eggs_harness::dress::{Dress, Style, Wires};
use eggs_harness::namespaces;
use eggs_harness::nemesis::NEMESES;
use eggs_harness::workload::Workload;
use eggs_harness::{Caretaker, ChaosPlan, ChaosReport, Cluster, Options, copy_logs, run_chaos};
use tokio::signal::unix::{Signal, SignalKind, signal};

use crate::args::RunArgs;
use crate::{INTERRUPTED, show};

/// Where what is wrong is kept if nothing else is said.
const KEPT: &str = "eggstests-out";

/// Runs all combinations; the worst of them decides the exit code.
pub fn run(args: &RunArgs) -> Result<u8> {
    for name in &args.workload {
        if !Workload::exists(name) {
            bail!("there is no workload {name}: 'eggstests list' tells the names");
        }
    }
    for name in &args.nemesis {
        if !NEMESES.iter().any(|(known, _)| known == name) {
            bail!("there is no nemesis {name}: 'eggstests list' tells the names");
        }
    }
    // All runs are in there then; it makes no difference to others.
    if args
        .nemesis
        .iter()
        .any(|name| Style::of(name).wires == Wires::Namespaces)
    {
        namespaces::enter_hub()?;
    }
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(2)
        .enable_all()
        .build()
        .context("start the runtime")?;
    runtime.block_on(async {
        let mut signals = Signals::new()?;
        let seed = args.seed.unwrap_or_else(rand::random);
        let mut worst = 0;
        for workload in &args.workload {
            for nemesis in &args.nemesis {
                let scratch = tempfile::tempdir().context("make a directory")?;
                let _caretaker = Caretaker::of_directory(scratch.path())?;
                let plan = ChaosPlan {
                    workload: workload.clone(),
                    nemesis: nemesis.clone(),
                    seconds: args.time,
                    seed,
                    workers: args.workers,
                    read_from: args.read_from,
                    out: scratch.path().to_path_buf(),
                };
                match one(&plan, &mut signals).await? {
                    Some(report) => {
                        let kept = keep(args, &plan, &report)?;
                        print(args, &plan, &report, kept.as_deref());
                        worst = worst.max(show::code(report.outcome));
                    }
                    None => return Ok(INTERRUPTED),
                }
            }
        }
        Ok(worst)
    })
}

/// One run with a cluster of its own; `None` if a signal ended it.
async fn one(plan: &ChaosPlan, signals: &mut Signals) -> Result<Option<ChaosReport>> {
    let say = |text: &str| tell(plan, text);
    say("starting a cluster");
    // Signals are noticed once it has started: what is half started could not be stopped.
    let options = Options {
        args: &["--no-mount"],
        ..Options::default()
    };
    let dress = Dress::start_in(&tokio::runtime::Handle::current(), Style::of(&plan.nemesis))?;
    let programs = dress.programs();
    let cluster = tokio::task::spawn_blocking(move || Cluster::start_in(programs, options));
    let cluster = Arc::new(cluster.await.context("wait for the cluster")??);
    let outcome = tokio::select! {
        outcome = run_chaos(cluster.clone(), Some(dress.clone()), plan, say) => Some(outcome),
        () = signals.next() => None,
    };
    say("stopping the cluster");
    tokio::task::spawn_blocking(move || drop(cluster))
        .await
        .context("wait for the cluster's end")?;
    drop(dress); // the cluster needed it to its end
    if std::io::stderr().is_terminal() {
        eprint!("\r\x1b[K");
    }
    outcome.transpose()
}

/// Progress: one line that changes on a terminal, lines elsewhere.
fn tell(plan: &ChaosPlan, text: &str) {
    let run = format!(
        "{} under {}, seed {}",
        plan.workload, plan.nemesis, plan.seed
    );
    if std::io::stderr().is_terminal() {
        eprint!("\r\x1b[K{run}: {text}");
    } else {
        eprintln!("{run}: {text}");
    }
}

/// Copies history, report and logs to where they stay; `None` if they are not to be kept.
fn keep(args: &RunArgs, plan: &ChaosPlan, report: &ChaosReport) -> Result<Option<PathBuf>> {
    let base = match (&args.out, report.outcome) {
        (Some(out), _) => out.clone(),
        (None, Outcome::Sound) => return Ok(None),
        (None, Outcome::Violated | Outcome::Undecided) => KEPT.into(),
    };
    let dir = base.join(format!("{}-{}-{}", plan.workload, plan.nemesis, plan.seed));
    fs::create_dir_all(&dir).with_context(|| format!("create {}", dir.display()))?;
    for file in [&report.history, &report.page] {
        let name = file.file_name().context("a file has a name")?;
        fs::copy(file, dir.join(name)).with_context(|| format!("keep {}", file.display()))?;
    }
    if report.outcome != Outcome::Sound {
        copy_logs(&report.logs, &dir.join("logs"))?;
    }
    Ok(Some(dir))
}

fn print(args: &RunArgs, plan: &ChaosPlan, report: &ChaosReport, kept: Option<&Path>) {
    if args.json {
        let mut value = serde_json::json!(report);
        for (key, text) in [("workload", &plan.workload), ("nemesis", &plan.nemesis)] {
            value[key] = serde_json::json!(text);
        }
        value["seed"] = serde_json::json!(plan.seed);
        value["history"] = serde_json::json!(kept.map(|dir| dir.join("history.jsonl")));
        value["page"] = serde_json::json!(kept.map(|dir| dir.join("report.html")));
        println!("{value}");
        return;
    }
    println!(
        "{} under {}, seed {}: {} ({} answered, {} unknown, {} failed, {} faults, {} objects)",
        plan.workload,
        plan.nemesis,
        plan.seed,
        show::word(report.outcome),
        report.answered,
        report.unknown,
        report.failed,
        report.faults,
        report.verdict.objects,
    );
    show::findings(&report.verdict);
    for problem in &report.problems {
        println!("{problem}");
    }
    let mut expected: BTreeMap<&str, (usize, usize)> = BTreeMap::new();
    for error in &report.errors {
        if let Some(why) = error.expected {
            let (count, kinds) = expected.entry(why).or_default();
            *count += error.count;
            *kinds += 1;
        } else {
            println!(
                "    {} times in the logs, UNEXPECTED: {}",
                error.count, error.what
            );
        }
    }
    for (why, (count, kinds)) in expected {
        println!("    {count} ERRORs of {kinds} kinds in the logs: {why}");
    }
    if let Some(reads) = report.latencies.get("read") {
        let (healthy, broken) = (reads.healthy, reads.broken);
        println!(
            "    reads: p50 {:.1} ms, p99 {:.1} ms of {} while nothing was broken; {:.1} ms, {:.1} ms of {} beside faults",
            healthy.p50_ms,
            healthy.p99_ms,
            healthy.calls,
            broken.p50_ms,
            broken.p99_ms,
            broken.calls
        );
    }
    if let Some(dir) = kept {
        println!("    history and report: {}", dir.display());
    }
    if report.outcome == Outcome::Violated {
        println!(
            "    repeat: eggstests run --workload {} --nemesis {} --time {} --seed {} --workers {} --read-from {}",
            plan.workload, plan.nemesis, plan.seconds, plan.seed, plan.workers, plan.read_from
        );
    }
}

/// The signals that end a run.
struct Signals {
    interrupt: Signal,
    terminate: Signal,
    hangup: Signal,
}

impl Signals {
    fn new() -> Result<Self> {
        let listen = |kind| signal(kind).context("listen for signals");
        Ok(Self {
            interrupt: listen(SignalKind::interrupt())?,
            terminate: listen(SignalKind::terminate())?,
            hangup: listen(SignalKind::hangup())?,
        })
    }

    async fn next(&mut self) {
        tokio::select! {
            _ = self.interrupt.recv() => {}
            _ = self.terminate.recv() => {}
            _ = self.hangup.recv() => {}
        }
    }
}
