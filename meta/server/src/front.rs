//! What every request passes first.

use std::future::Future;
use std::sync::{Arc, OnceLock};

use eggs_proto::hello::PeerRole;
use eggs_proto::meta::{MetaReply, MetaRequest};
use eggs_proto::{CallError, CallResult, MessageKind, decode};
use eggs_raft::Node;
use eggs_rpc::{Answer, Handler, Peer, Reply, Request};

use crate::call;

/// What a program serves besides consensus.
pub(crate) trait Service: Send + Sync + 'static {
    /// The messages it understands.
    const KIND: MessageKind;

    /// Answers one of them.
    fn serve(
        &self,
        node: &Arc<Node>,
        peer: &Peer,
        request: Request,
    ) -> impl Future<Output = Reply> + Send;

    /// Begins no transaction for so many milliseconds, if this is what transactions begin at.
    fn hold(&self, _node: &Node, _ms: u32) -> CallResult<MetaReply> {
        Err(CallError::NotHosted)
    }
}

/// Sorts requests by kind. Bound before the node has started, so that a taken port is found at once.
pub(crate) struct Front<S> {
    pub service: S,
    pub node: OnceLock<Arc<Node>>,
}

impl<S: Service> Front<S> {
    pub fn new(service: S) -> Arc<Self> {
        Arc::new(Self {
            service,
            node: OnceLock::new(),
        })
    }
}

impl<S: Service> Front<S> {
    async fn reply(&self, peer: &Peer, request: Request) -> Reply {
        let Some(node) = self.node.get() else {
            return refuse(CallError::Unavailable("starting".into()));
        };
        if request.kind == S::KIND {
            return self.service.serve(node, peer, request).await;
        }
        match request.kind {
            MessageKind::Raft if peer.role != PeerRole::Server => {
                peer.complain(&CallError::Forbidden);
                refuse(CallError::Forbidden)
            }
            MessageKind::Raft => {
                let (body, payload) = node.handle_peer(request.body, request.payload).await;
                Reply { body, payload }
            }
            MessageKind::Meta if peer.role != PeerRole::Server => {
                peer.complain(&CallError::Forbidden);
                refuse(CallError::Forbidden)
            }
            MessageKind::Meta => {
                let answer = match decode(&request.body) {
                    Ok(MetaRequest::Hold { ms }) => self.service.hold(node, ms),
                    Ok(asked) => node.handle_meta(asked, request.deadline.into_std()).await,
                    Err(_) => Err(CallError::Malformed),
                };
                call::complain(peer, &answer);
                call::reply(&answer)
            }
            MessageKind::Hello
            | MessageKind::Shard
            | MessageKind::Cdc
            | MessageKind::Block
            | MessageKind::Registry => refuse(CallError::NotHosted),
        }
    }
}

impl<S: Service> Handler for Front<S> {
    async fn handle(&self, peer: &Peer, request: Request) -> Answer {
        self.reply(peer, request).await.into()
    }

    /// Reads are answered from memory or a table, changes and Raft's messages are handed on.
    fn is_brief(&self) -> bool {
        true
    }
}

fn refuse(error: CallError) -> Reply {
    call::reply::<()>(&Err(error))
}
