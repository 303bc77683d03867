//! Redundancy comes back by itself: blocks of disks that are drained, and blocks that have rotted, are made again elsewhere,
//! and then as many failure domains as before may be lost.

use std::fs;
use std::path::Path;
use std::time::Duration;

use anyhow::{Context, Result};
use eggs_harness::{Cluster, Options, check_files, until, write_files};

const PATIENCE: Duration = Duration::from_secs(180);

/// Block files of a domain's disks.
fn blocks_of(cluster: &Cluster, domain: &str) -> Result<Vec<std::path::PathBuf>> {
    let part = format!("/{domain}/");
    let mut files = cluster.block_files()?;
    files.retain(|path| path.display().to_string().contains(&part));
    Ok(files)
}

fn disks_of_domain(cluster: &Cluster, domain: &str) -> Result<Vec<String>> {
    let listed = cluster.cli(&["--json", "disk", "list"])?.ok()?;
    let listed: serde_json::Value = serde_json::from_str(&listed)?;
    let disks = listed.as_array().context("a list of disks")?;
    let ours = disks.iter().filter(|disk| disk["failure_domain"] == domain);
    Ok(ours
        .filter_map(|disk| disk["service"].as_str().map(String::from))
        .collect())
}

fn rot(path: &Path) -> Result<()> {
    let mut bytes = fs::read(path)?;
    bytes[2345] ^= 0x08;
    fs::write(path, bytes).with_context(|| format!("spoil {}", path.display()))
}

#[test]
fn drained_and_rotten_blocks_are_made_again() -> Result<()> {
    let cluster = Cluster::start(Options::default())?;
    write_files(&cluster, "f")?;

    let disks = disks_of_domain(&cluster, "fd3")?;
    assert_eq!(disks.len(), 2);
    assert!(!blocks_of(&cluster, "blocks3")?.is_empty());
    let secret = cluster.dir().join("secret/cluster").display().to_string();
    let mut drain = vec!["disk", "drain", "--wait", "--cluster-secret-file", &secret];
    drain.extend(disks.iter().map(String::as_str));
    let without_secret = cluster.cli(&["disk", "set", &disks[0], "no_write"])?;
    assert!(!without_secret.status.success());
    let told = cluster.cli(&drain)?.ok()?;
    assert!(told.contains("can be taken away"), "{told}");
    until("the drained disks are empty", PATIENCE, || {
        blocks_of(&cluster, "blocks3").is_ok_and(|left| left.is_empty())
    })?;
    check_files(&cluster, "f")?;

    let mut rotten = blocks_of(&cluster, "blocks0")?;
    rotten.extend(blocks_of(&cluster, "blocks7")?);
    assert!(!rotten.is_empty());
    for path in &rotten {
        rot(path)?;
    }
    // A scrub begins when the process does.
    cluster.kill_unseen("gc0")?;
    until("every rotten block has been replaced", PATIENCE, || {
        rotten.iter().all(|path| !path.exists())
    })?;

    for victim in ["blocks1", "blocks5", "blocks8", "blocks15"] {
        cluster.eggsrun(&["kill", victim])?.ok()?;
    }
    check_files(&cluster, "f")
}
