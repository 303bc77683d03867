//! A metadata process whose directory is gone never comes back under its name; one command puts another in its place,
//! without an error for the application, and afterwards the cluster bears the next failure as before.

use std::fs;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};
use eggs_harness::{Cluster, Mover, Options, check_moved, meta, meta_status, until, votes};
use serde_json::Value;

const BOUND: Duration = Duration::from_secs(120);
/// Kills a process and removes its directory.
fn destroy(cluster: &Cluster, name: &str) -> Result<()> {
    cluster.eggsrun(&["kill", name])?.ok()?;
    fs::remove_dir_all(cluster.dir().join("data").join(name)).context("remove a directory")
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

fn lose_and_replace(cluster: &Cluster, mover: &Mover) -> Result<()> {
    mover.goes_on()?;
    for (lost, new, next) in [
        ("shard1", "shard3", "shard0"),
        ("cdc2", "cdc3", "cdc0"),
        ("shuckle1", "shuckle3", "shuckle2"),
    ] {
        destroy(cluster, lost)?;
        mover.goes_on()?;
        refuses_its_old_name(cluster, lost)?;
        let begin = Instant::now();
        cluster.eggsrun(&["replace", lost])?.ok()?;
        println!("{lost} was replaced by {new} in {:?}", begin.elapsed());
        mover.goes_on()?;
        let status = meta_status(cluster)?;
        let nodes = status["nodes"].as_array().context("nodes")?;
        ensure!(nodes.iter().all(|node| node["node"] != lost), "{status:#}");
        let expected = if new == "shard3" { 256 } else { 1 };
        ensure!(votes(&status, new) == expected, "{status:#}");
        // Redundancy is really back: the next one may fail.
        cluster.wait_healthy()?;
        cluster.eggsrun(&["kill", next])?.ok()?;
        mover.goes_on()?;
        cluster.eggsrun(&["start", next])?.ok()?;
        mover.goes_on()?;
    }
    Ok(())
}

#[test]
fn a_process_that_lost_its_disk_is_replaced_in_one_command() -> Result<()> {
    let cluster = Cluster::start(Options::default())?;
    let count = Mover::beside(&cluster, |mover| lose_and_replace(&cluster, mover))?;
    check_moved(&cluster, count)?;
    // The new ones are there after a restart, the old ones are not.
    cluster.eggsrun(&["stop"])?.ok()?;
    cluster.start_again()?;
    let names = cluster.process_names()?;
    ensure!(names.contains(&"shard3".into()) && !names.contains(&"shard1".into()));
    check_moved(&cluster, count)
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

/// Nobody else has what a registry of one knew.
#[test]
fn a_registry_of_one_that_lost_its_disk_is_founded_anew_only_if_told() -> Result<()> {
    let cluster = Cluster::start(Options {
        args: &["--meta-replicas=1"],
        ..Options::default()
    })?;
    let kept = cluster.mount().join("kept");
    fs::write(&kept, vec![7; 300_000]).context("write a file")?;
    destroy(&cluster, "shuckle0")?;
    let _ = cluster.eggsrun(&["start", "shuckle0"])?; // it lives for a moment only
    let log = cluster.dir().join("log/shuckle0.log");
    until("it says that it founds nothing", BOUND, || {
        let said = fs::read_to_string(&log).unwrap_or_default();
        said.contains("there has been a registry")
    })?;
    cluster.eggsrun(&["stop"])?.ok()?;
    let refused = format!("{:?}", cluster.start_again());
    ensure!(refused.contains("--found-anew"), "{refused}");
    cluster.start_with(&["--found-anew"])?;
    cluster.wait_healthy()?;
    let content = fs::read(&kept).context("read a file")?;
    ensure!(content == vec![7; 300_000], "another content");
    // That was said once.
    destroy(&cluster, "shuckle0")?;
    let before = fs::read_to_string(&log)?.len();
    let _ = cluster.eggsrun(&["start", "shuckle0"])?;
    until("it founds nothing again", BOUND, || {
        let said = fs::read_to_string(&log).unwrap_or_default();
        let new = said.get(before..).unwrap_or_default();
        new.contains("there has been a registry")
    })?;
    Ok(())
}
