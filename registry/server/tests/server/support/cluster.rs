//! The other processes of a cluster, as far as the registry hears of them.

use eggs_proto::registry::{ServiceRegistration, ServiceReport};
use eggs_proto::{
    BlockServiceId, FailureDomainId, GroupId, NodeId, ProcessRole, ServiceKey, StorageClass,
};
use eggs_registry_client::{Condition, Member, RegistryClient, announce};
use tokio_util::sync::CancellationToken;

use crate::support::PATIENCE;

const GB: u64 = 1_000_000_000;

pub fn disk(domain: u32, class: StorageClass) -> BlockServiceId {
    let place = match class {
        StorageClass::Hdd => 0,
        StorageClass::Flash => 1,
    };
    BlockServiceId(0xd15c_0000_0000_0000 + u64::from(domain) * 2 + place)
}

pub fn registration(domain: u32, class: StorageClass) -> ServiceRegistration {
    ServiceRegistration {
        service: disk(domain, class),
        key: ServiceKey::new([domain as u8; 32]),
        domain: FailureDomainId(domain),
        class,
    }
}

pub fn report(domain: u32, class: StorageClass) -> ServiceReport {
    let capacity_bytes = match class {
        StorageClass::Hdd => 8000 * GB,
        StorageClass::Flash => 1000 * GB,
    };
    let used_bytes = capacity_bytes / 100 * u64::from(domain * 5 + 7).min(97);
    ServiceReport {
        service: disk(domain, class),
        capacity_bytes,
        available_bytes: capacity_bytes - used_bytes,
        used_bytes,
        blocks: used_bytes / 2_000_000,
        io_errors: 0,
        fenced: domain == 12,
    }
}

pub fn blocks(domain: u32) -> (Member, Condition) {
    let classes = [StorageClass::Hdd, StorageClass::Flash];
    let member = Member {
        node: NodeId::new(ProcessRole::Blocks, domain),
        address: format!("127.0.0.1:{}", 12_000 + domain),
        groups: vec![],
        services: classes.map(|class| registration(domain, class)).into(),
    };
    let condition = Condition {
        leads: vec![],
        services: classes.map(|class| report(domain, class)).into(),
        paces: vec![],
    };
    (member, condition)
}

/// A process with a replica of each group, of which it leads every `of`th.
pub fn replica(role: ProcessRole, index: u32, groups: &[GroupId]) -> (Member, Condition) {
    let members: Vec<NodeId> = (0..3).map(|index| NodeId::new(role, index)).collect();
    let member = Member {
        node: NodeId::new(role, index),
        address: format!("127.0.0.1:{}", 11_000 + index + 10 * role as u32),
        groups: groups
            .iter()
            .map(|group| (*group, members.clone()))
            .collect(),
        services: vec![],
    };
    let led = groups
        .iter()
        .filter(|group| u32::from(group.0) % 3 == index);
    let condition = Condition {
        leads: led.copied().collect(),
        services: vec![],
        paces: vec![],
    };
    (member, condition)
}

/// A whole cluster but for what is left out: sixteen failure domains, three replicas of everything.
pub fn whole(left_out: &[&str]) -> Vec<(Member, Condition)> {
    let shards: Vec<GroupId> = (0..256).map(GroupId).collect();
    let mut all = Vec::new();
    for index in 0..3 {
        all.push(replica(ProcessRole::Shard, index, &shards));
        all.push(replica(ProcessRole::Cdc, index, &[GroupId::CDC]));
    }
    all.extend((0..16).map(blocks));
    let mut collector = replica(ProcessRole::Gc, 0, &[]);
    collector.0.groups.clear();
    all.push(collector);
    all.retain(|(member, _)| !left_out.contains(&member.node.to_string().as_str()));
    all
}

/// Binds a metadata process to a directory, as it does before it registers.
pub async fn bind(registry: &RegistryClient, node: NodeId) {
    match node.role() {
        ProcessRole::Shard | ProcessRole::Cdc => {
            assert!(registry.claim(node, 1, PATIENCE).await.unwrap());
        }
        ProcessRole::Registry | ProcessRole::Blocks | ProcessRole::Gc | ProcessRole::Client => {}
    }
}

/// Announces processes until `stop`.
pub fn announce_all(
    registry: &RegistryClient,
    members: Vec<(Member, Condition)>,
    stop: &CancellationToken,
) {
    for (member, condition) in members {
        let (registry, stop) = (registry.clone(), stop.clone());
        tokio::spawn(async move {
            bind(&registry, member.node).await;
            announce(registry, member, move || condition.clone(), stop).await;
        });
    }
}
