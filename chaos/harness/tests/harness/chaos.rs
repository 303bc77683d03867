//! A short selection of what `make chaos` does at length: every workload at once, while processes are killed, paused and
//! restarted, leaders hunted, networks cut, clients paused, power cut, clocks moved, disks full, slow or failing, and while blocks rot. What clients saw fits into one order of events, and nothing is lost.

use std::fs;
use std::path::PathBuf;
use std::sync::Arc;

use anyhow::{Context, Result, ensure};
use eggs_client::ReadFrom;
use eggs_harness::check::Outcome;
use eggs_harness::dress::{Dress, Faults, Style};
use eggs_harness::{ChaosPlan, ChaosReport, Cluster, Options, program_dir, run_chaos};

/// Fixed, so that a failure here is not taken for bad luck. `make chaos` draws another one each time.
const SEED: u64 = 20;

/// What befalls a cluster beside its nemesis.
type Beside = fn(&Dress) -> Result<()>;

fn survives(nemesis: &str, seconds: u64, read_from: ReadFrom) -> Result<()> {
    let report = suffers("all", nemesis, seconds, read_from, |_| Ok(()))?;
    ensure!(report.outcome == Outcome::Sound, "{report:#?}");
    ensure!(report.answered > 100, "clients got nearly nothing done");
    ensure!(report.faults > 0, "nothing was broken");
    Ok(())
}

fn suffers(
    workload: &str,
    nemesis: &str,
    seconds: u64,
    read_from: ReadFrom,
    beside: Beside,
) -> Result<ChaosReport> {
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(2)
        .enable_all()
        .build()
        .context("start the runtime")?;
    let out = tempfile::tempdir().context("make a directory")?;
    let plan = ChaosPlan {
        workload: workload.into(),
        nemesis: nemesis.into(),
        seconds,
        seed: SEED,
        workers: 6,
        read_from,
        out: out.path().to_path_buf(),
    };
    let options = Options {
        args: &["--no-mount"],
        ..Options::default()
    };
    let dress = Dress::start_in(runtime.handle(), Style::of(nemesis))?;
    let cluster = Arc::new(Cluster::start_in(dress.programs(), options)?);
    beside(&dress)?;
    let run = run_chaos(cluster.clone(), Some(dress.clone()), &plan, |text| {
        println!("{text}")
    });
    let report = runtime.block_on(run)?;
    drop(cluster);
    if report.outcome != Outcome::Sound {
        let kept = PathBuf::from(env!("CARGO_TARGET_TMPDIR")).join(format!("chaos-{nemesis}"));
        fs::create_dir_all(&kept).context("make a directory for what is wrong")?;
        for file in [&report.history, &report.page] {
            let name = file.file_name().context("a file has a name")?;
            fs::copy(file, kept.join(name)).context("keep what is wrong")?;
        }
        println!("history and report: {}", kept.display());
    }
    Ok(report)
}

#[test]
fn clients_see_one_order_of_events_while_everything_breaks() -> Result<()> {
    survives("all", 25, ReadFrom::Leader)
}

#[test]
fn clients_see_one_order_of_events_while_leaders_are_hunted() -> Result<()> {
    survives("hunt", 15, ReadFrom::Leader)
}

#[test]
fn readers_of_followers_see_one_order_of_events_while_networks_are_cut() -> Result<()> {
    survives("partition", 20, ReadFrom::Any)
}

#[test]
fn what_was_acknowledged_is_there_after_power_cuts() -> Result<()> {
    survives("power", 12, ReadFrom::Leader)
}

#[test]
fn processes_lose_their_replicas_and_nobody_types_anything() -> Result<()> {
    survives("lost", 12, ReadFrom::Leader)
}

#[test]
fn clients_notice_nothing_while_groups_move_between_processes() -> Result<()> {
    survives("members", 15, ReadFrom::Leader)
}

#[test]
fn four_failure_domains_are_down_paused_full_and_rotten_and_no_call_fails() -> Result<()> {
    let report = suffers("files", "domains", 20, ReadFrom::Leader, |_| Ok(()))?;
    ensure!(report.outcome == Outcome::Sound, "{report:#?}");
    ensure!(report.faults > 0, "nothing was broken");
    let reads = report.latencies.get("read").context("reads")?;
    println!("{reads:?}");
    ensure!(
        reads.broken.calls > 20,
        "hardly anything was read: {reads:?}"
    );
    Ok(())
}

/// Each server in a network namespace of its own: packets get lost, arrive twice, and pass in one direction only.
#[test]
fn clients_see_one_order_of_events_while_packets_get_lost_and_doubled() -> Result<()> {
    if !rustix::process::getuid().is_root() {
        eprintln!("skipped: namespaces need root");
        return Ok(());
    }
    let out = tempfile::tempdir().context("make a directory")?;
    let seed = SEED.to_string();
    // A program of its own: whoever enters a namespace must have one thread.
    let output = std::process::Command::new(program_dir()?.join("eggstests"))
        .args(["run", "--workload", "all", "--nemesis", "packets", "--json"])
        .args(["--time", "15", "--workers", "6", "--seed", &seed, "--out"])
        .arg(out.path())
        .output()
        .context("run eggstests")?;
    let said = String::from_utf8_lossy(&output.stdout);
    let told = String::from_utf8_lossy(&output.stderr);
    ensure!(output.status.success(), "{said}\n{told}");
    let report: serde_json::Value = serde_json::from_str(&said).context("JSON")?;
    ensure!(report["answered"].as_u64() > Some(100), "{report:#}");
    // Something really happened to packets.
    let history = report["history"].as_str().context("a history")?;
    let history = fs::read_to_string(history).context("read the history")?;
    let met = history.lines().filter(|line| {
        line.contains("packets were met by") && !line.contains("\"text\":\"0 packets")
    });
    println!("{} faults met packets", met.clone().count());
    ensure!(met.count() > 1, "no packet was lost or doubled: {report:#}");
    Ok(())
}

/// The harness itself: a fault that its nemesis does not explain is in a log, and clients notice nothing.
#[test]
fn an_error_in_a_log_that_no_fault_explains_is_a_violation() -> Result<()> {
    let report = suffers("files", "none", 8, ReadFrom::Leader, |dress| {
        let sync_errno = 5;
        let faults = Faults {
            sync_errno,
            ..Faults::default()
        };
        dress.suffer("blocks3", faults)
    })?;
    ensure!(report.outcome == Outcome::Violated, "{report:#?}");
    let told = |problem: &String| {
        problem.starts_with("an unexpected ERROR") && problem.contains("a change failed")
    };
    ensure!(report.problems.iter().any(told), "{report:#?}");
    ensure!(report.verdict.findings.is_empty(), "{report:#?}");
    Ok(())
}
