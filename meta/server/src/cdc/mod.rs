//! `eggscdc`.
//!
//! Requests put transactions into the log ([`service`]); the leader drives them ([`driver`]): one task per
//! transaction sends its current step to the shard ([`steps`]) and puts the answer into the log, until
//! none is left. Nothing of this outlives leadership; the next leader finds everything in the state.

mod driver;
mod hold;
mod service;
mod steps;
mod waiters;

use std::sync::Arc;

use eggs_cdc::{CDC_TABLES, CdcMachine};
use eggs_proto::{GroupId, ProcessRole};
use eggs_raft::GroupSpec;
use eggs_registry_client::ClusterView;

use crate::front::Front;
use crate::launch::{Parts, Program};
use crate::metrics::CdcMetrics;
use crate::{Running, ServerConfig};
use driver::Driver;
use hold::Hold;
use service::CdcService;
use steps::ShardCaller;
use waiters::Waiters;

pub(crate) async fn start(config: ServerConfig) -> anyhow::Result<Running> {
    let parts = Parts::new(config, ProcessRole::Cdc, "eggscdc")?;
    let view = ClusterView::new(parts.registry.clone());
    let metrics = CdcMetrics::register(&parts.metrics);
    let driver = Arc::new(Driver {
        caller: ShardCaller::new(parts.rpc.clone(), view.clone(), metrics.clone()),
        waiters: Waiters::default(),
        metrics: metrics.clone(),
        fault: parts.fault.clone(),
        wake: driver::Wake::default(),
    });
    let service = CdcService {
        driver: driver.clone(),
        metrics,
        fault: parts.fault.clone(),
        hold: Hold::default(),
    };
    let groups = vec![GroupSpec {
        group: GroupId::CDC,
        machine: Arc::new(CdcMachine),
        members: parts.members.clone(),
    }];
    let front = Front::new(service);
    let program = Program {
        front: front.clone(),
        view,
        groups,
        tables: CDC_TABLES.to_vec(),
    };
    let stop = parts.stop.clone();
    let running = parts.launch(program).await?;
    if let Some(group) = front.node.get().and_then(|node| node.group(GroupId::CDC)) {
        tokio::spawn(driver.run(group, stop));
    }
    Ok(running)
}
