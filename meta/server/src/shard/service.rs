//! Requests to a shard: to the right group, by the deadline, counted.

use std::sync::Arc;
use std::time::Instant;

use eggs_proto::hello::PeerRole;
use eggs_proto::shard::{ShardCall, ShardReply, ShardRequest};
use eggs_proto::{CallError, CallResult, GroupId, MessageKind, decode};
use eggs_raft::Node;
use eggs_registry_client::ClusterView;
use eggs_rpc::{Peer, Reply, Request};

use super::disks::DiskShares;
use super::schemes::SchemesInUse;
use super::trees::Changed;
use crate::call;
use crate::fault::FaultBox;
use crate::front::Service;
use crate::metrics::ShardMetrics;

/// Serves all shards of this process.
pub(super) struct ShardService {
    pub view: ClusterView,
    pub metrics: ShardMetrics,
    pub fault: FaultBox,
    /// How much of its share of new blocks each disk is given.
    pub shares: DiskShares,
    /// How blocks were stored lately.
    pub schemes: SchemesInUse,
    /// Shards that may owe reports of their trees.
    pub changed: Changed,
}

/// Who asks, and until when.
#[derive(Clone, Copy)]
pub(super) struct Asked {
    pub origin: PeerRole,
    pub deadline: Instant,
}

impl Service for ShardService {
    const KIND: MessageKind = MessageKind::Shard;

    async fn serve(&self, node: &Arc<Node>, peer: &Peer, request: Request) -> Reply {
        let asked = Asked {
            origin: peer.role,
            deadline: request.deadline.into_std(),
        };
        let answer = self.answer(node, asked, &request.body).await;
        call::complain(peer, &answer);
        call::reply(&answer)
    }
}

impl ShardService {
    async fn answer(&self, node: &Node, asked: Asked, body: &[u8]) -> CallResult<ShardReply> {
        let ShardCall { shard, request } = decode(body).map_err(|_| CallError::Malformed)?;
        let group = node
            .group(GroupId::of_shard(shard))
            .ok_or(CallError::NotHosted)?;
        let began = Instant::now();
        let (answer, count, time) = match request {
            ShardRequest::Query(query) => {
                let answer = self.query(&group, shard, asked, query).await;
                (answer, &self.metrics.queries, &self.metrics.query_seconds)
            }
            ShardRequest::QueryAny(query) => {
                let answer = self.query_anywhere(&group, shard, asked, query).await;
                (answer, &self.metrics.queries, &self.metrics.query_seconds)
            }
            ShardRequest::Change { id, change } => {
                let answer = self.change(&group, shard, asked, (id, change)).await;
                (answer, &self.metrics.changes, &self.metrics.change_seconds)
            }
        };
        time.observe(began.elapsed().as_secs_f64());
        count
            .get_or_create(&[("outcome", call::outcome(&answer))])
            .inc();
        answer
    }
}
