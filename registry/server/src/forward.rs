//! Followers pass on to the leader what only it can answer, so that a client needs to know just one address.
//!
//! **Invariant:** a request is passed on at most once: what arrives from another replica is answered here or refused.

use std::collections::BTreeMap;
use std::net::SocketAddr;

use bytes::Bytes;
use eggs_proto::{CallError, MessageKind, NodeId};
use eggs_registry_state::RegistryOutcome;
use eggs_rpc::{Client, Peer, Reply, Request};

/// Name under which replicas pass requests on.
const PROGRAM: &str = "eggsshuckle-forward";

/// Where requests are passed on to.
pub(crate) struct Forward {
    rpc: Client,
    members: BTreeMap<NodeId, SocketAddr>,
}

impl Forward {
    /// `connect` opens connections under the name it is given.
    pub(crate) fn new(
        connect: impl FnOnce(&str) -> Client,
        members: BTreeMap<NodeId, SocketAddr>,
    ) -> Self {
        let rpc = connect(PROGRAM);
        Self { rpc, members }
    }

    /// The leader's answer, if `outcome` says that only the leader can give one and it can be asked. The caller
    /// has checked already that the connection may ask for this.
    pub(crate) async fn ask_leader(
        &self,
        peer: &Peer,
        outcome: &RegistryOutcome,
        request: &Request,
        known: impl FnOnce(NodeId) -> Option<SocketAddr>,
    ) -> Option<Reply> {
        let Err(CallError::NotLeader {
            leader: Some(leader),
        }) = outcome
        else {
            return None;
        };
        if peer.program == PROGRAM {
            return None;
        }
        let given = |node| self.members.get(&node).copied();
        // Whoever takes a place has its address.
        let address = given(*leader)
            .or_else(|| known(*leader))
            .or_else(|| given(leader.place()))?;
        let patience = request
            .deadline
            .saturating_duration_since(tokio::time::Instant::now());
        let body = request.body.clone();
        let asked = self
            .rpc
            .call(address, MessageKind::Registry, patience, body, Bytes::new());
        match asked.await {
            Ok(reply) => Some(reply),
            Err(error) => {
                tracing::debug!(%leader, %error, "the leader did not answer");
                None
            }
        }
    }
}
