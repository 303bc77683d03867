//! Answers to [`MetaRequest`]s: how the replicas of this node are, and changes of who takes part.

use std::time::{Duration, Instant};

use eggs_proto::meta::{
    GroupMembers, MemberStep, MetaReply, MetaRequest, ReplicaInfo, ReplicaProgress, Standing, Wait,
};
use eggs_proto::{CallError, CallResult, GroupId, NodeId};

use crate::members::{ChangeError, MemberChange};
use crate::{Group, Node};

impl Node {
    /// Answers a request about replicas. The caller has checked that the connection may ask for it.
    pub async fn handle_meta(
        &self,
        request: MetaRequest,
        deadline: Instant,
    ) -> CallResult<MetaReply> {
        match request {
            MetaRequest::Replicas { group: Some(group) } => {
                let group = self.group(group).ok_or(CallError::NotHosted)?;
                Ok(MetaReply::Replicas(vec![describe(&group)]))
            }
            MetaRequest::Replicas { group: None } => {
                let groups = self.groups().filter(Group::is_member);
                Ok(MetaReply::Replicas(groups.map(|g| describe(&g)).collect()))
            }
            MetaRequest::Transfer { group, to } => self.transfer(group, to).await,
            MetaRequest::Change { group, change } => {
                let group = self.group(group).ok_or(CallError::NotHosted)?;
                let change = match change {
                    MemberStep::AddLearner(node) => MemberChange::AddLearner(node),
                    MemberStep::Promote { add, remove } => MemberChange::Promote { add, remove },
                    MemberStep::Remove(node) => MemberChange::Remove(node),
                    MemberStep::Settle => MemberChange::Settle,
                };
                answer(group.change_members(change, deadline).await)
            }
            MetaRequest::Standing => {
                let founders = Vec::new();
                Ok(MetaReply::Standing(Standing::Settled { founders }))
            }
            MetaRequest::Space => Ok(MetaReply::Space(self.space())),
            // Only the coordinator's process holds transactions.
            MetaRequest::Hold { .. } => Err(CallError::NotHosted),
            MetaRequest::Pin { pin } => self.pin(pin, deadline).await,
            MetaRequest::Piece {
                pin,
                group,
                after,
                known,
            } => {
                let piece = self.shared.pins.piece(pin, group, (after, known));
                piece.await.map(MetaReply::Piece)
            }
            MetaRequest::Unpin { pin } => {
                self.shared.pins.unpin(pin);
                Ok(MetaReply::Done)
            }
            MetaRequest::Restore {
                group,
                restore,
                step,
            } => self.restore((group, restore), step, deadline).await,
            MetaRequest::Digest { group, id } => self.order_digest((group, id), deadline).await,
            MetaRequest::DigestOf { group, id } => {
                Ok(MetaReply::Digest(self.shared.digests.of(group, id)))
            }
        }
    }

    /// Who votes in the groups of this node, but for those in the middle of a change.
    pub fn decided_members(&self) -> Vec<GroupMembers> {
        self.groups().filter_map(|group| decided(&group)).collect()
    }

    /// Takes note of newer members, of groups that this node may have had to leave without hearing of it.
    pub fn hear_of_members(&self, newer: &[GroupMembers]) {
        let without_us = |known: &&GroupMembers| !known.voters.contains(&self.id());
        for known in newer.iter().filter(without_us) {
            if let Some(group) = self.group(known.group) {
                group.leave(known.version);
            }
        }
    }

    async fn transfer(&self, group: GroupId, to: NodeId) -> CallResult<MetaReply> {
        let group = self.group(group).ok_or(CallError::NotHosted)?;
        if !group.is_leader() {
            let leader = group.leader().filter(|leader| *leader != self.id());
            return Err(CallError::NotLeader { leader });
        }
        if !group.status().members.target.contains(&to) {
            return Ok(MetaReply::Waits(Wait::NotMember(to)));
        }
        let near = group.replica.situation();
        if near.is_some_and(|(known, _)| !known.is_up_to_date(to)) {
            return Ok(MetaReply::Waits(Wait::Behind(to)));
        }
        tracing::info!(group = %group.id(), %to, "hands over, as asked");
        group.transfer_leader(to).await;
        Ok(MetaReply::Done)
    }
}

fn answer(changed: Result<(), ChangeError>) -> CallResult<MetaReply> {
    let wait = match changed {
        Ok(()) => return Ok(MetaReply::Done),
        Err(ChangeError::NotLeader { leader }) => return Err(CallError::NotLeader { leader }),
        Err(ChangeError::Deadline) => return Err(CallError::Deadline),
        Err(error @ ChangeError::Stopped) => return Err(CallError::Unavailable(error.to_string())),
        Err(ChangeError::Busy) => Wait::Busy,
        Err(ChangeError::Behind { node }) => Wait::Behind(node),
        Err(ChangeError::NotMember(node)) => Wait::NotMember(node),
        Err(ChangeError::NoMajority(_)) => Wait::NoMajority,
        Err(ChangeError::TooMany) => Wait::TooMany,
    };
    Ok(MetaReply::Waits(wait))
}

fn decided(group: &Group) -> Option<GroupMembers> {
    let members = group.members();
    if members.is_joint() || members.voters.is_empty() {
        return None;
    }
    Some(GroupMembers {
        group: group.id(),
        version: members.version?,
        voters: members.voters.into_iter().collect(),
    })
}

fn describe(group: &Group) -> ReplicaInfo {
    let status = group.status();
    let ms = |ago: Duration| u64::try_from(ago.as_millis()).unwrap_or(u64::MAX);
    let progress = status
        .progress
        .iter()
        .map(|(node, progress)| ReplicaProgress {
            node: *node,
            matched: progress.matched,
            heard_ms: progress.heard.map(ms),
        });
    ReplicaInfo {
        group: status.group,
        term: status.term,
        leader: status.leader,
        last_log: status.last_log.unwrap_or(0),
        applied: status.applied.unwrap_or(0),
        version: status.members.version.unwrap_or(0),
        changing: status.members.is_joint(),
        progress: progress.collect(),
        voters: status.members.voters.into_iter().collect(),
        learners: status.members.learners.into_iter().collect(),
    }
}
