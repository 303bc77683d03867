//! A process of the cluster: answers what its role answers.

use std::net::SocketAddr;
use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use bytes::Bytes;
use eggs_proto::cdc::CdcRequest;
use eggs_proto::registry::{HealthFinding, RegistryReply, RegistryRequest, Severity};
use eggs_proto::shard::{ShardCall, ShardRequest};
use eggs_proto::{CallError, CallResult, MessageKind, NodeId, ProcessRole, decode, encode};
use eggs_rpc::{Answer, Credentials, Handler, Peer, PeerRole, Request, Server, ServerLimits};
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;

use crate::blocks::Blocks;
use crate::coordinator::Coordinator;
use crate::shards::Shards;

/// What all processes share.
pub struct World {
    pub shards: Shards,
    pub coordinator: Coordinator,
    pub blocks: Blocks,
    /// Number of the shard process that leads every shard.
    pub leader: AtomicUsize,
    /// Every so many answers to changes one is lost after the change was made; 0 for none.
    pub lose_one_in: AtomicU64,
    pub changes: AtomicU64,
    /// What shards were asked for: names of queries and changes.
    pub asked: Mutex<Vec<String>>,
    /// Shard processes swallow requests.
    pub hang: AtomicBool,
}

#[derive(Clone)]
pub struct Node {
    pub node: NodeId,
    pub world: Arc<World>,
}

pub struct Running {
    pub address: SocketAddr,
    stop: CancellationToken,
    task: JoinHandle<()>,
}

impl Node {
    pub fn start(self, credentials: Credentials) -> Running {
        let limits = ServerLimits {
            stop_ms: 0,
            ..ServerLimits::default()
        };
        let any = SocketAddr::from(([127, 0, 0, 1], 0));
        let server = Server::bind(any, credentials, limits, Arc::new(self)).unwrap();
        let address = server.local_addr();
        let stop = CancellationToken::new();
        let task = tokio::spawn(server.run(stop.clone()));
        Running {
            address,
            stop,
            task,
        }
    }

    async fn shard(
        &self,
        role: PeerRole,
        call: ShardCall,
    ) -> CallResult<eggs_proto::shard::ShardReply> {
        let world = &self.world;
        if world.hang.load(Ordering::Relaxed) {
            tokio::time::sleep(Duration::from_secs(60)).await;
        }
        let leader = world.leader.load(Ordering::SeqCst);
        let anybody = matches!(call.request, ShardRequest::QueryAny(_));
        if self.node.index() as usize != leader && !anybody {
            let leader = Some(NodeId::new(ProcessRole::Shard, leader as u32));
            return Err(CallError::NotLeader { leader });
        }
        let what = match &call.request {
            ShardRequest::Query(query) | ShardRequest::QueryAny(query) => format!("{query:?}"),
            ShardRequest::Change { change, .. } => format!("{change:?}"),
        };
        let kind = what.chars().take_while(|c| c.is_alphabetic()).collect();
        world.asked.lock().unwrap().push(kind);
        match call.request {
            ShardRequest::Query(query) | ShardRequest::QueryAny(query) => {
                Ok(world.shards.query(call.shard, &query)?)
            }
            ShardRequest::Change { id, change } => {
                let answer = world.shards.change(call.shard, role, Some(id), change);
                self.maybe_lose()?;
                Ok(answer?)
            }
        }
    }

    fn maybe_lose(&self) -> Result<(), CallError> {
        let count = self.world.changes.fetch_add(1, Ordering::Relaxed);
        let one_in = self.world.lose_one_in.load(Ordering::Relaxed);
        if one_in > 0 && count.is_multiple_of(one_in) {
            return Err(CallError::Unavailable("the answer was lost".into()));
        }
        Ok(())
    }

    fn cdc(&self, request: CdcRequest) -> CallResult<eggs_proto::cdc::CdcReply> {
        let answer = self.world.coordinator.answer(&self.world.shards, request);
        self.maybe_lose()?;
        Ok(answer?)
    }

    fn registry(&self, request: &RegistryRequest) -> CallResult<RegistryReply> {
        let map = self.world.shards.map.lock().unwrap().clone();
        match request {
            RegistryRequest::Map { known } if *known == Some(map.epoch) => {
                Ok(RegistryReply::Unchanged)
            }
            RegistryRequest::Map { .. } => Ok(RegistryReply::Map(map)),
            RegistryRequest::Health => Ok(RegistryReply::Health {
                severity: Severity::Ok,
                findings: Vec::<HealthFinding>::new(),
            }),
            other => panic!("{other:?}"),
        }
    }
}

impl Handler for Node {
    async fn handle(&self, peer: &Peer, request: Request) -> Answer {
        let mut payload = Bytes::new();
        let body = match request.kind {
            MessageKind::Shard => {
                let call = decode(&request.body).unwrap();
                encode(&self.shard(peer.role, call).await)
            }
            MessageKind::Cdc => encode(&self.cdc(decode(&request.body).unwrap())),
            MessageKind::Registry => encode(&self.registry(&decode(&request.body).unwrap())),
            MessageKind::Block => {
                let message = decode(&request.body).unwrap();
                let (result, pages) = self.world.blocks.answer(message, request.payload).await;
                payload = pages;
                encode(&result)
            }
            other => panic!("{other:?}"),
        };
        let body = body.into();
        Answer {
            body,
            payload: payload.into(),
        }
    }
}

impl Running {
    /// Connections break and no new ones are accepted.
    pub async fn kill(self) {
        self.stop.cancel();
        self.task.await.unwrap();
    }
}
