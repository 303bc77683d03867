//! Things that break.

use std::collections::BTreeSet;

use eggs_proto::{BlockServiceId, GroupId, NodeId, ProcessRole};

use crate::cluster::DISKS;
use crate::disk::Disk;
use crate::network::{FAIR, Weather};
use crate::plan::Fault;
use crate::random::Random;
use crate::world::{Event, Mend, World};

/// How far the clocks of block services are off at most: together less than what they may differ.
const DISK_CLOCK_MS_MAX: u64 = 25_000;
/// How many disks may lose blocks: the parity of every scheme that writers use.
const LOST_DISKS_MAX: usize = 2;

impl World {
    /// Breaks something for a while.
    pub(crate) fn break_something(&mut self, fault: Fault, dice: u64, clock_ms_max: u64) {
        let mut random = Random::new(dice);
        self.coverage.hit(format!("fault: {fault:?}"));
        let long_us = random.between(100_000, 12_000_000);
        match fault {
            Fault::Crash => {
                let nodes: Vec<NodeId> = self.processes.keys().copied().collect();
                let count = 1 + usize::from(random.permille(150)) * 2;
                for _ in 0..count {
                    if let Some(node) = random.pick(&nodes) {
                        self.crash(node, long_us);
                    }
                }
            }
            Fault::CrashCoordinator => {
                if let Some(leader) = self.group(GroupId::CDC).leader {
                    self.crash(leader, long_us);
                }
            }
            Fault::Cut | Fault::CutOneWay => {
                self.cut(fault == Fault::CutOneWay, long_us, &mut random)
            }
            Fault::Storm => {
                let weather = Weather {
                    loss: random.between(20, 400),
                    twice: random.below(300),
                    late: random.below(50),
                    ..FAIR
                };
                self.bring(weather, long_us);
            }
            Fault::Delay => {
                let weather = Weather {
                    late: random.between(50, 500),
                    delay_us: random.between(5_000, 300_000),
                    ..FAIR
                };
                self.bring(weather, long_us);
            }
            Fault::ClockJump => self.jump(&mut random, clock_ms_max),
            Fault::NewLeader => self.new_leader(&mut random),
            Fault::FullDisk => {
                let services: Vec<BlockServiceId> = self.disks.keys().copied().collect();
                for _ in 0..random.between(1, 6) {
                    let Some(service) = random.pick(&services) else {
                        break;
                    };
                    if let Some(disk) = self.disks.get_mut(&service) {
                        disk.available_bytes = 0;
                    }
                    self.after(long_us, Event::Mend(Mend::Disk(service)));
                }
            }
            Fault::Stall => self.stall(long_us, &mut random),
            Fault::LoseDisk => self.lose_disk(&mut random),
            Fault::MoveDisk => self.move_disk(long_us, &mut random),
            Fault::SlowLogs => {
                self.log_delay_us = random.between(50_000, 1_500_000);
                self.after(long_us, Event::Mend(Mend::Logs));
            }
        }
    }

    /// A disk dies for good or loses some of its blocks. At most as many disks as there is parity.
    fn lose_disk(&mut self, random: &mut Random) {
        let hit = self.disks.values().filter(|disk| disk.was_hit).count();
        let alive = self.disks.values_mut().filter(|disk| !disk.dead);
        let mut fit: Vec<&mut Disk> = alive
            .filter(|disk| hit < LOST_DISKS_MAX || disk.was_hit)
            .collect();
        let which = random.below(fit.len() as u64) as usize;
        let Some(disk) = fit.get_mut(which) else {
            return;
        };
        let what = match random.below(3) {
            0 => {
                disk.lose(|_| true);
                disk.dead = true;
                "a disk died"
            }
            1 => {
                disk.lose(|_| true);
                "a disk lost all blocks"
            }
            _ => {
                disk.lose(|_| random.permille(500));
                "a disk lost some blocks"
            }
        };
        self.coverage.hit(what);
    }

