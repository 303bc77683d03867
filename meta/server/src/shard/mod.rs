//! `eggsshard`.

mod change;
mod query;
mod service;

use std::sync::Arc;

use eggs_proto::{GroupId, ProcessRole, ShardId};
use eggs_raft::GroupSpec;
use eggs_registry_client::ClusterView;
use eggs_shard::{ShardMachine, TABLES};

use crate::front::Front;
use crate::launch::{Parts, Program};
use crate::metrics::ShardMetrics;
use crate::{Running, ServerConfig};
use service::ShardService;

pub(crate) async fn start(config: ServerConfig) -> anyhow::Result<Running> {
    let parts = Parts::new(config, ProcessRole::Shard, "eggsshard")?;
    let view = ClusterView::with_keys(parts.registry.clone());
    let service = ShardService {
        view: view.clone(),
        metrics: ShardMetrics::register(&parts.metrics),
        fault: parts.fault.clone(),
    };
    let groups = ShardId::all().map(|shard| GroupSpec {
        group: GroupId::of_shard(shard),
        machine: Arc::new(ShardMachine { shard }),
        members: parts.members.clone(),
    });
    let program = Program {
        front: Front::new(service),
        view,
        groups: groups.collect(),
        tables: TABLES.to_vec(),
    };
    parts.launch(program).await
}
