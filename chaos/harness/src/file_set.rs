//! Files of all sizes that are stored differently, written and checked through the mount and by `eggscli`.

use std::fs;

use anyhow::{Context, Result, anyhow};

use crate::{Cluster, Content};

/// Inline, copies, `4+4`, `10+4`, several extents.
const SIZES: [usize; 7] = [0, 100, 5_000, 60_000, 900_000, 5_000_000, 50_000_000];

fn contents() -> impl Iterator<Item = Content> {
    (0u64..)
        .zip(SIZES)
        .map(|(seed, bytes)| Content { seed, bytes })
}

/// Writes them through the mount.
pub fn write_files(cluster: &Cluster, prefix: &str) -> Result<()> {
    for content in contents() {
        let name = format!("{prefix}-{}", content.bytes);
        fs::write(cluster.mount().join(&name), content.make())
            .with_context(|| format!("write {name}"))?;
    }
    Ok(())
}

/// Reads them through the mount, which may have pages that it wrote, and by `eggscli`.
pub fn check_files(cluster: &Cluster, prefix: &str) -> Result<()> {
    for content in contents() {
        let name = format!("{prefix}-{}", content.bytes);
        let through_mount =
            fs::read(cluster.mount().join(&name)).with_context(|| format!("read {name}"))?;
        content
            .check(&through_mount)
            .map_err(|why| anyhow!("{name}: {why}"))?;
        let copy = cluster.scratch()?.join(&name);
        cluster
            .cli(&["get", &format!("/{name}"), &copy.display().to_string()])?
            .ok()?;
        content
            .check(&fs::read(&copy)?)
            .map_err(|why| anyhow!("{name} by eggscli: {why}"))?;
    }
    Ok(())
}
