//! `eggsshard`.

mod change;
mod disks;
mod peers;
mod query;
mod schemes;
mod service;
mod trees;

use std::sync::Arc;

use eggs_proto::{GroupId, ProcessRole, ShardId};
use eggs_raft::GroupSpec;
use eggs_registry_client::{ClusterView, report_schemes};
use eggs_shard::{ShardMachine, TABLES};

use crate::front::Front;
use crate::launch::{Parts, Program};
use crate::metrics::ShardMetrics;
use crate::shard_round::ShardRound;
use crate::{Running, ServerConfig};
use disks::DiskShares;
use peers::Peers;
use schemes::SchemesInUse;
use service::ShardService;
use trees::{Changed, Trees};

pub(crate) async fn start(config: ServerConfig) -> anyhow::Result<Running> {
    let parts = Parts::new(config, ProcessRole::Shard, "eggsshard")?;
    let view = ClusterView::with_keys(parts.registry.clone());
    let service = ShardService {
        view: view.clone(),
        metrics: ShardMetrics::register(&parts.metrics),
        fault: parts.fault.clone(),
        changed: Changed::default(),
        shares: DiskShares::default(),
        schemes: SchemesInUse::default(),
    };
    let groups = ShardId::all().map(|shard| GroupSpec {
        group: GroupId::of_shard(shard),
        machine: Arc::new(ShardMachine { shard }),
        members: parts.members.clone(),
    });
    let front = Front::new(service);
    let program = Program {
        front: front.clone(),
        view,
        groups: groups.collect(),
        tables: TABLES.to_vec(),
    };
    let (rpc, stop) = (parts.rpc.clone(), parts.stop.clone());
    let registry = parts.registry.clone();
    let running = parts.launch(program).await?;
    let (shares, view) = (front.service.shares.clone(), front.service.view.clone());
    tokio::spawn(shares.run(registry.clone(), view, stop.clone()));
    if let Some(node) = front.node.get().cloned() {
        let schemes = front.service.schemes.clone();
        let used = move || schemes.take();
        tokio::spawn(report_schemes(registry, node.id(), used, stop.clone()));
        let mut client = [0; 8];
        getrandom::fill(&mut client).map_err(|error| anyhow::anyhow!("no entropy: {error}"))?;
        let client = u64::from_le_bytes(client);
        let round = ShardRound::new(rpc, front.service.view.clone());
        let peers = Peers { round, front, node };
        tokio::spawn(Trees { peers, client }.run(stop));
    }
    Ok(running)
}
