//! The network as openraft sees it: one client per group and peer, all over one link per peer.

use std::collections::BTreeMap;
use std::future::Future;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use eggs_proto::{GroupId, NodeId};
use futures::Stream;
use futures::future::BoxFuture;
use futures::stream::BoxStream;
use openraft::errors::{RPCError, ReplicationClosed, StreamingError, Unreachable};
use openraft::network::{RPCOption, RaftNetworkFactory, stream_append_sequential};
use openraft::raft::{
    AppendEntriesRequest, AppendEntriesResponse, SnapshotResponse, StreamAppendResult,
    TransferLeaderRequest, TransferLeaderResponse, VoteRequest, VoteResponse,
};
use openraft::{OptionalSend, RaftNetworkV2};
use tokio::sync::Semaphore;

use super::checkpoint::{self, Destination};
use super::link::Link;
use super::notices::{Holder, Notices, Told, committed_end};
use super::wire::{Answer, Question};
use crate::hollow::Hollow;
use crate::state::Checkpoint;
use crate::types::{Snapshot, TypeConfig, Vote};
use crate::{Timing, Transport};

/// How long a follower may take to make entries durable.
const APPEND_PATIENCE: Duration = Duration::from_secs(2);
/// Checkpoints that one node sends at the same time.
const CHECKPOINTS_MAX: usize = 2;

/// What all groups of a node share.
pub(crate) struct Networks {
    transport: Arc<dyn Transport>,
    links: Mutex<BTreeMap<u64, Link>>,
    /// Apart, because what a leader asks a quorum for a read must not hold up entries in the same frame.
    read_links: Mutex<BTreeMap<u64, Link>>,
    checkpoints: Semaphore,
    timing: Timing,
}

impl Networks {
    pub(crate) fn new(transport: Arc<dyn Transport>, timing: Timing) -> Arc<Self> {
        Arc::new(Self {
            transport,
            timing,
            links: Mutex::default(),
            read_links: Mutex::default(),
            checkpoints: Semaphore::new(CHECKPOINTS_MAX),
        })
    }

    pub(crate) fn link(&self, peer: NodeId) -> Link {
        self.link_in(&self.links, peer)
    }

    /// The link for read indexes.
    pub(crate) fn read_link(&self, peer: NodeId) -> Link {
        self.link_in(&self.read_links, peer)
    }

    fn link_in(&self, links: &Mutex<BTreeMap<u64, Link>>, peer: NodeId) -> Link {
        let mut links = links.lock().unwrap_or_else(PoisonError::into_inner);
        let link = links
            .entry(peer.get())
            .or_insert_with(|| Link::start(peer, Arc::clone(&self.transport), self.timing));
        link.clone()
    }
}

/// What a follower says to one message after another.
type Appended<'s> = BoxStream<'s, Result<StreamAppendResult<TypeConfig>, RPCError<TypeConfig>>>;

/// The network of one group.
pub(crate) struct Network {
    pub(crate) group: GroupId,
    pub(crate) shared: Arc<Networks>,
    pub(crate) notices: Arc<Notices>,
    hollow: Hollow,
    /// What each peer was told by any of the clients to it.
    told: BTreeMap<u64, Arc<Told>>,
}

impl Network {
    pub(crate) const fn new(
        group: GroupId,
        shared: Arc<Networks>,
        notices: Arc<Notices>,
        hollow: Hollow,
    ) -> Self {
        Self {
            group,
            shared,
            notices,
            hollow,
            told: BTreeMap::new(),
        }
    }
}

/// One group's client to one peer.
pub(crate) struct PeerClient {
    group: GroupId,
    target: u64,
    shared: Arc<Networks>,
    /// `None` if the target is not one of our processes.
    peer: Option<(NodeId, Link)>,
    notices: Arc<Notices>,
    hollow: Hollow,
    told: Arc<Told>,
}

impl RaftNetworkFactory<TypeConfig> for Network {
    type Network = PeerClient;

    async fn new_client(&mut self, target: u64, _node: &openraft::EmptyNode) -> PeerClient {
        let peer = NodeId::from_u64(target).map(|peer| (peer, self.shared.link(peer)));
        PeerClient {
            group: self.group,
            target,
            shared: Arc::clone(&self.shared),
            peer,
            notices: Arc::clone(&self.notices),
            hollow: self.hollow.clone(),
            told: Arc::clone(self.told.entry(target).or_default()),
        }
    }
}

impl PeerClient {
    async fn ask(
        &self,
        question: &Question,
        patience: Duration,
    ) -> Result<Answer, RPCError<TypeConfig>> {
        let Some((_, link)) = &self.peer else {
            return Err(self.unreachable("unknown process"));
        };
        let asked = link.ask(self.group, question.encode(), patience).await;
        asked.map_err(|error| self.unreachable(error))
    }

    /// Every failure backs off: asking a dead peer again at once, for hundreds of groups, helps nobody.
    fn unreachable(&self, cause: impl std::fmt::Display) -> RPCError<TypeConfig> {
        RPCError::Unreachable(self.as_unreachable(cause))
    }

