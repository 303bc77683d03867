//! Finding the leader of a shard, for servers that ask shards.

use std::collections::HashMap;
use std::net::SocketAddr;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use bytes::Bytes;
use eggs_proto::shard::ShardReply;
use eggs_proto::{CallError, CallResult, GroupId, MessageKind, NodeId, Refusal, ShardId, decode};
use eggs_registry_client::ClusterView;
use eggs_rpc::Client;

/// How long one process is waited for.
const ATTEMPT: Duration = Duration::from_secs(2);

/// Knows who leads the shards, as far as was seen.
pub(crate) struct ShardRound {
    rpc: Client,
    view: ClusterView,
    leaders: Mutex<HashMap<ShardId, NodeId>>,
}

/// Whom to ask next.
enum Next {
    Hinted(NodeId),
    Another(String),
}

impl ShardRound {
    pub fn new(rpc: Client, view: ClusterView) -> Self {
        Self {
            rpc,
            view,
            leaders: Mutex::default(),
        }
    }

    /// Asks the presumed leader, follows hints, then asks the other replicas: each at most once, until there is an
    /// answer that says what became of the request. `watch` sees every answer. The error says why the last one asked
    /// gave none.
    pub async fn ask(
        &self,
        shard: ShardId,
        body: &Bytes,
        watch: impl Fn(&CallResult<ShardReply>),
    ) -> Result<Result<ShardReply, Refusal>, String> {
        let view = self.view.current();
        let mut replicas = view.replicas(GroupId::of_shard(shard));
        let remembered = self.lock().get(&shard).copied();
        replicas.sort_by_key(|(node, _)| Some(*node) != remembered);
        let mut last = "no replica is known".to_owned();
        let mut asked = 0;
        while asked < replicas.len() {
            let (node, address) = replicas[asked];
            asked += 1;
            match self.attempt(address, body, &watch).await {
                Ok(answer) => {
                    if remembered != Some(node) {
                        self.lock().insert(shard, node);
                    }
                    return Ok(answer);
                }
                Err(Next::Hinted(leader)) => {
                    last = format!("{node} says that {leader} leads");
                    // Those not asked yet are in any order.
                    let at = replicas[asked..].iter().position(|(n, _)| *n == leader);
                    if let Some(at) = at {
                        replicas.swap(asked, asked + at);
                    }
                }
                Err(Next::Another(reason)) => last = format!("{node}: {reason}"),
            }
        }
        if remembered.is_some() {
            self.lock().remove(&shard);
        }
        Err(last)
    }

    async fn attempt(
        &self,
        address: SocketAddr,
        body: &Bytes,
        watch: &impl Fn(&CallResult<ShardReply>),
    ) -> Result<Result<ShardReply, Refusal>, Next> {
        let kind = MessageKind::Shard;
        let sent = self
            .rpc
            .call(address, kind, ATTEMPT, body.clone(), Bytes::new());
        let reply = sent.await.map_err(|e| Next::Another(e.to_string()))?;
        let answer: CallResult<ShardReply> =
            decode(&reply.body).map_err(|e| Next::Another(e.to_string()))?;
        watch(&answer);
        match answer {
            Ok(reply) => Ok(Ok(reply)),
            Err(CallError::Refused(refusal)) => Ok(Err(refusal)),
            Err(CallError::NotLeader {
                leader: Some(leader),
            }) => Err(Next::Hinted(leader)),
            Err(
                error @ (CallError::NotLeader { leader: None }
                | CallError::NotHosted
                | CallError::Overloaded
                | CallError::Deadline
                | CallError::Unavailable(_)
                | CallError::Malformed
                | CallError::Forbidden),
            ) => Err(Next::Another(error.to_string())),
        }
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<ShardId, NodeId>> {
        self.leaders.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
