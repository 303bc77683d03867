//! The handle of one group's replica.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;

use eggs_machine::{Command, StateMachine, StoreRead};
use eggs_proto::registry::SpaceLevel;
use eggs_proto::{GroupId, NodeId};
use openraft::async_runtime::WatchReceiver;
use openraft::metrics::RaftServerMetrics;
use tokio::time::Instant;

use crate::asked::Asked;
use crate::hollow::Hollow;
use crate::kv::{Bug, planted};
use crate::log::GroupLog;
use crate::members::{self, Members, Progress};
use crate::proposer::Proposer;
use crate::read_index::ReadIndexes;
use crate::rest::{Presence, Sight, Touched, Watch};
use crate::space::Board;
use crate::state::{Reader, StateDb};
use crate::types::{Raft, TypeConfig};
use crate::{ProposeError, ReadError, Timing};

/// How long to wait before asking a quorum again whether it still follows us.
const RETRY_DELAY: Duration = Duration::from_millis(10);

/// One group's replica on this node. Cheap to clone.
#[derive(Clone)]
pub struct Group {
    pub(crate) replica: Arc<Replica>,
}

pub(crate) struct Replica {
    pub(crate) group: GroupId,
    pub(crate) node: NodeId,
    pub(crate) raft: Raft,
    pub(crate) log: GroupLog,
    pub(crate) state: Arc<StateDb>,
    pub(crate) proposer: Arc<Proposer>,
    pub(crate) indexes: Arc<ReadIndexes>,
    pub(crate) machine: Arc<dyn StateMachine>,
    /// Whether the group is being filled from a backup and serves nobody.
    pub(crate) restoring: Arc<AtomicBool>,
    pub(crate) hollow: Hollow,
    pub(crate) timing: Timing,
    pub(crate) space: Arc<Board>,
    /// Held by the one step of a change of members that is under way.
    pub(crate) changing: Arc<tokio::sync::Mutex<()>>,
    /// One more than the version of the members as of which this replica has left; 0 if it has not.
    pub(crate) left: AtomicU64,
    pub(crate) presence: Arc<Presence>,
    pub(crate) asked: Arc<Asked>,
    pub(crate) watch: Arc<Watch>,
}

impl Replica {
    /// As the failure detector sees it.
    pub(crate) fn sight(&self) -> Sight<'_> {
        Sight {
            group: self.group.0,
            raft: &self.raft,
            presence: &self.presence,
        }
    }

    /// Gives the leadership to `heir`, if it has it. Members that rest do not wait for an heir that never takes it.
    pub(crate) async fn give_away(&self, heir: NodeId) {
        let term = {
            let metrics = self.raft.server_metrics();
            metrics.borrow_watched().vote.leader_id.term
        };
        self.presence.give_away(term);
        self.asked.certainty.hand_over(&self.raft, heir).await;
    }

    /// Whether this replica may ask for votes.
    pub(crate) fn may_campaign(&self) -> bool {
        self.presence.campaigns() && self.takes_part()
    }

    /// Whether this replica has heard of nothing that says it takes no part.
    pub(crate) fn takes_part(&self) -> bool {
        self.left.load(Ordering::Relaxed) == 0 && !self.hollow.is_set()
    }

    /// The version of the members as of which this replica has left, as far as others have told.
    pub(crate) fn left_as_of(&self) -> Option<u64> {
        self.left.load(Ordering::Relaxed).checked_sub(1)
    }
}

/// Who leads, as far as this replica knows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Leadership {
    /// The term of Raft.
    pub term: u64,
    /// Its leader, if known.
    pub leader: Option<NodeId>,
}

/// How far a replica is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct GroupStatus {
    /// Which group.
    pub group: GroupId,
    /// The term of Raft.
    pub term: u64,
    /// Its leader, if known.
    pub leader: Option<NodeId>,
    /// Index of the last log entry.
    pub last_log: Option<u64>,
    /// Index of the last entry known to be committed.
    pub committed: Option<u64>,
    /// Index of the last applied entry.
    pub applied: Option<u64>,
    /// Index of the last entry that was purged from the log.
    pub purged: Option<u64>,
    /// Who takes part, as far as this replica knows that it is decided.
    pub members: Members,
    /// How far the others are, if this replica leads.
    pub progress: BTreeMap<NodeId, Progress>,
}

type ServerWatch =
    openraft::type_config::alias::WatchReceiverOf<TypeConfig, RaftServerMetrics<TypeConfig>>;

/// Waits for changes of leadership.
pub struct LeaderWatch {
    metrics: ServerWatch,
    current: Leadership,
}

