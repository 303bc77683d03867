//! Requests of one shard's leader to another shard's.

use std::sync::Arc;
use std::time::{Duration, Instant};

use bytes::Bytes;
use eggs_proto::hello::PeerRole;
use eggs_proto::shard::{ShardCall, ShardChange, ShardQuery, ShardReply, ShardRequest};
use eggs_proto::{CallError, CallResult, GroupId, MessageKind, RequestId, ShardId, decode, encode};
use eggs_raft::Node;
use eggs_rpc::Client;

use super::service::{Asked, ShardService};
use crate::front::Front;

/// How long one process is waited for.
const ATTEMPT: Duration = Duration::from_secs(2);

/// Asks shards as a server: this process if it leads the shard, else whoever does.
pub(super) struct Peers {
    pub rpc: Client,
    pub front: Arc<Front<ShardService>>,
    pub node: Arc<Node>,
}

impl Peers {
    pub async fn change(
        &self,
        shard: ShardId,
        (id, change): (RequestId, ShardChange),
    ) -> CallResult<ShardReply> {
        let group = GroupId::of_shard(shard);
        if let Some(group) = self.node.group(group).filter(eggs_raft::Group::is_leader) {
            let asked = Asked {
                origin: PeerRole::Server,
                deadline: Instant::now() + ATTEMPT,
            };
            let service = &self.front.service;
            return service.change(&group, shard, asked, (id, change)).await;
        }
        let request = ShardRequest::Change { id, change };
        self.ask(&ShardCall { shard, request }).await
    }

    pub async fn query(&self, shard: ShardId, query: ShardQuery) -> CallResult<ShardReply> {
        let request = ShardRequest::Query(query);
        self.ask(&ShardCall { shard, request }).await
    }

    /// One round: each replica at most once, the leader as soon as somebody names it.
    async fn ask(&self, call: &ShardCall) -> CallResult<ShardReply> {
        let view = self.front.service.view.current();
        let mut replicas = view.replicas(GroupId::of_shard(call.shard));
        let body = Bytes::from(encode(call));
        let mut last = CallError::Unavailable("no replica is known".into());
        while !replicas.is_empty() {
            let (_, address) = replicas.remove(0);
            let kind = MessageKind::Shard;
            let sent = self
                .rpc
                .call(address, kind, ATTEMPT, body.clone(), Bytes::new());
            let answer: CallResult<ShardReply> = match sent.await {
                Ok(reply) => decode(&reply.body).unwrap_or(Err(CallError::Malformed)),
                Err(error) => Err(CallError::Unavailable(error.to_string())),
            };
            last = match answer {
                Ok(reply) => return Ok(reply),
                Err(CallError::Refused(refusal)) => return Err(refusal.into()),
                Err(error) => error,
            };
            if let CallError::NotLeader {
                leader: Some(leader),
            } = last
                && let Some(at) = replicas.iter().position(|(node, _)| *node == leader)
            {
                replicas.swap(0, at);
            }
        }
        Err(last)
    }
}
