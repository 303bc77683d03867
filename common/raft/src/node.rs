//! All replicas of one process.

use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use bytes::Bytes;
use eggs_machine::Table;
use eggs_proto::registry::SpaceReport;
use eggs_proto::{GroupId, NodeId};
use tokio::task::AbortHandle;
use tokio::time::Instant;

use crate::backup::{Digests, Pins};
use crate::fatal::Fatal;
use crate::log::LogDb;
use crate::net::{Answerer, Networks};
use crate::rest::Watch;
use crate::space::Board;
use crate::start::Builder;
use crate::state::StateDb;
use crate::{Group, GroupSpec, Limits, NodeConfig, StartError, Transport, keeper};

/// How long a shutdown waits for other nodes to take over.
const HANDOVER: Duration = Duration::from_millis(1500);

/// All replicas of one process.
pub struct Node {
    pub(crate) shared: Arc<Shared>,
    pub(crate) tasks: Vec<AbortHandle>,
}

pub(crate) struct Shared {
    pub(crate) node: NodeId,
    pub(crate) dir: PathBuf,
    pub(crate) space: Arc<Board>,
    pub(crate) groups: Vec<Group>,
    pub(crate) limits: Limits,
    pub(crate) fatal: Fatal,
    pub(crate) answerer: Answerer,
    pub(crate) networks: Arc<Networks>,
    pub(crate) watch: Arc<Watch>,
    pub(crate) log: Arc<LogDb>,
    pub(crate) state: Arc<StateDb>,
    pub(crate) stopping: AtomicBool,
    pub(crate) pins: Arc<Pins>,
    pub(crate) digests: Arc<Digests>,
}

impl Shared {
    pub(crate) fn is_stopping(&self) -> bool {
        self.stopping.load(Ordering::Relaxed)
    }

    pub(crate) fn find(&self, group: GroupId) -> Option<&Group> {
        let at = self.groups.binary_search_by_key(&group, Group::id).ok()?;
        self.groups.get(at)
    }
}

impl Node {
    /// Opens the stores, recovers every group, and initializes those that are pristine.
    pub async fn start(
        config: NodeConfig,
        groups: Vec<GroupSpec>,
        transport: Arc<dyn Transport>,
    ) -> Result<Arc<Self>, StartError> {
        let builder = Builder::open(config, transport).await?;
        builder.start(groups).await
    }

    /// This process.
    pub fn id(&self) -> NodeId {
        self.shared.node
    }

    /// The replica of a group, if this node has one.
    pub fn group(&self, group: GroupId) -> Option<Group> {
        self.shared.find(group).cloned()
    }

    /// All replicas, in order.
    pub fn groups(&self) -> impl Iterator<Item = Group> + '_ {
        self.shared.groups.iter().cloned()
    }

    /// How the disk of this process is.
    pub fn space(&self) -> SpaceReport {
        self.shared.space.own()
    }

    /// Answers a [`eggs_proto::MessageKind::Raft`] request of a peer. Whatever the bytes are, there is an answer.
    pub async fn handle_peer(&self, body: Bytes, payload: Bytes) -> (Bytes, Bytes) {
        let answers = self.shared.answerer.answer(&body, &payload).await;
        (answers, Bytes::new())
    }

    /// Hands leadership over where that is quick, stops all groups and flushes.
    pub async fn shutdown(&self) {
        if self.stop_side_tasks() {
            self.hand_over().await;
            self.stop_groups().await;
            if let Err(fault) = self.shared.state.flush().await {
                tracing::warn!(%fault, "the state was not flushed; the log replays it");
            }
            self.shared.log.close();
        }
    }

    /// Stops like a crash, as far as a process can do that to itself: without handing over and without a flush. For
    /// tests.
    #[doc(hidden)]
    pub async fn crash(&self) {
        if self.stop_side_tasks() {
            self.stop_groups().await;
            self.shared.log.close();
        }
    }

    /// Alters a row of this replica behind everybody's back. For tests.
    #[doc(hidden)]
    pub fn alter(&self, group: GroupId, table: Table, key: &[u8], value: Option<&[u8]>) {
        self.shared
            .state
            .alter(group, (table, key), value)
            .expect("tests name tables that exist");
    }

    /// Resolves with a description when a fault must end this process; until then, never.
    pub async fn fatal(&self) -> String {
        self.shared.fatal.wait().await
    }

    fn stop_side_tasks(&self) -> bool {
        for task in &self.tasks {
            task.abort();
        }
        !self.shared.stopping.swap(true, Ordering::SeqCst)
    }

    async fn hand_over(&self) {
        let end = Instant::now() + HANDOVER;
        let mut waiting = Vec::new();
        for group in &self.shared.groups {
            let voters = group.status().members.target;
            let heir = voters
                .into_iter()
                .find(|voter| *voter != self.shared.node && keeper::is_up_to_date(group, *voter));
            if group.is_leader()
                && let Some(heir) = heir
            {
                group.transfer_leader(heir).await;
                waiting.push(group.changed());
            }
        }
        for mut watch in waiting {
            let led_here =
                |leader: Option<NodeId>| leader == Some(self.shared.node) || leader.is_none();
            let handed_over = async {
                while led_here(watch.current().leader) && watch.changed().await.is_some() {}
            };
            let _ = tokio::time::timeout_at(end, handed_over).await; // then an election decides
        }
    }

    async fn stop_groups(&self) {
        let stopping = self.shared.groups.iter().map(|group| async {
            if let Err(cause) = group.replica.raft.shutdown().await {
                tracing::warn!(group = %group.id(), %cause, "a group did not stop cleanly");
            }
        });
        futures::future::join_all(stopping).await;
    }
}

impl Drop for Node {
    fn drop(&mut self) {
        for task in &self.tasks {
            task.abort();
        }
    }
}
