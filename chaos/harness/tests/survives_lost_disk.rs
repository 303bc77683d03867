//! A metadata process whose directory is gone never comes back under its name; one command puts another in its place,
//! without an error for the application, and afterwards the cluster bears the next failure as before.

use std::fs;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};
use eggs_harness::{Cluster, Content, Options, until};
use serde_json::Value;

const BOUND: Duration = Duration::from_secs(120);
const FILE_BYTES: usize = 2_000;

/// Makes directories, files and moves them until told to stop. Any error ends it.
fn work(cluster: &Cluster, stop: &AtomicBool, rounds: &AtomicU64) -> Result<u64> {
    let mut round = 0;
    while !stop.load(Ordering::Relaxed) {
        let dir = cluster.mount().join(format!("dir-{round}"));
        fs::create_dir(&dir).with_context(|| format!("make {}", dir.display()))?;
        let content = Content {
            seed: round,
            bytes: FILE_BYTES,
        };
        fs::write(dir.join("new"), content.make()).context("write")?;
        let name = cluster.mount().join(format!("file-{round}"));
        fs::rename(dir.join("new"), &name).with_context(|| format!("move {}", name.display()))?;
        round += 1;
        rounds.store(round, Ordering::Relaxed);
    }
    Ok(round)
}

/// Kills a process and removes its directory.
fn destroy(cluster: &Cluster, name: &str) -> Result<()> {
    cluster.eggsrun(&["kill", name])?.ok()?;
    fs::remove_dir_all(cluster.dir().join("data").join(name)).context("remove a directory")
}

fn meta(cluster: &Cluster, args: &[&str]) -> Result<eggs_harness::Finished> {
    let secret = cluster.dir().join("secret/cluster");
    let secret = secret.to_str().context("a path in UTF-8")?;
    let line: Vec<&str> = [&["meta"], args, &["--cluster-secret-file", secret]].concat();
    cluster.cli(&line)
}

fn meta_status(cluster: &Cluster) -> Result<Value> {
    let said = meta(cluster, &["status", "--json"])?.stdout;
    serde_json::from_str(&said).context("JSON")
}

/// A process with an empty directory and an old name says what to do, and does nothing else.
fn refuses_its_old_name(cluster: &Cluster, name: &str) -> Result<()> {
    let log = cluster.dir().join("log").join(format!("{name}.log"));
    let before = fs::read_to_string(&log)?.len();
    let _ = cluster.eggsrun(&["start", name])?; // it lives for a moment only
    until("it says what to do", BOUND, || {
        let said = fs::read_to_string(&log).unwrap_or_default();
        let new = said.get(before..).unwrap_or_default();
        new.contains(&format!("eggscli meta replace {name}"))
    })?;
    cluster.eggsrun(&["kill", name]).map(drop)
}

/// Waits until the application has done something more.
fn goes_on(rounds: &AtomicU64) -> Result<()> {
    let before = rounds.load(Ordering::Relaxed);
    until("the application goes on", BOUND, || {
        rounds.load(Ordering::Relaxed) > before + 3
    })?;
    Ok(())
}

fn lose_and_replace(cluster: &Cluster, rounds: &AtomicU64) -> Result<()> {
    goes_on(rounds)?;
    for (lost, new, next) in [
        ("shard1", "shard3", "shard0"),
        ("cdc2", "cdc3", "cdc0"),
        ("shuckle1", "shuckle3", "shuckle2"),
    ] {
        destroy(cluster, lost)?;
        goes_on(rounds)?;
        refuses_its_old_name(cluster, lost)?;
        let begin = Instant::now();
        cluster.eggsrun(&["replace", lost])?.ok()?;
        println!("{lost} was replaced by {new} in {:?}", begin.elapsed());
        goes_on(rounds)?;
        let status = meta_status(cluster)?;
        let nodes = status["nodes"].as_array().context("nodes")?;
        ensure!(nodes.iter().all(|node| node["node"] != lost), "{status:#}");
        let with_new = |group: &&Value| {
            let members = group["members"].as_array().into_iter().flatten();
            members
                .clone()
                .any(|m| m["node"] == new && m["votes"] == true)
        };
        let groups = status["groups"].as_array().context("groups")?;
        let expected = if new == "shard3" { 256 } else { 1 };
        ensure!(
            groups.iter().filter(with_new).count() == expected,
            "{status:#}"
        );
        // Redundancy is really back: the next one may fail.
        cluster.wait_healthy()?;
        cluster.eggsrun(&["kill", next])?.ok()?;
        goes_on(rounds)?;
        cluster.eggsrun(&["start", next])?.ok()?;
        goes_on(rounds)?;
    }
    Ok(())
}

