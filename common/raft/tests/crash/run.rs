//! One seed: four processes of which three vote, faults for a while, then peace and the last look.

use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::Duration;

use eggs_proto::{GroupId, NodeId, ProcessRole};
use eggs_raft::sim::{Disk, Rot};
use eggs_raft::{Group, GroupSpec, Limits, MemberChange, Node, NodeConfig, StartError, Timing};
use rand::rngs::StdRng;
use rand::{RngExt, SeedableRng};
use tokio::time::Instant;

use crate::client;
use crate::machine::{List, TABLES, list};
use crate::oracle::Oracle;
use crate::transport::Net;

pub const NODES: usize = 4;
const FOUNDERS: usize = 3;
const CLIENTS: u64 = 4;
const FAULTS: usize = 40;
const TIMING: Timing = Timing {
    heartbeat_ms: 100,
    election_ms_min: 300,
    election_ms_max: 600,
};
/// Longest time until everybody has everything, once all is well.
const PEACE: Duration = Duration::from_secs(120);

/// What happened in some runs.
#[derive(Clone, Debug, Default)]
pub struct Stats {
    seeds: u64,
    crashes: u64,
    power_cuts: u64,
    partitions: u64,
    member_changes: u64,
    handovers: u64,
    rotten_disks_refused: u64,
    boundaries: u64,
    checkpoints: u64,
    given_away: u64,
    acknowledged: u64,
}

impl Stats {
    pub fn add(&mut self, more: &Self) {
        self.seeds += more.seeds;
        self.crashes += more.crashes;
        self.power_cuts += more.power_cuts;
        self.partitions += more.partitions;
        self.member_changes += more.member_changes;
        self.handovers += more.handovers;
        self.rotten_disks_refused += more.rotten_disks_refused;
        self.boundaries += more.boundaries;
        self.checkpoints += more.checkpoints;
        self.given_away += more.given_away;
        self.acknowledged += more.acknowledged;
    }

    /// Whether everything happened that is supposed to.
    pub fn is_thorough(&self) -> bool {
        let few = [
            self.partitions,
            self.member_changes,
            self.handovers,
            self.given_away,
        ];
        let rare = [self.rotten_disks_refused, self.checkpoints, self.power_cuts];
        let enough = |counts: &[u64]| counts.iter().all(|count| *count > 0);
        enough(&few) && enough(&rare) && self.crashes > 100 && self.acknowledged > 1000
    }
}

pub struct World {
    pub seed: u64,
    pub groups: u16,
    pub disks: Vec<Disk>,
    dirs: Vec<PathBuf>,
    net: Net,
    nodes: Mutex<Vec<Option<Arc<Node>>>>,
    oracles: Vec<Mutex<Oracle>>,
    over: AtomicBool,
    /// States that were given away: of which process, which group, after which entry.
    given_away: Mutex<BTreeSet<(usize, u16, u64)>>,
    _home: tempfile::TempDir,
}

fn node_id(index: usize) -> NodeId {
    NodeId::new(ProcessRole::Shard, index as u32)
}

impl World {
    fn new(seed: u64) -> Self {
        let home = tempfile::tempdir().unwrap();
        let dirs: Vec<_> = (0..NODES)
            .map(|n| home.path().join(n.to_string()))
            .collect();
        let disks = dirs.iter().zip(1..);
        let disks = disks.map(|(dir, n)| Disk::empty(dir, seed.wrapping_mul(31).wrapping_add(n)));
        let groups = 2;
        Self {
            seed,
            groups,
            disks: disks.collect(),
            dirs,
            net: Net::new(seed),
            nodes: Mutex::new(vec![None; NODES]),
            oracles: (0..groups).map(|_| Mutex::default()).collect(),
            over: AtomicBool::new(false),
            given_away: Mutex::default(),
            _home: home,
        }
    }

    pub fn is_over(&self) -> bool {
        self.over.load(Ordering::Relaxed)
    }

