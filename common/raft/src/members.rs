//! Who takes part in a group, and how that changes.
//!
//! A change is one step, decided by the leader from the membership as it is, so that a change that was interrupted is
//! finished by asking for it again. Voters change through a joint configuration: for its time decisions need a
//! majority of the old voters and one of the new.
//!
//! **Invariant:** two memberships that follow each other share a set of voters, so that no majority of one is without
//! a member of every majority of the other.
//! **Invariant:** a learner votes only after it has nearly everything.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use eggs_proto::NodeId;

use crate::types::StoredMembership;

/// Most voters of a group, also in the middle of a change.
pub const VOTERS_MAX: usize = 9;
/// Most learners of a group.
pub const LEARNERS_MAX: usize = 4;

/// Who takes part in a group.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Members {
    /// Index of the log entry that says so; a larger one is newer. `None` before there was any.
    pub version: Option<u64>,
    /// Who votes. In the middle of a change, those of both sides.
    pub voters: BTreeSet<NodeId>,
    /// Who will vote once a change that has begun is finished; the same as `voters` if none has.
    pub target: BTreeSet<NodeId>,
    /// Who receives the log and does not vote.
    pub learners: BTreeSet<NodeId>,
}

impl Members {
    /// Whether a change of voters has begun and is not finished.
    pub fn is_joint(&self) -> bool {
        self.voters != self.target
    }

    pub(crate) fn of(stored: &StoredMembership) -> Self {
        let nodes = |ids: &mut dyn Iterator<Item = u64>| ids.filter_map(NodeId::from_u64).collect();
        let voters: BTreeSet<NodeId> = nodes(&mut stored.voter_ids());
        let target = stored.membership().get_joint_config().last();
        Self {
            version: stored.log_id().as_ref().map(crate::types::LogId::index),
            learners: nodes(&mut stored.membership().learner_ids()),
            target: target.map_or_else(BTreeSet::new, |last| nodes(&mut last.iter().copied())),
            voters,
        }
    }
}

/// One step of a change.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum MemberChange {
    /// Begins to send the log to a node, which does not vote yet.
    AddLearner(NodeId),
    /// Gives a learner that has nearly everything a vote, and takes that of another node, which leaves.
    Promote {
        /// Who votes from now on.
        add: NodeId,
        /// Who leaves, if anybody.
        remove: Option<NodeId>,
    },
    /// Takes a node out, voter or learner.
    Remove(NodeId),
    /// Finishes a change of voters that was interrupted.
    Settle,
}

/// Why a step was not done. Except for [`ChangeError::Deadline`] and [`ChangeError::Stopped`], nothing has changed.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ChangeError {
    /// Another replica leads, or none is known to.
    #[error("this replica does not lead")]
    NotLeader {
        /// Who does, if known.
        leader: Option<NodeId>,
    },
    /// Another step is under way.
    #[error("another change of the members is under way")]
    Busy,
    /// It lacks too much of the log to get a vote.
    #[error("{node} is not up to date yet")]
    Behind {
        /// Who.
        node: NodeId,
    },
    /// It has to be a learner first.
    #[error("{0} is not a member")]
    NotMember(NodeId),
    /// Too few of those who would vote answer.
    #[error("without {0} there would be no majority that answers")]
    NoMajority(NodeId),
    /// There would be too many members.
    #[error("there would be too many members")]
    TooMany,
    /// It was not finished in time, and may still be.
    #[error("the deadline has passed")]
    Deadline,
    /// The group has stopped on this node.
    #[error("the group has stopped")]
    Stopped,
}

/// How far a member is, as the leader sees it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Progress {
    /// Index of the last entry that it is known to have.
    pub matched: Option<u64>,
    /// How long ago it answered.
    pub heard: Option<Duration>,
}

/// What the leader knows when it decides about a step.
#[derive(Clone, Debug)]
pub(crate) struct Situation {
    pub(crate) node: NodeId,
    pub(crate) members: Members,
    pub(crate) last_log: u64,
    pub(crate) progress: BTreeMap<NodeId, Progress>,
}

/// A replica this many entries behind is still up to date.
pub(crate) const LAG_MAX: u64 = 16;
/// A replica that has answered within this time is there.
pub(crate) const FRESH: Duration = Duration::from_secs(2);

/// What the leader does about a step.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Step {
    /// It is as asked already.
    Done,
    /// Adds a learner.
    Learn(NodeId),
    /// Changes who votes, and finishes what has begun.
    Vote(BTreeSet<NodeId>),
    /// Forgets a learner.
    Forget(NodeId),
    /// Hands leadership over first, to one of those who stay.
    HandOver(NodeId),
}

impl Situation {
    fn is_fresh(&self, node: NodeId) -> bool {
        let heard = |p: &Progress| p.heard.is_some_and(|ago| ago < FRESH);
        node == self.node || self.progress.get(&node).is_some_and(heard)
    }

