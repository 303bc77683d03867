//! The same through the mount, with small files as a program would make them.

use std::fs::{self, File};
use std::io::{Read, Write};
use std::time::{Duration, Instant};

use anyhow::{Context, Result};
use eggs_harness::{Cluster, Content};

use crate::data::Meter;
use crate::report::Report;

const PIECE: usize = 1 << 20;

/// Writes and reads one large file, then creates and stats small ones.
pub fn measure(cluster: &Cluster, bytes: usize, report: &mut Report) -> Result<()> {
    let gigabytes = bytes as f64 / 1e9;
    let pattern = Content {
        seed: 2,
        bytes: PIECE,
    }
    .make();
    let path = cluster.mount().join("bench-mount");
    let meter = Meter::start(cluster)?;
    let mut file = File::create(&path).context("create")?;
    for _ in 0..bytes / PIECE {
        file.write_all(&pattern).context("write")?;
    }
    drop(file);
    meter.finish("mount: write", gigabytes, report)?;
    let meter = Meter::start(cluster)?;
    let mut file = File::open(&path).context("open")?;
    let mut buffer = vec![0; PIECE];
    let mut total = 0;
    loop {
        match file.read(&mut buffer).context("read")? {
            0 => break,
            count => total += count,
        }
    }
    anyhow::ensure!(total == bytes / PIECE * PIECE, "read {total} bytes");
    meter.finish("mount: read", gigabytes, report)?;
    small_files(cluster, report)
}

fn small_files(cluster: &Cluster, report: &mut Report) -> Result<()> {
    let dir = cluster.mount().join("bench-small");
    fs::create_dir(&dir).context("make a directory")?;
    let (begin, mut count) = (Instant::now(), 0);
    while begin.elapsed() < Duration::from_secs(3) {
        fs::write(dir.join(count.to_string()), [7; 100]).context("create a small file")?;
        count += 1;
    }
    let rate = f64::from(count) / begin.elapsed().as_secs_f64();
    report.add("mount: create with 100 bytes, 1 client", rate, "1/s");
    let begin = Instant::now();
    for n in 0..count {
        fs::metadata(dir.join(n.to_string())).context("stat")?;
    }
    report.add(
        "mount: stat, 1 client",
        f64::from(count) / begin.elapsed().as_secs_f64(),
        "1/s",
    );
    Ok(())
}
