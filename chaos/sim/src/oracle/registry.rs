//! What the registry may conclude from the heartbeats that were committed.
//!
//! A second account of silence, kept by process and disk in the simplest way: it grows while a leader listens, and ends
//! with a heartbeat from where the disk is, with a registration, or with a new leader. Whoever was silent for too long
//! is stale, nobody else.

use std::collections::BTreeMap;

use eggs_proto::{BlockServiceId, NodeId, ServiceState, decode};
use eggs_registry_state::{
    ClusterView, ELAPSED_MS_MAX, Observation, Registration, RegistryCommand, RegistryOutcome,
};

use crate::coverage::label;
use crate::world::World;

/// A disk.
#[derive(Clone, Copy, Debug)]
struct Disk {
    home: NodeId,
    silent_ms: u64,
    stale: bool,
    by_hand: ServiceState,
}

/// Who was heard of when.
#[derive(Debug, Default)]
pub(crate) struct Heard {
    office: u64,
    processes: BTreeMap<NodeId, u64>,
    disks: BTreeMap<BlockServiceId, Disk>,
}

impl Heard {
    fn register(&mut self, registration: &Registration) {
        self.processes.insert(registration.node, 0);
        for service in &registration.services {
            let known = self.disks.get(&service.service);
            let by_hand = known.map_or(ServiceState::Active, |disk| disk.by_hand);
            let disk = Disk {
                home: registration.node,
                silent_ms: 0,
                stale: false,
                by_hand,
            };
            self.disks.insert(service.service, disk);
        }
    }

    /// Says how many heartbeats came from where a disk is not any more.
    fn observe(&mut self, observation: &Observation) -> u64 {
        let silence = self.processes.values_mut();
        let silence = silence.chain(self.disks.values_mut().map(|disk| &mut disk.silent_ms));
        for silent_ms in silence {
            if self.office != observation.office {
                *silent_ms = 0;
            } else if observation.elapsed_ms <= ELAPSED_MS_MAX {
                *silent_ms += observation.elapsed_ms;
            }
        }
        self.office = observation.office;
        let mut elsewhere = 0;
        for beat in &observation.beats {
            if let Some(silent_ms) = self.processes.get_mut(&beat.node) {
                *silent_ms = 0;
            }
            for report in &beat.services {
                match self.disks.get_mut(&report.service) {
                    Some(disk) if disk.home == beat.node => disk.silent_ms = 0,
                    Some(_) | None => elsewhere += 1,
                }
            }
        }
        for disk in self.disks.values_mut() {
            disk.stale = disk.silent_ms > observation.stale_ms;
        }
        elsewhere
    }

    fn state(disk: &Disk) -> ServiceState {
        match (disk.by_hand, disk.stale) {
            (ServiceState::Decommissioned, _) => ServiceState::Decommissioned,
            (_, true) => ServiceState::Stale,
            (by_hand, false) => by_hand,
        }
    }
}

impl World {
    /// A command of the registry was applied.
    pub(super) fn watch_registry(&mut self, command: &RegistryCommand, reply: &[u8]) {
        let Ok(answer) = decode::<RegistryOutcome>(reply) else {
            return self.violate(|| "the registry replied nonsense".into());
        };
        if let Err(error) = answer {
            return self.violate(|| format!("the registry answered {error} to {}", label(command)));
        }
        self.coverage.hit(format!("registry: {}", label(command)));
        let heard = &mut self.oracle.heard;
        match command {
            RegistryCommand::RegisterNode(registration) => heard.register(registration),
            RegistryCommand::SetServiceState { service, state } => {
                if let Some(disk) = heard.disks.get_mut(service) {
                    disk.by_hand = *state;
                }
            }
            RegistryCommand::Claim { .. }
            | RegistryCommand::NoteMembers(_)
            | RegistryCommand::Retire { .. }
            | RegistryCommand::NoteSpace { .. }
            | RegistryCommand::NoteSchemes { .. }
            | RegistryCommand::Succeed { .. }
            | RegistryCommand::Judge { .. } => {
                self.violate(|| "nobody changes members, lacks space or is timed here".into());
            }
            RegistryCommand::Observe(observation) => {
                if heard.observe(observation) > 0 {
                    let late = "registry: a heartbeat from where a disk was before";
                    self.coverage.hit(late);
                }
                let stale_ms = observation.stale_ms;
                self.compare_view(stale_ms);
            }
        }
    }

    fn compare_view(&mut self, stale_ms: u64) {
        let state = &self.group(eggs_proto::GroupId::REGISTRY).state;
        let view = match ClusterView::read(state) {
            Ok(view) => view,
            Err(fault) => return self.violate(|| format!("the registry is damaged: {fault}")),
        };
        let mut wrong = None;
        for info in &view.map.services {
            let known = self.oracle.heard.disks.get(&info.service);
            let expected = known.map(|disk| (Heard::state(disk), disk.home));
            self.coverage
                .hit(format!("registry: {:?} disks", info.state));
            if expected != Some((info.state, info.node)) {
                wrong = Some(format!(
                    "{} on {} is {:?}, and what was heard is {known:?}",
                    info.service, info.node, info.state
                ));
            }
        }
        for (info, condition) in view.map.nodes.iter().zip(&view.nodes) {
            let silent_ms = self.oracle.heard.processes.get(&info.node).copied();
            if condition.down {
                let role = info.node.role().prefix();
                self.coverage.hit(format!("registry: {role} is down"));
            }
            if silent_ms.is_none_or(|silent_ms| condition.down != (silent_ms > stale_ms)) {
                wrong = Some(format!(
                    "{} is {condition:?} after {silent_ms:?} ms",
                    info.node
                ));
            }
        }
        if let Some(wrong) = wrong {
            self.violate(|| wrong);
        }
    }

    /// Whether the registry knows of all processes and disks how they are.
    pub(crate) fn is_all_heard(&mut self) -> bool {
        let state = &self.group(eggs_proto::GroupId::REGISTRY).state;
        let Ok(view) = ClusterView::read(state) else {
            return false;
        };
        let disks = view.map.services.iter().filter(|info| {
            let disk = self.disks.get(&info.service);
            disk.is_some_and(|disk| {
                let stale = info.state == ServiceState::Stale;
                disk.dead == stale && (disk.dead || disk.node == info.node)
            })
        });
        let down = view.nodes.iter().any(|condition| condition.down);
        !down && disks.count() == self.disks.len()
    }
}
