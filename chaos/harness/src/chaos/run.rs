//! The course of a run.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use anyhow::{Context, Result};
use eggs_client::Client;
use tokio::time::Instant;

use super::crew::{Crew, Stop};
use super::latencies::latencies;
use super::{ChaosPlan, ChaosReport, LoggedError, after, logs};
use crate::check::{Outcome, judge};
use crate::dress::Dress;
use crate::history::{Answer, Call, Counts, FORMAT, Header, History, Recorder};
use crate::nemesis::{Field, Nemesis};
use crate::workload::{Hand, Workload};
use crate::{Cluster, Random, report};

/// Bound of every operation of a worker.
const OPERATION: Duration = Duration::from_secs(10);
/// Longest pause of a worker between operations, in milliseconds.
const PAUSE_MS: u64 = 20;
/// Number of the worker that reads at the end.
const LAST_WORKER: u64 = 1000;

/// Runs a workload against a cluster while breaking it. `say` is told how it goes, about every two seconds.
///
/// Without `dress`, networks, clocks and disks stay whole.
pub async fn run_chaos(
    cluster: Arc<Cluster>,
    dress: Option<Arc<Dress>>,
    plan: &ChaosPlan,
    say: impl Fn(&str),
) -> Result<ChaosReport> {
    let nemesis = Nemesis::of(&plan.nemesis)
        .with_context(|| format!("there is no nemesis {}", plan.nemesis))?;
    let path = plan.out.join("history.jsonl");
    let header = Header {
        format: FORMAT,
        workload: plan.workload.clone(),
        nemesis: plan.nemesis.clone(),
        seed: plan.seed,
        seconds: plan.seconds,
    };
    let recorder = Arc::new(Recorder::new(&path, header)?);
    say("preparing the workload");
    let registry = match &dress {
        Some(dress) => dress.network().proxy(cluster.registry())?,
        None => cluster.registry(),
    };
    let client = cluster.client_reading(registry, plan.read_from).await?;
    let client = client.with_timeout(OPERATION);
    let mut hand = hand(plan, LAST_WORKER, client.clone(), &recorder);
    let workload = Workload::prepare(&plan.workload, &mut hand).await?;
    let workload = workload.with_context(|| format!("there is no workload {}", plan.workload))?;
    let workload = Arc::new(workload);
    let begin = Begin {
        cluster: &cluster,
        registry,
        plan,
        recorder: &recorder,
    };
    let crew = Arc::new(begin.load(&workload).await?);
    let field = Field {
        cluster: cluster.clone(),
        client,
        recorder: recorder.clone(),
        dress,
        workload: workload.clone(),
        crew: crew.clone(),
        surgery: tokio::sync::Mutex::default(),
        seed: plan.seed,
    };
    let end = Instant::now() + Duration::from_secs(plan.seconds);
    let mut problems = Vec::new();
    tokio::select! {
        // What is broken and cannot be mended is for the report, with all that led to it.
        outcome = nemesis.run(&field, end) => {
            problems.extend(outcome.err().map(|error| format!("the nemesis ended: {error:#}")));
        }
        () = tell(&recorder, end, &say) => {}
    }
    say("all is healed; waiting for the last answers");
    recorder.note("all is healed");
    drop(field);
    crew.end().await?;
    problems.extend(after::healthy(&cluster).await);
    say("reading everything again");
    workload.finish(&mut hand).await;
    recorder.note("everything was read again");
    recorder.flush()?;
    say("checking the file system");
    problems.extend(after::fsck(&cluster).await);
    let errors = logs::errors(&cluster.dir(), &plan.nemesis);
    let unexpected = errors.iter().filter(|error| error.expected.is_none());
    problems.extend(unexpected.map(|error| format!("an unexpected ERROR: {}", error.what)));
    say("judging the history");
    problems.extend(reached_applications(plan, recorder.counts()));
    let report = finish(plan, path, problems, errors, recorder.counts())?;
    if report.outcome != Outcome::Sound {
        logs::copy_logs(&cluster.dir().join("log"), &report.logs)?;
    }
    Ok(report)
}