    /// What comes in meanwhile waits, as in the buffers of a process that is not scheduled.
    fn stall(&mut self, long_us: u64, random: &mut Random) {
        let nodes: Vec<NodeId> = self.processes.keys().copied().collect();
        let registry = self.group(GroupId::REGISTRY).leader;
        let until_us = self.now_us + long_us;
        let node = registry.filter(|_| random.permille(300));
        let node = node.or_else(|| random.pick(&nodes));
        if let Some(process) = node.and_then(|node| self.processes.get_mut(&node)) {
            process.stalled_until_us = until_us;
        }
    }

    /// A disk is taken out of its host and put into another: both are down for a while.
    fn move_disk(&mut self, long_us: u64, random: &mut Random) {
        let hosts = (0..DISKS).map(|index| NodeId::new(ProcessRole::Blocks, index));
        let hosts: Vec<NodeId> = hosts.collect();
        let services: Vec<BlockServiceId> = self.disks.keys().copied().collect();
        let (Some(host), Some(service)) = (random.pick(&hosts), random.pick(&services)) else {
            return;
        };
        let Some(disk) = self
            .disks
            .get_mut(&service)
            .filter(|disk| disk.node != host)
        else {
            return;
        };
        let before = std::mem::replace(&mut disk.node, host);
        // The new host may be up long before the old one.
        self.crash(before, random.between(100_000, long_us.max(100_001)));
        self.crash(host, random.between(1_000, 1_000_000));
    }

    fn crash(&mut self, node: NodeId, down_us: u64) {
        self.stop(node);
        self.after(down_us, Event::Mend(Mend::Start(node)));
    }

    fn bring(&mut self, weather: Weather, long_us: u64) {
        self.network.set_weather(weather);
        self.after(long_us, Event::Mend(Mend::Weather));
    }

    /// Cuts off some processes, and perhaps clients.
    fn cut(&mut self, one_way: bool, long_us: u64, random: &mut Random) {
        let number = self.number();
        let share = random.between(50, 500);
        let nodes: Vec<NodeId> = self.processes.keys().copied().collect();
        let clients = (0..8).map(|index| NodeId::new(ProcessRole::Client, index));
        let nodes = nodes.into_iter().chain(clients);
        let side: BTreeSet<NodeId> = nodes.filter(|_| random.permille(share)).collect();
        self.network.cut(number, side, one_way);
        self.after(long_us, Event::Mend(Mend::Cut(number)));
    }

    fn jump(&mut self, random: &mut Random, clock_ms_max: u64) {
        let nodes: Vec<NodeId> = self.processes.keys().copied().collect();
        let Some(node) = random.pick(&nodes) else {
            return;
        };
        let max = match node.role() {
            ProcessRole::Blocks => DISK_CLOCK_MS_MAX.min(clock_ms_max),
            ProcessRole::Registry
            | ProcessRole::Shard
            | ProcessRole::Cdc
            | ProcessRole::Gc
            | ProcessRole::Client => clock_ms_max,
        };
        let offset = random.below(2 * max) as i64 - max as i64;
        if let Some(process) = self.processes.get_mut(&node) {
            process.clock_offset_ms = offset;
        }
    }

    /// Another leader for some groups, while the old one still believes.
    fn new_leader(&mut self, random: &mut Random) {
        let ids: Vec<GroupId> = self.groups.keys().copied().collect();
        for _ in 0..random.between(1, 12) {
            // Root's shard and the coordinator are where most happens.
            let id = match random.below(4) {
                0 => Some(GroupId(0)),
                1 => Some(GroupId::CDC),
                _ => random.pick(&ids),
            };
            let Some(id) = id else { continue };
            let members = self.group(id).members.clone();
            let able = members.iter().copied();
            let able: Vec<NodeId> = able
                .filter(|node| self.has_majority(*node, &members))
                .collect();
            if let Some(successor) = random.pick(&able) {
                self.depose(id, Some(successor));
            }
        }
    }
}