    /// Whether a member has nearly everything and has answered lately.
    pub(crate) fn is_up_to_date(&self, node: NodeId) -> bool {
        let near = |p: &Progress| {
            p.matched
                .is_some_and(|index| index.saturating_add(LAG_MAX) >= self.last_log)
        };
        node == self.node || (self.is_fresh(node) && self.progress.get(&node).is_some_and(near))
    }

    /// Index of the last entry that all voters have who have answered lately, as far as is known.
    pub(crate) fn everywhere(&self) -> Option<u64> {
        let others = self.members.voters.iter().filter(|n| **n != self.node);
        let there = others.filter(|node| self.is_fresh(**node));
        let matched = there.map(|node| self.progress.get(node)?.matched);
        matched.min().unwrap_or(Some(self.last_log))
    }

    /// Decides about a step.
    pub(crate) fn decide(&self, change: MemberChange) -> Result<Step, ChangeError> {
        let members = &self.members;
        if members.is_joint() && !matches!(change, MemberChange::Settle) {
            return Err(ChangeError::Busy);
        }
        match change {
            MemberChange::Settle if members.is_joint() => Ok(Step::Vote(members.target.clone())),
            MemberChange::Settle => Ok(Step::Done),
            MemberChange::AddLearner(node) => {
                if members.voters.contains(&node) || members.learners.contains(&node) {
                    Ok(Step::Done)
                } else if members.learners.len() >= LEARNERS_MAX {
                    Err(ChangeError::TooMany)
                } else {
                    Ok(Step::Learn(node))
                }
            }
            MemberChange::Promote { add, remove } => self.promote(add, remove),
            MemberChange::Remove(node) if members.learners.contains(&node) => {
                Ok(Step::Forget(node))
            }
            MemberChange::Remove(node) if !members.voters.contains(&node) => Ok(Step::Done),
            MemberChange::Remove(node) => self.vote(node, members.voters.clone(), Some(node)),
        }
    }

    fn promote(&self, add: NodeId, remove: Option<NodeId>) -> Result<Step, ChangeError> {
        let members = &self.members;
        let leaves = remove.filter(|node| *node != add && members.voters.contains(node));
        if members.voters.contains(&add) {
            return match leaves {
                None => Ok(Step::Done),
                Some(_) => self.vote(add, members.voters.clone(), leaves),
            };
        }
        if !members.learners.contains(&add) {
            return Err(ChangeError::NotMember(add));
        }
        if !self.is_up_to_date(add) {
            return Err(ChangeError::Behind { node: add });
        }
        let mut target = members.voters.clone();
        target.insert(add);
        self.vote(add, target, leaves)
    }

    fn vote(
        &self,
        subject: NodeId,
        mut target: BTreeSet<NodeId>,
        leaves: Option<NodeId>,
    ) -> Result<Step, ChangeError> {
        if let Some(node) = leaves {
            target.remove(&node);
        }
        if target.len() > VOTERS_MAX {
            return Err(ChangeError::TooMany);
        }
        let there: Vec<NodeId> = target
            .iter()
            .copied()
            .filter(|node| self.is_fresh(*node))
            .collect();
        if there.len() <= target.len() / 2 {
            return Err(ChangeError::NoMajority(subject));
        }
        if leaves != Some(self.node) {
            return Ok(Step::Vote(target));
        }
        let old = there
            .iter()
            .find(|node| self.members.voters.contains(node) && self.is_up_to_date(**node));
        // A leader that leaves hands over while it still may; without an heir it stays.
        old.map_or(Err(ChangeError::NoMajority(subject)), |heir| {
            Ok(Step::HandOver(*heir))
        })
    }
}

/// Whether one membership may follow another: they share a set of voters.
pub(crate) fn may_follow(old: &[BTreeSet<u64>], new: &[BTreeSet<u64>]) -> bool {
    old.is_empty() || new.iter().any(|voters| old.contains(voters))
}

/// Who should lead a group when all is well: places are given by number, so that a replacement whose number fits takes
/// the place of the one it replaces, and nobody else moves. Who takes its own place under a new name keeps it.
pub(crate) fn preferred(group: u16, voters: &BTreeSet<NodeId>) -> Option<NodeId> {
    let count = voters.len();
    let mut places: Vec<Option<NodeId>> = vec![None; count];
    let mut rest = Vec::new();
    for node in voters {
        let place = places.get_mut(node.place().index() as usize % count);
        match place {
            Some(place @ None) => *place = Some(*node),
            Some(Some(_)) | None => rest.push(*node),
        }
    }
    let mut rest = rest.into_iter();
    for place in places.iter_mut().filter(|place| place.is_none()) {
        *place = rest.next();
    }
    let at = usize::from(group).checked_rem(count)?;
    places.get(at).copied().flatten()
}

#[cfg(test)]
mod tests;
