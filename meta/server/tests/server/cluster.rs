//! Metadata servers and a registry that only knows them, in one process.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use bytes::Bytes;
use eggs_meta_server::{Beginning, Running, ServerConfig, start_cdc, start_shard};
use eggs_proto::cdc::{CdcOperation, CdcReply, CdcRequest, EntryName};
use eggs_proto::hello::Secret;
use eggs_proto::registry::{RegistryReply, RegistryRequest};
use eggs_proto::shard::{ShardCall, ShardChange, ShardQuery, ShardReply, ShardRequest};
use eggs_proto::{
    CallError, CallResult, ClusterMap, Epoch, GroupInfo, InodeId, MessageKind, Name, NewAttributes,
    NodeId, NodeInfo, ProcessRole, Refusal, RequestId, ShardId, Time, decode, encode,
};
use eggs_raft::Timing;
use eggs_rpc::{
    Answer, Bulk, Client, ClientLimits, Credentials, Handler, Peer, Request, Server, ServerLimits,
};
use serde::Serialize;
use serde::de::DeserializeOwned;
use tempfile::TempDir;
use tokio_util::sync::CancellationToken;

pub const ATTRIBUTES: NewAttributes = NewAttributes {
    mode: 0o644,
    uid: 1,
    gid: 1,
    mtime: None,
    atime: None,
};
const SECRET: Secret = Secret::new([9; 32]);
/// Enough for a busy machine; reached only by failures.
pub const LONG: Duration = Duration::from_secs(60);

/// Knows where everybody is, and whose name is whose.
struct FakeRegistry {
    map: ClusterMap,
    claims: Mutex<BTreeMap<NodeId, u64>>,
}

impl FakeRegistry {
    fn claim(&self, node: NodeId, incarnation: u64) -> CallResult<RegistryReply> {
        let mut claims = self.claims.lock().unwrap();
        if *claims.entry(node).or_insert(incarnation) == incarnation {
            Ok(RegistryReply::Done)
        } else {
            Err(Refusal::Exists.into())
        }
    }
}

impl Handler for FakeRegistry {
    async fn handle(&self, _peer: &Peer, request: Request) -> Answer {
        let answer: CallResult<RegistryReply> = match decode(&request.body) {
            Ok(RegistryRequest::Map { known }) if known == Some(self.map.epoch) => {
                Ok(RegistryReply::Unchanged)
            }
            Ok(RegistryRequest::Map { .. }) => Ok(RegistryReply::Map(self.map.clone())),
            Ok(RegistryRequest::Keys) => Ok(RegistryReply::Keys(Vec::new())),
            Ok(
                RegistryRequest::Claim {
                    node, incarnation, ..
                }
                | RegistryRequest::Confirm {
                    node, incarnation, ..
                },
            ) => self.claim(node, incarnation),
            Ok(RegistryRequest::Members { .. }) => Ok(RegistryReply::Members(Vec::new())),
            Ok(_) => Ok(RegistryReply::Done),
            Err(_) => Err(CallError::Malformed),
        };
        Answer {
            body: Bytes::from(encode(&answer)),
            payload: Bulk::default(),
        }
    }
}

pub struct Cluster {
    pub dir: TempDir,
    pub shards: BTreeMap<u32, SocketAddr>,
    pub cdcs: BTreeMap<u32, SocketAddr>,
    registry: SocketAddr,
    pub running: BTreeMap<NodeId, Running>,
    pub client: Client,
    sequence: u64,
}

impl Cluster {
    /// Starts `shards` and `cdcs` processes.
    pub async fn start(shards: u32, cdcs: u32) -> Self {
        let ports = free_ports((shards + cdcs) as usize);
        let (of_shards, of_cdcs) = ports.split_at(shards as usize);
        let number = |ports: &[SocketAddr]| (0..).zip(ports.iter().copied()).collect();
        let (of_shards, of_cdcs): (BTreeMap<_, _>, BTreeMap<_, _>) =
            (number(of_shards), number(of_cdcs));
        let registry = serve_registry(map(&of_shards, &of_cdcs));
        let credentials = Credentials::client(SECRET.derive_client());
        let mut cluster = Self {
            dir: tempfile::tempdir().unwrap(),
            shards: of_shards,
            cdcs: of_cdcs,
            registry,
            running: BTreeMap::new(),
            client: Client::new(credentials, "test", ClientLimits::default()),
            sequence: 0,
        };
        cluster.start_all().await;
        cluster
    }

    pub async fn start_all(&mut self) {
        let shards: Vec<_> = self.shards.keys().copied().collect();
        for id in shards {
            self.start_one(ProcessRole::Shard, id).await;
        }
        let cdcs: Vec<_> = self.cdcs.keys().copied().collect();
        for id in cdcs {
            self.start_one(ProcessRole::Cdc, id).await;
        }
    }

    pub fn config(&self, role: ProcessRole, id: u32) -> ServerConfig {
        let node = NodeId::new(role, id);
        let peers = match role {
            ProcessRole::Shard => &self.shards,
            _ => &self.cdcs,
        };
        ServerConfig {
            id,
            dir: self.dir.path().join(node.to_string()),
            listen: peers[&id],
            peers: peers.clone(),
            beginning: Beginning::Founder,
            rebuild_empty_after: None,
            registry: vec![self.registry],
            credentials: Credentials::server(SECRET),
            http: None,
            block_cache_bytes: 8 << 20,
            timing: Timing::default(),
        }
    }

    pub async fn start_one(&mut self, role: ProcessRole, id: u32) {
        let config = self.config(role, id);
        let running = match role {
            ProcessRole::Shard => start_shard(config).await,
            _ => start_cdc(config).await,
        };
        self.running.insert(NodeId::new(role, id), running.unwrap());
    }

