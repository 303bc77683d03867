//! Who is there, who leads, who is heard of.

use std::rc::Rc;

use eggs_cdc::pending;
use eggs_proto::{GroupId, NodeId, ProcessRole, ServiceKey, encode};
use eggs_registry_state::{ClusterView, Observation, RegistryCommand, STALE_MS, service_keys};

use crate::disk::{CAPACITY_BYTES, Disk};
use crate::group::{Known, REPLICAS, Waiter};
use crate::process::{Memory, Process};
use crate::world::{Action, Event, LOG_DELAY_US, Mend, World};

/// Between looks for groups without a leader.
const ELECTIONS_US: u64 = 200_000;
/// Between observations.
const OBSERVATIONS_US: u64 = 1_000_000;
/// Between looks for transactions that nobody drives.
const LOOK_US: u64 = 1_000_000;
/// How long a deposed leader may go on believing.
const BELIEF_US_MAX: u64 = 2_500_000;

/// Processes with one disk each.
pub const DISKS: u32 = 6;

impl World {
    /// Starts all processes.
    pub fn populate(&mut self) {
        for role in [ProcessRole::Shard, ProcessRole::Cdc, ProcessRole::Registry] {
            for index in 0..REPLICAS {
                self.add_process(NodeId::new(role, index));
            }
        }
        for index in 0..DISKS {
            let node = NodeId::new(ProcessRole::Blocks, index);
            self.add_process(node);
            let key = ServiceKey::new(self.random.bytes());
            let disk = Disk::new(node, key);
            self.disks.insert(disk.service, disk);
        }
        let collector = NodeId::new(ProcessRole::Gc, 0);
        self.add_process(collector);
        self.after(1, Event::Elections);
        self.after(300_000, Event::Observations);
        self.after(LOOK_US, Event::Look);
    }

    fn add_process(&mut self, node: NodeId) {
        let mut process = Process::new(node);
        let apart = self.random.below(2_000) as i64;
        process.clock_offset_ms = apart - 1_000;
        self.processes.insert(node, process);
        self.actions.push(Action::Serve(node));
    }

    /// Kills a process: what it had in memory is gone.
    pub(crate) fn stop(&mut self, node: NodeId) {
        self.note_interrupted_steps(node);
        let Some(process) = self.processes.get_mut(&node).filter(|p| p.up) else {
            return;
        };
        process.up = false;
        process.memory = Memory::default();
        for group in self.groups.values_mut() {
            group.forget_waiting(node);
        }
        self.actions.push(Action::Kill(node));
        self.coverage.hit(format!("{} died", node.role().prefix()));
    }

    /// Starts a dead process.
    pub(crate) fn start(&mut self, node: NodeId) {
        if let Some(process) = self.processes.get_mut(&node).filter(|p| !p.up) {
            process.up = true;
            process.incarnation += 1;
            self.actions.push(Action::Serve(node));
        }
    }

    /// Ends a fault.
    pub(crate) fn mend(&mut self, mend: &Mend) {
        match mend {
            Mend::Start(node) => self.start(*node),
            Mend::Cut(number) => self.network.mend(*number),
            Mend::Weather => self.network.set_weather(crate::network::FAIR),
            Mend::Disk(service) => {
                if let Some(disk) = self.disks.get_mut(service) {
                    disk.available_bytes = CAPACITY_BYTES / 2;
                }
            }
            Mend::Logs => self.log_delay_us = LOG_DELAY_US,
        }
    }

    /// Ends all faults.
    pub fn mend_all(&mut self) {
        self.network.heal();
        for process in self.processes.values_mut() {
            process.stalled_until_us = 0;
        }
        let nodes: Vec<NodeId> = self.processes.keys().copied().collect();
        nodes.into_iter().for_each(|node| self.start(node));
        let services: Vec<_> = self.disks.keys().copied().collect();
        for service in services {
            self.mend(&Mend::Disk(service));
        }
        self.mend(&Mend::Logs);
    }

    /// Gives a group another leader. The old one may not notice for a while.
    pub(crate) fn depose(&mut self, id: GroupId, successor: Option<NodeId>) {
        let now_us = self.now_us;
        let belief_us = self.random.below(BELIEF_US_MAX);
        let group = self.group(id);
        if group.leader == successor {
            return;
        }
        if let Some(old) = group.leader.take()
            && let Some(process) = self.processes.get_mut(&old).filter(|p| p.up)
        {
            process.memory.leads.insert(id, Some(now_us + belief_us));
        }
        let Some(successor) = successor else { return };
        let group = self.group(id);
        group.leader = Some(successor);
        group.term += 1;
        if let Some(process) = self.processes.get_mut(&successor) {
            process.memory.leads.insert(id, None);
        }
        if id == GroupId::CDC {
            self.look_for_transactions_on(successor);
        }
    }

