//! Answers that only read.

use std::time::Instant;

use eggs_machine::{Fault, StoreRead};
use eggs_proto::registry::RegistryReply;
use eggs_proto::{CallError, Epoch};
use eggs_registry_state::{ClusterView, RegistryOutcome, health, map_version, service_keys};

use crate::replica::{Replica, not_read};

/// The map, unless the caller has it.
pub(crate) async fn map(
    replica: &Replica,
    known: Option<Epoch>,
    deadline: Instant,
) -> RegistryOutcome {
    linearizable(replica, deadline, |store| {
        let (epoch, _) = map_version(store)?;
        if known == Some(epoch) {
            return Ok(RegistryReply::Unchanged);
        }
        Ok(RegistryReply::Map(ClusterView::read(store)?.map))
    })
    .await
}

/// The keys of all block services.
pub(crate) async fn keys(replica: &Replica, deadline: Instant) -> RegistryOutcome {
    linearizable(replica, deadline, |store| {
        Ok(RegistryReply::Keys(service_keys(store)?))
    })
    .await
}

/// Health in words.
pub(crate) async fn cluster_health(replica: &Replica, deadline: Instant) -> RegistryOutcome {
    linearizable(replica, deadline, |store| {
        let health = health(&ClusterView::read(store)?);
        Ok(RegistryReply::Health {
            severity: health.severity,
            findings: health.findings,
        })
    })
    .await
}

/// What the map does not say about disks.
pub(crate) async fn disks(replica: &Replica, deadline: Instant) -> RegistryOutcome {
    linearizable(replica, deadline, |store| {
        Ok(RegistryReply::Disks(eggs_registry_state::disks(store)?))
    })
    .await
}

async fn linearizable(
    replica: &Replica,
    deadline: Instant,
    read: impl FnOnce(&dyn StoreRead) -> Result<RegistryReply, Fault>,
) -> RegistryOutcome {
    match replica.group.read(read, deadline).await {
        Ok(Ok(reply)) => Ok(reply),
        Ok(Err(fault)) => Err(unreadable(&fault)),
        Err(error) => Err(not_read(error)),
    }
}

/// The state of this replica does not read.
pub(crate) fn unreadable(fault: &Fault) -> CallError {
    tracing::error!(%fault, "the registry's state cannot be read");
    CallError::Unavailable("the state of this replica cannot be read".into())
}