#[test]
fn a_process_that_lost_its_disk_is_replaced_in_one_command() -> Result<()> {
    let cluster = Cluster::start(Options::default())?;
    let (stop, rounds) = (AtomicBool::new(false), AtomicU64::new(0));
    let count = std::thread::scope(|scope| -> Result<u64> {
        let worker = scope.spawn(|| work(&cluster, &stop, &rounds));
        let outcome = lose_and_replace(&cluster, &rounds);
        stop.store(true, Ordering::Relaxed);
        let count = worker.join().expect("the worker does not panic");
        outcome?;
        count.context("an error reached the application")
    })?;
    check(&cluster, count)?;
    // The new ones are there after a restart, the old ones are not.
    cluster.eggsrun(&["stop"])?.ok()?;
    cluster.start_again()?;
    let names = cluster.process_names()?;
    ensure!(names.contains(&"shard3".into()) && !names.contains(&"shard1".into()));
    check(&cluster, count)
}

fn check(cluster: &Cluster, count: u64) -> Result<()> {
    cluster.wait_healthy()?;
    for seed in 0..count {
        let path = cluster.mount().join(format!("file-{seed}"));
        let bytes = fs::read(&path).with_context(|| format!("read {}", path.display()))?;
        let content = Content {
            seed,
            bytes: FILE_BYTES,
        };
        content.check(&bytes).map_err(anyhow::Error::msg)?;
    }
    cluster.cli(&["fsck"])?.ok().map(drop)
}

#[test]
fn leadership_is_handed_over_and_strangers_may_not_ask() -> Result<()> {
    let cluster = Cluster::start(Options::default())?;
    let refused = cluster.cli(&["meta", "status"])?;
    ensure!(refused.stderr.contains("cluster secret"), "{refused:?}");
    meta(&cluster, &["status"])?.ok()?;
    let mut took = Vec::new();
    for group in ["shard-007", "shard-008", "cdc"] {
        let status = meta_status(&cluster)?;
        let groups = status["groups"].as_array().context("groups")?;
        let leader = groups.iter().find(|g| g["group"] == group);
        let leader = leader
            .and_then(|g| g["leader"].as_str())
            .context("a leader")?;
        let prefix = leader.trim_end_matches(|c: char| c.is_ascii_digit());
        let heir = (0..3)
            .map(|n| format!("{prefix}{n}"))
            .find(|name| name != leader);
        let heir = heir.context("three replicas")?;
        let said = meta(&cluster, &["transfer", group, &heir, "--json"])?.ok()?;
        let said: Value = serde_json::from_str(&said).context("JSON")?;
        ensure!(said["leader"] == heir.as_str(), "{said}");
        took.push(said["ms"].as_f64().context("ms")?);
    }
    println!("handed over in {took:?} ms");
    // A planned stop hands all its groups over before it ends.
    fs::write(cluster.mount().join("before"), "x")?;
    let plan = meta(&cluster, &["balance", "--json"])?.ok()?;
    let plan: Value = serde_json::from_str(&plan).context("JSON")?;
    ensure!(
        plan["would_move"].as_array().is_some_and(Vec::is_empty),
        "{plan}"
    );
    Ok(())
}
