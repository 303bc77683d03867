//! Changing the members of a group through its leader's replica.
//!
//! **Invariant:** a step is decided from a committed membership and proposed only if that is still the newest one.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use eggs_proto::NodeId;
use openraft::async_runtime::WatchReceiver;
use openraft::errors::{ChangeMembershipError, ClientWriteError, ForwardToLeader, RaftError};
use openraft::raft::Precondition;
use openraft::{ChangeMembers, EmptyNode, Instant as _};
use tokio::sync::OwnedMutexGuard;
use tokio::time::Instant;

use crate::group::{Group, Replica};
use crate::members::{ChangeError, MemberChange, Members, Progress, Situation, Step};
use crate::types::{LogId, TypeConfig};

/// A group that was woken within this time has not heard of its members yet.
const JUST_WOKEN: Duration = Duration::from_secs(1);

impl Group {
    /// Does one step of a change of the members, as the leader. What is so already is done at once, so that a step may
    /// be repeated. A step that does not end by `deadline` goes on.
    pub async fn change_members(
        &self,
        change: MemberChange,
        deadline: std::time::Instant,
    ) -> Result<(), ChangeError> {
        let Ok(turn) = Arc::clone(&self.replica.changing).try_lock_owned() else {
            return Err(ChangeError::Busy);
        };
        self.wake(Instant::from_std(deadline)).await;
        let replica = Arc::clone(&self.replica);
        let task = tokio::spawn(async move { replica.change(change, turn).await });
        match tokio::time::timeout_at(Instant::from_std(deadline), task).await {
            Ok(Ok(changed)) => changed,
            Ok(Err(_)) => Err(ChangeError::Stopped), // it does not panic; the runtime ends
            Err(_) => Err(ChangeError::Deadline),
        }
    }
}

impl Replica {
    /// What this replica knows as leader, and which membership it knows it of.
    pub(crate) fn situation(&self) -> Option<(Situation, Option<LogId>)> {
        let metrics = self.raft.metrics();
        let metrics = metrics.borrow_watched();
        if metrics.current_leader != Some(self.node.get()) {
            return None;
        }
        let members = Members::of(&metrics.membership_config);
        let all = members.voters.iter().chain(&members.learners);
        let rested = self.presence.has_just_rested(JUST_WOKEN);
        let progress = all.map(|node| {
            let matched = metrics.replication.as_ref();
            let matched = matched.and_then(|all| all.get(&node.get())?.as_ref());
            let heard = metrics.heartbeat.as_ref();
            let heard = heard.and_then(|all| all.get(&node.get())?.as_ref());
            let heard = heard.map(|at| at.elapsed());
            // Members of a group that rests are heard through the pulses of their processes.
            let pulse = self.watch.heard(*node).filter(|_| rested);
            let progress = Progress {
                matched: matched.map(LogId::index),
                heard: heard.into_iter().chain(pulse).min(),
            };
            (*node, progress)
        });
        let situation = Situation {
            node: self.node,
            progress: progress.collect(),
            last_log: metrics.last_log_index.unwrap_or(0),
            members,
        };
        Some((situation, *metrics.membership_config.log_id()))
    }

    fn not_leader(&self) -> ChangeError {
        let metrics = self.raft.server_metrics();
        let leader = metrics.borrow_watched().current_leader;
        ChangeError::NotLeader {
            leader: leader.and_then(NodeId::from_u64),
        }
    }

    async fn change(
        &self,
        change: MemberChange,
        _turn: OwnedMutexGuard<()>,
    ) -> Result<(), ChangeError> {
        let (situation, version) = self.situation().ok_or_else(|| self.not_leader())?;
        let committed = self.raft.metrics().borrow_watched().local_committed;
        if version > committed {
            return Err(ChangeError::Busy);
        }
        let step = situation.decide(change)?;
        let members = match step {
            Step::Done => return Ok(()),
            Step::HandOver(heir) => {
                tracing::info!(group = %self.group, %heir, "hands over, because this replica leaves");
                self.give_away(heir).await;
                return Err(ChangeError::NotLeader { leader: Some(heir) });
            }
            Step::Learn(node) => ChangeMembers::AddNodes([(node.get(), EmptyNode {})].into()),
            Step::Forget(node) => ChangeMembers::RemoveNodes([node.get()].into()),
            Step::Vote(voters) => {
                let voters: BTreeSet<u64> = voters.iter().map(|node| node.get()).collect();
                ChangeMembers::ReplaceAllVoters(voters)
            }
        };
        tracing::info!(group = %self.group, ?change, "changing the members");
        // Voters that leave do not stay as learners.
        let condition = Precondition::LastMembershipLogId {
            last_membership_log_id: version,
        };
        let changed = self
            .raft
            .change_membership_if(members, false, [condition])
            .await;
        match changed {
            Ok(_) => Ok(()),
            Err(RaftError::APIError(error)) => Err(refused(&error)),
            Err(RaftError::Fatal(_)) => Err(ChangeError::Stopped),
        }
    }
}

fn refused(error: &ClientWriteError<TypeConfig>) -> ChangeError {
    match error {
        ClientWriteError::ForwardToLeader(forward)
        | ClientWriteError::LogEntryDiscarded(forward) => not_leader(forward),
        ClientWriteError::PreconditionFailed(_) => ChangeError::Busy,
        ClientWriteError::ChangeMembershipError(error) => match error {
            ChangeMembershipError::LearnerNotFound(missing) => {
                NodeId::from_u64(missing.node_id).map_or(ChangeError::Busy, ChangeError::NotMember)
            }
            // All others say that the last change is not committed yet, or this leader's first entry is not.
            _ => ChangeError::Busy,
        },
    }
}

fn not_leader(forward: &ForwardToLeader<TypeConfig>) -> ChangeError {
    ChangeError::NotLeader {
        leader: forward.leader_id.and_then(NodeId::from_u64),
    }
}
