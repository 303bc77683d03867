//! What HTTP handlers share.

use std::sync::Arc;
use std::time::Instant;

use eggs_machine::Fault;
use eggs_obs::{Health, Metrics};
use eggs_registry_state::ClusterView;

use super::metrics::RegistryMetrics;
use crate::replica::Replica;
use crate::status::Seen;

/// What HTTP handlers share.
pub(crate) struct Web {
    replica: Arc<Replica>,
    metrics: Metrics,
    table: RegistryMetrics,
    health: Health,
}

impl Web {
    pub(crate) fn new(replica: Arc<Replica>, metrics: Metrics, health: Health) -> Self {
        let table = RegistryMetrics::register(&metrics);
        Self {
            replica,
            metrics,
            table,
            health,
        }
    }

    /// The state as this replica has it now.
    pub(super) fn look(&self) -> Result<Seen, Fault> {
        let group = &self.replica.group;
        let view = group.read_local(ClusterView::read)?;
        Ok(Seen {
            cluster_name: self.replica.cluster_name.clone(),
            node: self.replica.node,
            leader: group.leader(),
            is_leader: group.is_leader(),
            age: self.replica.freshness.note(view.map.time, Instant::now()),
            view,
        })
    }

    /// `Err` with the reason if the process should be restarted.
    pub(super) fn live(&self) -> Result<(), String> {
        self.health.live()
    }

    /// `Err` with the reason if requests do not find a leader by way of this replica.
    pub(super) fn ready(&self) -> Result<(), String> {
        self.live()?;
        match self.replica.group.leader() {
            Some(_) => Ok(()),
            None => Err("the registry has no leader".into()),
        }
    }

    /// The OpenMetrics text, with gauges as of now.
    pub(super) fn encode_metrics(&self) -> Result<String, Fault> {
        self.table.show(&self.look()?);
        Ok(self.metrics.encode())
    }
}
