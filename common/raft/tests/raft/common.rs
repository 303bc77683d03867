//! A cluster in one process, and a machine to run on it.

use std::collections::BTreeSet;
use std::ops::ControlFlow;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use eggs_machine::{
    ApplyContext, Command, CommandHeader, Fault, Outcome, Scan, ScanDirection, StateMachine, Store,
    StoreRead, Table, TableSpec,
};
use eggs_proto::{GroupId, NodeId, ProcessRole, RequestId, Time};
use eggs_raft::{
    Group, GroupSpec, Limits, MemberChange, MemoryNetwork, Node, NodeConfig, StartError, Timing,
};
use tokio::task::JoinHandle;

pub const TABLE: Table = Table(16);
pub const TABLES: [TableSpec; 1] = [TableSpec {
    table: TABLE,
    name: "counters",
}];

/// Adds one to the counter named by the command, and answers the sum.
pub struct Counters;

impl StateMachine for Counters {
    fn apply(
        &self,
        store: &mut dyn Store,
        _context: ApplyContext,
        command: &[u8],
    ) -> Result<Outcome, Fault> {
        let name = command.split(|b| *b == b'=').next().unwrap_or_default();
        let sum = counter(store, name)? + 1;
        store.put(TABLE, name, &sum.to_be_bytes());
        Ok(Outcome::Accepted(sum.to_be_bytes().to_vec()))
    }

    fn is_empty(&self, store: &dyn StoreRead) -> Result<bool, Fault> {
        let scan = Scan {
            table: TABLE,
            from: &[],
            until: None,
            direction: ScanDirection::Forward,
        };
        let mut empty = true;
        store.scan(scan, &mut |_, _| {
            empty = false;
            ControlFlow::Break(())
        })?;
        Ok(empty)
    }
}

pub fn counter(store: &dyn StoreRead, name: &[u8]) -> Result<u64, Fault> {
    let bytes = store.get(TABLE, name)?.unwrap_or_else(|| vec![0; 8]);
    let bytes = <[u8; 8]>::try_from(bytes).map_err(|_| Fault::Damaged("counter".into()))?;
    Ok(u64::from_be_bytes(bytes))
}

pub fn node_id(index: u32) -> NodeId {
    NodeId::new(ProcessRole::Shard, index)
}

pub fn within(ms: u64) -> Instant {
    Instant::now() + Duration::from_millis(ms)
}

/// Fast enough for tests, slow enough for a loaded machine.
pub const TIMING: Timing = Timing {
    heartbeat_ms: 100,
    election_ms_min: 300,
    election_ms_max: 600,
};

pub struct Cluster {
    pub dir: tempfile::TempDir,
    pub network: MemoryNetwork,
    pub nodes: Vec<Option<Arc<Node>>>,
    pub groups: u16,
    /// The first members of every group.
    pub first: BTreeSet<NodeId>,
    pub limits: Limits,
    pub timing: Timing,
}

impl Cluster {
    pub async fn start(size: u32, groups: u16) -> Self {
        Self::start_with(size, groups, Limits::default(), TIMING).await
    }

    pub async fn start_with(size: u32, groups: u16, limits: Limits, timing: Timing) -> Self {
        let mut cluster = Self {
            dir: tempfile::tempdir().unwrap(),
            network: MemoryNetwork::default(),
            nodes: (0..size).map(|_| None).collect(),
            groups,
            first: (0..size).map(node_id).collect(),
            limits,
            timing,
        };
        for index in 0..size {
            cluster.start_node(index).await;
        }
        cluster
    }

    pub fn path(&self, index: u32) -> PathBuf {
        self.dir.path().join(format!("node{index}"))
    }

    pub async fn try_start_node(&mut self, index: u32) -> Result<(), StartError> {
        let mut config = NodeConfig::new(node_id(index), self.path(index), TABLES.to_vec());
        config.timing = self.timing;
        config.limits = self.limits;
        let specs = (0..self.groups)
            .map(|group| GroupSpec {
                group: GroupId(group),
                machine: Arc::new(Counters),
                members: self.first.clone(),
            })
            .collect();
        let transport = self.network.transport(node_id(index));
        let node = Node::start(config, specs, transport).await?;
        self.network.attach(&node);
        self.nodes[index as usize] = Some(node);
        Ok(())
    }

    /// Starts a node; one that has just stopped may hold its files a moment longer.
    pub async fn start_node(&mut self, index: u32) {
        let end = within(10_000);
        loop {
            match self.try_start_node(index).await {
                Ok(()) => return,
                Err(e) if e.to_string().contains("lock") && Instant::now() < end => {
                    tokio::time::sleep(Duration::from_millis(20)).await;
                }
                Err(e) => panic!("node {index}: {e}"),
            }
        }
    }

    /// Starts one more node, which is no member of any group.
    pub async fn add_node(&mut self) -> u32 {
        let index = self.nodes.len() as u32;
        self.nodes.push(None);
        self.start_node(index).await;
        index
    }

    /// Crashes a node and loses its disk.
    pub async fn destroy(&mut self, index: u32) {
        self.crash(index).await;
        std::fs::remove_dir_all(self.path(index)).unwrap();
    }

    /// Repeats one step until it is done.
    pub async fn change(&self, group: u16, change: MemberChange) {
        eventually("a change of members", async || {
            let leader = self.leader(group).await;
            let group = self.group(leader, group);
            group.change_members(change, within(3_000)).await.ok()
        })
        .await;
    }

