//! Throughput through the library.

use std::time::Instant;

use anyhow::{Context, Result};
use eggs_client::Client;
use eggs_harness::{Cluster, Content};
use eggs_proto::shard::Replace;
use eggs_proto::{AttributeChange, InodeId, Name, NewAttributes};

use crate::cpu;
use crate::report::Report;

const PIECE: usize = 1 << 20;

/// Writes one file and reads it back.
pub async fn measure(
    cluster: &Cluster,
    client: &Client,
    bytes: usize,
    report: &mut Report,
) -> Result<()> {
    let pattern = Content {
        seed: 1,
        bytes: 64 * PIECE,
    }
    .make();
    let gigabytes = bytes as f64 / 1e9;
    let meter = Meter::start(cluster)?;
    let attributes = NewAttributes {
        mode: 0o644,
        uid: 0,
        gid: 0,
        mtime: None,
        atime: None,
    };
    let mut writer = client.create(InodeId::ROOT, attributes, "bench");
    for piece in 0..bytes / PIECE {
        let from = piece % 64 * PIECE;
        writer
            .write(&pattern[from..from + PIECE])
            .await
            .context("write")?;
    }
    let name = Name::new("bench-data").context("name a file")?;
    let linked = writer
        .link(&name, Replace::Files, AttributeChange::default())
        .await
        .context("link")?;
    meter.finish("library: write", gigabytes, report)?;
    let meter = Meter::start(cluster)?;
    let reader = client.open(linked.inode).await.context("open")?;
    let mut offset = 0;
    while offset < reader.size() {
        let read = reader.read_at(offset, PIECE).await.context("read")?;
        let from = (offset as usize / PIECE) % 64 * PIECE;
        anyhow::ensure!(
            read[..] == pattern[from..from + read.len()],
            "wrong bytes at {offset}"
        );
        offset += read.len() as u64;
    }
    meter.finish("library: read", gigabytes, report)
}

/// CPU and time from a start to a finish.
pub struct Meter<'a> {
    cluster: &'a Cluster,
    begin: Instant,
    before: std::collections::BTreeMap<String, f64>,
    own: f64,
}

impl<'a> Meter<'a> {
    pub fn start(cluster: &'a Cluster) -> Result<Self> {
        let before = cpu::seconds_by_role(cluster)?;
        Ok(Self {
            cluster,
            begin: Instant::now(),
            before,
            own: cpu::own(),
        })
    }

    pub fn finish(self, what: &str, gigabytes: f64, report: &mut Report) -> Result<()> {
        let seconds = self.begin.elapsed().as_secs_f64();
        let used = cpu::difference(&self.before, &cpu::seconds_by_role(self.cluster)?);
        let mount = used.get("fuse").copied().unwrap_or(0.0);
        report.add(what, gigabytes * 1000.0 / seconds, "MB/s");
        let client = (cpu::own() - self.own + mount) / gigabytes;
        report.add(&format!("{what}: client CPU"), client, "CPU-s/GB");
        report.add(
            &format!("{what}: server CPU"),
            cpu::servers(&used) / gigabytes,
            "CPU-s/GB",
        );
        Ok(())
    }
}
