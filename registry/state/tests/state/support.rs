//! A registry in memory, driven as production drives it.

use eggs_machine::{Command, CommandHeader, Entry, MemoryStore, apply_entry};
use eggs_proto::registry::{ServiceRegistration, ServiceReport};
use eggs_proto::{
    BlockServiceId, CallError, FailureDomainId, GroupId, NodeId, ProcessRole, Refusal, RequestId,
    ServiceKey, StorageClass, Time, decode, encode,
};
use eggs_registry_state::{
    Beat, ClusterView, Observation, Registration, RegistryCommand, RegistryMachine,
    RegistryOutcome, STALE_MS,
};

pub const GIB: u64 = 1 << 30;

#[derive(Default)]
pub struct Registry {
    pub store: MemoryStore,
    pub clock: u64,
    pub office: u64,
}

pub fn blocks(index: u32) -> NodeId {
    NodeId::new(ProcessRole::Blocks, index)
}

pub fn shard_node(index: u32) -> NodeId {
    NodeId::new(ProcessRole::Shard, index)
}

/// The HDD of a failure domain that has one.
pub fn hdd(domain: u32) -> BlockServiceId {
    BlockServiceId(u64::from(domain) * 2)
}

pub fn disk(service: BlockServiceId, domain: u32, class: StorageClass) -> ServiceRegistration {
    ServiceRegistration {
        service,
        key: ServiceKey::new([service.0 as u8; 32]),
        domain: FailureDomainId(domain),
        class,
    }
}

/// A process with an HDD and a flash disk.
pub fn blocks_registration(index: u32) -> Registration {
    let first = hdd(index);
    Registration {
        node: blocks(index),
        address: format!("127.0.0.1:{}", 20_000 + index),
        groups: vec![],
        services: vec![
            disk(first, index, StorageClass::Hdd),
            disk(BlockServiceId(first.0 + 1), index, StorageClass::Flash),
        ],
    }
}

pub fn replicas(role: ProcessRole) -> Vec<NodeId> {
    (0..3).map(|index| NodeId::new(role, index)).collect()
}

pub fn replica_registration(node: NodeId, groups: &[GroupId]) -> Registration {
    let with_members = |group: &GroupId| (*group, replicas(node.role()));
    Registration {
        node,
        address: format!("127.0.0.1:{}", 10_000 + node.get() % 1000),
        groups: groups.iter().map(with_members).collect(),
        services: vec![],
    }
}

pub fn report(service: BlockServiceId) -> ServiceReport {
    ServiceReport {
        service,
        capacity_bytes: 1000 * GIB,
        available_bytes: 900 * GIB,
        used_bytes: 10 * GIB,
        blocks: 100,
        io_errors: 0,
        fenced: false,
    }
}

pub fn blocks_beat(index: u32) -> Beat {
    Beat {
        node: blocks(index),
        leads: vec![],
        services: vec![report(hdd(index)), report(BlockServiceId(hdd(index).0 + 1))],
    }
}

pub fn replica_beat(node: NodeId, leads: &[GroupId]) -> Beat {
    Beat {
        node,
        leads: leads.to_vec(),
        services: vec![],
    }
}

impl Registry {
    pub fn new() -> Self {
        Self {
            clock: 1_000_000,
            office: 1,
            ..Self::default()
        }
    }

    /// Sixteen failure domains, three replicas of everything, everybody heard of.
    pub fn healthy() -> (Self, Vec<Beat>) {
        let mut registry = Self::new();
        let shards: Vec<GroupId> = (0..256).map(GroupId).collect();
        let roles = [
            (ProcessRole::Shard, shards.as_slice()),
            (ProcessRole::Cdc, &[GroupId::CDC]),
            (ProcessRole::Registry, &[GroupId::REGISTRY]),
        ];
        let mut beats = Vec::new();
        for (role, groups) in roles {
            for node in replicas(role) {
                registry.register(replica_registration(node, groups));
                let leads = if node.index() == 0 { groups } else { &[] };
                beats.push(replica_beat(node, leads));
            }
        }
        for domain in 0..16 {
            registry.register(blocks_registration(domain));
            beats.push(blocks_beat(domain));
        }
        registry.observe(0, beats.clone());
        (registry, beats)
    }

    pub fn apply(&mut self, request: Option<RequestId>, body: Vec<u8>) -> RegistryOutcome {
        self.clock += 1;
        let header = CommandHeader {
            now: Time(self.clock),
            request,
        };
        let entry = Entry {
            commands: vec![Command { header, body }],
        };
        let applied = apply_entry(&RegistryMachine, &self.store, &entry).unwrap();
        self.store.commit(&applied.changes);
        decode(&applied.replies[0]).unwrap()
    }

    pub fn command(&mut self, command: &RegistryCommand) -> RegistryOutcome {
        self.apply(None, encode(command))
    }

    /// Registers; panics on a refusal.
    pub fn register(&mut self, registration: Registration) {
        self.command(&RegistryCommand::RegisterNode(registration))
            .unwrap();
    }

    pub fn refusal(&mut self, command: &RegistryCommand) -> Refusal {
        match self.command(command) {
            Err(CallError::Refused(refusal)) => refusal,
            other => panic!("not refused: {other:?}"),
        }
    }

    pub fn observe(&mut self, elapsed_ms: u64, beats: Vec<Beat>) {
        self.clock += elapsed_ms;
        let observation = Observation {
            office: self.office,
            elapsed_ms,
            stale_ms: STALE_MS,
            beats,
        };
        self.command(&RegistryCommand::Observe(observation))
            .unwrap();
    }

    /// Time goes by while only `beats` are heard, once a second.
    pub fn seconds(&mut self, seconds: u64, beats: &[Beat]) {
        for _ in 0..seconds {
            self.observe(1000, beats.to_vec());
        }
    }

    pub fn view(&self) -> ClusterView {
        ClusterView::read(&self.store).unwrap()
    }

    pub fn epoch(&self) -> u64 {
        self.view().map.epoch.0
    }

    pub fn codes(&self) -> Vec<String> {
        let health = eggs_registry_state::health(&self.view());
        health.findings.into_iter().map(|f| f.code).collect()
    }
}
