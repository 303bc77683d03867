//! A name space with very many files, made through the ordinary path.

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Instant;

use anyhow::Result;
use eggs_proto::{InodeId, Name};
use futures::future::try_join_all;
use xxhash_rust::xxh64::xxh64;

use crate::metadata::Plan;
use crate::operations::{create, make_directories, name};
use crate::progress::telling;
use crate::report::Report;
use crate::settled::settled;
use crate::{cpu, disk};

/// Creates in flight: so many that those of one shard share entries of its log.
const IN_FLIGHT: usize = 4096;

/// Files 0, 1, … that are spread over directories of their own.
pub struct Crowd {
    dirs: Vec<InodeId>,
    files: u64,
}

impl Crowd {
    /// Makes them.
    pub async fn make(plan: &Plan<'_>, files: u64) -> Result<Self> {
        let dirs = make_directories(&plan.machines[0], "crowd", plan.directories).await?;
        let crowd = Self { dirs, files };
        let next = AtomicU64::new(0);
        let (made, next) = (&crowd, &next);
        let worker = |index: usize| async move {
            let client = &plan.machines[index % plan.machines.len()];
            loop {
                let n = next.fetch_add(1, Ordering::Relaxed);
                if n >= files {
                    return anyhow::Ok(());
                }
                let (dir, name) = made.file(n)?;
                create(client, dir, &name).await?;
            }
        };
        let filling = async { try_join_all((0..IN_FLIGHT).map(worker)).await.map(drop) };
        telling("files", next, files, filling).await?;
        Ok(crowd)
    }

    /// Where a file is.
    fn file(&self, n: u64) -> Result<(InodeId, Name)> {
        let dir = self.dirs[usize::try_from(n)? % self.dirs.len()];
        Ok((dir, name(n.to_string())?))
    }

    /// One of them, by a number of any size: each as likely as any other.
    pub fn draw(&self, number: u64) -> Result<(InodeId, Name)> {
        self.file(xxh64(&number.to_le_bytes(), 0) % self.files)
    }
}

/// Makes so many files, and measures what they cost.
pub async fn fill(plan: &Plan<'_>, files: u64, report: &mut Report) -> Result<Crowd> {
    let cluster = plan.cluster;
    let disk_before = disk::shard_bytes(cluster)?;
    let tables = cpu::seconds_of_tables(cluster)?;
    let (begin, before) = (Instant::now(), cpu::seconds_by_role(cluster)?);
    let crowd = Crowd::make(plan, files).await?;
    let rate = files as f64 / begin.elapsed().as_secs_f64();
    report.add("files created", rate, "1/s");
    let used = cpu::servers(&cpu::difference(&before, &cpu::seconds_by_role(cluster)?));
    let each = used * 1e6 / files as f64;
    report.add("files created, server CPU", each, "us/op");
    let each = (cpu::seconds_of_tables(cluster)? - tables) * 1e6 / files as f64;
    report.add(
        "files created, of it writing and merging tables",
        each,
        "us/op",
    );
    let grown = disk::shard_bytes(cluster)?.saturating_sub(disk_before) as f64;
    let each = grown / files as f64 / disk::REPLICAS;
    report.add("on disk per file and replica, log included", each, "bytes");
    let memory = cpu::resident_mb(cluster)?;
    report.add("resident memory of all processes", memory, "MB");
    let began = Instant::now();
    settled(cluster).await?;
    let waited = began.elapsed().as_secs_f64();
    report.add("until the servers were idle", waited, "s");
    let each = (cpu::seconds_of_tables(cluster)? - tables) * 1e6 / files as f64;
    report.add("writing and merging tables until then", each, "us/op");
    Ok(crowd)
}
