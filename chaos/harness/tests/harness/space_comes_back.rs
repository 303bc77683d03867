//! Promise 5: what was deleted can be seen as snapshots until the policy ends, and then all of its blocks
//! disappear; so do those of files that were never finished.

use std::fs;
use std::time::Duration;

use anyhow::{Context, Result};
use eggs_harness::{Cluster, Content, Options, until};

const BOUND: Duration = Duration::from_secs(240);

#[test]
fn removing_a_tree_frees_every_block() -> Result<()> {
    let cluster = Cluster::start(Options::default())?;
    let tree = cluster.mount().join("tree");
    for dir in ["", "a", "a/b", "c"] {
        fs::create_dir(tree.join(dir)).context("make a directory")?;
        for (seed, bytes) in [100, 20_000, 300_000, 3_000_000].into_iter().enumerate() {
            let path = tree.join(dir).join(bytes.to_string());
            fs::write(
                path,
                Content {
                    seed: seed as u64,
                    bytes,
                }
                .make(),
            )
            .context("write")?;
        }
    }
    fs::rename(tree.join("a/20000"), tree.join("c/moved")).context("move across directories")?;
    fs::write(tree.join("c/3000000"), "replaced").context("replace a file")?;
    assert!(!cluster.block_files()?.is_empty());
    let before = cluster.block_files()?.len();

    cluster
        .cli(&["policy", "set", "/", "snapshot", "--keep", "1h"])?
        .ok()?;
    fs::remove_dir_all(&tree).context("remove the tree")?;
    assert!(!tree.exists());
    assert_eq!(
        cluster.block_files()?.len(),
        before,
        "blocks went although snapshots are kept"
    );

    cluster
        .cli(&["policy", "set", "/", "snapshot", "--keep", "2s"])?
        .ok()?;
    until("all blocks are gone", BOUND, || {
        cluster.block_files().is_ok_and(|files| files.is_empty())
    })?;
    // The name space still works, and nothing else was taken.
    fs::write(
        cluster.mount().join("kept"),
        Content {
            seed: 9,
            bytes: 50_000,
        }
        .make(),
    )?;
    let bytes = fs::read(cluster.mount().join("kept"))?;
    Content {
        seed: 9,
        bytes: 50_000,
    }
    .check(&bytes)
    .map_err(anyhow::Error::msg)
}

#[test]
fn a_writer_killed_by_a_signal_leaves_nothing() -> Result<()> {
    let cluster = Cluster::start(Options::default())?;
    let line = "python3 -c \"import os; f = open('half', 'wb', 0); f.write(b'x' * 30000000); os.kill(os.getpid(), 9)\"";
    let finished = cluster.shell("bash", line)?;
    assert!(!finished.status.success());
    assert!(
        !cluster.mount().join("half").exists(),
        "a half-written file can be seen"
    );
    assert_eq!(cluster.cli(&["ls", "/"])?.ok()?, "");
    until("its blocks are gone", BOUND, || {
        cluster.block_files().is_ok_and(|files| files.is_empty())
    })?;
    Ok(())
}