    pub async fn stop_one(&mut self, role: ProcessRole, id: u32) {
        let running = self.running.remove(&NodeId::new(role, id)).unwrap();
        running.stop_token().cancel();
        let end = tokio::time::timeout(LONG, running.finished());
        end.await.expect("a clean stop").unwrap();
    }

    pub async fn stop_all(&mut self) {
        let all: Vec<_> = std::mem::take(&mut self.running).into_values().collect();
        for running in &all {
            running.stop_token().cancel();
        }
        for running in all {
            let end = tokio::time::timeout(LONG, running.finished());
            end.await.expect("a clean stop").unwrap();
        }
    }

    pub fn next_id(&mut self) -> RequestId {
        self.sequence += 1;
        RequestId {
            client: 4711,
            sequence: self.sequence,
        }
    }

    /// Asks one process once.
    pub async fn ask<T: DeserializeOwned>(
        &self,
        address: SocketAddr,
        kind: MessageKind,
        body: Vec<u8>,
    ) -> Result<CallResult<T>, eggs_rpc::RpcError> {
        let wait = Duration::from_secs(5);
        let call = self
            .client
            .call(address, kind, wait, body.into(), Bytes::new());
        Ok(decode(&call.await?.body).expect("an answer decodes"))
    }

    /// Asks one process after the other until there is a decision.
    async fn decide<T: DeserializeOwned>(
        &self,
        addresses: &BTreeMap<u32, SocketAddr>,
        kind: MessageKind,
        request: &impl Serialize,
    ) -> Result<T, Refusal> {
        let body = encode(request);
        let all = async {
            for address in addresses.values().cycle() {
                match self.ask::<T>(*address, kind, body.clone()).await {
                    Ok(Ok(reply)) => return Ok(reply),
                    Ok(Err(CallError::Refused(refusal))) => return Err(refusal),
                    Ok(Err(_)) | Err(_) => tokio::time::sleep(Duration::from_millis(20)).await,
                }
            }
            unreachable!("a cycle has no end")
        };
        tokio::time::timeout(LONG, all).await.expect("a decision")
    }

    pub async fn change(
        &mut self,
        dir: InodeId,
        change: ShardChange,
    ) -> Result<ShardReply, Refusal> {
        let id = self.next_id();
        let request = ShardRequest::Change { id, change };
        self.shard(dir.shard(), request).await
    }

    pub async fn shard(
        &self,
        shard: ShardId,
        request: ShardRequest,
    ) -> Result<ShardReply, Refusal> {
        let call = ShardCall { shard, request };
        self.decide(&self.shards, MessageKind::Shard, &call).await
    }

    pub async fn run(&mut self, operation: CdcOperation) -> Result<CdcReply, Refusal> {
        let id = self.next_id();
        self.run_as(id, operation).await
    }

    pub async fn run_as(
        &self,
        id: RequestId,
        operation: CdcOperation,
    ) -> Result<CdcReply, Refusal> {
        let request = CdcRequest::Run { id, operation };
        self.decide(&self.cdcs, MessageKind::Cdc, &request).await
    }

    pub async fn lookup(&self, entry: &EntryName) -> Result<InodeId, Refusal> {
        let query = ShardQuery::Lookup {
            dir: entry.dir,
            name: entry.name.clone(),
        };
        let shard = entry.dir.shard();
        match self.shard(shard, ShardRequest::Query(query)).await? {
            ShardReply::Dentry(dentry) => Ok(dentry.inode),
            other => panic!("{other:?}"),
        }
    }

    pub async fn mkdir(&mut self, entry: EntryName) -> Result<InodeId, Refusal> {
        let attributes = ATTRIBUTES;
        let operation = CdcOperation::MakeDirectory { entry, attributes };
        match self.run(operation).await? {
            CdcReply::Made { dir } => Ok(dir),
            other => panic!("{other:?}"),
        }
    }
}

pub fn at(dir: InodeId, name: &str) -> EntryName {
    EntryName {
        dir,
        name: Name::new(name).unwrap(),
    }
}

fn free_ports(count: usize) -> Vec<SocketAddr> {
    let bind = |_| std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let held: Vec<_> = (0..count).map(bind).collect();
    held.iter().map(|l| l.local_addr().unwrap()).collect()
}

fn map(shards: &BTreeMap<u32, SocketAddr>, cdcs: &BTreeMap<u32, SocketAddr>) -> ClusterMap {
    let nodes = |role, all: &BTreeMap<u32, SocketAddr>| -> Vec<_> {
        all.iter()
            .map(|(id, address)| NodeInfo {
                node: NodeId::new(role, *id),
                address: address.to_string(),
                last_seen: Time(0),
                started: Time(0),
            })
            .collect()
    };
    let group = |nodes: &[NodeInfo]| GroupInfo {
        replicas: nodes.iter().map(|info| info.node).collect(),
        leader: None,
    };
    let shards = nodes(ProcessRole::Shard, shards);
    let cdcs = nodes(ProcessRole::Cdc, cdcs);
    let mut groups = vec![group(&shards); 256];
    groups.push(group(&cdcs));
    ClusterMap {
        epoch: Epoch(1),
        time: Time(0),
        nodes: [shards, cdcs].concat(),
        services: Vec::new(),
        groups,
    }
}

fn serve_registry(map: ClusterMap) -> SocketAddr {
    let claims = Mutex::default();
    let handler = Arc::new(FakeRegistry { map, claims });
    let address = "127.0.0.1:0".parse().unwrap();
    let credentials = Credentials::server(SECRET);
    let server = Server::bind(address, credentials, ServerLimits::default(), handler).unwrap();
    let address = server.local_addr();
    tokio::spawn(server.run(CancellationToken::new()));
    address
}
