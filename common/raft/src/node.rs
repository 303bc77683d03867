//! All replicas of one process.

use std::sync::Arc;

use bytes::Bytes;
use eggs_proto::GroupId;

use crate::{Group, GroupSpec, NodeConfig, StartError, Transport};

/// All replicas of one process.
pub struct Node {
    groups: Vec<Group>,
}

impl Node {
    /// Opens the stores, recovers every group, and initializes those that are pristine.
    pub async fn start(
        config: NodeConfig,
        groups: Vec<GroupSpec>,
        transport: Arc<dyn Transport>,
    ) -> Result<Arc<Self>, StartError> {
        let _ = (config, groups, transport);
        Err(StartError::Config("not built yet".into()))
    }

    /// The replica of a group, if this node has one.
    pub fn group(&self, group: GroupId) -> Option<Group> {
        self.groups.iter().find(|g| g.id() == group).cloned()
    }

    /// All replicas, in order.
    pub fn groups(&self) -> impl Iterator<Item = Group> + '_ {
        self.groups.iter().cloned()
    }

    /// Answers a [`eggs_proto::MessageKind::Raft`] request of a peer. Whatever the bytes are, there is an answer.
    pub async fn handle_peer(&self, body: Bytes, payload: Bytes) -> (Bytes, Bytes) {
        let _ = (body, payload);
        (Bytes::new(), Bytes::new())
    }

    /// Hands leadership over where that is quick, stops all groups and flushes.
    pub async fn shutdown(&self) {}

    /// Resolves with a description when a fault must end this process; until then, never.
    pub async fn fatal(&self) -> String {
        std::future::pending().await
    }
}
