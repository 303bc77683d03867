//! One directory with very many entries: made, listed, removed.

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Instant;

use anyhow::{Context, Result};
use eggs_client::Client;
use eggs_proto::InodeId;
use futures::future::try_join_all;

use crate::metadata::Plan;
use crate::operations::{create, make_directories, name};
use crate::outcome::Unit;
use crate::progress::telling;
use crate::report::Report;
use crate::works::list;
use crate::{cpu, disk};

/// Creates in flight.
const CLIENTS: usize = 256;
/// Removals in flight.
const REMOVALS: usize = 256;

/// Measures it, with what the entries cost in memory and on disk.
pub async fn measure(plan: &Plan<'_>, entries: u64, report: &mut Report) -> Result<()> {
    let (cluster, client) = (plan.cluster, &plan.machines[0]);
    let dir = make_directories(client, "huge", 1).await?[0];
    let disk_before = disk::shard_bytes(cluster)?;
    let (begin, before) = (Instant::now(), cpu::seconds_by_role(cluster)?);
    fill(client, dir, entries).await?;
    let used = cpu::servers(&cpu::difference(&before, &cpu::seconds_by_role(cluster)?));
    let what = format!("one directory of {entries} files");
    let rate = entries as f64 / begin.elapsed().as_secs_f64();
    report.add(&format!("{what}: created"), rate, "1/s");
    let each = used * 1e6 / entries as f64;
    report.add(&format!("{what}: created, server CPU"), each, "us/op");
    let grown = disk::shard_bytes(cluster)?.saturating_sub(disk_before) as f64;
    let each = grown / entries as f64 / disk::REPLICAS;
    report.add("on disk per file and replica, log included", each, "bytes");
    let memory = cpu::resident_mb(cluster)?;
    report.add("resident memory of all processes", memory, "MB");
    let listed = list(plan.round(1), dir).await?;
    listed.tell(&format!("{what}: listed"), Unit::Entries, report);
    let begin = Instant::now();
    let count = AtomicU64::new(0);
    telling("removed", &count, entries, empty(client, dir, &count)).await?;
    let removed = count.into_inner();
    anyhow::ensure!(removed == entries, "{removed} of {entries} were listed");
    let rate = removed as f64 / begin.elapsed().as_secs_f64();
    report.add(&format!("{what}: removed"), rate, "1/s");
    Ok(())
}

async fn fill(client: &Client, dir: InodeId, entries: u64) -> Result<()> {
    let next = AtomicU64::new(0);
    let next = &next;
    let worker = || async move {
        loop {
            let n = next.fetch_add(1, Ordering::Relaxed);
            if n >= entries {
                return anyhow::Ok(());
            }
            create(client, dir, &name(n.to_string())?).await?;
        }
    };
    let all = async { try_join_all((0..CLIENTS).map(|_| worker())).await.map(drop) };
    telling("created", next, entries, all).await
}

/// Removes everything, page by page.
async fn empty(client: &Client, dir: InodeId, removed: &AtomicU64) -> Result<()> {
    let mut after = None;
    loop {
        let page = client.list(dir, after, 4096).await.context("list")?;
        for entries in page.entries.chunks(REMOVALS) {
            let unlink = |entry: &eggs_proto::shard::ListEntry| {
                let name = entry.name.clone();
                async move { client.unlink(dir, &name, None).await.context("unlink") }
            };
            try_join_all(entries.iter().map(unlink)).await?;
            removed.fetch_add(entries.len() as u64, Ordering::Relaxed);
        }
        if !page.more {
            return Ok(());
        }
        after = page.cursor();
    }
}
