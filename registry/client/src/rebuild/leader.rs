//! Finding the leader of a group, and asking it for a step.

use std::time::Duration;

use bytes::Bytes;
use eggs_proto::meta::{MemberStep, MetaReply, MetaRequest, ReplicaInfo};
use eggs_proto::{CallResult, GroupId, MessageKind, NodeId, decode, encode};
use eggs_rpc::Client;

use crate::ClusterView;

/// How long one process may take to say how a replica is.
const LOOK: Duration = Duration::from_secs(2);
/// How long a step may take.
const STEP: Duration = Duration::from_secs(10);

/// Asks those who have replicas.
pub(super) struct Leaders<'a> {
    pub rpc: &'a Client,
    pub view: &'a ClusterView,
    /// Those who are not there any more, whatever the map says.
    pub places: &'a [NodeId],
}

/// What became of a step.
pub(super) enum Stepped {
    Done,
    Waits(String),
}

impl Leaders<'_> {
    /// A group's leader, and how it says that the group is.
    pub async fn find(&self, group: GroupId) -> Option<(NodeId, ReplicaInfo)> {
        let snapshot = self.view.current();
        let known = snapshot.map.groups.get(usize::from(group.0))?;
        let mut candidates: Vec<NodeId> = known.leader.into_iter().collect();
        candidates.extend(&known.replicas);
        candidates.retain(|node| !self.places.contains(node));
        let mut at = 0;
        let mut asked = Vec::new();
        while let Some(node) = candidates.get(at).copied() {
            at += 1;
            if asked.contains(&node) {
                continue;
            }
            asked.push(node);
            let request = MetaRequest::Replicas { group: Some(group) };
            let Ok(Ok(MetaReply::Replicas(replicas))) = self.call(node, &request, LOOK).await
            else {
                continue;
            };
            let Some(info) = replicas.into_iter().next() else {
                continue;
            };
            match info.leader {
                Some(leader) if leader == node => return Some((node, info)),
                Some(leader) => candidates.insert(at, leader),
                None => {}
            }
        }
        None
    }

    /// Asks a leader for a step.
    pub async fn ask(&self, leader: NodeId, group: GroupId, change: MemberStep) -> Stepped {
        let request = MetaRequest::Change { group, change };
        match self.call(leader, &request, STEP).await {
            Ok(Ok(MetaReply::Done)) => Stepped::Done,
            Ok(Ok(MetaReply::Waits(wait))) => Stepped::Waits(format!("{wait:?}")),
            Ok(Ok(_)) => Stepped::Waits(format!("{leader} answers something else")),
            Ok(Err(error)) => Stepped::Waits(error.to_string()),
            Err(why) => Stepped::Waits(why),
        }
    }

    async fn call(
        &self,
        node: NodeId,
        request: &MetaRequest,
        timeout: Duration,
    ) -> Result<CallResult<MetaReply>, String> {
        let address = self.view.current().address(node);
        let address = address.ok_or_else(|| format!("{node} is not on the map"))?;
        let body = Bytes::from(encode(request));
        let (kind, none) = (MessageKind::Meta, Bytes::new());
        let reply = self.rpc.call(address, kind, timeout, body, none).await;
        let reply = reply.map_err(|error| error.to_string())?;
        decode(&reply.body).map_err(|error| error.to_string())
    }
}