    /// Groups without a leader that could do anything elect one.
    pub(crate) fn elections(&mut self) {
        self.after(ELECTIONS_US, Event::Elections);
        let mut fit: Vec<(ProcessRole, Vec<NodeId>)> = Vec::new();
        for role in [ProcessRole::Shard, ProcessRole::Cdc, ProcessRole::Registry] {
            let members: Vec<_> = (0..REPLICAS)
                .map(|index| NodeId::new(role, index))
                .collect();
            let able = members.iter().copied();
            let able = able.filter(|node| self.has_majority(*node, &members));
            fit.push((role, able.collect()));
        }
        self.group(GroupId::CDC);
        self.group(GroupId::REGISTRY);
        let ids: Vec<GroupId> = self.groups.keys().copied().collect();
        for id in ids {
            let role = match id {
                GroupId::CDC => ProcessRole::Cdc,
                GroupId::REGISTRY => ProcessRole::Registry,
                _ => ProcessRole::Shard,
            };
            let able = fit.iter().find(|(of, _)| *of == role).map(|(_, able)| able);
            let Some(able) = able else { continue };
            let leader = self.groups.get(&id).and_then(|group| group.leader);
            let up = |node: NodeId| {
                self.processes
                    .get(&node)
                    .is_some_and(|p| p.leads(id, self.now_us))
            };
            if leader.is_some_and(|leader| able.contains(&leader) && up(leader)) {
                continue;
            }
            let first = self.groups.get(&id).is_some_and(|group| group.term == 0);
            if !first && !self.random.permille(250) {
                continue; // its election time-out has not passed yet
            }
            if let Some(successor) = self.random.pick(able) {
                self.depose(id, None);
                self.depose(id, Some(successor));
            }
        }
    }

    /// Whom a client should ask first.
    pub(crate) fn ensure_group(&mut self, id: GroupId) {
        if self.group(id).term == 0 {
            let able: Vec<NodeId> = self.group(id).members.clone();
            let able: Vec<NodeId> = able
                .iter()
                .copied()
                .filter(|node| self.has_majority(*node, &able))
                .collect();
            if let Some(leader) = self.random.pick(&able) {
                self.depose(id, Some(leader));
            }
        }
    }

    /// Leaders of the registry, perhaps deposed ones, propose what they have heard; servers hear from the registry.
    pub(crate) fn observations(&mut self) {
        self.after(OBSERVATIONS_US, Event::Observations);
        for registry in crate::group::members(GroupId::REGISTRY) {
            let now_us = self.now_us;
            let Some(process) = self.processes.get_mut(&registry) else {
                continue;
            };
            if process.stalled_until_us > now_us {
                continue;
            }
            if process.leads(GroupId::REGISTRY, now_us) {
                self.observe(registry);
            } else {
                process.memory.heard.clear();
                process.memory.observed = None;
            }
        }
        self.fetch_maps();
    }

    fn observe(&mut self, registry: NodeId) {
        let (now_us, term) = (self.now_us, self.group(GroupId::REGISTRY).term);
        let Some(process) = self.processes.get_mut(&registry) else {
            return;
        };
        let last = process.memory.observed.filter(|(of, _)| *of == term);
        process.memory.observed = Some((term, now_us));
        let observation = Observation {
            office: term,
            elapsed_ms: last.map_or(0, |(_, at)| (now_us - at) / 1000),
            stale_ms: STALE_MS,
            beats: std::mem::take(&mut process.memory.heard)
                .into_values()
                .collect(),
        };
        self.propose_registry(registry, RegistryCommand::Observe(observation));
    }

    fn propose_registry(&mut self, registry: NodeId, command: RegistryCommand) {
        let body = encode(&command);
        let known = Known::Registry(command);
        let group = GroupId::REGISTRY;
        self.propose(registry, group, (None, body), known, Waiter::Nobody);
    }

    /// Each server that reaches the leader of the registry gets the map, now and then.
    fn fetch_maps(&mut self) {
        let group = self.group(GroupId::REGISTRY);
        let Some(leader) = group.leader else { return };
        let read = ClusterView::read(&group.state).and_then(|view| {
            let keys = service_keys(&group.state)?;
            Ok((view.map, keys))
        });
        let (map, keys) = match read {
            Ok(read) => read,
            Err(fault) => return self.violate(|| format!("the registry is damaged: {fault}")),
        };
        let members = self.group(GroupId::REGISTRY).members.clone();
        if !self.has_majority(leader, &members) {
            return;
        }
        let (map, keys) = (Rc::new(map), Rc::new(keys.into_iter().collect()));
        for index in 0..REPLICAS {
            let node = NodeId::new(ProcessRole::Shard, index);
            let reached = self.network.is_open_both_ways(node, leader);
            if reached
                && self.random.permille(500)
                && let Some(process) = self.processes.get_mut(&node).filter(|p| p.up)
                && process.memory.map.epoch <= map.epoch
            {
                process.memory.map = map.clone();
                process.memory.keys = Rc::clone(&keys);
            }
        }
    }

    /// All leaders of the coordinator look for transactions that nobody drives.
    pub(crate) fn look_for_transactions(&mut self) {
        self.after(LOOK_US, Event::Look);
        for node in crate::group::members(GroupId::CDC) {
            self.look_for_transactions_on(node);
        }
    }

    fn look_for_transactions_on(&mut self, node: NodeId) {
        let leads = self.processes.get(&node);
        if !leads.is_some_and(|p| p.leads(GroupId::CDC, self.now_us)) {
            return;
        }
        match pending(&self.group(GroupId::CDC).state, None, usize::MAX) {
            Ok(steps) => {
                let drive = |step: &eggs_cdc::NextStep| Action::Drive(node, step.transaction);
                self.actions.extend(steps.iter().map(drive));
            }
            Err(fault) => self.violate(|| format!("pending transactions: {fault}")),
        }
    }
}
