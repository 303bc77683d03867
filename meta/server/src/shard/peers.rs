//! Requests of one shard's leader to another shard's.

use std::sync::Arc;
use std::time::{Duration, Instant};

use bytes::Bytes;
use eggs_proto::hello::PeerRole;
use eggs_proto::shard::{ShardCall, ShardChange, ShardQuery, ShardReply, ShardRequest};
use eggs_proto::{CallError, CallResult, GroupId, RequestId, ShardId, encode};
use eggs_raft::Node;

use super::service::{Asked, ShardService};
use crate::front::Front;
use crate::shard_round::ShardRound;

/// How long a change of a shard that this process leads may take.
const ATTEMPT: Duration = Duration::from_secs(2);

/// Asks shards as a server: this process if it leads the shard, else whoever does.
pub(super) struct Peers {
    pub round: ShardRound,
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

    async fn ask(&self, call: &ShardCall) -> CallResult<ShardReply> {
        let body = Bytes::from(encode(call));
        match self.round.ask(call.shard, &body, |_| {}).await {
            Ok(answer) => answer.map_err(CallError::Refused),
            Err(reason) => Err(CallError::Unavailable(reason)),
        }
    }
}