    pub fn oracle(&self, group: u16) -> MutexGuard<'_, Oracle> {
        self.oracles[usize::from(group)].lock().unwrap()
    }

    fn wrong(&self) -> Option<String> {
        (0..self.groups).find_map(|group| {
            let wrong = self.oracle(group).wrong.clone();
            wrong.map(|what| format!("group {group}: {what}"))
        })
    }

    /// A process that runs, and which start of it.
    pub fn running(&self, index: usize) -> Option<(Arc<Node>, u64)> {
        let node = self.nodes.lock().unwrap()[index].clone()?;
        Some((node, self.disks[index].boot()))
    }

    /// The replica that leads a group in the latest term, as far as it knows: one that was voted out while nobody could tell it goes on believing.
    fn leader(&self, group: u16) -> Option<Group> {
        let led = (0..NODES).filter_map(|index| {
            let (node, _) = self.running(index)?;
            node.group(GroupId(group)).filter(Group::is_leader)
        });
        led.max_by_key(|leader| leader.status().term)
    }

    async fn try_start(&self, index: usize) -> Result<(), StartError> {
        let mut config = NodeConfig::new(node_id(index), &self.dirs[index], TABLES.to_vec());
        config.timing = TIMING;
        config.limits = Limits {
            checkpoint_entries: 20,
            kept_entries: 5,
            left_kept_ms: 1_500,
            reserve_bytes: 0,
            ..Limits::default()
        };
        let members: BTreeSet<NodeId> = (0..FOUNDERS).map(node_id).collect();
        let groups = (0..self.groups).map(|group| GroupSpec {
            group: GroupId(group),
            machine: Arc::new(List),
            members: members.clone(),
        });
        let transport = self.net.transport(node_id(index), &self.disks[index]);
        let node = Node::start(config, groups.collect(), transport).await?;
        self.net.attach(&node, &self.disks[index]);
        self.nodes.lock().unwrap()[index] = Some(node);
        Ok(())
    }

    /// Starts a process on what its crash has left. It may crash again while it starts.
    async fn start(&self, index: usize) -> Result<(), String> {
        loop {
            self.disks[index].restart();
            let boot = self.disks[index].boot();
            match self.try_start(index).await {
                Ok(()) => break,
                Err(_) if !self.disks[index].is_alive(boot) => {}
                Err(error) => return Err(format!("node {index} does not start: {error}")),
            }
        }
        self.look(index)
    }

    /// What a replica has at any time must agree with what clients were told.
    fn look(&self, index: usize) -> Result<(), String> {
        if let Some((node, _)) = self.running(index) {
            for group in 0..self.groups {
                let replica = node.group(GroupId(group)).expect("it has them all");
                let found = replica.read_local(list);
                let whose = format!("node {index}");
                self.oracle(group).check_list(&whose, &found);
            }
        }
        self.wrong().map_or(Ok(()), Err)
    }

    async fn bury(&self, index: usize) {
        let node = self.nodes.lock().unwrap()[index].take();
        if let Some(node) = node {
            node.crash().await;
        }
    }
}

/// Runs one seed; an error says what is wrong.
pub async fn run(seed: u64) -> Result<Stats, String> {
    let world = Arc::new(World::new(seed));
    let mut random = StdRng::seed_from_u64(seed);
    let mut stats = Stats {
        seeds: 1,
        ..Stats::default()
    };
    for index in 0..NODES {
        world.start(index).await?;
    }
    let clients: Vec<_> = (1..=CLIENTS)
        .map(|client| tokio::spawn(client::work(world.clone(), client)))
        .collect();
    let telling = tokio::spawn(tell(world.clone()));
    let mut done = Ok(());
    for _ in 0..FAULTS {
        let pause = random.random_range(0..700);
        tokio::time::sleep(Duration::from_millis(pause)).await;
        done = fault(&world, &mut random, &mut stats).await;
        done = done.and_then(|()| world.wrong().map_or(Ok(()), Err));
        if done.is_err() {
            break;
        }
    }
    world.net.heal();
    world.over.store(true, Ordering::Relaxed);
    if done.is_ok() {
        done = peace(&world, clients, &mut stats).await;
    }
    telling.abort();
    stats.given_away = world.given_away.lock().unwrap().len() as u64;
    for index in 0..NODES {
        world.disks[index].crash();
        world.bury(index).await;
        Disk::forget(&world.dirs[index]);
    }
    done.map(|()| stats)
}

