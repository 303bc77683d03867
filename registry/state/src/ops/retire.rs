//! A process leaves for good.

use eggs_proto::{GroupId, NodeId, Refusal};

use crate::record::{GroupRecord, IdentityRecord, IdentityState, NodeRecord};
use crate::tables::{self, GROUPS, IDENTITIES, NODES, SPACE};
use crate::transaction::{Stop, Transaction};

/// Takes a process that has no replicas off the map. Its name is never given again.
pub(crate) fn retire(tx: &mut Transaction<'_>, node: NodeId) -> Result<(), Stop> {
    let groups: Vec<(GroupId, GroupRecord)> = tables::list(tx.store, GROUPS)?;
    if groups
        .iter()
        .any(|(_, group)| group.replicas.contains(&node))
    {
        return Err(Refusal::NotEmpty.into());
    }
    let known: Option<NodeRecord> = tables::get(tx.store, NODES, node)?;
    let identity: Option<IdentityRecord> = tables::get(tx.store, IDENTITIES, node)?;
    if known.is_none() && identity.is_none() {
        return Err(Refusal::NotFound.into());
    }
    if known.is_some() {
        tables::remove(tx.store, NODES, node);
        tables::remove(tx.store, SPACE, node);
        tx.cluster.nodes = tx.cluster.nodes.saturating_sub(1);
        tx.tell_clients();
    }
    let record = IdentityRecord {
        incarnation: identity.map_or(0, |identity| identity.incarnation),
        state: IdentityState::Retired,
    };
    tables::put(tx.store, IDENTITIES, node, &record);
    Ok(())
}
