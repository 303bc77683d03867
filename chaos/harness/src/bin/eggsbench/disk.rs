//! What metadata takes on disk.

use std::fs;
use std::path::Path;

use anyhow::{Context, Result};
use eggs_harness::Cluster;

/// Replicas of each shard in a cluster of `eggsrun`.
pub const REPLICAS: f64 = 3.0;

/// Bytes in the directories of all shard processes.
pub fn shard_bytes(cluster: &Cluster) -> Result<u64> {
    let mut total = 0;
    for process in
        fs::read_dir(cluster.dir().join("data")).context("list the directories of the processes")?
    {
        let process = process.context("list the directories of the processes")?;
        if process.file_name().to_string_lossy().starts_with("shard") {
            total += below(&process.path())?;
        }
    }
    anyhow::ensure!(total > 0, "no shard has a directory");
    Ok(total)
}

/// Files may go while they are counted.
fn below(dir: &Path) -> Result<u64> {
    let mut total = 0;
    for entry in fs::read_dir(dir).with_context(|| format!("list {}", dir.display()))? {
        let entry = entry.with_context(|| format!("list {}", dir.display()))?;
        match entry.metadata() {
            Ok(found) if found.is_dir() => total += below(&entry.path())?,
            Ok(found) => total += found.len(),
            Err(_) => {}
        }
    }
    Ok(total)
}
