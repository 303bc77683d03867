//! Promise 1: any four failure domains may be lost: everything reads back, and writing goes on.

use std::fs;

use anyhow::{Context, Result};
use eggs_harness::{Cluster, Content, Options};

/// Inline, copies, `4+4`, `10+4`, several extents.
const SIZES: [usize; 7] = [0, 100, 5_000, 60_000, 900_000, 5_000_000, 50_000_000];

fn write_all(cluster: &Cluster, prefix: &str) -> Result<()> {
    for (seed, bytes) in SIZES.into_iter().enumerate() {
        let content = Content {
            seed: seed as u64,
            bytes,
        };
        fs::write(
            cluster.mount().join(format!("{prefix}-{bytes}")),
            content.make(),
        )
        .with_context(|| format!("write {prefix}-{bytes}"))?;
    }
    Ok(())
}

fn check_all(cluster: &Cluster, prefix: &str) -> Result<()> {
    for (seed, bytes) in SIZES.into_iter().enumerate() {
        let name = format!("{prefix}-{bytes}");
        let through_mount =
            fs::read(cluster.mount().join(&name)).with_context(|| format!("read {name}"))?;
        let content = Content {
            seed: seed as u64,
            bytes,
        };
        content
            .check(&through_mount)
            .map_err(|why| anyhow::anyhow!("{name}: {why}"))?;
        let copy = cluster.scratch()?.join(&name);
        cluster
            .cli(&["get", &format!("/{name}"), &copy.display().to_string()])?
            .ok()?;
        content
            .check(&fs::read(&copy)?)
            .map_err(|why| anyhow::anyhow!("{name} by eggscli: {why}"))?;
    }
    Ok(())
}

#[test]
fn four_lost_failure_domains_lose_nothing() -> Result<()> {
    let cluster = Cluster::start(Options::default())?;
    write_all(&cluster, "before")?;
    for victim in ["blocks1", "blocks5", "blocks8", "blocks15"] {
        cluster.eggsrun(&["kill", victim])?.ok()?;
    }
    check_all(&cluster, "before")?;
    write_all(&cluster, "during")?;
    check_all(&cluster, "during")?;
    for victim in ["blocks1", "blocks5", "blocks8", "blocks15"] {
        cluster.eggsrun(&["start", victim])?.ok()?;
    }
    cluster.wait_healthy()?;
    check_all(&cluster, "before")?;
    check_all(&cluster, "during")
}
