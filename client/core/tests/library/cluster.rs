//! A cluster in this process, and shorthands for tests.

use std::collections::HashMap;
use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use eggs_client::{Client, ClientConfig, ClientError, Linked};
use eggs_proto::hello::Secret;
use eggs_proto::shard::Replace;
use eggs_proto::{
    AttributeChange, ClusterMap, Epoch, FailureDomainId, GroupInfo, InodeId, Name, NewAttributes,
    NodeId, NodeInfo, ProcessRole, Time,
};
use eggs_rpc::Credentials;
use tempfile::TempDir;

use crate::blocks::Blocks;
use crate::coordinator::Coordinator;
use crate::node::{Node, Running, World};
use crate::shards::Shards;

pub const NEW: NewAttributes = NewAttributes {
    mode: 0o644,
    uid: 1,
    gid: 2,
    mtime: None,
    atime: None,
};

pub struct Cluster {
    pub world: Arc<World>,
    running: HashMap<NodeId, Running>,
    secret: Secret,
    _dir: TempDir,
}

pub fn name(text: &str) -> Name {
    Name::new(text.as_bytes()).unwrap()
}

/// Bytes that compress badly and repeat nowhere.
pub fn noise(len: usize, seed: u64) -> Vec<u8> {
    let mut state = seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1;
    let mut bytes = Vec::with_capacity(len + 8);
    while bytes.len() < len {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        bytes.extend_from_slice(&state.to_le_bytes());
    }
    bytes.truncate(len);
    bytes
}

impl Cluster {
    /// 1 registry, 3 shard processes, 1 CDC, 16 failure domains.
    pub fn start() -> Self {
        Self::with_domains(16)
    }

    pub fn with_domains(domains: u32) -> Self {
        let memory = std::path::Path::new("/dev/shm"); // syncing would only cost time here
        let dir = if memory.is_dir() {
            tempfile::tempdir_in(memory).unwrap()
        } else {
            tempfile::tempdir().unwrap()
        };
        let secret = Secret::new([9; 32]);
        let mut blocks = Blocks {
            disks: HashMap::new(),
            delays: std::sync::Mutex::default(),
            overloaded: std::sync::Mutex::default(),
            reads: std::sync::Mutex::default(),
            writes: std::sync::Mutex::default(),
            reports: std::sync::Mutex::default(),
            deaf: AtomicBool::new(false),
        };
        let node = NodeId::new;
        let shard_nodes: Vec<NodeId> = (0..3).map(|i| node(ProcessRole::Shard, i)).collect();
        let group = |replicas: &[NodeId]| GroupInfo {
            replicas: replicas.to_vec(),
            leader: None,
        };
        let mut map = ClusterMap {
            epoch: Epoch(1),
            groups: vec![group(&shard_nodes); 256],
            ..ClusterMap::default()
        };
        let cdc = node(ProcessRole::Cdc, 0);
        map.groups.push(group(&[cdc]));
        let mut nodes = vec![node(ProcessRole::Registry, 0), cdc];
        nodes.extend(&shard_nodes);
        for domain in 0..domains {
            let process = node(ProcessRole::Blocks, domain);
            nodes.push(process);
            let services = blocks.add(dir.path(), process, FailureDomainId(domain));
            map.services.extend(services);
        }
        map.services.sort_by_key(|info| info.service);
        let disks = blocks.disks.iter();
        let keys = disks
            .map(|(id, (disk, _))| (*id, disk.label().key.clone()))
            .collect();
        let world = Arc::new(World {
            shards: Shards::new(map, keys),
            coordinator: Coordinator::default(),
            blocks,
            leader: AtomicUsize::new(0),
            lose_one_in: AtomicU64::new(0),
            changes: AtomicU64::new(0),
            asked: Mutex::default(),
            hang: AtomicBool::new(false),
        });
        let mut cluster = Self {
            world,
            running: HashMap::new(),
            secret,
            _dir: dir,
        };
        for node in nodes {
            cluster.start_node(node);
        }
        cluster
    }

    /// Starts a process and tells the registry where it is.
    pub fn start_node(&mut self, node: NodeId) {
        let world = self.world.clone();
        let running = Node { node, world }.start(Credentials::server(self.secret.clone()));
        let mut map = self.world.shards.map.lock().unwrap();
        map.nodes.retain(|info| info.node != node);
        map.nodes.push(NodeInfo {
            node,
            address: running.address.to_string(),
            last_seen: Time(0),
            started: Time(0),
        });
        map.nodes.sort_by_key(|info| info.node);
        map.epoch.0 += 1;
        drop(map);
        self.running.insert(node, running);
    }

    pub async fn kill(&mut self, role: ProcessRole, index: u32) {
        let running = self.running.remove(&NodeId::new(role, index)).unwrap();
        running.kill().await;
    }

    /// What shards were asked for since the last time.
    pub fn asked(&self) -> Vec<String> {
        std::mem::take(&mut *self.world.asked.lock().unwrap())
    }

    pub async fn client(&self) -> Client {
        self.client_with(|_| {}).await
    }

    /// A client that is a server to the others, as the collector is.
    pub async fn server(&self) -> Client {
        let credentials = Credentials::server(self.secret.clone());
        self.client_with(|config| config.credentials = credentials)
            .await
    }

    pub async fn client_with(&self, adjust: impl FnOnce(&mut ClientConfig)) -> Client {
        self.try_client_with(adjust).await.unwrap()
    }

    pub async fn try_client_with(
        &self,
        adjust: impl FnOnce(&mut ClientConfig),
    ) -> Result<Client, ClientError> {
        let registry = self.running[&NodeId::new(ProcessRole::Registry, 0)].address;
        let credentials = Credentials::client(self.secret.derive_client());
        let mut config = ClientConfig::new(vec![registry], credentials, "test");
        adjust(&mut config);
        Client::connect(config).await
    }
}

/// Writes a whole file.
pub async fn put(client: &Client, dir: InodeId, file: &str, bytes: &[u8]) -> Linked {
    let mut writer = client.create(dir, NEW, file);
    for part in bytes.chunks(1 << 20) {
        writer.write(part).await.unwrap();
    }
    let change = AttributeChange::default();
    writer
        .link(&name(file), Replace::Files, change)
        .await
        .unwrap()
}

/// Reads a whole file.
pub async fn get(client: &Client, file: InodeId) -> Vec<u8> {
    let reader = client.open(file).await.unwrap();
    let mut bytes = Vec::new();
    while (bytes.len() as u64) < reader.size() {
        let part = reader.read_at(bytes.len() as u64, 300_000).await.unwrap();
        assert!(!part.is_empty());
        bytes.extend_from_slice(&part);
    }
    bytes
}

/// Fails instead of waiting for ever.
pub async fn within<T>(seconds: u64, future: impl Future<Output = T>) -> T {
    let limit = Duration::from_secs(seconds);
    tokio::time::timeout(limit, future)
        .await
        .expect("took too long")
}
