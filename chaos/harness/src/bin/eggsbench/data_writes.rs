//! How long writing a file takes while a block service is paused.

use std::time::{Duration, Instant};

use anyhow::{Context, Result};
use eggs_client::Client;
use eggs_harness::Cluster;
use eggs_proto::shard::Replace;
use eggs_proto::{AttributeChange, InodeId};

use crate::operations::{ATTRIBUTES, name};
use crate::report::Report;

/// Files of each round: enough that the slowest two are above the 99th percentile.
const FILES: usize = 200;

/// Writes files one after the other, healthy and beside a service that stands still.
pub async fn beside_a_paused_service(
    cluster: &Cluster,
    client: &Client,
    content: &[u8],
    report: &mut Report,
) -> Result<()> {
    let names = cluster.process_names()?;
    let paused = names.iter().find(|name| name.starts_with("blocks"));
    let paused = paused.context("no block servers")?;
    let what = format!("file of {} MB", content.len() >> 20);
    round(client, "warm", content).await?;
    let healthy = round(client, "healthy", content).await?;
    cluster.eggsrun(&["pause", paused])?.ok()?;
    let beside = round(client, "beside", content).await;
    cluster.eggsrun(&["resume", paused])?.ok()?;
    show(&format!("{what}, healthy"), &healthy, report);
    show(
        &format!("{what}, beside a paused service"),
        &beside?,
        report,
    );
    Ok(())
}

/// How long each took, in order.
async fn round(client: &Client, prefix: &str, content: &[u8]) -> Result<Vec<Duration>> {
    let mut took = Vec::with_capacity(FILES);
    for n in 0..FILES {
        let began = Instant::now();
        let mut writer = client.create(InodeId::ROOT, ATTRIBUTES, "bench");
        writer.write(content).await.context("write")?;
        let name = name(format!("{prefix}{n}"))?;
        let change = AttributeChange::default();
        writer
            .link(&name, Replace::Files, change)
            .await
            .context("link")?;
        took.push(began.elapsed());
    }
    took.sort_unstable();
    Ok(took)
}

fn show(what: &str, sorted: &[Duration], report: &mut Report) {
    for (percentile, name) in [(50, "p50"), (99, "p99"), (100, "slowest")] {
        let at = (sorted.len() * percentile).div_ceil(100).max(1) - 1;
        let took = sorted.get(at).copied().unwrap_or_default();
        report.add(&format!("{what}: {name}"), took.as_secs_f64() * 1e3, "ms");
    }
}
