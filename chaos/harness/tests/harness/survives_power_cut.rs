//! Promises 1 and 2: everything is killed at once in the middle of a copy. What was acknowledged is there,
//! whole; nothing else is there in part.

use std::fs::{self, File};
use std::io::Write;
use std::sync::Mutex;
use std::time::Duration;

use anyhow::{Context, Result};
use eggs_harness::{Cluster, Content, Options, close, eventually, until};

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
fn write_until_it_dies(cluster: &Cluster, writer: u64, acknowledged: &Mutex<Vec<(u64, u64)>>) {
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

#[test]
fn a_power_cut_in_the_middle_of_a_copy() -> Result<()> {
    let cluster = Cluster::start(Options::default())?;
    let acknowledged = Mutex::new(Vec::new());
    std::thread::scope(|scope| -> Result<()> {
        for writer in 0..WRITERS {
            let (cluster, acknowledged) = (&cluster, &acknowledged);
            scope.spawn(move || write_until_it_dies(cluster, writer, acknowledged));
        }
        let enough = || acknowledged.lock().is_ok_and(|done| done.len() >= 40);
        let waited = until("forty files are written", BOUND * 2, enough);
        cluster.kill_everything()?;
        waited.map(drop)
    })?;
    cluster.start_again()?;
    let acknowledged = acknowledged.into_inner().expect("no writer panics");
    let present = eventually(BOUND, || names(&cluster))?;
    for (writer, number) in &acknowledged {
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
    fs::write(cluster.mount().join("after"), "it goes on")?;
    assert_eq!(fs::read(cluster.mount().join("after"))?, b"it goes on");
    Ok(())
}

fn names(cluster: &Cluster) -> Result<Vec<String>> {
    let mut names = Vec::new();
    for entry in fs::read_dir(cluster.mount()).context("list the mount")? {
        names.push(entry?.file_name().to_string_lossy().into_owned());
    }
    Ok(names)
}
