//! `eggscli fsck` finds nothing wrong with a sound cluster, at rest and while it is changed everywhere at once; and the
//! right to repair is that of the cluster secret.

use std::fs;
use std::path::Path;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;

use anyhow::{Context, Result};
use eggs_harness::{Cluster, Content, Finished, Options, until};
use serde_json::Value;

const WORKERS: u64 = 4;

/// Makes, renames, moves and removes files and directories until told to stop.
fn churn(cluster: &Cluster, worker: u64, stop: &AtomicBool, rounds: &AtomicU64) -> Result<()> {
    let home = cluster.mount().join(format!("worker-{worker}"));
    fs::create_dir(&home).context("make a directory")?;
    let shared = cluster.mount().join("shared");
    let mut round = 0;
    while !stop.load(Ordering::Relaxed) {
        let dir = home.join(format!("d{round}"));
        fs::create_dir(&dir).context("make a directory")?;
        for (seed, bytes) in [(0, 100), (1, 40_000)] {
            let path = dir.join(format!("f{bytes}"));
            fs::write(path, Content { seed, bytes }.make()).context("write")?;
        }
        fs::rename(dir.join("f100"), dir.join("g")).context("rename")?;
        // Across directories, to a name that the others replace as well.
        fs::rename(dir.join("g"), shared.join(format!("s{}", round % 3))).context("move")?;
        fs::rename(&dir, home.join("moved")).context("rename a directory")?;
        if round % 2 == 0 {
            fs::rename(
                home.join("moved"),
                shared.join(format!("d{worker}-{round}")),
            )
            .context("move a directory")?;
        } else {
            fs::remove_dir_all(home.join("moved")).context("remove a directory")?;
        }
        round += 1;
        rounds.fetch_add(1, Ordering::Relaxed);
    }
    Ok(())
}

fn check(cluster: &Cluster, args: &[&str]) -> Result<Value> {
    let line: Vec<&str> = ["fsck", "--json"].iter().chain(args).copied().collect();
    let report: Value = serde_json::from_str(&cluster.cli(&line)?.ok()?).context("JSON")?;
    assert_eq!(report["clean"], true, "{report:#}");
    assert_eq!(report["findings"].as_array().map(Vec::len), Some(0));
    Ok(report)
}

/// Files and bytes that a walk through the mount finds.
fn walk(dir: &Path) -> Result<(u64, u64)> {
    let mut sum = (0, 0);
    for entry in fs::read_dir(dir).context("list")? {
        let entry = entry.context("list")?;
        let found = entry.metadata().context("stat")?;
        let (files, bytes) = if found.is_dir() {
            walk(&entry.path())?
        } else {
            (1, found.len())
        };
        sum = (sum.0 + files, sum.1 + bytes);
    }
    Ok(sum)
}

fn totals_come_to_agree_with_a_walk(cluster: &Cluster) -> Result<()> {
    let (files, bytes) = walk(&cluster.mount())?;
    let took = until("the totals are right", Duration::from_secs(60), || {
        let said = cluster.cli(&["du", "/", "--json"]).and_then(Finished::ok);
        let said: Value = serde_json::from_str(&said.unwrap_or_default()).unwrap_or_default();
        said["current"]["files"] == files && said["current"]["bytes"] == bytes
    })?;
    println!("{files} files, {bytes} bytes; the totals were right after {took:?}");
    Ok(())
}

#[test]
fn nothing_is_found_in_a_sound_cluster_in_use() -> Result<()> {
    let cluster = Cluster::start(Options::default())?;
    fs::create_dir(cluster.mount().join("shared")).context("make a directory")?;
    let empty = check(&cluster, &[])?;
    assert_eq!(empty["checked"]["shards"], 256);

    let (stop, rounds) = (AtomicBool::new(false), AtomicU64::new(0));
    std::thread::scope(|scope| -> Result<()> {
        let churning: Vec<_> = (0..WORKERS)
            .map(|worker| {
                let (cluster, stop, rounds) = (&cluster, &stop, &rounds);
                scope.spawn(move || churn(cluster, worker, stop, rounds))
            })
            .collect();
        let checked = (0..5).try_for_each(|_| {
            let before = rounds.load(Ordering::Relaxed);
            check(&cluster, &[])?;
            println!(
                "{} rounds meanwhile",
                rounds.load(Ordering::Relaxed) - before
            );
            Ok(())
        });
        stop.store(true, Ordering::Relaxed);
        for worker in churning {
            worker.join().expect("a worker does not panic")?;
        }
        checked
    })?;
    assert!(
        rounds.load(Ordering::Relaxed) > WORKERS,
        "nothing happened meanwhile"
    );

    let quiet = check(&cluster, &[])?;
    assert_eq!(
        quiet["unverified_shards"].as_array().map(Vec::len),
        Some(0),
        "{quiet:#}"
    );
    assert!(quiet["checked"]["names"].as_u64() > Some(10));
    check(&cluster, &["--shard", "0"])?;
    totals_come_to_agree_with_a_walk(&cluster)?;
    let secret = cluster.dir().join("secret/cluster");
    let secret = secret.to_str().context("a path that is text")?;
    check(&cluster, &["--repair", "--cluster-secret-file", secret])?;
    let without = cluster.cli(&["fsck", "--repair"])?;
    assert_eq!(without.status.code(), Some(2), "{without:?}");
    let client = cluster.dir().join("secret/client");
    let client = client.to_str().context("a path that is text")?;
    let wrong = cluster.cli(&["fsck", "--repair", "--cluster-secret-file", client])?;
    assert_eq!(wrong.status.code(), Some(1), "{wrong:?}");
    Ok(())
}
