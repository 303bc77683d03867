//! Promise 1: a flipped bit on a disk never reaches a reader.

use std::fs;

use anyhow::{Context, Result};
use eggs_harness::{Cluster, Content, Options};

#[test]
fn a_flipped_bit_in_each_block_file_of_a_domain_is_decoded_away() -> Result<()> {
    let cluster = Cluster::start(Options::default())?;
    let contents =
        [(30_000, 1), (700_000, 2), (7_000_000, 3)].map(|(bytes, seed)| Content { seed, bytes });
    for content in contents {
        let path = cluster.mount().join(content.bytes.to_string());
        fs::write(path, content.make()).context("write")?;
    }
    // Every block of four failure domains rots: as much as the parity can bear.
    let mut rotten = 0;
    for path in cluster.block_files()? {
        let text = path.display().to_string();
        if ["blocks0/", "blocks3/", "blocks7/", "blocks12/"]
            .iter()
            .any(|domain| text.contains(domain))
        {
            let mut bytes = fs::read(&path)?;
            bytes[1234] ^= 0x10;
            fs::write(&path, bytes)?;
            rotten += 1;
        }
    }
    assert!(
        rotten > 0,
        "no block file was found in the four failure domains"
    );
    for content in contents {
        // Through the library: the mount may still have the pages it wrote.
        let copy = cluster.scratch()?.join("copy");
        let path = format!("/{}", content.bytes);
        cluster
            .cli(&["get", &path, &copy.display().to_string()])?
            .ok()?;
        content
            .check(&fs::read(&copy)?)
            .map_err(|why| anyhow::anyhow!("{path}: {why}"))?;
        let through_mount = fs::read(cluster.mount().join(&path[1..]))?;
        content
            .check(&through_mount)
            .map_err(|why| anyhow::anyhow!("{path} by mount: {why}"))?;
    }
    Ok(())
}