impl LeaderWatch {
    /// Who leads now.
    pub fn current(&self) -> Leadership {
        leadership(&self.metrics.borrow_watched())
    }

    /// Waits until it differs from what was last returned; `None` once the group has stopped.
    pub async fn changed(&mut self) -> Option<Leadership> {
        loop {
            let now = self.current();
            if now != self.current {
                self.current = now;
                return Some(now);
            }
            self.metrics.changed().await.ok()?;
        }
    }
}

fn leadership(metrics: &RaftServerMetrics<TypeConfig>) -> Leadership {
    Leadership {
        term: metrics.vote.leader_id.term,
        leader: metrics.current_leader.and_then(NodeId::from_u64),
    }
}

impl Group {
    /// Which group this is.
    pub fn id(&self) -> GroupId {
        self.replica.group
    }

    /// Proposes a command and waits for its reply.
    ///
    /// While this replica leads without a lease, waits until `deadline` for the lease to come back.
    pub async fn propose(
        &self,
        command: Command,
        deadline: std::time::Instant,
    ) -> Result<Vec<u8>, ProposeError> {
        let leader = self.leader();
        if leader != Some(self.replica.node) {
            return Err(ProposeError::NotLeader { leader });
        }
        if self.replica.restoring.load(Ordering::SeqCst) {
            return Err(ProposeError::Restoring);
        }
        let deadline = Instant::from_std(deadline);
        self.wake(deadline).await;
        self.replica.proposer.propose(command, deadline).await
    }

    /// Reads linearizably: `read` sees at least everything that was answered before this call.
    ///
    /// `read` runs on the caller's task and must be short.
    pub async fn read<R, F>(&self, read: F, deadline: std::time::Instant) -> Result<R, ReadError>
    where
        F: FnOnce(&dyn StoreRead) -> R,
    {
        self.ready_to_read(deadline).await?;
        Ok(self.read_local(read))
    }

    /// Waits until a [`Group::read_local`] right after it is linearizable: under the leader's lease, or after asking a
    /// quorum when the lease has lapsed.
    pub async fn ready_to_read(&self, deadline: std::time::Instant) -> Result<(), ReadError> {
        self.certain_to_lead(deadline).await?;
        self.check_whole()
    }

    /// Whether this replica has its state, and nobody is just filling the group from a backup. Looked at after it was made certain how far this replica
    /// is: what is begun later may be missed.
    pub(crate) fn check_whole(&self) -> Result<(), ReadError> {
        if self.replica.hollow.is_set() {
            return Err(ReadError::NotLeader { leader: None });
        }
        match self.replica.restoring.load(Ordering::SeqCst) {
            true => Err(ReadError::Restoring),
            false => Ok(()),
        }
    }

    /// Waits until it is certain that this replica leads and has applied everything that was answered.
    pub(crate) async fn certain_to_lead(
        &self,
        deadline: std::time::Instant,
    ) -> Result<(), ReadError> {
        let deadline = Instant::from_std(deadline);
        self.replica.presence.touch(); // without a lease, a quorum is asked below
        let unasked = planted(Bug::LeaseIgnored) && self.is_leader();
        if unasked || self.replica.asked.is_certain() {
            return Ok(());
        }
        loop {
            let checked = tokio::time::timeout_at(deadline, self.check_lead(deadline)).await;
            match checked.unwrap_or(Err(ReadError::Deadline))? {
                Some(_) => return Ok(()),
                None => tokio::time::sleep(RETRY_DELAY).await, // no quorum
            }
        }
    }

    /// Wakes a resting group: its leader needs a lease again before it can do anything.
    pub(crate) async fn wake(&self, deadline: Instant) {
        if self.replica.presence.touch() == Touched::Woken {
            // Whatever comes of it, what is done next is told the same.
            let _ = self.check_lead(deadline).await;
        }
    }

    /// Whether this group rests, as far as this replica knows.
    pub fn is_resting(&self) -> bool {
        let metrics = self.replica.raft.server_metrics();
        let metrics = metrics.borrow_watched();
        if metrics.current_leader == Some(self.replica.node.get()) {
            return self.replica.presence.rests();
        }
        let (rests_in, _) = self.replica.presence.following();
        metrics.current_leader.is_some() && rests_in == Some(metrics.vote.leader_id.term)
    }

    async fn check_lead(&self, deadline: Instant) -> Result<Option<u64>, ReadError> {
        let patience = deadline.saturating_duration_since(Instant::now());
        let asking = patience.min(self.replica.timing.silence());
        self.replica.asked.confirm(asking, patience).await
    }

