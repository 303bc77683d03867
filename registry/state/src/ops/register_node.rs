//! A process has started or moved.

use std::net::SocketAddr;

use eggs_proto::registry::ServiceRegistration;
use eggs_proto::{GroupId, InvalidArgument, NodeId, ProcessRole, Refusal};

use crate::record::{
    GroupRecord, IdentityRecord, IdentityState, KeyRecord, MembersRecord, NodeRecord,
    ServiceRecord, SuccessorRecord,
};
use crate::tables::{self, GROUPS, IDENTITIES, KEYS, MEMBERS, NODES, SUCCESSORS};
use crate::transaction::{Stop, Transaction};
use crate::{
    ADDRESS_BYTES_MAX, GROUPS_MAX, NODES_MAX, REPLICAS_MAX, Registration, SERVICES_MAX,
    SERVICES_PER_NODE_MAX, ServiceCondition, services,
};

/// Takes a process, its groups and its disks into the map. Whatever is wrong with any of it, none of it is
/// taken.
pub(crate) fn register_node(tx: &mut Transaction<'_>, new: Registration) -> Result<(), Stop> {
    check(&new)?;
    register_process(tx, new.node, &new.address)?;
    for (group, replicas) in new.groups {
        register_group(tx, group, replicas)?;
    }
    for service in new.services {
        register_service(tx, new.node, service)?;
    }
    Ok(())
}

/// What can be judged without the state.
fn check(new: &Registration) -> Result<(), Refusal> {
    let range = Refusal::Invalid(InvalidArgument::Range);
    if new.groups.len() > GROUPS_MAX || new.services.len() > SERVICES_PER_NODE_MAX {
        return Err(Refusal::Invalid(InvalidArgument::List));
    }
    let address = new.address.parse::<SocketAddr>();
    if new.address.len() > ADDRESS_BYTES_MAX || !address.is_ok_and(|address| address.port() != 0) {
        return Err(range);
    }
    let may_serve_disks = match new.node.role() {
        ProcessRole::Blocks => true,
        ProcessRole::Registry | ProcessRole::Shard | ProcessRole::Cdc | ProcessRole::Gc => false,
        ProcessRole::Client => return Err(range), // not a server
    };
    if !new.services.is_empty() && !may_serve_disks {
        return Err(range);
    }
    for (group, replicas) in &new.groups {
        check_group(new.node, *group, replicas)?;
    }
    Ok(())
}

/// Which processes have replicas of a group.
pub(super) fn role_of(group: GroupId) -> Result<ProcessRole, Refusal> {
    match (group.shard(), group) {
        (Some(_), _) => Ok(ProcessRole::Shard),
        (None, GroupId::CDC) => Ok(ProcessRole::Cdc),
        (None, GroupId::REGISTRY) => Ok(ProcessRole::Registry),
        (None, _) => Err(Refusal::Invalid(InvalidArgument::Range)),
    }
}

fn check_group(node: NodeId, group: GroupId, replicas: &[NodeId]) -> Result<(), Refusal> {
    let role = role_of(group)?;
    if replicas.len() > REPLICAS_MAX {
        return Err(Refusal::Invalid(InvalidArgument::List));
    }
    let ascending = replicas.is_sorted_by(|a, b| a < b);
    if !ascending || !replicas.contains(&node) || replicas.iter().any(|r| r.role() != role) {
        return Err(Refusal::Invalid(InvalidArgument::Range));
    }
    Ok(())
}

fn register_process(tx: &mut Transaction<'_>, node: NodeId, address: &str) -> Result<(), Stop> {
    let identity: Option<IdentityRecord> = tables::get(tx.store, IDENTITIES, node)?;
    if identity.is_some_and(|identity| identity.state == IdentityState::Retired) {
        return Err(Refusal::Exists.into()); // nobody may act as it any more
    }
    let successor: Option<SuccessorRecord> = tables::get(tx.store, SUCCESSORS, node)?;
    if successor.is_some() {
        return Err(Refusal::Exists.into());
    }
    let known: Option<NodeRecord> = tables::get(tx.store, NODES, node)?;
    match &known {
        None if tx.cluster.nodes >= NODES_MAX => {
            return Err(Refusal::Invalid(InvalidArgument::List).into());
        }
        None => {
            tx.cluster.nodes += 1;
            tx.tell_clients();
        }
        Some(known) if known.address != address => tx.tell_clients(),
        Some(_) => {}
    }
    let record = NodeRecord {
        address: address.to_owned(),
        started: tx.now,
        last_seen: tx.now,
        seen_ms: tx.cluster.observed_ms,
    };
    tables::put(tx.store, NODES, node, &record);
    Ok(())
}

fn register_group(
    tx: &mut Transaction<'_>,
    group: GroupId,
    replicas: Vec<NodeId>,
) -> Result<(), Stop> {
    let said: Option<MembersRecord> = tables::get(tx.store, MEMBERS, group)?;
    let known: GroupRecord = tables::get(tx.store, GROUPS, group)?.unwrap_or_default();
    // What a process was told when it started is older than what the group has decided.
    if said.is_some() || known.replicas == replicas {
        return Ok(());
    }
    let leader = known.leader.filter(|leader| replicas.contains(leader));
    tables::put(tx.store, GROUPS, group, &GroupRecord { replicas, leader });
    tx.tell_clients();
    Ok(())
}

fn register_service(
    tx: &mut Transaction<'_>,
    node: NodeId,
    new: ServiceRegistration,
) -> Result<(), Stop> {
    let key: Option<KeyRecord> = tables::get(tx.store, KEYS, new.service)?;
    if key.is_some_and(|KeyRecord(key)| key != new.key) {
        return Err(Refusal::Exists.into()); // the name belongs to another disk
    }
    let known = services::get(tx.store, new.service)?;
    let record = match known {
        Some(known) => move_service(tx, known, node, &new),
        None if tx.cluster.services >= SERVICES_MAX => {
            return Err(Refusal::Invalid(InvalidArgument::List).into());
        }
        None => {
            tx.cluster.services += 1;
            tx.tell_clients();
            fresh_service(tx, node, &new)
        }
    };
    let key = KeyRecord(new.key.clone());
    tables::put(tx.store, KEYS, new.service, &key);
    services::put(tx.store, new.service, &record);
    Ok(())
}

/// A disk that is known, perhaps in another host now.
fn move_service(
    tx: &mut Transaction<'_>,
    known: ServiceRecord,
    node: NodeId,
    new: &ServiceRegistration,
) -> ServiceRecord {
    let mut record = ServiceRecord {
        node,
        domain: new.domain,
        class: new.class,
        last_seen: tx.now,
        seen_ms: tx.cluster.observed_ms,
        ..known.clone()
    };
    record.condition.stale = false;
    let moved = (known.node, known.domain, known.class) != (node, new.domain, new.class);
    if moved || known.condition.effective() != record.condition.effective() {
        tx.tell_clients();
    }
    record
}

/// A disk that is new. Nothing is placed on it before its first report says that it has space.
fn fresh_service(tx: &Transaction<'_>, node: NodeId, new: &ServiceRegistration) -> ServiceRecord {
    ServiceRecord {
        node,
        domain: new.domain,
        class: new.class,
        condition: ServiceCondition::default(),
        capacity_bytes: 0,
        available_bytes: 0,
        used_bytes: 0,
        blocks: 0,
        last_seen: tx.now,
        seen_ms: tx.cluster.observed_ms,
        published_bytes: 0,
        published_capacity_bytes: 0,
    }
}
