//! Promise 3: `kill -9` of any one metadata process, leaders included, during a copy: no error reaches the
//! application, and a new leader serves soon.

use std::fs;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use anyhow::{Context, Result};
use eggs_harness::{Cluster, Content, Options, until};

const FILE_BYTES: usize = 3_000_000;
const BOUND: Duration = Duration::from_secs(60);

/// Copies files into the mount until told to stop; returns how many.
fn copy_until(cluster: &Cluster, stop: &AtomicBool) -> Result<u64> {
    let mut count = 0;
    while !stop.load(Ordering::Relaxed) {
        let content = Content {
            seed: count,
            bytes: FILE_BYTES,
        };
        let path = cluster.mount().join(format!("copy-{count}"));
        fs::write(&path, content.make()).with_context(|| format!("write {}", path.display()))?;
        fs::create_dir(cluster.mount().join(format!("dir-{count}"))).context("make a directory")?;
        count += 1;
    }
    Ok(count)
}

#[test]
fn killing_any_metadata_process_does_not_reach_the_application() -> Result<()> {
    let cluster = Cluster::start(Options::default())?;
    let victims = [
        "shard0", "shard1", "shard2", "cdc0", "cdc1", "cdc2", "shuckle0", "shuckle1", "shuckle2",
    ];
    let stop = AtomicBool::new(false);
    let count = std::thread::scope(|scope| -> Result<u64> {
        let copier = scope.spawn(|| copy_until(&cluster, &stop));
        let outcome = victims
            .iter()
            .try_for_each(|victim| kill_and_wait(&cluster, victim));
        stop.store(true, Ordering::Relaxed);
        let count = copier.join().expect("the copier does not panic")?;
        outcome.map(|()| count)
    })?;
    assert!(count > 0, "nothing was copied meanwhile");
    for seed in 0..count {
        let bytes = fs::read(cluster.mount().join(format!("copy-{seed}"))).context("read back")?;
        Content {
            seed,
            bytes: FILE_BYTES,
        }
        .check(&bytes)
        .map_err(anyhow::Error::msg)?;
        assert!(cluster.mount().join(format!("dir-{seed}")).is_dir());
    }
    Ok(())
}

/// Kills one process and waits until all of the name space can be changed again.
fn kill_and_wait(cluster: &Cluster, victim: &str) -> Result<()> {
    let before = cluster.pid(victim)?;
    cluster.kill_unseen(victim)?;
    let marker = format!("/after-{victim}");
    let took = until("the name space serves", BOUND, || {
        cluster
            .cli(&["mkdir", "-p", &marker])
            .is_ok_and(|finished| finished.status.success())
    })?;
    println!("{victim}: served again after {took:?}");
    until("the supervisor brings it back", BOUND, || {
        cluster.pid(victim).is_ok_and(|pid| pid != before)
    })?;
    cluster.wait_healthy()
}
