//! A disk is known by its label, not by the process that serves it: disks that move between hosts go on being read.

use std::fs;
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use eggs_harness::{Cluster, Options, check_files, until, write_files};
use serde_json::Value;

const BOUND: Duration = Duration::from_secs(60);
const MOVED: [&str; 2] = ["blocks0", "blocks1"];
/// As many as the parity can bear, so that nothing can be read without the disks that moved.
const LOST: [&str; 4] = ["blocks5", "blocks8", "blocks11", "blocks15"];

/// Disks and the failure domain of the process that serves each.
fn disks(cluster: &Cluster) -> Result<Vec<(String, String)>> {
    let listed = cluster.cli(&["--json", "disk", "list"])?.ok()?;
    let listed: Value = serde_json::from_str(&listed).context("JSON")?;
    let text = |disk: &Value, key: &str| disk[key].as_str().map(String::from).unwrap_or_default();
    let disks = listed.as_array().context("a list of disks")?;
    Ok(disks
        .iter()
        .map(|disk| (text(disk, "service"), text(disk, "failure_domain")))
        .collect())
}

#[test]
fn disks_that_change_places_are_recognised_and_read() -> Result<()> {
    let cluster = Cluster::start(Options::default())?;
    write_files(&cluster, "f")?;
    let before = disks(&cluster)?;
    ensure!(
        before.iter().all(|(_, domain)| domain.starts_with("fd")),
        "{before:?}"
    );

    for name in MOVED {
        cluster.eggsrun(&["kill", name])?.ok()?;
    }
    let [one, other] = MOVED.map(|name| cluster.data(name));
    for disk in ["hdd0", "flash0"] {
        let between = cluster.scratch()?.join("between");
        fs::rename(one.join(disk), &between).context("take a disk out")?;
        fs::rename(other.join(disk), one.join(disk)).context("take a disk out")?;
        fs::rename(between, other.join(disk)).context("put a disk in")?;
    }
    for name in MOVED {
        cluster.eggsrun(&["start", name])?.ok()?;
    }
    cluster.wait_healthy()?;
    until("the registry knows where the disks are", BOUND, || {
        disks(&cluster).is_ok_and(|now| {
            let moved = before.iter().filter(|disk| !now.contains(disk));
            now.len() == before.len() && moved.count() == 4
        })
    })?;
    check_files(&cluster, "f")?;

    for name in LOST {
        cluster.eggsrun(&["kill", name])?.ok()?;
    }
    check_files(&cluster, "f")?;
    write_files(&cluster, "after")?;
    check_files(&cluster, "after")
}