/// What the registry does: everybody hears of the newest members that anybody knows.
async fn tell(world: Arc<World>) {
    let mut newest = BTreeMap::new();
    loop {
        tokio::time::sleep(Duration::from_millis(700)).await;
        let running: Vec<_> = (0..NODES)
            .filter_map(|at| Some((at, world.running(at)?.0)))
            .collect();
        for members in running.iter().flat_map(|(_, node)| node.decided_members()) {
            let known = newest
                .entry(members.group)
                .or_insert_with(|| members.clone());
            if known.version < members.version {
                *known = members;
            }
        }
        let told: Vec<_> = newest.values().cloned().collect();
        for (at, node) in running {
            node.hear_of_members(&told);
            for group in node.groups().filter(|group| !group.is_member()) {
                let status = group.status();
                if let Some(purged) = status.purged.filter(|_| status.purged == status.applied) {
                    let mut seen = world.given_away.lock().unwrap();
                    seen.insert((at, status.group.0, purged));
                }
            }
        }
    }
}

async fn fault(world: &World, random: &mut StdRng, stats: &mut Stats) -> Result<(), String> {
    let victim = random.random_range(0..NODES);
    match random.random_range(0..100) {
        0..50 => {
            world.disks[victim].crash_after(random.random_range(1..60));
            // One that rests may not get there.
            let crash = world.disks[victim].crashed();
            let _ = tokio::time::timeout(Duration::from_secs(2), crash).await;
            crash_and_start(world, random, stats, &[victim]).await
        }
        50..58 => {
            stats.power_cuts += 1;
            let all: Vec<_> = (0..NODES).collect();
            crash_and_start(world, random, stats, &all).await
        }
        58..72 => {
            stats.partitions += 1;
            for other in (0..NODES).filter(|other| *other != victim) {
                world.net.cut(node_id(victim), node_id(other));
                if random.random_ratio(2, 3) {
                    world.net.cut(node_id(other), node_id(victim));
                }
            }
            world.net.lose(random.random_range(0..200));
            let cut = random.random_range(100..3_000);
            tokio::time::sleep(Duration::from_millis(cut)).await;
            world.net.heal();
            Ok(())
        }
        72..84 => {
            let group = random.random_range(0..world.groups);
            if let Some(leader) = world.leader(group) {
                stats.handovers += 1;
                leader.transfer_leader(node_id(victim)).await;
            }
            Ok(())
        }
        _ => {
            let group = random.random_range(0..world.groups);
            let done = change_members(world, group, random).await;
            stats.member_changes += u64::from(done.is_some());
            Ok(())
        }
    }
}

async fn crash_and_start(
    world: &World,
    random: &mut StdRng,
    stats: &mut Stats,
    victims: &[usize],
) -> Result<(), String> {
    for victim in victims {
        world.disks[*victim].crash();
        stats.crashes += 1;
        stats.boundaries += world.disks[*victim].boundaries();
    }
    for victim in victims {
        world.bury(*victim).await;
    }
    let down = random.random_range(0..1_500);
    tokio::time::sleep(Duration::from_millis(down)).await;
    for victim in victims {
        if random.random_ratio(1, 6) {
            rot(world, *victim, random, stats).await?;
        }
        if random.random_ratio(1, 4) {
            let boundaries = random.random_range(1..8);
            world.disks[*victim].restart();
            world.disks[*victim].crash_after(boundaries);
            // A crash while it starts, or soon after.
            let _ = world.try_start(*victim).await;
            world.disks[*victim].crash();
            world.bury(*victim).await;
            stats.crashes += 1;
        }
        world.start(*victim).await?;
    }
    Ok(())
}

