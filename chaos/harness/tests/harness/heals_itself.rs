//! Redundancy comes back by itself: blocks of disks that are drained, and blocks that have rotted, are made again elsewhere,
//! and then as many failure domains as before may be lost.

use std::fs;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use anyhow::{Context, Result};
use eggs_harness::{Cluster, Content, Options, check_files, until, write_files};

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

/// From a read that meets damage to the end of what was damaged.
const SOON: Duration = Duration::from_secs(30);

/// Block files that were made meanwhile.
fn made_since(cluster: &Cluster, before: &[PathBuf]) -> Result<Vec<PathBuf>> {
    let mut files = cluster.block_files()?;
    files.retain(|path| !before.contains(path));
    Ok(files)
}

#[test]
fn what_a_reader_finds_damaged_is_made_again_within_half_a_minute() -> Result<()> {
    let cluster = Cluster::start(Options::default())?;
    let mut rotten = Vec::new();
    for name in ["read", "unread"] {
        let before = cluster.block_files()?;
        let path = cluster.mount().join(name);
        fs::write(
            path,
            Content {
                seed: 7,
                bytes: 7_000_000,
            }
            .make(),
        )?;
        let made = made_since(&cluster, &before)?;
        // As many as can be lost of 10+4: not all of them are parity, which nobody reads.
        let some = made.get(..4).context("blocks of a file")?.to_vec();
        for path in &some {
            rot(path)?;
        }
        rotten.push(some);
    }
    let get = || -> Result<()> {
        let copy = cluster.scratch()?.join("copy");
        cluster
            .cli(&["get", "/read", &copy.display().to_string()])?
            .ok()?;
        let content = Content {
            seed: 7,
            bytes: 7_000_000,
        };
        let is_right = content.check(&fs::read(&copy)?);
        is_right.map_err(|why| anyhow::anyhow!("{why}"))
    };
    get()?;
    let met = Instant::now();
    until("what was read has been replaced", SOON, || {
        let _ = get();
        rotten[0].iter().any(|path| !path.exists())
    })?;
    eprintln!("replaced {:?} after it was met", met.elapsed());
    // Neither a scrub nor anything else did it.
    assert!(rotten[1].iter().all(|path| path.exists()));
    get()
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
