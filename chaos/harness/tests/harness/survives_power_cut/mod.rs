//! Promises 1 and 2: everything ends at once in the middle of a copy. What was acknowledged is there, whole; nothing else
//! is there in part.

mod forgotten;
mod killed;

use std::fs::{self, File};
use std::io::Write;
use std::sync::Mutex;
use std::time::Duration;

use anyhow::{Context, Result};
use eggs_harness::{Cluster, Content, close, eventually, until};

const WRITERS: u64 = 4;
const BOUND: Duration = Duration::from_secs(60);

fn content(writer: u64, number: u64) -> Content {
    let bytes = [700, 30_000, 400_000, 6_000_000][(number % 4) as usize];
    Content {
        seed: writer * 1_000_000 + number,
        bytes,
    }
}

/// Writes files until the cluster dies; notes each whose close was acknowledged.
fn write_until_it_dies(cluster: &Cluster, writer: u64, acknowledged: &Acknowledged) {
    for number in 0.. {
        let path = cluster.mount().join(format!("w{writer}-{number}"));
        let bytes = content(writer, number).make();
        let Ok(mut file) = File::create(&path) else {
            return;
        };
        if file.write_all(&bytes).is_err() {
            return;
        }
        // Dropping a file hides what close says.
        if close(file).is_err() {
            return;
        }
        acknowledged
            .lock()
            .expect("no writer panics")
            .push((writer, number));
    }
}

/// What was acknowledged: a writer and the number of its file.
type Acknowledged = Mutex<Vec<(u64, u64)>>;

/// Files are written until so many more are acknowledged; then comes the end, which nobody survives.
fn write_until(
    cluster: &Cluster,
    (first, more): (u64, usize),
    acknowledged: &Acknowledged,
    end: impl FnOnce() -> Result<()>,
) -> Result<()> {
    let count = || acknowledged.lock().map_or(0, |done| done.len());
    let enough = count() + more;
    std::thread::scope(|scope| -> Result<()> {
        for writer in first..first + WRITERS {
            scope.spawn(move || write_until_it_dies(cluster, writer, acknowledged));
        }
        let waited = until("files are written", BOUND * 4, || count() >= enough);
        end()?;
        waited.map(drop)
    })
}

/// Everything that was acknowledged is there, whatever is there is whole, and it goes on.
fn check(cluster: &Cluster, acknowledged: &Acknowledged) -> Result<()> {
    let acknowledged = acknowledged.lock().expect("no writer panics");
    let present = eventually(BOUND, || names(cluster))?;
    for (writer, number) in acknowledged.iter() {
        assert!(
            present.contains(&format!("w{writer}-{number}")),
            "w{writer}-{number} was lost"
        );
    }
    for name in &present {
        let (writer, number) = name
            .strip_prefix('w')
            .and_then(|rest| rest.split_once('-'))
            .and_then(|(w, n)| Some((w.parse().ok()?, n.parse().ok()?)))
            .with_context(|| format!("{name} was never written"))?;
        let bytes = fs::read(cluster.mount().join(name)).with_context(|| format!("read {name}"))?;
        content(writer, number)
            .check(&bytes)
            .map_err(|why| anyhow::anyhow!("{name}: {why}"))?;
    }
    println!(
        "{} acknowledged, {} present",
        acknowledged.len(),
        present.len()
    );
    let after = cluster.mount().join("after");
    fs::write(&after, "it goes on")?;
    assert_eq!(fs::read(&after)?, b"it goes on");
    fs::remove_file(&after)?;
    Ok(())
}

fn names(cluster: &Cluster) -> Result<Vec<String>> {
    let mut names = Vec::new();
    for entry in fs::read_dir(cluster.mount()).context("list the mount")? {
        names.push(entry?.file_name().to_string_lossy().into_owned());
    }
    Ok(names)
}
