//! Promise 1: any four failure domains may be lost: everything reads back, and writing goes on.

use anyhow::Result;
use eggs_harness::{Cluster, Options, check_files, write_files};

#[test]
fn four_lost_failure_domains_lose_nothing() -> Result<()> {
    let cluster = Cluster::start(Options::default())?;
    write_files(&cluster, "before")?;
    for victim in ["blocks1", "blocks5", "blocks8", "blocks15"] {
        cluster.eggsrun(&["kill", victim])?.ok()?;
    }
    check_files(&cluster, "before")?;
    write_files(&cluster, "during")?;
    check_files(&cluster, "during")?;
    for victim in ["blocks1", "blocks5", "blocks8", "blocks15"] {
        cluster.eggsrun(&["start", victim])?.ok()?;
    }
    cluster.wait_healthy()?;
    check_files(&cluster, "before")?;
    check_files(&cluster, "during")
}
