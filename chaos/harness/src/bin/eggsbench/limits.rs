//! What the machine could do at best, measured in the same run.

use std::fs::File;
use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};
use std::time::{Duration, Instant};

use anyhow::{Context, Result};
use eggs_harness::Cluster;
use xxhash_rust::xxh64::xxh64;

use crate::cpu;
use crate::report::Report;

/// Measures the disk's sync, the checksum and the loopback interface.
pub fn measure(cluster: &Cluster, report: &mut Report) -> Result<()> {
    report.add(
        "limit: synced 4 KiB appends, one after another",
        syncs_per_second(cluster)?,
        "1/s",
    );
    report.add("limit: XXH64", checksum_rate(), "GB/s");
    let (wall, cpu) = loopback()?;
    report.add("limit: loopback TCP, one connection", wall, "GB/s");
    report.add("limit: loopback TCP, CPU of both ends", cpu, "CPU-s/GB");
    Ok(())
}

fn syncs_per_second(cluster: &Cluster) -> Result<f64> {
    let mut file = File::create(cluster.scratch()?.join("sync")).context("create a file")?;
    let begin = Instant::now();
    let mut count = 0.0;
    while begin.elapsed() < Duration::from_secs(1) {
        file.write_all(&[7; 4096]).context("append")?;
        file.sync_data().context("sync")?;
        count += 1.0;
    }
    Ok(count / begin.elapsed().as_secs_f64())
}

fn checksum_rate() -> f64 {
    let bytes = vec![7u8; 16 << 20];
    let begin = Instant::now();
    let mut sum = 0;
    for seed in 0..16 {
        sum ^= xxh64(&bytes, seed);
    }
    std::hint::black_box(sum);
    (16 * bytes.len()) as f64 / 1e9 / begin.elapsed().as_secs_f64()
}

/// Gigabytes per second, and CPU seconds per gigabyte.
fn loopback() -> Result<(f64, f64)> {
    const BYTES: usize = 1 << 30;
    let listener = TcpListener::bind("127.0.0.1:0").context("listen")?;
    let address = listener.local_addr().context("listen")?;
    let (begin, cpu_before) = (Instant::now(), cpu::own());
    std::thread::scope(|scope| -> Result<()> {
        scope.spawn(move || -> std::io::Result<()> {
            let mut stream = TcpStream::connect(address)?;
            let chunk = vec![7u8; 1 << 20];
            for _ in 0..BYTES / chunk.len() {
                stream.write_all(&chunk)?;
            }
            Ok(())
        });
        let (mut stream, _) = listener.accept().context("accept")?;
        let mut buffer = vec![0u8; 1 << 20];
        while stream.read(&mut buffer).context("receive")? > 0 {}
        Ok(())
    })?;
    let gigabytes = BYTES as f64 / 1e9;
    Ok((
        gigabytes / begin.elapsed().as_secs_f64(),
        (cpu::own() - cpu_before) / gigabytes,
    ))
}