    fn as_unreachable(&self, cause: impl std::fmt::Display) -> Unreachable<TypeConfig> {
        Unreachable::from_string(format!("{} at {}: {cause}", self.group, self.target))
    }

    fn unexpected(&self, answer: &Answer) -> RPCError<TypeConfig> {
        self.unreachable(match answer {
            Answer::Silent => "has just restarted and does not vote yet",
            Answer::NoSuchGroup => "has no such group",
            Answer::Stopped => "has stopped",
            Answer::Malformed => "does not understand us",
            Answer::Late => "was too slow",
            Answer::Follows => "follows a leader who lives",
            Answer::Hollow => "has given its state away",
            Answer::Append(_)
            | Answer::Space(_)
            | Answer::Vote(_)
            | Answer::Transfer(_)
            | Answer::Rests
            | Answer::Stays
            | Answer::Pulse(_)
            | Answer::CheckpointNext
            | Answer::CheckpointRestart
            | Answer::CheckpointDone(_)
            | Answer::ReadIndex(_)
            | Answer::NotLeading { .. } => "answered something else",
        })
    }

    async fn ask_vote(
        &self,
        question: Question,
        option: RPCOption,
    ) -> Result<VoteResponse<TypeConfig>, RPCError<TypeConfig>> {
        match self.ask(&question, option.soft_ttl()).await? {
            Answer::Vote(response) => Ok(response),
            other => Err(self.unexpected(&other)),
        }
    }
}

impl RaftNetworkV2<TypeConfig> for PeerClient {
    type SnapshotData = Checkpoint;

    async fn append_entries(
        &mut self,
        rpc: AppendEntriesRequest<TypeConfig>,
        option: RPCOption,
    ) -> Result<AppendEntriesResponse<TypeConfig>, RPCError<TypeConfig>> {
        let patience = if rpc.entries.is_empty() {
            option.hard_ttl()
        } else {
            APPEND_PATIENCE.max(option.soft_ttl())
        };
        let Some((_, link)) = &self.peer else {
            return Err(self.unreachable("unknown process"));
        };
        let committed = committed_end(&rpc);
        let question = Question::Append(rpc).encode();
        let asked = link.lead(self.group, question, patience).await;
        match asked.map_err(|error| self.unreachable(error))? {
            Answer::Append(response) => {
                if matches!(response, AppendEntriesResponse::Success) {
                    self.told.tell(committed);
                }
                Ok(response)
            }
            other => {
                if matches!(other, Answer::Hollow) {
                    self.hollow.note_follower();
                }
                Err(self.unexpected(&other))
            }
        }
    }

    fn stream_append<'s, S>(
        &'s mut self,
        input: S,
        option: RPCOption,
    ) -> BoxFuture<'s, Result<Appended<'s>, RPCError<TypeConfig>>>
    where
        S: Stream<Item = AppendEntriesRequest<TypeConfig>> + Unpin + Send + 'static,
    {
        let heartbeat = Duration::from_millis(self.shared.timing.heartbeat_ms);
        let holder = Holder {
            notices: Arc::clone(&self.notices),
            told: Arc::clone(&self.told),
            patience: heartbeat * 3,
        };
        stream_append_sequential(self, holder.hold(input), option)
    }

    async fn vote(
        &mut self,
        rpc: VoteRequest<TypeConfig>,
        option: RPCOption,
    ) -> Result<VoteResponse<TypeConfig>, RPCError<TypeConfig>> {
        self.ask_vote(Question::Vote(rpc), option).await
    }

    async fn pre_vote(
        &mut self,
        rpc: VoteRequest<TypeConfig>,
        option: RPCOption,
    ) -> Result<VoteResponse<TypeConfig>, RPCError<TypeConfig>> {
        self.ask_vote(Question::PreVote(rpc), option).await
    }

    async fn full_snapshot(
        &mut self,
        vote: Vote,
        snapshot: Snapshot,
        cancel: impl Future<Output = ReplicationClosed> + OptionalSend + 'static,
        _option: RPCOption,
    ) -> Result<SnapshotResponse<TypeConfig>, StreamingError<TypeConfig>> {
        let Some((peer, _)) = &self.peer else {
            return Err(self.as_unreachable("unknown process").into());
        };
        let to = Destination {
            group: self.group,
            peer: *peer,
            transport: Arc::clone(&self.shared.transport),
        };
        let Checkpoint::Live(state) = snapshot.snapshot else {
            return Err(self.as_unreachable("only our own state is sent").into());
        };
        let sending = async {
            let _permit = self.shared.checkpoints.acquire().await;
            checkpoint::send(&to, state, vote).await
        };
        tokio::select! {
            sent = sending => sent.map_err(|error| self.as_unreachable(error).into()),
            closed = cancel => Err(closed.into()),
        }
    }

    async fn transfer_leader(
        &mut self,
        rpc: TransferLeaderRequest<TypeConfig>,
        option: RPCOption,
    ) -> Result<TransferLeaderResponse<TypeConfig>, RPCError<TypeConfig>> {
        let question = Question::Transfer(rpc);
        match self.ask(&question, option.soft_ttl()).await? {
            Answer::Transfer(response) => Ok(response),
            other => Err(self.unexpected(&other)),
        }
    }
}