/// Says how it goes; never ends.
async fn tell(recorder: &Recorder, end: Instant, say: &impl Fn(&str)) {
    loop {
        tokio::time::sleep(Duration::from_secs(2)).await;
        let left = end.saturating_duration_since(Instant::now()).as_secs();
        let counts = recorder.counts();
        say(&format!(
            "{left} s left, {} answered, {} unknown, {} failed",
            counts.answered.load(Ordering::Relaxed),
            counts.unknown.load(Ordering::Relaxed),
            counts.failed.load(Ordering::Relaxed),
        ));
    }
}

/// Some nemeses must not be noticed by clients at all.
fn reached_applications(plan: &ChaosPlan, counts: &Counts) -> Option<String> {
    let bad = counts.unknown.load(Ordering::Relaxed) + counts.failed.load(Ordering::Relaxed);
    let quiet = matches!(
        plan.nemesis.as_str(),
        "none" | "roll" | "members" | "rot" | "domains" | "still"
    );
    (quiet && bad > 0).then(|| format!("{bad} errors reached clients, who should notice nothing"))
}

/// What is acknowledged can be read, also while there is no space.
fn failed_reads(plan: &ChaosPlan, history: &History) -> Option<String> {
    if plan.nemesis != "filled" {
        return None;
    }
    let failed =
        |call: &&Call| call.operation.only_reads() && matches!(call.answer, Answer::Failed { .. });
    let count = history.calls.iter().filter(failed).count();
    (count > 0).then(|| format!("{count} reads failed, though only space was missing"))
}

fn hand(plan: &ChaosPlan, worker: u64, client: Client, recorder: &Arc<Recorder>) -> Hand {
    Hand {
        worker,
        client,
        recorder: recorder.clone(),
        random: Random::of(plan.seed, &format!("worker {worker}")),
    }
}

/// What workers need.
struct Begin<'a> {
    cluster: &'a Arc<Cluster>,
    registry: SocketAddr,
    plan: &'a ChaosPlan,
    recorder: &'a Arc<Recorder>,
}

impl Begin<'_> {
    async fn load(&self, workload: &Arc<Workload>) -> Result<Crew> {
        let mut crew = Crew::new();
        for worker in 0..self.plan.workers {
            let (cluster, registry) = (self.cluster.clone(), self.registry);
            let (plan, recorder) = (self.plan.clone(), self.recorder.clone());
            let begin = async move {
                let client = cluster.client_reading(registry, plan.read_from).await?;
                let client = client.with_timeout(OPERATION);
                Ok(hand(&plan, worker, client, &recorder))
            };
            let workload = workload.clone();
            let work = |mut hand: Hand, stop: Stop| async move {
                while !stop.is_asked() {
                    workload.step(&mut hand).await;
                    let pause = hand.random.between(0, PAUSE_MS);
                    tokio::time::sleep(Duration::from_millis(pause)).await;
                }
            };
            crew.join(begin, work).await?;
        }
        Ok(crew)
    }
}

/// Judges and writes the report.
fn finish(
    plan: &ChaosPlan,
    path: PathBuf,
    mut problems: Vec<String>,
    errors: Vec<LoggedError>,
    counts: &Counts,
) -> Result<ChaosReport> {
    let history = History::read(&path)?;
    problems.extend(failed_reads(plan, &history));
    let verdict = judge(&history);
    let outcome = if problems.is_empty() {
        verdict.outcome()
    } else {
        Outcome::Violated
    };
    let report = ChaosReport {
        outcome,
        verdict,
        problems,
        errors,
        latencies: latencies(&history),
        answered: counts.answered.load(Ordering::Relaxed),
        unknown: counts.unknown.load(Ordering::Relaxed),
        failed: counts.failed.load(Ordering::Relaxed),
        faults: history.faults.len(),
        history: path,
        page: plan.out.join("report.html"),
        logs: plan.out.join("logs"),
    };
    let page = report::page(&history, &report);
    std::fs::write(&report.page, page)
        .with_context(|| format!("write {}", report.page.display()))?;
    Ok(report)
}
