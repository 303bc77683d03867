//! Telling the registry that a process is there, and how it is: as `registry/client/src/announce.rs` does.
//!
//! Heartbeats are messages like all others: lost, late, doubled. What the registry makes of them is its own business;
//! the oracle knows what it may make of those that were committed.

use eggs_proto::registry::{RegistryRequest, ServiceRegistration, ServiceReport};
use eggs_proto::{GroupId, NodeId, ProcessRole, RequestId, StorageClass};
use eggs_registry_state::Beat;

use crate::client::{Client, Outcome};
use crate::disk::{CAPACITY_BYTES, Disk};
use crate::world::World;

/// Between heartbeats.
const HEARTBEAT_US: u64 = 1_000_000;
/// How long one of them may take, in seconds.
const TIMEOUT_S: u64 = 3;
/// Pause between attempts to register.
const PAUSE_US: u64 = 500_000;
/// Heartbeats in a row that failed, after which the process registers again.
const REGISTER_AGAIN_AFTER: u32 = 3;

/// Registers a process and says how it is, until it dies.
pub(crate) async fn announce(client: Client) {
    let node = client.node;
    loop {
        loop {
            let id = client.next_id();
            let request = client.sim.with(|world| world.registration(id, node));
            if tell(&client, request).await.is_ok() {
                break;
            }
            client.sim.sleep_us(PAUSE_US).await;
        }
        let mut failed = 0;
        while failed < REGISTER_AGAIN_AFTER {
            let Beat {
                node,
                leads,
                services,
            } = client.sim.with(|world| world.beat(node));
            let request = RegistryRequest::Heartbeat {
                node,
                leads,
                services,
            };
            failed = match tell(&client, request).await {
                Ok(()) => 0,
                Err(_) => failed + 1,
            };
            client.sim.sleep_us(HEARTBEAT_US).await;
        }
        let again = "a process registered again";
        client.sim.with(|world| world.coverage.hit(again));
    }
}

async fn tell(client: &Client, request: RegistryRequest) -> Outcome<()> {
    let deadline_us = client.deadline(TIMEOUT_S);
    client.registry(request, deadline_us).await.map(|_| ())
}

impl World {
    /// What a process says of itself when it starts.
    fn registration(&self, id: RequestId, node: NodeId) -> RegistryRequest {
        let hosted = |group: &GroupId| {
            let members = crate::group::members(*group);
            members.contains(&node).then_some((*group, members))
        };
        let disks = self.disks_of(node);
        RegistryRequest::RegisterNode {
            id,
            node,
            address: format!("127.0.0.1:{}", 20_000 + node.get() % 40_000),
            groups: self.groups.keys().filter_map(hosted).collect(),
            services: disks.map(registration_of).collect(),
        }
    }

    /// How a process is.
    fn beat(&self, node: NodeId) -> Beat {
        let leads = |group: &GroupId| {
            let process = self.processes.get(&node);
            process.is_some_and(|process| process.leads(*group, self.now_us))
        };
        let groups = match node.role() {
            ProcessRole::Shard | ProcessRole::Cdc | ProcessRole::Registry => {
                let known = self.groups.keys().copied();
                known.filter(leads).collect()
            }
            ProcessRole::Blocks | ProcessRole::Gc | ProcessRole::Client => Vec::new(),
        };
        Beat {
            node,
            leads: groups,
            services: self.disks_of(node).map(report_of).collect(),
        }
    }

    /// Disks that a process serves.
    fn disks_of(&self, node: NodeId) -> impl Iterator<Item = &Disk> {
        let serves = move |disk: &&Disk| disk.node == node && !disk.dead;
        self.disks.values().filter(serves)
    }
}

fn report_of(disk: &Disk) -> ServiceReport {
    ServiceReport {
        service: disk.service,
        capacity_bytes: CAPACITY_BYTES,
        available_bytes: disk.available_bytes,
        used_bytes: disk.blocks.values().map(|facts| facts.size).sum(),
        blocks: disk.blocks.len() as u64,
        io_errors: 0,
        fenced: false,
    }
}

fn registration_of(disk: &Disk) -> ServiceRegistration {
    ServiceRegistration {
        service: disk.service,
        key: disk.key.clone(),
        domain: disk.domain,
        class: StorageClass::Flash,
    }
}