    /// Reads what this replica has applied, which may be old, and on a follower that is being sent a checkpoint may be
    /// in the middle of being replaced.
    pub fn read_local<R, F>(&self, read: F) -> R
    where
        F: FnOnce(&dyn StoreRead) -> R,
    {
        let (state, group) = (&self.replica.state, self.replica.group);
        read(&Reader::new(state, group, &self.replica.asked.slot))
    }

    /// Who leads, as far as this replica knows.
    pub fn leader(&self) -> Option<NodeId> {
        let metrics = self.replica.raft.server_metrics();
        let leader = metrics.borrow_watched().current_leader;
        leader.and_then(NodeId::from_u64)
    }

    /// Whether this replica leads, as far as it knows; a deposed leader may not know yet.
    pub fn is_leader(&self) -> bool {
        self.leader() == Some(self.replica.node)
    }

    /// How far this replica is.
    pub fn status(&self) -> GroupStatus {
        let situation = self.replica.situation();
        let metrics = self.replica.raft.metrics();
        let metrics = metrics.borrow_watched();
        GroupStatus {
            group: self.replica.group,
            term: metrics.current_term,
            leader: metrics.current_leader.and_then(NodeId::from_u64),
            last_log: metrics.last_log_index,
            committed: metrics.local_committed.map(|id| id.index()),
            applied: metrics.last_applied.map(|id| id.index()),
            purged: metrics.purged.map(|id| id.index()),
            members: Members::of(&metrics.committed_membership_config),
            progress: situation.map_or_else(BTreeMap::new, |(known, _)| known.progress),
        }
    }

    /// Hands leadership over to `to`, if this replica leads. Returns at once; watch [`Group::changed`] for the outcome.
    pub async fn transfer_leader(&self, to: NodeId) {
        if to != self.replica.node {
            self.replica.presence.touch();
            self.replica.give_away(to).await;
        }
    }

    /// How much space the disks of this group have: as much as the best majority of its voters. A leader proposes
    /// nothing that grows unless it is ample.
    pub fn space(&self) -> SpaceLevel {
        let (space, now) = (&self.replica.space, Instant::now());
        if space.is_ample_everywhere(now) {
            return SpaceLevel::Ample;
        }
        space.of_group(self.members().target.iter(), now)
    }

    /// Who takes part, as far as this replica knows that it is decided.
    pub fn members(&self) -> Members {
        let metrics = self.replica.raft.metrics();
        Members::of(&metrics.borrow_watched().committed_membership_config)
    }

    /// Whether this replica takes part, as far as it knows that it is decided.
    pub fn is_member(&self) -> bool {
        let metrics = self.replica.raft.metrics();
        let metrics = metrics.borrow_watched();
        let members = metrics.committed_membership_config.membership();
        self.replica.takes_part() && members.get_node(&self.replica.node.get()).is_some()
    }

    /// Who should lead when all is well.
    pub fn preferred(&self) -> Option<NodeId> {
        let metrics = self.replica.raft.metrics();
        let members = Members::of(&metrics.borrow_watched().membership_config);
        members::preferred(self.replica.group.0, &members.target)
    }

    /// Tells this replica what others know: that it is no member as of `version`. It stops asking for votes, until it
    /// is a member again in a later version.
    pub fn leave(&self, version: u64) {
        let known = self.members().version;
        if known.is_some_and(|known| known < version) {
            let left = version.saturating_add(1);
            if self.replica.left.swap(left, Ordering::Relaxed) != left {
                tracing::info!(group = %self.replica.group, "this replica has left its group");
            }
            self.replica.raft.runtime_config().elect(false);
        }
    }

    /// Undoes [`Group::leave`] once this replica has heard of later members, who include it.
    pub(crate) fn return_if_readmitted(&self) {
        let left = self.replica.left.load(Ordering::Relaxed);
        if left == 0 || self.replica.hollow.is_set() {
            return;
        }
        let members = self.members();
        let node = &self.replica.node;
        let admitted = members.voters.contains(node) || members.learners.contains(node);
        if admitted && members.version.is_some_and(|version| version >= left) {
            self.replica.left.store(0, Ordering::Relaxed);
            self.replica.raft.runtime_config().elect(true);
        }
    }

    /// Watches who leads.
    pub fn changed(&self) -> LeaderWatch {
        let metrics = self.replica.raft.server_metrics();
        let current = leadership(&metrics.borrow_watched());
        LeaderWatch { metrics, current }
    }
}