    /// Replaces a member by a node that is none.
    pub async fn replace(&self, group: u16, old: u32, new: u32) {
        let (old, new) = (node_id(old), node_id(new));
        self.change(group, MemberChange::AddLearner(new)).await;
        let (add, remove) = (new, Some(old));
        self.change(group, MemberChange::Promote { add, remove })
            .await;
    }

    /// Who votes, as the leader knows.
    pub async fn voters(&self, group: u16) -> Vec<u32> {
        // One that has just begun to lead does not know yet what is decided.
        eventually("a leader that knows the members", async || {
            let leader = self.leader(group).await;
            let voters = self.group(leader, group).status().members.voters;
            let indexes = voters.iter().map(|node| node.index()).collect();
            (!voters.is_empty()).then_some(indexes)
        })
        .await
    }

    pub async fn crash(&mut self, index: u32) {
        self.network.detach(node_id(index));
        if let Some(node) = self.nodes[index as usize].take() {
            node.crash().await;
        }
    }

    pub fn group(&self, index: u32, group: u16) -> Group {
        let node = self.nodes[index as usize].as_ref().expect("it runs");
        node.group(GroupId(group)).expect("it has the group")
    }

    /// The running node that leads, once there is one.
    pub async fn leader(&self, group: u16) -> u32 {
        eventually("a leader", async || {
            (0..self.nodes.len() as u32).find(|index| {
                self.nodes[*index as usize].is_some() && self.group(*index, group).is_leader()
            })
        })
        .await
    }

    /// Proposes until some leader answers.
    pub async fn propose(&self, group: u16, command: &Command) -> Vec<u8> {
        eventually("a reply", async || {
            let leader = self.leader(group).await;
            let group = self.group(leader, group);
            group.propose(command.clone(), within(3_000)).await.ok()
        })
        .await
    }

    pub async fn add(&self, group: u16, name: &str) -> u64 {
        sum(&self.propose(group, &command(name, None)).await)
    }

    pub async fn shutdown(mut self) {
        for index in 0..self.nodes.len() as u32 {
            self.crash(index).await;
        }
    }
}

pub fn sum(reply: &[u8]) -> u64 {
    u64::from_be_bytes(reply.try_into().expect("8 bytes"))
}

pub fn command(name: &str, request: Option<RequestId>) -> Command {
    Command {
        header: CommandHeader {
            now: Time(1),
            request,
        },
        body: name.as_bytes().to_vec(),
    }
}

/// Waits for a condition, not for time.
pub async fn eventually<T>(what: &str, mut check: impl AsyncFnMut() -> Option<T>) -> T {
    let end = within(20_000);
    loop {
        if let Some(done) = check().await {
            return done;
        }
        assert!(Instant::now() < end, "no {what} in 20 s");
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
}

/// Copies a directory, as a crash would leave it.
pub fn copy(from: &Path, to: &Path) {
    std::fs::create_dir_all(to).unwrap();
    for entry in std::fs::read_dir(from).unwrap() {
        let entry = entry.unwrap();
        let target = to.join(entry.file_name());
        if entry.file_type().unwrap().is_dir() {
            copy(&entry.path(), &target);
        } else {
            std::fs::copy(entry.path(), target).unwrap();
        }
    }
}

/// Adds to one counter, each time until it is acknowledged, as one client that must never see a sum twice or miss one.
pub struct Load {
    stop: Arc<AtomicBool>,
    task: JoinHandle<u64>,
}

/// Repeats one command until some leader answers.
async fn acknowledge(network: &MemoryNetwork, group: u16, id: RequestId) -> Vec<u8> {
    let end = within(20_000);
    loop {
        for node in network.nodes() {
            let Some(group) = node.group(GroupId(group)).filter(|g| g.is_leader()) else {
                continue;
            };
            let command = command("load", Some(id));
            if let Ok(reply) = group.propose(command, within(1_000)).await {
                return reply;
            }
        }
        assert!(std::time::Instant::now() < end, "no reply in 20 s");
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
}

impl Load {
    pub fn start(network: MemoryNetwork, group: u16) -> Self {
        let stop = Arc::new(AtomicBool::new(false));
        let stopped = Arc::clone(&stop);
        let task = tokio::spawn(async move {
            let mut acknowledged = 0;
            while !stopped.load(Ordering::Relaxed) {
                acknowledged += 1;
                let id = RequestId {
                    client: u64::from(group) + 1,
                    sequence: acknowledged,
                };
                let reply = acknowledge(&network, group, id).await;
                assert_eq!(sum(&reply), acknowledged, "each is counted once");
            }
            acknowledged
        });
        Self { stop, task }
    }

    /// Ends it; how many were acknowledged.
    pub async fn end(self) -> u64 {
        self.stop.store(true, Ordering::Relaxed);
        self.task.await.unwrap()
    }
}

pub fn load_seen(cluster: &Cluster, index: u32, group: u16) -> u64 {
    let read = |store: &dyn eggs_machine::StoreRead| counter(store, b"load").unwrap();
    cluster.group(index, group).read_local(read)
}

pub async fn has_all(cluster: &Cluster, index: u32, group: u16, count: u64) {
    eventually("a replica that has everything", async || {
        (load_seen(cluster, index, group) == count).then_some(())
    })
    .await;
}
