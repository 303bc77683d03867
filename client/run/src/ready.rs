//! Waits until the cluster serves, saying what is being waited for.

use std::collections::BTreeSet;
use std::net::SocketAddr;
use std::time::{Duration, Instant};

use anyhow::{Context, Result};
use eggs_client::{Client, ClientConfig};
use eggs_proto::{ServiceState, ShardId, shard::ShardQuery};
use eggs_rpc::{Credentials, PeerRole};
use futures::{StreamExt, stream};

use crate::{label::Shape, layout::Layout};

const PROBE: Duration = Duration::from_millis(1500);
const PAUSE: Duration = Duration::from_millis(50);
const SHARDS_AT_ONCE: usize = 64;

/// Findings that a start brings with it. Others, such as too few failure domains, are there to stay.
const PASSING: [&str; 4] = [
    "GROUP_WITHOUT_LEADER",
    "GROUP_QUORUM_AT_RISK",
    "NODE_DOWN",
    "BLOCK_SERVICE_STALE",
];

/// A client of the cluster with a short patience.
pub async fn connect(layout: &Layout, registry: Vec<SocketAddr>) -> Result<Client> {
    let credentials = Credentials::from_file(&layout.client_secret(), PeerRole::Client)
        .context("read the client secret")?;
    let mut config = ClientConfig::new(registry, credentials, "eggsrun");
    config.timeout = PROBE;
    config.connect_timeout = PROBE;
    Client::connect(config).await.context("reach the registry")
}

/// Returns once every shard, the CDC and every disk serves.
pub async fn wait(layout: &Layout, registry: Vec<SocketAddr>, shape: Shape, say: impl Fn(&str)) {
    let begin = Instant::now();
    let say = |what: &str| {
        say(&format!(
            "{:4.1} s  waiting for {what}",
            begin.elapsed().as_secs_f32()
        ))
    };
    let client = loop {
        say("the registry to elect a leader");
        match connect(layout, registry.clone()).await {
            Ok(client) => break client,
            Err(_) => tokio::time::sleep(PAUSE).await,
        }
    };
    let mut pending: BTreeSet<ShardId> = ShardId::all().collect();
    let mut cdc_serves = false;
    loop {
        let disks = (shape.hdd_per_domain + shape.flash_per_domain) * shape.failure_domains;
        let active = active_disks(&client).await;
        pending = still_pending(&client, pending).await;
        cdc_serves = cdc_serves || client.cdc_status().await.is_ok();
        if pending.is_empty() && cdc_serves && active >= disks as usize {
            match client.health().await {
                Ok(health) => match health.findings.iter().find(|f| PASSING.contains(&&*f.code)) {
                    None => return,
                    Some(finding) => say(&format!("this to pass: {}", finding.what)),
                },
                Err(_) => say("the registry to tell the cluster's health"),
            }
            tokio::time::sleep(PAUSE).await;
            continue;
        }
        say(&format!(
            "leaders: {} of 256 shards, the coordinator {}; disks: {active} of {disks}",
            256 - pending.len(),
            if cdc_serves { "serves" } else { "does not yet" },
        ));
        tokio::time::sleep(PAUSE).await;
    }
}

async fn active_disks(client: &Client) -> usize {
    if client.refresh_map().await.is_err() {
        return 0;
    }
    client
        .map()
        .services
        .iter()
        .filter(|info| info.state == ServiceState::Active)
        .count()
}

async fn still_pending(client: &Client, shards: BTreeSet<ShardId>) -> BTreeSet<ShardId> {
    stream::iter(shards)
        .map(|shard| async move {
            let answer = client.shard_query(shard, ShardQuery::Usage).await;
            answer.is_err().then_some(shard)
        })
        .buffer_unordered(SHARDS_AT_ONCE)
        .filter_map(|failed| async move { failed })
        .collect()
        .await
}