/// A disk that has lost or changed what it had promised must be refused; then it is as it was.
async fn rot(
    world: &World,
    victim: usize,
    random: &mut StdRng,
    stats: &mut Stats,
) -> Result<(), String> {
    let disk = &world.disks[victim];
    disk.restart();
    let kind = [Rot::LostTail, Rot::OtherTail, Rot::Record][random.random_range(0..3)];
    let good = disk.image();
    if let Some(rotten) = good.rotten(kind) {
        disk.put_back(rotten);
        let refused = match world.try_start(victim).await {
            Err(StartError::LostDisk(_)) => kind != Rot::Record,
            Err(StartError::DamagedLog { .. }) => kind == Rot::Record,
            Ok(()) | Err(_) => false,
        };
        disk.crash();
        world.bury(victim).await;
        if !refused {
            return Err(format!("node {victim} starts on a disk with {kind:?}"));
        }
        stats.rotten_disks_refused += 1;
        disk.put_back(good);
    }
    disk.crash();
    Ok(())
}

/// One member makes way for the process that is none.
async fn change_members(world: &World, group: u16, random: &mut StdRng) -> Option<()> {
    let leader = world.leader(group)?;
    let voters = leader.status().members.voters;
    let deadline = || (Instant::now() + Duration::from_secs(2)).into_std();
    let fresh = (0..NODES).map(node_id).find(|node| !voters.contains(node));
    let Some(fresh) = fresh else {
        let settled = leader.change_members(MemberChange::Settle, deadline());
        return settled.await.ok();
    };
    let add = leader.change_members(MemberChange::AddLearner(fresh), deadline());
    add.await.ok()?;
    let old = voters.iter().nth(random.random_range(0..voters.len()))?;
    let promote = MemberChange::Promote {
        add: fresh,
        remove: Some(*old),
    };
    leader.change_members(promote, deadline()).await.ok()
}

/// Everybody gets an answer, and all voters have the same.
async fn peace(
    world: &World,
    clients: Vec<tokio::task::JoinHandle<()>>,
    stats: &mut Stats,
) -> Result<(), String> {
    let answered = futures::future::join_all(clients);
    if tokio::time::timeout(PEACE, answered).await.is_err() {
        return Err("a client has no answer long after all was healed".into());
    }
    let end = Instant::now() + PEACE;
    for group in 0..world.groups {
        while let Err(what) = agree(world, group, stats) {
            if Instant::now() > end {
                return Err(format!("group {group}: {what}"));
            }
            tokio::time::sleep(Duration::from_millis(200)).await;
        }
        stats.acknowledged += world.oracle(group).count();
    }
    world.wrong().map_or(Ok(()), Err)
}

fn agree(world: &World, group: u16, stats: &mut Stats) -> Result<(), String> {
    let leader = world.leader(group).ok_or("no leader")?;
    let status = leader.status();
    if status.members.is_joint() {
        return Err("the members are still changing".into());
    }
    let expected = leader.read_local(list);
    for voter in &status.members.voters {
        let index = voter.index() as usize;
        let (node, _) = world.running(index).ok_or("a voter is down")?;
        let replica = node.group(GroupId(group)).expect("it has them all");
        let theirs = replica.status();
        if theirs.applied != status.last_log {
            return Err(format!(
                "node {index} is behind: {theirs:?}, led by {status:?}"
            ));
        }
        if replica.read_local(list) != expected {
            return Err(format!("node {index} has applied as much and differs"));
        }
        stats.checkpoints += u64::from(theirs.purged.is_some());
    }
    let mut oracle = world.oracle(group);
    oracle.check_last("the leader", &expected);
    Ok(())
}
